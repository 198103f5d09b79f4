//! Signals of SQL in a Decider: each has the value that its own agent's windows give, wherever agents live, and one that
//! is cut off harms nobody else.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_engine::{Control, Decider, DeciderInput, DeciderOutput, SignalTrouble, Sketches, WindowRule, journal};
use tidegauge_model::{AlertTransition, Decision, EventTime, Target, WindowSpec, WindowSummary};
use tidegauge_policy::SignalFailure;
use tidegauge_policy::observe::still_here;
use tidegauge_sim::scenario::{Row, START_S, changes};
use tidegauge_sim::{Drive, Scenario};
use tidegauge_window::Sketch;

const SEEDS: u64 = 40;

const SPEC: WindowSpec = WindowSpec { size: Duration::from_secs(60), slide: Duration::from_secs(20) };

fn signal(name: &str, sql: &str) -> String {
    format!(
        "apiVersion: tidegauge.io/v1\nkind: Signal\nmetadata: {{name: {name}, version: 1}}\nspec:\n  \
         window: {{size: 1m, slide: 20s}}\n  sql: |\n    {sql}\n"
    )
}

fn policy(name: &str, mode: &str, objectives: &[&str]) -> String {
    format!(
        "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{name: {name}, version: 1}}\nspec:\n  mode: {mode}\n  \
         window: {{size: 1m, slide: 20s}}\n  objectives: [{}]\n  max_instances: 40\n  min_completeness: 0\n",
        objectives.join(", ")
    )
}

/// Two signals of the agent and two by instance, a policy over them, and a rule of each level.
fn documents() -> Vec<String> {
    vec![
        signal("spread", "SELECT max(queue_depth_mean) - min(queue_depth_mean) AS value FROM instances"),
        signal(
            "share",
            "SELECT avg(CASE WHEN queue_depth_max > 30 THEN 1 ELSE 0 END) AS value FROM instances WHERE queue_depth_max IS NOT NULL",
        ),
        signal("depth", "SELECT instance_id, queue_depth_sum AS value FROM instances WHERE queue_depth_count > 1"),
        signal(
            "slowness",
            "SELECT i.agent_id, i.instance_id, i.response_time_ms_p95 / w.response_time_ms_p95 AS value FROM instances i JOIN windows w ON i.agent_id = w.agent_id",
        ),
        policy(
            "sql",
            "live",
            &[
                "{signal: spread, type: value, target: 20}",
                "{signal: share, type: average_value, target: 0.1}",
                "{signal: depth, type: average_value, target: 150}",
                "{signal: slowness, type: average_value, target: 1, when_absent: zero}",
            ],
        ),
        "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {name: sql, version: 1}\nspec:\n  \
         window: {size: 1m, slide: 20s}\n  rules:\n    \
         - {name: uneven, signal: {kind: signal, name: spread}, above: 10}\n    \
         - {name: slow, by: instance, signal: {kind: signal, name: slowness}, above: 1.05}\n"
            .to_owned(),
    ]
}

/// All that was seen of one agent, in its order.
#[derive(Debug, Default, PartialEq)]
struct Course {
    decisions: Vec<Decision>,
    alerts: Vec<AlertTransition>,
}

#[derive(Default)]
struct Seen {
    courses: BTreeMap<Target, Course>,
    windows: BTreeMap<(Target, EventTime), Vec<WindowSummary>>,
    trouble: Vec<SignalTrouble>,
}

impl Seen {
    /// When all telemetry has ended, a partition closes windows for as long as they may hold a row of it: how many of them
    /// are silent for an agent depends on its neighbours, and always has.
    fn without_the_end(mut self) -> Self {
        for (target, course) in &mut self.courses {
            let ends = self.windows.keys().filter(|(of, _)| of == target).map(|(_, end)| *end);
            let last = ends.max().unwrap_or(EventTime::MIN);
            course.decisions.retain(|decision| decision.window.end <= last);
            course.alerts.retain(|alert| alert.at <= last);
        }
        self
    }
}

/// The recorded journals of a simulation, through Deciders by whom these documents hold. Decisions are those as of every
/// window, published or not.
fn decided(scenario: &Scenario, documents: &[String]) -> Seen {
    let mut drive = Drive::new(scenario.clone());
    drive.run(scenario.seed, None);
    let mut seen = Seen::default();
    for recorded in &drive.journal {
        let mut decider = Decider::new(scenario.decider(), Control::beginning(changes(documents), BTreeMap::new()));
        assert_eq!(decider.take_refused(), Vec::<String>::new());
        decider.watch();
        for (offset, (log_time, bytes)) in recorded.iter().enumerate() {
            let record = journal::decode(bytes).expect("a record of ours");
            for output in decider.step(DeciderInput { record, offset: offset as i64, log_time: *log_time }) {
                match output {
                    DeciderOutput::Alert(alert) => {
                        seen.courses.entry(alert.target.clone()).or_default().alerts.push(*alert);
                    }
                    DeciderOutput::Window(window)
                        if (window.range.length(), window.slide) == (SPEC.size, SPEC.slide) =>
                    {
                        seen.windows.entry((window.target.clone(), window.range.end)).or_default().push(*window);
                    }
                    _ => {}
                }
            }
            for decision in decider.take_seen().into_iter().map(|seen| seen.decision) {
                seen.courses.entry(decision.target.clone()).or_default().decisions.push(decision);
            }
        }
        seen.trouble.extend(decider.take_signal_trouble());
    }
    seen
}

/// A scenario with windows of [`SPEC`], published for agents and instances.
fn scenario(seed: u64) -> Scenario {
    let rule = WindowRule { agent: true, instance: true, ..WindowRule::unpublished(SPEC) };
    Scenario {
        windows: vec![rule],
        rollups: Vec::new(),
        sessions: None,
        pane: Duration::from_secs(10),
        ..Scenario::new(seed)
    }
}

/// Means of what was published, by hand: what the policy's readings must be. A signal of the agent is of all that has rows; one
/// of each instance is asked of those who are still there.
fn naive(windows: &[WindowSummary]) -> [Option<f64>; 3] {
    let instances = windows.iter().filter(|window| window.instance.is_some());
    let depths: Vec<_> = instances.filter_map(|window| window.gauges.get("queue_depth")).collect();
    if depths.is_empty() {
        return [None; 3];
    }
    let most = depths.iter().map(|depth| depth.mean).fold(f64::MIN, f64::max);
    let least = depths.iter().map(|depth| depth.mean).fold(f64::MAX, f64::min);
    let over = depths.iter().filter(|depth| depth.max > 30.0).count() as f64;
    let agent = windows.iter().find(|window| window.instance.is_none()).expect("that of the agent");
    let here = still_here(agent, windows.iter().filter(|window| window.instance.is_some()));
    let depths_here = here.iter().filter_map(|window| window.gauges.get("queue_depth"));
    let sums: Vec<f64> = depths_here.filter(|depth| depth.count > 1).map(|depth| depth.sum).collect();
    let mean = (!sums.is_empty()).then(|| sums.iter().sum::<f64>() / sums.len() as f64);
    [Some(most - least), Some(over / depths.len() as f64), mean]
}

/// Within what thousandths and their division cut off.
fn is_near(got: Option<f64>, want: Option<f64>) -> bool {
    match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= 0.002 + want.abs() * 1e-9,
        (got, want) => got == want,
    }
}

#[test]
fn a_signal_has_the_value_that_its_windows_give() {
    let (mut checked, mut absent, mut alerts) = (0, 0, 0);
    for seed in 0..SEEDS {
        let seen = decided(&scenario(seed), &documents());
        assert_eq!(seen.trouble, [], "seed {seed}");
        for (target, course) in &seen.courses {
            alerts += course.alerts.len();
            for decision in &course.decisions {
                let windows = seen.windows.get(&(target.clone(), decision.window.end));
                // Instances that are leaving, or are not ready yet, have values that do not count.
                let all_count = |windows: &Vec<WindowSummary>| {
                    windows
                        .iter()
                        .all(|window| window.state.is_none_or(|state| state == tidegauge_model::InstanceState::Ready))
                };
                let Some(windows) = windows else {
                    assert!(decision.signals.iter().take(3).all(|reading| reading.value.is_none()), "{decision:?}");
                    continue;
                };
                let [spread, share, depth] = naive(windows);
                let ready = f64::from(decision.current_instances.max(1));
                let want = [spread, share.map(|share| share / ready), depth];
                for (reading, (index, want)) in decision.signals.iter().zip(want.into_iter().enumerate()) {
                    let nobody = decision.current_instances == 0;
                    if (index == 2 && !all_count(windows)) || nobody {
                        continue;
                    }
                    assert!(is_near(reading.value, want), "seed {seed}: {reading:?}, want {want:?}\n{decision:?}");
                    absent += usize::from(want.is_none());
                    checked += 1;
                }
            }
        }
    }
    eprintln!("{checked} values, {absent} of them absent; {alerts} transitions of alerts");
    assert!(checked > 1_000 && absent > 10 && alerts > 100, "{checked}, {absent}, {alerts}");
}

/// How many shuffle partitions there are, and so who shares one with whom, shows nowhere.
#[test]
fn where_agents_live_does_not_matter() {
    let mut decisions = 0;
    for seed in 0..SEEDS / 2 {
        let on = |partitions| {
            let scenario = Scenario { shuffle_partitions: partitions, ..scenario(seed) };
            decided(&scenario, &documents()).without_the_end()
        };
        let want = on(1);
        decisions += want.courses.values().map(|course| course.decisions.len()).sum::<usize>();
        for partitions in [2, 3, 5] {
            let got = on(partitions);
            for (target, want) in &want.courses {
                assert!(got.courses[target] == *want, "seed {seed}, {partitions} partitions, {target}");
            }
        }
    }
    assert!(decisions > 300, "{decisions}");
}

/// Instances that report once a second for two minutes.
fn rows(agent: &str, instances: usize, depth: impl Fn(usize) -> f64) -> Vec<Row> {
    let at = |s: i64| (START_S + s) * 1_000_000;
    let each = |instance: usize, s: i64| Row {
        offset: 0,
        at_us: at(s),
        ingest_us: at(s),
        agent: agent.to_owned(),
        instance: format!("{agent}-{instance:04}"),
        entity: None,
        state: None,
        queue_depth: Some(depth(instance)),
        requests: None,
        response_time_ms: None,
    };
    (0..12)
        .flat_map(|tick| (0..instances).map(move |instance| (instance, tick * 10)))
        .map(|(i, s)| each(i, s))
        .collect()
}

/// A join on a value that nobody expected to be the same everywhere is cut off, at the same place each time. It has no
/// value for that agent; other agents and other signals know nothing of it, and no decision is left out.
#[test]
fn a_signal_that_is_cut_off_harms_nobody_else() {
    let alike = signal(
        "alike",
        "SELECT count(*) / 600.0 AS value FROM instances a JOIN instances b ON a.queue_depth_mean = b.queue_depth_mean",
    );
    let mean = signal("mean", "SELECT avg(queue_depth_mean) AS value FROM instances");
    let documents = [
        alike,
        mean,
        policy("live", "live", &["{signal: mean, type: value, target: 7}"]),
        policy("other", "shadow", &["{signal: alike, type: value, target: 1, when_absent: zero}"]),
    ];
    let mut all = rows("even", 600, |_| 7.0);
    all.extend(rows("odd", 600, |instance| instance as f64));
    all.sort_by_key(|row| row.at_us);
    for (offset, row) in all.iter_mut().enumerate() {
        row.offset = offset as i64;
    }
    let scenario = Scenario { partitions: vec![all], shuffle_partitions: 1, stall: None, ..scenario(1) };
    let seen = decided(&scenario, &documents);

    let of = |agent: &str, policy: &str| {
        let course = seen.courses.iter().find(|(target, _)| target.agent.as_str() == agent).expect("an agent").1;
        course.decisions.iter().filter(|decision| decision.policy == policy).collect::<Vec<_>>()
    };
    let closes = of("odd", "live").len();
    assert!(closes >= 6, "{closes} windows");
    for (agent, policy) in [("odd", "other"), ("even", "live"), ("even", "other")] {
        assert_eq!(of(agent, policy).len(), closes, "{agent} {policy}: as many decisions");
    }
    let full = |decisions: Vec<&Decision>| {
        decisions.into_iter().filter(|d| d.signals[0].samples > 0).cloned().collect::<Vec<_>>()
    };
    let values = |decisions: &[Decision]| decisions.iter().map(|d| d.signals[0].value).collect::<Vec<_>>();
    assert!(values(&full(of("even", "live"))).iter().all(|value| *value == Some(7.0)));
    assert!(values(&full(of("odd", "other"))).iter().all(|value| *value == Some(1.0)), "each is like itself");
    let why = SignalFailure::Work.to_string();
    let is_cut = |decision: &&Decision| decision.signals[0].problem.as_deref() == Some(&why);
    let cut: Vec<_> = of("even", "other").into_iter().filter(is_cut).collect();
    assert!(cut.len() >= 6, "{} of {closes}", cut.len());
    assert!(cut.iter().all(|decision| decision.signals[0].value.is_none()), "although absent is zero");

    let [trouble] = seen.trouble.as_slice() else { panic!("one signal: {:?}", seen.trouble) };
    assert_eq!(
        (trouble.name.as_str(), trouble.target.agent.as_str(), trouble.failure),
        ("alike", "even", SignalFailure::Work)
    );
    assert_eq!(trouble.evaluations, cut.len() as u64);
    assert!(trouble.detail.contains("joins yield more than 200000 rows"), "{}", trouble.detail);
}

/// A signal may ask how much of the load is slower than a level, which no percentile says. Windows carry sketches for it,
/// also where those that are published carry none.
#[test]
fn a_signal_sees_sketches_that_nobody_publishes() {
    let documents = [
        signal("slow_share", "SELECT fraction_over(response_time_ms_sketch, 60.0) AS value FROM windows"),
        policy("sql", "live", &["{signal: slow_share, type: value, target: 0.2}"]),
    ];
    let mut checked = 0;
    for seed in 0..SEEDS {
        let with = |sketches| {
            let mut scenario = scenario(seed);
            scenario.windows[0].sketches = sketches;
            decided(&scenario, &documents)
        };
        let (unpublished, published) =
            (with(Sketches::default()), with(Sketches { agent: true, instance: true, sums: false }));
        assert!(unpublished.courses == published.courses, "seed {seed}");
        assert!(unpublished.windows.values().flatten().all(|window| window.sketches.is_empty()), "seed {seed}");
        for (target, course) in &published.courses {
            // Where nobody is ready nothing is measured.
            for decision in course.decisions.iter().filter(|decision| decision.current_instances > 0) {
                let windows = published.windows.get(&(target.clone(), decision.window.end));
                let of_agent = windows.and_then(|windows| windows.iter().find(|window| window.instance.is_none()));
                let sketch = of_agent.and_then(|window| window.sketches.get("response_time_ms"));
                let sketch = sketch.map(|bytes| Sketch::from_bytes(bytes.as_slice()).expect("a sketch of ours"));
                let want = sketch.and_then(|sketch| sketch.fraction_over(60.0));
                assert!(is_near(decision.signals[0].value, want), "seed {seed}: {decision:?}, want {want:?}");
                checked += usize::from(want.is_some_and(|share| share > 0.0 && share < 1.0));
            }
        }
    }
    eprintln!("{checked} shares");
    assert!(checked > 100, "{checked}");
}
