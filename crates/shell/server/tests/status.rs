//! `tidegauge status` against a real broker: before a run, after one, and for a target that nobody has heard of; and the
//! forms in which commands show what is on a broker.

mod binary;
mod support;

use binary::tidegauge;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use support::broker::Broker;
use support::delivery::{self, PARTITIONS, Telemetry};
use support::fleet;
use support::process::Deployment;
use support::run::{POLICY, Run, Workers};
use tidegauge_model::Decision;

const SEED: u64 = 0x7374_6174;
const WORKERS: Workers = Workers { each_stage: 1, batch: 10_000 };

/// A few minutes of the generated fleet.
fn telemetry(broker: &Broker) -> Arc<Telemetry> {
    let rows = fleet::rows_of_trace(&fleet::generate_trace(40, SEED));
    let rows = rows.into_iter().filter(|row| !row.instance.is_empty()).collect();
    Arc::new(Telemetry::fill(broker, delivery::order(rows, SEED)))
}

fn json(deployment: &Deployment, arguments: &[&str]) -> Value {
    let line = deployment.succeed(&[&["status", "--output", "json"], arguments].concat()).stdout;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// What does not hold, in order.
fn missing(status: &Value) -> Vec<&str> {
    let steps = status["steps"].as_array().expect("steps");
    steps.iter().filter(|step| step["holds"] == false).filter_map(|step| step["what"].as_str()).collect()
}

#[test]
fn status_before_and_after_a_run() {
    let Some(broker) = Broker::find("status_before_and_after_a_run") else { return };
    let telemetry = telemetry(&broker);

    let settings = "windows: [{size: 1m}, {size: 1m, slide: 10s}]\npolicies: {paths: [policy.yaml]}\n";
    let before = Deployment::new(&broker, &telemetry.topic, settings, &[("policy.yaml", POLICY)]);
    let status = json(&before, &["--target", "default/planner"]);
    assert_eq!(missing(&status)[0], "first stage", "{status:#}");
    assert!(before.succeed(&["status"]).stdout.contains("The journal holds nothing yet."));

    let run = Run::of(&broker, Arc::clone(&telemetry), WORKERS);
    let status = json(&run.deployment, &[]);
    let partitions = status["aggregate"]["partitions"].as_array().expect("partitions");
    let ends: i64 = partitions.iter().filter_map(|at| at["end_offset"].as_i64()).sum();
    assert_eq!((partitions.len(), ends), (PARTITIONS as usize, telemetry.sent.len() as i64));
    for stage in ["aggregate", "decide"] {
        for at in status[stage]["partitions"].as_array().expect("partitions") {
            assert!(at["committed_offset"].is_number() && at["reached"].is_string(), "{stage}: {at}");
        }
    }
    let sources = status["journal"]["sources"].as_array().expect("sources");
    assert_eq!(sources.len(), PARTITIONS as usize);
    assert!(sources.iter().all(|source| source["standing"] == "ended"), "{sources:?}");

    let last: Decision = run.decisions().pop().expect("a decision");
    let target = last.target.to_string();
    let table = run.deployment.succeed(&["status"]).stdout;
    assert!(table.matches("Skew: ").count() == 2 && table.contains("The heaviest agent of that shuffle"), "{table}");
    let status = json(&run.deployment, &["--target", &target]);
    // Its event time is of the past, so it expired; all before that holds.
    assert_eq!(missing(&status), ["standing decision"], "{status:#}");
    let newest = run.decisions().into_iter().rfind(|decision| decision.target == last.target).expect("that target's");
    assert_eq!(status["standing"]["generation"], newest.generation);
    // Also where its file is not: what holds is in the journal.
    let elsewhere = json(&run.deployment, &["--target", &target, "--set", "policies.paths=[]"]);
    let policy = |status: &Value| {
        let steps = status["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["what"] == "policy").expect("a step").clone()
    };
    assert_eq!(policy(&elsewhere), policy(&status), "{elsewhere:#}");
    let table = run.deployment.succeed(&["status", "--target", &target]).stdout;
    assert!(table.contains("✓ policy: first-light version 1, windows of 1m by 1m\n"), "{table}");
    assert!(table.lines().last().is_some_and(|line| line.starts_with("No decision to act on, because of")), "{table}");

    let status = json(&run.deployment, &["--target", "default/nobody"]);
    assert_eq!(missing(&status), ["telemetry of the target", "standing decision"], "{status:#}");
    let answer = status["answer"].as_str().unwrap_or_default();
    assert!(answer.contains("no sample of default/nobody among the last"), "{answer}");

    results_have_the_same_names_in_every_form(&run.deployment, &target);
}

/// Names rather than values, some of which are times that pass; and all records of a topic, since which come first is for
/// its partitions to say.
fn results_have_the_same_names_in_every_form(deployment: &Deployment, target: &str) {
    let tail = |what| ["tail", what, "--from", "beginning", "--until-end"];
    let commands: [&[&str]; 10] = [
        &["status"],
        &["status", "--target", target],
        &["state", "show"],
        &["topics", "ensure", "--dry-run"],
        &["validate", "--online"],
        &["replay"],
        &["replay", "--verify"],
        &tail("windows"),
        &tail("decisions"),
        &tail("alerts"),
    ];
    for command in commands {
        let text = |form| deployment.succeed(&[command, &["--output", form]].concat()).stdout;
        let json: Vec<Value> =
            text("json").lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
        let yaml = text("yaml");
        let documents = yaml.split("---\n").filter(|document| !document.is_empty());
        let yaml: Vec<Value> = documents.map(|text| serde_saphyr::from_str(text).expect("a YAML document")).collect();
        assert!(!json.is_empty() && yaml.len() == json.len(), "{command:?}");
        let all = |values: &[Value]| values.iter().flat_map(names).collect::<BTreeSet<_>>();
        assert!(json.iter().all(|value| names(value).len() > 1), "{command:?}");
        assert_eq!(all(&yaml), all(&json), "{command:?}");
        let table = text("table");
        assert!(!table.trim().is_empty() && serde_json::from_str::<Value>(&table).is_err(), "{command:?}: {table}");
    }
}

/// Every name in a value, with those around it.
fn names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) => open.extend(fields.iter().map(|(name, value)| (format!("{path}.{name}"), value))),
            Value::Array(items) => open.extend(items.iter().map(|item| (format!("{path}[]"), item))),
            _ => {}
        }
        names.insert(path);
    }
    names
}

#[test]
fn a_broker_that_is_away_is_the_answer() {
    let away = ["--bootstrap", "127.0.0.1:1", "--set", "kafka.startup_timeout=1s"];
    let outcome = tidegauge(Path::new("."), &[&["status", "--target", "default/x"], &away[..]].concat(), &[]);
    assert_eq!(outcome.code, 69, "{}", outcome.stderr);
    assert!(outcome.stdout.starts_with("✗ broker: no Kafka broker answered at 127.0.0.1:1"), "{}", outcome.stdout);
}
