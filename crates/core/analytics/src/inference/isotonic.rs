//! Isotonic regression: the nearest non-decreasing series.

/// The non-decreasing values nearest to `values`, which are finite, in least squares, by pooling neighbours that violate the order.
///
/// Source: M. Ayer et al., Annals of Mathematical Statistics 26(4), 1955 (pool adjacent violators).
#[must_use]
pub fn isotonic(values: &[f64]) -> Vec<f64> {
    spread(&pool(values.iter().map(|value| (*value, 1))))
}

/// The same of `points`, (x, value), in the order of x: each point with its fitted value. Points of equal x have one
/// value.
#[must_use]
pub fn isotonic_points(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut ordered = points.to_vec();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied = ordered.chunk_by(|a, b| a.0 == b.0);
    let pools = pool(tied.map(|tied| (tied.iter().map(|point| point.1).sum(), tied.len())));
    ordered.iter().map(|point| point.0).zip(spread(&pools)).collect()
}

/// Pools (sum, count) that violate the order with those before them.
fn pool(blocks: impl Iterator<Item = (f64, usize)>) -> Vec<(f64, usize)> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (mut sum, mut count) in blocks {
        while let Some(&(before, of)) = pools.last() {
            if before / of as f64 <= sum / count as f64 {
                break;
            }
            pools.pop();
            sum += before;
            count += of;
        }
        pools.push((sum, count));
    }
    pools
}

/// The mean of each pool, as often as it has members.
fn spread(pools: &[(f64, usize)]) -> Vec<f64> {
    pools.iter().flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn violators_are_pooled() {
        for (values, want) in [
            (vec![1.0, 3.0, 2.0, 4.0], vec![1.0, 2.5, 2.5, 4.0]),
            (vec![3.0, 2.0, 1.0], vec![2.0, 2.0, 2.0]),
            (vec![1.0, 2.0], vec![1.0, 2.0]),
            (vec![], vec![]),
        ] {
            assert_eq!(isotonic(&values), want);
        }
    }

    proptest! {
        /// The max–min formula says the same without pooling.
        #[test]
        fn equals_the_max_min_formula(values in prop::collection::vec(-50_i32..50, 1..14)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let got = isotonic(&values);
            for (i, &got) in got.iter().enumerate() {
                let mean = |a: usize, b: usize| values[a..=b].iter().sum::<f64>() / (b - a + 1) as f64;
                let least = |a: usize| (i..values.len()).map(|b| mean(a, b)).fold(f64::INFINITY, f64::min);
                let want = (0..=i).map(least).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!((got - want).abs() < 1e-9);
            }
        }
    }
}
