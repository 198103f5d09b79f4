//! What is refused, and what is said.

use tidegauge_sql::{Limits, Mode, check};

fn refusal(sql: &str, mode: Mode) -> String {
    match check(sql, mode, &Limits::default()) {
        Ok(()) => format!("NOT REFUSED: {}", &sql[..sql.len().min(100)]),
        Err(why) => why.to_string(),
    }
}

#[test]
fn only_one_select_over_our_tables_is_planned() {
    let cases = [
        ("", "there is no SQL"),
        ("-- nothing\n", "there is no SQL"),
        ("SELEC 1", "this is not SQL"),
        ("SELECT 1 FROM windows WHERE", "this is not SQL"),
        ("SELECT 'open FROM windows", "this is not SQL"),
        ("SELECT 1; SELECT 2", "more than one statement is not allowed"),
        ("INSERT INTO windows VALUES (1)", "INSERT is not allowed: write a SELECT"),
        ("UPDATE windows SET samples = 1", "UPDATE is not allowed"),
        ("DELETE FROM windows", "DELETE is not allowed"),
        ("DROP TABLE windows", "DROP is not allowed"),
        ("CREATE TABLE x AS SELECT 1", "CREATE is not allowed"),
        ("CREATE VIEW x AS SELECT * FROM windows", "CREATE is not allowed"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "CREATE is not allowed"),
        ("COPY windows TO '/tmp/x.csv'", "COPY is not allowed"),
        ("EXPLAIN SELECT 1", "EXPLAIN is not allowed"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN is not allowed"),
        ("SET datafusion.execution.batch_size = 1", "SET is not allowed"),
        ("RESET datafusion.execution.batch_size", "RESET is not allowed"),
        ("SHOW TABLES", "SHOW is not allowed"),
        ("DESCRIBE windows", "DESCRIBE is not allowed"),
        ("SELECT 1 INTO x FROM windows", "SELECT … INTO is not allowed"),
        ("SELECT 1 FROM windows FOR UPDATE", "SELECT … FOR is not allowed"),
        ("WITH x AS (DELETE FROM windows) SELECT 1", "not"),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT * FROM n",
            "WITH RECURSIVE is not allowed",
        ),
        ("SELECT $1", "a placeholder such as $1 or ? is not allowed"),
        ("SELECT * FROM generate_series(1, 1000000000)", "the table function `generate_series` is not allowed"),
        ("SELECT * FROM read_csv('/etc/passwd')", "the table function `read_csv` is not allowed"),
        ("SELECT * FROM '/etc/passwd'", "there is no table"),
        ("SELECT * FROM \"s3://bucket/x.parquet\"", "there is no table"),
        ("SELECT * FROM information_schema.tables", "there is no table `information_schema.tables`"),
        ("SELECT * FROM other.public.windows", "there is no table `other.public.windows`"),
        ("SELECT * FROM window", "there is no table `window`; did you mean `windows`?"),
        ("SELECT * FROM instance", "did you mean `instances`?"),
        ("SELECT * FROM xyz", "there is no table `xyz`: `windows`, `instances`, `metrics`"),
        ("SELECT agent FROM windows", "there is no column `agent`; did you mean `agent_id`?"),
        (
            "SELECT w.p99_response_time_ms FROM windows w",
            "there is no column `w.p99_response_time_ms`; did you mean `response_time_ms_p99`?",
        ),
        ("SELECT xyz FROM windows", "there is no column `xyz`: the tables' columns are in docs/reference/sql.md"),
        ("SELECT quantle(samples, 0.5) FROM windows", "quantile"),
        ("SELECT read_file('/etc/passwd')", "Invalid function 'read_file'"),
        ("SELECT samples + agent_id FROM windows", "Cannot coerce arithmetic expression Int64 + Utf8"),
    ];
    for (sql, want) in cases {
        for mode in [Mode::Query, Mode::Signal] {
            let said = refusal(sql, mode);
            assert!(said.contains(want), "{sql}\n  {said}\n  does not say: {want}");
        }
    }
}

#[test]
fn whatever_is_too_long_or_too_deep_is_refused_before_it_is_built() {
    let chain = |sign: &str, count: usize| format!("SELECT {} FROM windows", vec!["samples"; count].join(sign));
    let nested = |open: &str, close: &str, count: usize| {
        format!("SELECT {}samples{} FROM windows", open.repeat(count), close.repeat(count))
    };
    let tenfold = ["x"; 10].join(" + ");
    let levels = (0..6).fold("SELECT samples AS x FROM windows".to_owned(), |inner, _| {
        format!("SELECT {tenfold} AS x FROM ({inner}) t")
    });
    let names =
        |i: usize| format!("c{i} AS (SELECT a.samples FROM c{} a JOIN c{} b ON a.samples = b.samples)", i - 1, i - 1);
    let ctes = (1..12).map(names).collect::<Vec<_>>().join(", ");
    let cases = [
        (format!("SELECT '{}'", "x".repeat(100_000)), "bytes, and at most"),
        (chain("+", 100_000), "bytes, and at most"),
        (chain("+", 5_000), "too many words and signs in one expression"),
        (chain(" AND ", 5_000), "too many words and signs in one expression"),
        (chain("::BIGINT::BIGINT + ", 2_000), "too many words and signs in one expression"),
        (format!("SELECT samples{}", "::TIMESTAMP WITH TIME ZONE".repeat(2_000)), "too many words and signs"),
        (
            format!("SELECT {}", vec!["max(samples) WITHIN GROUP (ORDER BY samples)"; 1_000].join(" + ")),
            "too many words and signs",
        ),
        (nested("(", ")", 5_000), "too many parentheses and CASEs in one another"),
        (nested("abs(", ")", 5_000), "too many parentheses and CASEs in one another"),
        (nested("((samples))+(", ")", 1_000), "too many"),
        (nested("- ", "", 5_000), "too many words and signs"),
        (nested("CASE WHEN true THEN ", " END", 400), "too many parentheses and CASEs"),
        (nested("CASE WHEN ", " THEN true END", 400), "too many parentheses and CASEs"),
        (vec!["SELECT 1"; 1_000].join(" UNION ALL "), "too many joins and set operations"),
        (format!("SELECT 1 FROM windows {}", "JOIN windows USING (agent_id) ".repeat(100)), "too many joins"),
        (format!("SELECT 1 FROM {}", vec!["windows"; 100].join(", ")), "too many tables"),
        (levels, "stands for more than"),
        (format!("WITH c0 AS (SELECT samples FROM windows), {ctes} SELECT * FROM c11"), "too many steps"),
    ];
    for (sql, want) in cases {
        for mode in [Mode::Query, Mode::Signal] {
            let said = refusal(&sql, mode);
            assert!(said.contains(want), "{}…\n  {said}\n  does not say: {want}", &sql[..sql.len().min(60)]);
        }
    }
}

/// Queries are cut off by whoever runs them; a signal, which is part of the decisions, may not even begin.
#[test]
fn a_signal_is_a_function_of_its_windows_with_bounded_work() {
    let cases = [
        (
            "SELECT now() AS t FROM windows",
            "the function `now` in a signal is not allowed: a signal is a function of its windows",
        ),
        ("SELECT random() AS x FROM windows", "the function `random` in a signal"),
        ("SELECT repeat(agent_id, 1000000000) AS x FROM windows", "the function `repeat` in a signal"),
        ("SELECT agent_id || agent_id AS x FROM windows", "`||` in a signal"),
        ("SELECT concat(agent_id, 'x') AS x FROM windows", "the function `concat` in a signal"),
        ("SELECT agent_id ~ '(a{1000}){1000}' AS x FROM windows", "a regular expression in a signal"),
        ("SELECT regexp_like(agent_id, '(a+)+b') AS x FROM windows", "the function `regexp_like` in a signal"),
        ("SELECT agent_id SIMILAR TO 'a' AS x FROM windows", "SIMILAR TO in a signal"),
        ("SELECT string_agg(agent_id, ',') AS x FROM windows", "the function `string_agg` in a signal"),
        ("SELECT approx_distinct(agent_id) AS x FROM windows", "the function `approx_distinct` in a signal"),
        (
            "SELECT median(samples) OVER (ORDER BY samples) AS x FROM windows",
            "the function `median` in a signal is not allowed: with OVER",
        ),
        (
            "SELECT agent_id, count(*) AS n FROM windows GROUP BY CUBE (agent_id, region)",
            "CUBE, ROLLUP and GROUPING SETS in a signal",
        ),
        ("SELECT a.samples FROM windows a CROSS JOIN instances b", "may not join every row with every row"),
        (
            "SELECT a.samples FROM windows a, instances b WHERE a.samples < b.samples",
            "may not join every row with every row",
        ),
        (
            "SELECT a.samples FROM windows a JOIN instances b ON a.agent_id = b.agent_id AND a.samples < b.samples",
            "may only join ON columns that are equal",
        ),
    ];
    for (sql, want) in cases {
        let said = refusal(sql, Mode::Signal);
        assert!(said.contains(want), "{sql}\n  {said}\n  does not say: {want}");
        assert_eq!(check(sql, Mode::Query, &Limits::default()), Ok(()), "a query may: {sql}");
    }
}

#[test]
fn what_people_write_is_not_refused() {
    let cases = [
        "SELECT * FROM windows",
        "SELECT agent_id, max(response_time_ms_p99) AS p99 FROM windows GROUP BY agent_id HAVING count(*) > 1 ORDER BY p99 DESC LIMIT 5;",
        "WITH last AS (SELECT agent_id, max(window_end) AS at FROM windows GROUP BY agent_id)
         SELECT w.agent_id, w.error_rate FROM windows w JOIN last ON w.agent_id = last.agent_id AND w.window_end = last.at",
        "SELECT i.instance_id, i.cpu_utilization_of_limit_mean / w.cpu_utilization_of_limit_mean AS ratio
         FROM instances i, windows w WHERE i.agent_id = w.agent_id AND i.window_end = w.window_end",
        "SELECT agent_id, quantile(sketch(response_time_ms_p99), 0.9) AS p FROM windows GROUP BY agent_id",
        "SELECT get_field(stats(response_time_ms_mean), 'max') AS m FROM windows",
        "SELECT agent_id, (SELECT avg(error_rate) FROM windows) AS of_all FROM windows",
        "SELECT error_rate - t.a AS above FROM windows, (SELECT avg(error_rate) AS a FROM windows) t",
        "SELECT agent_id, row_number() OVER (PARTITION BY agent_id ORDER BY window_end DESC) AS n FROM windows",
        "SELECT agent_id FROM windows UNION ALL SELECT instance_id FROM instances ORDER BY 1",
        "SELECT agent_id, date_bin(INTERVAL '1 minute', window_end) AS minute, count(*) FILTER (WHERE error_rate > 0.1) AS bad
         FROM windows GROUP BY agent_id, minute",
        "SELECT CASE WHEN error_rate > 0.5 THEN 'bad' WHEN error_rate > 0.1 THEN 'poor' ELSE 'fine' END AS grade FROM windows
         WHERE agent_id LIKE 'plan%' AND window_end >= TIMESTAMP '2023-11-14T00:00:00Z' AND kind IN ('tumbling', 'sliding')",
    ];
    for sql in cases {
        for mode in [Mode::Query, Mode::Signal] {
            assert_eq!(check(sql, mode, &Limits::default()), Ok(()), "{mode:?} {sql}");
        }
    }
}
