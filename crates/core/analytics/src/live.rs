//! What a run makes of one closed window of an agent: findings that are news, and the headline measures.
//!
//! ```text
//!  windows, who is silent ─┬─► balance, hotspots, idle      ┐
//!                          ├─► saturation, bottlenecks      ├─► indications ─► Tracker ─► news ─► findings
//!                          ├─► degradation ◄─ past, changes │
//!                          └─► shards, regions ◄─ capacity  ┘
//! ```
//!
//! - **F1** What is said follows from the windows in their order. A memory that was written and read again goes on as if
//!   it had not been.
//! - **F2** A finding's onset is said first, its end last, each once; between them a change of severity, and now and then
//!   that it lasts.
//! - **F3** The memory of an agent is bounded: by `max_findings`, by its instances, and by constants of this room.
//! - **F4** A window that is less complete than `min_completeness` opens nothing and ends nothing.
//!
//! Deliberately absent: what one window cannot say. Waste and reserved capacity take weeks, and are for reports; time to
//! saturation takes a forecast.

mod changes;
mod facts;
mod measures;
mod news;
mod past;
mod places;

pub use facts::facts;
pub use measures::Measures;
pub use past::PAST_WINDOWS;
pub(crate) use places::{by_region, shard_loads};

use crate::absent::Absent;
use crate::degradation::{self, Degradation, DegradationRule};
use crate::load::{self, Fleet, LoadConfig, LoadShown};
use crate::saturation::{self, SaturationRule};
use crate::shards::ShardRule;
use crate::tracker::{Hold, Indication, Shown, Tracker};
use crate::{bottleneck, demand};
use changes::Changes;
use news::Said;
use past::{Past, PastWindow};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{Entity, EventTime, Finding, InstanceId, TimeRange, WindowSpec, WindowSummary};

/// When something is a finding, and when it is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveConfig {
    /// Length of the windows that are judged, one after the other. Default 1 minute.
    pub window: Duration,
    /// How long a finding has to hold, and to be away.
    pub hold: Hold,
    /// What lasts is said again after this long. Default 6 hours.
    pub repeat_after: Duration,
    /// Least completeness of a window that is judged, 0 to 1. Default 0.5.
    pub min_completeness: f64,
    /// Most findings of one agent, open and about to open. Default 100.
    pub max_findings: usize,
    /// How load lies on instances.
    pub load: LoadConfig,
    /// Resources at their limit.
    pub saturation: SaturationRule,
    /// Worse than it used to be.
    pub degradation: DegradationRule,
    /// How far back "used to" reaches. Default 1 hour.
    pub baseline: Duration,
    /// Shards and coordinators.
    pub shards: ShardRule,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(1),
            hold: Hold::default(),
            repeat_after: Duration::from_hours(6),
            min_completeness: 0.5,
            max_findings: 100,
            load: LoadConfig::default(),
            saturation: SaturationRule::default(),
            degradation: DegradationRule::default(),
            baseline: Duration::from_hours(1),
            shards: ShardRule::default(),
        }
    }
}

impl LiveConfig {
    /// The windows that are judged.
    #[must_use]
    pub fn spec(&self) -> WindowSpec {
        WindowSpec { size: self.window, slide: self.window }
    }
}

/// A closed window of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// The agent's, with at least one row.
    pub agent: &'a WindowSummary,
    /// Those of its instances that have rows, ascending.
    pub instances: &'a [&'a WindowSummary],
    /// Instances that are not gone and have no row in it: nothing is said of them.
    pub silent: &'a [InstanceId],
}

/// What a window came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Analyzed {
    /// News, by kind, then entity.
    pub findings: Vec<Finding>,
    /// What is shown besides.
    pub measures: Measures,
    /// Indications beyond `max_findings`, which are not followed.
    pub left_out: u64,
}

/// What a window shows, before anybody asks what of it is news.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Findings that are open in it or ended with it, by kind, then entity; none of a window that is not complete enough.
    pub findings: Vec<Finding>,
    /// What is shown besides; what is open is not filled in.
    pub measures: Measures,
    /// Beside what was usual.
    pub worse: Degradation,
    /// Indications beyond `max_findings`, which are not followed.
    pub left_out: u64,
}

/// What is remembered of an agent from window to window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentMemory {
    tracker: Tracker,
    /// Open findings as they were last said, by id.
    said: BTreeMap<String, Said>,
    /// Loads of the window before.
    loads: BTreeMap<InstanceId, f64>,
    past: Past,
    changes: Changes,
}

impl AgentMemory {
    /// Takes in the next window of the agent, and says what is news.
    pub fn step(&mut self, closed: &Closed<'_>, config: &LiveConfig) -> Analyzed {
        let Judged { findings, mut measures, left_out, .. } = self.judge(closed, config);
        let findings = news::news(&mut self.said, findings, config);
        measures.open = news::open(&self.said);
        Analyzed { findings, measures, left_out }
    }

    /// Takes in the next window of the agent, for who wants all that it shows. A memory is given windows by this or by
    /// [`Self::step`], not by both.
    pub fn judge(&mut self, closed: &Closed<'_>, config: &LiveConfig) -> Judged {
        let window = closed.agent.range;
        self.changes.see(closed, config.degradation.change_before);
        self.past.forget_before(window.end.minus(config.baseline));
        let now = PastWindow::of(closed);
        let worse = degradation::degradation(
            &now.performance(),
            &self.past.baseline(),
            self.changes.recent(),
            &config.degradation,
        );
        let capacity = self.past.capacity(&now, &config.load);
        let load = self.load(closed, config);
        let measures = Measures::of(closed, load.as_ref().ok(), &capacity, &now);
        let mut findings = Vec::new();
        let mut left_out = 0;
        if closed.agent.completeness.ratio >= config.min_completeness {
            let unjudged = unjudged(closed, &load);
            let indications = self.indications(closed, &load, &worse, &capacity, config);
            let (indications, beyond) = self.within(indications, config.max_findings);
            left_out = beyond;
            let completeness = closed.agent.completeness.ratio;
            findings = self.tracker.step(Shown { window, completeness, indications, unjudged }, |_| config.hold);
            self.past.keep(now, worse.is_worse(), config.baseline);
        }
        Judged { findings, measures, worse, left_out }
    }

    /// Takes in the next window of another entity than an agent: a dependency, a shard ... Returns findings that are news,
    /// and how many indications are not followed.
    pub fn step_entity(&mut self, window: &WindowSummary, config: &LiveConfig) -> (Vec<Finding>, u64) {
        let completeness = window.completeness.ratio;
        if completeness < config.min_completeness {
            return (Vec::new(), 0);
        }
        let (indications, left_out) = self.within(bottleneck::of_entity(window), config.max_findings);
        let shown = Shown { window: window.range, completeness, indications, unjudged: BTreeSet::new() };
        let held = self.tracker.step(shown, |_| config.hold);
        (news::news(&mut self.said, held, config), left_out)
    }

    /// Ends all that is open with `window`: the agent is gone, or nobody looks any more.
    pub fn end_all(&mut self, window: TimeRange) -> Vec<Finding> {
        let ended = self.tracker.end_all(window);
        *self = Self::default();
        ended
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something is about to become a finding.
    #[must_use]
    pub fn has_onsets(&self) -> bool {
        self.tracker.len() > self.said.len()
    }

    /// The findings that are open, as of `end`, each as the last window that showed it did; by kind, then entity.
    #[must_use]
    pub fn open(&self, end: EventTime) -> Vec<Finding> {
        self.tracker.open(end)
    }

    /// Findings that are open.
    #[must_use]
    pub fn open_findings(&self) -> usize {
        self.said.len()
    }

    /// The loads of this window, judged beside those of the one before; absent without anything that is a load.
    fn load(&mut self, closed: &Closed<'_>, config: &LiveConfig) -> Result<LoadShown, Absent> {
        let mut fleet = Fleet::of(closed.agent, closed.instances, &facts(closed.instances), None)?;
        fleet.unmeasured.extend(closed.silent.iter().cloned());
        fleet.unmeasured.sort();
        let before = std::mem::replace(&mut self.loads, fleet.loads_by_instance());
        Ok(load::shown(&fleet, &config.load, Some(&before), &self.tracker))
    }

    fn indications(
        &self,
        closed: &Closed<'_>,
        load: &Result<LoadShown, Absent>,
        worse: &Degradation,
        capacity: &Result<demand::CapacityModel, Absent>,
        config: &LiveConfig,
    ) -> Vec<Indication> {
        let Closed { agent, .. } = *closed;
        let mut indications: Vec<Indication> = load.iter().flat_map(|load| load.indications.clone()).collect();
        indications.extend(saturation::indications(agent, &config.saturation));
        indications.extend(bottleneck::indications(agent, None));
        indications.extend(degradation::indication(&agent.target, worse));
        indications.extend(places::of_shards(closed, &config.shards));
        indications.extend(capacity.iter().filter_map(|capacity| places::of_regions(closed, capacity)));
        indications
    }

    /// F3: those that are followed already first, then the worst; how many are left out.
    fn within(&self, mut indications: Vec<Indication>, most: usize) -> (Vec<Indication>, u64) {
        let left_out = indications.len().saturating_sub(most);
        if left_out > 0 {
            let is_new = |each: &Indication| self.tracker.onset(each.kind, &each.entity).is_none();
            indications
                .sort_by_cached_key(|each| (is_new(each), Reverse(each.severity), each.kind, each.entity.clone()));
            indications.truncate(most);
        }
        (indications, left_out as u64)
    }
}

/// Entities about which the window says nothing: where no load is known at all, the agent and its instances.
fn unjudged(closed: &Closed<'_>, load: &Result<LoadShown, Absent>) -> BTreeSet<Entity> {
    match load {
        Ok(load) => load.unjudged.clone(),
        Err(_) => {
            let target = &closed.agent.target;
            let heard = closed.instances.iter().filter_map(|window| window.instance.clone());
            let all = heard.chain(closed.silent.iter().cloned());
            all.map(|instance| Entity::Instance { target: target.clone(), instance }).collect()
        }
    }
}
