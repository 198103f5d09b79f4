//! `schemas/policy.schema.json` says what the parser takes: the same keys and words everywhere, and every example fits.

mod examples;

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tidegauge_policy::Policy;

fn schema() -> Value {
    let text = include_str!("../../../../schemas/policy.schema.json");
    serde_json::from_str(text).expect("JSON")
}

const SPEC: &str = "max_instances: 9, objectives: [{ signal: cpu, target: 0.7 }]";
const LAG: &str = "waiting: 1, arrivals_per_s: 1, served_per_s: 1, catch_up: 1m";
const QUEUEING: &str = "arrivals_per_s: 1, service_time: 1s, within: 2s";

/// A policy in one line, with that `spec`.
fn policy(spec: &str) -> String {
    format!("{{ apiVersion: tidegauge.io/v1, kind: Policy, metadata: {{ name: p, version: 1 }}, spec: {{ {spec} }} }}")
}

fn refusal(text: &str) -> String {
    Policy::parse("p", text).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The words in backquotes behind `expected one of`.
fn expected(message: &str) -> BTreeSet<String> {
    let list = message.split("expected one of ").nth(1).unwrap_or_default();
    let list = list.split("; did you mean").next().unwrap_or_default();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The parser names every key that it knows where it meets one that it does not: these are the schema's.
#[test]
fn every_object_has_the_parsers_keys() {
    let unknown = "zzzzzzzz: 1";
    let objective = |inside: &str| policy(&format!("max_instances: 9, objectives: [{{ signal: cpu, {inside} }}]"));
    let demand = |inside: &str| policy(&format!("max_instances: 9, demands: [{{ {inside} }}]"));
    let with = |more: &str| policy(&format!("{SPEC}, {more}"));
    let safety = |inside: &str| with(&format!("safety: {{ {inside} }}"));
    let cases = [
        // definition, a policy with a key there that nobody knows
        ("metadata", policy(SPEC).replace("name: p,", &format!("name: p, {unknown},"))),
        ("spec", with(unknown)),
        ("match", with(&format!("match: {{ {unknown} }}"))),
        ("window", with(&format!("window: {{ {unknown} }}"))),
        ("objective", objective(unknown)),
        ("thresholds", objective(&format!("thresholds: {{ {unknown} }}"))),
        ("tolerance", with(&format!("tolerance: {{ {unknown} }}"))),
        ("behavior", with(&format!("behavior: {{ {unknown} }}"))),
        ("direction", with(&format!("behavior: {{ scale_up: {{ {unknown} }} }}"))),
        ("rate_limit", with(&format!("behavior: {{ scale_up: {{ policies: [{{ {unknown} }}] }} }}"))),
        ("demand", demand(unknown)),
        ("lag", demand(&format!("lag: {{ {LAG}, {unknown} }}"))),
        ("queueing", demand(&format!("queueing: {{ {QUEUEING}, {unknown} }}"))),
        ("measured", demand(&format!("lag: {{ waiting: {{ {unknown} }} }}"))),
        ("timed", demand(&format!("queueing: {{ service_time: {{ {unknown} }} }}"))),
        ("schedule", with(&format!("schedules: [{{ {unknown} }}]"))),
        ("trigger", with(&format!("triggers: [{{ {unknown} }}]"))),
        ("condition", with(&format!("triggers: [{{ name: t, when: {{ {unknown} }} }}]"))),
        ("amount", with(&format!("triggers: [{{ name: t, amount: {{ {unknown} }} }}]"))),
        ("pid", with(&format!("pid: [{{ {unknown} }}]"))),
        ("prediction", with(&format!("prediction: {{ {unknown} }}"))),
        ("five_factors", with(&format!("five_factors: {{ {unknown} }}"))),
        ("choice", with(&format!("choice: {{ {unknown} }}"))),
        ("weights", with(&format!("choice: {{ weights: {{ {unknown} }} }}"))),
        ("instance_size", with(&format!("choice: {{ sizes: [{{ {unknown} }}] }}"))),
        ("region_offer", with(&format!("choice: {{ regions: [{{ {unknown} }}] }}"))),
        ("requests", with(&format!("requests: {{ {unknown} }}"))),
        ("performance_targets", with(&format!("performance_targets: {{ {unknown} }}"))),
        ("planned_event", with(&format!("planned_events: [{{ {unknown} }}]"))),
        ("override", with(&format!("override: {{ {unknown} }}"))),
        ("feedback", with(&format!("feedback: {{ {unknown} }}"))),
        ("freeze", with(&format!("freeze: {{ {unknown} }}"))),
        ("safety", with(&format!("safety: {{ {unknown} }}"))),
        ("flap_budget", safety(&format!("flap_budget: {{ {unknown} }}"))),
        ("floor", safety(&format!("availability_floor: {{ {unknown} }}"))),
        ("excluded", safety(&format!("excluded: [{{ {unknown} }}]"))),
        ("quota", safety(&format!("quota: {{ {unknown} }}"))),
        ("budget", safety(&format!("budget: {{ {unknown} }}"))),
        ("fallback", safety(&format!("fallback: {{ {unknown} }}"))),
        ("scale_to_zero", safety(&format!("scale_to_zero: {{ {unknown} }}"))),
    ];
    let schema = schema();
    let mut seen = BTreeSet::new();
    for (definition, text) in cases {
        let message = refusal(&text);
        let properties =
            schema["$defs"][definition]["properties"].as_object().unwrap_or_else(|| panic!("{definition}"));
        assert_eq!(expected(&message), properties.keys().cloned().collect(), "{definition}: {message}");
        assert_eq!(schema["$defs"][definition]["additionalProperties"], false, "{definition}");
        seen.insert(definition.to_owned());
    }
    let objects = schema["$defs"].as_object().expect("definitions").iter();
    let objects = objects.filter(|(_, of)| of.get("properties").is_some());
    assert_eq!(objects.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), seen, "each object has a case");
}

/// The same of words: modes, presets, statistics and so on.
#[test]
fn every_choice_has_the_parsers_words() {
    let with = |more: &str| policy(&format!("{SPEC}, {more}"));
    let objective =
        |inside: &str| policy(&format!("max_instances: 9, objectives: [{{ signal: cpu, target: 1, {inside} }}]"));
    let behavior = |inside: &str| with(&format!("behavior: {{ scale_up: {{ {inside} }} }}"));
    let cases = [
        // where the schema has it, a policy with a word there that nobody knows
        ("/$defs/spec/properties/mode", with("mode: zzzzzzzz")),
        ("/$defs/spec/properties/preset", policy("preset: zzzzzzzz")),
        ("/$defs/objective/properties/of", objective("of: zzzzzzzz")),
        ("/$defs/objective/properties/type", objective("type: zzzzzzzz")),
        ("/$defs/objective/properties/when_absent", objective("when_absent: zzzzzzzz")),
        ("/$defs/statistic", objective("statistic: zzzzzzzz")),
        ("/$defs/direction/properties/select", behavior("select: zzzzzzzz")),
        ("/$defs/rate_limit/properties/type", behavior("policies: [{ type: zzzzzzzz, value: 1, period: 1s }]")),
        ("/$defs/choice/properties/preset", with("choice: { preset: zzzzzzzz }")),
        ("/$defs/prediction/properties/model", with("prediction: { model: zzzzzzzz }")),
        ("/$defs/toward", with("triggers: [{ name: t, action: zzzzzzzz }]")),
        (
            "/$defs/queueing/properties/of",
            policy(&format!("max_instances: 9, demands: [{{ queueing: {{ {QUEUEING}, of: zzzzzzzz }} }}]")),
        ),
    ];
    let schema = schema();
    for (pointer, text) in &cases {
        let words = schema.pointer(pointer).and_then(|of| of["enum"].as_array()).unwrap_or_else(|| panic!("{pointer}"));
        let words = words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect::<BTreeSet<_>>();
        let message = refusal(text);
        assert_eq!(expected(&message), words, "{pointer}: {message}");
    }
    let enums = schema.to_string().matches("\"enum\"").count();
    assert_eq!(enums, cases.len(), "each choice has a case");
}

/// What the schema takes and what it refuses, as far as it can say it: the parser agrees.
#[test]
fn the_schema_and_the_parser_agree() {
    let root = schema();
    for path in examples::files(&["", "guides"]) {
        for text in examples::read(&path).split("\n---\n") {
            let value = yaml(text);
            if value["kind"] == "Policy" {
                check(&root, &root, &value, "").unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            }
        }
    }
    let fine = [
        SPEC,
        "preset: balanced",
        "max_instances: 9, demands: [{ lag: { waiting: { metric: queue_depth }, arrivals_per_s: 1, served_per_s: 1, catch_up: 1m } }]",
        "max_instances: 9, triggers: [{ name: t, when: { all: [{ signal: cpu, above: 0.8, for: 1m }] }, action: scale_up, amount: { percent: 20 } }]",
        "preset: balanced, pid: [{ objective: { signal: cpu, target: 0.7 } }], mode: paused_in",
        "preset: balanced, safety: { flap_budget: { shrinks: 1, within: 1h }, quota: { instances: 12 } }, kill_switch: true",
        "preset: balanced, planned_events: [{ name: e, from: 2026-11-27T06:00:00Z, to: 2026-11-27T08:00:00Z, floor: 4 }]",
        "preset: balanced, prediction: { model: scaled_daily, lead_time: 2m, quantile: 0.95 }, five_factors: { urgency: 0.7 }",
        "preset: balanced, prediction: {}, performance_targets: { max_response_time_ms: 500, min_availability: 0.999 }",
        "preset: balanced, override: { instances: 3, by: me, until: 2026-11-27T06:00:00Z }",
    ];
    for spec in fine {
        assert_eq!(refusal(&policy(spec)), "", "{spec}");
        check(&root, &root, &yaml(&policy(spec)), "").unwrap_or_else(|why| panic!("{spec}: {why}"));
    }
    let refused = [
        "objectives: [{ signal: cpu, target: 0.7 }]",
        "max_instances: 9",
        "max_instances: 0, objectives: [{ signal: cpu, target: 0.7 }]",
        "max_instances: 9, objectives: [{ signal: cpu }]",
        "max_instances: 9, objectives: [{ target: 0.7 }]",
        "max_instances: 9, objectives: [{ signal: cpu, metric: queue_depth, target: 1 }]",
        "max_instances: 9, objectives: [{ signal: cpu, target: -1 }]",
        "preset: balanced, min_completeness: 2",
        "preset: balanced, tolerance: { down: 1 }",
        "preset: balanced, behavior: { scale_up: { policies: [] } }",
        "preset: balanced, behavior: { scale_up: { policies: [{ type: percent, value: 0, period: 1m }] } }",
        "preset: balanced, schedules: [{ name: s, cron: 0 8 * * *, lasts: 1h }]",
        "preset: balanced, schedules: [{ name: s, cron: 0 8 * * *, lasts: 1h, floor: 1, exact: 2 }]",
        "max_instances: 9, demands: [{ name: d }]",
        "max_instances: 9, demands: [{ lag: { waiting: { statistic: mean }, arrivals_per_s: 1, served_per_s: 1, catch_up: 1m } }]",
        "preset: balanced, match: { agents: [] }",
        "preset: balanced, triggers: [{ name: t, when: { signal: cpu, above: 1 }, action: scale_up, amount: {} }]",
        "preset: balanced, triggers: [{ name: t, when: {}, action: scale_up, amount: { instances: 1 } }]",
        "preset: balanced, pid: [{ objective: { signal: cpu, target: 0.7 }, proportional: 2 }]",
        "preset: balanced, prediction: { quantile: 1 }",
        "preset: balanced, prediction: { model: prophet }",
        "preset: balanced, five_factors: { margin: 1 }",
        "preset: balanced, performance_targets: { min_availability: 99.9 }",
        "preset: balanced, safety: { availability_floor: { percent: 101 } }",
        "preset: balanced, safety: { quota: {} }",
        "preset: balanced, planned_events: [{ name: e, from: 2026-11-27T06:00:00Z, to: 2026-11-27T08:00:00Z }]",
        "preset: balanced, freeze: { until: 2026-11-27T06:00:00Z }",
        "preset: balanced, min_instances: many",
    ];
    for spec in refused {
        assert_ne!(refusal(&policy(spec)), "", "{spec}");
        assert!(check(&root, &root, &yaml(&policy(spec)), "").is_err(), "{spec}");
    }
}

/// A rule, a silence and an inhibition rule with a key or a word that nobody knows: the schema of alerts has the parser's.
#[test]
fn alerts_have_the_parsers_keys_and_words() {
    let root: Value = serde_json::from_str(include_str!("../../../../schemas/alerts.schema.json")).expect("JSON");
    let text =
        |kind: &str, spec: &str| policy("SPEC").replace("kind: Policy", &format!("kind: {kind}")).replace("SPEC", spec);
    let rule = |rule: &str| text("AlertRules", &format!("rules: [{{ {rule} }}]"));
    let matcher = |inside: &str| text("Inhibition", &format!("source: [{{ {inside} }}]"));
    let refusal = |text: &str| tidegauge_policy::document::parse("a", text).expect_err("refused").to_string();
    let unknown = "zzzzzzzz: 1";
    let keys = [
        ("rules_spec", text("AlertRules", unknown)),
        ("importance", text("AlertRules", &format!("importance: [{{ {unknown} }}]"))),
        ("rule", rule(unknown)),
        ("matcher", matcher(unknown)),
        ("silence_spec", text("Silence", unknown)),
        ("inhibition_spec", text("Inhibition", unknown)),
    ];
    for (definition, text) in keys {
        let properties = root["$defs"][definition]["properties"].as_object().expect("properties");
        assert_eq!(expected(&refusal(&text)), properties.keys().cloned().collect(), "{definition}: {}", refusal(&text));
    }
    let words = [
        ("/$defs/severity", rule("name: a, severity: zzzzzzzz")),
        ("/$defs/rule/properties/by", rule("name: a, by: zzzzzzzz")),
        ("/$defs/importance/properties/importance", text("AlertRules", "importance: [{ importance: zzzzzzzz }]")),
    ];
    for (pointer, text) in words {
        let words = root.pointer(pointer).and_then(|of| of["enum"].as_array()).expect("words");
        let words: BTreeSet<String> = words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect();
        assert_eq!(expected(&refusal(&text)), words, "{pointer}: {}", refusal(&text));
    }
    for path in examples::files(&[""]) {
        for text in examples::read(&path).split("\n---\n") {
            let value = yaml(text);
            if value["kind"] != "Policy" {
                check(&root, &root, &value, "").unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            }
        }
    }
    let refused = rule("name: a, signal: { kind: burn_rate, objective: 1, long: 1h, short: 5m }, above: 2");
    assert!(check(&root, &root, &yaml(&refused), "").is_err());
}

/// Quotas and signals: their keys and words, and every example fits.
#[test]
fn quotas_and_signals_have_the_parsers_keys_and_words() {
    let text =
        |kind: &str, spec: &str| policy("SPEC").replace("kind: Policy", &format!("kind: {kind}")).replace("SPEC", spec);
    let unknown = "zzzzzzzz: 1";
    let quota = |member: &str| text("Quota", &format!("instances: 9, agents: [{{ {member} }}]"));
    let read = |text: &str| tidegauge_policy::document::parse("a", text).err().map(|error| error.to_string());
    for (kind, file, keys, words, refused) in [
        (
            "Quota",
            include_str!("../../../../schemas/quota.schema.json"),
            vec![("spec", text("Quota", unknown)), ("member", quota(unknown))],
            vec![("/$defs/member/properties/importance", quota("agent: a, importance: zzzzzzzz"))],
            vec![
                text("Quota", "instances: 0, agents: [{ agent: a }]"),
                text("Quota", "instances: 9, agents: []"),
                quota("agent: a, weight: 0"),
                quota("agent: a, weight: 1001"),
            ],
        ),
        (
            "Signal",
            include_str!("../../../../schemas/signal.schema.json"),
            vec![("spec", text("Signal", unknown)), ("window", text("Signal", &format!("window: {{ {unknown} }}")))],
            vec![],
            vec![text("Signal", "window: { size: 1m }")],
        ),
    ] {
        let root: Value = serde_json::from_str(file).expect("JSON");
        for (definition, text) in keys {
            let properties = root["$defs"][definition]["properties"].as_object().expect("properties");
            let message = read(&text).expect("refused");
            assert_eq!(expected(&message), properties.keys().cloned().collect(), "{kind}: {definition}: {message}");
        }
        for (pointer, text) in words {
            let words = root.pointer(pointer).and_then(|of| of["enum"].as_array()).expect("words");
            let words: BTreeSet<String> = words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect();
            let message = read(&text).expect("refused");
            assert_eq!(expected(&message), words, "{kind}: {pointer}: {message}");
        }
        for text in refused {
            assert!(read(&text).is_some(), "{text}");
            assert!(check(&root, &root, &yaml(&text), "").is_err(), "{text}");
        }
        let paths = examples::files(&["../quotas", "../signals"]);
        let texts = paths.iter().map(|path| (path, yaml(&examples::read(path))));
        let ours: Vec<_> = texts.filter(|(_, value)| value["kind"] == kind).collect();
        assert!(!ours.is_empty(), "{kind} has no example");
        for (path, value) in ours {
            check(&root, &root, &value, "").unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        }
    }
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// As much of JSON Schema as the file uses, but for patterns of texts.
fn check(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let empty = Map::new();
    for (keyword, rule) in schema.as_object().unwrap_or(&empty) {
        let fits = |schema: &Value| check(root, schema, value, path).is_ok();
        let all = || rule.as_array().into_iter().flatten();
        let number = || (value.as_f64(), rule.as_f64());
        let holds = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|pointer| pointer.strip_prefix('#')).expect("a pointer");
                check(root, root.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")), value, path)?;
                true
            }
            "type" => has_type(value, rule.as_str().expect("a type")),
            "const" => value == rule,
            "enum" => all().any(|word| word == value),
            "minimum" => matches!(number(), (Some(value), Some(bound)) if value >= bound) || !value.is_number(),
            "maximum" => matches!(number(), (Some(value), Some(bound)) if value <= bound) || !value.is_number(),
            "exclusiveMinimum" => matches!(number(), (Some(value), Some(bound)) if value > bound) || !value.is_number(),
            "exclusiveMaximum" => matches!(number(), (Some(value), Some(bound)) if value < bound) || !value.is_number(),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().expect("a count")),
            "maxProperties" => {
                value.as_object().is_none_or(|keys| keys.len() as u64 <= rule.as_u64().expect("a count"))
            }
            "required" => {
                value.as_object().is_none_or(|keys| all().all(|key| keys.contains_key(key.as_str().expect("a key"))))
            }
            "oneOf" => all().filter(|schema| fits(schema)).count() == 1,
            "anyOf" => all().any(fits),
            "allOf" => all().all(fits),
            "not" => !fits(rule),
            "items" => {
                value.as_array().is_none_or(|items| items.iter().all(|item| check(root, rule, item, path).is_ok()))
            }
            "properties" => {
                for (key, schema) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(key) {
                        check(root, schema, value, &format!("{path}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                let more = value.as_object().into_iter().flatten().filter(|(key, _)| !known.contains_key(*key));
                more.into_iter().all(|(_, value)| *rule != Value::Bool(false) && check(root, rule, value, path).is_ok())
            }
            "$schema" | "$defs" | "title" | "description" | "examples" | "pattern" | "propertyNames" => true,
            other => panic!("the keyword {other} is not known here"),
        };
        if !holds {
            return Err(format!("{path}: {keyword} {rule} does not hold of {value}"));
        }
    }
    Ok(())
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the type {other} is not known here"),
    }
}
