//! Controllers a second time: the whole course from the first close on, in counts instead of logarithms.

use super::{Counts, Past, Seen, Signal};
use crate::policy::pid::Pid;
use std::time::Duration;

/// What it asks for at the last close; nothing where its signal has no value.
pub(super) fn asks_for(pid: &Pid, seen: &[Seen<'_>], past: &Past) -> Option<i64> {
    let mut course: Option<Course> = None;
    let mut asked = None;
    let mut closes: Vec<Close> = Vec::new();
    for (at, close) in seen.iter().enumerate() {
        let counts = Counts::of(close.agent, close.instances);
        let Some(value) = value(pid, close, &counts) else {
            asked = None;
            continue;
        };
        let ratio = value / pid.objective.target;
        closes.push((close.now(), counts.ready as f64, ratio));
        let needed = match pid.adaptive {
            true => counts.ready as f64 * ratio.max(0.0).powf(1.0 / share(&closes, close.agent.range.length())),
            false => value * counts.ready as f64 / pid.objective.target,
        };
        let before: Vec<_> = past.changes.iter().filter(|(when, by)| *when < close.now() && *by != 0).collect();
        let now = close.now();
        let is_new = before.last().is_some_and(|(when, _)| now.since(*when) < pid.start_up);
        let there = if is_new { past.standing[at] } else { counts.held }.max(1);
        let lately: Vec<_> = before.iter().filter(|(when, _)| now.since(*when) < Duration::from_mins(10)).collect();
        let reversals = lately.windows(2).filter(|pair| (pair[0].1 > 0) != (pair[1].1 > 0)).count();
        let gain = [1.0, 0.5, 0.25, 0.125][reversals.min(3)];
        let next = match course {
            None => Course { count: there as f64, needed: needed.max(1.0), slope: 0.0, at: now },
            Some(course) => course.next(pid, now, needed, there, gain),
        };
        let is_calm = course.is_none() || pid.objective.band.holds(needed / there as f64);
        asked = Some(if is_calm { there } else { rounded(next.count) });
        course = Some(next);
    }
    asked
}

#[derive(Clone, Copy)]
struct Course {
    count: f64,
    needed: f64,
    slope: f64,
    at: tidegauge_model::EventTime,
}

impl Course {
    fn next(self, pid: &Pid, now: tidegauge_model::EventTime, needed: f64, there: i64, gain: f64) -> Self {
        let seconds = now.since(self.at).as_secs_f64();
        let wanted = needed.max(1.0);
        let growth = (wanted / self.needed).ln();
        let weight = seconds / (pid.filter.as_secs_f64() + seconds);
        let slope = (1.0 - weight) * self.slope + weight * growth / seconds;
        let from = if rounded(self.count) == there { self.count } else { there as f64 };
        if pid.objective.band.holds(needed / there as f64) {
            return Self { count: from, needed: wanted, slope, at: now };
        }
        let exponent = pid.proportional * growth
            + pid.integral_per_s * seconds * (wanted / from).ln()
            + pid.derivative_s * (slope - self.slope);
        let to = from * (gain * exponent).exp();
        let count = if wanted >= from { to.max(from).min(wanted) } else { to.min(from).max(wanted) };
        Self { count, needed: wanted, slope, at: now }
    }
}

fn rounded(count: f64) -> i64 {
    (count - 1e-9).ceil() as i64
}

/// When, how many were ready, and the value of what is wanted.
type Close = (tidegauge_model::EventTime, f64, f64);

/// By how much less each has when there are more: of all steps that say something, the later ones weighing more.
fn share(closes: &[Close], window: Duration) -> f64 {
    // Those at which the same count had been ready for a window.
    let stood = |at: &usize| {
        let same = closes[..=*at].iter().rev().take_while(|close| close.1 == closes[*at].1);
        same.last().is_some_and(|first| closes[*at].0.since(first.0) >= window)
    };
    let settled: Vec<&Close> = (0..closes.len()).filter(stood).map(|at| &closes[at]).collect();
    let mut telling = Vec::new();
    for pair in settled.windows(2) {
        let (count, load) = ((pair[1].1 / pair[0].1).ln(), -(pair[1].2 / pair[0].2).ln());
        let least = 1.05_f64.ln() - 1e-12;
        if count.abs() >= least && pair[0].2.ln().abs() >= least && (0.0..=2.0).contains(&(load / count)) {
            telling.push((count, load));
        }
    }
    let weight = |later: usize| 0.95_f64.powi(later as i32);
    let (mut products, mut squares) = (0.1 * weight(telling.len()), 0.1 * weight(telling.len()));
    for (at, (count, load)) in telling.iter().enumerate() {
        products += weight(telling.len() - 1 - at) * count * load;
        squares += weight(telling.len() - 1 - at) * count * count;
    }
    (products / squares).clamp(0.5, 1.0)
}

/// What is measured.
fn value(pid: &Pid, seen: &Seen<'_>, counts: &Counts) -> Option<f64> {
    let signal = Signal::read(&pid.objective, seen, counts);
    let (used, there) = signal.sums()?;
    let share = used as f64 / there as f64;
    Some(if signal.one() == 1 { share / 1e3 } else { share })
}
