//! How to carry out an option, step by step, each with its way back.

use super::{Choice, Fleet, Kind};
use serde::Serialize;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanStep {
    /// What to do.
    pub action: String,
    /// How to know that it worked.
    pub verify: String,
    /// How to go back.
    pub rollback: String,
}

/// The steps in order; none for holding.
#[must_use]
pub fn implementation_plan(choice: &Choice, fleet: &Fleet) -> Vec<PlanStep> {
    let step =
        |action: String, verify: &str, rollback: String| PlanStep { action, verify: verify.to_owned(), rollback };
    let (was, size, is) = (fleet.instances, &choice.size, choice.instances);
    let ready = "all instances are ready and latency and errors are within their objectives";
    match choice.kind {
        Kind::Hold => Vec::new(),
        Kind::Horizontal if is > was => {
            vec![step(format!("scale from {was} to {is}"), ready, format!("scale back to {was}"))]
        }
        Kind::Horizontal => vec![
            step(
                format!("drain {} instances, idle ones first", was - is),
                "they hold no request",
                "stop draining".to_owned(),
            ),
            step(format!("scale from {was} to {is}"), ready, format!("scale back to {was}")),
        ],
        Kind::Vertical => vec![
            step(format!("replace one {} by a {size}", fleet.size), ready, format!("replace it by a {}", fleet.size)),
            step(
                format!("replace the other {} one by one", was.saturating_sub(1)),
                ready,
                format!("replace them by {}", fleet.size),
            ),
        ],
        Kind::Hybrid => vec![
            step(format!("start {is} of {size} beside the others"), ready, "stop them".to_owned()),
            step(
                format!("drain and stop the {was} of {}", fleet.size),
                ready,
                format!("start {was} of {} again", fleet.size),
            ),
        ],
    }
}
