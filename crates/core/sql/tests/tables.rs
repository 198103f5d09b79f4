//! What the tables hold: names, types, and the values of a window.

mod common;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use common::{window, windows};
use std::collections::BTreeSet;
use tidegauge_model::metric::BUILT_IN;
use tidegauge_model::{EntityKey, EntityKind, MetricKind, SketchBytes, WindowSummary};
use tidegauge_sql::{ColumnType, Limits, Mode, Prepared, Table};
use tidegauge_window::Sketch;

fn ask(sql: &str, windows: &[WindowSummary]) -> RecordBatch {
    let mut prepared = Prepared::new(sql, Mode::Query, &Limits::default()).unwrap_or_else(|why| panic!("{sql}: {why}"));
    let windows: Vec<&WindowSummary> = windows.iter().collect();
    let answer = prepared.evaluate(&windows).unwrap_or_else(|why| panic!("{sql}: {why}"));
    assert!(!answer.is_cut);
    answer.rows
}

#[test]
fn every_column_has_the_type_that_it_says_and_a_name_of_its_own() {
    for table in Table::ALL {
        let rows = ask(&format!("SELECT * FROM {}", table.name()), &windows());
        let columns = table.columns();
        assert_eq!(rows.num_columns(), columns.len());
        for (field, column) in rows.schema().fields().iter().zip(columns) {
            assert_eq!((field.name(), field.data_type()), (&column.name, &column.kind().data_type()));
            assert!(!column.about.is_empty());
        }
        let names: BTreeSet<_> = columns.iter().map(|column| &column.name).collect();
        assert_eq!(names.len(), columns.len(), "{} says a name twice", table.name());
    }
}

/// A database is no agent, and its metrics are in no sum over `metrics`.
#[test]
fn other_entities_have_a_table_of_their_own() {
    let database = WindowSummary {
        entity: Some(EntityKey::new(EntityKind::Dependency, "orders-db")),
        ..window("planner", None, 1)
    };
    let all = [window("planner", None, 1), window("planner", Some("i-1"), 1), database];
    let count = |table: &str| ask(&format!("SELECT * FROM {table}"), &all).num_rows();
    assert_eq!((count("windows"), count("instances"), count("entities")), (1, 1, 1));
    assert_eq!(count("metrics"), ask("SELECT * FROM metrics", &all[..2]).num_rows());
    let rows = ask("SELECT entity_kind, entity_id, agent_id, instance_id FROM entities", &all);
    let text = |at: usize| arrow::util::display::array_value_to_string(rows.column(at), 0).expect("a text");
    assert_eq!([0, 1, 2, 3].map(text), ["dependency", "orders-db", "planner", ""]);
}

#[test]
fn every_built_in_metric_that_telemetry_reports_has_its_statistics() {
    let has = |name: &str| Table::Windows.columns().iter().any(|column| column.name == name);
    for metric in BUILT_IN {
        for statistic in ["mean", "min", "max", "sum", "count"] {
            assert_eq!(has(&format!("{}_{statistic}", metric.name)), !metric.derived, "{} {statistic}", metric.name);
        }
        let is_latency = metric.kind == MetricKind::Latency;
        for statistic in ["p50", "p75", "p90", "p95", "p99", "p999", "relative_error", "trusted_quantile"] {
            assert_eq!(has(&format!("{}_{statistic}", metric.name)), is_latency, "{} {statistic}", metric.name);
        }
    }
}

#[test]
fn a_window_comes_back_value_by_value() {
    let text = |sql: &str, instance| {
        let rows = ask(sql, &[window("planner", instance, 1)]);
        assert_eq!(rows.num_rows(), 1, "{sql}");
        let column = rows.column(0);
        if column.is_null(0) { None } else { Some(arrow::util::display::array_value_to_string(column, 0).unwrap()) }
    };
    let cases = [
        ("workspace_id", Some("default")),
        ("agent_id", Some("planner")),
        ("region", None),
        ("window_start", Some("2023-11-14T22:13:30Z")),
        ("window_end", Some("2023-11-14T22:13:40Z")),
        ("kind", Some("tumbling")),
        ("size_ms", Some("10000")),
        ("slide_ms", Some("10000")),
        ("samples", Some("40")),
        ("last_at", Some("2023-11-14T22:13:39Z")),
        ("completeness_ratio", Some("0.5")),
        ("completeness_sources_ratio", Some("1.0")),
        ("completeness_instances_ratio", Some("0.5")),
        ("instances_expected", Some("2")),
        ("instances_reported", Some("1")),
        ("error_rate", Some("0.25")),
        ("availability", Some("0.75")),
        ("cpu_saturation_share", Some("0.125")),
        ("cpu_saturation_count", Some("8")),
        ("cpu_saturation_utilization_only", Some("true")),
        ("memory_saturation_share", None),
        ("cpu_utilization_of_limit_mean", Some("0.625")),
        ("cpu_utilization_of_limit_min", Some("0.375")),
        ("cpu_utilization_of_limit_max", Some("0.875")),
        ("cpu_utilization_of_limit_last", Some("0.75")),
        ("cpu_utilization_of_limit_sum", Some("2.5")),
        ("cpu_utilization_of_limit_count", Some("4")),
        ("cpu_utilization_of_limit_variance", Some("0.01")),
        ("response_time_ms_p99", Some("81.0")),
        ("response_time_ms_p50", Some("40.5")),
        ("response_time_ms_count", Some("1000")),
        ("response_time_ms_relative_error", Some("0.00542")),
        ("queue_depth_mean", None),
    ];
    for (column, want) in cases {
        assert_eq!(text(&format!("SELECT {column} FROM windows"), None).as_deref(), want, "{column}");
        assert_eq!(text(&format!("SELECT {column} FROM instances"), Some("i-1")).as_deref(), want, "{column}");
    }
    let of_one = [
        ("SELECT instances_ready FROM windows", None, Some("2")),
        ("SELECT instances_present FROM windows", None, Some("3")),
        ("SELECT instance_id FROM windows", None, None),
        ("SELECT state FROM windows", None, None),
        ("SELECT instance_id FROM instances", Some("i-1"), Some("i-1")),
        ("SELECT state FROM instances", Some("i-1"), Some("ready")),
        ("SELECT ready_at FROM instances", Some("i-1"), Some("2023-11-14T22:13:30Z")),
        ("SELECT instances_ready FROM instances", Some("i-1"), None),
    ];
    for (sql, instance, want) in of_one {
        assert_eq!(text(sql, instance).as_deref(), want, "{sql}");
    }
}

/// Metrics that telemetry brought along have no column, but a row.
#[test]
fn the_long_table_has_every_metric() {
    let sql = "SELECT metric, metric_kind, count, mean, last, p99 FROM metrics ORDER BY metric";
    let rows = ask(sql, &[window("planner", None, 1)]);
    let text = |column: usize| rows.column(column).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(text(0), ["cpu_utilization_of_limit", "gpu_fan_rpm", "requests", "response_time_ms"]);
    assert_eq!(text(1), ["gauge", "gauge", "counter", "latency"]);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[4, 4, 4, 1000]);
    assert_eq!(rows.column(3).as_primitive::<Float64Type>().values(), &[0.625, 900.0, 100.0, 50.0]);
    let (last, p99) = (rows.column(4), rows.column(5));
    assert!(last.is_null(3) && p99.is_null(0), "a latency has no last value, a gauge no percentile");
    assert_eq!(p99.as_primitive::<Float64Type>().value(3), 81.0);
}

#[test]
fn rows_come_in_the_order_of_the_windows_and_each_table_has_its_own() {
    let count = |table: &str| {
        let rows = ask(&format!("SELECT count(*) AS n FROM {table}"), &windows());
        rows.column(0).as_primitive::<Int64Type>().value(0)
    };
    assert_eq!((count("windows"), count("instances"), count("metrics")), (6, 12, 18 * 4));
    let rows = ask("SELECT window_end, agent_id FROM windows", &windows());
    let ends = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
    assert!(ends.is_sorted());
    let agents: Vec<_> = rows.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(agents, ["planner", "coder", "planner", "coder", "planner", "coder"]);
}

/// Counts can be subtracted: a UInt64 could not say that there are fewer.
#[test]
fn differences_of_whole_numbers_may_be_negative() {
    assert!(Table::Windows.columns().iter().filter(|column| column.kind() == ColumnType::Whole).count() > 80);
    let rows = ask("SELECT instances_ready - instances_present AS missing FROM windows LIMIT 1", &windows());
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), -1);
}

/// Sketches of windows merge into the sketch of all their values, which percentiles do not.
#[test]
fn sketches_of_windows_merge() {
    let carrying = |nth: i64, values: std::ops::Range<u32>| {
        let mut sketch = Sketch::default();
        values.for_each(|value| sketch.insert(f64::from(value)));
        let sketches = [("response_time_ms".into(), SketchBytes::from(sketch.to_bytes()))].into();
        WindowSummary { sketches, ..window("planner", None, nth) }
    };
    let windows = [carrying(1, 1..901), carrying(2, 901..1001), window("planner", None, 3)];
    let sql = "SELECT quantile(sketch_merge(response_time_ms_sketch), 0.95) AS p95,
               fraction_over(sketch_merge(response_time_ms_sketch), 500.0) AS slow,
               count(response_time_ms_sketch) AS carrying FROM windows";
    let rows = ask(sql, &windows);
    let number = |column: usize| rows.column(column).as_primitive::<Float64Type>().value(0);
    assert!((number(0) - 950.0).abs() <= 950.0 * 0.0055, "{}", number(0));
    assert!((number(1) - 0.5).abs() <= 0.01, "{}", number(1));
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().value(0), 2);
    let sql = "SELECT quantile(sketch_merge(sketch), 0.95) AS p95 FROM metrics WHERE metric = 'response_time_ms'";
    assert_eq!(ask(sql, &windows).column(0).as_primitive::<Float64Type>().value(0), number(0));
}

#[test]
fn a_sketch_that_is_none_is_an_error() {
    let sketches = [("response_time_ms".into(), SketchBytes::from(vec![6, 0, 9]))].into();
    let windows = [WindowSummary { sketches, ..window("planner", None, 1) }];
    let sql = "SELECT quantile(sketch_merge(response_time_ms_sketch), 0.5) FROM windows";
    let mut plan = Prepared::new(sql, Mode::Query, &Limits::default()).expect("a query");
    let failed = plan.evaluate(&windows.iter().collect::<Vec<_>>()).expect_err("not a sketch");
    assert!(failed.to_string().contains("not a sketch"), "{failed}");
}
