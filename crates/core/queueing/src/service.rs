//! A service time of given mean and variation, simple enough that its sum with an exponential wait has a closed form.
//!
//! ```text
//!  cv = 0        always s                        cv ≤ 1   s·(1 − cv) and then exponential with mean s·cv
//!  cv = 1        exponential                     cv > 1   one of two exponentials, each with half of all work
//! ```
//!
//! Source: the shifted exponential, H. C. Tijms, *A First Course in Stochastic Models*, 2003, app. B; the two exponentials
//! with balanced means, Whitt 1982.

/// A constant, and then one of two exponential times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ServiceTime {
    constant_s: f64,
    /// Probability and mean in seconds of each; they sum to 1.
    branches: [(f64, f64); 2],
}

impl ServiceTime {
    pub(crate) fn of(mean_s: f64, cv: f64) -> Self {
        if cv <= 1.0 {
            return Self { constant_s: mean_s * (1.0 - cv), branches: [(1.0, mean_s * cv), (0.0, 0.0)] };
        }
        let square = cv * cv;
        let often = f64::midpoint(1.0, ((square - 1.0) / (square + 1.0)).sqrt());
        let branch = |share: f64| (share, mean_s / (2.0 * share));
        // 1 − often cancels for great variation: then 1/(1 − often) would be beyond any time that matters.
        let rare = 1.0 - often;
        let rare = if rare > 0.0 { branch(rare) } else { (0.0, 0.0) };
        Self { constant_s: 0.0, branches: [branch(often), rare] }
    }

    /// `P(S > t)`.
    pub(crate) fn exceeds(&self, t_s: f64) -> f64 {
        self.after_wait(t_s, 0.0, f64::MAX)
    }

    /// `P(W + S > t)` where `W` is 0, or, with probability `waiting`, exponential of that finite rate per second.
    pub(crate) fn after_wait(&self, t_s: f64, waiting: f64, rate: f64) -> f64 {
        let left_s = t_s - self.constant_s;
        if left_s < 0.0 {
            return 1.0;
        }
        let one = |(share, mean_s): (f64, f64)| {
            let (alone, with_wait) = match mean_s > 0.0 {
                true => ((-left_s / mean_s).exp(), sum_exceeds(left_s, rate, 1.0 / mean_s)),
                false => (0.0, (-rate * left_s).exp()),
            };
            share * ((1.0 - waiting) * alone + waiting * with_wait)
        };
        self.branches.into_iter().filter(|(share, _)| *share > 0.0).map(one).sum::<f64>().clamp(0.0, 1.0)
    }
}

/// `P(X + Y > t)` of two exponential times.
///
/// With rates `a ≤ b` it is `e^{−at}·(1 + a·(1 − e^{−(b−a)t})/(b − a))`, whose last quotient is `t` where they are equal.
fn sum_exceeds(t_s: f64, one_per_s: f64, other_per_s: f64) -> f64 {
    let (a, b) = (one_per_s.min(other_per_s), one_per_s.max(other_per_s));
    let alone = (-a * t_s).exp();
    let apart = b - a;
    let quotient = if apart * t_s < 1e-12 { t_s } else { -(-apart * t_s).exp_m1() / apart };
    alone * (1.0 + a * quotient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance, by the distribution's own formulas.
    fn moments(time: ServiceTime) -> (f64, f64) {
        let mean: f64 = time.branches.iter().map(|(share, mean)| share * mean).sum();
        let square: f64 = time.branches.iter().map(|(share, mean)| share * 2.0 * mean * mean).sum();
        (time.constant_s + mean, square - mean * mean)
    }

    #[test]
    fn mean_and_variation_are_those_asked_for() {
        for cv in [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 5.0, 30.0] {
            let (mean, variance) = moments(ServiceTime::of(0.2, cv));
            assert!((mean - 0.2).abs() < 1e-12, "{cv}: {mean}");
            assert!((variance.max(0.0).sqrt() / 0.2 - cv).abs() < 1e-6 * (1.0 + cv), "{cv}: {variance}");
        }
    }

    #[test]
    fn tails_worked_by_hand() {
        let clockwork = ServiceTime::of(2.0, 0.0);
        assert_eq!((clockwork.exceeds(1.9), clockwork.exceeds(2.0)), (1.0, 0.0));
        let exponential = ServiceTime::of(2.0, 1.0);
        assert!((exponential.exceeds(3.0) - (-1.5_f64).exp()).abs() < 1e-15);
        // Equal rates: two stages of rate 1, (1 + t)·e^{−t}.
        assert!((sum_exceeds(2.0, 1.0, 1.0) - 3.0 * (-2.0_f64).exp()).abs() < 1e-15);
        // Rates 1 and 2: 2·e^{−t} − e^{−2t}.
        let want = 2.0 * (-1.0_f64).exp() - (-2.0_f64).exp();
        assert!((sum_exceeds(1.0, 2.0, 1.0) - want).abs() < 1e-15);
    }
}
