//! Alerts on tidegauge itself: each has a runbook page and says where it is; what promtool says of the rules, and of the
//! metrics that they rest on.

mod support;

use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use support::prometheus::{promtool, root};
use tidegauge::health::{Health, Progress};
use tidegauge::metrics::Metric;
use tidegauge::{http, metrics};
use tidegauge_engine::{Heaviest, Held};
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_model::{EventTime, Target};

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
    let test = "promtool_accepts_the_rules_and_their_tests";
    promtool(test, &["check", "rules", "alerts.yaml"], "");
    promtool(test, &["test", "rules", "alerts_test.yaml"], "");
}

#[test]
fn promtool_accepts_what_metrics_says() {
    let health = Health::new(&[("aggregate", 1), ("decide", 1)]);
    let at = TopicPartition { topic: "a.b".into(), partition: 0 };
    let addr =
        http::serve("http.listen", "127.0.0.1:0".parse().expect("an address"), health.clone()).expect("a free port");
    let worker = health.worker("decide", 0);
    worker.assigned(1);
    worker.restored(&at, Duration::from_millis(20), 10);
    worker.committed(Duration::from_millis(2), 3, 300);
    let (end_offset, watermark) = (Some(9), Some(EventTime::from_secs(1_767_225_600)));
    let state_age = Some(Duration::from_secs(5));
    let target = Target { workspace: "w".into(), agent: "a".into(), region: None };
    let heaviest = Some(Heaviest { target, own: 2, all: 3 });
    let (held, state_bytes) = (Some(Held::default()), Some(300));
    let held_back_by = None;
    let next_offset = 2;
    worker.progress(
        &at,
        Progress { next_offset, end_offset, watermark, held_back_by, state_age, state_bytes, held, heaviest },
    );
    health.memory(1, 2);
    health.journal_unread(1, 2);
    metrics::QUERIES.count(&["answered"], 1);
    metrics::QUERY_FORGOTTEN_WINDOWS.count(&[], 1);
    metrics::SIGNAL_FAILURES.count(&["hot_share"], 1);
    metrics::HISTORY_WINDOWS.count(&[], 1);
    metrics::HISTORY_LOST.count(&[], 1);
    metrics::HISTORY_FILES.count(&["written"], 1);
    metrics::HISTORY_BYTES.count(&[], 1);
    metrics::ACTUATIONS.count(&["webhook", "applied"], 1);
    metrics::ODD_SCALING_EVENTS.count(&["repeated"], 1);
    metrics::NOTIFICATIONS.count(&["webhook", "delivered"], 1);
    metrics::UNREADABLE_ALERTS.count(&["webhook"], 1);
    metrics::LAG_LOOKS.count(&["measured"], 1);
    metrics::HISTORY_FLUSH_DURATION.took(&[], Duration::from_millis(2));

    // Those of agents, of quotas and of a commit's calls need a run, and rates need time: `dashboards.rs`.
    let needs_time = [metrics::PARTITION_RATE, metrics::RATE_RATIO];
    let needs_run = |metric: &Metric| ["agent", "call", "quota"].iter().any(|label| metric.labels.contains(label));
    let (_, body) = support::http::get(addr, "/metrics");
    for metric in metrics::TABLE.iter().filter(|metric| !needs_run(metric) && !needs_time.contains(metric)) {
        assert!(body.contains(&format!("# TYPE {} ", metric.name)), "{} is not in\n{body}", metric.name);
        assert!(body.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
    }
    promtool("promtool_accepts_what_metrics_says", &["check", "metrics"], &body);
}
