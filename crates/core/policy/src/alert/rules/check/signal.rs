//! What a rule looks at, checked.

use super::WEEK;
use crate::alert::rules::{BurnRate, By, RawRule, RuleSignal};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::check::check_statistic;
use std::time::Duration;
use tidegauge_model::WindowSpec;

const MONTH: Duration = Duration::from_hours(31 * 24);

pub(super) fn check_signal(raw: &RawRule, window: WindowSpec, path: &str) -> Result<(), Problem> {
    let of_agents = match &raw.signal {
        RuleSignal::Metric { metric, statistic } => {
            return check_statistic(metric, *statistic, &format!("{path}.signal.statistic"));
        }
        RuleSignal::Finding { of, .. } if of.is_empty() => {
            return Err(Problem::at(format!("{path}.signal.of"), "expected at least one kind of finding, found none"));
        }
        RuleSignal::BurnRate(rate) => {
            check_burn_rate(rate, window, &format!("{path}.signal"))?;
            true
        }
        RuleSignal::Forecast { horizon, quantile } => {
            check_forecast(*horizon, *quantile, &format!("{path}.signal"))?;
            true
        }
        RuleSignal::NoData { .. } | RuleSignal::Finding { .. } | RuleSignal::Scaling { .. } => true,
        _ => false,
    };
    if of_agents && raw.by == By::Instance {
        return Err(Problem::at(
            format!("{path}.by"),
            "expected `agent` with no_data, finding, burn_rate, forecast and scaling, found `instance`",
        ));
    }
    Ok(())
}

fn check_forecast(horizon: Option<Duration>, quantile: Option<f64>, path: &str) -> Result<(), Problem> {
    if let Some(horizon) = horizon.filter(|horizon| horizon.is_zero() || *horizon > WEEK) {
        let message = format!("expected more than 0s and at most 7d, found {}", HumanDuration(horizon));
        return Err(Problem::at(format!("{path}.horizon"), message));
    }
    match quantile {
        Some(quantile) if !(0.5..=0.99).contains(&quantile) => {
            Err(Problem::at(format!("{path}.quantile"), format!("expected 0.5 to 0.99, found {quantile}")))
        }
        _ => Ok(()),
    }
}

fn check_burn_rate(rate: &BurnRate, window: WindowSpec, path: &str) -> Result<(), Problem> {
    let at = |key: &str, message: String| Err(Problem::at(format!("{path}.{key}"), message));
    let shown = |long: Duration| HumanDuration(long).to_string();
    if !(rate.objective > 0.0 && rate.objective < 1.0) {
        return at("objective", format!("expected a share such as 0.999, found {}", rate.objective));
    }
    if rate.long > MONTH {
        return at("long", format!("expected at most 31d, found {}", shown(rate.long)));
    }
    if rate.short > rate.long || rate.short < window.size {
        let (least, most) = (shown(window.size), shown(rate.long));
        return at("short", format!("expected from the window's {least} to {most}, found {}", shown(rate.short)));
    }
    if !rate.min_events.is_finite() || rate.min_events < 1.0 {
        return at("min_events", format!("expected 1 or more, found {}", rate.min_events));
    }
    if rate.bad.is_empty() {
        return at("bad", "expected at least one counter, found none".to_owned());
    }
    Ok(())
}
