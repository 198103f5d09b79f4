//! From what pods report to how many there should be: the ratio of current to objective, and what is assumed of pods
//! that do not report.
//!
//! A load is how much a pod uses of how much it has. For a resource that is usage of request; for a plain metric a pod
//! "has" 1, so that the quotient of the sums is the mean.
//!
//! ```text
//!  ratio = Σ used ÷ Σ capacity ÷ objective      all report, or nothing to assume ─► ceil(ratio · ready)
//!                      │ some are missing or unready
//!                      ▼ shrinking: missing use their all;  growing: missing and unready use nothing
//!  ratio again ─► within tolerance, or turned round ─► no change;  else ceil(ratio · all of them)
//! ```

use super::{Band, ceil_to_replicas};
use crate::whole::as_number;

/// How sums of usage and capacity are read, and what is wanted of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// `Utilization`: whole percents of capacity; the fraction is cut off, as the HPA does.
    Percent(i64),
    /// `AverageValue`: thousandths per pod; the fraction is cut off, as the HPA does.
    Milli(i64),
    /// A share of capacity, not rounded: the presets' objective.
    Share {
        /// The wanted share.
        target: f64,
        /// The share that a missing pod is taken to use when the others call for shrinking.
        full: f64,
    },
}

impl Objective {
    /// Ratio of `used ÷ capacity` to the objective.
    #[must_use]
    pub fn ratio(&self, used: i128, capacity: i128) -> f64 {
        match *self {
            Self::Percent(target) => as_number(used * 100 / capacity) / target as f64,
            Self::Milli(target) => as_number(used / capacity) / target as f64,
            Self::Share { target, .. } => used as f64 / capacity as f64 / target,
        }
    }

    /// What a missing pod is taken to use when the others call for shrinking: its whole request, or more where the
    /// objective is more; of a plain metric exactly the objective.
    fn full_use(&self, capacity: i128) -> i128 {
        match *self {
            Self::Percent(target) => capacity * i128::from(target.max(100)) / 100,
            Self::Milli(target) => i128::from(target),
            Self::Share { full, .. } => (capacity as f64 * full) as i128,
        }
    }
}

/// What one pod uses of what it has, in the same unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Usage.
    pub used: i128,
    /// Request; 1 for a plain metric.
    pub capacity: i128,
}

/// The pods of a target as one signal sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Ready pods with a sample.
    pub measured: Vec<Load>,
    /// Samples that belong to no known pod. Of a resource they weigh nothing (`used` and `capacity` 0) but are still
    /// counted when the ratio is taken again.
    pub strangers: Vec<Load>,
    /// Capacity of each pod that exists and is not ready.
    pub unready: Vec<i128>,
    /// Capacity of each pod that should have a sample and has none.
    pub missing: Vec<i128>,
    /// Ready pods that are taken to be like the measured ones. The HPA has none.
    pub like_measured: usize,
}

/// Why a signal gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody reported.
    #[error("no samples of ready instances")]
    NoSamples,
    /// Somebody reported, none of them known or with a capacity.
    #[error("no sample matches a known instance")]
    NoSampleMatchesKnownPods,
    /// A pod does not say how much it asked for.
    #[error("an instance states no request")]
    MissingRequest,
}

/// What one signal asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Replicas.
    pub replicas: i32,
    /// Current ÷ objective over the measured pods alone.
    pub ratio: f64,
}

/// The count that brings the ratio back to 1, or `current` where that is not called for.
///
/// - `current`: replicas as last asked for, returned when nothing is to change.
///
/// # Errors
///
/// [`NoAnswer::NoSamples`] if nobody reported; [`NoAnswer::NoSampleMatchesKnownPods`] if their capacity is 0.
pub fn wish(objective: Objective, band: Band, current: i32, pods: &Population) -> Result<Wish, NoAnswer> {
    if pods.measured.is_empty() && pods.strangers.is_empty() {
        return Err(NoAnswer::NoSamples);
    }
    let (used, capacity) = totals(pods.measured.iter().chain(&pods.strangers));
    if capacity == 0 {
        return Err(NoAnswer::NoSampleMatchesKnownPods);
    }
    let ratio = objective.ratio(used, capacity);
    let growing_with_unready = !pods.unready.is_empty() && ratio > 1.0;
    let replicas = if growing_with_unready || !pods.missing.is_empty() {
        replicas_with_assumptions(objective, band, current, pods, ratio)
    } else if band.holds(ratio) {
        current
    } else {
        ceil_to_replicas(ratio * (pods.measured.len() + pods.like_measured) as f64)
    };
    Ok(Wish { replicas, ratio })
}

/// **H2**: the ratio is taken again with what is assumed of silent pods; if that turns the direction, nothing changes.
fn replicas_with_assumptions(objective: Objective, band: Band, current: i32, pods: &Population, ratio: f64) -> i32 {
    let assumed = assumed_loads(objective, pods, ratio);
    let (used, capacity) = totals(pods.measured.iter().chain(&pods.strangers).chain(&assumed));
    let again = objective.ratio(used, capacity);
    if band.holds(again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0) {
        return current;
    }
    let counted = pods.measured.len() + pods.strangers.len() + assumed.len() + pods.like_measured;
    let replicas = ceil_to_replicas(again * counted as f64);
    let turned = (again < 1.0 && replicas > current) || (again > 1.0 && replicas < current);
    if turned { current } else { replicas }
}

fn assumed_loads(objective: Objective, pods: &Population, ratio: f64) -> Vec<Load> {
    let idle = |&capacity: &i128| Load { used: 0, capacity };
    let full = |&capacity: &i128| Load { used: objective.full_use(capacity), capacity };
    if ratio > 1.0 {
        pods.missing.iter().chain(&pods.unready).map(idle).collect()
    } else if ratio < 1.0 {
        pods.missing.iter().map(full).collect()
    } else {
        Vec::new() // exactly at the objective: nothing is assumed, nothing changes
    }
}

/// Sum of usage and of capacity.
pub fn totals<'a>(loads: impl Iterator<Item = &'a Load>) -> (i128, i128) {
    loads.fold((0, 0), |(used, capacity), load| (used + load.used, capacity + load.capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(used: &[i128], unready: usize, missing: usize) -> Population {
        Population {
            measured: used.iter().map(|&used| Load { used, capacity: 1000 }).collect(),
            unready: vec![1000; unready],
            missing: vec![1000; missing],
            ..Population::default()
        }
    }

    #[test]
    fn percent_objectives_cut_the_fraction_and_assume_the_worst_of_silent_pods() {
        #[rustfmt::skip]
        let cases = [ // name, usage in milli of 1000, unready, missing, current, objective %, want
            ("at the objective", vec![700, 700], 0, 0, 2, 70, 2),
            ("77.9 % is cut to 77 %, within tolerance", vec![779, 779], 0, 0, 2, 70, 2),
            ("78 % is not", vec![780, 780], 0, 0, 2, 70, 3),
            ("down: 30 % of 70 %", vec![300; 10], 0, 0, 10, 70, 5),
            ("up, an unready pod is idle: 90·2/3 = 60 %, turned, so hold", vec![900, 900], 1, 0, 3, 70, 3),
            ("up, an unready pod is idle, still up: 200·2/3 = 133 %, 1.9 · 3", vec![2000, 2000], 1, 0, 3, 70, 6),
            ("unready pods do not matter on the way down", vec![100, 100], 3, 0, 5, 70, 1),
            ("missing are full on the way down: (300 + 1000)/2 = 65 %, 0.93 holds", vec![300], 0, 1, 2, 70, 2),
            ("missing are full, still down: (100·9 + 1000)/10 = 19 %, 0.271 · 10", vec![100; 9], 0, 1, 10, 70, 3),
            ("missing are idle on the way up: 200·2/4 = 100 %, 1.43 · 4", vec![2000, 2000], 0, 2, 4, 70, 6),
        ];
        for (name, used, unready, missing, current, target, want) in cases {
            let band = Band::of_tolerance(0.1, 0.1);
            let got = wish(Objective::Percent(target), band, current, &population(&used, unready, missing));
            assert_eq!(got.map(|wish| wish.replicas), Ok(want), "{name}");
        }
    }

    #[test]
    fn h1_no_sample_is_no_answer() {
        let band = Band::of_tolerance(0.1, 0.1);
        assert_eq!(wish(Objective::Milli(1), band, 3, &population(&[], 1, 2)), Err(NoAnswer::NoSamples));
        let strangers = Population { strangers: vec![Load { used: 0, capacity: 0 }], ..Population::default() };
        let got = wish(Objective::Percent(50), band, 3, &strangers);
        assert_eq!(got, Err(NoAnswer::NoSampleMatchesKnownPods));
    }

    #[test]
    fn a_share_is_not_rounded() {
        // √(0.7·0.3) = 0.458…; 0.709 of capacity is over 0.70 although both are 70 % when cut.
        let target = (0.7_f64 * 0.3).sqrt();
        let objective = Objective::Share { target, full: 1.0 };
        let band = Band { low: 0.3 / target, high: 0.7 / target };
        for (used, want) in [(700, 4), (709, 7), (300, 4), (299, 3)] {
            let got = wish(objective, band, 4, &population(&[used; 4], 0, 0));
            assert_eq!(got.map(|wish| wish.replicas), Ok(want), "{used}");
        }
    }

    #[test]
    fn pods_like_the_measured_ones_multiply_but_do_not_weigh() {
        let pods = Population { like_measured: 5, ..population(&[1400; 5], 0, 0) };
        let got = wish(Objective::Percent(70), Band::of_tolerance(0.1, 0.1), 10, &pods);
        assert_eq!(got.map(|wish| wish.replicas), Ok(20));
    }
}
