use super::*;
use std::collections::BTreeSet;

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let counts = [
        "_records",
        "_panes",
        "_samples",
        "_cells",
        "_partitions",
        "_instances",
        "_targets",
        "_alerts",
        "_findings",
        "_per_request",
        "_instance_hours",
        "_info",
        "tidegauge_ready",
    ];
    let units = ["_seconds", "_bytes", "_ratio", "_per_second"].into_iter().chain(counts);
    for metric in TABLE {
        let name = metric.name;
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with("tidegauge_") && name.chars().all(letters), "{name}");
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}: {}", metric.help);
        assert_eq!(
            name.ends_with("_total"),
            matches!(metric.kind, Counter | Clock),
            "{name}: _total is for counters, all of them"
        );
        if !matches!(metric.kind, Counter | Clock) {
            assert!(units.clone().any(|unit| name.ends_with(unit)), "{name} has no unit at its end");
        }
        if let Histogram(bounds) = metric.kind {
            assert!(name.ends_with("_seconds") && bounds.is_sorted(), "{name}");
        }
    }
    let names: BTreeSet<_> = TABLE.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), TABLE.len(), "a name is there once");
}

#[test]
fn m2_labels_come_from_bounded_sets() {
    // Names of signals are those of an operator's files.
    let bounded = [
        "version",
        "stage",
        "worker",
        "topic",
        "partition",
        "outcome",
        "kind",
        "call",
        "activity",
        "signal",
        "reason",
        "actuator",
        "state",
        "notifier",
    ];
    let of_agents = [
        "workspace",
        "agent",
        "signal",
        "action",
        "reason",
        "rule",
        "severity",
        "kind",
        "resource",
        "part",
        "percentile",
        "policy",
    ];
    for metric in TABLE {
        let labels = match metric.name {
            name if name.starts_with("tidegauge_agent_") => &of_agents[..],
            // As many as there are documents, and no more of them than of agents.
            name if name.starts_with("tidegauge_quota_") => &["quota"][..],
            _ => &bounded[..],
        };
        assert!(metric.labels.iter().all(|label| labels.contains(label)), "{}: {:?}", metric.name, metric.labels);
    }
}

/// M1, for what the compiler does not see: nobody writes the name of a metric but the table.
#[test]
fn m1_no_source_names_a_metric_beside_the_table() {
    fn sources(folder: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, out);
            } else {
                out.push(path);
            }
        }
    }
    let mut files = Vec::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let here = |file: &std::path::Path| file.ends_with("metrics.rs") || file.ends_with("metrics/tests.rs");
    for file in files.iter().filter(|file| !here(file)) {
        let text = std::fs::read_to_string(file).expect("a source");
        for macro_name in ["counter!", "gauge!", "histogram!"] {
            assert!(!text.contains(macro_name), "{} calls {macro_name}; use metrics::TABLE", file.display());
        }
    }
}

#[test]
fn the_rules_and_runbooks_name_only_metrics_that_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut files = vec![root.join("deploy/prometheus/alerts.yaml")];
    let pages = std::fs::read_dir(root.join("docs/runbooks")).expect("the runbooks");
    files.extend(pages.map(|page| page.expect("a page").path()));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file of the repository");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("tidegauge_")) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            let is_known = |metric: &Metric| metric.name == word || metric.name == base;
            assert!(TABLE.iter().any(is_known), "{} names {word}", file.display());
        }
    }
}

/// `docs/metrics.md` is the table, for people. `TIDEGAUGE_BLESS=1` writes it anew.
#[test]
fn the_reference_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/metrics.md");
    let want = reference();
    if std::env::var("TIDEGAUGE_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(&path, &want).expect("docs/metrics.md");
    }
    let is = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = is.lines().zip(want.lines()).find(|(is, want)| is != want);
    assert!(is == want, "docs/metrics.md is not up to date: run the tests once with TIDEGAUGE_BLESS=1\n{differs:?}");
}

const HEAD: &str = "\
# Metrics

<!-- Made from the code; do not edit. To write it anew: TIDEGAUGE_BLESS=1 cargo test --release --workspace --lib -->

What `tidegauge run` answers at `/metrics`, where `http.listen` is set, in the text format of Prometheus 0.0.4. Rates,
delays and ages are in base units. Ready to use: the dashboards of
[deploy/grafana/](https://github.com/tidegauge/tidegauge/tree/main/deploy/grafana), the alert rules of
[deploy/prometheus/](https://github.com/tidegauge/tidegauge/blob/main/deploy/prometheus/alerts.yaml), and a
[page for each alert](runbooks/README.md).

A gauge without a value has no series: of a partition that moved away, an agent that was forgotten, a signal that was not
measured. Counters begin at 0 when the process does.
";

/// A heading, what stands below it, and which of the metrics that no group before it took.
type Group = (&'static str, &'static str, fn(&Metric) -> bool);

const GROUPS: [Group; 3] = [
    (
        "Agents",
        "What came out for each agent: the last window of the shortest length that is published, the decision as of the\n\
         last window, whether it was news or not, the alerts that fire, and what analytics made of the last window of\n\
         `analytics.window`. Shown once it is committed. The first `metrics.max_targets` agents of a process, by\n\
         workspace and name, have series; instances never have. The others are counted, and a line of the log says so once\n\
         ([SeriesOverflow](runbooks/SeriesOverflow.md)).",
        |metric| {
            ["tidegauge_agent_", "tidegauge_quota_", "tidegauge_metrics_"]
                .iter()
                .any(|area| metric.name.starts_with(area))
        },
    ),
    (
        "The process and its partitions",
        "What is now, read at the moment of the question. `stage` is `aggregate` or `decide`.",
        |metric| metric.kind == Gauge,
    ),
    ("Work done", "Counted since the process began.", |_| true),
];

fn reference() -> String {
    let mut rest: Vec<&Metric> = TABLE.iter().collect();
    let mut out = HEAD.to_owned();
    for (title, text, belongs) in GROUPS {
        let (here, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|metric| belongs(metric));
        rest = others;
        out += &format!(
            "\n## {title}\n\n{text}\n\n| metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n"
        );
        for Metric { name, kind, labels, help } in here {
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            let (kind, buckets) = match kind {
                Counter | Clock => ("counter", String::new()),
                Gauge => ("gauge", String::new()),
                Histogram(bounds) => ("histogram", format!(" Bounds of its buckets: {}.", seconds(bounds))),
            };
            out += &format!("| `{name}` | {kind} | {labels} | {help}{buckets} |\n");
        }
    }
    out
}

fn seconds(bounds: &[f64]) -> String {
    let bounds: Vec<_> = bounds.iter().map(ToString::to_string).collect();
    bounds.join(", ") + " s"
}
