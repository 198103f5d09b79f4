//! The compatibility checker, edit by edit.

use apache_avro::Schema;
use tidegauge_wire::evolve::{Compatibility, check, lost_fields};

/// An edit of the fields of a record, and what it breaks.
struct Edit {
    name: &'static str,
    old: String,
    new: String,
    /// Why the new schema does not read what the old one wrote.
    backward: &'static [&'static str],
    /// Why the old schema does not read what the new one writes.
    forward: &'static [&'static str],
}

const A: &str = r#"{"name": "a", "type": "long"}"#;
const B: &str = r#"{"name": "b", "type": "string"}"#;
const B_OPTIONAL: &str = r#"{"name": "b", "type": ["null", "string"], "default": null}"#;

fn record(fields: &str) -> Schema {
    Schema::parse_str(&format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#)).expect("a schema")
}

fn both(one: &str, other: &str) -> String {
    format!("{one}, {other}")
}

/// A field that is an enum of these symbols, with room for unknown ones or without.
fn symbols(symbols: &[&str], room: bool) -> String {
    let default = if room { r#", "default": "unknown""# } else { "" };
    format!(r#"{{"name": "e", "type": {{"type": "enum", "name": "E", "symbols": {symbols:?}{default}}}}}"#)
}

fn timestamp(unit: &str) -> String {
    format!(r#"{{"name": "a", "type": {{"type": "long", "logicalType": "timestamp-{unit}"}}}}"#)
}

fn list_of(x: &str) -> String {
    let items = format!(r#"{{"type": "record", "name": "I", "fields": [{{"name": "x", "type": "{x}"}}]}}"#);
    format!(r#"{{"name": "l", "type": {{"type": "array", "items": {items}}}}}"#)
}

fn map_of(values: &str) -> String {
    format!(r#"{{"name": "m", "type": {{"type": "map", "values": "{values}"}}}}"#)
}

fn edits() -> Vec<Edit> {
    let edit = |name, old: &str, new: &str, backward, forward| Edit {
        name,
        old: old.to_owned(),
        new: new.to_owned(),
        backward,
        forward,
    };
    let recursive = r#"{"name": "t", "type": ["null", "R"]}"#;
    vec![
        edit("nothing", A, A, &[], &[]),
        edit("an optional field added", A, &both(A, B_OPTIONAL), &[], &[]),
        edit("an optional field removed", &both(A, B_OPTIONAL), A, &[], &[]),
        edit("fields in another order", &both(A, B), &both(B, A), &[], &[]),
        edit("a field added", A, &both(A, B), &["b: added without a default, and older bytes do not have it"], &[]),
        edit("a field removed", &both(A, B), A, &[], &["b: removed, and older readers have no default for it"]),
        edit(
            "a type changed",
            A,
            &A.replace("long", "string"),
            &["a: string does not read long"],
            &["a: long does not read string"],
        ),
        edit("a type widened", A, &A.replace("long", "double"), &[], &["a: long does not read double"]),
        edit("made optional", B, B_OPTIONAL, &[], &["b: string does not read null"]),
        edit(
            "a unit changed",
            &timestamp("millis"),
            &timestamp("micros"),
            &["a: timestampmicros does not read timestampmillis"],
            &["a: timestampmillis does not read timestampmicros"],
        ),
        edit(
            "a symbol renamed",
            &symbols(&["unknown", "up", "down"], true),
            &symbols(&["unknown", "up", "lower"], true),
            &["e: symbol down was removed or renamed, and older bytes have it"],
            &[],
        ),
        edit(
            "a symbol added, with room for it",
            &symbols(&["unknown", "up"], true),
            &symbols(&["unknown", "up", "down"], true),
            &[],
            &[],
        ),
        edit(
            "a symbol added, without room",
            &symbols(&["unknown", "up"], false),
            &symbols(&["unknown", "up", "down"], false),
            &[],
            &["e: symbol down was added, and older readers have no default for it"],
        ),
        edit(
            "within a list",
            &list_of("int"),
            &list_of("boolean"),
            &["l[].x: boolean does not read int"],
            &["l[].x: int does not read boolean"],
        ),
        edit(
            "within a map",
            &map_of("int"),
            &map_of("bytes"),
            &["m{}: bytes does not read int"],
            &["m{}: int does not read bytes"],
        ),
        edit("a type that contains itself", recursive, recursive, &[], &[]),
    ]
}

#[test]
fn o2_o3_each_kind_of_edit_is_judged_both_ways_and_named() {
    for Edit { name, old, new, backward, forward } in edits() {
        let (old, new) = (record(&old), record(&new));
        let texts = |which| check(&old, &new, which).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(Compatibility::Backward), backward, "{name}, backward");
        assert_eq!(texts(Compatibility::Forward), forward, "{name}, forward");
        assert_eq!(texts(Compatibility::Full).len(), backward.len() + forward.len(), "{name}, both");
    }
}

#[test]
fn o1_a_lost_field_is_noticed_even_where_resolution_allows_it() {
    let (old, new) = (record(&both(A, B_OPTIONAL)), record(A));
    assert_eq!(check(&old, &new, Compatibility::Full), []);
    assert_eq!(lost_fields(&old, &new), ["b"]);
    assert_eq!(lost_fields(&new, &old), Vec::<String>::new());
}
