//! Help of the real binary: every command says what it does, with an example.

mod binary;

use binary::tidegauge;
use std::path::Path;

#[test]
fn every_command_has_help_with_an_example() {
    let commands: &[&[&str]] = &[
        &[],
        &["demo"],
        &["run"],
        &["validate"],
        &["policy"],
        &["policy", "test"],
        &["policy", "lint"],
        &["policy", "import"],
        &["policy", "schema"],
        &["status"],
        &["config"],
        &["config", "show"],
        &["topics"],
        &["topics", "ensure"],
        &["generate"],
        &["generate", "config"],
        &["generate", "policy"],
        &["generate", "policy-test"],
        &["generate", "telemetry"],
        &["produce"],
        &["tail"],
        &["query"],
        &["history"],
        &["history", "write"],
        &["history", "status"],
        &["history", "compact"],
        &["actuate"],
        &["actuate", "dry-run"],
        &["actuate", "webhook"],
        &["actuate", "kubernetes"],
        &["actuate", "keda"],
        &["replay"],
        &["analyze"],
        &["elasticity"],
        &["loadtest"],
        &["loadtest", "analyze"],
        &["loadtest", "series"],
        &["capacity"],
        &["strategy"],
        &["state"],
        &["state", "show"],
        &["state", "reset"],
        &["plan"],
        &["explain"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
        let outcome = tidegauge(Path::new("."), &[command, &["--help"][..]].concat(), &[]);
        assert_eq!(outcome.code, 0, "{command:?}: {}", outcome.stderr);
        let example = format!("tidegauge {}", command.join(" "));
        let has_example = outcome.stdout.split("Examples:").nth(1).is_some_and(|after| after.contains(&example));
        assert!(has_example, "{command:?} has no example of `{example}` in\n{}", outcome.stdout);
    }
}

/// Commands that the tests below know of are all that there are.
#[test]
fn no_command_is_forgotten() {
    let outcome = tidegauge(Path::new("."), &["--help"], &[]);
    let listed =
        outcome.stdout.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let known = [
        "demo",
        "run",
        "validate",
        "policy",
        "status",
        "state",
        "config",
        "topics",
        "generate",
        "produce",
        "tail",
        "query",
        "history",
        "actuate",
        "notify",
        "replay",
        "analyze",
        "elasticity",
        "loadtest",
        "capacity",
        "strategy",
        "plan",
        "explain",
        "completions",
        "man",
    ];
    assert_eq!(names, known);
}
