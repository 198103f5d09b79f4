//! Signals of SQL through a real broker: decisions on them are those that a naive computation gives, a replay finds the
//! same, and a signal that is taken into force by a reload holds from its place of the journal on.

mod binary;
mod support;

use binary::tidegauge;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::broker::{Broker, say};
use support::delivery::{self, Telemetry};
use support::process::{Deployment, Process};
use support::replayed::{middle, verified};
use support::run::{Run, Setup, Workers, decoded};
use support::{decided, fleet, http, sequence};
use tidegauge_engine::{JournalRecord, journal};
use tidegauge_model::{AlertState, AlertTransition, Decision, WindowSummary};
use tidegauge_policy::{SignalValue, SignalValues};

const SEED: u64 = 0x7369_676e;
const METRIC: &str = "gpu_utilization_of_limit";

/// One value of the agent, and one of each instance that was measured twice or more in the window.
const SIGNALS: &str = "\
apiVersion: tidegauge.io/v1
kind: Signal
metadata: {name: gpu_busy, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  sql: |
    SELECT max(gpu_utilization_of_limit_max) * count(gpu_utilization_of_limit_max) AS value
    FROM instances
---
apiVersion: tidegauge.io/v1
kind: Signal
metadata: {name: gpu_of_each, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  sql: |
    SELECT instance_id, 100 * gpu_utilization_of_limit_mean AS value
    FROM instances
    WHERE gpu_utilization_of_limit_count >= 1
";

const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: signals, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  objectives:
    - {signal: gpu_busy, type: average_value, target: 0.12}
    - {signal: gpu_of_each, type: average_value, target: 10, when_absent: zero}
  min_instances: 1
  max_instances: 40
  behavior:
    scale_up: {stabilization_window: 1m}
    scale_down: {stabilization_window: 5m, policies: [{type: instances, value: 4, period: 1m}]}
";

const ALERTS: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: {name: signals, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  rules:
    - {name: busy, signal: {kind: signal, name: gpu_busy}, above: 0.4, for: 1m}
    - {name: busy_instance, by: instance, signal: {kind: signal, name: gpu_of_each}, above: 30}
";

/// What the SELECTs mean, written by hand.
fn naive(_: &WindowSummary, instances: &[WindowSummary]) -> SignalValues {
    let gauges = || instances.iter().filter_map(|window| Some((window.instance.clone()?, window.gauges.get(METRIC)?)));
    let most = gauges().map(|(_, gauge)| gauge.max).fold(f64::MIN, f64::max);
    let of_agent = SignalValue::Agent(gauges().next().is_some().then(|| most * gauges().count() as f64));
    let of_each = gauges().map(|(instance, gauge)| (instance, 100.0 * gauge.mean)).collect();
    [("gpu_busy".to_owned(), of_agent), ("gpu_of_each".to_owned(), SignalValue::Instances(of_each))]
        .into_iter()
        .collect()
}

fn setup(each_stage: u32, batch: u32) -> Setup {
    let more = "signals: {paths: [signals.yaml]}\n";
    let workers = Workers { each_stage, batch };
    Setup { policy: POLICY, alerts: ALERTS, more, ..Setup::first_light(workers) }
}

fn deployed(broker: &Broker, telemetry: &Arc<Telemetry>, each_stage: u32, batch: u32) -> Run {
    let deployment = setup(each_stage, batch).deploy_with(broker, &telemetry.topic, &[("signals.yaml", SIGNALS)]);
    Run::to_the_end(broker, Arc::clone(telemetry), deployment)
}

/// The generated fleet, sent and run once with two workers of each stage.
fn run(test: &str) -> Option<&'static Run> {
    static RUN: OnceLock<Run> = OnceLock::new();
    let broker = Broker::find(test)?;
    Some(RUN.get_or_init(|| {
        let rows = fleet::generated(fleet::TICKS, SEED);
        let telemetry = Arc::new(Telemetry::fill(&broker, delivery::order(rows, SEED)));
        deployed(&broker, &telemetry, 2, 10_000)
    }))
}

#[test]
fn decisions_on_signals_are_those_of_a_naive_computation() {
    let test = "decisions_on_signals_are_those_of_a_naive_computation";
    let Some(run) = run(test) else { return };
    let tally = decided::check_with_signals(test, run, POLICY, naive);
    assert!(tally.ups >= 10 && tally.downs >= 10, "{tally:?}");
    let (fired, resolved) = decided::check_alerts(test, run);
    assert!(fired >= 1 && resolved >= 1, "{fired} alerts fired, {resolved} resolved");
    let decisions = run.decisions();
    let named =
        |decision: &Decision| decision.explanation.contains("gpu_busy") || decision.explanation.contains("gpu_of_each");
    assert!(decisions.iter().any(named), "an explanation names its signal: {:?}", decisions.first());
    assert_alerts_are_right(run);
}

/// Whatever fires is above its threshold in the window that it fired on.
fn assert_alerts_are_right(run: &Run) {
    let mut windows: BTreeMap<_, Vec<WindowSummary>> = BTreeMap::new();
    run.windows(|window| {
        if window.range.length() == Duration::from_secs(60) && window.instance.is_some() {
            windows.entry((window.target.clone(), window.range.end)).or_default().push(window);
        }
    });
    let fires = |alert: &&AlertTransition| alert.to == AlertState::Firing && alert.value.is_some();
    let alerts = run.alerts();
    for alert in alerts.iter().filter(fires) {
        let instances =
            windows.get(&(alert.target.clone(), alert.at)).unwrap_or_else(|| panic!("no window: {alert:?}"));
        let name = if alert.instance.is_some() { "gpu_of_each" } else { "gpu_busy" };
        let value =
            naive(&instances[0], instances).value(name, alert.instance.as_ref()).expect("an answer").expect("a value");
        let found = alert.value.expect("a value");
        assert!((value - found).abs() < 1e-9 * value.abs(), "{value} by hand, {alert:?}");
    }
}

/// **R1** with signals: from the beginning and from the middle, whatever the workers; and another run says the same.
#[test]
fn runs_with_signals_are_repeated_and_replayed() {
    let test = "runs_with_signals_are_repeated_and_replayed";
    let Some(run) = run(test) else { return };
    let all = verified(&run.deployment, &["--workers", "1"]);
    assert!(all[..3].iter().all(|&count| count > 0), "{all:?}");
    assert_eq!(verified(&run.deployment, &["--workers", "3"]), all);
    let (middle, _) = middle(&run.broker, &run.deployment);
    assert!(verified(&run.deployment, &["--from", &middle, "--workers", "2"])[1] > 0);
    let other = deployed(&run.broker, &run.telemetry, 1, 97);
    sequence::assert_same(run, &other, "two workers, and one with small batches");
}

/// What is there to begin with plans, and `validate` says what it gives and what it costs.
#[test]
fn examples_are_sound_and_say_what_they_cost() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let examples = concat!("signals.paths=[", env!("CARGO_MANIFEST_DIR"), "/../../../examples/signals]");
    let outcome = tidegauge(here.path(), &["validate", "--set", examples, "--output", "json"], &[]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let found: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    for (name, gives) in [
        ("backlog", "one value of an agent"),
        ("hot_share", "one value of an agent"),
        ("slow_share", "one value of an agent"),
        ("slowness", "a value of each instance"),
    ] {
        let checks = found["checks"].as_array().expect("a list");
        let check = checks.iter().find(|check| check["check"] == format!("signal {name}")).expect("its check");
        let detail = check["detail"].as_str().unwrap_or_default();
        assert!(detail.starts_with(gives) && detail.ends_with(" ms at 10000 instances"), "{check}");
    }
    let generated = tidegauge(here.path(), &["generate", "signal"], &[]).stdout;
    assert!(generated.contains("kind: Signal") && generated.contains("hot_share"), "{generated}");
}

/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: usize = 8;
/// What has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process runs without signals; a reload brings one, and a policy and a rule that name it. Then the signal changes with
/// a higher version, and one that cannot hold is refused whole.
#[test]
fn a_reload_brings_a_signal_and_what_names_it() {
    let test = "a_reload_brings_a_signal_and_what_names_it";
    let Some(broker) = Broker::find(test) else { return };
    let topic = Telemetry::create(&broker);
    let settings = "\
        time: {allowed_lateness: 0s, idle_after: 24h, stall_after: 24h, max_skew: 24h}\n\
        windows: [{size: 1m}]\n\
        policies: {paths: [policies]}\n\
        signals: {paths: [signals]}\n\
        http: {listen: \"127.0.0.1:0\"}\n";
    let plain = POLICY.replace(
        "{signal: gpu_busy, type: average_value, target: 0.12}",
        "{metric: gpu_utilization_of_limit, type: utilization, target: 0.1}",
    );
    let plain = plain.replace("    - {signal: gpu_of_each, type: average_value, target: 10, when_absent: zero}\n", "");
    let signals = SIGNALS.replace("gpu_of_each", "unused");
    let files = [("policies/p.yaml", plain.as_str()), ("signals/s.yaml", signals.as_str())];
    let deployment = Deployment::new(&broker, &topic, settings, &files);
    let mut process = deployment.start(&["run"], &[]);

    let rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(72, SEED)), SEED);
    let sent = delivery::place(rows.into_iter().filter(|row| !row.instance.is_empty()).collect());
    let mut portions = sent.chunks(sent.len().div_ceil(6));
    let decisions = || {
        let mut decisions: Vec<Decision> = Vec::new();
        broker.read(&deployment.topic("decisions"), |record| decisions.push(decoded(&record)));
        decisions
    };
    let mut feed_until = |process: &mut Process, what: &str, done: &dyn Fn(&[Decision]) -> bool| {
        let writer = broker.writer();
        for sent in portions.next().expect("telemetry is left") {
            let mut value = Vec::new();
            sent.row.encode_json(&mut value);
            delivery::send(&writer, &topic, sent.partition, &value);
        }
        writer.flush().expect("all is stored");
        let begin = Instant::now();
        while !done(&decisions()) {
            process.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", process.log());
            sleep(Duration::from_millis(200));
        }
    };
    feed_until(&mut process, "decisions without signals", &|all| all.iter().any(|d| d.policy_version == 1));

    // One that cannot be: the whole reload is refused, and what held goes on.
    let watches = plain.replace("version: 1", "version: 2").replace(
        "{metric: gpu_utilization_of_limit, type: utilization, target: 0.1}",
        "{signal: gpu_busy, type: average_value, target: 0.12}",
    );
    deployment.write("policies/p.yaml", &watches.replace("gpu_busy", "gpu_bussy"));
    process.hang_up();
    process.wait_for_line(&["unknown signal `gpu_bussy`"]);
    deployment.write("policies/p.yaml", &watches);
    process.hang_up();
    in_force(&broker, &deployment, &mut process, "signals", 2);
    feed_until(&mut process, "decisions on the signal", &|all| {
        all.iter().any(|d| d.policy_version == 2 && d.signals[0].name == "gpu_busy" && d.signals[0].value.is_some())
    });
    // A newer SELECT under the same name: the policy is as it was.
    let newer = signals.replace("metadata: {name: gpu_busy, version: 1}", "metadata: {name: gpu_busy, version: 2}");
    deployment.write("signals/s.yaml", &newer.replace("SELECT max", "SELECT 1000 + max"));
    process.hang_up();
    in_force(&broker, &deployment, &mut process, "gpu_busy", 2);
    feed_until(&mut process, "decisions on the newer signal", &|all| {
        all.iter().any(|d| d.policy_version == 2 && d.signals[0].value.is_some_and(|value| value > 10.0))
    });
    let metrics = http::get(http::address(&mut process), "/metrics").1;
    assert!(!metrics.contains("tidegauge_signal_failures_total{"), "no evaluation failed\n{metrics}");
    process.terminate();
    let all = verified(&deployment, &["--workers", "2"]);
    say(&format!("{test}: {all:?}"));
}

/// Waits until that document stands in every shuffle partition.
fn in_force(broker: &Broker, deployment: &Deployment, process: &mut Process, name: &str, version: u32) {
    let begin = Instant::now();
    loop {
        let mut partitions = BTreeSet::new();
        broker.read(&deployment.topic("shuffle"), |record| {
            let value = record.value.as_deref().unwrap_or_default();
            match journal::decode(value).expect("a journal record") {
                JournalRecord::Control(change) if (change.name.as_str(), change.version) == (name, version) => {
                    partitions.insert(record.partition);
                }
                _ => {}
            }
        });
        if partitions.len() == SHUFFLE_PARTITIONS {
            return;
        }
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "{name} version {version} is in {partitions:?} only\n{}", process.log());
        sleep(Duration::from_millis(100));
    }
}
