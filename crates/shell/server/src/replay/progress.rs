//! How far a replay has come, and how fast: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegauge_model::EventTime;
use tidegauge_policy::HumanDuration;

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shared by all workers of a replay.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The stretch of log time that each partition has covered.
    covered: BTreeMap<(usize, i32), (EventTime, EventTime)>,
    partitions: usize,
    said: Option<Instant>,
}

impl Progress {
    /// `total` offsets in so many partitions.
    pub(super) fn new(total: u64, partitions: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::new(total) } else { ProgressBar::hidden() };
        bar.set_length(total);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}, {eta} left");
        let state = Mutex::new(State { partitions, ..State::default() });
        let bar = bar.with_style(style.expect("the template is right"));
        Self { bar, is_terminal, begin: Instant::now(), state }
    }

    /// A partition (of the topic with that number) has come to `at` by the log's time, `offsets` further.
    pub(super) fn advance(&self, partition: (usize, i32), offsets: u64, at: EventTime) {
        self.bar.inc(offsets);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let covered = state.covered.entry(partition).or_insert((at, at));
        *covered = (covered.0.min(at), covered.1.max(at));
        if self.is_terminal {
            self.bar.set_message(state.speed(self.begin.elapsed()));
        } else if state.said.unwrap_or(self.begin).elapsed() >= LINE_EVERY {
            state.said = Some(Instant::now());
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default().max(1));
            eprintln!("replay: {} %, {}", done * 100 / total, state.speed(self.begin.elapsed()));
        }
    }

    /// Ends the display; says how much of the log was covered in what time.
    pub(super) fn finish(&self) -> Passed {
        self.bar.finish_and_clear();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Passed { took: self.begin.elapsed(), covered: state.longest() }
    }
}

/// How much of the log was covered, in what time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    covered: Duration,
    took: Duration,
}

impl Passed {
    /// `3h of log in 12.0 s (900x)`.
    pub(super) fn text(self) -> String {
        let Self { covered, took } = self;
        format!("{} of log in {:.1} s ({})", coarse(covered), took.as_secs_f64(), times(covered, took))
    }

    /// The same in figures, with those of the partitions, and what else was counted.
    pub(super) fn figures(self, partitions: usize, others: &[(&str, u64)]) -> Value {
        let (log_s, took_s) = (self.covered.as_secs_f64(), self.took.as_secs_f64());
        let mut figures = json!({ "partitions": partitions, "log_s": log_s, "took_s": took_s });
        others.iter().for_each(|(name, count)| figures[name] = (*count).into());
        figures
    }
}

impl State {
    /// Partitions are replayed side by side or one after the other: what counts is how much of all is covered.
    fn speed(&self, took: Duration) -> String {
        let each = self.covered.values().map(|(first, last)| last.since(*first));
        times(each.sum::<Duration>() / u32::try_from(self.partitions.max(1)).unwrap_or(u32::MAX), took)
    }

    fn longest(&self) -> Duration {
        self.covered.values().map(|(first, last)| last.since(*first)).max().unwrap_or_default()
    }
}

/// Speed as a multiple of real time.
fn times(covered: Duration, took: Duration) -> String {
    let times = covered.as_secs_f64() / took.as_secs_f64().max(1e-3);
    if times < 10.0 { format!("{times:.1}x") } else { format!("{times:.0}x") }
}

/// A stretch of log as one says it: to the second, below ten seconds to the millisecond.
fn coarse(duration: Duration) -> String {
    let step = if duration < Duration::from_secs(10) { 1 } else { 1_000 };
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    HumanDuration(Duration::from_millis(millis / step * step)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_a_multiple_of_real_time() {
        let (hours, seconds) = (Duration::from_secs(3 * 3_600), Duration::from_secs(12));
        assert_eq!(times(hours, seconds), "900x");
        assert_eq!(times(Duration::from_secs(30), seconds), "2.5x");
        assert_eq!(times(hours, Duration::ZERO), "10800000x");
        assert_eq!((coarse(hours), coarse(Duration::from_millis(61_234))), ("3h".to_owned(), "1m1s".to_owned()));
    }
}
