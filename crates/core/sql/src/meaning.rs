//! What a plan does: its steps, its functions, its joins.

use crate::expansion;
use crate::functions::Place;
use crate::limits::Limits;
use crate::prepared::Mode;
use crate::refused::Refused;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::WindowFunctionDefinition;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

/// Checks the plan as it was written, before anything is moved or computed in advance.
pub(crate) fn check(plan: &LogicalPlan, mode: Mode, limits: &Limits) -> Result<(), Refused> {
    let (mut nodes, mut refused) = (0, None);
    let walked = plan.apply_with_subqueries(|node| {
        nodes += 1;
        let verdict = if nodes > limits.plan_nodes {
            Err(Refused::TooDeep {
                what: "too many steps, with common table expressions in place",
                most: limits.plan_nodes,
            })
        } else {
            step(node).and_then(|()| if mode == Mode::Signal { functions_of(node) } else { Ok(()) })
        };
        Ok(stop_at(verdict, &mut refused))
    });
    settled(walked, refused)?;
    expansion::check(plan, limits.expansion)
}

/// Checks the joins of a signal as they will be run: where conditions were moved into them.
pub(crate) fn check_joins(plan: &LogicalPlan) -> Result<(), Refused> {
    let mut refused = None;
    let walked = plan.apply_with_subqueries(|node| Ok(stop_at(join(node), &mut refused)));
    settled(walked, refused)
}

fn stop_at(verdict: Result<(), Refused>, refused: &mut Option<Refused>) -> TreeNodeRecursion {
    match verdict {
        Ok(()) => TreeNodeRecursion::Continue,
        Err(why) => {
            *refused = Some(why);
            TreeNodeRecursion::Stop
        }
    }
}

fn settled(walked: PlanResult<TreeNodeRecursion>, refused: Option<Refused>) -> Result<(), Refused> {
    match (refused, walked) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => Err(Refused::of_plan(&error)),
        (None, Ok(_)) => Ok(()),
    }
}

/// Steps that only read. The syntax allows no others; what it does not know of is refused here.
fn step(node: &LogicalPlan) -> Result<(), Refused> {
    use LogicalPlan as P;
    match node {
        P::Projection(_) | P::Filter(_) | P::Window(_) | P::Aggregate(_) | P::Sort(_) | P::Join(_) | P::Union(_) => {
            Ok(())
        }
        P::TableScan(_) | P::EmptyRelation(_) | P::Subquery(_) | P::SubqueryAlias(_) | P::Limit(_) => Ok(()),
        P::Values(_) | P::Distinct(_) => Ok(()),
        other => {
            let name = other.display().to_string();
            let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
            Err(Refused::not_allowed(format!("the step {name}"), "write a SELECT over windows, instances and metrics"))
        }
    }
}

fn functions_of(node: &LogicalPlan) -> Result<(), Refused> {
    let mut refused = None;
    let walked = node.apply_expressions(|expr| {
        expr.apply(|expr| Ok(stop_at(function(expr), &mut refused)))?;
        Ok(TreeNodeRecursion::Continue)
    });
    settled(walked, refused)
}

fn function(expr: &Expr) -> Result<(), Refused> {
    match expr {
        Expr::ScalarFunction(call) => allowed(call.func.name(), Place::Row),
        Expr::AggregateFunction(call) => allowed(call.func.name(), Place::Aggregate),
        Expr::WindowFunction(call) => match &call.fun {
            WindowFunctionDefinition::AggregateUDF(function) => allowed(function.name(), Place::Window),
            WindowFunctionDefinition::WindowUDF(function) => allowed(function.name(), Place::Window),
        },
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch => {
                Err(Refused::not_allowed("a regular expression in a signal", "use LIKE, starts_with or contains"))
            }
            Operator::StringConcat => {
                Err(Refused::not_allowed("`||` in a signal", "select the parts as columns of their own"))
            }
            _ => Ok(()),
        },
        Expr::SimilarTo(_) => Err(Refused::not_allowed("SIMILAR TO in a signal", "use LIKE, starts_with or contains")),
        _ => Ok(()),
    }
}

fn allowed(name: &str, place: Place) -> Result<(), Refused> {
    if place.in_signals().contains(&name) {
        return Ok(());
    }
    let why = match name {
        "now" | "current_date" | "current_time" | "random" | "uuid" => {
            "a signal is a function of its windows: use window_end for the time".to_owned()
        }
        _ if place == Place::Window => {
            format!("with OVER, a signal may call {}", place.in_signals().join(", "))
        }
        _ => "docs/reference/sql.md lists the functions that a signal may call".to_owned(),
    };
    Err(Refused::not_allowed(format!("the function `{name}` in a signal"), why))
}

/// Whether a step yields one row at most: an aggregate of everything, however its columns are renamed and computed on.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(step) => is_one_row(&step.input),
        LogicalPlan::SubqueryAlias(step) => is_one_row(&step.input),
        LogicalPlan::Filter(step) => is_one_row(&step.input),
        LogicalPlan::Sort(step) => is_one_row(&step.input),
        LogicalPlan::Limit(step) if is_one_row(&step.input) => true,
        other => other.max_rows().is_some_and(|rows| rows <= 1),
    }
}

fn join(node: &LogicalPlan) -> Result<(), Refused> {
    let LogicalPlan::Join(join) = node else { return Ok(()) };
    if join.on.is_empty() && !is_one_row(&join.left) && !is_one_row(&join.right) {
        return Err(Refused::Cost(
            "a signal may not join every row with every row: join ON columns that are equal on both sides".into(),
        ));
    }
    if join.filter.is_some() && !join.on.is_empty() {
        return Err(Refused::Cost(
            "a signal may only join ON columns that are equal on both sides: compare otherwise in CASE or FILTER, or \
             aggregate one side first"
                .into(),
        ));
    }
    Ok(())
}
