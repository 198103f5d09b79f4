//! Everything that one window says of an agent's load, and the findings that last.

use crate::absent::{Absent, Measured};
use crate::load::balance::{Balance, Noise, balance};
use crate::load::causes::{CauseRule, explain};
use crate::load::fleet::Fleet;
use crate::load::hotspot::{Hotspot, HotspotRule, hotspots};
use crate::load::idle::{IdleRule, Underutilized, underutilized};
use crate::load::optimal::{Optimum, optimum};
use crate::load::optimize::{LoadOption, options, vessels};
use crate::load::pattern::{Pattern, pattern};
use crate::stats::mean;
use crate::tracker::{Hold, Indication, Shown, Strength, Tracker, evidence};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{Confidence, Entity, Finding, FindingKind, InstanceId, Severity, Text};

/// What counts as uneven.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadConfig {
    /// `max/mean − 1` that opens an imbalance. Default 0.2.
    pub imbalance: f64,
    /// What keeps it open. Default 0.15.
    pub imbalance_stay: f64,
    /// Share of windows in which perfect balance may exceed the noise floor. Default 0.001.
    pub false_alarms: f64,
    /// Coefficient of variation of the work per request. Default 1.
    pub work_cv: f64,
    /// Response time that a request should not exceed; without it there is no user impact.
    pub slo_ms: Option<f64>,
    /// Utilization that no instance should exceed. Default 0.8.
    pub utilization_objective: f64,
    /// When an instance is hot.
    pub hotspot: HotspotRule,
    /// When an instance does little.
    pub idle: IdleRule,
    /// When something is a cause.
    pub causes: CauseRule,
    /// How long a finding has to hold.
    #[serde(skip)]
    pub hold: Hold,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            imbalance: 0.2,
            imbalance_stay: 0.15,
            false_alarms: 0.001,
            work_cv: 1.0,
            slo_ms: None,
            utilization_objective: 0.8,
            hotspot: HotspotRule::default(),
            idle: IdleRule::default(),
            causes: CauseRule::default(),
            hold: Hold::default(),
        }
    }
}

/// What is remembered of an agent from window to window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadMemory {
    tracker: Tracker,
    before: Option<BTreeMap<InstanceId, f64>>,
}

/// A hot instance with how long it has been one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotInstance {
    /// The window's view of it.
    pub hotspot: Hotspot,
    /// From the start of the first window of the run to the end of this one.
    pub duration: Duration,
    /// It has held for long enough.
    pub open: bool,
}

/// Everything that one window says of an agent's load.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadReport {
    /// How evenly loads lie.
    pub balance: Measured<Balance>,
    /// Their shape.
    pub pattern: Pattern,
    /// Hot instances, most user impact first.
    pub hotspots: Vec<HotInstance>,
    /// Instances that do little, ascending.
    pub underutilized: Measured<Vec<Underutilized>>,
    /// The best distribution, and the moves towards it.
    pub optimum: Measured<Optimum>,
    /// What could be done, the best first.
    pub options: Vec<LoadOption>,
    /// Ready instances of which nothing is said, for they reported nothing.
    pub unmeasured: Vec<InstanceId>,
    /// Findings that are open in this window or ended with it.
    pub findings: Vec<Finding>,
}

/// What one window shows of an agent's load, before any of it has been held.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadShown {
    /// How evenly loads lie.
    pub balance: Measured<Balance>,
    /// Hot instances with their causes, most user impact first.
    pub hotspots: Vec<Hotspot>,
    /// Instances that do little, ascending.
    pub underutilized: Measured<Vec<Underutilized>>,
    /// What a tracker takes.
    pub indications: Vec<Indication>,
    /// Entities about which the window says nothing.
    pub unjudged: BTreeSet<Entity>,
}

/// Judges one window of `fleet`.
///
/// - `before`: loads of the window before, for persistent or wandering.
/// - `tracker`: what was hot before; it is not changed.
#[must_use]
pub fn shown(
    fleet: &Fleet,
    config: &LoadConfig,
    before: Option<&BTreeMap<InstanceId, f64>>,
    tracker: &Tracker,
) -> LoadShown {
    let balanced = balance(&fleet.loads(), noise(fleet, config), config.false_alarms);
    let mut hot = balanced.map_or_else(|_| Vec::new(), |b| hotspots(fleet, &b, &config.hotspot, config.slo_ms));
    explain(&mut hot, fleet, before, &config.causes);
    let idle = underutilized(fleet, &config.idle);

    let view = View { fleet, config };
    let mut indications: Vec<Indication> = hot.iter().map(|hotspot| view.hotspot(hotspot)).collect();
    indications.extend(balanced.iter().filter_map(|balance| view.imbalance(balance, &hot)));
    indications.extend(idle.iter().flatten().map(|each| view.underutilized(each)));
    indications.extend(view.hot_keys());
    let unjudged = view.unjudged(&balanced, tracker);
    LoadShown { balance: balanced, hotspots: hot, underutilized: idle, indications, unjudged }
}

/// Reports on `fleet`, and remembers what the next window needs.
pub fn analyze(fleet: &Fleet, config: &LoadConfig, memory: &mut LoadMemory) -> LoadReport {
    let LoadShown { balance: balanced, hotspots: hot, underutilized: idle, indications, unjudged } =
        shown(fleet, config, memory.before.as_ref(), &memory.tracker);
    let noise_floor = balanced.ok().and_then(|balance| balance.noise);
    let (window, completeness) = (fleet.window, fleet.completeness);
    let findings = memory.tracker.step(Shown { window, completeness, indications, unjudged }, |_| config.hold);
    memory.before = Some(fleet.loads_by_instance());
    let view = View { fleet, config };
    let best = optimum(&vessels(fleet));
    let acts = indicates_action(&balanced, &hot, &best, config);
    LoadReport {
        pattern: pattern(fleet, noise_floor),
        options: if acts { options(fleet, &hot, config.utilization_objective) } else { Vec::new() },
        hotspots: hot.into_iter().map(|hotspot| view.lasting(hotspot, &memory.tracker)).collect(),
        underutilized: idle,
        optimum: best,
        unmeasured: fleet.unmeasured.clone(),
        findings,
        balance: balanced,
    }
}

/// There is something to improve: a hot instance, more imbalance than chance makes, or too much for all of them
/// together.
fn indicates_action(
    balanced: &Measured<Balance>,
    hot: &[Hotspot],
    best: &Measured<Optimum>,
    config: &LoadConfig,
) -> bool {
    let floor = |balance: &Balance| balance.noise.map_or(0.05, |noise| noise.imbalance);
    let is_uneven = balanced.is_ok_and(|balance| balance.imbalance > floor(&balance));
    let is_full = best.as_ref().is_ok_and(|best| best.greatest > config.utilization_objective);
    !hot.is_empty() || is_uneven || is_full
}

fn noise(fleet: &Fleet, config: &LoadConfig) -> Option<Noise> {
    let requests_per_instance = mean(&fleet.requests()?)?;
    Some(Noise { requests_per_instance, work_cv: config.work_cv })
}

struct View<'a> {
    fleet: &'a Fleet,
    config: &'a LoadConfig,
}

impl View<'_> {
    fn agent(&self) -> Entity {
        Entity::Agent { target: self.fleet.target.clone() }
    }

    fn instance(&self, id: &InstanceId) -> Entity {
        Entity::Instance { target: self.fleet.target.clone(), instance: id.clone() }
    }

    fn confidence(&self) -> Confidence {
        let (measured, not) = (self.fleet.instances.len() as f64, self.fleet.unmeasured.len() as f64);
        let share = if measured > 0.0 { measured / (measured + not) } else { 0.0 };
        Confidence {
            value: (share * self.fleet.completeness).clamp(0.0, 1.0),
            meaning: "share of ready instances that were measured, times the window's completeness".into(),
        }
    }

    /// Instances without a load, and the agent where its loads cannot be compared, or where one that was hot is silent:
    /// that the others are even says nothing then.
    fn unjudged(&self, balanced: &Measured<Balance>, tracker: &Tracker) -> BTreeSet<Entity> {
        let mut unjudged: BTreeSet<Entity> = self.fleet.unmeasured.iter().map(|id| self.instance(id)).collect();
        let was_hot = unjudged.iter().any(|instance| tracker.onset(FindingKind::Hotspot, instance).is_some());
        if was_hot || matches!(balanced, Err(Absent::NoInstances)) {
            unjudged.insert(self.agent());
        }
        unjudged
    }

    fn lasting(&self, hotspot: Hotspot, tracker: &Tracker) -> HotInstance {
        let entity = self.instance(&hotspot.instance);
        let onset = tracker.onset(FindingKind::Hotspot, &entity).unwrap_or(self.fleet.window.start);
        let open = tracker.is_open(FindingKind::Hotspot, &entity);
        HotInstance { hotspot, duration: self.fleet.window.end.since(onset), open }
    }

    fn hotspot(&self, hotspot: &Hotspot) -> Indication {
        let full = hotspot.utilization.is_some_and(|utilization| utilization >= 0.9);
        let times = hotspot.times_median.ok();
        Indication {
            kind: FindingKind::Hotspot,
            entity: self.instance(&hotspot.instance),
            strength: hotspot.strength,
            severity: if full { Severity::Critical } else { Severity::Warning },
            value: hotspot.load_level,
            unit: "load".into(),
            evidence: evidence(&[
                ("times_median", times, "ratio"),
                ("modified_z", hotspot.z.ok(), "deviations"),
                ("deviation_from_mean", Some(hotspot.deviation_from_mean), "load"),
                ("deviation_from_others", Some(hotspot.deviation_from_others), "load"),
                ("affected_requests", hotspot.affected_requests.ok(), "requests"),
                ("degraded_performance", hotspot.degraded_performance.ok(), "times the peers' p95"),
                ("user_impact", hotspot.user_impact.ok(), "requests"),
            ]),
            confidence: self.confidence(),
            causes: hotspot.causes.clone(),
            remedies: hotspot.remediation.clone(),
            summary: format!(
                "{} carries {:.3}{}",
                hotspot.instance,
                hotspot.load_level,
                times.map_or_else(String::new, |times| format!(", {times:.1} times the median")),
            ),
        }
    }

    fn imbalance(&self, balance: &Balance, hot: &[Hotspot]) -> Option<Indication> {
        let floor = balance.noise.map_or(0.0, |noise| noise.imbalance);
        let strength = match balance.imbalance {
            over if over > self.config.imbalance.max(floor) => Strength::Enter,
            over if over > self.config.imbalance_stay.max(floor) => Strength::Stay,
            _ => return None,
        };
        let remedies = hot.iter().flat_map(|hotspot| hotspot.remediation.iter().cloned());
        let mut remedies: Vec<Text> =
            remedies.chain(["route to the instance with the fewest connections".into()]).collect();
        let mut seen = BTreeSet::new();
        remedies.retain(|remedy| seen.insert(remedy.clone()));
        Some(Indication {
            kind: FindingKind::Imbalance,
            entity: self.agent(),
            strength,
            severity: Severity::Warning,
            value: balance.imbalance,
            unit: "greatest load over the mean, less 1".into(),
            evidence: evidence(&[
                ("noise_floor", balance.noise.map(|noise| noise.imbalance), "greatest load over the mean, less 1"),
                ("balance_score", Some(balance.score), "0 to 100"),
                ("cv", Some(balance.cv), "ratio"),
                ("cv_of_chance", balance.noise.map(|noise| noise.cv), "ratio"),
                ("gini", Some(balance.gini), "ratio"),
                ("instances", Some(f64::from(balance.instances)), "instances"),
            ]),
            confidence: self.confidence(),
            causes: hot.iter().flat_map(|hotspot| hotspot.causes.iter().cloned()).collect(),
            remedies,
            summary: format!(
                "the most loaded of {} instances carries {:.0} % more than the mean",
                balance.instances,
                balance.imbalance * 100.0
            ),
        })
    }

    fn underutilized(&self, each: &Underutilized) -> Indication {
        let (kind, said, remedy) = match each.idle {
            true => (FindingKind::Idle, "serves nothing", "stop it, or route to it"),
            false => (FindingKind::Underutilized, "does little", "route more to it, or run fewer instances"),
        };
        Indication {
            kind,
            entity: self.instance(&each.instance),
            strength: Strength::Enter,
            severity: Severity::Info,
            value: each.load,
            unit: "load".into(),
            evidence: evidence(&[
                ("times_median", each.times_median.ok(), "ratio"),
                ("utilization", each.utilization, "ratio"),
            ]),
            confidence: self.confidence(),
            causes: Vec::new(),
            remedies: vec![remedy.into()],
            summary: format!("{} {said}", each.instance),
        }
    }

    /// Keys that certainly make more than one instance's part of all requests: no routing by key can balance them. One
    /// finding an agent: the heaviest.
    fn hot_keys(&self) -> Option<Indication> {
        let all: f64 = self.fleet.requests()?.iter().sum();
        let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
        for key in self.fleet.instances.iter().flat_map(|each| &each.facts.keys) {
            let weight = weights.entry(&key.key).or_default();
            *weight = weight.saturating_add(key.lower);
        }
        let (key, weight) = weights.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)))?;
        let share = crate::absent::ratio(weight as f64, all).ok()?;
        let part = 1.0 / self.fleet.instances.len() as f64;
        let is_heavy = self.fleet.instances.len() > 1 && share >= part.max(self.config.causes.key_share);
        is_heavy.then(|| Indication {
            kind: FindingKind::HotKey,
            entity: self.agent(),
            strength: Strength::Enter,
            severity: Severity::Warning,
            value: share,
            unit: "share of requests, at least".into(),
            evidence: evidence(&[("part_of_an_instance", Some(part), "share"), ("requests", Some(all), "requests")]),
            confidence: Confidence { value: 1.0, meaning: "the share is a certain lower bound".into() },
            causes: Vec::new(),
            remedies: vec!["split the hot key, or cache what it reads".into()],
            summary: format!("key {key} makes at least {:.0} % of all requests", share * 100.0),
        })
    }
}
