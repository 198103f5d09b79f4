//! Formulas, from written to checked, and objectives that name one.

use super::{check_statistic, require};
use crate::error::{Problem, nearest};
use crate::policy::formula::{Expression, Formula, Mixed, parse, resolve};
use crate::policy::objective::{ObjectiveKind, Source};
use crate::policy::raw::RawObjective;
use crate::signal::is_name;
use std::collections::BTreeMap;

/// Words that mean something else in a formula.
const RESERVED: [&str; 4] = ["instances", "min", "max", "total"];

/// Most formulas of a policy, which bounds how deep they can need one another.
const MAX_FORMULAS: usize = 100;

pub(super) fn check_formulas(raw: &BTreeMap<String, String>) -> Result<BTreeMap<String, Formula>, Problem> {
    let path = |name: &str| format!("spec.formulas.{name}");
    require(raw.len() <= MAX_FORMULAS, "spec.formulas", || {
        format!("expected at most {MAX_FORMULAS} formulas, found {}", raw.len())
    })?;
    let mut written: BTreeMap<String, Expression> = BTreeMap::new();
    for (name, text) in raw {
        require(is_name(name) && !RESERVED.contains(&name.as_str()), path(name), || {
            format!("expected a name of its own in small letters, digits and `_`, a letter first, found `{name}`")
        })?;
        let expression = parse(text)
            .map_err(|error| Problem { nearest: error.nearest, ..Problem::at(path(name), error.message) })?;
        check_statistics(&expression, &path(name))?;
        written.insert(name.clone(), expression);
    }
    let formulas = resolve(&written)
        .map_err(|error| Problem { nearest: error.nearest, ..Problem::at(path(&error.formula), error.message) })?;
    for (name, formula) in &formulas {
        formula.unit().map_err(|mixed| Problem::at(path(name), of_mixed(&mixed)))?;
    }
    Ok(formulas)
}

fn of_mixed(mixed: &Mixed) -> String {
    let Mixed { by, left, right } = mixed;
    format!("expected one unit on both sides of `{by}`, found {left} and {right}; a factor in front converts")
}

fn check_statistics(expression: &Expression, path: &str) -> Result<(), Problem> {
    match expression {
        Expression::Number(_) | Expression::Name(..) => Ok(()),
        Expression::Metric(metric, statistic) | Expression::Total(metric, statistic) => {
            check_statistic(metric, *statistic, path)
        }
        Expression::Negative(inner) => check_statistics(inner, path),
        Expression::Join(_, left, right) => check_statistics(left, path).and_then(|()| check_statistics(right, path)),
        Expression::Of(_, parts) => parts.iter().try_for_each(|part| check_statistics(part, path)),
    }
}

/// The formula of that name, and nothing beside it that says what is measured.
pub(super) fn check_source(
    raw: &RawObjective,
    name: &str,
    path: &str,
    formulas: &BTreeMap<String, Formula>,
) -> Result<(Source, ObjectiveKind, String), Problem> {
    let beside = [
        ("signal", raw.signal.is_some()),
        ("metric", raw.metric.is_some()),
        ("of", raw.of.is_some()),
        ("statistic", raw.statistic.is_some()),
    ];
    for (key, is_given) in beside {
        require(!is_given, format!("{path}.{key}"), || "expected none beside `formula`".to_owned())?;
    }
    let formula = named(name, &format!("{path}.formula"), formulas)?;
    let expected = || Problem::at(format!("{path}.type"), "expected average_value or value beside `formula`");
    let kind = raw.r#type.filter(|kind| *kind != ObjectiveKind::Utilization).ok_or_else(expected)?;
    Ok((Source::Formula { formula: formula.clone() }, kind, name.to_owned()))
}

/// The formula of that name.
pub(super) fn named<'a>(
    name: &str,
    path: &str,
    formulas: &'a BTreeMap<String, Formula>,
) -> Result<&'a Formula, Problem> {
    formulas.get(name).ok_or_else(|| {
        let known = || formulas.keys().map(String::as_str);
        let list = known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = match list.is_empty() {
            true => format!("expected a formula of `spec.formulas`, which has none, found `{name}`"),
            false => format!("expected one of {list}, found `{name}`"),
        };
        Problem { nearest: nearest(name, known()), ..Problem::at(path, message) }
    })
}
