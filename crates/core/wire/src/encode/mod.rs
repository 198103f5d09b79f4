//! Windows, decisions, alerts and findings to bytes, and back for those who look at them.
//!
//! ```text
//!  WindowSummary ─► WindowRecord (flat, units in names) ─┬─► Avro datum behind its framing
//!                                                        └─► JSON object of the same names
//! ```
//!
//! - **E2** One pass, no tree of values; equal values give equal bytes.
//! - **E3** What was written under any released schema is read, resolved to the current one where they differ.
//! - **E4** Avro and JSON say the same: only times differ, microseconds there and RFC 3339 here.

mod avro;
mod finding;
mod framing;
mod read;
mod records;
mod scaling;

pub use framing::Framing;
pub(crate) use framing::{put_double, put_long, put_text};

use crate::schema;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use avro::Error;
use finding::FindingRecord;
use records::{AlertRecord, DecisionRecord, WindowRecord};
use scaling::ScalingRecord;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use tidegauge_model::{AlertTransition, Decision, Finding, ScalingEvent, WindowSummary};

/// How outputs are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Avro behind this framing.
    Avro(Framing),
    /// One JSON object.
    Json,
}

/// Why bytes are not an output of that kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {message}")]
pub struct OutputError {
    /// What was expected: the name of the schema.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
}

/// Something tidegauge publishes, or an actuator does.
pub trait Output: Sized {
    /// Name of its schema: `schemas/<KIND>.avsc`.
    const KIND: &'static str;

    /// Appends the encoded value to `out`.
    fn encode(&self, encoding: Encoding, out: &mut Vec<u8>);

    /// Reads a value back. JSON and both framings of Avro are told apart by their first byte. The id of Confluent
    /// framing is not looked at: the schema is taken to be the current one.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if the bytes are no such value.
    fn decode(bytes: &[u8]) -> Result<Self, OutputError>;

    /// The same of Avro that was written under another schema, such as one that a registry has under the id in
    /// `bytes`: older or newer, as long as it resolves to the current one.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if the schema is none or does not resolve, or the bytes are no such value.
    fn decode_written_by(writer_schema_json: &str, bytes: &[u8]) -> Result<Self, OutputError>;
}

macro_rules! output {
    ($($type:ty, $record:ident, $kind:literal, $text:expr, $schema:ident;)*) => {
        $(
            static $schema: LazyLock<OutputSchema> = LazyLock::new(|| OutputSchema::new($kind, $text));

            impl Output for $type {
                const KIND: &'static str = $kind;

                fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) {
                    encode(&$record::from(self), &$schema, encoding, out);
                }

                fn decode(bytes: &[u8]) -> Result<Self, OutputError> {
                    let record: Result<$record<'static>, _> = decode(&$schema, bytes);
                    record.map(Self::from).map_err(|Error(message)| OutputError { kind: $kind, message })
                }

                fn decode_written_by(writer_schema_json: &str, bytes: &[u8]) -> Result<Self, OutputError> {
                    let record: Result<$record<'static>, _> = decode_written_by(&$schema, writer_schema_json, bytes);
                    record.map(Self::from).map_err(|Error(message)| OutputError { kind: $kind, message })
                }
            }
        )*
    };
}

output! {
    WindowSummary, WindowRecord, "window-summary", schema::WINDOW_SUMMARY, WINDOW_SUMMARY;
    Decision, DecisionRecord, "decision", schema::DECISION, DECISION;
    AlertTransition, AlertRecord, "alert", schema::ALERT, ALERT;
    Finding, FindingRecord, "finding", schema::FINDING, FINDING;
    ScalingEvent, ScalingRecord, "scaling-event", schema::SCALING_EVENT, SCALING_EVENT;
}

/// A schema of ours: a constant that takes a parser to compute, hence lazily.
struct OutputSchema {
    kind: &'static str,
    schema: Schema,
    fingerprint: u64,
}

impl OutputSchema {
    fn new(kind: &'static str, text: &str) -> Self {
        let schema = schema::ours(text);
        Self { kind, fingerprint: schema::fingerprint(&schema), schema }
    }
}

fn encode<T: Serialize>(record: &T, schema: &OutputSchema, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Avro(framing) => {
            framing.put(schema.fingerprint, out);
            avro::write(record, out).expect("records hold only what their schema has, and counts below 2^63");
        }
        Encoding::Json => serde_json::to_writer(out, record).expect("records hold only what JSON has"),
    }
}

fn decode<T: for<'de> Deserialize<'de>>(schema: &OutputSchema, bytes: &[u8]) -> Result<T, Error> {
    match bytes {
        [0, _, _, _, _, datum @ ..] => read::read(datum),
        [0xC3, 0x01, rest @ ..] => {
            let (fingerprint, datum) = rest.split_first_chunk().ok_or_else(|| Error("it is cut off".to_owned()))?;
            let fingerprint = u64::from_le_bytes(*fingerprint);
            if fingerprint == schema.fingerprint {
                return read::read(datum);
            }
            let released = schema::RELEASED.iter().filter(|(kind, _)| *kind == schema.kind);
            let writer =
                released.map(|(_, text)| schema::ours(text)).find(|old| schema::fingerprint(old) == fingerprint);
            match writer {
                Some(writer) => resolve(schema, &writer, datum),
                None => {
                    Err(Error(format!("written under schema {fingerprint:016x}, which this version does not know")))
                }
            }
        }
        json => serde_json::from_slice(json).map_err(|error| Error(error.to_string())),
    }
}

fn decode_written_by<T: for<'de> Deserialize<'de>>(
    schema: &OutputSchema,
    writer_schema_json: &str,
    bytes: &[u8],
) -> Result<T, Error> {
    let writer = schema::parse(writer_schema_json).map_err(|error| Error(error.to_string()))?;
    let ([0, _, _, _, _, datum @ ..] | [0xC3, 0x01, _, _, _, _, _, _, _, _, datum @ ..]) = bytes else {
        return Err(Error("it is not framed as Avro".to_owned()));
    };
    resolve(schema, &writer, datum)
}

/// Avro's schema resolution, by way of a tree of values: rare.
fn resolve<T: for<'de> Deserialize<'de>>(schema: &OutputSchema, writer: &Schema, datum: &[u8]) -> Result<T, Error> {
    let mut rest = datum;
    let said = |error: apache_avro::Error| Error(error.to_string());
    let reader = GenericDatumReader::builder(writer).reader_schema(&schema.schema).build().map_err(said)?;
    let value = reader.read_value(&mut rest).map_err(said)?;
    if !rest.is_empty() {
        return Err(Error(format!("{} bytes follow the record", rest.len())));
    }
    let writer = GenericDatumWriter::builder(&schema.schema).build().map_err(said)?;
    read::read(&writer.write_value_to_vec(value).map_err(said)?)
}
