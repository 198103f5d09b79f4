//! Telemetry payloads to a [`SampleBatch`]: each value goes from its bytes straight into its column.
//!
//! ```text
//!  RawRecord ─► which format? ─┬─ 00 id ──► plan of the schema with that id ──┐
//!                              ├─ C3 01 ──► plan of that fingerprint ─────────┼─► Columns ─► finish ─► SampleBatch
//!                              └─ { ─────► JSON visitor ──────────────────────┘      └─ on any error: cut back
//! ```
//!
//! - **D1** `push` adds one row or none: whatever a refused record wrote is cut off again.
//! - **D2** Unequal batches of equal records have equal rows: nothing carries over but compiled plans and room.
//! - **D3** No bytes make it panic, and none make it keep more than its limits.
//!
//! A writer's schema whose name is that of our own sample is read by the native rules even where a mapping is set:
//! the mapping is for foreign records. JSON says no such thing of itself: with a mapping, all JSON is foreign.

pub(crate) mod columns;
mod compile;
pub(crate) mod counters;
mod cursor;
mod entity;
mod json;
mod keys;
mod metric_columns;
pub(crate) mod pieces;
mod plan;
pub(crate) mod route;
mod run;
mod text;
mod warnings;

pub(crate) use cursor::{Cursor, Flaw};
pub use keys::{KeyNames, KeySecret};
pub use warnings::Warnings;

use crate::mapping::Mapping;
use crate::reject::{Fault, RejectCode, Rejected, Undecoded};
use crate::sample_row::SampleRow;
use crate::schema::{self, SchemaError};
use apache_avro::Schema;
use columns::Columns;
use hashbrown::HashMap;
use plan::Plan;
use route::{Object, not_yet};
use std::sync::Arc;
use tidegauge_model::{Position, SampleBatch, WorkspaceId};

/// How payloads are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// Told apart by their first byte: `00` Confluent, `C3 01` single object, `{` JSON.
    #[default]
    Auto,
    /// A zero byte, a registry id of four bytes (big-endian), Avro.
    AvroConfluent,
    /// `C3 01`, CRC-64-AVRO of the schema (little-endian), Avro.
    AvroSingleObject,
    /// One JSON object.
    Json,
}

/// How to read telemetry.
#[derive(Clone, Debug)]
pub struct DecodeConfig {
    /// Framing of the payloads.
    pub format: Format,
    /// How foreign fields become those of a sample; `None` = records are native.
    pub mapping: Option<Arc<Mapping>>,
    /// Workspace of records that name none.
    pub default_workspace: WorkspaceId,
    /// Longest payload in bytes; a longer one is `too_large`.
    pub max_record_bytes: usize,
    /// Metrics that are not built in kept per record; those beyond are counted and named.
    pub max_unknown_metrics: usize,
    /// Utilization of limit from which a resource counts as saturated, ratio.
    pub saturation_level: f64,
    /// What becomes of `top_keys`.
    pub key_names: KeyNames,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            mapping: None,
            default_workspace: WorkspaceId::unnamed(),
            max_record_bytes: 1 << 20,
            max_unknown_metrics: 64,
            saturation_level: 0.9,
            key_names: KeyNames::Plain,
        }
    }
}

/// One record as it came from the broker.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Partition of the telemetry topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// The broker's time, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key, which says nothing about the sample.
    pub key: Option<&'a [u8]>,
    /// The payload.
    pub value: Option<&'a [u8]>,
}

/// Rows, and values missing between rows, at which a batch is full.
const FULL_ROWS: usize = 1 << 16;
const FULL_GAPS: usize = 1 << 22;

/// What is known of a writer's schema.
enum Registered {
    Plan(usize),
    /// No sample can be read with it, and why.
    Refused(Fault),
}

/// Builds batches of one partition's records.
pub struct Decoder {
    config: DecodeConfig,
    columns: Columns,
    native: Object,
    /// Routes of the mapping, if there is one.
    mapped: Option<Object>,
    plans: Vec<Plan>,
    by_id: HashMap<u32, Registered>,
    by_fingerprint: HashMap<u64, Registered>,
    /// The id met last, and its plan: one topic seldom has many schemas.
    last: Option<(u32, usize)>,
    key: String,
}

impl Decoder {
    /// A decoder without rows that knows our own schema by its fingerprint, and no registry id.
    #[must_use]
    pub fn new(config: DecodeConfig) -> Self {
        let mut columns = Columns::new(config.default_workspace.as_str(), config.max_unknown_metrics);
        let mapped = config.mapping.as_ref().map(|mapping| {
            columns.set_constants(mapping);
            route::mapped(mapping, &mut columns)
        });
        let with_keys = !matches!(config.key_names, KeyNames::Off);
        columns.set_key_names(config.key_names.clone());
        let mut decoder = Self {
            config,
            columns,
            native: route::native(with_keys),
            mapped,
            plans: Vec::new(),
            by_id: HashMap::new(),
            by_fingerprint: HashMap::new(),
            last: None,
            key: String::new(),
        };
        let older = schema::RELEASED
            .iter()
            .filter(|(name, text)| *name == "telemetry-sample" && *text != schema::TELEMETRY_SAMPLE);
        for text in older.map(|(_, text)| *text).chain([schema::TELEMETRY_SAMPLE]) {
            decoder.register_schema(text).expect("our own schemas are native");
        }
        decoder
    }

    /// Says which schema the registry has under `id`.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if no sample can be read with it. Its records are then refused as `schema_mismatch`, so there
    /// is nothing left to do but to tell.
    pub fn register(&mut self, id: u32, writer_schema_json: &str) -> Result<(), SchemaError> {
        self.last = None;
        match self.register_schema(writer_schema_json) {
            Ok(plan) => {
                self.by_id.insert(id, Registered::Plan(plan));
                Ok(())
            }
            Err(error) => {
                self.by_id.insert(id, Registered::Refused(refusal(&error)));
                Err(error)
            }
        }
    }

    /// Says that the registry has no schema under `id`: its records are refused as `schema_unknown`.
    pub fn register_unavailable(&mut self, id: u32) {
        let message = format!("schema {id} is not to be had");
        self.last = None;
        self.by_id.insert(id, Registered::Refused(Box::new(Rejected::record(RejectCode::SchemaUnknown, message))));
    }

    /// Forgets what [`Self::register_unavailable`] and a failed [`Self::register`] said of `id`.
    pub fn forget(&mut self, id: u32) {
        self.last = None;
        self.by_id.remove(&id);
    }

    /// Makes a writer's schema known by its fingerprint, for single-object encoding without a registry.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if no sample can be read with it.
    pub fn register_single_object(&mut self, writer_schema_json: &str) -> Result<(), SchemaError> {
        self.register_schema(writer_schema_json).map(|_| ())
    }

    /// Compiles a schema of its own, and makes it known by its fingerprint unless one is already: a fingerprint says
    /// nothing of logical types, so an id has its own plan even where fingerprints are equal.
    fn register_schema(&mut self, text: &str) -> Result<usize, SchemaError> {
        let schema = schema::parse(text)?;
        let outcome = self.compile(&schema);
        let registered = match &outcome {
            Ok(_) => Registered::Plan(self.plans.len()),
            Err(error) => Registered::Refused(refusal(error)),
        };
        self.by_fingerprint.entry(schema::fingerprint(&schema)).or_insert(registered);
        self.plans.push(outcome?);
        Ok(self.plans.len() - 1)
    }

    fn compile(&mut self, schema: &Schema) -> Result<Plan, SchemaError> {
        let is_native = schema.name().is_some_and(|name| name.name() == "TelemetrySample");
        match &self.mapped {
            Some(mapped) if !is_native => compile::compile(schema, mapped, false, &mut self.columns),
            _ => compile::compile(schema, &self.native, true, &mut self.columns),
        }
    }

    /// Reads one record: a row more, or the reason why not.
    ///
    /// # Errors
    ///
    /// [`Undecoded::NeedsSchema`]: give the schema and push again. [`Undecoded::Rejected`]: the record goes to the
    /// dead letters. Nothing of the record remains in either case.
    ///
    /// # Panics
    ///
    /// For a partition or an offset that no Kafka topic has (see [`Position::new`]).
    pub fn push(&mut self, record: &RawRecord<'_>) -> Result<(), Undecoded> {
        let outcome = self.read(record);
        if outcome.is_err() {
            self.columns.roll_back();
        }
        outcome
    }

    fn read(&mut self, record: &RawRecord<'_>) -> Result<(), Undecoded> {
        let payload = record.value.unwrap_or_default();
        if payload.is_empty() {
            return Err(Rejected::record(RejectCode::Empty, "the record has no value").into());
        }
        if payload.len() > self.config.max_record_bytes {
            let message = format!("{} bytes, and at most {} are taken", payload.len(), self.config.max_record_bytes);
            return Err(Rejected::record(RejectCode::TooLarge, message).into());
        }
        let outcome = match self.framing(payload)? {
            Framed::Avro(plan, body) => self.plans[plan].read(&mut self.columns, body),
            Framed::Json => {
                let routes = self.mapped.as_ref().unwrap_or(&self.native);
                json::read(&mut self.columns, routes, payload, &mut self.key)
            }
        };
        let position = Position::new(record.partition, record.offset);
        outcome
            .and_then(|()| self.columns.end_row(position, record.timestamp_ms))
            .map_err(|fault| Undecoded::Rejected(*fault))
    }

    /// Which plan reads the payload, and where its body begins.
    #[inline]
    fn framing<'p>(&mut self, payload: &'p [u8]) -> Result<Framed<'p>, Undecoded> {
        match (self.config.format, payload) {
            (Format::Auto | Format::AvroConfluent, [0, a, b, c, d, body @ ..]) => {
                let id = u32::from_be_bytes([*a, *b, *c, *d]);
                match self.last {
                    Some((last, plan)) if last == id => Ok(Framed::Avro(plan, body)),
                    _ => self.plan_of_id(id).map(|plan| Framed::Avro(plan, body)),
                }
            }
            (Format::Auto | Format::AvroSingleObject, [0xC3, 0x01, rest @ ..]) => {
                let Some((fingerprint, body)) = rest.split_first_chunk() else {
                    return Err(no_frame("the fingerprint is cut off"));
                };
                let plan = self.plan_of_fingerprint(u64::from_le_bytes(*fingerprint))?;
                Ok(Framed::Avro(plan, body))
            }
            (Format::Json, _) => Ok(Framed::Json),
            (Format::Auto, [b'{' | b' ' | b'\t' | b'\r' | b'\n', ..]) => Ok(Framed::Json),
            (Format::Auto, _) => Err(no_frame("neither Avro (00 and a schema id, or C3 01) nor a JSON object")),
            (Format::AvroConfluent, _) => Err(no_frame("not framed as 00 and a schema id of four bytes")),
            (Format::AvroSingleObject, _) => Err(no_frame("not framed as C3 01 and a fingerprint of eight bytes")),
        }
    }

    fn plan_of_id(&mut self, id: u32) -> Result<usize, Undecoded> {
        match self.by_id.get(&id) {
            Some(Registered::Plan(plan)) => {
                self.last = Some((id, *plan));
                Ok(*plan)
            }
            Some(Registered::Refused(why)) => Err(Undecoded::Rejected((**why).clone())),
            None => Err(Undecoded::NeedsSchema(id)),
        }
    }

    fn plan_of_fingerprint(&self, fingerprint: u64) -> Result<usize, Undecoded> {
        match self.by_fingerprint.get(&fingerprint) {
            Some(Registered::Plan(plan)) => Ok(*plan),
            Some(Registered::Refused(why)) => Err(Undecoded::Rejected((**why).clone())),
            None => {
                let message = format!("no schema with fingerprint {fingerprint:016x} is known");
                Err(Rejected::record(RejectCode::SchemaUnknown, message).into())
            }
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.rows()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the batch should be finished now. Going on is correct; it only costs memory, without bound where every
    /// record brings metrics of new names.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.columns.rows() >= FULL_ROWS || self.columns.gaps() >= FULL_GAPS
    }

    /// The rows so far, with the derived metrics; the decoder is empty afterwards and keeps its plans and room.
    pub fn finish(&mut self) -> SampleBatch {
        self.columns.take(self.config.saturation_level)
    }

    /// What deserved a word since it was last taken. What concerns values counts when their batch is finished.
    pub fn take_warnings(&mut self) -> Warnings {
        std::mem::take(self.columns.warnings_mut())
    }

    /// Reads one record to a row of its own, outside any batch: for `produce`, from JSON lines.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    ///
    /// # Panics
    ///
    /// If rows have been pushed and not finished.
    pub fn row(&mut self, payload: &[u8]) -> Result<SampleRow, Undecoded> {
        assert!(self.is_empty(), "a decoder makes batches or rows");
        self.columns.keep_other_times(true);
        let outcome =
            self.push(&RawRecord { partition: 0, offset: 0, timestamp_ms: 0, key: None, value: Some(payload) });
        let row = outcome.and_then(|()| {
            // A row of its own has no place for them, and nothing is lost silently.
            if self.columns.has_supplied() {
                return Err(Undecoded::from(*not_yet(
                    "response_times_ms, or a histogram of them, in a row of its own",
                )));
            }
            let row = SampleRow::last_of(&mut self.columns);
            if self.columns.left_keys_out() {
                return Err(Undecoded::from(*not_yet("top_keys, of which some are too many or too long,")));
            }
            Ok(row)
        });
        self.columns.clear();
        self.columns.keep_other_times(false);
        row
    }
}

enum Framed<'p> {
    Avro(usize, &'p [u8]),
    Json,
}

fn no_frame(message: &str) -> Undecoded {
    Rejected::record(RejectCode::Malformed, message).into()
}

fn refusal(error: &SchemaError) -> Fault {
    let field = match error {
        SchemaError::Mismatch { field, .. } => field.clone(),
        SchemaError::Unreadable(_) => None,
    };
    Box::new(Rejected { field, ..Rejected::record(RejectCode::SchemaMismatch, error.to_string()) })
}
