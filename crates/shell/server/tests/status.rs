//! `tidegauge status` against a real broker: before a run, after one, and for a target that nobody has heard of.

mod binary;
mod support;

use binary::tidegauge;
use serde_json::Value;
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
}

#[test]
fn a_broker_that_is_away_is_the_answer() {
    let away = ["--bootstrap", "127.0.0.1:1", "--set", "kafka.startup_timeout=1s"];
    let outcome = tidegauge(Path::new("."), &[&["status", "--target", "default/x"], &away[..]].concat(), &[]);
    assert_eq!(outcome.code, 69, "{}", outcome.stderr);
    assert!(outcome.stdout.starts_with("✗ broker: no Kafka broker answered at 127.0.0.1:1"), "{}", outcome.stdout);
}
