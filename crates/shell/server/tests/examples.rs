//! The quick starts in `examples/`, as the documentation prints them: telemetry from Python or kcat, this binary, and at
//! the end a decision printed by what a reader would copy.
//!
//! `examples/run` is the driver. Its topics and its group are names of its own, so the broker may be anybody's.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::broker::{Broker, skipped, unique};
use tidegauge_model::{ScalingEvent, ScalingState};
use tidegauge_wire::Output as _;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Runs a script of the repository, without the caller's settings of tidegauge. Its output is a pipe's, as a reader's
/// `| tee` would be.
fn script(path: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(root().join(path));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDEGAUGE")) {
        command.env_remove(name);
    }
    let command = command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Python that `scripts/python-env` made, with what the examples import.
fn python() -> Result<String, String> {
    let output = script("scripts/python-env", &["path"], &[]);
    if !output.status.success() {
        return Err("no Python environment; scripts/python-env make".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A program of the PATH that answers to `argument`.
fn program(name: &str, argument: &str) -> Result<(), String> {
    let mut command = Command::new(name);
    let answered = command.arg(argument).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if answered { Ok(()) } else { Err(format!("no {name}; on Debian and Ubuntu: sudo apt-get install {name}")) }
}

/// Says aloud that a part is missing; where `TIDEGAUGE_REQUIRE_PARTS` is 1 that is a failure.
fn missing(test: &str, why: &str) {
    let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").is_ok_and(|value| value == "1");
    assert!(!required, "{test}: {why}, and TIDEGAUGE_REQUIRE_PARTS is 1");
    skipped(test, why);
}

/// Runs an example to its end; what it printed.
fn run(broker: &Broker, arguments: &[&str], python: &str) -> String {
    run_as(broker, arguments, python, &(unique("examples") + "."))
}

/// The same with topics of that prefix.
fn run_as(broker: &Broker, arguments: &[&str], python: &str, prefix: &str) -> String {
    let environment = [
        ("BOOTSTRAP", broker.address.as_str()),
        ("TIDEGAUGE", env!("CARGO_BIN_EXE_tidegauge")),
        ("PREFIX", prefix),
        ("PYTHON", python),
    ];
    let output = script("examples/run", arguments, &environment);
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "examples/run {arguments:?}: {}\n{said}\n{log}", output.status);
    said.into_owned()
}

/// Whether some line has all of the words.
fn some_line_has(said: &str, words: &[&str]) -> bool {
    said.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

fn quick_start_in_python(test: &str, format: &str) {
    let Some(broker) = Broker::find(test) else { return };
    let python = match python() {
        Ok(python) => python,
        Err(why) => return missing(test, &why),
    };
    let said = run(&broker, &["python", format], &python);
    assert!(some_line_has(&said, &["default/planner scale_up 3 -> ", "above_objective"]), "{said}");
    // The latest decision is recent, so the example carries it out. What is calm stays as it is, until the end of the
    // run is taken for silence.
    assert!(some_line_has(&said, &["-> planner shall have "]), "{said}");
    assert!(!some_line_has(&said, &["default/coder scale_up 3 -> "]), "{said}");
}

#[test]
fn the_quick_start_in_python_ends_with_a_decision() {
    quick_start_in_python("the_quick_start_in_python_ends_with_a_decision", "avro");
}

#[test]
fn the_quick_start_in_python_reads_json_too() {
    quick_start_in_python("the_quick_start_in_python_reads_json_too", "json");
}

/// The example of an actuator carries out what is recent, and what it says of that is read as any actuator's word.
#[test]
fn the_actuator_in_python_says_what_came_of_a_decision() {
    let test = "the_actuator_in_python_says_what_came_of_a_decision";
    let Some(broker) = Broker::find(test) else { return };
    let python = match python() {
        Ok(python) => python,
        Err(why) => return missing(test, &why),
    };
    let prefix = unique("examples") + ".";
    let said = run_as(&broker, &["actuator"], &python, &prefix);
    let records = broker.records(&format!("{prefix}scaling_events"));
    let events: Vec<ScalingEvent> = records
        .iter()
        .map(|record| ScalingEvent::decode(record.value.as_deref().expect("a value")).expect("a scaling event"))
        .collect();
    let of_planner = events.iter().find(|event| event.target.agent.as_str() == "planner");
    let event = of_planner.unwrap_or_else(|| panic!("{events:?}\n{said}"));
    assert_eq!((event.state, event.success), (ScalingState::Applied, Some(true)));
    assert!(event.decision_id.is_some() && event.generation.is_some() && event.completed_at.is_some(), "{event:?}");
    let line = format!("planner shall have {} instances", event.instances_after.expect("a count"));
    assert!(said.lines().any(|said| said == line), "{line} in\n{said}");
}

#[test]
fn the_quick_start_with_kcat_ends_with_a_decision() {
    let test = "the_quick_start_with_kcat_ends_with_a_decision";
    let Some(broker) = Broker::find(test) else { return };
    if let Err(why) = program("kcat", "-V").and_then(|()| program("jq", "--version")) {
        return missing(test, &why);
    }
    let said = run(&broker, &["kcat"], "");
    assert!(some_line_has(&said, &["default/planner scale_up 3 -> ", "generation"]), "{said}");
}
