//! The parts of the score that are formulas.

use std::time::Duration;

/// Speed from 0 to 1: full at half the goal or less, half at the goal, 0 at five times the goal, linear in log t
/// between. Absent for a goal of zero.
#[must_use]
pub fn speed_ratio(scale_time: Duration, goal: Duration) -> Option<f64> {
    if goal.is_zero() {
        return None;
    }
    let ratio = scale_time.as_secs_f64() / goal.as_secs_f64();
    Some(match ratio {
        r if r <= 0.5 => 1.0,
        r if r <= 1.0 => 0.5 - 0.5 * r.log2(),
        r if r < 5.0 => 0.5 * (1.0 - r.ln() / 5.0_f64.ln()),
        _ => 0.0,
    })
}

/// Latency and errors around one actuation, over [started, completed + 5 min], against the same agent's hour before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calm {
    /// Error rate in the hour before and while scaling, 0 to 1.
    pub error_rate: Option<(f64, f64)>,
    /// Error rate that the objective allows, 0 to 1.
    pub error_budget: Option<f64>,
    /// p95 in the hour before and while scaling, in milliseconds.
    pub p95_ms: Option<(f64, f64)>,
    /// p95 that the objective allows, in milliseconds.
    pub slo_ms: Option<f64>,
}

/// Calm from 0 to 1: `1 − max(error excess ÷ budget, p95 excess ÷ margin)`, where an excess is what came on top of the
/// baseline and the margin is what the baseline left to the objective. A baseline that is already at its objective
/// leaves no margin: any excess is then 0, none is 1. Absent where neither can be computed.
#[must_use]
pub fn calm_ratio(calm: &Calm) -> Option<f64> {
    let errors =
        calm.error_rate.zip(calm.error_budget).and_then(|((before, while_), budget)| share(before, while_, budget));
    let latency = calm.p95_ms.zip(calm.slo_ms).and_then(|((before, while_), slo)| share(before, while_, slo - before));
    let worst = match (errors, latency) {
        (Some(a), Some(b)) => a.max(b),
        (a, b) => a.or(b)?,
    };
    Some(1.0 - worst)
}

/// The excess as a share of what is allowed, 0 to 1; absent for values that are not finite.
fn share(before: f64, while_: f64, allowed: f64) -> Option<f64> {
    let excess = (while_ - before).max(0.0);
    if !(before.is_finite() && while_.is_finite() && allowed.is_finite()) {
        return None;
    }
    Some(match excess {
        0.0 => 0.0,
        _ if allowed <= 0.0 => 1.0,
        _ => (excess / allowed).clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_at_its_marks() {
        let goal = Duration::from_secs(60);
        // At 45 s: 0.5 − 0.5·log2(0.75) = 0.7075; at 134.16 s = √5 goals: half of the half.
        let cases = [
            (0, 1.0),
            (30_000, 1.0),
            (45_000, 0.707_518),
            (60_000, 0.5),
            (134_164, 0.25),
            (300_000, 0.0),
            (900_000, 0.0),
        ];
        for (ms, want) in cases {
            let got = speed_ratio(Duration::from_millis(ms), goal).unwrap();
            assert!((got - want).abs() < 1e-5, "{ms} ms: {got}");
        }
        assert_eq!(speed_ratio(goal, Duration::ZERO), None);
    }

    #[test]
    fn calm_is_judged_by_the_worse_of_both() {
        let calm =
            |errors, p95| Calm { error_rate: errors, error_budget: Some(0.01), p95_ms: p95, slo_ms: Some(500.0) };
        let cases = [
            ("nothing happened", calm(Some((0.001, 0.001)), Some((300.0, 290.0))), Some(1.0)),
            ("half the budget", calm(Some((0.0, 0.005)), None), Some(0.5)),
            (
                "50 of 200 ms margin beats a tenth of the budget",
                calm(Some((0.0, 0.001)), Some((300.0, 350.0))),
                Some(0.75),
            ),
            ("over the objective", calm(None, Some((300.0, 800.0))), Some(0.0)),
            ("no margin left, no excess", calm(None, Some((600.0, 600.0))), Some(1.0)),
            ("no margin left, some excess", calm(None, Some((600.0, 601.0))), Some(0.0)),
            ("nothing known", calm(None, None), None),
            ("not a number", calm(Some((0.0, f64::NAN)), None), None),
        ];
        for (name, calm, want) in cases {
            let got = calm_ratio(&calm);
            assert!(got == want || (got.unwrap() - want.unwrap()).abs() < 1e-9, "{name}: {got:?}");
        }
    }
}
