//! Samples in columns: what the decoder hands to the engine, its shape checked once.

use crate::attribute::Attribute;
use crate::counter::Reading;
use crate::entity::EntityKey;
use crate::heavy::NamedKeys;
use crate::metric::Metric;
use crate::supplied::Supplied;
use crate::time::EventTime;
use arrow::array::{Array, Float64Array, StringArray, TimestampMicrosecondArray, UInt8Array, UInt64Array};
use serde::{Deserialize, Serialize};

/// Where a sample stood in the telemetry topic: partition (16 bits) before offset (48 bits), so that positions order
/// as (partition, offset) do. Breaks ties between samples of equal event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Packs partition and offset.
    ///
    /// # Panics
    ///
    /// Outside 0..65,536 partitions and 0..2⁴⁸ offsets, which no Kafka topic reaches.
    #[must_use]
    pub fn new(partition: i32, offset: i64) -> Self {
        let partition = u16::try_from(partition).expect("a partition number below 65,536");
        assert!((0..1 << 48).contains(&offset), "an offset below 2^48, not {offset}");
        Self(u64::from(partition) << 48 | offset.unsigned_abs())
    }

    /// The offset within its partition.
    #[must_use]
    pub const fn offset(self) -> i64 {
        (self.0 & ((1 << 48) - 1)).cast_signed()
    }

    /// The partition.
    #[must_use]
    pub const fn partition(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// What an instance says of itself. Not reported counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum InstanceState {
    /// Not yet able to serve.
    Starting = 1,
    /// Serving.
    Ready = 2,
    /// Finishing what it has; takes nothing new.
    Draining = 3,
    /// Ended as asked.
    Stopped = 4,
    /// Ended otherwise.
    Failed = 5,
}

impl InstanceState {
    /// Every state, in the order of their numbers.
    pub const ALL: [InstanceState; 5] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped, Self::Failed];

    /// The state with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// The state of that name, as in the schema (`ready`).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The name, as in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether more samples are to be expected of an instance in this state.
    #[must_use]
    pub const fn is_expected_to_report(self) -> bool {
        matches!(self, Self::Starting | Self::Ready)
    }
}

/// Rows of telemetry of **one** partition, in log order, in columns.
///
/// - `event_time`, `ingest_time` (the broker's), `position`, `workspace`, `agent`, `instance`: length `n`, no nulls. Agent
///   and instance are empty only in rows that `entities` names.
/// - `state`, `ready_at`, each of `attributes`: length `n`, null = not reported; the whole column is absent if no row has
///   it. Attributes ascend.
/// - `metrics`: one column of length `n` per metric that any row reports, ascending by metric; null = not reported.
#[derive(Clone, Debug)]
pub struct SampleBatch {
    /// When each row was measured.
    pub event_time: TimestampMicrosecondArray,
    /// When the broker stored each row.
    pub ingest_time: TimestampMicrosecondArray,
    /// [`Position`] of each row; ascending.
    pub position: UInt64Array,
    /// Workspace of each row.
    pub workspace: StringArray,
    /// Agent of each row.
    pub agent: StringArray,
    /// Instance of each row.
    pub instance: StringArray,
    /// Rows that are about something else than an instance, by row, ascending. Their agent is whose it is, if anybody's,
    /// and their instance who reports it, if that is said.
    pub entities: Vec<(u32, EntityKey)>,
    /// One column per attribute, ascending by attribute.
    pub attributes: Vec<(Attribute, StringArray)>,
    /// [`InstanceState`] of each row, by number.
    pub state: Option<UInt8Array>,
    /// When the instance became ready.
    pub ready_at: Option<TimestampMicrosecondArray>,
    /// One column per metric, ascending by metric.
    pub metrics: Vec<(Metric, Float64Array)>,
    /// Response times that rows hand over in one piece, by row, ascending; a row may have several.
    pub response_times: Vec<(u32, Supplied)>,
    /// Readings of cumulative counters, by row, ascending; a row has at most one of each counter.
    pub counters: Vec<(u32, Metric, Reading)>,
    /// The heaviest keys of rows that name any, by row, ascending; a row has at most one such list.
    pub top_keys: Vec<(u32, NamedKeys)>,
}

impl SampleBatch {
    /// Checks the shape that the struct documents and returns the batch.
    ///
    /// # Panics
    ///
    /// If a column has another length, a key column has nulls, or metrics do not ascend: a decoder is wrong.
    #[must_use]
    pub fn checked(self) -> Self {
        let rows = self.event_time.len();
        let keys: [&dyn Array; 6] =
            [&self.event_time, &self.ingest_time, &self.position, &self.workspace, &self.agent, &self.instance];
        assert!(keys.iter().all(|column| column.len() == rows && column.null_count() == 0), "key columns");
        let optional = [self.state.as_ref().map(Array::len), self.ready_at.as_ref().map(Array::len)];
        assert!(optional.into_iter().flatten().all(|length| length == rows), "optional columns");
        assert!(self.attributes.iter().all(|(_, column)| column.len() == rows), "attribute columns");
        assert!(self.attributes.windows(2).all(|pair| pair[0].0 < pair[1].0), "attributes ascend");
        assert!(self.metrics.iter().all(|(_, column)| column.len() == rows), "metric columns");
        assert!(self.entities.iter().all(|(row, _)| (*row as usize) < rows), "rows of entities");
        assert!(self.entities.windows(2).all(|pair| pair[0].0 < pair[1].0), "rows of entities ascend");
        assert!(self.response_times.iter().all(|(row, _)| (*row as usize) < rows), "rows of response times");
        assert!(self.response_times.is_sorted_by_key(|(row, _)| *row), "response times ascend");
        assert!(self.counters.iter().all(|(row, ..)| (*row as usize) < rows), "rows of counters");
        assert!(self.counters.is_sorted_by_key(|(row, ..)| *row), "counters ascend");
        assert!(self.top_keys.iter().all(|(row, _)| (*row as usize) < rows), "rows of keys");
        assert!(self.top_keys.windows(2).all(|pair| pair[0].0 < pair[1].0), "rows of keys ascend");
        assert!(self.metrics.windows(2).all(|pair| pair[0].0 < pair[1].0), "metrics ascend");
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.event_time.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Event time of row `row`.
    #[must_use]
    pub fn event_time_at(&self, row: usize) -> EventTime {
        EventTime::from_micros(self.event_time.value(row))
    }

    /// The column of `metric`, if any row reports it.
    #[must_use]
    pub fn column(&self, metric: &Metric) -> Option<&Float64Array> {
        self.metrics.binary_search_by(|(other, _)| other.cmp(metric)).ok().map(|index| &self.metrics[index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_order_as_partition_then_offset() {
        let later_offset = Position::new(1, 5);
        assert!(Position::new(1, 4) < later_offset && later_offset < Position::new(2, 0));
        assert_eq!((later_offset.partition(), later_offset.offset()), (1, 5));
    }

    #[test]
    fn states_are_found_by_number_and_by_name() {
        for state in InstanceState::ALL {
            assert_eq!(InstanceState::from_number(state as u8), Some(state));
            assert_eq!(InstanceState::named(state.name()), Some(state));
        }
        assert_eq!(InstanceState::from_number(0), None);
    }
}
