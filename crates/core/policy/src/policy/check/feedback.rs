//! What is expected of actuators, from written to checked.

use super::require;
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::feedback::FeedbackRules;
use crate::policy::raw::RawFeedback;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) fn check_feedback(raw: RawFeedback) -> Result<FeedbackRules, Problem> {
    let hour = Duration::from_hours(1);
    let default = FeedbackRules::default();
    let within = raw.acknowledge_within.map(|of| of.0);
    if let Some(within) = within {
        bounded(within, "acknowledge_within", Duration::from_secs(1)..=hour)?;
    }
    let settle_after = raw.settle_after.map_or(default.settle_after, |of| of.0);
    bounded(settle_after, "settle_after", Duration::ZERO..=hour)?;
    let retry_after = raw.retry_after.map_or(default.retry_after, |of| of.0);
    bounded(retry_after, "retry_after", Duration::ZERO..=Duration::from_hours(24))?;
    Ok(FeedbackRules { acknowledge_within: within, settle_after, retry_after })
}

fn bounded(value: Duration, key: &str, range: RangeInclusive<Duration>) -> Result<(), Problem> {
    require(range.contains(&value), format!("spec.feedback.{key}"), || {
        let (least, most) = (HumanDuration(*range.start()), HumanDuration(*range.end()));
        format!("expected {least} to {most}, found {}", HumanDuration(value))
    })
}
