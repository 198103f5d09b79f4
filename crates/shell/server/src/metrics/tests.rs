use super::*;
use std::collections::BTreeSet;

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let counts = ["_records", "_partitions", "_instances", "_targets", "_alerts", "_info", "tidegauge_ready"];
    let units = ["_seconds", "_bytes", "_ratio", "_per_second"].into_iter().chain(counts);
    for metric in TABLE {
        let name = metric.name;
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with("tidegauge_") && name.chars().all(letters), "{name}");
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}: {}", metric.help);
        assert_eq!(name.ends_with("_total"), metric.kind == Counter, "{name}: _total is for counters, all of them");
        if metric.kind != Counter {
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
    let bounded = ["version", "stage", "worker", "topic", "partition", "outcome", "kind"];
    let of_agents = ["workspace", "agent", "signal", "action", "reason", "rule", "severity"];
    for metric in TABLE {
        let labels = if metric.name.starts_with("tidegauge_agent_") { &of_agents[..] } else { &bounded[..] };
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
    for file in files.iter().filter(|file| !file.ends_with("metrics.rs")) {
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
