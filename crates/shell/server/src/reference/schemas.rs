//! `schemas.md`: every record, field by field, as the Avro files document it.

use super::cell;
use serde_json::Value;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Schemas

What is on the [topics](topics.md). In Avro, records are in single-object encoding: `C3 01`, the CRC-64-AVRO fingerprint of
the schema (little-endian), the datum; telemetry may have Confluent's framing where a registry is configured. JSON has the
same names; times there are RFC 3339 text, in Avro microseconds since 1970. Readers ignore fields that they do not know;
fields are only ever added, with a default.
";

/// The files, those for others first.
const FILES: [&str; 10] = [
    include_str!("../../../../../schemas/telemetry-sample.avsc"),
    include_str!("../../../../../schemas/window-summary.avsc"),
    include_str!("../../../../../schemas/decision.avsc"),
    include_str!("../../../../../schemas/alert.avsc"),
    include_str!("../../../../../schemas/finding.avsc"),
    include_str!("../../../../../schemas/scaling-event.avsc"),
    include_str!("../../../../../schemas/journal.avsc"),
    include_str!("../../../../../schemas/control.avsc"),
    include_str!("../../../../../schemas/journal-event.avsc"),
    include_str!("../../../../../schemas/state.avsc"),
];

pub(super) fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    for file in FILES {
        let schema: Value = serde_json::from_str(file).expect("a schema is JSON, as tests of it check");
        record(&schema, 2, &mut out);
    }
    out
}

/// A record with its fields, and below it the records and enums that it holds.
fn record(schema: &Value, level: usize, out: &mut String) {
    heading(schema, level, out);
    out.push_str("| field | type | what |\n| --- | --- | --- |\n");
    let fields: Vec<_> = schema["fields"].as_array().into_iter().flatten().collect();
    for field in &fields {
        let (name, kind) = (text(&field["name"]), kind(&field["type"]));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{name}` | {kind} | {} |", cell(text(&field["doc"])));
    }
    for field in fields {
        named(&field["type"], &mut |inner| match text(&inner["type"]) {
            "record" => record(inner, 3, out),
            _ => symbols(inner, out),
        });
    }
}

fn symbols(schema: &Value, out: &mut String) {
    heading(schema, 3, out);
    let symbols = schema["symbols"].as_array().into_iter().flatten();
    let symbols: Vec<_> = symbols.map(|symbol| format!("`{}`", text(symbol))).collect();
    let _ = writeln!(out, "One of {}.", symbols.join(", "));
}

fn heading(schema: &Value, level: usize, out: &mut String) {
    let _ = write!(out, "\n{} {}\n\n", "#".repeat(level), text(&schema["name"]));
    if let Some(doc) = schema["doc"].as_str() {
        let _ = write!(out, "{doc}\n\n");
    }
}

/// Calls `each` with every record and enum that is declared within a type.
fn named(schema: &Value, each: &mut dyn FnMut(&Value)) {
    match schema {
        Value::Array(union) => union.iter().for_each(|branch| named(branch, each)),
        Value::Object(object) => match text(&schema["type"]) {
            "record" | "enum" => each(schema),
            "array" => named(&object["items"], each),
            "map" => named(&object["values"], each),
            _ => {}
        },
        _ => {}
    }
}

fn kind(schema: &Value) -> String {
    match schema {
        Value::Array(union) => {
            let branches: Vec<_> = union.iter().filter(|branch| *branch != "null").map(kind).collect();
            format!("{}, optional", branches.join(" or "))
        }
        Value::Object(object) => match text(&schema["type"]) {
            "array" => format!("list of {}", kind(&object["items"])),
            "map" => format!("map of {}", kind(&object["values"])),
            "record" | "enum" => link(text(&schema["name"])),
            plain => object.get("logicalType").and_then(Value::as_str).unwrap_or(plain).to_owned(),
        },
        Value::String(name) if name.starts_with(char::is_uppercase) => link(name),
        other => text(other).to_owned(),
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_ascii_lowercase())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
