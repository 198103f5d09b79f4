//! The functions in an SQL session give the numbers that the accumulators give when driven directly.

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Float64Type, UInt64Type};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_expr::GroupsAccumulator;
use std::sync::Arc;
use tidegauge_window::{Sketch, SketchGroups, StatsGroups, functions};

/// 3,000 rows of three instances; every eleventh value is missing.
fn rows() -> RecordBatch {
    let count = 3_000;
    let value =
        |row: u64| (!row.is_multiple_of(11)).then(|| 5.0 + (row.wrapping_mul(0x9e37_79b9) % 10_007) as f64 / 7.0);
    let columns: [(&str, ArrayRef); 4] = [
        ("instance", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("i{}", row % 3))))),
        ("x", Arc::new(Float64Array::from_iter((0..count).map(value)))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values((0..count).map(|row| (row / 5) as i64)))),
        ("position", Arc::new(UInt64Array::from_iter_values(0..count))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn run(sql: &str, partitions: usize) -> RecordBatch {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(128);
        let mut session = SessionContext::new_with_config(config);
        functions::register(&mut session).expect("registered");
        session.register_batch("samples", rows()).expect("a table");
        let batches = session.sql(sql).await.expect("a plan").collect().await.expect("rows");
        arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("one schema")
    })
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a Float64Array {
    batch.column_by_name(name).unwrap_or_else(|| panic!("column {name}")).as_primitive::<Float64Type>()
}

#[test]
fn grouped_sql_equals_the_accumulators() {
    let sql = "SELECT instance, get_field(stats(x, at, position), 'count') AS count,
                      get_field(stats(x, at, position), 'sum') AS sum,
                      get_field(stats(x, at, position), 'min') AS min,
                      get_field(stats(x, at, position), 'max') AS max,
                      get_field(stats(x, at, position), 'mean') AS mean,
                      get_field(stats(x, at, position), 'variance') AS variance,
                      get_field(stats(x, at, position), 'last') AS last,
                      quantile(sketch(x), 0.95) AS p95, fraction_over(sketch(x), 1000.0) AS over
               FROM samples GROUP BY instance ORDER BY instance";
    let got = run(sql, 1);
    let rows = rows();
    let groups: Vec<usize> = (0..rows.num_rows()).map(|row| row % 3).collect();
    let (mut stats, mut sketches) = (StatsGroups::default(), SketchGroups::default());
    let arguments: Vec<ArrayRef> =
        ["x", "at", "position"].map(|name| rows.column_by_name(name).cloned().unwrap()).into();
    stats.update_batch(&arguments, &groups, None, 3).expect("numbers");
    sketches.update_batch(&arguments[..1], &groups, None, 3).expect("numbers");
    for (group, (stats, sketch)) in stats.take().into_iter().zip(sketches.take()).enumerate() {
        let want = stats.summary().expect("values");
        let number = |name| column(&got, name).value(group);
        assert_eq!(got.column_by_name("count").unwrap().as_primitive::<UInt64Type>().value(group), want.count);
        assert_eq!((number("sum"), number("min"), number("max")), (want.sum, want.min, want.max));
        assert_eq!((number("mean"), number("variance"), number("last")), (want.mean, want.variance, want.last));
        assert_eq!(Some(number("p95")), sketch.quantile(0.95));
        assert_eq!(Some(number("over")), sketch.fraction_over(1000.0));
    }
}

/// Partial aggregation in several partitions merges states: sketches exactly, sums to rounding.
#[test]
fn a_plan_with_several_partitions_merges_states() {
    let sql = "SELECT instance, get_field(stats(x), 'count') AS count, get_field(stats(x), 'sum') AS sum,
                      quantile(sketch(x), 0.5) AS p50 FROM samples GROUP BY instance ORDER BY instance";
    let (one, four) = (run(sql, 1), run(sql, 4));
    assert_eq!(column(&one, "p50"), column(&four, "p50"));
    assert_eq!(one.column_by_name("count"), four.column_by_name("count"));
    for row in 0..3 {
        let (a, b) = (column(&one, "sum").value(row), column(&four, "sum").value(row));
        assert!((a - b).abs() <= 1e-9 * a.abs());
    }
}

#[test]
fn without_groups_and_without_rows() {
    let all = run("SELECT get_field(stats(x), 'max') AS max, quantile(sketch(x), 1.0) AS p100 FROM samples", 2);
    assert!(
        (column(&all, "max").value(0) - column(&all, "p100").value(0)).abs() < 0.006 * column(&all, "max").value(0)
    );
    let none =
        run("SELECT get_field(stats(x), 'max') AS max, quantile(sketch(x), 0.5) AS p50 FROM samples WHERE x < 0", 1);
    assert!(column(&none, "max").is_null(0) && column(&none, "p50").is_null(0), "a statistic of nothing is absent");
}

#[test]
fn sketches_merge_under_sql() {
    let sql =
        "SELECT quantile(sketch_merge(s), 0.9) AS p90 FROM (SELECT sketch(x) AS s FROM samples GROUP BY instance)";
    let mut whole = Sketch::default();
    let rows = rows();
    column(&rows, "x").iter().flatten().for_each(|value| whole.insert(value));
    assert_eq!(Some(column(&run(sql, 1), "p90").value(0)), whole.quantile(0.9));
}
