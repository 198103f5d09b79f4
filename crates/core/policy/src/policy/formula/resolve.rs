//! Names of formulas replaced by what they stand for.

use super::{Expression, Formula};
use crate::error::nearest;
use std::collections::BTreeMap;

/// Most parts of a formula with all that it needs in place.
const MAX_SIZE: usize = 2_000;

/// Why the names of a formula have no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The formula in which it was noticed.
    pub formula: String,
    /// What is wrong.
    pub message: String,
    /// The nearest known name.
    pub nearest: Option<String>,
}

/// Every formula with the others in place.
///
/// # Errors
///
/// [`Unresolved`] for a name that nothing has, for a formula that needs itself (**F2**), and for one that becomes too large.
pub fn resolve(written: &BTreeMap<String, Expression>) -> Result<BTreeMap<String, Formula>, Unresolved> {
    let mut resolver = Resolver { written, done: BTreeMap::new(), open: Vec::new() };
    for name in written.keys() {
        resolver.named(name)?;
    }
    Ok(resolver.done)
}

struct Resolver<'a> {
    written: &'a BTreeMap<String, Expression>,
    done: BTreeMap<String, Formula>,
    /// Those that are being resolved, each needed by the one before.
    open: Vec<&'a str>,
}

impl<'a> Resolver<'a> {
    fn named(&mut self, name: &'a str) -> Result<Formula, Unresolved> {
        if let Some(formula) = self.done.get(name) {
            return Ok(formula.clone());
        }
        if let Some(first) = self.open.iter().position(|open| *open == name) {
            let circle = [&self.open[first..], &[name]].concat().join(" → ");
            return Err(self.wrong(format!("expected no formula that needs itself, found {circle}"), None));
        }
        self.open.push(name);
        let formula = self.expression(&self.written[name])?;
        if formula.size() > MAX_SIZE {
            let message = format!("expected at most {MAX_SIZE} parts with all that it needs, found {}", formula.size());
            return Err(self.wrong(message, None));
        }
        self.open.pop();
        self.done.insert(name.to_owned(), formula.clone());
        Ok(formula)
    }

    fn expression(&mut self, expression: &'a Expression) -> Result<Formula, Unresolved> {
        Ok(match expression {
            Expression::Number(number) => Formula::Number(*number),
            Expression::Metric(metric, statistic) => Formula::Metric(metric.clone(), *statistic),
            Expression::Total(metric, statistic) => Formula::Total(metric.clone(), *statistic),
            Expression::Negative(inner) => Formula::Negative(Box::new(self.expression(inner)?)),
            Expression::Join(operator, left, right) => {
                Formula::Join(*operator, Box::new(self.expression(left)?), Box::new(self.expression(right)?))
            }
            Expression::Of(choice, parts) => {
                Formula::Of(*choice, parts.iter().map(|part| self.expression(part)).collect::<Result<_, _>>()?)
            }
            Expression::Name(name, _) if name == "instances" => Formula::Instances,
            Expression::Name(name, at) => match self.written.get_key_value(name) {
                Some((known, _)) => self.named(known)?,
                None => return Err(self.unknown(name, *at)),
            },
        })
    }

    fn unknown(&self, name: &str, at: usize) -> Unresolved {
        let known = || std::iter::once("instances").chain(self.written.keys().map(String::as_str));
        let list = known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!(
            "at character {at}: expected one of {list}, or a metric with its statistic such as queue_depth.mean, found `{name}`"
        );
        self.wrong(message, nearest(name, known()))
    }

    fn wrong(&self, message: String, nearest: Option<String>) -> Unresolved {
        let formula = self.open.last().copied().unwrap_or_default().to_owned();
        Unresolved { formula, message, nearest }
    }
}
