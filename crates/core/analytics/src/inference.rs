//! Statistics that the measures rest on: intervals, tests, trends, survival, resampling.
//!
//! Each is a function of its arguments; what resamples takes the generator it draws from. Values that are not finite
//! are left out before anything is computed, so none comes out.
//!
//! - **ST1** A statistic of too few values is absent.
//! - **ST2** NaN and infinity never come out.
//! - **ST3** The order of the values does not matter, except where they are a series.

mod isotonic;
mod normal;
mod random;
mod rank;
mod resample;
mod student;
mod survival;
mod trend;

pub use isotonic::{isotonic, isotonic_points};
pub use normal::{normal_cdf, wilson_lower_bound};
pub use random::SplitMix64;
pub use rank::{MannWhitney, mann_whitney};
pub use resample::{Interval, bootstrap, ratio_of_medians};
pub use student::{student_two_sided_p, welch_two_sided_p};
pub use survival::{KaplanMeier, Observation};
pub use trend::{TheilSen, theil_sen, theil_sen_slope};

pub use crate::stats::{mean, median, normal_quantile, quantile_of_sorted, sorted_finite};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn st1_quantiles_of_nothing_are_absent_and_those_of_one_are_it() {
        assert_eq!((median(&[]), median(&[f64::NAN]), mean(&[])), (None, None, None));
        assert_eq!((median(&[3.0]), quantile_of_sorted(&[3.0], 0.99)), (Some(3.0), Some(3.0)));
        // Type 7: position 0.25 · 3 = 0.75 between 1 and 2.
        assert_eq!(quantile_of_sorted(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![8 => -1e6..1e6_f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(0.0)]
    }

    proptest! {
        #[test]
        fn st2_nothing_that_is_not_finite_comes_out(
            a in prop::collection::vec(any_value(), 0..12), b in prop::collection::vec(any_value(), 0..12), q in any_value(),
        ) {
            let mut random = SplitMix64::seeded(1);
            let points: Vec<(f64, f64)> = a.iter().copied().zip(b.iter().copied()).collect();
            let line = theil_sen(&points, 0.9);
            let found = [
                median(&a), mean(&a), quantile_of_sorted(&sorted_finite(&a), 0.3), welch_two_sided_p(&a, &b),
                mann_whitney(&a, &b).map(|test| test.p), mann_whitney(&a, &b).map(|test| test.u),
                ratio_of_medians(&a, &b, 20, 0.9, &mut random).map(|(ratio, _)| ratio),
                ratio_of_medians(&a, &b, 20, 0.9, &mut random).map(|(_, interval)| interval.high),
                line.map(|line| line.slope), line.map(|line| line.intercept), line.and_then(|line| line.r_squared),
                normal_quantile(q), student_two_sided_p(q, 3.0), wilson_lower_bound(3, 9, q),
            ];
            prop_assert!(found.iter().flatten().all(|value| value.is_finite()), "{found:?}");
        }

        #[test]
        fn st3_order_does_not_matter(a in prop::collection::vec(-1e3..1e3_f64, 1..12), b in prop::collection::vec(-1e3..1e3_f64, 1..12)) {
            let (mut c, mut d) = (a.clone(), b.clone());
            c.reverse();
            d.reverse();
            prop_assert_eq!(median(&a), median(&c));
            prop_assert_eq!(mann_whitney(&a, &b), mann_whitney(&c, &d));
        }
    }
}
