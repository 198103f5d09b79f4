//! The schemas of everything tidegauge reads and writes, as released in `schemas/`, and their fingerprints.
//!
//! - **S1** A fingerprint is CRC-64-AVRO of the parsing canonical form: docs and defaults may be edited, types not.

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::schema::Name;

/// Telemetry in: one entity's metrics at one event time.
pub const TELEMETRY_SAMPLE: &str = include_str!("../../../../schemas/telemetry-sample.avsc");
/// Feedback in: what actuators did.
pub const SCALING_EVENT: &str = include_str!("../../../../schemas/scaling-event.avsc");
/// Windows out.
pub const WINDOW_SUMMARY: &str = include_str!("../../../../schemas/window-summary.avsc");
/// Decisions out.
pub const DECISION: &str = include_str!("../../../../schemas/decision.avsc");
/// Alerts out.
pub const ALERT: &str = include_str!("../../../../schemas/alert.avsc");

/// Findings out.
pub const FINDING: &str = include_str!("../../../../schemas/finding.avsc");

/// Name (as of the file) and text of every schema.
pub const ALL: [(&str, &str); 6] = [
    ("telemetry-sample", TELEMETRY_SAMPLE),
    ("scaling-event", SCALING_EVENT),
    ("window-summary", WINDOW_SUMMARY),
    ("decision", DECISION),
    ("alert", ALERT),
    ("finding", FINDING),
];

/// Name and text of every version that was ever released, oldest first. Their bytes are read for ever (**I4**).
pub const RELEASED: [(&str, &str); 6] = [
    ("telemetry-sample", include_str!("../../../../schemas/released/telemetry-sample.v1.avsc")),
    ("scaling-event", include_str!("../../../../schemas/released/scaling-event.v1.avsc")),
    ("window-summary", include_str!("../../../../schemas/released/window-summary.v1.avsc")),
    ("decision", include_str!("../../../../schemas/released/decision.v1.avsc")),
    ("alert", include_str!("../../../../schemas/released/alert.v1.avsc")),
    ("finding", include_str!("../../../../schemas/released/finding.v1.avsc")),
];

/// Why a writer's schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is not an Avro schema.
    #[error("not an Avro schema: {0}")]
    Unreadable(String),
    /// It is one, but no sample can be read from it.
    #[error("{}{message}", field.as_ref().map(|f| format!("{f}: ")).unwrap_or_default())]
    Mismatch {
        /// The field that is missing or of another type.
        field: Option<String>,
        /// What was expected.
        message: String,
    },
}

/// Parses an Avro schema.
///
/// # Errors
///
/// [`SchemaError::Unreadable`].
pub fn parse(text: &str) -> Result<Schema, SchemaError> {
    Schema::parse_str(text).map_err(|error| SchemaError::Unreadable(error.to_string()))
}

/// CRC-64-AVRO of the schema's parsing canonical form, as in single-object encoding.
#[must_use]
pub fn fingerprint(schema: &Schema) -> u64 {
    let bytes = schema.fingerprint::<Rabin>().bytes;
    u64::from_le_bytes(bytes.try_into().expect("CRC-64 has eight bytes"))
}

/// A schema of ours, parsed.
pub(crate) fn ours(text: &str) -> Schema {
    parse(text).expect("schemas/*.avsc are tested to parse")
}

/// Visits every definition of a named type within `schema`.
pub(crate) fn collect_names<'s>(schema: &'s Schema, visit: &mut impl FnMut(&'s Name, &'s Schema)) {
    match schema {
        Schema::Record(record) => {
            visit(&record.name, schema);
            record.fields.iter().for_each(|field| collect_names(&field.schema, visit));
        }
        Schema::Enum(inner) => visit(&inner.name, schema),
        Schema::Fixed(inner) | Schema::Duration(inner) => visit(&inner.name, schema),
        Schema::Array(array) => collect_names(&array.items, visit),
        Schema::Map(map) => collect_names(&map.types, visit),
        Schema::Union(union) => union.variants().iter().for_each(|schema| collect_names(schema, visit)),
        _ => {}
    }
}
