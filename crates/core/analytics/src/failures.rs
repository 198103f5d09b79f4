//! How an agent fails: stretches of windows with too many errors, how long each lasted, and what they have in common.
//!
//! | pattern | sign, the first that holds |
//! | --- | --- |
//! | constant | at least half of the windows fail |
//! | under load | failing windows carried more load per instance than the others (Mann–Whitney, p ≤ 0.01) |
//! | periodic | four or more stretches, and the times between their starts vary by a fifth or less |
//! | sporadic | anything else |
//!
//! - **FP1** A window whose error rate is not known neither begins nor ends a stretch, and does not count.
//! - **FP2** A stretch that has not ended has no recovery time: it is counted as open.
//! - **FP3** Stretches do not overlap, and lie within the windows.

use crate::absent::{Absent, Measured, ratio};
use crate::inference::mann_whitney;
use crate::stats::{mean, median, variance};
use serde::{Deserialize, Serialize};
use tidegauge_model::{EventTime, TimeRange};

/// What one window says of errors.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorWindow {
    /// The window.
    pub window: TimeRange,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
    /// Offered or completed per second and instance.
    pub load_per_instance: Option<f64>,
}

/// Windows with too many errors, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Start of the first.
    pub start: EventTime,
    /// End of the last.
    pub end: EventTime,
    /// No good window followed.
    pub open: bool,
    /// Windows in it.
    pub windows: u32,
    /// Greatest error rate of a window.
    pub worst: f64,
}

impl Stretch {
    /// How long it lasted: the time to recover, unless it is open.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.end.since(self.start).as_secs_f64()
    }
}

/// What failing windows have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePattern {
    /// There are none.
    None,
    /// It fails as often as not.
    Constant,
    /// It fails when it has more to do.
    UnderLoad,
    /// It fails at regular times.
    Periodic,
    /// Neither.
    Sporadic,
}

/// How an agent fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Failures {
    /// Stretches in order of time.
    pub stretches: Vec<Stretch>,
    /// Windows with an error rate, and those of them that fail.
    pub windows: (u32, u32),
    /// What they have in common.
    pub pattern: FailurePattern,
}

/// Fewest failing windows, and others, that are compared by their load.
const COMPARED: usize = 5;

/// A window with its error rate.
type Known<'a> = (&'a ErrorWindow, f64);

/// Finds the stretches of `windows`, in order of time, whose error rate is above `level`.
///
/// # Errors
///
/// [`Absent::NotReported`] where no window has an error rate.
pub fn failures(windows: &[ErrorWindow], level: f64) -> Measured<Failures> {
    let known: Vec<Known<'_>> =
        windows.iter().filter_map(|each| Some((each, each.error_rate.filter(|rate| rate.is_finite())?))).collect();
    if known.is_empty() {
        return Err(Absent::NotReported);
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for &(ErrorWindow { window, .. }, rate) in &known {
        let last = stretches.last_mut().filter(|last| last.open);
        match (last, rate > level) {
            (Some(last), true) => {
                (last.end, last.windows, last.worst) = (window.end, last.windows + 1, last.worst.max(rate));
            }
            (None, true) => {
                stretches.push(Stretch { start: window.start, end: window.end, open: true, windows: 1, worst: rate });
            }
            (Some(last), false) => last.open = false,
            (None, false) => {}
        }
    }
    let (failing, good): (Vec<&Known<'_>>, Vec<&Known<'_>>) = known.iter().partition(|(_, rate)| *rate > level);
    let load = |of: &[&Known<'_>]| of.iter().filter_map(|each| each.0.load_per_instance).collect::<Vec<_>>();
    let pattern = match () {
        () if failing.is_empty() => FailurePattern::None,
        () if 2 * failing.len() >= known.len() => FailurePattern::Constant,
        () if is_under_load(&load(&good), &load(&failing)) => FailurePattern::UnderLoad,
        () if is_periodic(&stretches) => FailurePattern::Periodic,
        () => FailurePattern::Sporadic,
    };
    Ok(Failures { windows: (known.len() as u32, failing.len() as u32), stretches, pattern })
}

fn is_under_load(good: &[f64], failing: &[f64]) -> bool {
    let is_more = median(failing).zip(median(good)).is_some_and(|(failing, good)| failing > good);
    good.len().min(failing.len()) >= COMPARED
        && is_more
        && mann_whitney(good, failing).is_some_and(|test| test.p <= 0.01)
}

fn is_periodic(stretches: &[Stretch]) -> bool {
    let gaps: Vec<f64> = stretches.windows(2).map(|pair| pair[1].start.since(pair[0].start).as_secs_f64()).collect();
    let varies = mean(&gaps).zip(variance(&gaps)).map(|(mean, variance)| variance.sqrt() / mean);
    gaps.len() >= 3 && varies.is_some_and(|cv| cv <= 0.2)
}

impl Failures {
    /// Failing windows ÷ windows.
    ///
    /// # Errors
    ///
    /// None in practice: there is a window.
    pub fn share(&self) -> Measured {
        ratio(f64::from(self.windows.1), f64::from(self.windows.0))
    }

    /// Mean and greatest time to recover, in seconds, of the stretches that ended.
    ///
    /// # Errors
    ///
    /// [`Absent::NoEvents`] where none ended.
    pub fn recovery_s(&self) -> Measured<(f64, f64)> {
        let times: Vec<f64> = self.stretches.iter().filter(|each| !each.open).map(Stretch::seconds).collect();
        let most = times.iter().copied().fold(0.0, f64::max);
        mean(&times).map(|mean| (mean, most)).ok_or(Absent::NoEvents)
    }

    /// Mean time from the end of a stretch to the start of the next, in seconds.
    ///
    /// # Errors
    ///
    /// [`Absent::NoEvents`] below two stretches.
    pub fn between_s(&self) -> Measured {
        let gaps: Vec<f64> =
            self.stretches.windows(2).map(|pair| pair[1].start.since(pair[0].end).as_secs_f64()).collect();
        mean(&gaps).ok_or(Absent::NoEvents)
    }

    /// Stretches that have not ended: none or one.
    #[must_use]
    pub fn open(&self) -> usize {
        self.stretches.iter().filter(|each| each.open).count()
    }
}
