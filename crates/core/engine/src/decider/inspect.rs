//! What a Decider says of itself to whoever runs it.

use super::{Agent, ControlDifference, Decider, DeciderCounts, FeedbackTrouble, SignalTrouble};
use crate::held::{Heaviest, Held};
use crate::journal::{ControlChange, PartialRows};
use tidegauge_model::{EventTime, Target};
use tidegauge_policy::LifeBook;
use tidegauge_window::{SourceId, Standing};

impl Decider {
    /// How the documents of a process differ from those that hold.
    #[must_use]
    pub fn control_difference(&self, wanted: &[ControlChange]) -> ControlDifference {
        self.control.difference(wanted)
    }

    /// Names and versions of the policies that hold.
    pub fn policies(&self) -> impl Iterator<Item = (&str, u32)> {
        self.control.policies().map(|policy| (policy.name.as_str(), policy.version))
    }

    /// Why documents of the journal do not hold, since this was last called.
    pub fn take_refused(&mut self) -> Vec<String> {
        self.control.take_refused()
    }

    /// Signals of SQL that had no answer since this was last called, by name.
    pub fn take_signal_trouble(&mut self) -> Vec<SignalTrouble> {
        self.control.take_trouble()
    }

    /// What was odd about scaling events since this was last called, by what it is.
    pub fn take_feedback_trouble(&mut self) -> Vec<FeedbackTrouble> {
        self.control.take_feedback_trouble()
    }

    /// What became of the live decisions about a target, as far as it is remembered.
    #[must_use]
    pub fn life(&self, target: &Target) -> Option<&LifeBook> {
        self.control.life(target)
    }

    /// The source that holds the watermark back.
    #[must_use]
    pub fn slowest_source(&self) -> Option<&SourceId> {
        self.sources.slowest()
    }

    /// How far event time has advanced here.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.sources.watermark()
    }

    /// End of the last closed pane.
    #[must_use]
    pub fn closed_through(&self) -> Option<EventTime> {
        self.closed_through
    }

    /// Every telemetry partition as this Decider knows it.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceId, Option<EventTime>, Standing)> {
        self.sources.standings()
    }

    /// Rows and records by where they went so far.
    #[must_use]
    pub fn counts(&self) -> DeciderCounts {
        self.counts
    }

    /// Rows and records by where they went since this was last called.
    pub fn take_counts(&mut self) -> DeciderCounts {
        std::mem::take(&mut self.counts)
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Held {
        let cells = |agent: &Agent| {
            let entities = agent.entities.values().map(|entity| entity.cells.len()).sum::<usize>();
            let instances = agent.instances.values().map(|instance| instance.cells.len()).sum::<usize>();
            agent.cells.len() + instances + entities
        };
        Held {
            panes: self.pending.len() as u64,
            samples: self.pending_samples(),
            cells: self.agents.values().map(|agent| cells(agent) as u64).sum::<u64>() + self.beyond.open(),
            findings: self.agents.values().map(Agent::open_findings).sum(),
            instances: self.agents().map(|(_, agent)| agent.instances.len() as u64).sum(),
        }
    }

    /// Sums over agents aside.
    fn agents(&self) -> impl Iterator<Item = (&Target, &Agent)> {
        self.agents.iter().filter(|(target, _)| !target.is_sum())
    }

    /// The agent with most instances; `None` while none is known.
    #[must_use]
    pub fn heaviest(&self) -> Option<Heaviest> {
        Heaviest::of(self.agents().map(|(target, agent)| (target, agent.instances.len() as u64)), Clone::clone)
    }

    /// Rows in panes that have not closed.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        let partials = self.pending.values().flat_map(|pane| pane.partials.values());
        partials.map(PartialRows::samples).sum()
    }
}
