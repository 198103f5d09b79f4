//! The Mann–Whitney test: whether one of two samples tends to be greater.

use super::normal_cdf;

/// What the test found.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct MannWhitney {
    /// Pairs (a, b) with b > a, ties counted half.
    pub u: f64,
    /// `u` over all pairs: the chance that a value of b exceeds one of a. 0.5 is no difference.
    pub chance_greater: f64,
    /// Two-sided p-value: normal approximation with tie and continuity correction. 1 where all values are equal.
    pub p: f64,
}

/// Compares `b` with `a`. Absent if either has no finite value.
///
/// The approximation is meant for eight or more values on each side; below, p is coarse.
///
/// Source: H. Mann, D. Whitney, Annals of Mathematical Statistics 18(1), 1947.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    let mut all: Vec<(f64, bool)> = Vec::with_capacity(a.len() + b.len());
    all.extend(a.iter().filter(|x| x.is_finite()).map(|&x| (x, false)));
    let of_a = all.len() as f64;
    all.extend(b.iter().filter(|x| x.is_finite()).map(|&x| (x, true)));
    let of_b = all.len() as f64 - of_a;
    if of_a == 0.0 || of_b == 0.0 {
        return None;
    }
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut ranks_of_b, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|x, y| x.0 == y.0) {
        let size = group.len() as f64;
        let rank = before + (size + 1.0) / 2.0;
        ranks_of_b += rank * group.iter().filter(|x| x.1).count() as f64;
        ties += size * size * size - size;
        before += size;
    }
    let u = ranks_of_b - of_b * (of_b + 1.0) / 2.0;
    let n = of_a + of_b;
    let variance = of_a * of_b / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)).max(1.0));
    let distance = ((u - of_a * of_b / 2.0).abs() - 0.5).max(0.0);
    let p = if variance > 0.0 { (2.0 * normal_cdf(-distance / variance.sqrt())).min(1.0) } else { 1.0 };
    Some(MannWhitney { u, chance_greater: u / (of_a * of_b), p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn worked_by_hand() {
        // a = 1 2 3, b = 4 5 6: every pair is greater: U = 9. Variance 9·7/12 = 5.25, z = (4.5 − 0.5)/2.2913 = 1.7457.
        let got = mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!((got.u, got.chance_greater), (9.0, 1.0));
        assert!((got.p - 0.080_86).abs() < 1e-4, "{got:?}");
        let same = mann_whitney(&[2.0; 4], &[2.0; 5]).unwrap();
        assert_eq!((same.chance_greater, same.p), (0.5, 1.0));
        assert_eq!(mann_whitney(&[], &[1.0]), None);
        assert_eq!(mann_whitney(&[f64::NAN], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn u_is_the_count_of_greater_pairs(a in prop::collection::vec(0_i32..9, 1..12), b in prop::collection::vec(0_i32..9, 1..12)) {
            let pairs = a.iter().flat_map(|x| b.iter().map(move |y| 0.5 * f64::from(u8::from(y > x) + u8::from(y >= x))));
            let (a, b): (Vec<f64>, Vec<f64>) = (a.iter().map(|&x| f64::from(x)).collect(), b.iter().map(|&x| f64::from(x)).collect());
            let (here, there) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert!((here.u - pairs.sum::<f64>()).abs() < 1e-9);
            prop_assert!((here.p - there.p).abs() < 1e-12 && (0.0..=1.0).contains(&here.p));
        }
    }
}
