//! When a rule's condition begins and ends, from written to checked: the threshold with its side, the level of recovery.

use crate::alert::rules::{BurnRate, By, RawRule, RuleSignal, Side};
use crate::error::Problem;

pub(super) fn check_threshold(raw: &RawRule, path: &str) -> Result<(Side, f64), Problem> {
    match &raw.signal {
        RuleSignal::ReadyBelowMin | RuleSignal::NoData { .. } | RuleSignal::Finding { .. } => {
            return check_no_threshold(raw, path);
        }
        RuleSignal::Scaling { .. } if raw.above.is_none() && raw.below.is_none() => return Ok((Side::Above, 0.0)),
        RuleSignal::Forecast { .. } if raw.above.is_none() && raw.below.is_none() => return Ok((Side::Above, 1.0)),
        RuleSignal::BurnRate(rate) => return check_burn_threshold(raw, rate, path),
        _ => {}
    }
    match (raw.above, raw.below) {
        (Some(above), None) if above.is_finite() => Ok((Side::Above, above)),
        (None, Some(below)) if below.is_finite() => Ok((Side::Below, below)),
        (Some(_), Some(_)) => {
            Err(Problem::at(format!("{path}.below"), "expected either `above` or `below`, found both"))
        }
        (None, None) => Err(Problem::at(format!("{path}.above"), "expected `above` or `below`, found neither")),
        _ => Err(Problem::at(path, "expected a finite threshold")),
    }
}

/// Of signals that have their own condition.
fn check_no_threshold(raw: &RawRule, path: &str) -> Result<(Side, f64), Problem> {
    if raw.above.is_some() || raw.below.is_some() || raw.by == By::Instance {
        let message = "expected neither `above`, `below` nor `by: instance` with ready_below_min, no_data and finding";
        return Err(Problem::at(path, message));
    }
    match raw.signal {
        RuleSignal::NoData { .. } => Ok((Side::Below, 1.0)),
        RuleSignal::Finding { .. } => Ok((Side::Above, 0.0)),
        _ => Ok((Side::Below, 0.0)),
    }
}

/// Where every event is bad the burn rate is 1 ÷ (1 − objective): a level at or over that never fires.
fn check_burn_threshold(raw: &RawRule, rate: &BurnRate, path: &str) -> Result<(Side, f64), Problem> {
    let greatest = 1.0 / (1.0 - rate.objective);
    match (raw.above, raw.below) {
        (Some(above), None) if above > 0.0 && above < greatest => Ok((Side::Above, above)),
        (Some(above), None) => {
            let greatest = (greatest * 1e6).round() / 1e6;
            let message = format!(
                "expected a burn rate above 0 and below {greatest}, which is what the objective {} allows at most, found {above}",
                rate.objective
            );
            Err(Problem::at(format!("{path}.above"), message))
        }
        _ => Err(Problem::at(path, "expected `above` alone with burn_rate, such as 14.4")),
    }
}

pub(super) fn check_recovery(raw: &RawRule, side: Side, threshold: f64, path: &str) -> Result<(), Problem> {
    let Some(recovery) = raw.recovery else { return Ok(()) };
    let at = format!("{path}.recovery");
    if matches!(raw.signal, RuleSignal::ReadyBelowMin | RuleSignal::NoData { .. } | RuleSignal::Finding { .. }) {
        return Err(Problem::at(at, "expected none with ready_below_min, no_data and finding, which have no level"));
    }
    let is_calm = match side {
        Side::Above => recovery <= threshold,
        Side::Below => recovery >= threshold,
    };
    if is_calm {
        return Ok(());
    }
    let message = format!("expected a level on the calm side of the threshold {threshold}, found {recovery}");
    Err(Problem::at(at, message))
}
