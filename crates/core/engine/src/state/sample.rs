//! A state that has something of everything: its skeleton is the layout.

use super::{Head, Part};
use crate::decider::{Base, KeptInstance, KeptReading, TargetControl};
use crate::journal::{ControlChange, ControlKind, fnv1a};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::LazyLock;
use tidegauge_analytics::live::AgentMemory;
use tidegauge_model::SpaceSaving;
use tidegauge_policy::{AlertBook, TargetState};
use tidegauge_window::Sketch;

/// Fingerprint of the layout, 62 bits of it: as an Avro long it fills nine bytes. The tenth of a longer one would have bits
/// that nothing depends on, and which of them are flipped nobody would notice.
pub(super) static LAYOUT: LazyLock<u64> = LazyLock::new(|| fnv1a(layout().as_bytes()) >> 2);

/// Fingerprint of the layout that this build writes and reads.
#[must_use]
pub fn layout_fingerprint() -> u64 {
    *LAYOUT
}

/// Names and types of all fields, nested as they are.
pub(super) fn layout() -> String {
    let (head, parts) = samples();
    let mut text = String::new();
    let parts = parts.iter().map(serde_json::to_value);
    for value in std::iter::once(serde_json::to_value(head)).chain(parts) {
        describe(&value.expect("plain data"), &mut text);
        text.push('\n');
    }
    text
}

fn describe(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(_) => out.push_str("bool"),
        Value::Number(number) => out.push_str(if number.is_f64() { "float" } else { "int" }),
        Value::String(_) => out.push_str("text"),
        Value::Array(items) => {
            out.push('[');
            // Lists of the sample have one item, so that those with more are tuples.
            items.iter().for_each(|item| describe(item, out));
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (name, value) in fields {
                let _ = write!(out, "{name}:");
                describe(value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// Read from the texts below, so that a field that is added is missing there until somebody writes it down, and one that
/// is taken away is too much.
fn samples() -> (Head, [Part; 3]) {
    let (documents, base): (Vec<ControlChange>, Base) = (vec![document()], read(base()));
    let target = json!({"workspace": "w", "agent": "a", "region": "r"});
    let head = json!({
        "base": base, "pane_us": 1, "closed_through": 1, "cells_from": 1, "last_pane": 1,
        "documents": documents, "generations": [[target, "policy", 1]], "rollups": [[1, 1, "agent", 1]],
    });
    let (decision, book): (TargetState, AlertBook) = (read(target_state()), read(alert_book()));
    let control = TargetControl {
        decisions: [("policy".to_owned(), decision)].into(),
        alerts: [("rules".to_owned(), book)].into(),
        life: read(life_book()),
        quota: Some(read(json!({"held": 1, "standing": 1, "until": 1, "wish": 1, "promised": [[1, 1]]}))),
    };
    let instance: KeptInstance = read(json!({
        "state": 1, "ready_at": 1, "state_at": 1, "attributes": {"region": "r"}, "attributes_at": 1, "last_at": 1,
        "gaps_ns": [1],
    }));
    let reading: KeptReading =
        read(json!({"instance": "i", "metric": "m", "at": 1, "position": 1, "value": 1.5, "start": 1}));
    let findings: AgentMemory = read(agent_memory());
    let part = json!({
        "target": target, "entity": {"kind": "shard", "id": "s"}, "control": control, "last_at": 1,
        "findings": findings, "instances": {"i": instance},
        "readings": [reading], "base_readings": [reading], "told": [told()],
    });
    let rollup = json!({"rollup": {"target": target, "open": rollup()}});
    let session = json!({"session": {"target": target, "open": session()}});
    (read(head), [Part::Target(read(part)), read(rollup), read(session)])
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the sample has every field of the state, and no other")
}

fn document() -> ControlChange {
    let (name, hash, document) = ("n".to_owned(), "h".to_owned(), Some("d".to_owned()));
    ControlChange { kind: ControlKind::Policy, name, version: 1, hash, document }
}

fn base() -> Value {
    json!({
        "offset": 1, "replay_from": 1, "closed_through": 1, "last_pane": 1, "documents": [document()],
        "sources": {
            "watermark": 1, "topics": [["t", 1]],
            "sources": [{
                "topic": "t", "partition": 1, "watermark": 1, "drained": true, "ended": true, "spoke_at": 1,
                "drained_since": 1, "is_skewed": true, "skewed_at": 1,
            }],
        },
    })
}

fn rollup() -> Value {
    json!({
        "size_us": 1, "slide_us": 1, "start": 1, "has_news": true,
        "tally": {"panes": 1, "sources": 1.5, "instances_expected": 1, "instances_reported": 1},
        "cell": cell(),
    })
}

fn told() -> Value {
    let completeness = json!({
        "ratio": 1.5, "sources_ratio": 1.5, "instances_ratio": 1.5, "instances_expected": 1, "instances_reported": 1,
    });
    let told = json!({
        "completeness": completeness, "instances_ready": 1, "instances_present": 1, "revision": 1,
    });
    json!({"end": 1, "size_us": 1, "slide_us": 1, "told": told})
}

fn session() -> Value {
    json!({"instance": "i", "start": 1, "end": 1, "attributes": {"region": "r"}, "cell": cell()})
}

fn cell() -> Value {
    json!({
        "samples": 1, "first_at": 1, "last_at": 1,
        "metrics": [{
            "name": "m", "count": 1, "bits": [1, 1, 1, 1, 1, 1], "last_at": 1, "last_position": 1,
            "sketch": BASE64.encode(Sketch::default().to_bytes()),
        }],
        "keys": BASE64.encode(SpaceSaving::new(1).to_bytes()),
    })
}

fn target_state() -> Value {
    let said = json!({
        "steps": 1,
        "forecast": {
            "expert": "daily", "value": 0.5, "lower": 0.5, "upper": 0.5, "coverage": 0.5, "errors": 1,
        },
    });
    json!({
        "generation": 1,
        "standing": {
            "id": "i", "desired_instances": 1, "action": "hold", "reasons": ["within_tolerance"], "policy_hash": "h",
            "first_decided_at": 1, "published_at": 1,
        },
        "recommendations": [{"at": 1, "replicas": 1}],
        "changes": {"up": [{"at": 1, "change": 1}], "down": [{"at": 1, "change": 1}]},
        "triggers": {"t": {"when": [1], "until": [1], "step": {"at": 1, "instances": 1}}},
        "pids": {"p": {
            "count": 0.5, "demand": 0.5, "slope": 0.5, "at": 1,
            "sharing": {"products": 0.5, "squares": 0.5, "ready": 1, "since": 1, "settled": [0.5, 1]},
        }},
        "prediction": {
            "of": "o", "step_us": 1, "series": {"open": 1, "sum": 0.5, "count": 1, "steps": [0.5]},
            "said": [said, said],
        },
        "clocks": {"idle": [1]}, "blind_since": 1,
        "regret": {
            "compared_s": 0.5, "late_s": 0.5, "late_s_live": 0.5, "instance_hours": 0.5, "instance_hours_live": 0.5,
        },
    })
}

fn life_book() -> Value {
    let sight = json!({
        "at": 1, "instances": 1, "signal": "s", "load_ratio": 0.5, "throughput_per_s": 0.5, "latency_ms": 0.5,
        "cost_per_hour": 0.5,
    });
    let effect = json!({
        "verdict": "effective", "after": sight, "expected_load_ratio": 0.5, "expected_cost_per_hour": 0.5, "grown": 0.5,
        "remedy": "stop",
    });
    let life = json!({
        "generation": 1, "decision_id": "d", "from_instances": 1, "desired_instances": 1, "decided_at": 1,
        "expires_at": 1, "state": "applied", "event_id": "e", "accepted_at": 1, "started_at": 1, "ended_at": 1,
        "instances": 1, "error": "e", "before": sight, "watch": {
            "dropped_requests": 0.5, "probe_failures": 0.5, "conflicts": 0.5, "is_stuck": true, "failed_instances": 1,
        }, "effect": effect,
    });
    let firing = json!({"since": 1, "muted": {"silenced_by": ["s"], "inhibited_by": ["f"]}});
    json!({
        "lives": [life], "is_heard": true, "unanswered_since": 1, "alarms": {"scaling_failed": firing},
        "without_effect": {"before": sight, "until": 1, "instances": 1, "grown": 0.5, "remedy": "stop"},
    })
}

fn agent_memory() -> Value {
    let entity =
        json!({"kind": "instance", "target": {"workspace": "w", "agent": "a", "region": "r"}, "instance": "i"});
    let indication = json!({
        "kind": "hotspot", "entity": entity, "strength": "enter", "severity": "warning", "value": 0.5, "unit": "u",
        "evidence": [{"name": "n", "value": 0.5, "unit": "u"}], "confidence": {"value": 0.5, "meaning": "m"},
        "causes": [{"code": "hot_key", "strength": 0.5, "detail": "d"}], "remedies": ["r"], "summary": "s",
    });
    let episode = json!({"onset": 1, "run": 1, "clear": 1, "open": true, "shown": indication});
    json!({
        "tracker": {"episodes": {"last": 1, "of": [[["hotspot", entity], episode]]}},
        "said": {"id": {"kind": "hotspot", "severity": "warning", "lower": 1, "at": 1}},
        "loads": {"i": 0.5},
        "past": [[1, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [[0.5, 0.5, 0.5], 1, true], true]],
        "changes": {"known": {"version": {"v": 1}}, "recent": [{"at": 1, "what": "w"}]},
    })
}

fn alert_book() -> Value {
    let stretch = json!({"slot_us": 1, "slots": [[1, 0.5, 0.5]]});
    json!({
        "alerts": {"fingerprint": {
            "rule": "r", "is_firing": true, "started_at": 1, "calm_since": 1, "absent_since": 1, "no_data": true,
            "subject": {"instance": "i", "finding": {"id": "i", "kind": "k", "entity": "e"}},
            "muted": {"silenced_by": ["s"], "inhibited_by": ["f"]},
        }},
        "burns": {"r": {"long": stretch, "short": stretch}},
    })
}
