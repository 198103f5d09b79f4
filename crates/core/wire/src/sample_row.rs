//! One sample as a value of its own, and its native encodings: what `produce` sends.
//!
//! - **N1** What is encoded here, a decoder without a mapping reads back equal.

use crate::decode::columns::Columns;
use crate::decode::counters;
use crate::decode::pieces::KEYS;
use crate::decode::route::INSTANCE;
use crate::encode::{Framing, put_double, put_long, put_text};
use crate::schema;
use apache_avro::Schema;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegauge_model::counter::Reading;
use tidegauge_model::{Attribute, EntityKey, EventTime, InstanceState, Metric};

/// One sample of one instance, or of another entity.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// When it was measured.
    pub event_time: EventTime,
    /// The tenant; `default` where the record names none.
    pub workspace: String,
    /// The agent; empty where an entity has none.
    pub agent: String,
    /// The instance; of another entity who reports it, empty where that is not said.
    pub instance: String,
    /// What it is about, where that is no instance.
    pub entity: Option<EntityKey>,
    /// Where it runs.
    pub region: Option<String>,
    /// What the instance says of itself.
    pub state: Option<InstanceState>,
    /// When it became ready.
    pub ready_at: Option<EventTime>,
    /// Other texts of the schema (zone, host …) by field name, and other times as RFC 3339 text.
    pub attributes: BTreeMap<String, String>,
    /// Metrics, ascending.
    pub metrics: Vec<(Metric, f64)>,
    /// Cumulative counters, ascending.
    pub counters: Vec<(Metric, Reading)>,
    /// Its heaviest keys with their shares of its load, the heaviest first.
    pub top_keys: Vec<(Box<str>, f64)>,
}

impl SampleRow {
    /// The row that `columns` read last.
    pub(crate) fn last_of(columns: &mut Columns) -> Self {
        let row = columns.last_row();
        let texts = row.attributes.iter().map(|(attribute, text)| (attribute.name().to_owned(), (*text).to_owned()));
        let times = row.other_times.iter().map(|(name, at)| ((*name).to_owned(), at.to_string()));
        let mut attributes: BTreeMap<String, String> = texts.chain(times).collect();
        Self {
            event_time: row.event_time,
            workspace: row.workspace.to_owned(),
            agent: row.agent.to_owned(),
            instance: row.instance.to_owned(),
            entity: row.entity,
            region: attributes.remove(Attribute::Region.name()),
            state: row.state,
            ready_at: row.ready_at,
            attributes,
            metrics: row.metrics,
            counters: row.counters,
            top_keys: row.top_keys.map(|keys| keys.shares).unwrap_or_default(),
        }
    }

    /// The same sample `by_micros` later (earlier if negative): for traces of the past that are sent as now.
    #[must_use]
    pub fn shifted(mut self, by_micros: i64) -> Self {
        for at in [Some(&mut self.event_time), self.ready_at.as_mut()].into_iter().flatten() {
            *at = EventTime::from_micros(at.as_micros().saturating_add(by_micros));
        }
        for start in self.counters.iter_mut().filter_map(|(_, reading)| reading.start.as_mut()) {
            *start = EventTime::from_micros(start.as_micros().saturating_add(by_micros));
        }
        self
    }

    /// Which entity, where its kind needs an id.
    fn entity_id(&self) -> Option<&str> {
        self.entity.as_ref().filter(|entity| !entity.kind.is_single()).map(|entity| entity.id.as_str())
    }

    /// The row as one native JSON object.
    ///
    /// # Panics
    ///
    /// Never: maps of texts and finite numbers always have a JSON form.
    pub fn encode_json(&self, out: &mut Vec<u8>) {
        let id = |text: &str| (!text.is_empty() || self.entity.is_none()).then(|| json!(text));
        let required = [
            ("event_time", Some(json!(self.event_time.to_string()))),
            ("entity", self.entity.as_ref().map(|entity| json!(entity.kind.name()))),
            ("entity_id", self.entity_id().map(|id| json!(id))),
            ("workspace_id", Some(json!(self.workspace))),
            ("agent_id", id(&self.agent)),
            ("instance_id", id(&self.instance)),
            ("region", self.region.as_ref().map(|region| json!(region))),
            ("state", self.state.map(|state| json!(state.name()))),
            ("ready_at", self.ready_at.map(|at| json!(at.to_string()))),
        ];
        let known = required.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let attributes = self.attributes.iter().map(|(name, text)| (name.clone(), json!(text)));
        let mut object: Map<String, Value> = known.chain(attributes).collect();
        let (built_in, unknown): (Vec<_>, Vec<_>) =
            self.metrics.iter().cloned().partition(|(metric, _)| matches!(metric, Metric::BuiltIn(_)));
        let named = |metrics: Vec<(Metric, f64)>| -> Map<String, Value> {
            metrics.into_iter().map(|(metric, value)| (metric.name().to_owned(), json!(value))).collect()
        };
        object.extend(named(built_in));
        if !unknown.is_empty() {
            object.insert("metrics".to_owned(), Value::Object(named(unknown)));
        }
        if !self.counters.is_empty() {
            let counters = self.counters.iter().map(|(metric, reading)| {
                let start = reading.start.map(|start| start.to_string());
                (metric.name().to_owned(), json!({"value": reading.value, "start": start}))
            });
            object.insert(counters::FIELD.to_owned(), Value::Object(counters.collect()));
        }
        if !self.top_keys.is_empty() {
            let keys = self.top_keys.iter().map(|(key, share)| json!({"key": key, "weight": share}));
            object.insert(KEYS.to_owned(), Value::Array(keys.collect()));
        }
        serde_json::to_writer(out, &object).expect("a vector takes whatever is written");
    }
}

/// Encodes rows as our own Avro schema.
pub struct SampleEncoder {
    fields: Vec<Field>,
    fingerprint: u64,
}

/// What to write for a field of the schema.
enum Field {
    EventTime,
    Entity(Vec<String>),
    EntityId,
    Workspace,
    Agent,
    Instance,
    Region,
    State(Vec<String>),
    ReadyAt,
    Attribute(String),
    Metric(Metric),
    UnknownMetrics,
    Counters,
    TopKeys,
    /// Null, or an empty array or map: all are one zero byte.
    Nothing,
}

impl Default for SampleEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl SampleEncoder {
    /// An encoder for the current schema.
    ///
    /// # Panics
    ///
    /// Never: our own schema is tested.
    #[must_use]
    pub fn new() -> Self {
        let schema = schema::ours(schema::TELEMETRY_SAMPLE);
        let Schema::Record(record) = &schema else { unreachable!("a sample is a record") };
        let fields = record.fields.iter().map(|field| match field.name.as_str() {
            "event_time" => Field::EventTime,
            "entity" => Field::Entity(symbols(&field.schema)),
            "entity_id" => Field::EntityId,
            "workspace_id" => Field::Workspace,
            "agent_id" => Field::Agent,
            "instance_id" => Field::Instance,
            "region" => Field::Region,
            "state" => Field::State(symbols(&field.schema)),
            "ready_at" => Field::ReadyAt,
            "metrics" => Field::UnknownMetrics,
            counters::FIELD => Field::Counters,
            KEYS => Field::TopKeys,
            name => match (&field.schema, Metric::named(name)) {
                (_, metric @ Metric::BuiltIn(_)) => Field::Metric(metric),
                (Schema::Union(union), _) if matches!(union.variants().last(), Some(Schema::String)) => {
                    Field::Attribute(name.to_owned())
                }
                _ => Field::Nothing,
            },
        });
        Self { fields: fields.collect(), fingerprint: schema::fingerprint(&schema) }
    }

    /// Appends the row, framed, to `out`.
    pub fn encode(&self, row: &SampleRow, framing: Framing, out: &mut Vec<u8>) {
        framing.put(self.fingerprint, out);
        let optional_text = |text: Option<&str>, out: &mut Vec<u8>| match text {
            Some(text) => {
                put_long(1, out);
                put_text(text, out);
            }
            None => put_long(0, out),
        };
        let id = |text| Some(text).filter(|text: &&str| !text.is_empty() || row.entity.is_none());
        for field in &self.fields {
            match field {
                Field::EventTime => put_long(row.event_time.as_micros(), out),
                Field::Nothing => put_long(0, out),
                Field::Entity(symbols) => put_long(kind_number(row.entity.as_ref(), symbols), out),
                Field::EntityId => optional_text(row.entity_id(), out),
                Field::Workspace => optional_text(Some(&row.workspace), out),
                Field::Agent => optional_text(id(&row.agent), out),
                Field::Instance => optional_text(id(&row.instance), out),
                Field::Region => optional_text(row.region.as_deref(), out),
                Field::Attribute(name) => optional_text(row.attributes.get(name).map(String::as_str), out),
                Field::State(symbols) => put_state(row.state, symbols, out),
                Field::ReadyAt => match row.ready_at {
                    Some(at) => {
                        put_long(1, out);
                        put_long(at.as_micros(), out);
                    }
                    None => put_long(0, out),
                },
                Field::Metric(metric) => match row.metrics.binary_search_by(|(other, _)| other.cmp(metric)) {
                    Ok(index) => {
                        put_long(1, out);
                        put_double(row.metrics[index].1, out);
                    }
                    Err(_) => put_long(0, out),
                },
                Field::UnknownMetrics => put_unknown(&row.metrics, out),
                Field::Counters => put_counters(&row.counters, out),
                Field::TopKeys => put_keys(&row.top_keys, out),
            }
        }
    }
}

fn symbols(schema: &Schema) -> Vec<String> {
    match schema {
        Schema::Union(union) => union.variants().iter().flat_map(symbols).collect(),
        Schema::Enum(inner) => inner.symbols.clone(),
        _ => Vec::new(),
    }
}

fn kind_number(entity: Option<&EntityKey>, symbols: &[String]) -> i64 {
    let name = entity.map_or(INSTANCE, |entity| entity.kind.name());
    let number = symbols.iter().zip(0..).find(|(symbol, _)| *symbol == name);
    number.map(|(_, number)| number).expect("every kind is a symbol of the schema")
}

fn put_state(state: Option<InstanceState>, symbols: &[String], out: &mut Vec<u8>) {
    let symbol = state.and_then(|state| symbols.iter().zip(0..).find(|(symbol, _)| *symbol == state.name()));
    match symbol {
        Some((_, number)) => {
            put_long(1, out);
            put_long(number, out);
        }
        None => put_long(0, out),
    }
}

fn put_unknown(metrics: &[(Metric, f64)], out: &mut Vec<u8>) {
    let unknown = || metrics.iter().filter(|(metric, _)| matches!(metric, Metric::Unknown(_)));
    let count = i64::try_from(unknown().count()).expect("a row has fewer metrics than 2^63");
    if count > 0 {
        put_long(count, out);
        for (metric, value) in unknown() {
            put_text(metric.name(), out);
            put_double(*value, out);
        }
    }
    put_long(0, out);
}

fn put_counters(counters: &[(Metric, Reading)], out: &mut Vec<u8>) {
    if counters.is_empty() {
        return put_long(0, out); // null
    }
    put_long(1, out);
    put_long(i64::try_from(counters.len()).expect("a row has fewer counters than 2^63"), out);
    for (metric, Reading { value, start }) in counters {
        put_text(metric.name(), out);
        put_double(*value, out);
        match start {
            Some(start) => {
                put_long(1, out);
                put_long(start.as_micros(), out);
            }
            None => put_long(0, out),
        }
    }
    put_long(0, out);
}

fn put_keys(keys: &[(Box<str>, f64)], out: &mut Vec<u8>) {
    if !keys.is_empty() {
        put_long(i64::try_from(keys.len()).expect("a row has fewer keys than 2^63"), out);
        for (key, share) in keys {
            put_text(key, out);
            put_double(*share, out);
        }
    }
    put_long(0, out);
}
