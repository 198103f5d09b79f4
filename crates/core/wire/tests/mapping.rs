//! Mapping files: what is wrong with them is said at once; what is right converts rows.

mod common;

use common::{accept, example_mapping, mapped, metrics, native, refuse};
use std::io::Read;
use tidegauge_model::{Attribute, EntityKey, EntityKind, Metric};
use tidegauge_wire::{Framing, Mapping, RejectCode, SampleEncoder, SampleRow};

const GOOD: &str = "
fields:
  agent_id: {from: pod, take: before -}
  instance_id: pod
  event_time: {from: ts, unit: ms}
";

#[test]
fn p1_each_mistake_is_named_with_its_path_and_the_nearest_known_name() {
    let cases = [
        (
            "  cpu_used_core: x",
            "fields.cpu_used_core: \"cpu_used_core\" is no known field of a sample; did you mean `cpu_used_cores`? \
             (metrics that tidegauge does not know go under `metrics`)",
        ),
        ("  cpu_saturated: x", "fields.cpu_saturated: cpu_saturated is computed by tidegauge from other metrics"),
        (
            "  cpu_used_cores: {form: x}",
            "fields.cpu_used_cores.form: \"form\" is no known key; did you mean `from`?\n\
             fields.cpu_used_cores: `from` is missing: the field of the record that it comes from",
        ),
        (
            "  cpu_used_cores: {from: x, unit: milicores}",
            "fields.cpu_used_cores.unit: \"milicores\" is no known unit; did you mean `millicores`?",
        ),
        (
            "  cpu_used_cores: {from: x, unit: percent}",
            "fields.cpu_used_cores.unit: cpu_used_cores is in cores, to which percent does not convert; \
             cores, millicores, nanocores do",
        ),
        (
            "  ready_at: {from: x, unit: hours}",
            "fields.ready_at.unit: \"hours\" is no known unit of time; there are ns, us, ms, s, minutes",
        ),
        ("  region: {from: x, unit: s}", "fields.region.unit: only numbers and times have a unit"),
        (
            "  region: {from: x, take: some}",
            "fields.region.take: \"some\" is none of `first N chars`, `last N chars`, `before TEXT`, \
             `before last TEXT` or `after TEXT`",
        ),
        ("  queue_depth: {from: x, take: first 1 chars}", "fields.queue_depth.take: only texts can be taken in part"),
        ("  queue_depth: a..b", "fields.queue_depth.from: a path has a name in every place"),
        (
            "  queue_depth: 5",
            "fields.queue_depth.from: 5 is not a field or a path (quote a name that YAML takes for something else)",
        ),
        ("  queue_depth: pod.depth", "fields: pod is a value in one line, and pod.depth is within it in another"),
        ("  queue_depth: {from: x, cumulative: true}", "fields.queue_depth.cumulative: only counters are cumulative"),
        (
            "  requests: {from: x, start: since}",
            "fields.requests.start: only cumulative counters have one: add `cumulative: true`",
        ),
        (
            "  requests: {from: x, cumulative: true, start: since, start_unit: hours}",
            "fields.requests.start_unit: \"hours\" is no known unit of time; there are ns, us, ms, s, minutes",
        ),
        ("  labels: x", "fields.labels: labels cannot be mapped to yet"),
        ("metrics: {queue_depth: x}", "metrics.queue_depth: queue_depth is built in: put it under `fields`"),
        ("metrics: {region: x}", "metrics.region: region is a field of a sample: put it under `fields`"),
        (
            "constants: {workspace: demo}",
            "constants.workspace: \"workspace\" is no known field of a sample; did you mean `workspace_id`? \
             (metrics that tidegauge does not know go under `metrics`)",
        ),
        ("constants: {requests: -1}", "constants.requests: -1 is no value of requests"),
        ("constants: {region: ''}", "constants.region: \"\" is not a text of 1 to 1024 bytes"),
        ("constants: {event_time: 5}", "constants.event_time: cannot be the same for all records"),
        ("constants: 5", "constants: 5 where names and their values are expected"),
        ("keep_unmapped: maybe", "keep_unmapped: \"maybe\" is neither true nor false"),
        ("keep_unmaped: true", "keep_unmaped: \"keep_unmaped\" is no known key; did you mean `keep_unmapped`?"),
    ];
    for (line, want) in cases {
        let error = Mapping::parse("map.yaml", &format!("{GOOD}{line}\n")).expect_err(line);
        let want: Vec<_> = want.split('\n').map(|problem| format!("map.yaml: {problem}")).collect();
        assert_eq!(error.to_string(), want.join("\n"));
    }
}

#[test]
fn p1_what_every_sample_needs_is_asked_for() {
    let error = Mapping::parse("map.yaml", "fields: {agent_id: a}").expect_err("two are missing");
    assert_eq!(
        error.to_string(),
        "map.yaml: fields: instance_id is missing: every sample has one\n\
         map.yaml: fields: event_time is missing: every sample has one"
    );
    let constant = "fields: {instance_id: i, event_time: t}\nconstants: {agent_id: a}";
    assert!(Mapping::parse("map.yaml", constant).is_ok(), "an id may be a constant");
    assert!(Mapping::parse("map.yaml", "- 1").is_err());
    let broken = Mapping::parse("map.yaml", "fields: {").expect_err("no YAML");
    assert!(broken.to_string().starts_with("map.yaml: line 1 column"), "{broken}");
    let twice = Mapping::parse("map.yaml", "fields: {agent_id: a, agent_id: b}").expect_err("a key twice");
    assert!(twice.to_string().contains("agent_id"), "{twice}");
}

/// Exporters of databases and caches know nothing of agents and instances.
#[test]
fn entities_are_mapped_by_a_constant_or_by_what_records_say() {
    let postgres = br#"{"ts": 1767225600, "datname": "orders", "service": "orders", "pool_used": 45, "pool_max": 50,
        "replay_lag_seconds": 1.5, "slow_queries_total": 7, "queries_total": 900, "lock_wait_seconds": 0.02}"#;
    let redis = br#"{"time": "2026-01-01T00:00:00Z", "addr": "sessions-0:6379",
        "stats": {"hit_rate_pct": 93, "connected_clients": 40, "maxclients": 100}, "memory": {"used": 512, "max": 1024}}"#;
    let cases = [
        ("postgres-json.yaml", postgres.as_slice(), "orders", "orders"),
        ("redis-json.yaml", redis.as_slice(), "", "sessions-0"),
    ];
    for (file, payload, agent, id) in cases {
        let mut decoder = mapped(example_mapping(file));
        accept(&mut decoder, payload);
        let batch = decoder.finish();
        assert_eq!(batch.entities, [(0, EntityKey::new(EntityKind::Dependency, id))], "{file}");
        assert_eq!((batch.agent.value(0), batch.instance.value(0)), (agent, ""), "{file}");
    }
    let said = "fields: {entity: kind, entity_id: name, agent_id: service, event_time: ts}";
    assert!(Mapping::parse("map.yaml", said).is_ok(), "which ids it needs follows from each record");
    let cases = [
        (
            "fields: {event_time: t}\nconstants: {entity: dependency}",
            "fields: entity_id is missing: a sample of a dependency says which",
        ),
        (
            "fields: {event_time: t}\nconstants: {entity: agent}",
            "fields: agent_id is missing: a sample of an agent says which",
        ),
        ("fields: {event_time: t, shard: s}\nconstants: {entity: shard}", ""),
        ("fields: {event_time: t}\nconstants: {entity: workspace}", ""),
        (
            "fields: {event_time: t, agent_id: a, instance_id: i}\nconstants: {entity: dependancy}",
            "constants.entity: \"dependancy\" is no known kind of entity; did you mean `dependency`?",
        ),
    ];
    for (text, want) in cases {
        let got = Mapping::parse("map.yaml", text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(got, if want.is_empty() { String::new() } else { format!("map.yaml: {want}") }, "{text}");
    }
}

#[test]
fn nested_json_is_mapped_by_paths_units_and_constants() {
    let mut decoder = mapped(example_mapping("kubernetes-json.yaml"));
    accept(
        &mut decoder,
        br#"{"time": "2026-01-01T00:00:00Z", "unmapped": 5,
            "pod": {"name": "planner-7d9f8-x2x", "labels": {"app.kubernetes.io/name": "planner"}, "phase": "ready"},
            "usage": {"cpu_millicores": 250, "memory_mib": 512, "memory_limit_mib": 1024, "throttled_pct": 3},
            "net": {"rx_mbit": 12, "tx_mbit": 3}, "fan": {"rpm": 900}}"#,
    );
    let wrong = refuse(
        &mut decoder,
        br#"{"time": "2026-01-01T00:00:00Z", "pod": {"name": "p", "labels": {"app.kubernetes.io/name": "planner"}},
            "usage": {"cpu_millicores": "a lot"}}"#,
    );
    assert_eq!((wrong.code, wrong.field.as_deref()), (RejectCode::WrongType, Some("usage.cpu_millicores")));
    let wrong = refuse(&mut decoder, br#"{"usage": 5}"#);
    assert_eq!((wrong.code, wrong.field.as_deref()), (RejectCode::WrongType, Some("usage")));
    let batch = decoder.finish();
    assert_eq!((batch.agent.value(0), batch.instance.value(0)), ("planner", "planner-7d9f8-x2x"));
    let region = batch.attributes.iter().find(|(name, _)| *name == Attribute::Region);
    assert_eq!(region.map(|(_, texts)| texts.value(0)), Some("eu-west-1"));
    let want = [
        ("cpu_used_cores", 0.25),
        ("cpu_limit_cores", 2.0),
        ("memory_used_bytes", 536_870_912.0),
        ("memory_limit_bytes", 1_073_741_824.0),
        ("network_in_bytes_per_s", 1_500_000.0),
        ("network_out_bytes_per_s", 375_000.0),
        ("cpu_utilization_of_limit", 0.125),
        ("memory_utilization_of_limit", 0.5),
        ("cpu_throttled_ratio", 0.03),
        ("cpu_saturated", 0.0),
        ("memory_saturated", 0.0),
        ("cpu_waiting_reported", 1.0),
        ("memory_waiting_reported", 0.0),
        ("fan_rpm", 900.0),
    ];
    assert_eq!(metrics(&batch, 0), want.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn numbers_that_are_not_mapped_are_kept_where_asked_for() {
    for (keep, want) in [("false", vec![]), ("true", vec![("queue_depth", 4.0), ("fan", 1.0)])] {
        let mapping = Mapping::parse("map.yaml", &format!("{GOOD}keep_unmapped: {keep}\n")).expect("it is good");
        let mut decoder = mapped(mapping);
        accept(
            &mut decoder,
            br#"{"pod": "a-1", "ts": 1767225600000, "fan": 1, "queue_depth": 4, "text": "x", "o": {"n": 1}}"#,
        );
        let batch = decoder.finish();
        assert_eq!(batch.agent.value(0), "a");
        assert_eq!(
            metrics(&batch, 0),
            want.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>()
        );
    }
}

/// P2: a number of seconds read as milliseconds, or the other way, does not pass for a time.
#[test]
fn p2_a_time_in_another_unit_is_implausible() {
    let mapping = GOOD.replace("unit: ms", "unit: s");
    let mut decoder = mapped(Mapping::parse("map.yaml", &mapping).expect("it is good"));
    let rejected = refuse(&mut decoder, br#"{"pod": "a-1", "ts": 1767225600000}"#);
    assert_eq!((rejected.code, rejected.field.as_deref()), (RejectCode::EventTimeImplausible, Some("ts")));
    accept(&mut decoder, br#"{"pod": "a-1", "ts": 1767225600.25}"#);
    assert_eq!(decoder.finish().event_time_at(0).to_string(), "2026-01-01T00:00:00.250Z");
    let mut without_unit = mapped(Mapping::parse("map.yaml", &GOOD.replace(", unit: ms", "")).expect("it is good"));
    assert_eq!(refuse(&mut without_unit, br#"{"pod": "a-1", "ts": 1767225600}"#).code, RejectCode::WrongType);
}

#[test]
fn a_csv_line_becomes_a_row_or_says_why_not() {
    let header = [
        "ts_s",
        "container",
        "qps",
        "queue_rt_ms",
        "gpu_duty_pct",
        "gpu_mem_bytes",
        "mem_util_pct",
        "predict_ms",
        "pipeline_ms",
    ];
    let mapping = example_mapping("genai-fleet.yaml");
    let mut plan = mapping.apply_csv(&header).expect("the header has what the mapping names");
    let row = plan.row(&["1662858720", "00800b6d2cab", "0.36", "", "12.5", "21619802112", "85.4766", "", "4100.5"]);
    let row = row.expect("a good line");
    assert_eq!((row.agent.as_str(), row.instance.as_str(), row.workspace.as_str()), ("0", "00800b6d2cab", "genai"));
    assert_eq!(row.event_time.as_secs(), 1_662_858_720);
    let got: Vec<_> = row.metrics.iter().map(|(metric, value)| (metric.name(), *value)).collect();
    let want = [
        ("requests_per_s", 0.36),
        ("response_time_ms", 4100.5),
        ("gpu_utilization_of_limit", 0.125),
        ("gpu_memory_used_bytes", 21_619_802_112.0),
        ("memory_utilization_of_limit", 85.4766 / 100.0),
    ];
    assert_eq!(got, want);
    let cases = [
        (vec!["1662858720", "", "", "", "", "", "85", "", ""], RejectCode::MissingId, Some("agent_id")),
        (vec!["1662858720", "ab", "lots", "", "", "", "", "", ""], RejectCode::WrongType, Some("qps")),
        (vec!["1662858720", "ab", "NaN", "", "", "", "", "", ""], RejectCode::NotFinite, Some("qps")),
        (vec!["1662858720", "ab", "", "-1", "", "", "", "", ""], RejectCode::NegativeCount, Some("queue_rt_ms")),
        (vec!["0", "ab", "", "", "", "", "", "", ""], RejectCode::EventTimeImplausible, Some("ts_s")),
        (vec!["noon", "ab", "", "", "", "", "", "", ""], RejectCode::WrongType, Some("ts_s")),
        (vec!["1662858720", "ab"], RejectCode::Malformed, None),
    ];
    for (fields, code, field) in cases {
        let rejected = plan.row(&fields).expect_err("a bad line");
        assert_eq!((rejected.code, rejected.field.as_deref()), (code, field), "{fields:?}");
    }
    assert!(plan.row(&["1662858720", "ab", "", "", "", "", "", "", ""]).expect("nothing remains").metrics.is_empty());
    let Err(missing) = mapping.apply_csv(&["ts_s", "container"]) else { panic!("columns are missing") };
    assert_eq!(missing.code, RejectCode::SchemaMismatch);
}

/// N1: what is sent natively is read back equal, as Avro in both framings and as JSON.
#[test]
fn n1_a_row_survives_its_native_encodings() {
    let mapping = Mapping::parse(
        "map.yaml",
        &format!("{GOOD}  region: r\n  zone: z\n  state: s\n  ready_at: {{from: up, unit: s}}\n  requests: reqs\nmetrics: {{fan: rpm}}\nkeep_unmapped: true\n"),
    )
    .expect("it is good");
    let mut plan =
        mapping.apply_csv(&["pod", "ts", "r", "z", "s", "up", "reqs", "rpm", "queue_depth"]).expect("columns");
    let rows = [
        plan.row(&["p-1", "1767225600123", "eu", "eu-1a", "ready", "1767225500", "3", "900.25", "7"]),
        plan.row(&["p-2", "1767225600124", "", "", "", "", "", "", ""]),
    ];
    let encoder = SampleEncoder::new();
    for row in rows.map(|row| row.expect("a good line")) {
        let (mut single, mut confluent, mut json) = (Vec::new(), Vec::new(), Vec::new());
        encoder.encode(&row, Framing::SingleObject, &mut single);
        encoder.encode(&row, Framing::Confluent(9), &mut confluent);
        row.encode_json(&mut json);
        for payload in [&single, &confluent, &json] {
            let mut decoder = native();
            decoder.register(9, tidegauge_wire::schema::TELEMETRY_SAMPLE).expect("our own");
            assert_eq!(decoder.row(payload).expect("our own bytes"), row);
        }
        let later = row.clone().shifted(1_000_000);
        assert_eq!(later.event_time.as_micros() - row.event_time.as_micros(), 1_000_000);
    }
}

/// The real trace, where it is at hand: every line but those without a container becomes a row, with its values.
#[test]
fn the_genai_fleet_trace_maps_line_by_line() {
    let Some(rows) = genai_rows() else { return };
    let (good, bad): (Vec<_>, Vec<_>) = rows.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (128_437 - 31, 31));
    let codes = bad.into_iter().map(|row| row.expect_err("bad").code);
    assert!(codes.into_iter().all(|code| code == RejectCode::MissingId));
    let agents: std::collections::BTreeSet<_> = good.iter().flatten().map(|row| row.agent.clone()).collect();
    assert_eq!(agents.len(), 16);
    let memory = Metric::named("memory_utilization_of_limit");
    let with_memory = good.iter().flatten().filter(|row| row.metrics.iter().any(|(metric, _)| *metric == memory));
    assert!(with_memory.count() * 1_000 >= good.len() * 999, "memory is in every row");
}

fn genai_rows() -> Option<Vec<Result<SampleRow, tidegauge_wire::Rejected>>> {
    #[allow(clippy::disallowed_methods, reason = "tests look where the data is, and read it")]
    let packed =
        std::env::var("TIDEGAUGE_DATA").ok().map(|data| std::fs::read(format!("{data}/genai-fleet/telemetry.csv.gz")));
    let Some(packed) = packed else {
        #[allow(clippy::disallowed_macros, reason = "a skipped test says so")]
        {
            eprintln!("SKIPPED the_genai_fleet_trace_maps_line_by_line: TIDEGAUGE_DATA is not set");
        }
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed.expect("the trace")).read_to_string(&mut text).expect("gzip");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let mut plan = example_mapping("genai-fleet.yaml").apply_csv(&header).expect("its header");
    Some(lines.map(|line| plan.row(&line)).collect())
}
