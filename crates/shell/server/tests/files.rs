//! Commands on files, from the real binary: `elasticity`, `loadtest analyze`, `capacity`, and what is said of bad files.

mod binary;

use binary::tidegauge;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a temporary file");
    }
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let outcome = tidegauge(folder, &[arguments, &["--output", "json"]].concat(), &[]);
    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

fn near(value: &Value, want: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - want).abs() < 1e-6 * want.abs().max(1.0))
}

/// The anchor of the metrics: demand 2, 4, 4, 2 and supply 2, 2, 4, 4, a minute each; times written in three ways.
#[test]
fn elasticity_of_the_anchor() {
    let demand = "ts_s,instances\n0,2\n60,4\n180,2\n240,2\n";
    let supplies = [
        "ts_s,instances\n0.0,2\n120.0,4\n",
        "ts_ms,instances\n0,2\n120000,4\n",
        "# text, no zone\ntime,instances\n1970-01-01 00:00:00,2\n1970-01-01T00:02:00Z,4\n",
    ];
    for supply in supplies {
        let here = folder(&[("d.csv", demand), ("s.csv", supply)]);
        let got = json(here.path(), &["elasticity", "--supply", "s.csv", "--demand", "d.csv"]);
        let wants = [("theta_u", 12.5), ("theta_o", 25.0), ("tau_u", 25.0), ("tau_o", 25.0), ("upsilon", 100.0)];
        for (name, want) in wants {
            assert!(near(&got["metrics"][name], want), "{name} in {got}");
        }
        assert!(near(&got["metrics"]["jitter_steps"], -0.25) && near(&got["metrics"]["epsilon"], 0.028_284_271));
        assert_eq!(got["shortfalls"][0]["until"], "1970-01-01T00:02:00Z");
    }
    let here = folder(&[("d.csv", demand), ("s.csv", supplies[0])]);
    let table = tidegauge(here.path(), &["elasticity", "--supply", "s.csv", "--demand", "d.csv"], &[]);
    assert!(table.stdout.contains("theta_u") && table.stdout.contains("12.5"), "{}", table.stdout);
}

#[test]
fn a_load_test_breaks_where_its_objective_is_crossed() {
    // p95 250 at 40 and 900 at 60: 40 + 20 · 250/650. The first line of 80 breaks Little's law: 60 · 1.12 = 67.2.
    let levels = "\
users,throughput,mean_ms,p50_ms,p95_ms,p99_ms,error_rate,cpu
10,9.1,100,90,150,200,0,0.2
20,18.2,100,95,160,210,0,0.4
40,35.7,120,110,250,400,0,0.75
60,40,500,450,900,1500,0.02,0.95
80,60,120,100,200,300,0,0.5
80,40,1000,950,1800,3000,0.1,0.97
";
    let here = folder(&[("levels.csv", levels)]);
    let arguments = ["loadtest", "analyze", "--csv", "levels.csv", "--think-time", "1s"];
    let got = json(here.path(), &arguments);
    assert!(near(&got["breaking_load"]["load"], 47.692_308), "{got}");
    assert_eq!(got["breaking_load"]["criterion"], "slo_crossing");
    assert!(near(&got["performance_score"], 75.366_842) && near(&got["excluded"][0]["users_by_law"], 67.2), "{got}");
    let table = tidegauge(here.path(), &arguments, &[]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(
        table.stdout.contains("breaks at 47.69 users") && table.stdout.contains("- scale out:"),
        "{}",
        table.stdout
    );
}

/// A file without a line, and one whose only line breaks Little's law (60 · 1.12 = 67.2 users, not 80): neither holds.
#[test]
fn a_load_test_without_a_measurement_is_not_one_that_does_not_break() {
    let header = "users,throughput,mean_ms\n";
    let here = folder(&[("none.csv", header), ("wrong.csv", &format!("{header}80,60,120\n"))]);
    let none = tidegauge(here.path(), &["loadtest", "analyze", "--csv", "none.csv"], &[]);
    assert_eq!(none.code, 65, "{}", none.stdout);
    assert!(none.stderr.contains("none.csv: expected a line with a load"), "{}", none.stderr);
    for form in ["table", "html"] {
        let arguments = ["loadtest", "analyze", "--csv", "wrong.csv", "--think-time", "1s", "--output", form];
        let said = tidegauge(here.path(), &arguments, &[]).stdout;
        assert!(said.contains("failed: no measurement of it can be used"), "{said}");
        assert!(!said.contains("does not break"), "{said}");
    }
}

/// Ten repeats of one level, 200 ms before and 300 ms after: half as much again. A page has the curves.
#[test]
fn a_load_test_is_shown_and_compared() {
    let runs = |ms: f64| {
        let rows = (0..10).map(|repeat| format!("50,40,{}\n", ms + f64::from(repeat)));
        "rps,throughput,p95_ms\n".to_owned() + &rows.collect::<String>() + "20,20,90\n"
    };
    let here = folder(&[("before.csv", &runs(200.0)), ("after.csv", &runs(300.0))]);
    let arguments = ["loadtest", "analyze", "--csv", "after.csv", "--compare", "before.csv"];
    let got = json(here.path(), &arguments);
    let of = |metric: &str| {
        got["compared"].as_array().expect("a list").iter().find(|each| each["metric"] == metric).cloned()
    };
    let p95 = of("p95_ms").expect("compared");
    assert_eq!(p95["verdict"], "higher", "{p95}");
    assert!((p95["ratio"].as_f64().expect("a ratio") - 1.49).abs() < 0.02, "{p95}");
    assert_eq!(of("throughput").expect("compared")["verdict"], "same");
    assert_eq!(
        (&got["test_type"], &of("cpu").expect("compared")["verdict"]),
        (&"load".into(), &"not_comparable".into())
    );
    assert_eq!(json(here.path(), &[&arguments[..], &["--type", "soak"]].concat())["test_type"], "soak");
    let page = tidegauge(here.path(), &[&arguments[..], &["--output", "html"]].concat(), &[]);
    assert_eq!(page.code, 0, "{}", page.stderr);
    for text in ["<title>Load test</title>", "<svg", "objective of p95", "Breaking points", "Beside the run before"] {
        assert!(page.stdout.contains(text), "{text} is not in the page");
    }
    assert!(!page.stdout.contains("http") && !page.stdout.contains("<script"));
}

#[test]
fn a_metric_of_many_runs_changes_for_good() {
    let runs: String =
        (0..40).map(|run| format!("{}\n", if run < 20 { 100 + run % 3 } else { 130 + run % 3 })).collect();
    let here = folder(&[("runs.csv", &format!("p95_ms\n{runs}"))]);
    let got = json(here.path(), &["loadtest", "series", "--csv", "runs.csv", "--column", "p95_ms"]);
    let points = got["change_points"].as_array().expect("a list");
    assert_eq!((points.len(), &points[0]["index"], &got["runs"]), (1, &20.into(), &40.into()), "{got}");
}

#[test]
fn capacity_says_when_a_ceiling_is_reached() {
    // 100 + 2 a day for 28 days: 154 today, 214 in 30.
    let mut usage = "date,agent,users\n".to_owned();
    for day in 1..=28 {
        usage += &format!("2026-02-{day:02},planner,{}\n2026-02-{day:02},late,\n", 98 + 2 * day);
    }
    let here = folder(&[("usage.csv", &usage)]);
    let got = json(here.path(), &["capacity", "--csv", "usage.csv", "--ceiling", "users=214", "--lead", "14d"]);
    let planner = &got[0];
    assert_eq!(got.as_array().map(Vec::len), Some(1), "an agent without a value has no total: {got}");
    assert_eq!((&planner["agent"], &planner["status"]), (&"planner".into(), &"urgent_scaling_needed".into()));
    assert_eq!((planner["upper_reaches_in_days"].as_u64(), planner["act_within_days"].as_u64()), (Some(30), Some(16)));
    assert!(near(&planner["projections"][0]["projected"], 214.0), "{planner}");
    let few = folder(&[("usage.csv", "date,users\n2026-02-01,5\n2026-02-02,9\n")]);
    let got = json(few.path(), &["capacity", "--csv", "usage.csv", "--ceiling", "users=1"]);
    assert_eq!(got[0]["status"], "insufficient_data");
}

#[test]
fn a_bad_file_is_told_with_file_line_column_and_what_was_expected() {
    let good = "ts_s,instances\n0,1\n9,1\n";
    let cases: &[(&str, &str, i32)] = &[
        ("ts_s,instances\n0,2\n60,many\n", "s.csv:3: instances: expected a number, found `many`", 65),
        ("ts_s,instances\n0,2\n0,3\n", "s.csv:3: ts_s: expected a time after 1970-01-01T00:00:00Z", 65),
        ("ts_s,instances\n0,2.5\n", "s.csv:2: instances: expected a whole number of instances, found `2.5`", 65),
        ("ts_s,count\n0,2\n", "s.csv:1: expected a column `instances`, found ts_s, count", 65),
        ("when,instances\n0,2\n", "s.csv:1: expected a column of times", 65),
        ("time,instances\nnoon,2\n", "s.csv:2: time: expected a time such as", 65),
        ("ts_s,instances\n", "s.csv: a curve needs at least one point", 65),
        // Milliseconds where the column says seconds, and more microseconds than 64 bits hold.
        ("ts_s,instances\n0,2\n1700000000000,3\n", "is too long for a grid of 60s: are the times in the unit", 65),
        (
            "ts_us,instances\n-8900000000000000000,2\n0,3\n8900000000000000000,2\n",
            "is too long for a grid of 60s: are the times in the unit",
            65,
        ),
    ];
    for (supply, want, code) in cases {
        let here = folder(&[("d.csv", good), ("s.csv", supply)]);
        let outcome = tidegauge(here.path(), &["elasticity", "--supply", "s.csv", "--demand", "d.csv"], &[]);
        assert_eq!(outcome.code, *code, "{supply}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(want), "{supply}: {}", outcome.stderr);
    }
    let here = folder(&[("d.csv", good), ("levels.csv", "users,error_rate\n5,3\n")]);
    let missing = tidegauge(here.path(), &["elasticity", "--supply", "none.csv", "--demand", "d.csv"], &[]);
    assert_eq!(missing.code, 66, "{}", missing.stderr);
    let percent = tidegauge(here.path(), &["loadtest", "analyze", "--csv", "levels.csv"], &[]);
    assert_eq!(percent.code, 65);
    assert!(percent.stderr.contains("levels.csv:2: error_rate: expected a ratio"), "{}", percent.stderr);
    let total = tidegauge(here.path(), &["capacity", "--csv", "d.csv", "--ceiling", "users=1"], &[]);
    assert!(total.code == 65 && total.stderr.contains("expected a column `users`"), "{}", total.stderr);
}

/// A load test that was simulated, found in its telemetry by its `run_id`, beside another one; and what is said of a run
/// that is not there.
#[test]
fn a_load_test_is_found_in_telemetry() {
    let here = folder(&[]);
    let generated = |scenario: &str, run: &str, start: &str| {
        let arguments =
            ["generate", "telemetry", "--agents", "1", "--instances", "4", "--seconds", "2400", "--scenario"];
        let more = [scenario, "--run-id", run, "--start", start];
        let outcome = tidegauge(here.path(), &[&arguments[..], &more].concat(), &[]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.stdout
    };
    let both = [generated("stress", "monday", "1767225600"), generated("stress", "tuesday", "1767312000")].concat();
    std::fs::write(here.path().join("fleet.jsonl"), both).expect("a temporary file");
    let arguments = ["loadtest", "analyze", "--jsonl", "fleet.jsonl", "--run", "tuesday", "--compare-run", "monday"];
    let got = json(here.path(), &arguments);
    assert_eq!((&got["id"], &got["agent_id"]), (&Value::from("tuesday"), &Value::from("default/agent-0")));
    assert_eq!((&got["test_type"], &got["test_status"]), (&Value::from("stress"), &Value::from("running")));
    assert_eq!(got["started_at"], "2026-01-02T00:00:00Z");
    assert!(got["ramp_up_s"].as_f64().is_some_and(|seconds| (1_900.0..2_200.0).contains(&seconds)), "{got}");
    assert_eq!(got["compared"].as_array().map(Vec::len), Some(5), "{got}");
    let breaks = got["breaking_load"]["load"].as_f64().expect("it breaks");
    assert!((300.0..=500.0).contains(&breaks), "{breaks}");

    // A run beside itself is there, too.
    let itself = ["loadtest", "analyze", "--jsonl", "fleet.jsonl", "--run", "tuesday", "--compare-run", "tuesday"];
    assert_eq!(json(here.path(), &itself)["compared"].as_array().map(Vec::len), Some(5));

    let flat = tidegauge(here.path(), &[&arguments[..], &["--output", "csv"]].concat(), &[]);
    assert!(flat.stdout.starts_with("name,value\n") && flat.stdout.contains("\nid,tuesday\n"), "{}", flat.stdout);
    let unknown = ["loadtest", "analyze", "--jsonl", "fleet.jsonl", "--run", "sunday"];
    let unknown = tidegauge(here.path(), &unknown, &[]);
    assert_eq!(unknown.code, 66, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("sunday") && unknown.stderr.contains("monday, tuesday"), "{}", unknown.stderr);

    // The report lists both, and says of each value what it is, or why it is not there.
    let report = tidegauge(here.path(), &["analyze", "--jsonl", "fleet.jsonl", "--output", "csv"], &[]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let lines: Vec<&str> = report.stdout.lines().collect();
    assert_eq!(lines[0], "agent,section,table,row,name,value,unit,absent");
    for line in [
        ",fleet,,,agents_most,1,,",
        "default/agent-0,load_tests,,,runs,2,,",
        "default/agent-0,load_tests,test_list,2,id,tuesday,,",
        "default/agent-0,cost,,,cost_per_hour,,,not reported",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
}
