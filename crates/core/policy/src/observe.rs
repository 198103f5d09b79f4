//! What a decision sees: one closed window of an agent and of its instances.
//!
//! HPA's pods, in our words: an instance that is `starting` exists and is not ready; one that is draining, stopped or
//! failed is ignored; one that should have reported and did not is *missing*, and known by number only.

use crate::hpa::pods::Group;
use crate::life::Feedback;
use crate::prospect::Prospect;
use crate::quota::Pool;
use crate::signal::SignalValues;
use tidegauge_model::{EntityKey, EventTime, Finding, InstanceState, Target, TimeRange, WindowSummary};

/// One closed window of one target.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Who.
    pub target: &'a Target,
    /// The window; its end is the decision's now.
    pub window: TimeRange,
    /// How complete the window's data was, 0 to 1.
    pub completeness: f64,
    /// Instances ready at the window's end.
    pub current_instances: u32,
    /// The agent's window.
    pub agent: &'a WindowSummary,
    /// The windows of its instances that reported, ascending by instance; to decide on, of those that are [`still_here`].
    pub instances: &'a [&'a WindowSummary],
    /// The windows of its other entities that were reported, ascending.
    pub entities: &'a [WindowSummary],
    /// What the signals of SQL said of the agent at the window's end.
    pub signals: &'a SignalValues,
    /// What actuators have said of decisions about the agent.
    pub feedback: &'a Feedback,
    /// What is open of the agent and of what belongs to it at the window's end.
    pub findings: &'a [Finding],
    /// What became of decisions about the target as of the window's end; `None`: nobody tells.
    pub scaling: Option<ScalingTrouble>,
    /// The quotas of workspaces that bind the target, as they stand.
    pub pools: &'a [Pool],
    /// What is forecast by the policy that acts; `None`: nothing.
    pub prospect: Option<Prospect<'a>>,
}

/// How many decisions about a target came to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScalingTrouble {
    /// Failed or carried out in part, and nothing that was carried out since.
    pub failed: u32,
    /// Past the deadline for somebody to take them up.
    pub unacknowledged: u32,
    /// Carried out without the expected effect.
    pub without_effect: u32,
}

impl<'a> Observation<'a> {
    /// The observation that the windows themselves make. Without a count of ready instances in the agent's window, those
    /// are counted that reported.
    #[must_use]
    pub fn of(agent: &'a WindowSummary, instances: &'a [&'a WindowSummary]) -> Self {
        let reported_ready = || instances.iter().filter(|instance| is_ready(instance)).count();
        Self {
            target: &agent.target,
            window: agent.range,
            completeness: agent.completeness.ratio,
            current_instances: agent.instances_ready.unwrap_or_else(|| count(reported_ready())),
            agent,
            instances,
            entities: &[],
            signals: SignalValues::NONE,
            feedback: Feedback::NONE,
            findings: &[],
            scaling: None,
            pools: &[],
            prospect: None,
        }
    }

    /// The same with the findings that are open.
    #[must_use]
    pub fn with_findings(self, findings: &'a [Finding]) -> Self {
        Self { findings, ..self }
    }

    /// The same with the quotas of workspaces that bind the target.
    #[must_use]
    pub fn with_pools(self, pools: &'a [Pool]) -> Self {
        Self { pools, ..self }
    }

    /// The same with what is forecast.
    #[must_use]
    pub fn with_prospect(self, prospect: Option<Prospect<'a>>) -> Self {
        Self { prospect, ..self }
    }

    /// The same with what became of decisions.
    #[must_use]
    pub fn with_scaling(self, scaling: Option<ScalingTrouble>) -> Self {
        Self { scaling, ..self }
    }

    /// The same with what the signals of SQL said.
    #[must_use]
    pub fn with_signals(self, signals: &'a SignalValues) -> Self {
        Self { signals, ..self }
    }

    /// The same with what actuators have said.
    #[must_use]
    pub fn with_feedback(self, feedback: &'a Feedback) -> Self {
        Self { feedback, ..self }
    }

    /// The same with the windows of its other entities, ascending.
    #[must_use]
    pub fn with_entities(self, entities: &'a [WindowSummary]) -> Self {
        Self { entities, ..self }
    }

    /// The window of another entity than an instance; `None` if it was not reported.
    #[must_use]
    pub fn entity(&self, key: &EntityKey) -> Option<&'a WindowSummary> {
        let at = self.entities.binary_search_by(|window| window.entity.as_ref().cmp(&Some(key))).ok()?;
        Some(&self.entities[at])
    }

    /// Instances that exist and are on their way to ready.
    #[must_use]
    pub fn starting_instances(&self) -> u32 {
        count(self.instances.iter().filter(|instance| instance.state == Some(InstanceState::Starting)).count())
    }

    /// Instances that should have reported in the window and did not.
    #[must_use]
    pub fn missing_instances(&self) -> u32 {
        let completeness = &self.agent.completeness;
        completeness.instances_expected.saturating_sub(completeness.instances_reported)
    }

    /// Ready instances that were heard of lately enough for their interval, but have no row in this window.
    #[must_use]
    pub fn quiet_instances(&self) -> u32 {
        let with_rows = count(self.instances.iter().filter(|instance| is_ready(instance)).count());
        self.current_instances.saturating_sub(with_rows).saturating_sub(self.missing_instances())
    }

    /// Instances that take room: ready, starting and draining ones, and whoever else was heard of and is not gone.
    #[must_use]
    pub fn present_instances(&self) -> u32 {
        let is_draining = |instance: &&&WindowSummary| instance.state == Some(InstanceState::Draining);
        let draining = count(self.instances.iter().filter(is_draining).count());
        self.held_instances().saturating_add(draining).max(self.agent.instances_present.unwrap_or(0))
    }

    /// Ready and starting instances: what there is if nobody does anything.
    #[must_use]
    pub fn held_instances(&self) -> u32 {
        self.current_instances.saturating_add(self.starting_instances())
    }
}

/// The windows of those instances that are there at the window's end, in their order. One that fell silent has a window for as
/// long as rows of it lie in it, and is gone all the same: the agent's window says how many are there, and whoever was heard
/// last is. That is by number: of two that report at very different intervals the slower one may be taken for the one that is
/// gone. Whoever says that it stopped or failed is among them, since nobody counts it.
#[must_use]
pub fn still_here<'a>(
    agent: &WindowSummary,
    instances: impl IntoIterator<Item = &'a WindowSummary>,
) -> Vec<&'a WindowSummary> {
    let mut here: Vec<&WindowSummary> = instances.into_iter().collect();
    let Some(present) = agent.instances_present else { return here };
    let is_running =
        |window: &WindowSummary| !matches!(window.state, Some(InstanceState::Stopped | InstanceState::Failed));
    let mut heard: Vec<EventTime> =
        here.iter().filter(|window| is_running(window)).map(|window| window.last_at).collect();
    let gone = heard.len().saturating_sub(present as usize);
    if gone == 0 {
        return here;
    }
    heard.sort_unstable();
    let last = heard[gone - 1];
    // Of those heard at the same time the first by id.
    let mut of_last = heard[..gone].iter().filter(|at| **at == last).count();
    here.retain(|window| {
        let is_of_last = window.last_at == last && of_last > 0;
        let is_gone = is_running(window) && (window.last_at < last || is_of_last);
        of_last -= usize::from(is_gone && is_of_last);
        !is_gone
    });
    here
}

/// How an instance that reported counts for a signal. An instance that became ready within the window has CPU samples
/// from before that, so its CPU does not count yet.
#[must_use]
pub fn group(instance: &WindowSummary, is_cpu: bool) -> Group {
    match instance.state {
        Some(InstanceState::Starting) => Group::Unready,
        Some(InstanceState::Draining | InstanceState::Stopped | InstanceState::Failed) => Group::Ignored,
        Some(InstanceState::Ready) | None => {
            let just_ready = instance.ready_at.is_some_and(|ready_at| ready_at > instance.range.start);
            if is_cpu && just_ready { Group::Unready } else { Group::Ready }
        }
    }
}

pub(crate) fn is_ready(instance: &WindowSummary) -> bool {
    matches!(instance.state, Some(InstanceState::Ready) | None)
}

/// A number of instances; beyond the range of `u32` there are none.
pub(crate) fn count(instances: usize) -> u32 {
    u32::try_from(instances).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidegauge_model::{Completeness, InstanceId};

    /// Of those heard before the others as many as the agent's window lacks; who says that it stopped is not counted.
    #[test]
    fn who_was_heard_last_is_here() {
        let target = Target { workspace: "w".into(), agent: "a".into(), region: None };
        let range = TimeRange::ending_at(EventTime::from_secs(60), Duration::from_secs(60));
        let completeness = Completeness {
            ratio: 1.0,
            sources_ratio: 1.0,
            instances_ratio: 1.0,
            instances_expected: 0,
            instances_reported: 0,
        };
        let blank = WindowSummary::empty(target, range, Duration::from_secs(10), completeness);
        let heard = [("a", 50, None), ("b", 20, Some(InstanceState::Starting)), ("c", 20, None), ("d", 55, None)];
        let stopped = ("e", 10, Some(InstanceState::Stopped));
        let instances = heard.into_iter().chain([stopped]).map(|(id, at, state)| WindowSummary {
            instance: Some(InstanceId::from(id)),
            last_at: EventTime::from_secs(at),
            state,
            ..blank.clone()
        });
        let instances: Vec<_> = instances.collect();
        for (present, want) in [
            (None, "abcde"),
            (Some(9), "abcde"),
            (Some(4), "abcde"),
            (Some(3), "acde"),
            (Some(2), "ade"),
            (Some(0), "e"),
        ] {
            let agent = WindowSummary { instances_present: present, ..blank.clone() };
            let here: String = still_here(&agent, &instances)
                .iter()
                .filter_map(|window| Some(window.instance.as_ref()?.as_str()))
                .collect();
            assert_eq!(here, want, "{present:?}");
        }
    }
}
