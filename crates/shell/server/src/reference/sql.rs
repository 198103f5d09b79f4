//! `sql.md`: the tables of SQL, their columns, what is allowed and how far.

use super::cell;
use std::fmt::Write as _;
use tidegauge_sql::{Column, ColumnType, Limits, Table, signal_functions};

const INTRODUCTION: &str = "\
# SQL

One SELECT over closed windows, as `tidegauge query` and `POST /query` take it. Every column may be NULL: what was not reported is
not there. Times are UTC, whole numbers are signed, names of columns end with the unit.

| table | a row is |
| --- | --- |
| `windows` | a closed window of an agent, of a region of it, of a workspace, or of the fleet (`level`) |
| `instances` | a closed window of one of its instances |
| `metrics` | one metric in one window of either, also one that is not built in |
| `entities` | a closed window of something else that is measured: a dependency, a shard, a region ... |
";

const OWN_FUNCTIONS: &str = "\
## Functions of our own

| function | argument | result |
| --- | --- | --- |
| `stats(x)`, `stats(x, at)` | a number, and a time for `last` | `get_field(stats(x), 'mean')`; also `count`, `sum`, `min`, `max`, `variance`, `last` |
| `sketch(x)` | a number, 0 or more | a sketch of its values |
| `sketch_merge(s)` | a sketch | one sketch of all |
| `quantile(s, q)` | a sketch, 0 to 1 | nearest rank, within 0.542 % |
| `fraction_over(s, x)` | a sketch, a level | share of the values above it |

Besides, those of DataFusion: of numbers, texts, times and regular expressions; aggregates; and functions with OVER.
";

pub(super) fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    table(&mut out, "Columns of `windows` and `instances`", Table::Windows.columns(), is_plain);
    let _ = write!(
        out,
        "\n## Columns of built-in metrics\n\nIn `windows` and `instances`, named `<metric>_<statistic>`, such as \
         `response_time_ms_p99`. [Schemas](schemas.md) says what\nthe statistics are. All are numbers, but `count`.\n\n\
         | metric | statistics |\n| --- | --- |\n"
    );
    for metric in tidegauge_model::metric::BUILT_IN.iter().filter(|metric| !metric.derived) {
        let prefix = format!("{}_", metric.name);
        let of =
            |column: &Column| column.name.strip_prefix(&prefix).filter(|rest| is_statistic(rest)).map(str::to_owned);
        let statistics: Vec<String> = Table::Windows.columns().iter().filter_map(of).collect();
        let _ = writeln!(out, "| `{}`, {} | {} |", metric.name, metric.unit, statistics.join(" "));
    }
    table(&mut out, "Columns of `entities`, besides those of `windows`", Table::Entities.columns(), is_of_entities);
    table(&mut out, "Columns of `metrics`", Table::Metrics.columns(), |_| true);
    let _ = write!(out, "\n{OWN_FUNCTIONS}\n");
    limits(&mut out);
    let _ = write!(
        out,
        "\n## Functions of signals\n\nA signal is part of the decisions: a function of its windows and of nothing else. It may \
         call\n\n- of a row: {}\n- over rows: {}\n- with OVER: {}\n",
        names(0),
        names(1),
        names(2)
    );
    out
}

fn names(place: usize) -> String {
    signal_functions()[place].iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Not a statistic of a built-in metric: those are too many for a table.
fn is_plain(column: &Column) -> bool {
    let of_metric = |metric: &tidegauge_model::MetricDef| {
        !metric.derived
            && column.name.strip_prefix(metric.name).and_then(|rest| rest.strip_prefix('_')).is_some_and(is_statistic)
    };
    !tidegauge_model::metric::BUILT_IN.iter().any(of_metric)
}

fn is_of_entities(column: &Column) -> bool {
    !Table::Windows.columns().iter().any(|other| other.name == column.name)
}

fn is_statistic(name: &str) -> bool {
    Table::Metrics
        .columns()
        .iter()
        .rev()
        .take_while(|column| column.name != "metric_kind")
        .any(|column| column.name == name)
}

fn table(out: &mut String, title: &str, columns: &[Column], wanted: impl Fn(&Column) -> bool) {
    // Writing to a string cannot fail, here and above.
    let _ = write!(out, "\n## {title}\n\n| column | type | |\n| --- | --- | --- |\n");
    for column in columns.iter().filter(|column| wanted(column)) {
        let kind = match column.kind() {
            ColumnType::Text => "text",
            ColumnType::Time => "time",
            ColumnType::Whole => "whole number",
            ColumnType::Number => "number",
            ColumnType::Flag => "true or false",
            ColumnType::Sketch => "sketch",
        };
        let _ = writeln!(out, "| `{}` | {kind} | {} |", column.name, cell(&column.about));
    }
}

fn limits(out: &mut String) {
    let Limits { time, memory, rows, text, terms, nesting, relations, plan_nodes, expansion, joined_rows } =
        Limits::default();
    let rows = [
        ("time, for planning and again for running", format!("{} s", time.as_secs())),
        ("memory", format!("{} MiB", memory >> 20)),
        ("rows of the answer", rows.to_string()),
        ("length of the text", format!("{} KiB", text >> 10)),
        ("words and signs in one expression or clause", terms.to_string()),
        ("parentheses, subqueries and CASEs in one another", nesting.to_string()),
        ("tables, joins and parts of a UNION", relations.to_string()),
        ("steps of the plan", plan_nodes.to_string()),
        ("columns that an expression stands for, with subqueries in place", expansion.to_string()),
        ("of a signal: rows that its joins yield", joined_rows.to_string()),
    ];
    let _ = write!(out, "## Limits\n\n| | |\n| --- | --- |\n");
    for (what, limit) in rows {
        let _ = writeln!(out, "| {what} | {limit} |");
    }
}
