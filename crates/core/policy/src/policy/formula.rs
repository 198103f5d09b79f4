//! Formulas: numbers computed from metrics of a window, and from one another.
//!
//! ```text
//!  queue_depth.last / max(1, instances)      number · metric.statistic · instances · another formula's name
//!  + - * /  unary -  ( )  min(a, b, …)  max(a, b, …)  total(metric.statistic)
//! ```
//!
//! `metric.statistic` is that of the agent's window; `total(…)` adds the statistic of each instance. A name alone is
//! `instances`, the ready ones, or another formula, which is put in its place when the policy is checked.
//!
//! - **F1** A value is finite, or there is none: what divides by zero, or by what nobody reports, is no number.
//! - **F2** No formula needs itself.
//! - **F3** Nothing is added to, or compared with, what has another unit.

mod parse;
mod resolve;
mod unit;

pub use parse::{Expression, WrongFormula, parse};
pub use resolve::{Unresolved, resolve};
pub use unit::{Mixed, Unit, of_metric};

use super::objective::Statistic;
use serde::Serialize;
use tidegauge_model::WindowSummary;

/// A formula in which every name is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// As it stands.
    Number(f64),
    /// Ready instances.
    Instances,
    /// Of the agent's window.
    Metric(String, Statistic),
    /// Of the windows of all its instances, added.
    Total(String, Statistic),
    /// The same with the other sign.
    Negative(Box<Formula>),
    /// Two, joined.
    Join(Operator, Box<Formula>, Box<Formula>),
    /// The least or the greatest of several, at least one.
    Of(Choice, Vec<Formula>),
}

/// What joins two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
}

/// Which of several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Formula {
    /// Its value over a window of an agent and those of its instances; **F1**.
    #[must_use]
    pub fn value(&self, agent: &WindowSummary, instances: &[&WindowSummary], ready: u32) -> Option<f64> {
        let of = |formula: &Self| formula.value(agent, instances, ready);
        let value = match self {
            Self::Number(number) => *number,
            Self::Instances => f64::from(ready),
            Self::Metric(metric, statistic) => statistic.of(metric, agent)?.0,
            Self::Total(metric, statistic) => total(metric, *statistic, instances)?,
            Self::Negative(formula) => -of(formula)?,
            Self::Join(operator, left, right) => {
                let (left, right) = (of(left)?, of(right)?);
                match operator {
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    Operator::Times => left * right,
                    Operator::Over => left / right,
                }
            }
            Self::Of(choice, formulas) => {
                let values = formulas.iter().map(of).collect::<Option<Vec<_>>>()?;
                let choose = if *choice == Choice::Min { f64::min } else { f64::max };
                values.into_iter().reduce(choose)?
            }
        };
        value.is_finite().then_some(value)
    }

    /// How many parts it has.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + match self {
            Self::Number(_) | Self::Instances | Self::Metric(..) | Self::Total(..) => 0,
            Self::Negative(formula) => formula.size(),
            Self::Join(_, left, right) => left.size() + right.size(),
            Self::Of(_, formulas) => formulas.iter().map(Self::size).sum(),
        }
    }
}

/// In the order of instances, so that equal windows give equal bits.
fn total(metric: &str, statistic: Statistic, instances: &[&WindowSummary]) -> Option<f64> {
    let values = instances.iter().filter_map(|window| statistic.of(metric, window));
    values.map(|(value, _)| value).reduce(|sum, value| sum + value)
}
