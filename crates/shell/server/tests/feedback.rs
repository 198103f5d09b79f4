//! What actuators say, through a real broker: into the journal of each target's own partition, known to a run, its
//! restart and a replay alike; what cannot be so is set aside.
//!
//! ```text
//!  telemetry ─► run ─► decisions ─► (this test) ─► scaling events ─► run, killed and started again ─► alerts
//!                                                                └─► replay --verify: the same bytes?
//! ```

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::actuation::{self, event};
use support::broker::{Broker, say};
use support::delivery::{self, Sent, Telemetry};
use support::process::Deployment;
use support::run::decoded;
use support::{fleet, http};
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::{JournalRecord, journal};
use tidegauge_kafka::writer::Record;
use tidegauge_model::{AlertState, AlertTransition, Decision, EventTime, Mode, ScalingEvent, ScalingState, Target};
use tidegauge_wire::{Encoding, Framing};

const SEED: u64 = 0x6665_6564;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: u32 = 8;
/// Telemetry comes in so many portions, of several windows each.
const PORTIONS: usize = 6;

const SETTINGS: &str = "\
time: {allowed_lateness: 0s, idle_after: 24h, stall_after: 24h, max_skew: 24h}
windows: [{size: 1m}]
policies: {paths: [policies]}
http: {listen: \"127.0.0.1:0\"}
";

const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: p, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  objectives: [{metric: gpu_utilization_of_limit, type: utilization, target: 0.1}]
  max_instances: 40
";

struct Scene {
    broker: Broker,
    topic: String,
    rows: Vec<Sent>,
    deployment: Deployment,
}

impl Scene {
    fn feed(&self, portion: usize) {
        delivery::send_portion(&self.broker, &self.topic, &self.rows, (portion, PORTIONS));
    }

    /// The latest live decision about each target that changes anything.
    fn changes(&self) -> BTreeMap<Target, Decision> {
        let mut latest = BTreeMap::new();
        self.broker.read(&self.deployment.topic("decisions"), |record| {
            let decision: Decision = decoded(&record);
            if decision.mode == Mode::Live && decision.desired_instances != decision.current_instances {
                latest.insert(decision.target.clone(), decision);
            }
        });
        latest
    }

    fn tell(&self, events: impl IntoIterator<Item = ScalingEvent>, encoding: Encoding) {
        let events: Vec<ScalingEvent> = events.into_iter().collect();
        actuation::tell(&self.broker, &self.deployment.topic("scaling_events"), &events, encoding);
    }

    fn events(&self) -> Vec<(i32, ScalingEvent)> {
        let mut events = Vec::new();
        self.broker.read(&self.deployment.topic("shuffle"), |record| {
            let value = record.value.as_deref().unwrap_or_default();
            if let JournalRecord::Event(event) = journal::decode(value).expect("a journal record") {
                events.push((record.partition, *event));
            }
        });
        events
    }

    /// Targets whose last actuation is known to have failed, as alerts say.
    fn failed(&self) -> BTreeSet<Target> {
        let mut failed = BTreeSet::new();
        self.broker.read(&self.deployment.topic("alerts"), |record| {
            let told: AlertTransition = decoded(&record);
            if told.rule == "ScalingFailed" && told.to == AlertState::Firing {
                failed.insert(told.target);
            }
        });
        failed
    }
}

#[test]
fn what_actuators_say_is_known_after_a_kill_and_in_a_replay() {
    let Some(broker) = Broker::find("what_actuators_say_is_known_after_a_kill_and_in_a_replay") else { return };
    let rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(72, SEED)), SEED);
    let rows = delivery::place(rows.into_iter().filter(|row| !row.instance.is_empty()).collect());
    let topic = Telemetry::create(&broker);
    let deployment = Deployment::new(&broker, &topic, SETTINGS, &[("policies/p.yaml", POLICY)]);
    deployment.succeed(&["topics", "ensure", "--scaling-events"]);
    let scene = Scene { broker, topic, rows, deployment };
    let mut process = scene.deployment.start(&["run"], &[]);
    scene.feed(0);
    process.wait_until("decisions that change something", || !scene.changes().is_empty());
    let decisions = scene.changes();

    // Avro or JSON, twice, of nobody, by a clock of next year, and what is none at all.
    let avro = Encoding::Avro(Framing::SingleObject);
    let all_are = |state, after| decisions.values().map(move |decision| event(decision, state, after));
    let one = decisions.values().next().expect("a decision");
    let unknown = ScalingEvent { generation: Some(1 << 40), decision_id: None, ..event(one, ScalingState::Started, 1) };
    let ahead = ScalingEvent { state_at: EventTime::from_secs(4_000_000_000), ..unknown.clone() };
    scene.tell(all_are(ScalingState::Accepted, 1), avro);
    scene.tell(all_are(ScalingState::Failed, 5), Encoding::Json);
    scene.tell([event(one, ScalingState::Failed, 5), unknown, ahead], avro);
    let nothing =
        Record { topic: &scene.deployment.topic("scaling_events"), value: Some(b"nothing"), ..Record::default() };
    let writer = scene.broker.writer();
    writer.send(&nothing).and_then(|()| writer.flush()).expect("it is stored");
    let told = 2 * decisions.len() + 2;
    process.wait_until("all of it in the journal", || scene.events().len() == told);
    for (partition, event) in scene.events() {
        let home = shuffle_partition(&event.target.own_domain(), SHUFFLE_PARTITIONS);
        assert_eq!(partition, home.cast_signed(), "{event:?}");
    }
    let dead_letters = scene.broker.records(&scene.deployment.topic("dead_letters"));
    let codes: BTreeSet<String> = dead_letters.iter().map(|record| record.header("tidegauge.error.code")).collect();
    assert_eq!(codes, ["event_time_future".to_owned(), "malformed".to_owned()].into());
    let address = http::address(&mut process);
    process.wait_until("what is odd is counted", || {
        let metrics = http::get(address, "/metrics").1;
        let counted = |reason: &str| metrics.contains(&format!("odd_total{{reason=\"{reason}\"}} 1\n"));
        counted("repeated") && counted("unknown_decision")
    });

    // Killed before anything is decided on it: the next life knows it all the same.
    process.kill();
    let mut process = scene.deployment.start(&["run"], &[]);
    (1..PORTIONS).for_each(|portion| scene.feed(portion));
    let all: BTreeSet<Target> = decisions.keys().cloned().collect();
    process.wait_until("an alert for each target", || scene.failed().is_superset(&all));
    assert_eq!(scene.events().len(), told, "once each");
    process.terminate();
    scene.deployment.succeed(&["replay", "--verify"]);
    say(&format!("{} targets, {told} events in the journal, {} dead letters", all.len(), dead_letters.len()));
}
