//! What each closed window of an agent shows, held until it is a finding.

use super::ReportConfig;
use crate::bottleneck;
use crate::degradation::{Change, Degradation, Performance, degradation, indication};
use crate::load::{self, Fleet, InstanceFacts, LoadMemory, LoadReport};
use crate::saturation;
use crate::tracker::{Shown, Tracker};
use crate::window::gauge;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegauge_model::{Attribute, Finding, InstanceId, Region, WindowSummary};

/// Versions whose change may make an agent worse.
const VERSIONS: [Attribute; 2] = [Attribute::Version, Attribute::ConfigVersion];

/// What is remembered of an agent from window to window.
#[derive(Debug, Default)]
pub(super) struct Judge {
    load: LoadMemory,
    tracker: Tracker,
    past: VecDeque<Performance>,
    versions: BTreeMap<Attribute, BTreeSet<Box<str>>>,
    changes: Vec<Change>,
}

/// What one window came to.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    pub(super) load: Option<LoadReport>,
    pub(super) worse: Degradation,
}

impl Judge {
    /// Takes in the next window of the agent.
    pub(super) fn step(
        &mut self,
        agent: &WindowSummary,
        instances: &[&WindowSummary],
        config: &ReportConfig,
    ) -> Judged {
        self.see_versions(agent, instances);
        let fleet = Fleet::of(agent, instances, &facts(instances), None).ok();
        let load = fleet.map(|fleet| load::analyze(&fleet, &config.load, &mut self.load));
        let now = Performance::of(agent);
        let worse = degradation(&now, self.past.make_contiguous(), &self.changes, &config.degradation);
        let mut indications = saturation::indications(agent, &config.saturation);
        indications.extend(bottleneck::indications(agent, None));
        indications.extend(indication(&agent.target, &worse));
        let shown = Shown {
            window: agent.range,
            completeness: agent.completeness.ratio,
            indications,
            unjudged: BTreeSet::new(),
        };
        let mut findings = self.tracker.step(shown, |_| config.load.hold);
        findings.extend(load.iter().flat_map(|load| load.findings.iter().cloned()));
        // What is worse than usual does not become usual by lasting.
        if !worse.is_worse() {
            self.past.push_back(now);
            if self.past.len() > config.baseline_windows {
                self.past.pop_front();
            }
        }
        Judged { findings, load, worse }
    }

    /// A set of versions that differs from the one before is a change.
    fn see_versions(&mut self, agent: &WindowSummary, instances: &[&WindowSummary]) {
        for attribute in VERSIONS {
            let seen: BTreeSet<Box<str>> =
                instances.iter().filter_map(|window| window.attributes.get(&attribute).cloned()).collect();
            if seen.is_empty() {
                continue;
            }
            let before = self.versions.insert(attribute, seen.clone());
            if let Some(before) = before.filter(|before| *before != seen) {
                let list = |set: &BTreeSet<Box<str>>| set.iter().map(|text| &**text).collect::<Vec<_>>().join(", ");
                let what = format!("{} {} -> {}", attribute.name(), list(&before), list(&seen));
                self.changes.push(Change { at: agent.range.start, what });
            }
        }
    }
}

/// What says how large an instance is, the first that all of them report.
const SIZES: [&str; 2] = ["cpu_limit_cores", "max_concurrency"];

/// Facts of instances beside their loads. A size counts only where all of them say theirs: a share of cores beside a
/// count of requests compares nothing.
pub(super) fn facts(instances: &[&WindowSummary]) -> BTreeMap<InstanceId, InstanceFacts> {
    let size = |window: &WindowSummary, name: &str| Some(gauge(window, name)?.mean).filter(|size| *size > 0.0);
    let common = SIZES.into_iter().find(|name| instances.iter().all(|window| size(window, name).is_some()));
    let of = |window: &&WindowSummary| {
        let text = |attribute| window.attributes.get(&attribute).map(ToString::to_string);
        let facts = InstanceFacts {
            capacity: common.and_then(|name| size(window, name)),
            region: window.attributes.get(&Attribute::Region).map(|region| Region::from(&**region)),
            zone: text(Attribute::Zone),
            host: text(Attribute::Host),
            instance_type: text(Attribute::InstanceType),
            ..InstanceFacts::default()
        };
        Some((window.instance.clone()?, facts))
    };
    instances.iter().filter_map(of).collect()
}
