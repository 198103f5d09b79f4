//! Demands, from written to checked.

use super::{check_statistic, formula, new_name, require};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::demand::{Demand, DemandKind, Lag, Quantity, Queueing, ServiceTime};
use crate::policy::formula::Formula;
use crate::policy::objective::Statistic;
use crate::policy::raw::{RawDemand, RawLag, RawMeasured, RawQuantity, RawQueueing, RawServiceTime};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_model::{MetricKind, metric::Metric};

type Formulas = BTreeMap<String, Formula>;

const DAY: Duration = Duration::from_hours(24);

/// Each with a name that nothing else in `names` has, to which it is added.
pub(super) fn check_demands(
    raw: &[RawDemand],
    names: &mut Vec<String>,
    formulas: &Formulas,
) -> Result<Vec<Demand>, Problem> {
    let one = |(index, raw): (usize, &RawDemand)| {
        let path = format!("spec.demands[{index}]");
        let demand = check_demand(raw, &path, formulas)?;
        new_name(names, &demand.name, &path).map(|()| demand)
    };
    raw.iter().enumerate().map(one).collect()
}

fn check_demand(raw: &RawDemand, path: &str, formulas: &Formulas) -> Result<Demand, Problem> {
    let (kind, default_name) = match (&raw.lag, &raw.queueing) {
        (Some(lag), None) => (DemandKind::Lag(check_lag(lag, &format!("{path}.lag"), formulas)?), "lag"),
        (None, Some(queueing)) => {
            (DemandKind::Queueing(check_queueing(queueing, &format!("{path}.queueing"), formulas)?), "queueing")
        }
        (Some(_), Some(_)) => {
            return Err(Problem::at(format!("{path}.queueing"), "expected either `lag` or `queueing`, found both"));
        }
        (None, None) => return Err(Problem::at(path, "expected `lag` or `queueing`, found neither")),
    };
    Ok(Demand { name: raw.name.clone().unwrap_or_else(|| default_name.to_owned()), kind })
}

fn check_lag(raw: &RawLag, path: &str, formulas: &Formulas) -> Result<Lag, Problem> {
    let utilization = raw.utilization.unwrap_or(0.8);
    require(utilization > 0.0 && utilization <= 1.0, format!("{path}.utilization"), || {
        format!("expected a ratio above 0 and at most 1, found {utilization}")
    })?;
    let catch_up = duration(raw.catch_up, Duration::from_secs(1)..=DAY, &format!("{path}.catch_up"))?;
    let served_at = format!("{path}.served_per_s");
    let served_per_s = check_quantity(&raw.served_per_s, Statistic::Mean, &served_at, formulas)?;
    require(served_per_s != Quantity::Stated(0.0), served_at, || "expected a number above 0, found 0".to_owned())?;
    Ok(Lag {
        waiting: check_quantity(&raw.waiting, Statistic::Last, &format!("{path}.waiting"), formulas)?,
        arrivals_per_s: check_quantity(
            &raw.arrivals_per_s,
            Statistic::Mean,
            &format!("{path}.arrivals_per_s"),
            formulas,
        )?,
        served_per_s,
        catch_up,
        utilization,
    })
}

fn check_queueing(raw: &RawQueueing, path: &str, formulas: &Formulas) -> Result<Queueing, Problem> {
    let late = raw.late.unwrap_or(0.05);
    require(late > 0.0 && late < 1.0, format!("{path}.late"), || {
        format!("expected a ratio above 0 and below 1, found {late}")
    })?;
    let concurrency = raw.concurrency.unwrap_or(1);
    require((1..=10_000).contains(&concurrency), format!("{path}.concurrency"), || {
        format!("expected 1 to 10000, found {concurrency}")
    })?;
    for (key, cv) in [("service_cv", raw.service_cv), ("arrival_cv", raw.arrival_cv)] {
        let fits = cv.is_none_or(|cv| (0.0..=1_000.0).contains(&cv));
        require(fits, format!("{path}.{key}"), || {
            format!("expected a standard deviation ÷ mean from 0 to 1000, found {}", cv.unwrap_or_default())
        })?;
    }
    let service_time = check_service_time(&raw.service_time, &format!("{path}.service_time"))?;
    let is_stated = matches!(service_time, ServiceTime::Stated(_));
    Ok(Queueing {
        arrivals_per_s: check_quantity(
            &raw.arrivals_per_s,
            Statistic::Mean,
            &format!("{path}.arrivals_per_s"),
            formulas,
        )?,
        service_time,
        service_cv: raw.service_cv.or(is_stated.then_some(1.0)),
        arrival_cv: raw.arrival_cv.unwrap_or(1.0),
        concurrency,
        of: raw.of,
        within: duration(raw.within, Duration::from_millis(1)..=DAY, &format!("{path}.within"))?,
        late,
    })
}

fn check_service_time(raw: &RawServiceTime, path: &str) -> Result<ServiceTime, Problem> {
    match raw {
        RawServiceTime::Duration(stated) => {
            Ok(ServiceTime::Stated(duration(*stated, Duration::from_millis(1)..=DAY, path)?))
        }
        RawServiceTime::Metric(timed) => {
            let metric = timed.metric.clone();
            let is_rate = metric.ends_with("_per_s");
            let per_s = match () {
                () if metric.ends_with("_ms") => 1_000,
                () if metric.ends_with("_s") && !is_rate => 1,
                () => {
                    let message =
                        format!("expected a metric whose name ends in its unit, `_ms` or `_s`, found `{metric}`");
                    return Err(Problem::at(format!("{path}.metric"), message));
                }
            };
            Ok(ServiceTime::Measured { metric, per_s })
        }
    }
}

/// A count or a rate of instances.
fn check_quantity(raw: &RawQuantity, default: Statistic, path: &str, formulas: &Formulas) -> Result<Quantity, Problem> {
    match raw {
        RawQuantity::Number(number) => {
            let fits = (0.0..=1e12).contains(number);
            require(fits, path, || format!("expected a number from 0 to 1e12, found {number}"))?;
            Ok(Quantity::Stated(*number))
        }
        RawQuantity::Metric(RawMeasured { metric: Some(metric), formula: None, statistic }) => {
            let is_time = Metric::named(metric).kind() == MetricKind::Latency;
            require(!is_time, format!("{path}.metric"), || {
                format!("expected a count or a rate such as queue_depth or requests_per_s, found the time `{metric}`")
            })?;
            let statistic = statistic.unwrap_or(default);
            check_statistic(metric, statistic, &format!("{path}.statistic"))?;
            Ok(Quantity::Measured { metric: metric.clone(), statistic })
        }
        RawQuantity::Metric(RawMeasured { metric: None, formula: Some(name), statistic }) => {
            require(statistic.is_none(), format!("{path}.statistic"), || "expected none beside `formula`".to_owned())?;
            let formula = formula::named(name, &format!("{path}.formula"), formulas)?.clone();
            Ok(Quantity::Computed { name: name.clone(), formula })
        }
        RawQuantity::Metric(RawMeasured { metric: Some(_), .. }) => {
            Err(Problem::at(format!("{path}.formula"), "expected either `metric` or `formula`, found both"))
        }
        RawQuantity::Metric(_) => Err(Problem::at(path, "expected `metric` or `formula`, found neither")),
    }
}

fn duration(raw: HumanDuration, bounds: RangeInclusive<Duration>, path: &str) -> Result<Duration, Problem> {
    require(bounds.contains(&raw.0), path, || {
        format!("expected {} to {}, found {raw}", HumanDuration(*bounds.start()), HumanDuration(*bounds.end()))
    })?;
    Ok(raw.0)
}
