//! The columns under construction: what a record writes is in them at once, and is cut off again if it is refused.
//!
//! - **C1** Between records every key column is exactly `rows` long and no column is longer.
//! - **C2** A field that a record sets twice is refused: no value silently wins.

use super::counters::{CounterNumber, Counters};
use super::entity::Entities;
use super::keys::KeyNames;
use super::metric_columns::MetricColumns;
use super::pieces::{Piece, Pieces};
use super::text::TextColumn;
use super::warnings::Warnings;
use crate::derive;
use crate::mapping::Mapping;
use crate::reject::{Fault, RejectCode, fault};
use arrow::array::{Float64Array, TimestampMicrosecondArray, UInt8Array, UInt64Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use tidegauge_model::counter::Reading;
use tidegauge_model::supplied::Supplied;
use tidegauge_model::{
    Attribute, EntityKey, EntityKind, EventTime, InstanceState, Metric, NamedKeys, Position, SampleBatch,
};

/// Longest id and attribute in bytes: they are copied into outputs.
pub(crate) const MAX_ID_BYTES: usize = 1_024;
/// 2000-01-01 and 2200-01-01: an event time outside is most often in another unit than the declared one.
const PLAUSIBLE_MICROS: std::ops::Range<i64> = 946_684_800_000_000..7_258_118_400_000_000;
/// `ready_at` of a row that reports none.
const NO_TIME: i64 = i64::MIN;

/// The texts of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextSlot {
    Workspace,
    Agent,
    Instance,
    /// Which entity, where that is no instance.
    Entity,
    Attribute(Attribute),
}

/// The times of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeSlot {
    Event,
    Ready,
    /// When a cumulative counter began.
    CounterStart(CounterNumber),
    /// One that the engine does not use yet: kept only where such times are asked for.
    Other(&'static str),
}

/// Values for what a record leaves out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) workspace: String,
    pub(crate) texts: Vec<(TextSlot, String)>,
    pub(crate) entity: Option<EntityKind>,
    pub(crate) metrics: Vec<(u32, f64)>,
}

/// One row, for those who do not want a batch.
pub(crate) struct LastRow<'c> {
    pub(crate) event_time: EventTime,
    pub(crate) workspace: &'c str,
    pub(crate) agent: &'c str,
    pub(crate) instance: &'c str,
    pub(crate) entity: Option<EntityKey>,
    pub(crate) state: Option<InstanceState>,
    pub(crate) ready_at: Option<EventTime>,
    /// Ascending.
    pub(crate) attributes: Vec<(Attribute, &'c str)>,
    /// By field name.
    pub(crate) other_times: Vec<(&'static str, EventTime)>,
    /// Ascending by metric.
    pub(crate) metrics: Vec<(Metric, f64)>,
    /// Ascending by metric.
    pub(crate) counters: Vec<(Metric, Reading)>,
    pub(crate) top_keys: Option<NamedKeys>,
}

pub(crate) struct Columns {
    rows: usize,
    event_time: Vec<i64>,
    ingest_time: Vec<i64>,
    position: Vec<u64>,
    workspace: TextColumn,
    agent: TextColumn,
    instance: TextColumn,
    entities: Entities,
    /// In the order of [`Attribute::ALL`].
    attributes: [TextColumn; Attribute::ALL.len()],
    state: Vec<u8>,
    ready_at: Vec<i64>,
    metrics: MetricColumns,
    pieces: Pieces,
    /// Row and what it handed over in one piece; rows ascend.
    response_times: Vec<(u32, Supplied)>,
    counters: Counters,
    /// Row and its heaviest keys; rows ascend.
    top_keys: Vec<(u32, NamedKeys)>,
    key_names: KeyNames,
    defaults: Defaults,
    /// Of the record being read: times that no column holds, where asked for.
    other_times: Option<Vec<(&'static str, EventTime)>>,
}

impl Columns {
    pub(crate) fn new(workspace: &str, max_unknown_metrics: usize) -> Self {
        Self {
            rows: 0,
            event_time: Vec::new(),
            ingest_time: Vec::new(),
            position: Vec::new(),
            workspace: TextColumn::new(),
            agent: TextColumn::new(),
            instance: TextColumn::new(),
            entities: Entities::default(),
            attributes: std::array::from_fn(|_| TextColumn::new()),
            state: Vec::new(),
            ready_at: Vec::new(),
            metrics: MetricColumns::new(max_unknown_metrics),
            pieces: Pieces::default(),
            response_times: Vec::new(),
            counters: Counters::new(max_unknown_metrics),
            top_keys: Vec::new(),
            key_names: KeyNames::Plain,
            defaults: Defaults { workspace: workspace.to_owned(), ..Defaults::default() },
            other_times: None,
        }
    }

    /// What `mapping` says for records that do not say it themselves.
    pub(crate) fn set_constants(&mut self, mapping: &Mapping) {
        self.defaults.texts = mapping.text_constants().to_vec();
        self.defaults.entity = mapping.entity_constant();
        let metrics = mapping.metric_constants().iter();
        self.defaults.metrics = metrics.filter_map(|(metric, value)| Some((self.pin(metric)?, *value))).collect();
    }

    pub(crate) fn has_constant(&self, slot: TextSlot) -> bool {
        self.defaults.texts.iter().any(|(constant, _)| *constant == slot)
    }

    pub(crate) fn entity_constant(&self) -> Option<EntityKind> {
        self.defaults.entity
    }

    /// What becomes of the names of keys.
    pub(crate) fn set_key_names(&mut self, names: KeyNames) {
        self.key_names = names;
    }

    /// Whether times of the record read last that no column holds are kept from now on.
    pub(crate) fn keep_other_times(&mut self, keep: bool) {
        self.other_times = keep.then(Vec::new);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Values that were missing between rows, over all metrics: what sparse metrics cost in memory.
    pub(crate) fn gaps(&self) -> usize {
        self.metrics.gaps()
    }

    /// The number of `metric`'s column, which stays from now on; `None` for one that tidegauge computes.
    pub(crate) fn pin(&mut self, metric: &Metric) -> Option<u32> {
        self.metrics.pin(metric)
    }

    /// Sets a text of the record; an empty workspace or attribute counts as not reported.
    pub(crate) fn text(&mut self, slot: TextSlot, text: &str, field: &str) -> Result<(), Fault> {
        if text.is_empty() {
            return match slot {
                TextSlot::Agent | TextSlot::Instance | TextSlot::Entity => {
                    Err(fault(RejectCode::MissingId, field, "the id is empty"))
                }
                TextSlot::Workspace | TextSlot::Attribute(_) => Ok(()),
            };
        }
        if text.len() > MAX_ID_BYTES {
            let message = format!("{} bytes, and at most {MAX_ID_BYTES} are taken", text.len());
            return Err(fault(RejectCode::TooLarge, field, message));
        }
        let rows = self.rows;
        let column = match slot {
            TextSlot::Agent => &mut self.agent,
            TextSlot::Instance => &mut self.instance,
            TextSlot::Workspace => &mut self.workspace,
            TextSlot::Entity => return self.entities.set_id(text, field),
            TextSlot::Attribute(attribute) => &mut self.attributes[attribute as usize],
        };
        if column.len() > rows {
            return Err(twice(field));
        }
        column.pad_to(rows);
        column.push(text);
        Ok(())
    }

    /// Sets a time of the record; `None` = beyond what 64 bits of microseconds hold.
    pub(crate) fn time(&mut self, slot: TimeSlot, micros: Option<i64>, field: &str) -> Result<(), Fault> {
        match slot {
            TimeSlot::Event => {
                let micros = micros.filter(|micros| PLAUSIBLE_MICROS.contains(micros));
                let Some(micros) = micros else {
                    return Err(implausible(field, micros));
                };
                if self.event_time.len() > self.rows {
                    return Err(twice(field));
                }
                self.event_time.push(micros);
            }
            TimeSlot::Ready => {
                if self.ready_at.len() > self.rows {
                    return Err(twice(field));
                }
                self.ready_at.resize(self.rows, NO_TIME);
                self.ready_at.push(micros.unwrap_or(i64::MAX));
            }
            TimeSlot::CounterStart(counter) => self.counters.start(counter, micros, field)?,
            TimeSlot::Other(name) => {
                if let Some(times) = &mut self.other_times {
                    times.push((name, EventTime::from_micros(micros.unwrap_or(i64::MAX))));
                }
            }
        }
        Ok(())
    }

    /// Sets the state of the record.
    pub(crate) fn state(&mut self, state: InstanceState, field: &str) -> Result<(), Fault> {
        if self.state.len() > self.rows {
            return Err(twice(field));
        }
        self.state.resize(self.rows, 0);
        self.state.push(state as u8);
        Ok(())
    }

    /// Sets what the record is about; `None` is an instance.
    pub(crate) fn entity(&mut self, kind: Option<EntityKind>, field: &str) -> Result<(), Fault> {
        self.entities.set_kind(kind, field)
    }

    /// Sets a metric of the record by its column.
    #[inline(always)]
    pub(crate) fn metric(&mut self, column: u32, value: f64, field: &str) -> Result<(), Fault> {
        self.metrics.put(column, self.rows, value, field)
    }

    /// The number of a cumulative counter that a mapping names.
    pub(crate) fn counter_number(&mut self, metric: &Metric) -> u32 {
        self.counters.number(metric)
    }

    /// Begins a cumulative counter of the record by its name.
    pub(crate) fn open_counter(&mut self, name: &str) -> Result<(), Fault> {
        self.counters.open(name)
    }

    /// Ends it.
    pub(crate) fn close_counter(&mut self) -> Result<(), Fault> {
        self.counters.close()
    }

    /// Takes the value of a cumulative counter.
    pub(crate) fn counter(&mut self, counter: CounterNumber, value: f64, field: &str) -> Result<(), Fault> {
        self.counters.value(counter, value, field)
    }

    /// Takes a number of a list or a histogram.
    pub(crate) fn piece(&mut self, piece: Piece, value: f64, field: &str) -> Result<(), Fault> {
        self.pieces.put(piece, value, field)
    }

    /// The name of one of the record's heaviest keys.
    pub(crate) fn key(&mut self, key: &str, field: &str) -> Result<(), Fault> {
        self.pieces.key(key, field)
    }

    /// Ends that key.
    pub(crate) fn end_key(&mut self) -> Result<(), Fault> {
        self.pieces.end_key()
    }

    /// Whether the row read last named keys that were not taken.
    pub(crate) fn left_keys_out(&self) -> bool {
        let last = self.top_keys.last().filter(|(row, _)| *row as usize + 1 == self.rows);
        last.is_some_and(|(_, keys)| NamedKeys::of(keys.shares.clone()) != *keys)
    }

    /// Whether the row read last handed latencies over in one piece.
    pub(crate) fn has_supplied(&self) -> bool {
        self.response_times.last().is_some_and(|(row, _)| *row as usize + 1 == self.rows)
    }

    /// Sets a metric of the record by its name, whatever metric that is.
    pub(crate) fn metric_named(&mut self, name: &str, value: f64, field: &str) -> Result<(), Fault> {
        self.metrics.put_named(name, self.rows, value, field)
    }

    /// Ends the record: it is a row from now on, or refused for what it lacks.
    pub(crate) fn end_row(&mut self, position: Position, ingest_ms: i64) -> Result<(), Fault> {
        let rows = self.rows;
        if !self.defaults.texts.is_empty() || !self.defaults.metrics.is_empty() {
            self.fill_in_constants()?;
        }
        let attribute = |attribute: Attribute| self.attributes[attribute as usize].get(rows);
        let kind = self.entities.end_row(rows, self.defaults.entity, attribute)?;
        let needs_agent = kind.is_none_or(|kind| kind == EntityKind::Agent);
        let missing = [
            ("agent_id", needs_agent && self.agent.len() == rows),
            ("instance_id", kind.is_none() && self.instance.len() == rows),
            ("event_time", self.event_time.len() == rows),
        ];
        if let Some((field, _)) = missing.iter().find(|(_, missing)| *missing) {
            return Err(fault(RejectCode::MissingId, field, format!("the record has no {field}")));
        }
        if let Some(kind) = kind {
            self.leave_ids_empty(kind);
        }
        let keys = self.pieces.take_keys()?;
        let supplied = self.pieces.take()?;
        self.counters.end_row(rows, &mut self.metrics)?;
        self.response_times.extend(supplied.into_iter().map(|supplied| (rows as u32, supplied)));
        if let Some(keys) = keys {
            self.top_keys.push((rows as u32, self.key_names.applied_to(keys)));
        }
        if self.workspace.len() == rows {
            self.workspace.push(&self.defaults.workspace);
        }
        self.ingest_time.push(ingest_ms.saturating_mul(1_000));
        self.position.push(position.0);
        self.rows += 1;
        self.metrics.end_row();
        Ok(())
    }

    /// A workspace has no agent; others may have none, and nobody need say who reports them.
    fn leave_ids_empty(&mut self, kind: EntityKind) {
        if kind == EntityKind::Workspace {
            self.agent.truncate(self.rows);
        }
        self.agent.pad_to(self.rows + 1);
        self.instance.pad_to(self.rows + 1);
    }

    fn fill_in_constants(&mut self) -> Result<(), Fault> {
        let defaults = std::mem::take(&mut self.defaults);
        let rows = self.rows;
        let mut outcome = Ok(());
        for (slot, text) in &defaults.texts {
            let reported = match slot {
                TextSlot::Workspace => self.workspace.len() > rows,
                TextSlot::Agent => self.agent.len() > rows,
                TextSlot::Instance => self.instance.len() > rows,
                TextSlot::Entity => self.entities.has_id(),
                TextSlot::Attribute(attribute) => self.attributes[*attribute as usize].len() > rows,
            };
            if !reported {
                outcome = outcome.and_then(|()| self.text(*slot, text, "constants"));
            }
        }
        for (column, value) in &defaults.metrics {
            if !self.metrics.is_set(*column, rows) {
                outcome = outcome.and_then(|()| self.metric(*column, *value, "constants"));
            }
        }
        self.defaults = defaults;
        outcome
    }

    /// Cuts off whatever the record being read has written (**C1**).
    #[cold]
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.event_time.truncate(rows);
        self.ingest_time.truncate(rows);
        self.position.truncate(rows);
        for text in [&mut self.workspace, &mut self.agent, &mut self.instance].into_iter().chain(&mut self.attributes) {
            text.truncate(rows);
        }
        self.entities.roll_back(rows);
        self.state.truncate(rows);
        self.ready_at.truncate(rows);
        self.metrics.roll_back(rows);
        self.pieces.clear();
        self.counters.roll_back(rows);
        while self.response_times.last().is_some_and(|(row, _)| *row as usize >= rows) {
            self.response_times.pop();
        }
        while self.top_keys.last().is_some_and(|(row, _)| *row as usize >= rows) {
            self.top_keys.pop();
        }
        if let Some(times) = &mut self.other_times {
            times.clear();
        }
    }

    /// The rows so far as a batch, derived metrics included; the columns are empty afterwards.
    pub(crate) fn take(&mut self, saturation_level: f64) -> SampleBatch {
        let rows = std::mem::take(&mut self.rows);
        let mut metrics = self.metrics.take(rows);
        self.metrics.warnings.examine(&metrics);
        derive::derive(&mut metrics, rows, saturation_level);
        let times = |values: &mut Vec<i64>| {
            let fresh = Vec::with_capacity(values.len());
            TimestampMicrosecondArray::new(std::mem::replace(values, fresh).into(), None)
        };
        let batch = SampleBatch {
            event_time: times(&mut self.event_time),
            ingest_time: times(&mut self.ingest_time),
            position: {
                let fresh = Vec::with_capacity(self.position.len());
                UInt64Array::new(std::mem::replace(&mut self.position, fresh).into(), None)
            },
            workspace: self.workspace.take(),
            agent: self.agent.take(),
            instance: self.instance.take(),
            entities: self.entities.take(),
            attributes: {
                let columns = Attribute::ALL.into_iter().zip(&mut self.attributes);
                columns.filter_map(|(attribute, texts)| Some((attribute, texts.take_sparse(rows)?))).collect()
            },
            state: sparse(&mut self.state, rows, 0).map(|(values, nulls)| UInt8Array::new(values, Some(nulls))),
            ready_at: sparse(&mut self.ready_at, rows, NO_TIME)
                .map(|(values, nulls)| TimestampMicrosecondArray::new(values, Some(nulls))),
            metrics: metrics.into_iter().map(|(metric, values)| (metric, nullable(values))).collect(),
            response_times: std::mem::take(&mut self.response_times),
            counters: self.counters.take(),
            top_keys: std::mem::take(&mut self.top_keys),
        };
        batch.checked()
    }

    /// The row read last.
    pub(crate) fn last_row(&mut self) -> LastRow<'_> {
        let row = self.rows - 1;
        LastRow {
            event_time: EventTime::from_micros(self.event_time[row]),
            workspace: self.workspace.get(row).unwrap_or_default(),
            agent: self.agent.get(row).unwrap_or_default(),
            instance: self.instance.get(row).unwrap_or_default(),
            entity: self.entities.of_row(row),
            state: self.state.get(row).and_then(|state| InstanceState::from_number(*state)),
            ready_at: self.ready_at.get(row).filter(|at| **at != NO_TIME).map(|at| EventTime::from_micros(*at)),
            attributes: {
                let columns = Attribute::ALL.into_iter().zip(&self.attributes);
                columns.filter_map(|(attribute, texts)| Some((attribute, texts.get(row)?))).collect()
            },
            other_times: self.other_times.as_mut().map(std::mem::take).unwrap_or_default(),
            metrics: self.metrics.row(row),
            counters: self.counters.of_row(row),
            top_keys: self.top_keys.last().filter(|(at, _)| *at as usize == row).map(|(_, keys)| keys.clone()),
        }
    }

    /// Lets go of every row.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.roll_back();
        self.metrics.clear();
    }

    pub(crate) fn warnings_mut(&mut self) -> &mut Warnings {
        &mut self.metrics.warnings
    }
}

fn nullable(values: Vec<f64>) -> Float64Array {
    let nulls = values
        .iter()
        .any(|value| value.is_nan())
        .then(|| NullBuffer::from_iter(values.iter().map(|value| !value.is_nan())));
    Float64Array::new(values.into(), nulls)
}

/// A sparse column as a buffer and its nulls, or `None` if no row has a value.
fn sparse<T: Copy + PartialEq + arrow::datatypes::ArrowNativeType>(
    values: &mut Vec<T>,
    rows: usize,
    absent: T,
) -> Option<(ScalarBuffer<T>, NullBuffer)> {
    let mut values = std::mem::take(values);
    values.iter().any(|value| *value != absent).then(|| {
        values.resize(rows, absent);
        let nulls = NullBuffer::from_iter(values.iter().map(|value| *value != absent));
        (values.into(), nulls)
    })
}

#[cold]
pub(super) fn twice(field: &str) -> Fault {
    fault(RejectCode::Malformed, field, "the record sets this twice")
}

#[cold]
fn implausible(field: &str, micros: Option<i64>) -> Fault {
    let at = micros.map_or_else(|| "beyond the calendar".to_owned(), |at| EventTime::from_micros(at).to_string());
    let message = format!("{at} is not between 2000 and 2200: is its unit the declared one?");
    fault(RejectCode::EventTimeImplausible, field, message)
}
