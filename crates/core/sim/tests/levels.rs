//! D10, V1–V3: workspaces, the fleet, and windows that are said again, worked by hand. Brute force compares them over seeds
//! in `simulations.rs`, through restores in `restore.rs`, and through other numbers of partitions in `repartition.rs`.

use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_engine::{
    Aggregator, AggregatorInput, AggregatorOutput, Control, Decider, DeciderInput, DeciderOutput, Sketches, Sums,
    WindowRule, journal,
};
use tidegauge_model::{EntityKey, EntityKind, EventTime, Level, Target, WindowSpec, WindowSummary};
use tidegauge_sim::Scenario;
use tidegauge_sim::scenario::{Row, START_S, batch, changes};
use tidegauge_window::{Sketch, SourceRules};

const PANE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

/// Windows of a minute of every level; late samples count for two minutes, and for 30 s in windows that were published.
fn scenario(sources: usize, revisions: Option<Duration>) -> Scenario {
    let far = Duration::from_hours(1_000);
    let rule = WindowRule {
        agent: true,
        instance: true,
        entity: true,
        sums: Sums { workspace: true, fleet: true },
        sketches: Sketches { agent: true, instance: false, sums: true },
        revisions,
        ..WindowRule::unpublished(WindowSpec { size: MINUTE, slide: MINUTE })
    };
    Scenario {
        pane: PANE,
        bounds: (Duration::ZERO, MINUTE * 2, MINUTE),
        rules: SourceRules { max_skew: far, idle_after: far, stall_after: far, ..SourceRules::default() },
        windows: vec![rule],
        rollups: Vec::new(),
        sessions: None,
        shuffle_partitions: 1,
        partitions: vec![Vec::new(); sources],
        ..Scenario::new(0)
    }
}

fn row(agent: &str, at_s: i64, response_time_ms: f64) -> Row {
    let at_us = (START_S + at_s) * 1_000_000;
    Row {
        offset: 0,
        at_us,
        ingest_us: at_us + 1_000_000,
        agent: agent.into(),
        instance: format!("{agent}-1"),
        entity: None,
        state: None,
        queue_depth: Some(response_time_ms / 2.0),
        requests: Some(1.0),
        response_time_ms: Some(response_time_ms),
    }
}

/// Both machines, each record decided as soon as it is there.
struct Run {
    aggregators: Vec<Aggregator>,
    decider: Decider,
    offsets: Vec<i64>,
    journaled: i64,
    windows: Vec<WindowSummary>,
    late: u64,
    decided: Vec<Target>,
}

impl Run {
    fn new(scenario: &Scenario, documents: &[String]) -> Self {
        let control = Control::beginning(changes(documents), BTreeMap::new());
        Self {
            aggregators: (0..scenario.partitions.len()).map(|at| Aggregator::new(scenario.aggregator(at))).collect(),
            decider: Decider::new(scenario.decider(), control),
            offsets: vec![0; scenario.partitions.len()],
            journaled: 0,
            windows: Vec::new(),
            late: 0,
            decided: Vec::new(),
        }
    }

    fn feed(&mut self, source: usize, row: Row) {
        let row = Row { offset: self.offsets[source], ..row };
        self.offsets[source] += 1;
        let outputs = self.aggregators[source].step(AggregatorInput::Samples(&batch(source, &[row])));
        for output in outputs {
            let AggregatorOutput::Journal { record, .. } = output else { continue };
            let record = journal::decode(&record).expect("a record of ours");
            let log_time = EventTime::from_secs(START_S);
            let outputs = self.decider.step(DeciderInput { record, offset: self.journaled, log_time });
            self.journaled += 1;
            for output in outputs {
                match output {
                    DeciderOutput::Window(window) => self.windows.push(*window),
                    DeciderOutput::Late(late) => self.late += late.samples,
                    DeciderOutput::Decision(decision) => self.decided.push(decision.target.clone()),
                    DeciderOutput::Alert(alert) => self.decided.push(alert.target.clone()),
                    DeciderOutput::Finding(_) => {}
                }
            }
        }
    }

    /// What each target's windows said: end in seconds, revision, samples.
    fn of(&self, target: &Target) -> Vec<(i64, u32, u64)> {
        let is_own =
            |window: &&WindowSummary| window.target == *target && window.instance.is_none() && window.entity.is_none();
        let own = self.windows.iter().filter(is_own);
        own.map(|window| (window.range.end.as_secs() - START_S, window.edition.revision, window.samples)).collect()
    }
}

fn agent(workspace: &str, agent: &str) -> Target {
    Target { workspace: workspace.into(), agent: agent.into(), region: None }
}

/// Both sources have `agent-1` and `agent-2` of `blue`, one has `agent-0`, which names no workspace.
#[test]
fn a_workspace_and_the_fleet_are_the_sums_of_their_agents() {
    let mut run = Run::new(&scenario(2, None), &[]);
    let latencies = [("agent-1", 0, 10.0), ("agent-1", 1, 1_000.0), ("agent-2", 0, 20.0), ("agent-2", 1, 30.0)];
    for (name, source, latency) in latencies {
        run.feed(source, row(name, 5, latency));
    }
    run.feed(1, row("agent-0", 6, 40.0));
    (0..2).for_each(|source| run.feed(source, row("agent-1", 70, 1.0)));
    let (blue, fleet) = (Target::of_workspace("blue".into()), Target::fleet());
    assert_eq!((run.of(&blue), run.of(&fleet)), (vec![(60, 0, 4)], vec![(60, 0, 5)]));
    assert_eq!(
        (run.of(&agent("blue", "agent-1")), run.of(&agent("default", "agent-0"))),
        (vec![(60, 0, 2)], vec![(60, 0, 1)])
    );
    assert_eq!(run.of(&Target::of_workspace("default".into())), [], "who names no workspace is of the fleet only");

    let window = |level| run.windows.iter().find(|window| window.level() == level).expect("one of each");
    let (workspace, all) = (window(Level::Workspace), window(Level::Fleet));
    let sums = [workspace, all].map(|window| (window.gauges["requests"].sum, window.gauges["queue_depth"].sum));
    assert_eq!(sums, [(4.0, 530.0), (5.0, 550.0)]);
    assert_eq!((all.instances_ready, all.instances_present, all.completeness.ratio), (None, None, 1.0));
    assert_eq!(run.windows.iter().filter(|window| window.target.is_sum() && window.instance.is_some()).count(), 0);
    for (window, values) in [(workspace, &[10.0, 1_000.0, 20.0, 30.0][..]), (all, &[10.0, 1_000.0, 20.0, 30.0, 40.0])] {
        let mut exact = Sketch::default();
        values.iter().for_each(|&value| exact.insert(value));
        let carried = Sketch::from_bytes(window.sketches["response_time_ms"].as_slice()).expect("a sketch of ours");
        assert_eq!(carried.buckets(), exact.buckets(), "merged, it is the sketch of all samples");
        assert_eq!(
            (window.latencies["response_time_ms"].max, window.latencies["response_time_ms"].count),
            (1_000.0, values.len() as u64)
        );
    }
    // Rows are counted once, whatever they were added up to.
    let counts = run.decider.counts();
    assert_eq!((counts.merged, run.decider.pending_samples()), (5, 0));
}

/// A policy of all agents, and rules of all agents.
const OF_ALL: [&str; 2] = [
    "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {name: all, version: 1}\nspec:\n  window: {size: 1m, slide: 1m}\n  \
     objectives: [{signal: queue_depth, target: 1}]\n  max_instances: 40\n  min_completeness: 0\n",
    "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {name: all, version: 1}\nspec:\n  window: {size: 1m, slide: 1m}\n  \
     rules: [{name: any, above: 0, signal: {kind: metric, metric: queue_depth}}]\n",
];

/// V1: rows that come for a closed window make a revision, as long as it may have any; V3: nothing is decided on it, nor on
/// workspaces and the fleet.
#[test]
fn late_samples_revise_windows_that_were_published() {
    let documents = OF_ALL.map(str::to_owned);
    let mut run = Run::new(&scenario(1, Some(PANE * 3)), &documents);
    for at_s in [5, 15, 65] {
        run.feed(0, row("agent-1", at_s, 10.0));
    }
    run.feed(0, row("agent-2", 66, 10.0));
    let decided = |run: &Run| run.decided.len();
    let (one, fleet) = (agent("blue", "agent-1"), Target::fleet());
    assert_eq!((run.of(&one), run.of(&fleet)), (vec![(60, 0, 2)], vec![(60, 0, 2)]));
    let before = decided(&run);
    assert!(before > 0 && run.decided.iter().all(|target| !target.is_sum()), "{:?}", run.decided);

    // Two late ones that leave together, with the next pane: one revision.
    run.feed(0, row("agent-1", 16, 90.0));
    run.feed(0, row("agent-1", 17, 90.0));
    run.feed(0, row("agent-1", 75, 10.0));
    assert_eq!((run.of(&one), run.of(&fleet)), (vec![(60, 0, 2), (60, 1, 4)], vec![(60, 0, 2), (60, 1, 4)]));
    assert_eq!(run.of(&agent("blue", "agent-2")), [], "nothing is said of who has nothing new");
    // An agent that was not known then.
    run.feed(0, row("agent-2", 20, 7.0));
    run.feed(0, row("agent-1", 85, 10.0));
    assert_eq!(run.of(&agent("blue", "agent-2")), [(60, 1, 1)]);
    assert_eq!(run.of(&fleet)[2], (60, 2, 5));
    assert_eq!(run.of(&one).len(), 2);
    let revised: Vec<_> = run.windows.iter().filter(|window| window.edition.is_revised).collect();
    assert!(revised.iter().all(|window| window.range.start.as_secs() == START_S && !window.edition.is_final()));
    let of_one: Vec<_> = revised.iter().filter(|window| window.target == one).collect();
    let [whole, of_instance] = of_one[..] else { panic!("the agent, and the instance that the rows are of") };
    let first = run.windows.iter().find(|window| window.target == one).expect("it closed");
    assert_eq!((whole.completeness, whole.instances_present), (first.completeness, first.instances_present));
    assert_eq!((whole.latencies["response_time_ms"].max, of_instance.samples), (90.0, 4));
    assert_eq!(decided(&run), before, "no decision, no alert");

    // 30 s after its end it stays as it is.
    run.feed(0, row("agent-1", 95, 10.0));
    run.feed(0, row("agent-1", 18, 90.0));
    run.feed(0, row("agent-1", 105, 10.0));
    assert_eq!((run.of(&one).len(), run.late), (2, 1));
}

/// D10, D11: a database that no agent has lives where its workspace does. It is part of no sum, and nothing is decided on it;
/// what is asked where it lives sees no sum. Its windows are revised by themselves (V1).
#[test]
fn what_no_agent_has_is_no_part_of_its_workspace() {
    let documents = OF_ALL.map(str::to_owned);
    let mut run = Run::new(&scenario(1, Some(PANE * 3)), &documents);
    let cache = EntityKey::new(EntityKind::Dependency, "cache");
    let of_cache = |at_s| Row { entity: Some(cache.clone()), ..row("", at_s, 500.0) };
    for at_s in (5..70).step_by(10) {
        run.feed(0, row("agent-1", at_s, 10.0));
        run.feed(0, of_cache(at_s));
    }
    run.feed(0, of_cache(16));
    run.feed(0, row("agent-1", 75, 10.0));
    let (blue, fleet) = (Target::of_workspace("blue".into()), Target::fleet());
    assert_eq!((run.of(&blue), run.of(&fleet)), (vec![(60, 0, 6)], vec![(60, 0, 6)]));
    let own: Vec<_> = run.windows.iter().filter(|window| window.entity.as_ref() == Some(&cache)).collect();
    let [first, again] = own[..] else { panic!("its window, and that again: {own:?}") };
    assert_eq!((&first.target, first.level(), first.samples), (&blue, Level::Entity, 6));
    assert_eq!((again.edition.is_revised, again.edition.revision, again.samples), (true, 1, 7));
    assert_eq!(
        (first.completeness.instances_expected, first.completeness.instances_reported),
        (1, 1),
        "who reports it"
    );
    assert_eq!(again.completeness, first.completeness);
    assert!(!run.decided.is_empty() && run.decided.iter().all(|target| !target.is_sum()), "{:?}", run.decided);
    let counts = run.decider.counts();
    assert_eq!(counts.merged + run.decider.pending_samples(), 15, "each row once");
}
