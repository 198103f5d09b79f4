//! Plans compiled once and evaluated many times, and where they are cut off.

mod common;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use common::{window, windows};
use tidegauge_model::WindowSummary;
use tidegauge_sql::{Failed, Limits, Mode, Prepared, Table};

fn prepare(sql: &str, mode: Mode, limits: &Limits) -> Prepared {
    Prepared::new(sql, mode, limits).unwrap_or_else(|why| panic!("{sql}: {why}"))
}

fn evaluate(prepared: &mut Prepared, windows: &[WindowSummary]) -> Result<RecordBatch, Failed> {
    prepared.evaluate(&windows.iter().collect::<Vec<_>>()).map(|answer| answer.rows)
}

fn many(agents: usize, instances: usize) -> Vec<WindowSummary> {
    let each = (0..agents).flat_map(|agent| {
        let name = format!("agent-{agent}");
        let of_agent = window(&name, None, 0);
        let of_instances = (0..instances).map(move |id| window(&name, Some(&format!("i-{id}")), 0));
        std::iter::once(of_agent).chain(of_instances)
    });
    each.collect()
}

/// Every kind of step keeps something while it runs; none of it may be left for the next evaluation.
#[test]
fn a_plan_evaluated_again_gives_what_a_new_one_gives() {
    let texts = [
        "SELECT agent_id, max(samples) AS m FROM windows GROUP BY agent_id",
        "SELECT agent_id, error_rate FROM windows ORDER BY window_end DESC, agent_id LIMIT 2",
        "SELECT w.agent_id, count(*) AS n FROM windows w JOIN instances i ON w.agent_id = i.agent_id
         AND w.window_end = i.window_end GROUP BY w.agent_id",
        "SELECT agent_id FROM windows WHERE samples > (SELECT avg(samples) - 1 FROM instances)",
        "SELECT agent_id, (SELECT count(*) FROM instances i WHERE i.agent_id = w.agent_id) AS n FROM windows w",
        "SELECT agent_id FROM windows WHERE agent_id IN (SELECT agent_id FROM instances)",
        "SELECT DISTINCT agent_id FROM windows UNION SELECT instance_id FROM instances",
        "SELECT agent_id, samples FROM windows UNION ALL SELECT instance_id, samples FROM instances ORDER BY 1 LIMIT 3",
        "SELECT agent_id, lag(samples) OVER (PARTITION BY agent_id ORDER BY window_end) AS before FROM windows",
        "SELECT metric, quantile(sketch(mean), 0.5) AS p FROM metrics GROUP BY metric",
        "SELECT w.samples - t.a AS above FROM windows w, (SELECT avg(samples) AS a FROM windows) t",
    ];
    let inputs = [windows(), vec![], vec![window("solo", None, 7), window("solo", Some("x"), 7)], windows()];
    for sql in texts {
        let mut kept = prepare(sql, Mode::Signal, &Limits::default());
        for input in &inputs {
            let fresh = evaluate(&mut prepare(sql, Mode::Signal, &Limits::default()), input);
            assert_eq!(evaluate(&mut kept, input), fresh, "{sql}");
            assert!(fresh.is_ok_and(|rows| rows.num_rows() > 0 || input.is_empty()), "{sql}");
        }
    }
}

#[test]
fn a_signal_gives_numbers_of_its_windows() {
    let sql = "SELECT w.agent_id, max(i.response_time_ms_p99) / max(w.response_time_ms_p99) AS skew, count(*) AS n
               FROM windows w JOIN instances i ON w.agent_id = i.agent_id AND w.window_end = i.window_end
               WHERE w.agent_id = 'coder' GROUP BY w.agent_id";
    let rows = evaluate(&mut prepare(sql, Mode::Signal, &Limits::default()), &windows()).unwrap();
    assert_eq!(rows.num_rows(), 1);
    assert_eq!(rows.column(1).as_primitive::<Float64Type>().value(0), 1.0);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().value(0), 6);
}

#[test]
fn only_the_columns_that_a_plan_reads_are_made() {
    let sql = "SELECT avg(w.error_rate) AS e FROM windows w JOIN instances i USING (agent_id) WHERE i.samples > 3";
    let reads = prepare(sql, Mode::Query, &Limits::default()).reads();
    let columns: Vec<_> = reads.into_iter().map(|(table, scan)| (table, Vec::from_iter(scan.columns))).collect();
    let want = [(Table::Windows, vec!["agent_id", "error_rate"]), (Table::Instances, vec!["agent_id", "samples"])];
    assert_eq!(columns, want);
    let schema = prepare(sql, Mode::Query, &Limits::default()).schema();
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["e"]);
}

#[test]
fn rows_beyond_the_limit_are_cut_from_a_query_and_an_error_of_a_signal() {
    let limits = Limits { rows: 5, ..Limits::default() };
    let all = windows();
    let refs: Vec<_> = all.iter().collect();
    for (sql, rows, is_cut) in [
        ("SELECT * FROM instances", 5, true),
        ("SELECT * FROM instances LIMIT 5", 5, false),
        ("SELECT samples FROM windows UNION ALL SELECT samples FROM instances", 5, true),
    ] {
        let answer = prepare(sql, Mode::Query, &limits).evaluate(&refs).expect("an answer");
        assert_eq!((answer.rows.num_rows(), answer.is_cut), (rows, is_cut), "{sql}");
        let signal = prepare(sql, Mode::Signal, &limits).evaluate(&refs);
        assert_eq!(signal.err(), is_cut.then_some(Failed::Rows { most: 5 }), "{sql}");
    }
}

#[test]
fn memory_beyond_the_limit_is_an_error_and_not_a_file() {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    let windows = many(40, 60);
    let texts = [
        "SELECT * FROM instances ORDER BY instance_id",
        "SELECT * FROM instances",
        "SELECT count(*) AS n FROM (SELECT DISTINCT a.instance_id AS x, a.agent_id AS y, b.instance_id AS z
         FROM instances a JOIN instances b ON a.samples = b.samples) AS t",
    ];
    for sql in texts {
        let failed = evaluate(&mut prepare(sql, Mode::Query, &limits), &windows);
        assert_eq!(failed, Err(Failed::Memory { most: 1 << 20 }), "{sql}");
    }
    let small = "SELECT agent_id, avg(samples) AS a FROM instances GROUP BY agent_id";
    assert_eq!(evaluate(&mut prepare(small, Mode::Query, &limits), &windows).map(|rows| rows.num_rows()), Ok(40));
}

/// By a count and not by a clock: a replay is cut off at the same place.
#[test]
fn a_signal_whose_joins_yield_too_much_is_cut_off() {
    let sql = "SELECT count(*) AS n FROM instances a JOIN instances b ON a.workspace_id = b.workspace_id";
    let windows = many(20, 60);
    let failed = evaluate(&mut prepare(sql, Mode::Signal, &Limits::default()), &windows);
    assert_eq!(failed, Err(Failed::Joined { most: 1_000_000 }));
    let by_key = "SELECT count(*) AS n FROM instances a JOIN instances b
                  ON a.agent_id = b.agent_id AND a.instance_id = b.instance_id";
    let rows = evaluate(&mut prepare(by_key, Mode::Signal, &Limits::default()), &windows).expect("few rows");
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 1_200);
}

#[test]
fn a_value_that_cannot_be_computed_is_an_error_with_its_reason() {
    let cases = [
        ("SELECT samples / (instances_ready - 2) AS x FROM windows", "ivide by zero"),
        ("SELECT CAST(agent_id AS BIGINT) AS x FROM windows", "planner"),
    ];
    for (sql, want) in cases {
        let failed = evaluate(&mut prepare(sql, Mode::Signal, &Limits::default()), &windows()).unwrap_err();
        assert!(failed.to_string().contains(want), "{sql}: {failed}");
    }
}
