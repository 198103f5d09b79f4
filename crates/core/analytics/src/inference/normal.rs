//! The normal distribution, and the interval for a share that rests on it.

use crate::stats::normal_quantile;

/// Probability that a standard normal is at most `z`, within 1.2e-7.
///
/// Source: complementary error function by a Chebyshev fit, W. Press et al., *Numerical Recipes*, 2nd ed. 1992, §6.2.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    const FIT: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let fit = FIT.iter().rev().fold(0.0, |sum, coefficient| sum * t + coefficient);
    let tail = 0.5 * t * (fit - x * x).exp();
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// Wilson's lower bound of a share: with `confidence` (two-sided, 0.95 by custom) the true share is not below it.
/// Absent without trials, and unless `successes <= trials` and `confidence` lies inside (0, 1).
///
/// Ten of ten at 95 % give 0.722: few trials prove little.
///
/// Source: E. B. Wilson, JASA 22(158), 1927.
#[must_use]
pub fn wilson_lower_bound(successes: u64, trials: u64, confidence: f64) -> Option<f64> {
    if trials == 0 || successes > trials {
        return None;
    }
    let z = normal_quantile(f64::midpoint(1.0, confidence))?;
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Some(((centre - half) / (1.0 + z2 / n)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_tables() {
        for (z, want) in [(0.0, 0.5), (1.0, 0.841_345), (-1.959_964, 0.025), (3.290_527, 0.999_5), (-9.0, 0.0)] {
            assert!((normal_cdf(z) - want).abs() < 1e-6, "{z}");
        }
        assert!((normal_quantile(0.975).unwrap() - 1.959_964).abs() < 1e-5);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0), normal_quantile(f64::NAN)), (None, None, None));
    }

    #[test]
    fn wilson_bounds_worked_by_hand() {
        // 10 of 10: 1/(1 + 3.8415/10) = 0.7225. 0 of 5: 0. 80 of 100: (0.8 + 0.0192 − 0.0808)/1.0384 = 0.7112.
        for (s, n, want) in [(10, 10, 0.722_467), (0, 5, 0.0), (80, 100, 0.711_170)] {
            let got = wilson_lower_bound(s, n, 0.95).unwrap();
            assert!((got - want).abs() < 1e-5, "{s} of {n}: {got}");
        }
        assert_eq!((wilson_lower_bound(0, 0, 0.95), wilson_lower_bound(3, 2, 0.95)), (None, None));
    }
}
