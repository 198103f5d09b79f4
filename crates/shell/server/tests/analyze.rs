//! `analyze` and `strategy` from the real binary: a report worked by hand, its forms, what is wrong with files, and a real
//! trace beside a plain computation of it.

mod binary;

use binary::tidegauge;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use tempfile::TempDir;

const MAPPING: &str = "
fields:
  agent_id: agent
  instance_id: instance
  event_time: {from: ts_s, unit: s}
  cpu_utilization_of_limit: cpu
  requests: requests
  response_time_ms: ms
";

/// The hot instance, by a name that would be markup.
const HOT: &str = "b<1>";

/// Five instances over 20 minutes, a line every 10 s; `b<1>` does three times what the others do from minute 5 to 14. Three
/// lines at the end cannot be read, and one comes an hour too late.
fn telemetry() -> String {
    let mut text = "ts_s,agent,instance,cpu,requests,ms\n".to_owned();
    for tick in 0..120 {
        for instance in ["a", HOT, "c", "d", "e"] {
            let cpu = if instance == HOT && (30..90).contains(&tick) { 0.9 } else { 0.3 };
            let _ = writeln!(text, "{},fleet,{instance},{cpu},{},40", 1_767_225_600 + 10 * tick, 100.0 * cpu);
        }
    }
    text + "1767225600,fleet,a,0.3,30,40\n1767226800,fleet,,0.3,30,40\n1767226800,fleet,a,much,30,40\nnever,f,a,,,\n"
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a temporary file");
    }
    folder
}

fn here() -> TempDir {
    folder(&[("t.csv", &telemetry()), ("map.yaml", MAPPING)])
}

const ANALYZE: [&str; 5] = ["analyze", "--csv", "t.csv", "--map", "map.yaml"];

fn output(folder: &Path, form: &str) -> String {
    let outcome = tidegauge(folder, &[&ANALYZE[..], &["--slo-ms", "100", "--output", form]].concat(), &[]);
    assert_eq!(outcome.code, 0, "{form}: {}", outcome.stderr);
    outcome.stdout
}

/// 600 rows in 20 windows; `b<1>` is hot from minute 5 to 14: open in minute 7, ended two windows after it fell. Over the
/// whole period it carries (0.3 + 0.9)/2 = 0.6, twice the median.
#[test]
fn a_report_worked_by_hand() {
    let here = here();
    let got: Value = serde_json::from_str(&output(here.path(), "json")).expect("JSON");
    let quality = &got["quality"];
    assert_eq!((&quality["rows"], &quality["refused"]), (&601.into(), &3.into()));
    assert_eq!((&quality["too_late"], &quality["windows"]), (&1.into(), &20.into()));
    let first = quality["first_refused"].as_str().expect("a text");
    assert!(first.starts_with("t.csv:603: ") && first.contains("missing_id"), "{first}");

    let agent = &got["agents"][0];
    let hot: Vec<&Value> =
        agent["findings"].as_array().expect("a list").iter().filter(|f| f["kind"] == "hotspot").collect();
    assert_eq!(hot.len(), 1, "{hot:#?}");
    assert_eq!(hot[0]["onset"], "2026-01-01T00:05:00Z");
    assert_eq!(hot[0]["ended_at"], "2026-01-01T00:17:00Z");

    let load = &agent["sections"]["load_distribution"];
    let listed = load["hotspots"].as_array().expect("a table");
    assert_eq!((listed.len(), &listed[0]["instance_id"]), (1, &HOT.into()));
    let near = |value: &Value, want: f64| value.as_f64().is_some_and(|value| (value - want).abs() < 1e-9);
    assert!(near(&listed[0]["load_level"], 0.6) && near(&listed[0]["times_median"], 2.0), "{listed:#?}");
    // Four at 0.3 and one at 0.6: J = 1.8² ÷ (5 · 0.72) = 0.9.
    assert!(near(&load["jain"]["value"], 0.9), "{load}");
    let service = &agent["sections"]["service"];
    // 30 requests every 10 s from each of four, and half the time 90 instead from the fifth: 12 + 6.
    assert!(near(&service["requests_per_s"]["value"], 18.0), "{service}");
    assert_eq!(service["queue_depth"]["absent"], "not reported");
    assert_eq!(agent["sections"]["regions"]["region_list"]["absent"], "not reported");
}

#[test]
fn the_forms_say_the_same() {
    let here = here();
    let json: Value = serde_json::from_str(&output(here.path(), "json")).expect("JSON");
    let yaml: Value = serde_saphyr::from_str(&output(here.path(), "yaml")).expect("YAML");
    assert_eq!(json, yaml);
    let table = output(here.path(), "table");
    for text in ["601 rows, 3 refused", "hotspot", "2026-01-01T00:05:00Z", "Balance score", "absent: "] {
        assert!(table.contains(text), "{text} is not in\n{table}");
    }
    assert_eq!(output(here.path(), "json"), output(here.path(), "json"), "the same file, the same report");
}

/// The page names nothing from elsewhere, runs nothing, and takes no text of the data for markup.
#[test]
fn the_page_stands_alone() {
    let here = here();
    let page = output(here.path(), "html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for absent in ["http:", "https:", "<script", "<link", "<img", "@import", "url(", HOT] {
        assert!(!page.contains(absent), "{absent} is in the page");
    }
    for there in ["b&lt;1&gt;", "<svg", "role=\"img\"", "prefers-color-scheme", "@media print", "not measured"] {
        assert!(page.contains(there), "{there} is not in the page");
    }
    for element in ["section", "table", "figure", "div", "dl", "details", "tr", "svg"] {
        let count = |text: &str| page.matches(text).count();
        let opened = count(&format!("<{element}>")) + count(&format!("<{element} "));
        assert_eq!(opened, count(&format!("</{element}>")), "{element} is opened and closed");
    }
}

#[test]
fn what_is_wrong_with_an_input_is_said() {
    let here =
        folder(&[("t.csv", "ts_s,agent\nx,y\n"), ("map.yaml", MAPPING), ("empty.jsonl", "\n"), ("e.jsonl", "{}\n")]);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["analyze", "--csv", "t.csv"], 64, "--map"),
        (&ANALYZE, 65, "t.csv:1: "),
        (&["analyze", "--csv", "none.csv", "--map", "map.yaml"], 66, "none.csv"),
        (&["analyze", "--jsonl", "empty.jsonl"], 65, "no row could be read"),
        (&["analyze", "--jsonl", "empty.jsonl", "--events", "e.jsonl"], 65, "e.jsonl:1: not a scaling event"),
        (&["analyze", "--jsonl", "empty.jsonl", "--from", "beginning"], 64, "--from"),
        (&["analyze", "--jsonl", "empty.jsonl", "--window", "0s"], 64, "--window"),
        (&["analyze", "--jsonl", "empty.jsonl", "--window", "500ns"], 64, "--window"),
        (&["loadtest", "analyze", "--run", "r", "--jsonl", "empty.jsonl", "--window", "500ns"], 64, "--window"),
        (&["strategy", "--size", "huge", "--instances", "2", "--rate", "10"], 64, "size huge is not in the catalogue"),
        (
            &["strategy", "--size", "small", "--instances", "2", "--rate", "10", "--sticky", "3"],
            64,
            "sticky_ratio is 3",
        ),
    ];
    for (arguments, code, want) in cases {
        let outcome = tidegauge(here.path(), arguments, &[]);
        assert_eq!(outcome.code, *code, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(want), "{arguments:?}: {}", outcome.stderr);
    }
}

/// Four mediums at 0.7 carry 700 of 1,000 per second; six carry 1,050 for $200 a month more.
#[test]
fn a_strategy_is_compared() {
    let here = folder(&[("sizes.csv", "size,cpu_cores,memory_gb,rps,cost_per_month\nonly,4,8,250,100\n")]);
    let common =
        ["--instances", "4", "--rate", "1000", "--violations", "600", "--violation-cost", "1", "--output", "json"];
    for size in [&["--size", "medium"][..], &["--sizes", "sizes.csv", "--size", "only"]] {
        let outcome = tidegauge(here.path(), &[&["strategy"][..], size, &common].concat(), &[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let got: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        assert_eq!(got["recommended"], "horizontal", "{got}");
        let best = &got["options"][0];
        assert_eq!((&best["instances"], &best["feasible"]), (&6.into(), &true.into()));
        assert_eq!(best["cost_per_month"], 600.0);
    }
}

/// The trace as one fleet: (container, GPU duty) of each sample that has one, and all containers.
fn samples(text: &str) -> (BTreeMap<String, Vec<f64>>, BTreeSet<String>) {
    let (mut duties, mut all) = (BTreeMap::<String, Vec<f64>>::new(), BTreeSet::new());
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        if fields[1].is_empty() {
            continue;
        }
        all.insert(fields[1].to_owned());
        if let Ok(percent) = fields[4].parse::<f64>() {
            duties.entry(fields[1].to_owned()).or_default().push(percent / 100.0);
        }
    }
    (duties, all)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

/// Alibaba's image-generation fleet: the hot containers of the report are those that a plain reading of the file finds
/// above median and MAD, and no container without a GPU counts as one with a load of zero.
#[test]
fn the_hot_containers_are_those_of_the_file() {
    let Some(data) = std::env::var_os("TIDEGAUGE_DATA") else {
        eprintln!("SKIPPED the_hot_containers_are_those_of_the_file: TIDEGAUGE_DATA is not set");
        return;
    };
    let file = Path::new(&data).join("genai-fleet/telemetry.csv.gz");
    let mut text = String::new();
    let packed = std::fs::File::open(&file).expect("the trace");
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
    let (duties, all) = samples(&text);
    let means: BTreeMap<&str, f64> =
        duties.iter().map(|(name, duties)| (&**name, duties.iter().sum::<f64>() / duties.len() as f64)).collect();
    let median = middle(means.values().copied().collect());
    let spread = middle(means.values().map(|mean| (mean - median).abs()).collect());
    let is_hot = |load: f64| load >= 0.3 && load >= 1.2 * median && 0.6745 * (load - median) >= 3.5 * spread;
    let hot: BTreeSet<&str> = means.iter().filter(|(_, load)| is_hot(**load)).map(|(name, _)| *name).collect();
    assert!(!hot.is_empty(), "the file has hot containers");

    let mapping = "
fields:
  instance_id: container
  event_time: {from: ts_s, unit: s}
  gpu_utilization_of_limit: {from: gpu_duty_pct, unit: percent}
  requests_per_s: qps
constants:
  agent_id: images
";
    let here = folder(&[("map.yaml", mapping)]);
    let file = file.to_str().expect("a path");
    let arguments = ["analyze", "--csv", file, "--map", "map.yaml", "--window", "10m", "--output", "json"];
    let outcome = tidegauge(here.path(), &arguments, &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let got: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let load = &got["agents"][0]["sections"]["load_distribution"];
    let listed = load["hotspots"].as_array().expect("a table");
    let named: BTreeSet<&str> = listed.iter().filter_map(|row| row["instance_id"].as_str()).collect();
    assert_eq!(named, hot);
    for row in listed {
        let (name, load) = (row["instance_id"].as_str().expect("a name"), row["load_level"].as_f64().expect("a load"));
        assert!((load - means[name]).abs() < 1e-9, "{name}: {load}, in the file {}", means[name]);
    }
    assert_eq!(load["instances"]["value"], all.len());
    assert_eq!(load["unmeasured"]["value"], all.len() - means.len(), "no sample is not a load of zero");
    let mean = means.values().sum::<f64>() / means.len() as f64;
    assert!((load["load_mean"]["value"].as_f64().expect("a mean") - mean).abs() < 1e-9);
}
