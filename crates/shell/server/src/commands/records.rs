//! What was published to an output topic in some time, read without a group and without leaving a trace.

use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::{commands, connect};
use std::ops::ControlFlow;
use std::time::Duration;
use tidegauge_kafka::range::{RangeError, RangeReader};
use tidegauge_model::{AgentId, EventTime, Target, WorkspaceId};
use tidegauge_wire::Output;

/// How long the broker may be silent meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands over what a topic holds, published at or after `from` and, where that is said, before `to`, with the time at which
/// it was published. Of each partition in order. What is no `T` is passed over.
///
/// # Errors
///
/// If the topic is missing or the broker does not answer.
pub(super) fn read<T: Output>(
    config: &Config,
    topic: &str,
    from: EventTime,
    to: Option<EventTime>,
    mut each: impl FnMut(EventTime, T),
) -> anyhow::Result<()> {
    if !connect::admin(config)?.topics(&[topic])?.contains_key(topic) {
        return Err(commands::missing_topic(topic).into());
    }
    let unavailable =
        |error: &dyn std::error::Error| Failure::new(Code::Unavailable, format!("reading {topic}: {error}"));
    let settings = config.kafka.connection.consumer("explain", &format!("{}-explain", config.kafka.group));
    let mut reader = RangeReader::new(&settings)?;
    let ends = reader.end_offsets(topic).map_err(|error| unavailable(&error))?;
    let offsets = |at: EventTime| reader.offsets_for_time(topic, at.as_millis());
    let starts = offsets(from).map_err(|error| unavailable(&error))?;
    let until = match to {
        Some(to) => offsets(to).map_err(|error| unavailable(&error))?,
        None => vec![None; ends.len()],
    };
    for (partition, ((start, until), end)) in (0..).zip(starts.into_iter().zip(until).zip(ends)) {
        let end = until.map_or(end, |until| until.min(end));
        let range = start.unwrap_or(end)..end;
        if range.is_empty() {
            continue;
        }
        let result = reader.read(topic, partition, range, PATIENCE.into(), |message| {
            if let Some(value) = message.value().and_then(|bytes| T::decode(bytes).ok()) {
                each(EventTime::from_millis(message.timestamp_ms()), value);
            }
            ControlFlow::Continue(())
        });
        match result {
            Ok(()) => {}
            Err(RangeError::Deleted { .. }) => tracing::warn!("the oldest records of {topic} are deleted meanwhile"),
            Err(error) => return Err(unavailable(&error).into()),
        }
    }
    Ok(())
}

/// `workspace/agent`, or an agent of the workspace of those that name none.
pub(super) fn target(text: &str) -> Target {
    let (workspace, agent) = match text.split_once('/') {
        Some((workspace, agent)) => (WorkspaceId::from(workspace), agent),
        None => (WorkspaceId::unnamed(), text),
    };
    Target { workspace, agent: AgentId::from(agent), region: None }
}
