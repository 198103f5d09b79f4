//! How large expressions get when subqueries are put in their places.
//!
//! ```sql
//!  SELECT x + x AS x FROM (SELECT x + x AS x FROM (… FROM windows))    -- doubles at each level
//! ```
//!
//! An optimizer that moves a condition on the outermost `x` down to the table writes it out in terms of the table's
//! columns, and a text that is put together this way doubles in length. So each column carries a weight: how many columns
//! of tables, and constants, its expression would name, written out.

use crate::refused::Refused;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Refuses a plan in which a column's expression would name more than `most` others.
pub(crate) fn check(plan: &LogicalPlan, most: u64) -> Result<(), Refused> {
    weigh(plan, most).map(drop)
}

/// The weight of the heaviest column of a plan.
///
/// One weight for all columns of a step, the greatest: an upper bound, and exact for the texts that this is about.
fn weigh(plan: &LogicalPlan, most: u64) -> Result<u64, Refused> {
    let inputs = plan.inputs().into_iter().map(|input| weigh(input, most)).collect::<Result<Vec<_>, _>>()?;
    let below = inputs.into_iter().max().unwrap_or(1);
    let mut heaviest = 1;
    for expr in plan.expressions() {
        let (named, subqueries) = leaves(&expr, most)?;
        heaviest = heaviest.max(named.saturating_mul(below).saturating_add(subqueries));
    }
    if heaviest > most {
        return Err(Refused::Cost(format!(
            "an expression stands for more than {most} columns once its subqueries are put in place: compute less of it \
             again and again"
        )));
    }
    let passes = matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_));
    Ok(if passes { heaviest.max(below) } else { below })
}

/// How many columns and constants an expression names, and the weights of its subqueries.
fn leaves(expr: &Expr, most: u64) -> Result<(u64, u64), Refused> {
    let (mut named, mut subqueries, mut refused) = (0_u64, 0_u64, None);
    let walked = expr.apply(|part| {
        let subquery = match part {
            Expr::Column(_) | Expr::Literal(..) | Expr::OuterReferenceColumn(..) => {
                named += 1;
                None
            }
            Expr::ScalarSubquery(subquery) => Some(subquery),
            Expr::Exists(exists) => Some(&exists.subquery),
            Expr::InSubquery(within) => Some(&within.subquery),
            _ => None,
        };
        if let Some(subquery) = subquery {
            match weigh(&subquery.subquery, most) {
                Ok(weight) => subqueries = subqueries.saturating_add(weight),
                Err(why) => {
                    refused = Some(why);
                    return Ok(TreeNodeRecursion::Stop);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match (refused, walked) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => Err(Refused::of_plan(&error)),
        (None, Ok(_)) => Ok((named, subqueries)),
    }
}
