//! Which rows a plan can need at all, from the conditions on time and agent that it puts on a table.
//!
//! For whoever has rows in files: those out of bounds need not be read. The conditions stay in the plan, so bounds may be
//! too wide and never too narrow.
//!
//! - **B1** Every row that passes the conditions is within the bounds, whatever the other columns hold.

use arrow::datatypes::DataType::Timestamp;
use arrow::datatypes::TimeUnit::{Microsecond, Nanosecond};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList, TryCast};
use datafusion::logical_expr::{Expr, Operator};
use std::collections::BTreeSet;
use tidegauge_model::EventTime;

/// What rows a plan may need of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The earliest end of a window.
    pub first_end: EventTime,
    /// The latest end of a window.
    pub last_end: EventTime,
    /// Workspaces; `None`: any.
    pub workspaces: Option<BTreeSet<String>>,
    /// Agents; `None`: any.
    pub agents: Option<BTreeSet<String>>,
}

impl Bounds {
    /// Every row.
    pub const ALL: Self = Self { first_end: EventTime::MIN, last_end: EventTime::MAX, workspaces: None, agents: None };

    /// Of rows that pass all these conditions.
    pub(crate) fn of_all(conditions: &[Expr]) -> Self {
        conditions.iter().fold(Self::ALL, |bounds, condition| bounds.and(Self::of(condition)))
    }

    /// Whether a row of that agent, in a window that ends between those times, may be needed.
    #[must_use]
    pub fn may_need(&self, workspace: &str, agent: &str, ends: (EventTime, EventTime)) -> bool {
        let among = |names: &Option<BTreeSet<String>>, name| names.as_ref().is_none_or(|names| names.contains(name));
        let in_time = ends.1 >= self.first_end && ends.0 <= self.last_end;
        in_time && among(&self.workspaces, workspace) && among(&self.agents, agent)
    }

    /// Of rows that are in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let both = |a: Option<BTreeSet<String>>, b: Option<BTreeSet<String>>| Some(&a? | &b?);
        Self {
            first_end: self.first_end.min(other.first_end),
            last_end: self.last_end.max(other.last_end),
            workspaces: both(self.workspaces, other.workspaces),
            agents: both(self.agents, other.agents),
        }
    }

    fn and(self, other: Self) -> Self {
        let common = |a: Option<BTreeSet<String>>, b: Option<BTreeSet<String>>| match (a, b) {
            (Some(a), Some(b)) => Some(&a & &b),
            (a, b) => a.or(b),
        };
        Self {
            first_end: self.first_end.max(other.first_end),
            last_end: self.last_end.min(other.last_end),
            workspaces: common(self.workspaces, other.workspaces),
            agents: common(self.agents, other.agents),
        }
    }

    /// Of rows for which the condition is true; what it does not understand excludes nothing.
    fn of(condition: &Expr) -> Self {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => Self::of(left).and(Self::of(right)),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => Self::of(left).or(Self::of(right)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => Self::of_comparison(left, *op, right),
            Expr::Between(Between { expr, negated: false, low, high }) => {
                Self::of_comparison(expr, Operator::GtEq, low).and(Self::of_comparison(expr, Operator::LtEq, high))
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let each = list.iter().map(|value| Self::of_comparison(expr, Operator::Eq, value));
                each.reduce(Self::or).unwrap_or(Self::ALL)
            }
            _ => Self::ALL,
        }
    }

    fn of_comparison(left: &Expr, op: Operator, right: &Expr) -> Self {
        match (column(left), literal(right)) {
            (Some(name), Some(value)) => Self::of_column(name, op, value),
            _ => match (column(right), literal(left), op.swap()) {
                (Some(name), Some(value), Some(op)) => Self::of_column(name, op, value),
                _ => Self::ALL,
            },
        }
    }

    fn of_column(name: &str, op: Operator, value: &ScalarValue) -> Self {
        match name {
            "workspace_id" | "agent_id" if op == Operator::Eq => {
                let names = value.try_as_str().flatten().map(|text| BTreeSet::from([text.to_owned()]));
                if name == "agent_id" {
                    Self { agents: names, ..Self::ALL }
                } else {
                    Self { workspaces: names, ..Self::ALL }
                }
            }
            "window_end" => time(value).map_or(Self::ALL, |(floor, ceiling)| match op {
                Operator::Eq => Self { first_end: floor, last_end: ceiling, ..Self::ALL },
                Operator::Gt | Operator::GtEq => Self { first_end: floor, ..Self::ALL },
                Operator::Lt | Operator::LtEq => Self { last_end: ceiling, ..Self::ALL },
                _ => Self::ALL,
            }),
            // A window ends after it starts; how long after is not said.
            "window_start" => time(value).map_or(Self::ALL, |(floor, _)| match op {
                Operator::Eq | Operator::Gt | Operator::GtEq => Self { first_end: floor, ..Self::ALL },
                _ => Self::ALL,
            }),
            _ => Self::ALL,
        }
    }
}

/// The column, also where it is compared in another unit of time.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            // A coarser unit would cut off what is compared (B1).
            let is_fine = matches!(field.data_type(), Timestamp(Microsecond | Nanosecond, _));
            column(expr).filter(|_| is_fine)
        }
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    if let Expr::Literal(value, _) = expr { Some(value) } else { None }
}

/// The last microsecond before or at a time, and the first at or after it.
fn time(value: &ScalarValue) -> Option<(EventTime, EventTime)> {
    let (floor, ceiling) = match value {
        ScalarValue::TimestampSecond(Some(time), _) => (time.saturating_mul(1_000_000), time.saturating_mul(1_000_000)),
        ScalarValue::TimestampMillisecond(Some(time), _) => (time.saturating_mul(1_000), time.saturating_mul(1_000)),
        ScalarValue::TimestampMicrosecond(Some(time), _) => (*time, *time),
        ScalarValue::TimestampNanosecond(Some(time), _) => (time.div_euclid(1_000), time.div_euclid(1_000) + 1),
        _ => return None,
    };
    Some((EventTime::from_micros(floor), EventTime::from_micros(ceiling)))
}
