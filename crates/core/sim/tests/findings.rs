//! Findings of a run: what a Decider publishes is what follows, naively, from the windows that it publishes; and a
//! restart in the middle of an onset changes nothing.
//!
//! The naive reading keeps nothing from window to window. For each window it looks at all windows before it: what was
//! shown in each, by the measures themselves; how many in a row showed a thing; when it was last said.

#![allow(clippy::disallowed_macros, reason = "a test tells what it saw")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_analytics::degradation::{Performance, degradation, indication};
use tidegauge_analytics::live::{LiveConfig, facts};
use tidegauge_analytics::load::{Fleet, shown};
use tidegauge_analytics::tracker::{Hold, Indication, Strength, Tracker};
use tidegauge_analytics::{bottleneck, saturation};
use tidegauge_engine::journal::decode;
use tidegauge_engine::state::{self, StateReader};
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Checkpoint, Control, ControlChange, Decider,
    DeciderConfig, DeciderInput, DeciderOutput, Sums, WindowRule,
};
use tidegauge_model::{
    AlertState, Cause, CauseCode, Entity, EventTime, FindingKind, FindingState, InstanceId, Severity, Target,
    WindowSpec, WindowSummary, finding_id,
};
use tidegauge_policy::Written;
use tidegauge_window::{SourceId, SourceRules};
use tidegauge_wire::{DecodeConfig, Decoder, RawRecord};

const START_S: i64 = 1_767_225_600;
const PANE_S: i64 = 10;
const WINDOW: Duration = Duration::from_secs(20);
const TOPIC: &str = "telemetry";

fn config() -> DeciderConfig {
    let spec = WindowSpec { size: WINDOW, slide: WINDOW };
    let analytics = LiveConfig {
        window: WINDOW,
        hold: Hold { open_after: 3, close_after: 2 },
        repeat_after: WINDOW * 9,
        baseline: WINDOW * 12,
        ..LiveConfig::default()
    };
    DeciderConfig {
        topics: vec![TOPIC.into()],
        rules: SourceRules::default(),
        pane: Duration::from_secs(PANE_S.unsigned_abs()),
        rollups: Vec::new(),
        sessions: None,
        windows: vec![WindowRule { agent: true, instance: true, ..WindowRule::unpublished(spec) }],
        analytics: Some(analytics),
    }
}

/// One row of an instance in pane `pane`, as JSON; `None` once it is gone.
fn row(agent: &str, instance: i64, pane: i64) -> Option<String> {
    let is_in = |from: i64, until: i64| (from..until).contains(&(pane / 2));
    let wobble = ((instance * 7_919 + pane * 31) % 101) as f64 / 101.0;
    let (mut requests, mut cpu, mut time_ms) = (300.0 + 20.0 * wobble, 0.55 + 0.02 * wobble, 40.0 + wobble);
    let mut more = String::new();
    match agent {
        // One instance is hot from window 4 to window 11, hotter in between, and gone afterwards.
        "hot" if instance == 2 && is_in(4, 12) => {
            (requests, cpu) = if is_in(8, 10) { (900.0, 0.97) } else { (700.0, 0.88) };
            more = r#", "top_keys": [{"key": "tenant-7", "weight": 0.8}]"#.to_owned();
        }
        "hot" if instance == 2 && !is_in(0, 12) => return None,
        // One falls silent while it is hot, and speaks again.
        "silent" if instance == 1 && is_in(7, 8) => return None,
        "silent" if instance == 1 && is_in(3, 16) => (requests, cpu) = (700.0, 0.85),
        // All are full, and wait.
        "full" if is_in(5, 14) => {
            cpu = 0.97;
            more = r#", "cpu_throttled_ratio": 0.3"#.to_owned();
        }
        // Responses take longer after a deployment.
        "slow" if is_in(12, 20) => time_ms *= 3.0,
        "even" | "hot" | "silent" | "full" | "slow" => {}
        _ => unreachable!("an agent of this test"),
    }
    let version = if agent == "slow" && is_in(12, 40) { "2" } else { "1" };
    let times: Vec<String> = (0..30).map(|at| format!("{:.3}", time_ms + f64::from(at) / 10.0)).collect();
    let at_us = (START_S + pane * PANE_S + 1 + instance) * 1_000_000;
    Some(format!(
        r#"{{"agent_id": "{agent}", "instance_id": "i-{instance}", "event_time": {at_us}, "state": "ready",
            "version": "{version}", "requests": {requests}, "server_errors": 0, "cpu_used_cores": {cpu},
            "cpu_limit_cores": 1, "response_times_ms": [{}]{more}}}"#,
        times.join(", ")
    ))
}

/// The journal of all rows, in bytes.
fn journal(panes: i64) -> Vec<Vec<u8>> {
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source: SourceId { topic: TOPIC.into(), partition: 0 },
        partitions: 1,
        shuffle_partitions: 1,
        pane: config().pane,
        disorder: Duration::from_secs(5),
        allowed_lateness: Duration::ZERO,
        max_future: Duration::from_secs(60),
        instances_per_agent: 100,
        sums: Sums::default(),
    });
    let (mut records, mut offset) = (Vec::new(), 0);
    let mut keep = |outputs: Vec<AggregatorOutput>| {
        for output in outputs {
            let AggregatorOutput::Journal { record, .. } = output else { panic!("{output:?}") };
            records.push(record);
        }
    };
    for pane in 0..panes {
        let mut decoder = Decoder::new(DecodeConfig::default());
        for agent in ["even", "full", "hot", "silent", "slow"] {
            for text in (0..6).filter_map(|instance| row(agent, instance, pane)) {
                let timestamp_ms = (START_S + pane * PANE_S + PANE_S) * 1_000;
                let record = RawRecord { partition: 0, offset, timestamp_ms, key: None, value: Some(text.as_bytes()) };
                decoder.push(&record).unwrap_or_else(|error| panic!("{error:?}: {text}"));
                offset += 1;
            }
        }
        keep(aggregator.step(AggregatorInput::Samples(&decoder.finish())));
    }
    keep(aggregator.step(AggregatorInput::End));
    records
}

fn step(decider: &mut Decider, journal: &[Vec<u8>], offset: usize) -> Vec<DeciderOutput> {
    let record = decode(&journal[offset]).expect("a record of ours");
    decider.step(DeciderInput { record, offset: offset as i64, log_time: EventTime::from_secs(START_S) })
}

/// The agent's window that ends somewhere, and those of its instances.
#[derive(Default)]
struct Closed {
    agent: Option<WindowSummary>,
    instances: Vec<WindowSummary>,
}

/// What was said of one thing: when, where it stood, how bad it was.
type Said = (EventTime, String, FindingState, Severity);

/// All windows of an agent, read without a memory.
struct Naive<'a> {
    config: &'a LiveConfig,
    closed: Vec<&'a Closed>,
}

impl Naive<'_> {
    fn agent(&self, at: usize) -> &WindowSummary {
        self.closed[at].agent.as_ref().expect("each close has a window of the agent")
    }

    /// Loads of the window before, whatever it says.
    fn loads(&self, at: usize) -> BTreeMap<InstanceId, f64> {
        self.fleet(at).loads_by_instance()
    }

    fn fleet(&self, at: usize) -> Fleet {
        let instances: Vec<_> = self.closed[at].instances.iter().collect();
        Fleet::of(self.agent(at), &instances, &facts(&instances), None).expect("they report their load")
    }

    /// What window `at` shows, by the measures themselves.
    fn shown(&self, at: usize, worse: &[Option<Indication>]) -> BTreeMap<(FindingKind, Entity), Indication> {
        let agent = self.agent(at);
        let before = at.checked_sub(1).map(|before| self.loads(before));
        let load = shown(&self.fleet(at), &self.config.load, before.as_ref(), &Tracker::default());
        let all = load.indications.into_iter().chain(saturation::indications(agent, &self.config.saturation));
        let all = all.chain(bottleneck::indications(agent, None)).chain(worse[at].clone());
        all.map(|each| ((each.kind, each.entity.clone()), each)).collect()
    }

    /// Of each window, whether it is worse than those of the twelve windows before it that were not.
    fn worse(&self) -> Vec<Option<Indication>> {
        let mut worse: Vec<Option<Indication>> = Vec::new();
        for at in 0..self.closed.len() {
            let horizon = self.agent(at).range.end.minus(self.config.baseline);
            let usual = (0..at).filter(|&before| self.agent(before).range.end > horizon && worse[before].is_none());
            let usual: Vec<Performance> = usual.map(|before| Performance::of(self.agent(before))).collect();
            let found = degradation(&Performance::of(self.agent(at)), &usual, &[], &self.config.degradation);
            worse.push(indication(&self.agent(at).target, &found));
        }
        worse
    }

    /// Instances that have no row in window `at` and are not gone: silent for at most three of their intervals, which are
    /// a pane.
    fn silent(&self, at: usize) -> BTreeSet<InstanceId> {
        let mut last: BTreeMap<&InstanceId, EventTime> = BTreeMap::new();
        for closed in &self.closed[..=at] {
            last.extend(
                closed.instances.iter().map(|window| (window.instance.as_ref().expect("its id"), window.last_at)),
            );
        }
        let range = self.agent(at).range;
        let is_silent = |last: &EventTime| {
            *last < range.start && range.end.since(*last) <= Duration::from_secs(3 * PANE_S.unsigned_abs())
        };
        last.into_iter().filter(|(_, last)| is_silent(last)).map(|(id, _)| id.clone()).collect()
    }

    /// Where each thing stands after each window, and what is said of it, by reading on from the first window.
    fn said(&self) -> Vec<Said> {
        let worse = self.worse();
        let shown: Vec<_> = (0..self.closed.len()).map(|at| self.shown(at, &worse)).collect();
        let silent: Vec<_> = (0..self.closed.len()).map(|at| self.silent(at)).collect();
        let keys: BTreeSet<_> = shown.iter().flat_map(BTreeMap::keys).cloned().collect();
        let mut said: Vec<Said> = keys.iter().flat_map(|key| self.of_one(key, &shown, &silent)).collect();
        said.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        said
    }

    fn of_one(
        &self,
        key: &(FindingKind, Entity),
        all: &[BTreeMap<(FindingKind, Entity), Indication>],
        silent: &[BTreeSet<InstanceId>],
    ) -> Vec<Said> {
        let hold = self.config.hold;
        let (mut said, mut run, mut away): (Vec<Said>, u32, u32) = (Vec::new(), 0, 0);
        let mut open: Option<(String, Severity, Severity, u32, EventTime)> = None;
        let mut onset = EventTime::MIN;
        for (at, shown) in all.iter().enumerate() {
            let range = self.agent(at).range;
            let is_silent = match &key.1 {
                Entity::Instance { instance, .. } => silent[at].contains(instance),
                // That the others are even says nothing while one that was hot is silent, nor which keys they have.
                _ => matches!(key.0, FindingKind::Imbalance | FindingKind::HotKey) && hot_is_silent(at, all, silent),
            };
            let is_silent = is_silent && !shown.contains_key(key);
            let Some(indication) = shown.get(key) else {
                if is_silent {
                    continue;
                }
                (run, away) = (0, away + 1);
                if let Some((id, _, last, ..)) = open.take_if(|_| away >= hold.close_after) {
                    said.push((range.end, id, FindingState::Ended, last));
                }
                continue;
            };
            let severity = indication.severity;
            if open.is_none() && indication.strength == Strength::Stay {
                run = 0;
                continue;
            }
            onset = if run == 0 && open.is_none() { range.start } else { onset };
            (run, away) = (run + 1, 0);
            match &mut open {
                None if run >= hold.open_after => {
                    let id = finding_id(key.0, &key.1, onset);
                    said.push((range.end, id.clone(), FindingState::Open, severity));
                    open = Some((id, severity, severity, 0, range.end));
                }
                None => {}
                Some((id, told, last, lower, told_at)) => {
                    *last = severity;
                    *lower = if severity < *told { *lower + 1 } else { 0 };
                    let lasts = range.end.since(*told_at) >= self.config.repeat_after;
                    if severity > *told || *lower >= hold.close_after || lasts {
                        said.push((range.end, id.clone(), FindingState::Ongoing, severity));
                        (*told, *lower, *told_at) = (severity, 0, range.end);
                    }
                }
            }
        }
        said
    }
}

/// Whether one that is silent was hot when it was last heard.
fn hot_is_silent(
    at: usize,
    shown: &[BTreeMap<(FindingKind, Entity), Indication>],
    silent: &[BTreeSet<InstanceId>],
) -> bool {
    let was_hot = |instance: &InstanceId| {
        let heard = (0..at).rev().find(|&before| !silent[before].contains(instance));
        let is_it = |(kind, entity): &(FindingKind, Entity)| {
            *kind == FindingKind::Hotspot && matches!(entity, Entity::Instance { instance: id, .. } if id == instance)
        };
        heard.is_some_and(|before| shown[before].keys().any(is_it))
    };
    silent[at].iter().any(was_hot)
}

const PANES: i64 = 64;

#[test]
fn findings_are_those_that_the_published_windows_lead_to() {
    let journal = journal(PANES);
    let mut decider = Decider::new(config(), Control::default());
    let mut closed: BTreeMap<(Target, EventTime), Closed> = BTreeMap::new();
    let mut said: BTreeMap<Target, Vec<Said>> = BTreeMap::new();
    let mut hot_keys: Vec<Cause> = Vec::new();
    for offset in 0..journal.len() {
        for output in step(&mut decider, &journal, offset) {
            match output {
                DeciderOutput::Window(window) => {
                    let here = closed.entry((window.target.clone(), window.range.end)).or_default();
                    match window.instance {
                        None => here.agent = Some(*window),
                        Some(_) => here.instances.push(*window),
                    }
                }
                DeciderOutput::Finding(finding) => {
                    let target = finding.entity.target().expect("of an agent").clone();
                    hot_keys.extend(finding.causes.iter().filter(|cause| cause.code == CauseCode::HotKey).cloned());
                    let news = (finding.window.end, finding.id, finding.state, finding.severity);
                    said.entry(target).or_default().push(news);
                }
                _ => panic!("no policies and no rules"),
            }
        }
    }
    let analytics = config().analytics.expect("enabled");
    let targets: BTreeSet<&Target> = closed.keys().map(|(target, _)| target).collect();
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for target in targets {
        let closed = closed.iter().filter(|((of, _), _)| of == target).map(|(_, closed)| closed);
        let naive = Naive { config: &analytics, closed: closed.collect() };
        let want = naive.said();
        let mut got = said.remove(target).unwrap_or_default();
        got.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (_, id, state, severity) in &got {
            let kind = id.split(':').next().unwrap_or_default();
            *kinds.entry(format!("{} {kind} {state:?} {severity:?}", target.agent)).or_default() += 1;
        }
        assert_eq!(got, want, "{target}");
    }
    eprintln!("{kinds:#?}");
    for wanted in [
        "hot hotspot Open Warning",
        "hot hotspot Ongoing Critical", // it became worse,
        "hot hotspot Ongoing Warning",  // and less bad again
        "hot hotspot Ended",
        "hot imbalance Open",
        "hot hot_key Open",
        "hot hot_key Ended",
        "silent hotspot Open",
        "full saturation Open",
        "full bottleneck Open",
        "full saturation Ended",
        "slow degradation Open",
        "slow degradation Ended",
    ] {
        assert!(kinds.keys().any(|kind| kind.starts_with(wanted)), "{wanted}: {kinds:#?}");
    }
    assert!(!hot_keys.is_empty());
    for cause in hot_keys {
        assert_eq!((cause.strength, cause.detail.contains("tenant-7")), (0.8, true), "{cause:?}");
    }
    assert!(!kinds.keys().any(|kind| kind.starts_with("even")), "nothing is to be found in it: {kinds:#?}");
    let silent = kinds.iter().filter(|(kind, _)| kind.starts_with("silent hotspot Open"));
    assert_eq!(silent.map(|(_, count)| count).sum::<u32>(), 1, "silence neither ends it nor begins it anew");
}

fn through_bytes(checkpoint: &Checkpoint) -> Checkpoint {
    let mut reader = StateReader::default();
    let records = state::encode(checkpoint).into_iter().enumerate();
    let found = records.filter_map(|(at, record)| reader.push(at as i64, &record.value).expect("a record of ours"));
    found.last().expect("a whole round")
}

/// Every place is one to be restarted at: before an onset, in the middle of it, while it is open.
#[test]
fn a_restart_anywhere_changes_no_finding() {
    let journal = journal(PANES);
    let mut golden = Decider::new(config(), Control::default());
    let want: Vec<_> = (0..journal.len()).map(|offset| step(&mut golden, &journal, offset)).collect();
    let findings = want.iter().flatten().filter(|output| matches!(output, DeciderOutput::Finding(_))).count();
    assert!(findings > 10, "{findings}");

    let mut decider = Decider::new(config(), Control::default());
    let mut in_an_onset = 0;
    for (at, want) in want.iter().enumerate() {
        let checkpoint = through_bytes(&decider.checkpoint(at as i64).expect("it is whole"));
        in_an_onset += usize::from(checkpoint.has_onsets());
        decider = Decider::restored(config(), checkpoint.clone(), None);
        for offset in checkpoint.replay_from() as usize..at {
            drop(step(&mut decider, &journal, offset));
        }
        decider.reached(at as i64);
        assert_eq!(step(&mut decider, &journal, at), *want, "restored before offset {at}");
    }
    assert!(in_an_onset > 5, "{in_an_onset} restarts in the middle of an onset");
}

/// Switched off between two lives, analytics end what was open, each once (D8).
#[test]
fn findings_end_when_nobody_looks_any_more() {
    let journal = journal(PANES);
    let mut first = Decider::new(config(), Control::default());
    let half = journal.len() * 2 / 5;
    let mut open: BTreeSet<String> = BTreeSet::new();
    for offset in 0..half {
        for output in step(&mut first, &journal, offset) {
            if let DeciderOutput::Finding(finding) = output {
                match finding.state {
                    FindingState::Ended => assert!(open.remove(&finding.id)),
                    FindingState::Open => assert!(open.insert(finding.id)),
                    FindingState::Ongoing => assert!(open.contains(&finding.id)),
                }
            }
        }
    }
    assert!(!open.is_empty(), "something is open in the middle");
    let checkpoint = first.checkpoint(half as i64).expect("it is whole");
    assert_eq!(checkpoint.open_findings(), open.len());
    let off = DeciderConfig { analytics: None, ..config() };
    let mut second = Decider::restored(off, checkpoint.clone(), None);
    for offset in checkpoint.replay_from() as usize..journal.len() {
        for output in step(&mut second, &journal, offset) {
            if let DeciderOutput::Finding(finding) = output {
                assert_eq!(finding.state, FindingState::Ended);
                assert!(open.remove(&finding.id), "{}", finding.id);
            }
        }
    }
    assert_eq!(open, BTreeSet::new());
}

const FOLLOW: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: { name: follow, version: 1 }
spec:
  window: { size: 20s, slide: 20s }
  rules:
    - { name: found, signal: { kind: finding, of: [hotspot, hot_key, imbalance, idle, underutilized, saturation, bottleneck, degradation] } }
    - { name: busy, signal: { kind: burn_rate, objective: 0.5, long: 5m, short: 20s, bad: [requests] }, above: 1.5 }
---
apiVersion: tidegauge.io/v1
kind: Inhibition
metadata: { name: full, version: 1 }
spec:
  source: [{ label: finding, is: saturation }]
  target: [{ label: finding, is_not: saturation }, { label: agent, is: full }]
";

/// The rules above hold from the beginning.
fn follow() -> Control {
    let documents = Written::parse("follow.yaml", FOLLOW).unwrap_or_else(|error| panic!("{error}"));
    Control::beginning(documents.iter().map(ControlChange::of), BTreeMap::new())
}

/// An alert fires with the window that opens a finding and is resolved with the one that ends it; a restart anywhere
/// changes nothing of it.
#[test]
fn alerts_follow_findings_through_restores() {
    let journal = journal(PANES);
    let mut golden = Decider::new(config(), follow());
    let want: Vec<_> = (0..journal.len()).map(|offset| step(&mut golden, &journal, offset)).collect();
    let (mut findings, mut alerts, mut quiet, mut busy) = (Vec::new(), Vec::new(), 0, 0);
    for output in want.iter().flatten() {
        match output {
            DeciderOutput::Finding(finding) if finding.state != FindingState::Ongoing => {
                findings.push((finding.window.end, finding.id.clone(), finding.state == FindingState::Ended));
            }
            DeciderOutput::Alert(alert) => {
                quiet += usize::from(!alert.inhibited_by.is_empty());
                busy += usize::from(alert.rule == "busy");
                if let Some(finding) = alert.finding.as_ref().filter(|_| alert.from != alert.to) {
                    alerts.push((alert.at, finding.id.clone(), alert.to == AlertState::Resolved));
                }
            }
            _ => {}
        }
    }
    findings.sort();
    alerts.sort();
    assert_eq!(alerts, findings);
    assert!(findings.len() > 10 && quiet > 0 && busy >= 5, "{} {quiet} {busy}", findings.len());

    let mut decider = Decider::new(config(), follow());
    for (at, want) in want.iter().enumerate() {
        let checkpoint = through_bytes(&decider.checkpoint(at as i64).expect("it is whole"));
        decider = Decider::restored(config(), checkpoint.clone(), None);
        for offset in checkpoint.replay_from() as usize..at {
            drop(step(&mut decider, &journal, offset));
        }
        decider.reached(at as i64);
        assert_eq!(step(&mut decider, &journal, at), *want, "restored before offset {at}");
    }
}
