//! Which rows a plan can need: what conditions say of time and agent, and that nothing is left out (B1).

mod common;

use common::windows;
use std::collections::BTreeSet;
use tidegauge_model::EventTime;
use tidegauge_sql::{Bounds, Limits, Mode, Prepared, Table};

const START: i64 = 1_700_000_000; // 2023-11-14T22:13:20Z

fn bounds(sql: &str) -> Bounds {
    let prepared = Prepared::new(sql, Mode::Query, &Limits::default()).unwrap_or_else(|why| panic!("{sql}: {why}"));
    prepared.reads().remove(&Table::Windows).unwrap_or_else(|| panic!("{sql} reads no windows")).bounds
}

fn from(seconds: i64) -> Bounds {
    Bounds { first_end: EventTime::from_secs(START + seconds), ..Bounds::ALL }
}

fn to(seconds: i64) -> Bounds {
    Bounds { last_end: EventTime::from_secs(START + seconds), ..Bounds::ALL }
}

fn agents(names: &[&str]) -> Bounds {
    Bounds { agents: Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>()), ..Bounds::ALL }
}

#[test]
fn conditions_on_time_and_agent_become_bounds_and_others_do_not() {
    let minute = Bounds { last_end: EventTime::from_secs(START + 60), ..from(0) };
    let cases = [
        ("true", Bounds::ALL),
        ("window_end >= '2023-11-14T22:13:20Z'", from(0)),
        ("window_end > '2023-11-14T22:13:20Z'", from(0)),
        ("'2023-11-14T22:13:20Z' <= window_end", from(0)),
        ("window_end < '2023-11-14T22:14:20Z'", to(60)),
        ("window_end BETWEEN '2023-11-14T22:13:20Z' AND '2023-11-14T22:14:20Z'", minute.clone()),
        ("window_start >= '2023-11-14T22:13:20Z' AND window_end <= '2023-11-14T22:14:20Z'", minute),
        ("window_start < '2023-11-14T22:14:20Z'", Bounds::ALL),
        ("NOT (window_end < '2023-11-14T22:13:20Z')", from(0)),
        ("window_end > timestamp '2023-11-14T22:13:00Z' + interval '20 seconds'", from(0)),
        ("agent_id = 'coder'", agents(&["coder"])),
        ("agent_id IN ('coder', 'planner')", agents(&["coder", "planner"])),
        ("agent_id IN ('a', 'b', 'c', 'd', 'e')", agents(&["a", "b", "c", "d", "e"])),
        ("agent_id = 'coder' OR agent_id = 'planner'", agents(&["coder", "planner"])),
        ("agent_id = 'coder' OR samples > 3", Bounds::ALL),
        ("agent_id <> 'coder'", Bounds::ALL),
        ("agent_id NOT IN ('coder')", Bounds::ALL),
        ("upper(agent_id) = 'CODER'", Bounds::ALL),
        ("date_trunc('minute', window_end) <= '2023-11-14T22:13:20Z' OR true", Bounds::ALL),
    ];
    for (condition, want) in cases {
        assert_eq!(bounds(&format!("SELECT count(*) AS n FROM windows WHERE {condition}")), want, "{condition}");
    }
}

#[test]
fn what_is_read_in_two_places_is_needed_where_either_needs_it() {
    let sql = "SELECT agent_id FROM windows WHERE agent_id = 'coder' UNION ALL \
               SELECT agent_id FROM windows WHERE agent_id = 'planner'";
    assert_eq!(bounds(sql), agents(&["coder", "planner"]));
    let sql = "SELECT agent_id FROM windows WHERE agent_id = 'coder' UNION ALL SELECT agent_id FROM windows";
    assert_eq!(bounds(sql), Bounds::ALL);
}

/// B1: of any of these conditions, rows within the bounds alone give the same answer as all rows.
#[test]
fn b1_rows_out_of_bounds_make_no_difference() {
    let all = windows();
    let ends: Vec<String> = (0..4).map(|nth| format!("'2023-11-14T22:13:{}0Z'", nth + 2)).collect();
    let mut conditions = Vec::new();
    for end in &ends {
        for column in
            ["window_end", "window_start", "CAST(window_end AS timestamp)", "date_trunc('minute', window_end)"]
        {
            for op in ["<", "<=", "=", "<>", ">=", ">"] {
                conditions.push(format!("{column} {op} {end}"));
                conditions.push(format!("{column} {op} {end} AND agent_id = 'coder'"));
                conditions.push(format!("{column} {op} {end} OR agent_id = 'coder'"));
                conditions.push(format!("arrow_cast({column}, 'Timestamp(Second, None)') {op} {end}"));
            }
        }
    }
    let mut narrowed = 0;
    for condition in conditions {
        let sql = format!("SELECT agent_id, window_end FROM windows WHERE {condition} ORDER BY window_end, agent_id");
        let mut prepared =
            Prepared::new(&sql, Mode::Query, &Limits::default()).unwrap_or_else(|why| panic!("{sql}: {why}"));
        let bounds = prepared.reads()[&Table::Windows].bounds.clone();
        let is_needed = |each: &&tidegauge_model::WindowSummary| {
            bounds.may_need("default", each.target.agent.as_str(), (each.range.end, each.range.end))
        };
        let every: Vec<_> = all.iter().collect();
        let some: Vec<_> = all.iter().filter(is_needed).collect();
        narrowed += usize::from(some.len() < every.len());
        let [want, got] = [every, some].map(|windows| prepared.evaluate(&windows).expect("an answer").rows);
        assert_eq!(got, want, "{condition}");
    }
    assert!(narrowed > 30, "bounds of {narrowed} conditions leave something out");
}

/// Rows that were made before give what the windows themselves give, also where a column was not there yet.
#[test]
fn rows_that_were_kept_are_the_rows_of_their_windows() {
    let all = windows();
    let all: Vec<_> = all.iter().collect();
    for table in Table::ALL {
        let sql = format!("SELECT * FROM {} ORDER BY agent_id, instance_id, window_end", table.name());
        let mut prepared = Prepared::new(&sql, Mode::Query, &Limits::default()).expect("a query");
        let want = prepared.evaluate(&all).expect("an answer").rows;
        let kept = table.rows(&all).expect("rows");
        let mut rows = prepared.rows();
        rows.push_rows(table, &kept).expect("rows");
        assert_eq!(prepared.evaluate_rows(&rows).expect("an answer").rows, want);

        let last = kept.num_columns() - 1;
        let older = kept.project(&(0..last).collect::<Vec<_>>()).expect("fewer columns");
        let conformed = table.conformed(&older).expect("the types are right").expect("no column is unknown");
        assert_eq!((conformed.schema(), conformed.column(last).null_count()), (kept.schema(), kept.num_rows()));
    }
}

/// Rows that share a buffer, as they do behind a pipe, take the memory that they take, and not that of all columns each.
#[test]
fn rows_of_one_buffer_are_counted_once() {
    let all = windows();
    let all: Vec<_> = all.iter().collect();
    let sql = "SELECT * FROM windows";
    let prepared = Prepared::new(sql, Mode::Query, &Limits::default()).expect("a query");
    let (mut made, mut piped) = (prepared.rows(), prepared.rows());
    made.push(&all).expect("rows");
    let kept = Table::Windows.rows(&all).expect("rows");
    let mut pipe = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &kept.schema()).expect("a pipe");
    pipe.write(&kept).expect("rows");
    let bytes = pipe.into_inner().expect("bytes");
    for rows in arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).expect("a pipe") {
        piped.push_rows(Table::Windows, &rows.expect("rows")).expect("rows");
    }
    assert!(piped.bytes() <= 2 * made.bytes(), "{} bytes against {}", piped.bytes(), made.bytes());
}
