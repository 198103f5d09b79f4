//! What has been seen so far, in the words of the view.

use super::model::{self, Agent, Alert, Counts, HISTORY, Snapshot};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegauge_model::{
    Action, AlertState, AlertTransition, Decision, EventTime, InstanceState, ScalingAction, ScalingEvent, ScalingState,
    WindowSummary,
};
use tidegauge_policy::policy::Preset;
use tidegauge_sim::plant::AgentStatus;

/// Decisions that are kept.
const DECISIONS: usize = 100;
/// How long a notice is shown.
const NOTICE: Duration = Duration::from_secs(6);
/// An instance without a window for so long is gone.
const GONE: Duration = Duration::from_secs(30);
/// News that nobody has taken: of more, the oldest are left out. The view takes none.
const NEWS: usize = 1_000;
const CPU: &str = "cpu_utilization_of_request";
const RESPONSE_TIME: &str = "response_time_ms";

/// What was seen of an agent.
#[derive(Default)]
struct Seen {
    agent: Agent,
    /// Of ready instances, by name: the end of their last window, and their share of CPU in it.
    instances: BTreeMap<String, (EventTime, f64)>,
    window_end: Option<EventTime>,
    p95_ms: Option<f64>,
    desired: Option<u32>,
    scaled_up: u64,
    scaled_down: u64,
}

/// How an agent stood at the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) scaled_up: u64,
    pub(super) scaled_down: u64,
    /// Of its last window: the end, and the share of capacity in use.
    pub(super) last: Option<(EventTime, f64)>,
}

pub(super) struct Show {
    began_at: EventTime,
    agents: BTreeMap<String, Seen>,
    decisions: VecDeque<model::Decision>,
    alerts: BTreeMap<String, Alert>,
    counts: Counts,
    notice: Option<(String, EventTime)>,
    /// Lines that nobody has taken yet.
    news: VecDeque<String>,
}

impl Show {
    pub(super) fn new(names: Vec<String>, began_at: EventTime) -> Self {
        let seen = |name: String| (name.clone(), Seen { agent: Agent { name, ..Agent::default() }, ..Seen::default() });
        Self {
            began_at,
            agents: names.into_iter().map(seen).collect(),
            decisions: VecDeque::new(),
            alerts: BTreeMap::new(),
            counts: Counts::default(),
            notice: None,
            news: VecDeque::new(),
        }
    }

    fn seconds(&self, at: EventTime) -> f64 {
        at.since(self.began_at).as_secs_f64()
    }

    fn report(&mut self, now: EventTime, who: &str, what: &str) {
        let line = format!("{:7.1} s  {who:<14} {what}", self.seconds(now));
        self.news.push_back(line);
        if self.news.len() > NEWS {
            self.news.pop_front();
        }
    }

    /// What happened since the last call, a line each.
    pub(super) fn take_news(&mut self) -> VecDeque<String> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn notice(&mut self, text: &str, now: EventTime) {
        self.notice = Some((text.to_owned(), now));
        self.report(now, "-", text);
    }

    pub(super) fn sent(&mut self, samples: usize, now: EventTime) {
        self.counts.samples += samples as u64;
        self.notice.take_if(|(_, since)| now.since(*since) > NOTICE);
    }

    pub(super) fn late(&mut self, samples: u64) {
        self.counts.late += samples;
    }

    pub(super) fn dead_letter(&mut self, now: EventTime) {
        self.counts.dead_letters += 1;
        self.report(now, "-", "a record could not be read: it is in the dead letters");
    }

    pub(super) fn window(&mut self, window: &WindowSummary) {
        self.counts.windows += 1;
        let Some(seen) = self.agents.get_mut(window.target.agent.as_str()) else { return };
        match &window.instance {
            _ if window.entity.is_some() => {}
            Some(instance) => {
                let is_ready = matches!(window.state, Some(InstanceState::Ready) | None);
                let cpu = window.gauges.get(CPU).filter(|_| is_ready).map(|cpu| (window.range.end, cpu.mean));
                match cpu {
                    Some(cpu) => drop(seen.instances.insert(instance.as_str().to_owned(), cpu)),
                    None => drop(seen.instances.remove(instance.as_str())),
                }
            }
            None => {
                seen.window_end = Some(window.range.end);
                seen.agent.completeness = Some(window.completeness.ratio);
                seen.p95_ms = window.latencies.get(RESPONSE_TIME).map(|latency| latency.p95);
            }
        }
    }

    pub(super) fn decision(&mut self, decision: &Decision, now: EventTime) {
        self.counts.decisions += 1;
        let name = decision.target.agent.as_str();
        let Some(seen) = self.agents.get_mut(name) else { return };
        seen.agent.reason = Some(decision.explanation.clone());
        let before = seen.desired.replace(decision.desired_instances);
        if before.is_none_or(|before| before == decision.desired_instances) && decision.action == Action::Hold
            || before == Some(decision.desired_instances)
        {
            return;
        }
        let (from, to) = (before.unwrap_or(decision.current_instances), decision.desired_instances);
        // Its beginning says once more from where to where.
        let reason = decision.explanation.split_once(": ").map_or(&*decision.explanation, |(_, reason)| reason);
        let up_or_down = if to > from { "up" } else { "down" };
        self.report(now, name, &format!("{up_or_down:<4} {from} → {to}  {reason}"));
        self.decisions.push_back(model::Decision {
            at_s: self.seconds(now),
            agent: name.to_owned(),
            current: from,
            desired: to,
            generation: decision.generation,
            reason: reason.to_owned(),
            applied: false,
        });
        if self.decisions.len() > DECISIONS {
            self.decisions.pop_front();
        }
    }

    pub(super) fn alert(&mut self, alert: &AlertTransition, now: EventTime) {
        self.counts.alerts += 1;
        let about = alert.instance.as_ref().map_or_else(|| alert.target.agent.to_string(), ToString::to_string);
        let is_open = matches!(alert.to, AlertState::Pending | AlertState::Firing);
        if is_open {
            let (rule, firing) = (alert.rule.clone(), alert.to == AlertState::Firing);
            let since_s = self.seconds(alert.started_at);
            let shown = Alert { rule, about: about.clone(), firing, since_s };
            self.alerts.insert(alert.fingerprint.clone(), shown);
        } else {
            self.alerts.remove(&alert.fingerprint);
        }
        match alert.to {
            AlertState::Firing => self.report(now, &about, &format!("ALERT {}: {}", alert.rule, alert.summary)),
            AlertState::Resolved => self.report(now, &about, &format!("resolved {}", alert.rule)),
            AlertState::Pending | AlertState::Inactive => {}
        }
    }

    pub(super) fn scaled(&mut self, event: &ScalingEvent, now: EventTime) {
        let name = event.target.agent.as_str();
        let Some(seen) = self.agents.get_mut(name) else { return };
        let (before, after) = (event.instances_before.unwrap_or(0), event.instances_after.unwrap_or(0));
        match (event.state, event.action) {
            (ScalingState::Applied, ScalingAction::ScaleUp) => {
                (self.counts.scaled_up, seen.scaled_up) = (self.counts.scaled_up + 1, seen.scaled_up + 1);
            }
            (ScalingState::Applied, ScalingAction::ScaleDown) => {
                (self.counts.scaled_down, seen.scaled_down) = (self.counts.scaled_down + 1, seen.scaled_down + 1);
            }
            (ScalingState::Applied, _) => {}
            (ScalingState::Accepted | ScalingState::Started, _) => return,
            (state, _) => {
                let why = event.error.as_deref().unwrap_or("for no stated reason");
                let state = format!("{state:?}").to_lowercase();
                return self.report(now, name, &format!("{state} {before} → {after}: {why}"));
            }
        }
        let own =
            |decision: &&mut model::Decision| decision.agent == name && Some(decision.generation) == event.generation;
        self.decisions.iter_mut().filter(own).for_each(|decision| decision.applied = true);
        self.report(now, name, &format!("done {before} → {after}"));
    }

    /// A point of history for each agent.
    pub(super) fn sample(&mut self, fleet: &[AgentStatus]) {
        for status in fleet {
            let Some(seen) = self.agents.get_mut(status.target.agent.as_str()) else { continue };
            seen.forget();
            let utilization = seen.utilization().map(|(_, share)| share);
            let agent = &mut seen.agent;
            push(&mut agent.load_rps, Some(status.load_per_s));
            push(&mut agent.ready, Some(f64::from(status.ready)));
            push(&mut agent.utilization, utilization);
            push(&mut agent.p95_ms, seen.p95_ms);
            push(&mut agent.desired, seen.desired.map(f64::from));
        }
    }

    pub(super) fn snapshot(&self, fleet: &[AgentStatus], elapsed_s: f64, preset: Preset) -> Snapshot {
        let values = preset.values();
        let agent = |seen: &Seen| {
            let status = fleet.iter().find(|status| status.target.agent.as_str() == seen.agent.name);
            Agent {
                objective: values.up,
                spare_under: values.down,
                starting: status.map_or(0, |status| status.starting),
                failed: status.map_or(0, |status| status.failed),
                ..seen.agent.clone()
            }
        };
        Snapshot {
            elapsed_s,
            preset: preset.name().to_owned(),
            agents: self.agents.values().map(agent).collect(),
            decisions: self.decisions.clone(),
            alerts: self.alerts.values().cloned().collect(),
            counts: self.counts,
            notice: self.notice.as_ref().map(|(text, _)| text.clone()),
            ..Snapshot::default()
        }
    }

    /// How each agent stands.
    pub(super) fn ended(&self) -> Vec<Ended> {
        let ended = |(name, seen): (&String, &Seen)| Ended {
            name: name.clone(),
            scaled_up: seen.scaled_up,
            scaled_down: seen.scaled_down,
            last: seen.utilization(),
        };
        self.agents.iter().map(ended).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

impl Seen {
    /// Leaves out instances that are gone.
    fn forget(&mut self) {
        let newest = self.instances.values().map(|(end, _)| *end).max();
        self.instances.retain(|_, (end, _)| newest.is_none_or(|newest| newest.since(*end) < GONE));
    }

    /// The end of the last windows of ready instances, and their mean share of CPU in use.
    fn utilization(&self) -> Option<(EventTime, f64)> {
        let end = self.instances.values().map(|(end, _)| *end).max()?;
        let of_then = self.instances.values().filter(|(of, _)| *of == end).map(|(_, share)| *share);
        let (sum, count) = of_then.fold((0.0, 0_u32), |(sum, count), share| (sum + share, count + 1));
        Some((end, sum / f64::from(count)))
    }
}

fn push(history: &mut VecDeque<f64>, point: Option<f64>) {
    // Nothing is known yet: the chart begins with the first value.
    history.extend(point.or(history.back().copied()));
    if history.len() > HISTORY {
        history.pop_front();
    }
}
