//! Latencies that came in one piece, as statistics and a sketch.
//!
//! A list loses nothing. Of a histogram the counts are exact; the sum, least and greatest value are its producer's, or
//! where it does not say them those of its buckets; the variance is that of its buckets' middles. An exponential histogram
//! has the buckets of a sketch, or finer ones that merge in pairs. Of one with given bounds each bucket stands for its
//! geometric middle, and the sketch remembers how far from it a value of that bucket can be:
//!
//! ```text
//!  (10, 40] ─► 20, off by a factor of 2 at most: an error of 1.0     the first bucket begins at 0, the last has no end:
//!  (10, 11] ─► 10.49, off by 4.9 %                                   without min and max nothing is known of theirs
//! ```
//!
//! - **W8** An answer of a sketch that holds such values is within its `relative_error` of the exact one, up to 100 %,
//!   which says that nothing is known.

use crate::{Sketch, Stats};
use tidegauge_model::supplied::{ExplicitHistogram, ExponentialHistogram, Supplied, Totals};
use tidegauge_model::{EventTime, Position};

/// Statistics and sketch of what a row at `at`, found at `position`, hands over; `None` of no values. Its last value is
/// the list's, and of a histogram the mean.
#[must_use]
pub fn digest(supplied: &Supplied, at: EventTime, position: Position) -> Option<(Stats, Sketch)> {
    match supplied {
        Supplied::Values(values) => of_values(values, at, position),
        Supplied::Exponential(histogram) => of_exponential(histogram, at, position),
        Supplied::Explicit(histogram) => of_explicit(histogram, at, position),
    }
}

fn of_values(values: &[f64], at: EventTime, position: Position) -> Option<(Stats, Sketch)> {
    let (mut stats, mut sketch) = (Stats::default(), Sketch::default());
    for &value in values {
        stats.add(value, at, position);
        sketch.insert(value);
    }
    (stats.count > 0).then_some((stats, sketch))
}

/// A bucket with values in it.
struct Bucket {
    lower: f64,
    upper: f64,
    middle: f64,
    count: u64,
}

fn of_exponential(histogram: &ExponentialHistogram, at: EventTime, position: Position) -> Option<(Stats, Sketch)> {
    let ExponentialHistogram { scale, zero_count, offset, counts, totals } = histogram;
    let sketch = Sketch::from_exponential(*scale, *zero_count, *offset, counts);
    let zeros = Bucket { lower: 0.0, upper: 0.0, middle: 0.0, count: *zero_count };
    let (_, buckets) = sketch.buckets();
    let positive = buckets.iter().map(|&(index, count)| {
        let [lower, middle, upper] = sketch.bounds(index);
        Bucket { lower, upper, middle, count }
    });
    let stats = stats_of(std::iter::once(zeros).chain(positive), totals, at, position)?;
    Some((stats, sketch))
}

fn of_explicit(histogram: &ExplicitHistogram, at: EventTime, position: Position) -> Option<(Stats, Sketch)> {
    let ExplicitHistogram { bounds, counts, totals } = histogram;
    let (mut buckets, mut error) = (Vec::new(), 0.0_f64);
    for (index, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let lower = index.checked_sub(1).map_or(0.0, |before| bounds[before]).max(totals.min.unwrap_or(0.0));
        let upper = bounds.get(index).copied().or(totals.max).map(|upper| upper.min(totals.max.unwrap_or(upper)));
        let bucket = match upper {
            Some(upper) if lower > 0.0 && upper >= lower => {
                error = error.max((upper / lower).sqrt() - 1.0);
                Bucket { lower, upper, middle: (lower * upper).sqrt(), count }
            }
            Some(upper) => {
                error = 1.0;
                Bucket { lower: lower.min(upper), upper, middle: (lower + upper) / 2.0, count }
            }
            None => {
                error = 1.0;
                Bucket { lower, upper: lower, middle: lower, count }
            }
        };
        buckets.push(bucket);
    }
    let sketch = Sketch::from_middles(buckets.iter().map(|bucket| (bucket.middle, bucket.count)), error.min(1.0));
    let stats = stats_of(buckets.into_iter(), totals, at, position)?;
    Some((stats, sketch))
}

fn stats_of(
    buckets: impl Iterator<Item = Bucket>,
    totals: &Totals,
    at: EventTime,
    position: Position,
) -> Option<Stats> {
    let buckets: Vec<Bucket> = buckets.filter(|bucket| bucket.count > 0).collect();
    let (first, last) = (buckets.first()?, buckets.last()?);
    let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    let weighted = |value: &dyn Fn(&Bucket) -> f64| -> f64 {
        buckets.iter().map(|bucket| bucket.count as f64 * value(bucket)).sum()
    };
    let sum = totals.sum.unwrap_or_else(|| weighted(&|bucket| bucket.middle));
    let mean = sum / count as f64;
    Some(Stats {
        count,
        sum,
        mean,
        squared_distance: weighted(&|bucket| (bucket.middle - mean).powi(2)),
        min: totals.min.unwrap_or(first.lower),
        max: totals.max.unwrap_or(last.upper),
        last: mean,
        last_at: at,
        last_position: position,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::nearest_rank;
    use proptest::prelude::*;

    fn digested(supplied: &Supplied) -> (Stats, Sketch) {
        digest(supplied, EventTime::from_secs(1), Position(7)).expect("values")
    }

    #[test]
    fn of_no_values_nothing_is_known() {
        let totals = Totals { sum: Some(0.0), min: None, max: None };
        let none = [
            Supplied::Values(vec![]),
            Supplied::Exponential(ExponentialHistogram {
                scale: 3,
                zero_count: 0,
                offset: 5,
                counts: vec![0, 0],
                totals,
            }),
            Supplied::Explicit(ExplicitHistogram { bounds: vec![1.0], counts: vec![0, 0], totals }),
        ];
        for supplied in none {
            assert!(digest(&supplied, EventTime::MIN, Position(0)).is_none(), "{supplied:?}");
        }
    }

    /// Worked by hand: scale 0 has buckets (1, 2], (2, 4], (4, 8].
    #[test]
    fn an_exponential_histogram_keeps_its_counts() {
        let totals = Totals { sum: Some(20.0), min: None, max: Some(7.5) };
        let histogram = ExponentialHistogram { scale: 0, zero_count: 1, offset: 0, counts: vec![2, 0, 3], totals };
        let (stats, sketch) = digested(&Supplied::Exponential(histogram));
        assert_eq!((stats.count, stats.sum, stats.min, stats.max), (6, 20.0, 0.0, 7.5));
        assert_eq!((sketch.scale(), sketch.buckets()), (0, (1, [(0, 2), (2, 3)].as_slice())));
        assert!((sketch.relative_error() - 1.0 / 3.0).abs() < 1e-12);
    }

    /// Scale 8 has four buckets where the finest sketch has one: indices 4 to 7 become 1.
    #[test]
    fn finer_buckets_merge() {
        let counts = vec![1; 8];
        let histogram = ExponentialHistogram { scale: 8, zero_count: 0, offset: 4, counts, totals: Totals::default() };
        let (_, sketch) = digested(&Supplied::Exponential(histogram));
        assert_eq!(sketch.buckets(), (0, [(1, 4), (2, 4)].as_slice()));
    }

    #[test]
    fn given_bounds_say_how_wrong_they_can_be() {
        let totals = |min, max| Totals { sum: None, min, max };
        let cases = [
            // bounds, counts, totals, error of the buckets
            (vec![10.0, 40.0], vec![0, 5, 0], totals(None, None), 1.0),
            (vec![10.0, 14.4], vec![0, 5, 0], totals(None, None), 0.2),
            (vec![10.0, 14.4], vec![5, 5, 0], totals(None, None), 1.0),
            (vec![10.0, 14.4], vec![5, 5, 0], totals(Some(10.0), None), 0.2),
            (vec![10.0, 14.4], vec![0, 5, 1], totals(None, None), 1.0),
            (vec![10.0, 14.4], vec![0, 5, 1], totals(None, Some(14.4)), 0.2),
        ];
        for (bounds, counts, totals, want) in cases {
            let (_, sketch) = digested(&Supplied::Explicit(ExplicitHistogram { bounds, counts, totals }));
            let own = Sketch::default().relative_error();
            let stated = ((1.0 + own) * (1.0 + want) - 1.0_f64).min(1.0);
            assert!((sketch.relative_error() - stated).abs() < 1e-5, "{totals:?} {}", sketch.relative_error());
        }
    }

    proptest! {
        /// W8, against the values themselves.
        #[test]
        fn w8_answers_of_histograms_are_within_their_error(
            mut values in prop::collection::vec(0.5_f64..5_000.0, 1..200),
            mut bounds in prop::collection::vec(1.0_f64..4_000.0, 1..12),
            with_totals in any::<bool>(),
            q in 0.0_f64..=1.0,
        ) {
            bounds.sort_by(f64::total_cmp);
            bounds.dedup();
            values.sort_by(f64::total_cmp);
            let mut counts = vec![0; bounds.len() + 1];
            for value in &values {
                counts[bounds.partition_point(|bound| bound < value)] += 1;
            }
            let (min, max) = (values[0], values[values.len() - 1]);
            let totals = if with_totals {
                Totals { sum: None, min: Some(min), max: Some(max) }
            } else {
                Totals::default()
            };
            let (stats, sketch) = digested(&Supplied::Explicit(ExplicitHistogram { bounds, counts, totals }));
            prop_assert_eq!(stats.count, values.len() as u64);
            prop_assert!(stats.min <= min && (stats.max >= max || !with_totals));
            let exact = values[nearest_rank(q, stats.count) as usize - 1];
            let (got, error) = (sketch.quantile(q).expect("values"), sketch.relative_error());
            let off = (got - exact).abs() / exact;
            prop_assert!(error >= 1.0 || off <= error + 1e-9, "{} for {}, which is off by {}, not {}", got, exact, off, error);
        }
    }
}
