//! Policies through the journal, against a real broker: what holds came through the shuffle partition that it holds in,
//! and holds from its place there on, whoever restarts, reloads, or has other files.
//!
//! ```text
//!  files ─► SIGHUP or start ─► difference to what holds ─► control record in every shuffle partition ─► decisions after it
//!                                    └─► refused: log, /status, metric
//! ```

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;
use support::broker::{Broker, say};
use support::delivery::{self, Sent, Telemetry};
use support::process::{Deployment, Process};
use support::progress::owners;
use support::run::decoded;
use support::{fleet, http};
use tidegauge_engine::{JournalRecord, journal};
use tidegauge_model::Decision;

const SEED: u64 = 0x7265_6c6f;
/// Partitions of the shuffle topic where the configuration says nothing.
const SHUFFLE_PARTITIONS: usize = 8;
/// Telemetry comes in so many portions, of several windows each.
const PORTIONS: usize = 12;

/// Nothing is left out, however long a process is away.
const SETTINGS: &str = "\
time: {allowed_lateness: 0s, idle_after: 24h, stall_after: 24h, max_skew: 24h}
windows: [{size: 1m}]
policies: {paths: [policies]}
http: {listen: \"127.0.0.1:0\"}
";

fn policy(name: &str, version: u32, mode: &str, target: f64) -> String {
    format!(
        "apiVersion: tidegauge.io/v1\n\
         kind: Policy\n\
         metadata: {{name: {name}, version: {version}}}\n\
         spec:\n  \
           mode: {mode}\n  \
           window: {{size: 1m, slide: 1m}}\n  \
           objectives:\n    \
             - {{metric: gpu_utilization_of_limit, type: utilization, target: {target}}}\n  \
           min_instances: 1\n  \
           max_instances: 40\n"
    )
}

/// A change of control, where it stands.
#[derive(Debug)]
struct Change {
    partition: i32,
    offset: i64,
    name: String,
    version: u32,
    holds: bool,
}

/// A decision, and the journal record that led to it.
struct Decided {
    partition: i32,
    offset: i64,
    decision: Decision,
}

struct Scene {
    broker: Broker,
    topic: String,
    rows: Vec<Sent>,
    portions: usize,
    deployment: Deployment,
}

impl Scene {
    fn new(broker: &Broker, files: &[(&str, &str)]) -> Self {
        let rows = fleet::jittered(fleet::rows_of_trace(&fleet::generate_trace(72, SEED)), SEED);
        let rows = delivery::place(rows.into_iter().filter(|row| !row.instance.is_empty()).collect());
        let topic = Telemetry::create(broker);
        let deployment = Deployment::new(broker, &topic, SETTINGS, files);
        Self { broker: broker.clone(), topic, rows, portions: 0, deployment }
    }

    /// Sends the next few minutes of telemetry.
    fn feed(&mut self) {
        delivery::send_portion(&self.broker, &self.topic, &self.rows, (self.portions, PORTIONS));
        self.portions += 1;
    }

    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.broker.read(&self.deployment.topic("shuffle"), |record| {
            let value = record.value.as_deref().unwrap_or_default();
            if let JournalRecord::Control(change) = journal::decode(value).expect("a journal record") {
                let (name, version, holds) = (change.name, change.version, change.document.is_some());
                changes.push(Change { partition: record.partition, offset: record.offset, name, version, holds });
            }
        });
        changes
    }

    fn decisions(&self) -> Vec<Decided> {
        let mut decisions = Vec::new();
        self.broker.read(&self.deployment.topic("decisions"), |record| {
            let (partition, offset) = record.origin("tidegauge.cause");
            decisions.push(Decided { partition, offset, decision: decoded(&record) });
        });
        decisions
    }

    /// How many decisions a version of a policy has made.
    fn decided(&self, name: &str, version: u32) -> usize {
        let of =
            |decided: &&Decided| (decided.decision.policy.as_str(), decided.decision.policy_version) == (name, version);
        self.decisions().iter().filter(of).count()
    }

    /// Sends telemetry, and waits until it has led to decisions of that version of that policy.
    fn decides(&mut self, process: &mut Process, name: &str, version: u32) {
        let before = self.decided(name, version);
        self.feed();
        process.wait_until(&format!("decisions of {name} version {version}"), || self.decided(name, version) > before);
    }

    /// Waits until that change stands in every shuffle partition.
    fn changed(&self, process: &mut Process, name: &str, version: u32, holds: bool) {
        process.wait_until(&format!("{name} version {version} in every shuffle partition, {holds}"), || {
            let changes = self.changes();
            let is_it =
                |change: &&Change| (change.name.as_str(), change.version, change.holds) == (name, version, holds);
            changes.iter().filter(is_it).map(|change| change.partition).collect::<BTreeSet<_>>().len()
                == SHUFFLE_PARTITIONS
        });
    }

    /// Every decision was made by what held at its place of the journal, where `first` holds from the beginning. Of each
    /// version there was one document, and nobody said the same twice.
    fn assert_decided_by_what_held(&self, first: &[(&str, u32)]) {
        let (changes, mut hashes) = (self.changes(), BTreeMap::new());
        let mut said = BTreeSet::new();
        for Change { partition, name, version, holds, .. } in &changes {
            assert!(said.insert((partition, name, version, holds)), "{changes:?}");
        }
        for Decided { partition, offset, decision } in self.decisions() {
            let mut holds: BTreeMap<&str, u32> = first.iter().copied().collect();
            for change in changes.iter().filter(|change| change.partition == partition && change.offset < offset) {
                holds.remove(change.name.as_str());
                if change.holds {
                    holds.insert(&change.name, change.version);
                }
            }
            let (name, version) = (decision.policy.as_str(), decision.policy_version);
            assert_eq!(holds.get(name), Some(&version), "[{partition}] {offset}: {decision:?}\n{changes:?}");
            let hash = hashes.entry((name.to_owned(), version)).or_insert_with(|| decision.policy_hash.clone());
            assert_eq!(*hash, decision.policy_hash, "{name} version {version} is one document");
        }
    }
}

/// Waits until `/status` says of the last reload that it was refused, and why; the metric must have counted it.
fn wait_for_refusal(process: &mut Process, why: &str, refusals: u32) {
    let address = http::address(process);
    process.wait_until(why, || {
        let status: Value = serde_json::from_str(&http::get(address, "/status").1).expect("JSON");
        let reload = &status["reload"];
        reload["outcome"] == "refused" && reload["text"].as_str().is_some_and(|text| text.contains(why))
    });
    let counted = format!("tidegauge_policy_reloads_total{{outcome=\"refused\"}} {refusals}\n");
    let metrics = http::get(address, "/metrics").1;
    assert!(metrics.contains(&counted), "{counted} in\n{metrics}");
}

#[test]
fn policies_are_changed_taken_away_and_brought_back() {
    let test = "policies_are_changed_taken_away_and_brought_back";
    let Some(broker) = Broker::find(test) else { return };
    let begin = Instant::now();
    let (first, second) = (policy("first", 1, "live", 0.1), policy("second", 1, "shadow", 0.1));
    let files = [("policies/first.yaml", first.as_str()), ("policies/second.yaml", second.as_str())];
    let mut scene = Scene::new(&broker, &files);
    let write = |scene: &Scene, name: &str, text: &str| scene.deployment.write(&format!("policies/{name}.yaml"), text);
    let mut process = scene.deployment.start(&["run"], &[]);
    scene.decides(&mut process, "first", 1);
    assert!(scene.decided("second", 1) > 0 && scene.changes().is_empty(), "both hold from the beginning");

    let newer = policy("first", 2, "live", 0.2);
    write(&scene, "first", &newer);
    process.hang_up();
    scene.changed(&mut process, "first", 2, true);
    scene.decides(&mut process, "first", 2);

    // The same version with another content, and a file that cannot be read: refused, and what held goes on.
    write(&scene, "first", &policy("first", 2, "live", 0.3));
    process.hang_up();
    wait_for_refusal(&mut process, "first: version 2 differs from version 2, which holds; raise it", 1);
    process.wait_for_line(&["not put into force: first: version 2 differs"]);
    write(&scene, "first", &newer.replace("max_instances: 40", "most_instances: 40"));
    write(&scene, "second", &policy("second", 2, "shadow", 0.2));
    process.hang_up();
    wait_for_refusal(&mut process, "first.yaml", 2);
    process.wait_for_line(&["policies and alert rules were not read again, what held goes on holding"]);
    scene.decides(&mut process, "first", 2);
    assert_eq!(scene.changes().len(), SHUFFLE_PARTITIONS, "the file beside the broken one was not taken either");

    // Taken away by a reload, and not brought back by a restart without it.
    write(&scene, "first", &newer);
    let file: PathBuf = write(&scene, "second", &second);
    std::fs::remove_file(&file).expect("it is there");
    process.hang_up();
    scene.changed(&mut process, "second", 1, false);
    scene.decides(&mut process, "first", 2);
    process.terminate();
    let mut process = scene.deployment.start(&["run"], &[]);
    scene.decides(&mut process, "first", 2);
    process.terminate();

    // With the old version it stays away, with a higher one it is back.
    write(&scene, "second", &second);
    let mut process = scene.deployment.start(&["run"], &[]);
    wait_for_refusal(&mut process, "second: version 1 was taken away; it comes back with a higher version", 1);
    write(&scene, "second", &policy("second", 2, "shadow", 0.2));
    process.hang_up();
    scene.changed(&mut process, "second", 2, true);
    scene.decides(&mut process, "second", 2);
    process.terminate();

    // A process that starts without it leaves it in force, and says so; to take it away is asked for.
    std::fs::remove_file(&file).expect("it is there");
    let mut process = scene.deployment.start(&["run"], &[]);
    process.wait_for_line(&["holds, and is not among the files of this process", "second"]);
    scene.decides(&mut process, "second", 2);
    let lines = process.log().matches("is not among the files of this process").count();
    assert_eq!(lines, 1, "once, whatever the partitions");
    process.terminate();
    let mut process = scene.deployment.start(&["run", "--prune"], &[]);
    scene.changed(&mut process, "second", 2, false);
    scene.decides(&mut process, "first", 2);
    process.terminate();

    scene.assert_decided_by_what_held(&[("first", 1), ("second", 1)]);
    say(&format!(
        "{test}: {} changes, {} decisions; {:?}",
        scene.changes().len(),
        scene.decisions().len(),
        begin.elapsed()
    ));
}

/// Two processes with files of two versions: the higher one wins wherever its process comes, and stays.
#[test]
fn processes_with_two_versions_take_no_turns() {
    let test = "processes_with_two_versions_take_no_turns";
    let Some(broker) = Broker::find(test) else { return };
    let begin = Instant::now();
    let (old, new) = (policy("first", 1, "live", 0.1), policy("first", 2, "live", 0.2));
    let mut scene = Scene::new(&broker, &[("policies/old.yaml", &old), ("new.yaml", &new)]);
    let new = scene.deployment.write("new.yaml", &new).display().to_string();
    let mut a = scene.deployment.start(&["run", "--set", "node.id=a"], &[]);
    scene.decides(&mut a, "first", 1);
    let mut b = scene.deployment.start(&["run", "--set", "node.id=b", "--policy", &new], &[]);
    let owned_by_b = |scene: &Scene| {
        let all = owners(&scene.broker, &scene.deployment.group("decide"));
        all.into_iter().filter(|(_, client)| client.starts_with("b-")).map(|(at, _)| at).collect::<BTreeSet<_>>()
    };
    b.wait_until("half of the partitions", || owned_by_b(&scene).len() == SHUFFLE_PARTITIONS / 2);
    let owned = owned_by_b(&scene);
    let is_changed = |scene: &Scene| scene.changes().iter().map(|change| change.partition).collect::<BTreeSet<_>>();
    b.wait_until("the higher version in all of them", || is_changed(&scene) == owned);
    scene.decides(&mut b, "first", 2);
    b.terminate();
    a.wait_for_line(&["not put into force: first: version 1 differs from version 2, which holds; raise it"]);
    scene.decides(&mut a, "first", 2);
    a.terminate();
    assert_eq!(is_changed(&scene), owned, "{:?}", scene.changes());
    assert!(scene.changes().iter().all(|change| change.version == 2 && change.holds), "{:?}", scene.changes());
    scene.assert_decided_by_what_held(&[("first", 1)]);
    say(&format!("{test}: {} decisions; {:?}", scene.decisions().len(), begin.elapsed()));
}
