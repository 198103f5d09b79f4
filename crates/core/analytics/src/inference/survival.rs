//! Quantiles of times of which some are only known to be longer than what was seen.

use std::time::Duration;

/// One time: how long it took, or how long it has lasted without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Observation {
    /// The time, or as much of it as was seen.
    pub lasted: Duration,
    /// Whether the end was seen; if not, the true time is longer (censored).
    pub ended: bool,
}

impl Observation {
    /// A time whose end was seen.
    #[must_use]
    pub fn ended(lasted: Duration) -> Self {
        Self { lasted, ended: true }
    }

    /// A time that is longer than this.
    #[must_use]
    pub fn censored(lasted: Duration) -> Self {
        Self { lasted, ended: false }
    }
}

/// The share of times that are longer, as a function of time. Leaving the censored ones out would make a fleet look
/// faster the more of its actuations hang.
///
/// Source: E. Kaplan, P. Meier, JASA 53(282), 1958.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct KaplanMeier {
    /// At each time at which something ended, ascending: the share of times that are longer.
    pub steps: Vec<(Duration, f64)>,
    /// Times whose end was seen.
    pub ended: u64,
    /// Those that were not.
    pub censored: u64,
}

impl KaplanMeier {
    /// From observations in any order.
    #[must_use]
    pub fn of(observations: impl IntoIterator<Item = Observation>) -> Self {
        let mut all: Vec<Observation> = observations.into_iter().collect();
        all.sort_unstable();
        let (mut at_risk, mut longer, mut ended) = (all.len(), 1.0, 0);
        let mut steps = Vec::new();
        for group in all.chunk_by(|a, b| a.lasted == b.lasted) {
            // One that is censored at the very time was still at risk then.
            let ends = group.iter().filter(|observation| observation.ended).count();
            if ends > 0 {
                longer *= 1.0 - ends as f64 / at_risk as f64;
                steps.push((group[0].lasted, longer));
                ended += ends as u64;
            }
            at_risk -= group.len();
        }
        Self { steps, ended, censored: all.len() as u64 - ended }
    }

    /// The time within which the share `quantile` ends; absent where too many were cut off to say.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        // The product of shares rounds; a millionth of a millionth is not a difference of counts.
        let rest = 1.0 - quantile + 1e-12;
        self.steps.iter().find(|&&(_, longer)| longer <= rest).map(|&(at, _)| at)
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ended + self.censored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn worked_by_hand() {
        // 10, 20+, 30, 30, 40+: S(10) = 4/5; 20 leaves 3 at risk; S(30) = 4/5 · 1/3 = 4/15; 40 never ends.
        let all = [(30, true), (10, true), (40, false), (20, false), (30, true)];
        let km = KaplanMeier::of(all.map(|(t, ended)| Observation { lasted: s(t), ended }));
        assert_eq!((km.ended, km.censored, km.steps.len()), (3, 2, 2));
        assert!((km.steps[0].1 - 0.8).abs() < 1e-12 && (km.steps[1].1 - 4.0 / 15.0).abs() < 1e-12);
        for (q, want) in [(0.1, Some(s(10))), (0.2, Some(s(10))), (0.5, Some(s(30))), (0.7, Some(s(30))), (0.9, None)] {
            assert_eq!(km.quantile(q), want, "{q}");
        }
        let nothing = KaplanMeier::of([]);
        assert_eq!((nothing.count(), nothing.quantile(0.5)), (0, None));
        assert_eq!(KaplanMeier::of([Observation::censored(s(5))]).quantile(0.5), None);
    }

    proptest! {
        /// Where every end was seen, the quantile is the nearest rank.
        #[test]
        fn without_censoring_it_is_the_nearest_rank(mut times in prop::collection::vec(0_u64..50, 1..60), percent in 1_u32..=100) {
            let km = KaplanMeier::of(times.iter().map(|&t| Observation::ended(s(t))));
            times.sort_unstable();
            let rank = (u64::from(percent) * times.len() as u64).div_ceil(100) as usize;
            prop_assert_eq!(km.quantile(f64::from(percent) / 100.0), Some(s(times[rank - 1])));
        }

        /// To see less of a time never makes a quantile shorter.
        #[test]
        fn censoring_never_shortens(times in prop::collection::vec((1_u64..50, any::<bool>()), 1..40), percent in 1_u32..100) {
            let q = f64::from(percent) / 100.0;
            let all = KaplanMeier::of(times.iter().map(|&(t, _)| Observation::ended(s(t)))).quantile(q);
            let some = KaplanMeier::of(times.iter().map(|&(t, ended)| Observation { lasted: s(t), ended })).quantile(q);
            prop_assert!(some.is_none() || some >= all);
        }
    }
}
