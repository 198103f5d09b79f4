//! Alerts on tidegauge itself: each has a runbook page and says where it is; what promtool says of the rules.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: String,
    annotations: Annotations,
}

#[derive(Deserialize)]
struct Annotations {
    summary: String,
    runbook_url: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let file: File = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yaml")).expect("rules");
    let rules: Vec<Rule> = file.groups.into_iter().flat_map(|group| group.rules).collect();
    let index = read("docs/runbooks/README.md");
    for Rule { alert, annotations } in &rules {
        assert!(annotations.runbook_url.ends_with(&format!("/docs/runbooks/{alert}.md")), "{alert}");
        assert!(!annotations.summary.is_empty(), "{alert}");
        assert!(index.contains(&format!("| [{alert}]({alert}.md) | ")), "{alert} is not in the index");
        let page = read(&format!("docs/runbooks/{alert}.md"));
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}");
        for part in ["Symptom.", "What it means.", "How to look.", "What to do.", "What not to do."] {
            assert!(page.contains(&format!("**{part}**")), "{alert}: no part `{part}`");
        }
    }
    let alerts: BTreeSet<String> = rules.into_iter().map(|rule| rule.alert).collect();
    let pages = std::fs::read_dir(root().join("docs/runbooks")).expect("the runbooks").filter_map(|page| {
        let name = page.expect("a page").file_name().into_string().expect("a name");
        name.strip_suffix(".md").map(str::to_owned).filter(|name| name != "README")
    });
    assert_eq!(pages.collect::<BTreeSet<_>>(), alerts);
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let promtool = |arguments: &[&str]| {
        Command::new("promtool").args(arguments).current_dir(root().join("deploy/prometheus")).output()
    };
    if promtool(&["--version"]).is_err() {
        // Not a part that CI needs to have: the rules are checked above, and by whoever changes them.
        eprintln!("SKIPPED: promtool is not installed (Debian and Ubuntu: the package prometheus)");
        return;
    }
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]] {
        let output = promtool(&arguments).expect("promtool ran a moment ago");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}\n{said}");
    }
}
