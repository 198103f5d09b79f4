//! Units of formulas: what cannot be added or compared is refused.
//!
//! A unit is known of built-in metrics. A number has whatever unit is wanted: so has what is multiplied by one or divided by
//! one, which is how a unit is converted. Things that are counted (requests, items, users, instances) are of one unit.

use super::{Choice, Formula, Operator};
use crate::policy::objective::Statistic;
use std::fmt;
use tidegauge_model::metric;

/// Base units by their place in [`Unit`].
const BASES: [&str; 7] = ["things", "bytes", "cores", "milliseconds", "currency", "seconds", "hours"];

/// How often each base unit is a factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit([i8; BASES.len()]);

/// Two units where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// What joins them: `+`, `-`, `min` or `max`.
    pub by: &'static str,
    /// The one.
    pub left: Unit,
    /// The other.
    pub right: Unit,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |way: i8| -> Vec<&str> {
            let times = |(base, power): (&&'static str, &i8)| vec![*base; usize::try_from(power * way).unwrap_or(0)];
            BASES.iter().zip(&self.0).flat_map(times).collect()
        };
        match (of(1), of(-1)) {
            (over, under) if over.is_empty() && under.is_empty() => f.write_str("a ratio"),
            (over, under) if under.is_empty() => f.write_str(&over.join(" · ")),
            (over, under) if over.is_empty() => write!(f, "1 per {}", one(&under)),
            (over, under) => write!(f, "{} per {}", over.join(" · "), one(&under)),
        }
    }
}

/// In the singular.
fn one(units: &[&str]) -> String {
    units.iter().map(|unit| unit.trim_end_matches('s')).collect::<Vec<_>>().join(" · ")
}

impl Unit {
    fn base(name: &str) -> Self {
        let mut unit = Self::default();
        let place = BASES.iter().position(|base| *base == name).unwrap_or(0); // whatever else is counted
        unit.0[place] = 1;
        unit
    }

    /// From a metric's own words: `bytes per second`, `ratio`, `waiting items`.
    fn of_words(words: &str) -> Self {
        let (over, under) = words.split_once(" per ").unwrap_or((words, ""));
        let over = if over == "ratio" { Self::default() } else { Self::base(over) };
        if under.is_empty() { over } else { over.times(Self::base(&format!("{under}s")), -1) }
    }

    fn times(mut self, other: Self, power: i8) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, other)| *mine = mine.saturating_add(power * other));
        self
    }
}

/// The unit of a metric's statistic; nothing where the metric is not built in.
#[must_use]
pub fn of_metric(name: &str, statistic: Statistic) -> Option<Unit> {
    let unit = Unit::of_words(metric::by_name(name)?.unit);
    Some(if statistic == Statistic::RatePerS { unit.times(Unit::base("seconds"), -1) } else { unit })
}

impl Formula {
    /// Its unit; nothing where that is anybody's guess.
    ///
    /// # Errors
    ///
    /// [`Mixed`] where parts of different units are added or compared.
    pub fn unit(&self) -> Result<Option<Unit>, Mixed> {
        match self {
            Self::Number(_) => Ok(None),
            Self::Instances => Ok(Some(Unit::base("things"))),
            Self::Metric(metric, statistic) | Self::Total(metric, statistic) => Ok(of_metric(metric, *statistic)),
            Self::Negative(formula) => formula.unit(),
            Self::Join(operator, left, right) => {
                let (left, right) = (left.unit()?, right.unit()?);
                let both = left.zip(right);
                match operator {
                    Operator::Plus => same("+", left, right),
                    Operator::Minus => same("-", left, right),
                    Operator::Times => Ok(both.map(|(left, right)| left.times(right, 1))),
                    Operator::Over => Ok(both.map(|(left, right)| left.times(right, -1))),
                }
            }
            Self::Of(choice, parts) => {
                let by = if *choice == Choice::Min { "min" } else { "max" };
                parts.iter().try_fold(None, |known, part| same(by, known, part.unit()?))
            }
        }
    }
}

fn same(by: &'static str, left: Option<Unit>, right: Option<Unit>) -> Result<Option<Unit>, Mixed> {
    match (left, right) {
        (Some(left), Some(right)) if left != right => Err(Mixed { by, left, right }),
        (left, right) => Ok(left.or(right)),
    }
}
