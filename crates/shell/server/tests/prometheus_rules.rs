//! Alerts on tidegauge itself: each has a runbook page and says where it is; what promtool says of the rules, and of the
//! metrics that they rest on.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tidegauge::health::{Health, Progress};
use tidegauge::{http, metrics};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::EventTime;

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

/// `promtool` with arguments and standard input; what it says if it refuses. `false` if it is not installed.
fn promtool(arguments: &[&str], input: &str) -> bool {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(root().join("deploy/prometheus"));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        // Not a part that CI has to have: names and pages are checked without it.
        eprintln!("SKIPPED: promtool is not installed (Debian and Ubuntu: the package prometheus)");
        return false;
    };
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("promtool reads its input");
    let output = child.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}\n{said}\n{input}");
    true
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let _ = promtool(&["check", "rules", "alerts.yaml"], "") && promtool(&["test", "rules", "alerts_test.yaml"], "");
}

#[test]
fn promtool_accepts_what_metrics_says() {
    let health = Health::new(&[("aggregate", 1), ("decide", 1)]);
    let at = TopicPartition { topic: "a.b".into(), partition: 0 };
    let addr = http::serve("127.0.0.1:0".parse().expect("an address"), health.clone()).expect("a free port");
    let worker = health.worker("decide", 0);
    worker.assigned(1);
    worker.restored(&at, Duration::from_millis(20), 10);
    worker.committed(Duration::from_millis(2), 3, 300);
    let (end_offset, watermark) = (Some(9), Some(EventTime::from_secs(1_767_225_600)));
    let state_age = Some(Duration::from_secs(5));
    worker.progress(&at, Progress { next_offset: 2, end_offset, watermark, held_back_by: None, state_age });
    health.memory(1, 2);

    let mut stream = TcpStream::connect(addr).expect("a connection");
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    for metric in metrics::TABLE {
        assert!(body.contains(&format!("# TYPE {} ", metric.name)), "{} is not in\n{body}", metric.name);
        assert!(body.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
    }
    promtool(&["check", "metrics"], body);
}
