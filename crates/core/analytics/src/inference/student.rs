//! Student's t: how likely a difference of two means this large is by chance.

use super::mean;

/// Two-sided p-value of `t` with `df` degrees of freedom; absent unless both are finite and `df > 0`.
#[must_use]
pub fn student_two_sided_p(t: f64, df: f64) -> Option<f64> {
    let known = t.is_finite() && df > 0.0 && df.is_finite();
    known.then(|| incomplete_beta(df / (df + t * t), df / 2.0, 0.5).clamp(0.0, 1.0))
}

/// Two-sided p-value that two samples have the same mean, their variances not assumed equal. Absent below two values
/// on a side. Where neither side varies it is 1 for equal means, else 0.
///
/// Source: B. L. Welch, Biometrika 34, 1947.
#[must_use]
pub fn welch_two_sided_p(a: &[f64], b: &[f64]) -> Option<f64> {
    let spread = |values: &[f64]| -> Option<(f64, f64, f64)> {
        let n = values.len() as f64;
        let centre = mean(values).filter(|_| values.len() > 1)?;
        let variance = values.iter().map(|x| (x - centre) * (x - centre)).sum::<f64>() / (n - 1.0);
        Some((centre, variance / n, n))
    };
    let ((mean_a, error_a, n_a), (mean_b, error_b, n_b)) = (spread(a)?, spread(b)?);
    let error = error_a + error_b;
    // Rounding leaves variances of about 1e-32 of the square where all values are equal.
    if error <= 1e-24 * (mean_a * mean_a + mean_b * mean_b) {
        return Some(if (mean_a - mean_b).abs() <= 1e-9 * mean_a.abs().max(mean_b.abs()) { 1.0 } else { 0.0 });
    }
    let df = error * error / (error_a * error_a / (n_a - 1.0) + error_b * error_b / (n_b - 1.0));
    student_two_sided_p((mean_a - mean_b) / error.sqrt(), df)
}

/// The regularized incomplete beta function `I_x(a, b)`, by its continued fraction.
///
/// Source: DLMF 8.17.22, evaluated after W. J. Lentz, Applied Optics 15(3), 1976.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below the mean only; beyond it the mirror image is taken.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() <= 1e-15 * fraction.abs() {
            break;
        }
    }
    front * fraction
}

/// Logarithm of the gamma function for `x > 0`: Stirling's series, after the recurrence has carried `x` beyond 10.
///
/// Source: DLMF 5.11.1; at 10 the first term left out is below 1e-13.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut carried) = (x, 0.0);
    while x < 10.0 {
        carried += x.ln();
        x += 1.0;
    }
    let x2 = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / x2) / x2) / x2) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - carried
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_match_the_tables() {
        // Two-sided critical values of t.
        let cases =
            [(12.706, 1.0, 0.05), (2.228, 10.0, 0.05), (3.169, 10.0, 0.01), (3.551, 60.0, 0.00075), (0.0, 5.0, 1.0)];
        for (t, df, want) in cases {
            let got = student_two_sided_p(t, df).unwrap();
            assert!((got - want).abs() < 0.01 * want, "t {t}, df {df}: {got}");
        }
        assert_eq!(student_two_sided_p(f64::NAN, 3.0), None);
        assert_eq!(student_two_sided_p(1.0, 0.0), None);
    }

    #[test]
    fn equal_and_distinct_constants() {
        assert_eq!(welch_two_sided_p(&[3.0; 5], &[3.0; 5]), Some(1.0));
        assert_eq!(welch_two_sided_p(&[3.0; 5], &[4.0; 5]), Some(0.0));
        assert_eq!(welch_two_sided_p(&[3.0], &[4.0; 5]), None);
    }
}
