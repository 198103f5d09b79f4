//! Journal records as bytes: Avro header, then the rows as one Arrow IPC message.

use super::rows::{self, Lists, Whose};
use super::{JournalRecord, Mark, Partial, PartialRows, SourceRecord, control, event};
use apache_avro::{Schema, rabin::Rabin, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{MetadataVersion, root_as_message};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use tidegauge_model::{Attribute, Attributes, EntityKey, EntityKind, EventTime, Level, Metric};
use tidegauge_window::SourceId;

/// Why bytes are not a journal record: the topic holds something foreign, or was damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The first ten bytes are not those of a header that this version knows.
    #[error("not a journal record, or one of an unknown version (first bytes {first:02x?})")]
    UnknownHeader {
        /// The first bytes.
        first: Vec<u8>,
    },
    /// The header does not decode.
    #[error("the header does not decode")]
    Header(#[source] Box<apache_avro::Error>),
    /// The event has no meaning.
    #[error("the scaling event has no meaning")]
    Event(#[source] serde_json::Error),
    /// The rows have another layout than this version knows.
    #[error("rows of an unknown layout (fingerprint {fingerprint:016x})")]
    UnknownRows {
        /// The layout's fingerprint.
        fingerprint: u64,
    },
    /// A version that no document can have.
    #[error("version {version} of `{name}` is out of range")]
    Version {
        /// Of what.
        name: String,
        /// The version.
        version: i64,
    },
    /// The rows are damaged.
    #[error("the rows do not decode: {0}")]
    Rows(String),
}

/// Serializes as `schemas/journal.avsc` says.
#[derive(Serialize, Deserialize)]
#[serde(rename = "JournalHeader")]
struct Header {
    topic: String,
    partition: i32,
    partitions: i32,
    mark: Option<MarkHeader>,
    pane: Option<PaneHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Mark")]
struct MarkHeader {
    watermark_us: Option<i64>,
    drained: bool,
    ended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RowsAgent")]
struct AgentHeader {
    workspace: String,
    agent: String,
    #[serde(default = "agent_level")]
    level: String,
    #[serde(default)]
    entity_kind: String,
    #[serde(default)]
    entity_id: String,
}

/// The level of all rows before there were others.
fn agent_level() -> String {
    Level::Agent.name().to_owned()
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Pane")]
struct PaneHeader {
    start_us: i64,
    sequence: i64,
    chunk: i32,
    last: bool,
    first_offset: i64,
    last_offset: i64,
    samples: i64,
    metrics: Vec<String>,
    body_fingerprint: i64,
    body_crc32: i64,
    body_bytes: i32,
    #[serde(default)]
    agents: Vec<AgentHeader>,
    #[serde(default)]
    attributes: Vec<BTreeMap<String, String>>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::parse_str(include_str!("../../../../../schemas/journal.avsc")).expect("the journal's own schema")
});

static PREFIX: LazyLock<[u8; 10]> = LazyLock::new(|| single_object_prefix(&SCHEMA));

/// The header as builds before wrote it, and what its bytes begin with.
static EARLIER: LazyLock<[([u8; 10], Schema); 2]> = LazyLock::new(|| {
    let texts = [
        include_str!("../../../../../schemas/released/journal.v1.avsc"),
        include_str!("../../../../../schemas/released/journal.v2.avsc"),
    ];
    texts.map(|text| {
        let schema = Schema::parse_str(text).expect("a released schema");
        (single_object_prefix(&schema), schema)
    })
});

/// `C3 01` and a schema's fingerprint, as Avro's single-object encoding has them.
pub(crate) fn single_object_prefix(schema: &Schema) -> [u8; 10] {
    let mut prefix = [0xC3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
    prefix[2..].copy_from_slice(&schema.fingerprint::<Rabin>().bytes);
    prefix
}

/// Fingerprint of the rows' layout: columns and types, in words of our own, since Arrow's may change with its version.
static ROWS_FINGERPRINT: LazyLock<u64> = LazyLock::new(|| fnv1a(rows::layout().as_bytes()));

/// That of rows without keys.
static ROWS_FINGERPRINT_V3: LazyLock<u64> = LazyLock::new(|| fnv1a(rows::layout_v3().as_bytes()));

/// That of rows without cumulative counters.
static ROWS_FINGERPRINT_V2: LazyLock<u64> = LazyLock::new(|| fnv1a(rows::layout_v2().as_bytes()));

static ROWS_FINGERPRINT_V1: LazyLock<u64> = LazyLock::new(|| fnv1a(rows::layout_v1().as_bytes()));

/// 64-bit FNV-1a.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The record in bytes, for [`decode`].
#[must_use]
pub fn encode(record: &JournalRecord) -> Vec<u8> {
    match record {
        JournalRecord::Source(record) => encode_source(record),
        JournalRecord::Control(change) => control::encode(change),
        JournalRecord::Event(event) => event::encode(event),
    }
}

fn encode_source(record: &SourceRecord) -> Vec<u8> {
    let body = record.partial.as_ref().map(|partial| encode_rows(partial.rows.batch()));
    let header = Header {
        topic: record.source.topic.to_string(),
        partition: record.source.partition.cast_signed(),
        partitions: record.partitions.cast_signed(),
        mark: record.mark.map(|mark| MarkHeader {
            watermark_us: mark.watermark.map(EventTime::as_micros),
            drained: mark.drained,
            ended: mark.ended,
        }),
        pane: record.partial.as_ref().map(|partial| PaneHeader {
            start_us: partial.pane.as_micros(),
            sequence: partial.sequence,
            chunk: partial.chunk.cast_signed(),
            last: partial.last,
            first_offset: partial.offsets.0,
            last_offset: partial.offsets.1,
            samples: partial.samples.cast_signed(),
            metrics: partial.rows.metrics().iter().map(|metric| metric.name().to_owned()).collect(),
            body_fingerprint: ROWS_FINGERPRINT.cast_signed(),
            body_crc32: body.as_deref().map_or(0, |body| i64::from(crc32fast::hash(body))),
            body_bytes: body.as_ref().map_or(0, |body| body.len() as i32),
            agents: partial.rows.lists().agents.iter().map(AgentHeader::of).collect(),
            attributes: partial.rows.lists().attributes.iter().map(|attributes| named(attributes)).collect(),
        }),
    };
    let mut out = PREFIX.to_vec();
    let writer = GenericDatumWriter::builder(&SCHEMA).build().expect("the journal's own schema");
    writer.write_ser(&mut out, &header).expect("the header has the shape of its schema");
    out.extend_from_slice(&body.unwrap_or_default());
    out
}

/// Reads what [`encode`] wrote, in this or an earlier version.
///
/// # Errors
///
/// [`JournalError`], if the bytes are something else or damaged.
pub fn decode(bytes: &[u8]) -> Result<JournalRecord, JournalError> {
    if let Some(change) = control::decode(bytes) {
        return change.map(JournalRecord::Control);
    }
    if let Some(event) = event::decode(bytes) {
        return event.map(|event| JournalRecord::Event(Box::new(event)));
    }
    let unknown = || JournalError::UnknownHeader { first: bytes[..bytes.len().min(10)].to_vec() };
    let (schema, mut rest): (&Schema, _) = match bytes.strip_prefix(PREFIX.as_slice()) {
        Some(rest) => (&SCHEMA, rest),
        None => {
            let earlier = EARLIER.iter().map(|(prefix, schema)| Some((schema, bytes.strip_prefix(prefix.as_slice())?)));
            earlier.flatten().next().ok_or_else(unknown)?
        }
    };
    let reader = GenericDatumReader::builder(schema).build().map_err(|e| JournalError::Header(Box::new(e)))?;
    let header: Header = reader.read_deser(&mut rest).map_err(|e| JournalError::Header(Box::new(e)))?;
    let partial = header.pane.as_ref().map(|pane| decode_partial(pane, rest)).transpose()?;
    Ok(JournalRecord::Source(SourceRecord {
        source: SourceId { topic: header.topic.into(), partition: header.partition.cast_unsigned() },
        partitions: header.partitions.cast_unsigned(),
        mark: header.mark.map(|mark| Mark {
            watermark: mark.watermark_us.map(EventTime::from_micros),
            drained: mark.drained,
            ended: mark.ended,
        }),
        partial,
    }))
}

fn decode_partial(pane: &PaneHeader, body: &[u8]) -> Result<Partial, JournalError> {
    let fingerprint = pane.body_fingerprint.cast_unsigned();
    let schema = match fingerprint {
        own if own == *ROWS_FINGERPRINT => rows::schema(),
        v3 if v3 == *ROWS_FINGERPRINT_V3 => rows::schema_v3(),
        v2 if v2 == *ROWS_FINGERPRINT_V2 => rows::schema_v2(),
        v1 if v1 == *ROWS_FINGERPRINT_V1 => rows::schema_v1(),
        _ => return Err(JournalError::UnknownRows { fingerprint }),
    };
    if usize::try_from(pane.body_bytes) != Ok(body.len()) {
        return Err(JournalError::Rows(format!("{} bytes where {} were announced", body.len(), pane.body_bytes)));
    }
    if i64::from(crc32fast::hash(body)) != pane.body_crc32 {
        return Err(JournalError::Rows("their checksum is another".to_owned()));
    }
    let batch = decode_rows(body, schema).map_err(|error| JournalError::Rows(error.to_string()))?;
    let lists = lists_of(pane)?;
    let rows = match fingerprint {
        v3 if v3 == *ROWS_FINGERPRINT_V3 => rows::upgraded_v3(lists, &batch),
        v2 if v2 == *ROWS_FINGERPRINT_V2 => rows::upgraded_v2(lists, &batch),
        v1 if v1 == *ROWS_FINGERPRINT_V1 => rows::upgraded(lists, &batch),
        _ => PartialRows::from_batch(lists, batch),
    };
    let rows = rows.map_err(JournalError::Rows)?;
    Ok(Partial {
        pane: EventTime::from_micros(pane.start_us),
        sequence: pane.sequence,
        chunk: pane.chunk.cast_unsigned(),
        last: pane.last,
        offsets: (pane.first_offset, pane.last_offset),
        samples: pane.samples.cast_unsigned(),
        rows,
    })
}

impl AgentHeader {
    fn of(whose: &Whose) -> Self {
        let entity = whose.entity.as_ref();
        Self {
            workspace: whose.workspace.to_string(),
            agent: whose.agent.to_string(),
            level: whose.level().name().to_owned(),
            entity_kind: entity.map(|entity| entity.kind.name().to_owned()).unwrap_or_default(),
            entity_id: entity.map(|entity| entity.id.as_str().to_owned()).unwrap_or_default(),
        }
    }

    /// Rows about a kind of entity or of a level that a newer build knows are nobody's here: half of a pane is not guessed
    /// at, and a build that takes sums for rows of agents would publish them as such.
    fn whose(&self) -> Result<Whose, JournalError> {
        let kind = match self.entity_kind.as_str() {
            "" => None,
            name => match EntityKind::named(name) {
                None => return Err(JournalError::Rows(format!("{name} is no kind of entity that this version knows"))),
                kind => kind,
            },
        };
        let whose = Whose {
            workspace: self.workspace.as_str().into(),
            agent: self.agent.as_str().into(),
            entity: kind.map(|kind| EntityKey::new(kind, &self.entity_id)),
        };
        match self.level == whose.level().name() {
            true => Ok(whose),
            false => {
                Err(JournalError::Rows(format!("rows of a level that this version does not know, {}", self.level)))
            }
        }
    }
}

fn named(attributes: &Attributes) -> BTreeMap<String, String> {
    attributes.iter().map(|(attribute, text)| (attribute.name().to_owned(), text.to_string())).collect()
}

/// Attributes that a newer build knows are left out.
fn lists_of(pane: &PaneHeader) -> Result<Lists, JournalError> {
    let known = |names: &BTreeMap<String, String>| {
        let each = names.iter().filter_map(|(name, text)| Some((Attribute::named(name)?, text.as_str().into())));
        Arc::new(each.collect::<Attributes>())
    };
    Ok(Lists {
        metrics: pane.metrics.iter().map(|name| Metric::named(name)).collect(),
        agents: pane.agents.iter().map(AgentHeader::whose).collect::<Result<_, _>>()?,
        attributes: pane.attributes.iter().map(known).collect(),
    })
}

fn encode_rows(batch: &RecordBatch) -> Vec<u8> {
    let (mut dictionaries, options) = (DictionaryTracker::new(false), IpcWriteOptions::default());
    let (_, encoded) = IpcDataGenerator::default()
        .encode(batch, &mut dictionaries, &options, &mut IpcWriteContext::default())
        .expect("plain columns in memory");
    let mut out = Vec::with_capacity(4 + encoded.ipc_message.len() + encoded.arrow_data.len());
    out.extend_from_slice(&(encoded.ipc_message.len() as u32).to_le_bytes());
    out.extend_from_slice(&encoded.ipc_message);
    out.extend_from_slice(&encoded.arrow_data);
    out
}

impl PartialRows {
    /// The same rows, their columns in one piece of memory that is no greater than they are.
    ///
    /// # Panics
    ///
    /// Never: they are read as they were just written.
    pub(crate) fn in_one_piece(&self) -> Self {
        let batch = decode_rows(&encode_rows(self.batch()), rows::schema()).expect("rows just written");
        self.with_batch(batch)
    }
}

fn decode_rows(body: &[u8], schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let damaged = |what: &str| ArrowError::IpcError(what.to_owned());
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(|| damaged("no length"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > rest.len() {
        return Err(damaged("the message ends early"));
    }
    let (message, buffers) = rest.split_at(length);
    let message = root_as_message(message).map_err(|error| damaged(&error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| damaged("not a record batch"))?;
    read_record_batch(&Buffer::from(buffers), batch, schema, &HashMap::new(), None, &MetadataVersion::V5)
}
