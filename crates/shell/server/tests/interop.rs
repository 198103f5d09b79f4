//! Programs of others that act on decisions: KEDA's scaler code, KEDA whole, and a control plane of Kubernetes whose pods
//! become ready. `scripts/interop` runs these, with a broker; a part that is not there is skipped, aloud.

mod support;

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::actuation::{decision, feedback, keda_address, now, publish};
use support::broker::{Broker, say, unique};
use support::control_plane::{ControlPlane, Pods, is_installed};
use support::process::{Deployment, Process};
use tidegauge_kafka::writer::Record;
use tidegauge_model::{Decision, InstanceState, Metric, ScalingEvent};
use tidegauge_wire::{Framing, Output as _, SampleEncoder, SampleRow};

const PATIENCE: Duration = Duration::from_secs(90);
const LONG: Duration = Duration::from_secs(600);

fn deployment(broker: &Broker, settings: &str, files: &[(&str, &str)]) -> (Deployment, String) {
    let telemetry = unique("telemetry");
    broker.create_telemetry(&telemetry, 1, &[]);
    let deployment = Deployment::new(broker, &telemetry, settings, files);
    deployment.succeed(&["topics", "ensure", "--scaling-events"]);
    (deployment, telemetry)
}

/// As `run` publishes it: to all who follow, and to who wants to know what stands.
fn decide(broker: &Broker, deployment: &Deployment, decision: &Decision) {
    for topic in ["decisions", "decisions_current"] {
        publish(broker, &deployment.topic(topic), std::slice::from_ref(decision));
    }
}

/// A decision about agent 0 for so many instances.
fn wanting(generation: u64, desired: u32) -> Decision {
    Decision { desired_instances: desired, ..decision(0, generation, LONG) }
}

fn probe(what: &str, address: SocketAddr, agent: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/parts/keda");
    let mut command = Command::new(script);
    let metadata = [format!("agent={agent}"), "workspace=w".to_owned()];
    command.args(["probe", what, &address.to_string()]).args(metadata).stdin(Stdio::null());
    command
}

/// What KEDA's operator would learn, once: its JSON lines, or what it complained of.
fn asked(address: SocketAddr, agent: &str) -> Result<Vec<Value>, String> {
    let output = probe("ask", address, agent).output().expect("the probe");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    if output.status.success() { Ok(lines) } else { Err(err.into_owned()) }
}

/// Activity as KEDA's operator hears of it, with the time in milliseconds.
struct Followed {
    child: Child,
    lines: Receiver<(bool, i64)>,
}

impl Followed {
    fn start(address: SocketAddr, agent: &str) -> Self {
        let mut child = probe("follow", address, agent).stdout(Stdio::piped()).spawn().expect("the probe");
        let (lines, (said, heard)) = (BufReader::new(child.stdout.take().expect("a pipe")).lines(), channel());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                let active = line["active"].as_bool().expect("activity");
                let _ = said.send((active, line["at_ms"].as_i64().expect("a time")));
            }
        });
        Self { child, lines: heard }
    }

    /// When it was first told so.
    fn wait_for(&self, active: bool) -> i64 {
        let begin = Instant::now();
        loop {
            let left = PATIENCE.checked_sub(begin.elapsed()).expect("it is told in time");
            let (told, at_ms) = self.lines.recv_timeout(left).expect("it is told");
            if told == active {
                return at_ms;
            }
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn kedas_own_scaler_is_told_what_was_decided_and_pushed_to() {
    let test = "kedas_own_scaler_is_told_what_was_decided";
    let Some(broker) = Broker::find(test) else { return };
    if !is_installed(test, "keda", &["probe"]) {
        return;
    }
    let (deployment, _) = deployment(&broker, "", &[]);
    decide(&broker, &deployment, &wanting(3, 4));
    decide(&broker, &deployment, &Decision { expires_at: now(), ..decision(1, 1, LONG) });
    let mut process = deployment.start(&["actuate", "keda", "--listen", "127.0.0.1:0"], &[]);
    let address = keda_address(&mut process);

    let lines = asked(address, "agent-0").expect("an answer");
    let metric = &lines[0]["spec"]["external"];
    assert_eq!(metric["metric"]["name"], "s0-tidegauge-desired-instances", "{lines:?}");
    assert_eq!((&metric["target"]["type"], &metric["target"]["averageValue"]), (&"AverageValue".into(), &"1".into()));
    assert_eq!((lines[1]["value"].as_f64(), &lines[2]["active"]), (Some(4.0), &true.into()), "{lines:?}");
    for (agent, why) in [("agent-1", "was valid until"), ("agent-2", "no live decision")] {
        let error = asked(address, agent).expect_err(agent);
        assert!(error.contains(why), "{agent}: {error}");
    }

    let followed = Followed::start(address, "agent-0");
    followed.wait_for(true);
    let mut slowest_ms = 0;
    for (generation, desired) in [(4, 0), (5, 2), (6, 0), (7, 3)] {
        let begin_ms = now().as_millis();
        decide(&broker, &deployment, &wanting(generation, desired));
        slowest_ms = slowest_ms.max(followed.wait_for(desired > 0) - begin_ms);
    }

    // With the stream open, as KEDA leaves it.
    process.terminate();
    say(&format!("KEDA's scaler: activity is pushed within {slowest_ms} ms of a decision"));
}

#[test]
fn a_scaled_object_makes_a_deployment_follow_the_decisions() {
    let test = "a_scaled_object_makes_a_deployment_follow_the_decisions";
    let Some(broker) = Broker::find(test) else { return };
    let Some(cluster) = ControlPlane::start(test, true) else { return };
    let (deployment, _) = deployment(&broker, "", &[]);
    cluster.deployment("agents", 2);
    let pods = cluster.pods("agents");
    let mut process = deployment.start(&["actuate", "keda", "--listen", "127.0.0.1:0"], &[]);
    let address = keda_address(&mut process);
    let events = || cluster.kubectl(&["get", "events,scaledobjects,horizontalpodautoscalers", "--output", "wide"]);
    let patience = Duration::from_secs(180);
    pods.wait_for(2, patience, events);
    decide(&broker, &deployment, &wanting(1, 5));
    cluster.apply(&format!(
        "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: agents, namespace: default}}
spec:
  scaleTargetRef: {{name: agents}}
  pollingInterval: 2
  cooldownPeriod: 3
  minReplicaCount: 0
  maxReplicaCount: 20
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}
  triggers:
    - type: external-push
      metadata: {{scalerAddress: \"{address}\", agent: agent-0, workspace: w}}
"
    ));
    for (generation, desired) in [(1, 5), (2, 9), (3, 3), (4, 0), (5, 2)] {
        if generation > 1 {
            decide(&broker, &deployment, &wanting(generation, desired));
        }
        let took = pods.wait_for(desired as usize, patience, events);
        say(&format!("KEDA: {desired} pods are ready {:.1} s after the decision", took.as_secs_f64()));
    }
    process.terminate();
}

/// What keeps utilization at 0.7. After each change it waits until no sample of before is left in the window.
const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: loop, version: 1}
spec:
  match: {agents: [planner]}
  window: {size: 3s, slide: 1s}
  objectives: [{signal: cpu, of: limit, target: 0.7}]
  min_instances: 1
  max_instances: 20
  behavior:
    scale_up: {cooldown: 4s, stabilization_window: 0s, policies: [{type: percent, value: 100, period: 1s}]}
    scale_down: {stabilization_window: 60s}
";
/// Cores that the load takes: 8 pods of one core are busy for 0.7 of their time.
const LOAD_CORES: f64 = 5.6;

/// Each pod that is ready says twice a second how busy it is, until told to stop.
fn report(broker: &Broker, topic: &str, pods: &Pods, load_cores: impl Fn() -> f64, stop: &AtomicBool) {
    let (writer, encoder) = (broker.writer(), SampleEncoder::new());
    while !stop.load(Ordering::Acquire) {
        let ready = pods.ready();
        let busy = (load_cores() / ready.len().max(1) as f64).min(1.0);
        for pod in ready {
            let row = SampleRow {
                event_time: now(),
                workspace: "default".into(),
                agent: "planner".into(),
                instance: pod,
                entity: None,
                region: None,
                state: Some(InstanceState::Ready),
                ready_at: None,
                attributes: [].into(),
                metrics: vec![(Metric::named("cpu_utilization_of_limit"), busy)],
                counters: Vec::new(),
                top_keys: Vec::new(),
            };
            let mut value = Vec::new();
            encoder.encode(&row, Framing::SingleObject, &mut value);
            writer.send(&Record { topic, value: Some(&value), ..Record::default() }).expect("a record");
        }
        writer.flush().expect("it is stored");
        sleep(Duration::from_millis(500));
    }
}

#[test]
fn telemetry_leads_to_pods_that_are_ready_and_each_stage_is_timed() {
    let test = "telemetry_leads_to_pods_that_are_ready";
    let Some(broker) = Broker::find(test) else { return };
    let Some(cluster) = ControlPlane::start(test, false) else { return };
    cluster.deployment("planner", 2);
    let pods = cluster.pods("planner");
    pods.wait_for(2, PATIENCE, String::new);
    let settings = format!(
        "time: {{pane: 1s, disorder: 500ms, idle_after: 1s}}\n\
         windows: [{{size: 3s, slide: 1s}}]\n\
         policies: {{paths: [loop.yaml]}}\n\
         actuate: {{kubernetes: {{kubeconfig: '{}', workloads: [{{agent: planner, namespace: default}}]}}}}\n",
        cluster.actuator().display()
    );
    let (deployment, telemetry) = deployment(&broker, &settings, &[("loop.yaml", POLICY)]);
    let (stop, is_loaded) = (AtomicBool::new(false), AtomicBool::new(false));
    let load = || if is_loaded.load(Ordering::Acquire) { LOAD_CORES } else { 1.4 };
    std::thread::scope(|scope| {
        scope.spawn(|| report(&broker, &telemetry, &pods, load, &stop));
        let stop = StopOnExit(&stop);
        let run = deployment.start(&["run"], &[]);
        let mut actuate = deployment.start(&["actuate", "kubernetes"], &[]);
        let begin = Instant::now();
        while !actuate.log().contains("assigned") || broker.records(&deployment.topic("windows")).is_empty() {
            assert!(begin.elapsed() < PATIENCE, "{}\n{}", run.log(), actuate.log());
            actuate.assert_runs();
            sleep(Duration::from_millis(100));
        }
        let (step_at, step_ms) = (Instant::now(), now().as_millis());
        is_loaded.store(true, Ordering::Release);
        let logs = || format!("{}\n{}", run.log(), actuate.log());
        let took = pods.wait_for(8, PATIENCE, logs);
        say(&format!("from the load step until 8 pods are ready: {:.1} s", took.as_secs_f64()));
        let events = said_of_planner(&broker, &deployment);
        tell_stages(&broker, &deployment, &events, &pods, (step_at, step_ms));
        // What was asked for is enough: nothing more happens.
        sleep(Duration::from_secs(8));
        assert_eq!(pods.ready().len(), 8, "{}", logs());
        drop(stop);
        stopped(run, actuate);
    });
}

fn stopped(run: Process, actuate: Process) {
    actuate.terminate();
    run.terminate();
}

/// Stops who reports, however the test ends.
struct StopOnExit<'a>(&'a AtomicBool);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The last attempt's events once it is applied, after those of the others.
fn said_of_planner(broker: &Broker, deployment: &Deployment) -> Vec<Vec<ScalingEvent>> {
    let begin = Instant::now();
    loop {
        let attempts = feedback(broker, &deployment.topic("scaling_events"));
        let mut attempts: Vec<_> = attempts.into_values().collect();
        attempts.sort_by_key(|events| events[0].generation);
        let ends = |events: &Vec<ScalingEvent>| events.last().is_some_and(|event| event.state.is_final());
        let applied = |events: &Vec<ScalingEvent>| events.last().is_some_and(|event| event.instances_after == Some(8));
        if attempts.last().is_some_and(|last| ends(last) && applied(last)) {
            assert!(attempts.iter().all(ends), "each has its last word: {attempts:?}");
            return attempts;
        }
        assert!(begin.elapsed() < PATIENCE, "{attempts:?}");
        sleep(Duration::from_millis(200));
    }
}

/// Says of each change how long after its window's end it was decided, set, and ready; of its pods, when they were placed.
fn tell_stages(
    broker: &Broker,
    deployment: &Deployment,
    attempts: &[Vec<ScalingEvent>],
    pods: &Pods,
    (step_at, step_ms): (Instant, i64),
) {
    let records = broker.records(&deployment.topic("decisions"));
    let published = |generation: Option<u64>| {
        records.iter().find_map(|record| {
            let decision = Decision::decode(record.value.as_deref()?).ok()?;
            (Some(decision.generation) == generation).then_some((decision.window.end.as_millis(), record.timestamp_ms?))
        })
    };
    for events in attempts {
        let last = events.last().expect("it has ended");
        let (Some((window_ms, decided_ms)), Some(started), Some(ended)) =
            (published(last.generation), last.started_at, last.completed_at)
        else {
            continue;
        };
        let (started_ms, ended_ms) = (started.as_millis(), ended.as_millis());
        // Pods that were made for it, on the same clock.
        let at_ms =
            |at: Instant| step_ms + i64::try_from(at.saturating_duration_since(step_at).as_millis()).expect("soon");
        let made: Vec<_> =
            pods.now().into_values().filter(|pod| (started_ms..=ended_ms).contains(&at_ms(pod.made))).collect();
        let latest =
            |when: fn(&support::control_plane::Pod) -> Option<Instant>| made.iter().filter_map(when).map(at_ms).max();
        let after = |at_ms: Option<i64>| at_ms.map_or("-".to_owned(), |at_ms| format!("{} ms", at_ms - started_ms));
        say(&format!(
            "generation {:?}, {:?} to {:?}: {:?}; window closed to decided {} ms, decided to begun {} ms, begun to made {}, \
             scheduled {}, ready {}, said {} ms",
            last.generation.unwrap_or_default(),
            last.instances_before.unwrap_or_default(),
            last.instances_after.unwrap_or_default(),
            last.state,
            decided_ms - window_ms,
            started_ms - decided_ms,
            after(latest(|pod| Some(pod.made))),
            after(latest(|pod| pod.scheduled)),
            after(latest(|pod| pod.ready)),
            ended_ms - started_ms,
        ));
    }
}
