//! What a Decider's new life finds in Kafka: its checkpoint, or at least the generations of its targets.

use super::shared::Shared;
use super::trouble::Trouble;
use super::{ANSWER, shared};
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tidegauge_engine::state::StateReader;
use tidegauge_engine::{Checkpoint, DeciderPosition};
use tidegauge_kafka::range::RangeReader;
use tidegauge_model::{Decision, Target};
use tidegauge_wire::Output as _;

/// Reads stretches of topics for a worker; made when it is first needed.
pub(super) struct StateTopic<'a> {
    shared: &'a Shared,
    number: usize,
    reader: Option<RangeReader>,
}

impl<'a> StateTopic<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        Self { shared, number, reader: None }
    }

    fn reader(&mut self) -> Result<&mut RangeReader, KafkaError> {
        if self.reader.is_none() {
            let config = &self.shared.config;
            let role = format!("state-{}", self.number);
            let client = config.kafka.connection.consumer(&role, &format!("{}-state", config.kafka.group));
            self.reader = Some(RangeReader::new(&client)?);
        }
        Ok(self.reader.as_mut().expect("just made"))
    }

    /// The next offset of a partition of the state topic.
    pub(super) fn end(&mut self, partition: i32) -> Result<i64, KafkaError> {
        let topic = self.shared.config.topics.state.clone();
        Ok(self.reader()?.offsets(&topic, partition)?.end)
    }

    /// The checkpoint that a commit speaks of.
    pub(super) fn checkpoint(&mut self, partition: i32, position: &DeciderPosition) -> Result<Checkpoint, Trouble> {
        let (shared, topic) = (self.shared, self.shared.config.topics.state.clone());
        let trouble = |problem: String| Trouble::State { topic: topic.clone(), partition, problem };
        let (mut rounds, mut found, mut broken) = (StateReader::default(), None, None);
        let range = position.state_from..position.state_until;
        self.reader()?
            .read(&topic, partition, range, ANSWER, |message| {
                shared.passed("restore.state");
                match rounds.push(message.offset(), message.value().unwrap_or_default()) {
                    Ok(complete) => found = complete.or(found.take()),
                    Err(error) => broken = Some(error),
                }
                if broken.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .map_err(|error| Trouble::of_range(error, &topic, partition))?;
        if let Some(error) = broken {
            return Err(trouble(error.to_string()));
        }
        let checkpoint = found.ok_or_else(|| trouble(rounds.incomplete().to_string()))?;
        let pane = self.shared.config.time.pane;
        if checkpoint.pane() != pane {
            return Err(trouble(format!("it is of panes of {:?}, and time.pane is {pane:?} now", checkpoint.pane())));
        }
        Ok(checkpoint)
    }

    /// The generations that standing decisions have: what comes next is above them, although nothing else is known.
    pub(super) fn generations(&mut self) -> Result<BTreeMap<(Target, String), u64>, Trouble> {
        let topic = self.shared.config.topics.decisions_current.clone();
        let partitions = shared::as_partition(self.shared.partitions(&topic));
        let mut generations = BTreeMap::new();
        for partition in 0..partitions {
            let reader = self.reader()?;
            let range = reader.offsets(&topic, partition)?;
            let read = reader.read(&topic, partition, range, ANSWER, |message| {
                if let Some(Ok(decision)) = message.value().map(Decision::decode) {
                    let known = generations.entry((decision.target, decision.policy)).or_insert(0);
                    *known = decision.generation.max(*known);
                }
                ControlFlow::Continue(())
            });
            read.map_err(|error| Trouble::of_range(error, &topic, partition))?;
        }
        if !generations.is_empty() {
            tracing::info!(
                targets = generations.len(),
                "no state, but standing decisions: generations go on above them"
            );
        }
        Ok(generations)
    }
}
