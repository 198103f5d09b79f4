//! Two runs compared: did it change, and by how much.

use super::{Level, Measured};
use crate::inference::{Interval, SplitMix64, mann_whitney, median, ratio_of_medians};
use serde::Serialize;

/// When a difference counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Greatest p of the Mann–Whitney test. Default 0.01.
    pub p: f64,
    /// Least change of the median, as a share. Default 0.05.
    pub least_effect: f64,
    /// Fewest values on each side. Default 5.
    pub least_count: usize,
    /// Bootstrap rounds. Default 1000.
    pub rounds: usize,
    /// Confidence of the interval. Default 0.95.
    pub confidence: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { p: 0.01, least_effect: 0.05, least_count: 5, rounds: 1_000, confidence: 0.95 }
    }
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Greater by at least the least effect.
    Higher,
    /// Lower by at least the least effect.
    Lower,
    /// No difference that counts.
    Same,
    /// Too few values, or a median of 0.
    NotComparable,
}

/// A comparison of one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What it says.
    pub verdict: Verdict,
    /// Median after ÷ median before.
    pub ratio: Option<f64>,
    /// Interval of the ratio.
    pub interval: Option<Interval>,
    /// Two-sided p of the Mann–Whitney test.
    pub p: Option<f64>,
    /// Values before and after.
    pub counts: (usize, usize),
}

/// Compares values after with values before: different if the test says so, the ratio of medians changed by the least
/// effect, and its interval excludes 1. All three, so that neither many values nor one odd value make a finding.
#[must_use]
pub fn compare(before: &[f64], after: &[f64], rules: &Rules, random: &mut SplitMix64) -> Comparison {
    let count = |values: &[f64]| values.iter().filter(|value| value.is_finite()).count();
    let counts = (count(before), count(after));
    let ratio = ratio_of_medians(before, after, rules.rounds, rules.confidence, random);
    let p = mann_whitney(before, after).map(|test| test.p);
    let verdict = match (ratio, p) {
        (Some((ratio, interval)), Some(p)) if counts.0.min(counts.1) >= rules.least_count => {
            let counts_as = p <= rules.p && (ratio - 1.0).abs() >= rules.least_effect;
            match () {
                () if counts_as && interval.low > 1.0 => Verdict::Higher,
                () if counts_as && interval.high < 1.0 => Verdict::Lower,
                () => Verdict::Same,
            }
        }
        _ => Verdict::NotComparable,
    };
    Comparison { verdict, ratio: ratio.map(|r| r.0), interval: ratio.map(|r| r.1), p, counts }
}

/// Compares one metric of two runs over the levels that both have: each value is divided by the median before at its
/// level, so that levels of different height can be taken together.
#[must_use]
pub fn compare_runs(
    before: &[Level],
    after: &[Level],
    metric: fn(&Measured) -> Option<f64>,
    rules: &Rules,
    random: &mut SplitMix64,
) -> Comparison {
    let (mut was, mut is) = (Vec::new(), Vec::new());
    for level in before {
        let Some(other) = after.iter().find(|other| other.load == level.load) else { continue };
        let values = |level: &Level| level.repeats.iter().filter_map(metric).collect::<Vec<f64>>();
        let Some(base) = median(&values(level)).filter(|base| *base > 0.0) else { continue };
        was.extend(values(level).into_iter().map(|value| value / base));
        is.extend(values(other).into_iter().map(|value| value / base));
    }
    compare(&was, &is, rules, random)
}
