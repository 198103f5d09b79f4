//! What an operator reads when something is wrong, from the real binary: where it was set, which key, what was
//! expected, the nearest known key; and the exit code that a script sees.

mod binary;

use binary::tidegauge;
use std::path::Path;
use tempfile::TempDir;

const POLICY: &str = "
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: mine, version: 1}
spec:
  max_instances: 5
  objectives: [{signal: cpu, target: 0.7}]
";

/// Files by name, and the configuration as `tidegauge.yaml`.
fn folder(configuration: &str, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a temporary file");
    write("tidegauge.yaml", configuration);
    files.iter().for_each(|(name, text)| write(name, text));
    folder
}

/// Asserts that `validate` exits with 78, and that one line of its message says all of `needles`.
fn check(name: &str, folder: &Path, arguments: &[&str], environment: &[(&str, &str)], needles: &[&str]) {
    let outcome = tidegauge(folder, &[&["validate"], arguments].concat(), environment);
    assert_eq!(outcome.code, 78, "{name}: {}{}", outcome.stdout, outcome.stderr);
    let says_all = |line: &str| needles.iter().all(|needle| line.contains(needle));
    assert!(outcome.stderr.lines().any(says_all), "{name}: no line with {needles:?} in\n{}", outcome.stderr);
}

#[test]
fn wrong_configurations_are_told_with_file_key_expectation_and_nearest_key() {
    let cases: &[(&str, &str, &[&str])] = &[
        // name, configuration, what one line says
        (
            "unknown key",
            "time: {pan: 10s}",
            &["tidegauge.yaml:1:", "time.pan:", "unknown key", "did you mean `time.pane`?"],
        ),
        ("unknown section", "tyme: {pane: 10s}", &["tidegauge.yaml:1:", "tyme:", "did you mean `time`?"]),
        (
            "key of another section",
            "idle_after: 5s",
            &["tidegauge.yaml:1:", "idle_after:", "did you mean `time.idle_after`?"],
        ),
        ("unknown key in a list", "windows: [{size: 1m, slyde: 10s}]", &["windows[0].slyde:", "windows.slide"]),
        (
            "no unit",
            "time: {pane: 10}",
            &["tidegauge.yaml:1:", "time.pane:", "a duration with its unit", "10s", "found `10`"],
        ),
        ("wrong unit", "time: {pane: 10 MiB}", &["time.pane:", "a duration with its unit", "found `10 MiB`"]),
        (
            "size without unit",
            "ingest: {max_record_bytes: 1000}",
            &["ingest.max_record_bytes:", "a size with its unit", "1 MiB"],
        ),
        ("wrong type", "workers: {aggregate: many}", &["workers.aggregate:", "a whole number", "found `many`"]),
        (
            "section where a value is",
            "cluster: {a: b}",
            &["tidegauge.yaml:1:", "cluster:", "expected a text", "found a section"],
        ),
        ("value where a section is", "time: 5s", &["time:", "expected a section with keys pane"]),
        ("unknown word", "output: {format: xml}", &["output.format:", "one of avro, json", "found `xml`"]),
        (
            "slide does not divide size",
            "windows: [{size: 1m, slide: 50s}]",
            &["windows[0].slide:", "divide the size of 1m", "50s"],
        ),
        (
            "size is no multiple of the pane",
            "windows: [{size: 45s}]",
            &["windows[0].size:", "multiple of time.pane, which is 10s"],
        ),
        (
            "a level that there is not",
            "windows: [{size: 1m, levels: [galaxy]}]",
            &["windows[0].levels", "one of instance, entity, agent, region, workspace, fleet", "found `galaxy`"],
        ),
        (
            "a roll-up of half a pane more",
            "rollups: [{size: 1h}, {size: 3605s}]",
            &["tidegauge.yaml:1:", "rollups[1].size:", "multiple of time.pane, which is 10s"],
        ),
        ("a roll-up of a year", "rollups: [{size: 365d}]", &["rollups[0].size:", "expected at most 31d", "found 365d"]),
        (
            "a roll-up twice",
            "rollups: [{size: 1h}, {size: 60m}]",
            &["rollups[1]:", "expected each pair of size and slide once"],
        ),
        (
            "a roll-up that is a window",
            "{windows: [{size: 1m, slide: 10s}, {size: 1h}], rollups: [{size: 1h}]}",
            &["rollups[0].size:", "a size and slide that `windows` does not have"],
        ),
        (
            "early results that do not fit",
            "rollups: [{size: 1h, early: 7m}]",
            &["rollups[0].early:", "divide the size of 1h", "found 7m"],
        ),
        (
            "early results at the end",
            "rollups: [{size: 1h, early: 1h}]",
            &["rollups[0].early:", "to be shorter", "found 1h"],
        ),
        (
            "a roll-up that slides by what does not divide it",
            "rollups: [{size: 1d, slide: 7h}]",
            &["rollups[0].slide:", "divides the size of 1d", "found 7h"],
        ),
        (
            "a roll-up of too many slides",
            "rollups: [{size: 31d, slide: 1m}]",
            &["rollups[0].slide:", "at most 744 slides", "found 1m"],
        ),
        (
            "early results of roll-ups that overlap",
            "rollups: [{size: 1d, slide: 1h, early: 10m}]",
            &["rollups[0].early:", "none of roll-ups that overlap"],
        ),
        (
            "roll-ups of instances",
            "rollups: [{size: 1d, levels: [agent, instance]}]",
            &["rollups[0].levels:", "expected agent, workspace, fleet, or several"],
        ),
        (
            "revisions for half a pane",
            "windows: [{size: 1m, revisions: 15s}]",
            &["windows[0].revisions:", "multiple of time.pane, which is 10s", "found 15s"],
        ),
        (
            "revisions for longer than the journal is kept",
            "{windows: [{size: 1m, revisions: 1h}], topics: {replay_horizon: 1h}}",
            &["topics.replay_horizon:", "with its revisions and its allowed lateness", "found 1h"],
        ),
        ("a gap of half a pane", "sessions: {gap: 5s}", &["sessions.gap:", "multiple of time.pane, which is 10s"]),
        (
            "sessions without end",
            "sessions: {gap: 1m, longest: 60d}",
            &["sessions.longest:", "expected at most 31d", "found 60d"],
        ),
        (
            "sessions of regions",
            "sessions: {gap: 1m, levels: [region]}",
            &["sessions.levels:", "expected agent, instance, or both"],
        ),
        ("missing size", "windows: [{slide: 10s}]", &["tidegauge.yaml:1:", "windows[0].size:", "no default"]),
        (
            "skew below the pane",
            "time: {max_skew: 5s}",
            &["tidegauge.yaml:1:", "time.max_skew:", "at least the pane of 10s", "found 5s"],
        ),
        (
            "findings in windows that are no whole panes",
            "analytics: {window: 15s}",
            &["tidegauge.yaml:1:", "analytics.window:", "multiple of time.pane", "found 15s"],
        ),
        (
            "a baseline of too few windows",
            "analytics: {window: 10m, baseline: 1h}",
            &["analytics.baseline:", "10 windows of 10m", "found 1h"],
        ),
        ("a share above 1", "analytics: {saturation: 5}", &["analytics.saturation:", "above 0, at most 1, found 5"]),
        ("a hotspot below the median", "analytics: {hotspot_ratio: 0.9}", &["analytics.hotspot_ratio:", "above 1"]),
        (
            "no window to hold for",
            "analytics: {open_after: 0}",
            &["analytics.open_after:", "expected 1 to 100, found 0"],
        ),
        ("the same topic twice", "topics: {late: a, alerts: a}", &["topics.late:", "a is named twice"]),
        ("not a topic", "topics: {late: 'a b'}", &["topics.late:", "letters, digits"]),
        ("no port", "kafka: {bootstrap: [localhost]}", &["kafka.bootstrap:", "host:port", "`localhost`"]),
        ("a list of sections that is a text", "windows: 1m", &["windows:", "expected a list"]),
        ("unknown delivery", "delivery: exactly_twice", &["tidegauge.yaml:1:", "delivery:", "exactly_once"]),
        (
            "too slow a commit",
            "workers: {commit_interval: 10s}",
            &["tidegauge.yaml:1:", "workers.commit_interval:", "expected 10ms to 1s, found 10s"],
        ),
        (
            "too little memory",
            "workers: {memory_limit: 1 MiB}",
            &["tidegauge.yaml:1:", "workers.memory_limit:", "128 MiB"],
        ),
        ("user without sasl", "kafka: {security: {username: me}}", &["kafka.security.username:", "sasl", "plaintext"]),
        (
            "sasl without password",
            "kafka: {security: {protocol: sasl_ssl}}",
            &["kafka.security.protocol:", "password_file to be set"],
        ),
        (
            "key without certificate",
            "kafka: {security: {protocol: ssl, key_file: tidegauge.yaml}}",
            &["security.key_file:", "together"],
        ),
        (
            "missing certificate",
            "kafka: {security: {protocol: ssl, ca_file: ca.pem}}",
            &["kafka.security.ca_file:", "there is none at"],
        ),
        ("reserved property", "kafka: {properties: {group.id: x}}", &["kafka.properties.group.id:", "set kafka.group"]),
        (
            "unknown property",
            "kafka: {properties: {socket.tmeout.ms: 5}}",
            &["kafka.properties.socket.tmeout.ms:", "librdkafka"],
        ),
        (
            "missing mapping",
            "ingest: {mapping: m.yaml}",
            &["tidegauge.yaml:1:", "ingest.mapping:", "expected a file", "m.yaml"],
        ),
        ("wrong mapping", "ingest: {mapping: bad-map.yaml}", &["bad-map.yaml:1:", "fields", "agent_id"]),
        (
            "missing policy",
            "policies: {paths: [none.yaml]}",
            &["tidegauge.yaml:1:", "policies.paths:", "expected a file", "none.yaml"],
        ),
        (
            "policy with an unknown key",
            "policies: {paths: [bad.yaml]}",
            &["bad.yaml:", "max_instance", "max_instances"],
        ),
        (
            "policy of another window",
            "policies: {paths: [other.yaml]}",
            &["other.yaml:", "spec.window:", "1m sliding by 10s", "5m sliding by 1m"],
        ),
        (
            "two policies of a name",
            "policies: {paths: [mine.yaml, same.yaml]}",
            &["same.yaml:", "metadata.name:", "mine.yaml has `mine` too"],
        ),
        ("rules that are a policy", "alerts: {path: mine.yaml}", &["mine.yaml:", "kind:", "expected AlertRules"]),
        ("not YAML", "time: {pane: 10s", &["tidegauge.yaml:1:"]),
        (
            "keys that can be guessed",
            "ingest: {top_keys: hashed}",
            &["ingest.top_keys_secret_file:", "expected with ingest.top_keys: hashed", "guesses"],
        ),
        (
            "a secret for no keys",
            "ingest: {top_keys_secret_file: tidegauge.yaml}",
            &["tidegauge.yaml:1:", "ingest.top_keys_secret_file:", "hashed only"],
        ),
        ("no way to name keys", "ingest: {top_keys: hash}", &["ingest.top_keys:", "hashed", "`hash`"]),
        (
            "password in the clear",
            "kafka: {properties: {sasl.password: x}}",
            &["kafka.properties.sasl.password:", "password_file"],
        ),
    ];
    let files = [
        ("mine.yaml", POLICY.to_owned()),
        ("same.yaml", POLICY.to_owned()),
        ("bad.yaml", POLICY.replace("max_instances", "max_instance")),
        ("other.yaml", POLICY.replace("spec:", "spec:\n  window: {size: 5m, slide: 1m}")),
        ("bad-map.yaml", "fields: {instance_id: container}".to_owned()),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    for (name, configuration, needles) in cases {
        check(name, folder(configuration, &files).path(), &[], &[], needles);
    }
}

fn signal(name: &str, sql: &str) -> String {
    format!(
        "apiVersion: tidegauge.io/v1\nkind: Signal\nmetadata: {{name: {name}, version: 1}}\nspec:\n  sql: >-\n    {sql}\n"
    )
}

/// Each adversarial or mistaken SELECT is refused before anything starts, with what to write instead.
#[test]
fn selects_that_no_signal_may_be_are_refused() {
    let deep = format!("SELECT {}1{} AS value FROM windows", "(".repeat(200), ")".repeat(200));
    let long = format!("SELECT 1 AS value -- {}", "x".repeat(17_000));
    let sort = format!(
        "SELECT max(place) AS value FROM (SELECT rank() OVER (ORDER BY instance_id, queue_depth_mean, queue_depth_max, \
         queue_depth_min, queue_depth_sum, queue_depth_last) AS place FROM ({}))",
        ["SELECT * FROM instances"; 16].join(" UNION ALL ")
    );
    #[rustfmt::skip]
    let cases: [(&str, &str, &[&str]); 24] = [
        ("a cross join", "SELECT count(*) AS value FROM instances a CROSS JOIN instances b", &["every row with every row"]),
        ("a comma", "SELECT count(*) AS value FROM instances a, instances b", &["every row with every row"]),
        ("a join on less", "SELECT count(*) AS value FROM instances a JOIN instances b ON a.samples < b.samples", &["join ON columns that are equal"]),
        ("a cross join in disguise", "SELECT count(*) AS value FROM instances a JOIN instances b ON a.agent_id = b.agent_id",
            &["on an agent of 1000 instances", "joins yield more than 200000 rows", "few rows share"]),
        ("recursion", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) AS value FROM t", &["RECURSIVE"]),
        ("a regex bomb", "SELECT count(*) AS value FROM instances WHERE instance_id ~ '(a{1000}){1000}'", &["regular expression", "LIKE"]),
        ("a regex function", "SELECT count(*) AS value FROM instances WHERE regexp_like(instance_id, '(a*)*')", &["`regexp_like`"]),
        ("a text without end", "SELECT length(repeat('x', 1000000000)) AS value FROM windows", &["`repeat`"]),
        ("deep nesting", &deep, &["too many parentheses", "at most 50"]),
        ("too long", &long, &["a SELECT of at most 16384 bytes"]),
        ("a huge sort", &sort, &["needs more than 33554432 bytes of memory", "sort fewer columns"]),
        ("a clock", "SELECT date_part('second', now()) AS value FROM windows", &["`now`", "function of its windows"]),
        ("chance", "SELECT random() AS value FROM windows", &["`random`", "function of its windows"]),
        ("rows from nowhere", "SELECT count(*) AS value FROM generate_series(1, 1000000000)", &["generate_series"]),
        ("a file", "SELECT count(*) AS value FROM '/etc/passwd'", &["/etc/passwd"]),
        ("a change", "DROP TABLE windows", &["DROP is not allowed", "SELECT"]),
        ("two statements", "SELECT 1 AS value FROM windows; SELECT 2 AS value FROM windows", &["more than one statement"]),
        ("a table that is not there", "SELECT 1 AS value FROM window", &["no table `window`", "did you mean `windows`?"]),
        ("a column that is not there", "SELECT max(queue_deptht_mean) AS value FROM instances", &["no column", "queue_depth_mean"]),
        ("no value", "SELECT max(queue_depth_mean) FROM instances", &["expected the columns `value`", "AS value"]),
        ("another column", "SELECT 1 AS value, 2 AS other FROM windows", &["expected the columns `value`", "`other`"]),
        ("a text", "SELECT agent_id AS value FROM windows", &["expected a number as `value`"]),
        ("more than one row", "SELECT queue_depth_mean AS value FROM instances", &["100 rows of one agent", "aggregate them, or select `instance_id` too"]),
        ("more than one of an instance", "SELECT 'one' AS instance_id, queue_depth_mean AS value FROM instances", &["second row of the instance one", "GROUP BY instance_id"]),
    ];
    for (name, sql, needles) in cases {
        let file = signal("wrong", sql);
        let here = folder("signals: {paths: [wrong.yaml]}", &[("wrong.yaml", file.as_str())]);
        check(name, here.path(), &[], &[], &[&["wrong.yaml:", "spec.sql:"], needles].concat());
    }
}

#[test]
fn what_names_a_signal_is_held_against_it() {
    let (of_agent, of_each) = (
        signal("total", "SELECT sum(queue_depth_mean) AS value FROM instances"),
        signal("each", "SELECT instance_id, queue_depth_mean AS value FROM instances"),
    );
    let coarse = of_agent.replace("total", "coarse").replace("spec:", "spec:\n  window: {size: 1m, slide: 20s}");
    let policy = |objective: &str| {
        format!(
            "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{name: p, version: 1}}\nspec:\n  preset: balanced\n  \
             objectives: [{objective}]\n"
        )
    };
    let rules = |rule: &str| {
        format!(
            "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {{name: r, version: 1}}\nspec:\n  rules: [{rule}]\n"
        )
    };
    let calm = rules("{name: a, signal: {kind: signal, name: total}, above: 1}");
    let first = policy("{signal: total, type: average_value, target: 3}");
    #[rustfmt::skip]
    let cases: [(&str, String, String, &[&str]); 6] = [
        ("a name that is not there", policy("{signal: totl, type: value, target: 3}"), calm.clone(),
            &["policy.yaml:6:", "spec.objectives[0].signal:", "unknown signal `totl`", "`each`, `total`", "did you mean `total`?"]),
        ("a usual one, misspelt", policy("{signal: memry, type: value, target: 3}"), calm.clone(), &["did you mean `memory`?"]),
        ("a value of each for one of all", policy("{signal: each, type: value, target: 3}"), calm.clone(),
            &["policy.yaml:6:", "spec.objectives[0].type:", "expected average_value", "a value of each instance"]),
        ("windows that do not end there", policy("{signal: coarse, type: value, target: 3}"), calm,
            &["policy.yaml:6:", "spec.objectives[0].signal:", "every 10s", "slide by 20s"]),
        ("an alert of the agent on each", first.clone(), rules("{name: a, signal: {kind: signal, name: each}, above: 1}"),
            &["rules.yaml:5:", "spec.rules[0].by:", "expected instance"]),
        ("an alert by instance on all", first, rules("{name: a, by: instance, signal: {kind: signal, name: total}, above: 1}"),
            &["rules.yaml:5:", "spec.rules[0].by:", "expected agent"]),
    ];
    let settings = "\
        signals: {paths: [signals]}\npolicies: {paths: [policy.yaml]}\nalerts: {path: rules.yaml}\n\
        windows: [{size: 1m, slide: 10s}, {size: 1m, slide: 20s}]\n";
    let with = |policy: &str, rules: &str| {
        let files = [
            ("signals/all.yaml", &*format!("{of_agent}---\n{of_each}---\n{coarse}")),
            ("policy.yaml", policy),
            ("rules.yaml", rules),
        ];
        let here = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(here.path().join("signals")).expect("a folder");
        for (name, text) in files.iter().chain([&("tidegauge.yaml", settings)]) {
            std::fs::write(here.path().join(name), text).expect("a file");
        }
        here
    };
    for (name, policy, rules, needles) in cases {
        check(name, with(&policy, &rules).path(), &[], &[], needles);
    }
    let twice = format!("{of_agent}---\n{of_agent}");
    let here = folder("signals: {paths: [twice.yaml]}", &[("twice.yaml", twice.as_str())]);
    check("two of a name", here.path(), &[], &[], &["twice.yaml:", "metadata.name:", "`total` too"]);
    let here = folder("signals: {paths: [none.yaml]}", &[]);
    check("no file", here.path(), &[], &[], &["tidegauge.yaml:1:", "signals.paths:", "none.yaml"]);
    let here = folder("signals: {paths: [p.yaml]}", &[("p.yaml", POLICY)]);
    check("a policy", here.path(), &[], &[], &["p.yaml:", "expected Signal, found Policy"]);
}

#[test]
fn environment_and_flags_are_named_where_they_are_wrong() {
    let here = folder("{}", &[]);
    let from_environment = [("TIDEGAUGE__TIME__PANE", "10")];
    let needles = ["environment variable TIDEGAUGE__TIME__PANE: time.pane:", "a duration with its unit"];
    check("a variable without unit", here.path(), &[], &from_environment, &needles);
    let unknown = [("TIDEGAUGE__TIME__PAIN", "10s")];
    let needles = ["environment variable TIDEGAUGE__TIME__PAIN: time.pain:", "time.pane"];
    check("an unknown variable", here.path(), &[], &unknown, &needles);
    let needles = ["flag --set time.pane: time.pane:", "found `soon`"];
    check("a flag over a variable", here.path(), &["--set", "time.pane=soon"], &from_environment, &needles);
    let needles = ["flag --policy: policies.paths:", "there is none at absent.yaml"];
    check("a missing policy", here.path(), &["--policy", "absent.yaml"], &[], &needles);
    let needles = ["nowhere.yaml: ", "expected a configuration file"];
    check("a missing file", here.path(), &["--config", "nowhere.yaml"], &[], &needles);
}

#[test]
fn layers_have_precedence_in_their_order_and_relative_paths_belong_to_the_file() {
    let here = folder(
        "time: {pane: 20s}\npolicies: {paths: [mine.yaml]}\nwindows: [{size: 1m, slide: 20s}]",
        &[("mine.yaml", POLICY)],
    );
    let file = here.path().join("tidegauge.yaml").display().to_string();
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    // Of the file: windows of 1m by 20s, so the policy's 1m by 10s are not there; and it was found beside the file.
    let needles = ["mine.yaml:", "spec.window:", "1m sliding by 20s"];
    check("the file's", elsewhere.path(), &["--config", &file], &[], &needles);
    let windows = ("TIDEGAUGE__WINDOWS", "[{size: 1m, slide: 10s}]");
    let needles = ["windows[0].slide:", "multiple of time.pane, which is 20s", "found 10s"];
    check("the environment over the file", elsewhere.path(), &["--config", &file], &[windows], &needles);
    let all = ["--config", &file, "--set", "time.pane=10s"];
    let outcome = tidegauge(elsewhere.path(), &[&["validate"], &all[..]].concat(), &[windows]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let here = folder("time: {pan: 10s, idle_after: 5}\noutput: {format: xml}", &[]);
    let outcome = tidegauge(here.path(), &["validate"], &[]);
    let said = |text: &str| outcome.stderr.contains(text);
    assert!(
        said("3 problems") && said("time.pan:") && said("time.idle_after:") && said("output.format:"),
        "{}",
        outcome.stderr
    );
    let here = folder("time: {max_skew: 5s}\nworkers: {aggregate: 0, decide: 0, batch: 0}", &[]);
    let outcome = tidegauge(here.path(), &["validate"], &[]);
    let said = |text: &str| outcome.stderr.contains(text);
    assert!(said("time.max_skew:") && said("workers.aggregate:") && said("workers.batch:"), "{}", outcome.stderr);
}

#[test]
fn a_right_configuration_passes_and_a_password_is_never_shown() {
    let text =
        "kafka: {security: {protocol: sasl_plaintext, mechanism: SCRAM-SHA-512, username: u, password_file: pw}}";
    let here = folder(text, &[("pw", "hunter2\n")]);
    let outcome = tidegauge(here.path(), &["validate", "--log-level", "trace"], &[]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"));
    assert!(outcome.stdout.contains("warn") && outcome.stdout.contains("sasl_plaintext"), "{}", outcome.stdout);
}

#[test]
fn the_generated_files_are_right() {
    let here = folder("{}", &[]);
    for (what, file) in [("config", "tidegauge.yaml"), ("policy", "policy.yaml")] {
        let generated = tidegauge(here.path(), &["generate", what], &[]);
        assert_eq!(generated.code, 0, "{}", generated.stderr);
        std::fs::write(here.path().join(file), generated.stdout).expect("a temporary file");
    }
    let outcome = tidegauge(here.path(), &["validate", "--policy", "policy.yaml"], &[]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn a_broker_that_is_away_is_waited_for_and_then_it_is_69() {
    let here = folder("kafka: {bootstrap: ['127.0.0.1:1'], startup_timeout: 2s}", &[]);
    let start = std::time::Instant::now();
    let outcome = tidegauge(here.path(), &["run"], &[]);
    assert_eq!(outcome.code, 69, "{}", outcome.stderr);
    assert!((2..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let said = |text: &str| outcome.stderr.contains(text);
    assert!(
        said("no Kafka broker answers yet") && said("no Kafka broker answered at 127.0.0.1:1 within 2s"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn wrong_usage_is_64_and_wrong_data_65_with_file_line_and_column() {
    let csv = "ts,agent,pod,cpu\n1767225600,a,a-1,0.5\n1767225600,a,a-1,much\n";
    let map = "fields: {event_time: {from: ts, unit: s}, agent_id: agent, instance_id: pod, cpu_used_cores: cpu}";
    let here = folder("kafka: {bootstrap: ['127.0.0.1:1'], startup_timeout: 1s}", &[("t.csv", csv), ("map.yaml", map)]);
    let produce = ["produce", "--csv", "t.csv", "--map", "map.yaml", "--shift"];
    let cases: &[(&[&str], i32, &str)] = &[
        (&["dance"], 64, "dance"),
        (&["tail", "decisions", "--from", "yesterday"], 64, "beginning, end, or -N"),
        (&["produce", "--csv", "t.csv"], 64, "--map"),
        (&["run", "--set", "time.pane"], 64, "KEY=VALUE"),
        (&produce, 65, "t.csv:3: column 4: wrong_type in cpu"),
        (&["produce", "--csv", "t.csv", "--map", "absent.yaml"], 78, "absent.yaml"),
        (&["produce", "--csv", "absent.csv", "--map", "map.yaml", "--shift"], 66, "absent.csv"),
        (&["produce", "--csv", "-", "--map", "map.yaml", "--shift"], 64, "reads the input twice"),
        (&["tail", "decisions"], 69, "no Kafka broker answered"),
    ];
    for (arguments, code, needle) in cases {
        let outcome = tidegauge(here.path(), arguments, &[]);
        assert_eq!(outcome.code, *code, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(needle), "{arguments:?}: no {needle} in {}", outcome.stderr);
    }
}

#[test]
fn wrong_actuators_are_told_with_key_and_expectation() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "unknown key of a workload",
            "actuate: {kubernetes: {workloads: [{agent: a, nmae: b}]}}",
            &["tidegauge.yaml:1:", "actuate.kubernetes.workloads[0].nmae:", "did you mean", "workloads.name"],
        ),
        (
            "a workload of nobody",
            "actuate: {kubernetes: {workloads: [{name: b}]}}",
            &["tidegauge.yaml:1:", "workloads[0].agent:", "no default"],
        ),
        (
            "two targets of one workload",
            "actuate: {kubernetes: {workloads: [{agent: a, name: x}, {agent: b, name: x}]}}",
            &["workloads[1]:", "a workload of its own", "Deployment default/x is scaled for default/a"],
        ),
        (
            "one target twice",
            "actuate: {kubernetes: {workloads: [{agent: a}, {agent: a, name: x}]}}",
            &["workloads[1]:", "each target once", "default/a"],
        ),
        (
            "a kind that needs its version",
            "actuate: {kubernetes: {workloads: [{agent: a, kind: Fleet}]}}",
            &["workloads[0]:", "api_version", "`Fleet` is none of Deployment, StatefulSet"],
        ),
        (
            "no name of an object",
            "actuate: {kubernetes: {workloads: [{agent: My Agent}]}}",
            &["workloads[0]:", "expected as name", "`My Agent`"],
        ),
        (
            "too patient",
            "actuate: {kubernetes: {ready_timeout: 2h}}",
            &["actuate.kubernetes.ready_timeout:", "to 1h, found 2h"],
        ),
        ("no address", "actuate: {webhook: {url: 'scaler:80'}}", &["actuate.webhook.url:", "https://", "`scaler:80`"]),
        (
            "a secret that can be guessed",
            "actuate: {webhook: {url: 'http://a', secret_file: short}}",
            &["tidegauge.yaml:1:", "actuate.webhook.secret_file:", "at least 16 bytes, found 7"],
        ),
        (
            "a secret for nobody",
            "actuate: {webhook: {secret_file: long}}",
            &["actuate.webhook.secret_file:", "with actuate.webhook.url only"],
        ),
        (
            "pauses that contradict one another",
            "actuate: {webhook: {retry_first: 10s, retry_most: 5s}}",
            &["actuate.webhook.retry_first:", "at most retry_most, 5s here, found 10s"],
        ),
        (
            "the topic of somebody else",
            "topics: {scaling_events: tidegauge.alerts.v1}",
            &["topics.scaling_events:", "is named twice"],
        ),
    ];
    for (name, configuration, needles) in cases {
        let folder = folder(configuration, &[("short", "hunter2\n"), ("long", "a text of twenty bytes and more\n")]);
        check(name, folder.path(), &[], &[], needles);
        let said = tidegauge(folder.path(), &["validate"], &[]).stderr;
        assert!(!said.contains("hunter2"), "{name} shows the secret: {said}");
    }
}

#[test]
fn an_actuator_that_has_nothing_to_scale_says_which_key_is_missing() {
    for (kind, key) in [("webhook", "actuate.webhook.url"), ("kubernetes", "actuate.kubernetes.workloads")] {
        let folder = folder("{}", &[]);
        let outcome = tidegauge(folder.path(), &["actuate", kind], &[]);
        assert_eq!(outcome.code, 78, "{kind}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("{key} is not set")), "{kind}: {}", outcome.stderr);
    }
}

/// Two alerts of one fingerprint would end one another for who reads them.
#[test]
fn rules_of_two_sets_share_no_alert() {
    let set = |name: &str, agents: &str, rule: &str| {
        let head =
            format!("apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: {{name: {name}, version: 1}}\nspec:\n");
        format!(
            "{head}  match: {{agents: [{agents}]}}\n  rules:\n    - {{name: {rule}, signal: {{kind: error_rate}}, above: 0.1}}\n"
        )
    };
    let settings = "alerts: {path: rules}\n";
    let with = |other: &str| {
        let here = folder(settings, &[]);
        std::fs::create_dir(here.path().join("rules")).expect("a folder");
        for (name, text) in [("a.yaml", &*set("first", "'planner-*'", "errors")), ("b.yaml", other)] {
            std::fs::write(here.path().join("rules").join(name), text).expect("a file");
        }
        here
    };
    let refused = [
        (
            "of two sets",
            set("second", "'*-eu'", "errors"),
            ["spec.rules[0].name:", "`errors` is a rule of `first` in", "a.yaml too"],
        ),
        (
            "a built-in one",
            set("second", "writer", "ScalingFailed"),
            ["b.yaml:7:", "`ScalingFailed`", "comes without rules"],
        ),
    ];
    for (name, other, needles) in refused {
        check(name, with(&other).path(), &[], &[], &needles);
    }
    for other in [set("second", "'writer-*'", "errors"), set("second", "'*-eu'", "errors_eu")] {
        let outcome = tidegauge(with(&other).path(), &["validate"], &[]);
        assert!(!outcome.stderr.contains("a name of its own"), "{}", outcome.stderr);
    }
}
