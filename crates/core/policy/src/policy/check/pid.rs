//! Controllers, from written to checked.

use super::trigger::Formulas;
use super::{check_objective, new_name, require};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::pid::Pid;
use crate::policy::raw::{RawPid, RawTolerance};
use std::ops::RangeInclusive;
use std::time::Duration;

const MAX_TIME: Duration = Duration::from_hours(1);

/// Each with a name that nothing else in `names` has, to which it is added.
pub(super) fn check_pids(
    raw: &[RawPid],
    names: &mut Vec<String>,
    formulas: &Formulas,
    tolerance: RawTolerance,
) -> Result<Vec<Pid>, Problem> {
    let one = |(index, raw): (usize, &RawPid)| {
        let path = format!("spec.pid[{index}]");
        let pid = check_pid(raw, &path, formulas, tolerance)?;
        new_name(names, &pid.objective.name, &path).map(|()| pid)
    };
    raw.iter().enumerate().map(one).collect()
}

fn check_pid(raw: &RawPid, path: &str, formulas: &Formulas, tolerance: RawTolerance) -> Result<Pid, Problem> {
    let mut objective = check_objective(&raw.objective, &format!("{path}.objective"), tolerance, formulas)?;
    require(raw.objective.name.is_none(), format!("{path}.objective.name"), || {
        "expected none: the controller has a name".to_owned()
    })?;
    objective.name = raw.name.clone().unwrap_or_else(|| "pid".to_owned());
    require(!objective.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
    let number = |key: &str, value: Option<f64>, default: f64, range: RangeInclusive<f64>| {
        let value = value.unwrap_or(default);
        require(range.contains(&value), format!("{path}.{key}"), || {
            format!("expected {} to {}, found {value}", range.start(), range.end())
        })
        .map(|()| value)
    };
    let time = |key: &str, value: Option<HumanDuration>, default: Duration| {
        let value = value.map_or(default, |value| value.0);
        require(value <= MAX_TIME, format!("{path}.{key}"), || {
            format!("expected at most 1h, found {}", HumanDuration(value))
        })
        .map(|()| value)
    };
    Ok(Pid {
        proportional: number("proportional", raw.proportional, 0.5, 0.0..=1.0)?,
        // Without the integral part nothing that is missing is ever made up for.
        integral_per_s: number("integral_per_s", raw.integral_per_s, 0.02, 0.000_1..=1.0)?,
        derivative_s: number("derivative_s", raw.derivative_s, 0.0, 0.0..=600.0)?,
        filter: time("filter", raw.filter, Duration::from_secs(30))?,
        start_up: time("start_up", raw.start_up, Duration::from_mins(1))?,
        adaptive: raw.adaptive,
        objective,
    })
}
