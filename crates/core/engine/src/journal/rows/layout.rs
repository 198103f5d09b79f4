//! Columns of the rows, and the words in which their fingerprint is taken.

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};

/// Places of the columns.
pub(super) mod column {
    pub(in super::super) const AGENT: usize = 0;
    pub(in super::super) const INSTANCE: usize = 1;
    pub(in super::super) const SAMPLES: usize = 2;
    pub(in super::super) const FIRST_AT: usize = 3;
    pub(in super::super) const LAST_AT: usize = 4;
    pub(in super::super) const LAST_POSITION: usize = 5;
    pub(in super::super) const STATE: usize = 6;
    pub(in super::super) const READY_AT: usize = 7;
    pub(in super::super) const ATTRIBUTES: usize = 8;
    pub(in super::super) const STATS: usize = 9;
    pub(in super::super) const APART: usize = 10;
    pub(in super::super) const SKETCHES: usize = 11;
    pub(in super::super) const POINTS: usize = 12;
    pub(in super::super) const KEYS: usize = 13;
}

/// Arrow schema of the rows. Changing it changes the fingerprint: old records must stay readable (J1).
pub(in super::super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let keys = Arc::new(Field::new("keys", DataType::Binary, true));
        Arc::new(Schema::new(schema_v3().fields().iter().cloned().chain([keys]).collect::<Vec<_>>()))
    });
    SCHEMA.clone()
}

/// The rows before they held keys.
pub(in super::super) fn schema_v3() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let points = Arc::new(Field::new("points", DataType::List(item(point_fields())), false));
        Arc::new(Schema::new(schema_v2().fields().iter().cloned().chain([points]).collect::<Vec<_>>()))
    });
    SCHEMA.clone()
}

/// The rows before they held readings of cumulative counters.
pub(in super::super) fn schema_v2() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let plain = |name, kind| Field::new(name, kind, false);
        Arc::new(Schema::new(vec![
            plain("agent", DataType::UInt32),
            plain("instance", DataType::Utf8),
            plain("samples", DataType::UInt32),
            plain("first_at", TIME),
            plain("last_at", TIME),
            plain("last_position", DataType::UInt64),
            Field::new("state", DataType::UInt8, true),
            Field::new("ready_at", TIME, true),
            Field::new("attributes", DataType::UInt16, true),
            plain("stats", DataType::List(item(stats_fields()))),
            plain("apart", DataType::List(item(apart_fields()))),
            plain("sketches", DataType::List(item(sketch_fields()))),
        ]))
    });
    SCHEMA.clone()
}

pub(super) const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(super) fn item(fields: Fields) -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(fields), false))
}

pub(super) fn stats_fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, false);
    let metric = Field::new("metric", DataType::UInt16, false);
    let count = Field::new("count", DataType::UInt32, false);
    let values = ["sum", "squared_distance", "min", "max", "last"];
    [metric, count].into_iter().chain(values.map(number)).collect()
}

/// Of metrics whose last value is not that of the row's last sample, or whose count needs more than 32 bits.
pub(super) fn apart_fields() -> Fields {
    let plain = |name, kind| Field::new(name, kind, false);
    vec![
        plain("metric", DataType::UInt16),
        plain("count", DataType::UInt64),
        plain("last_at", TIME),
        plain("last_position", DataType::UInt64),
    ]
    .into()
}

pub(super) fn sketch_fields() -> Fields {
    vec![Field::new("metric", DataType::UInt16, false), Field::new("sketch", DataType::Binary, false)].into()
}

/// Readings of cumulative counters, by metric and time.
pub(super) fn point_fields() -> Fields {
    let plain = |name, kind| Field::new(name, kind, false);
    vec![
        plain("metric", DataType::UInt16),
        plain("at", TIME),
        plain("position", DataType::UInt64),
        plain("value", DataType::Float64),
        Field::new("start", TIME, true),
    ]
    .into()
}

/// The layout in words that no library changes: names and types of all columns, nested ones in brackets.
pub(in super::super) fn layout() -> String {
    words(schema().fields())
}

/// The same of the rows before they held keys.
pub(in super::super) fn layout_v3() -> String {
    words(schema_v3().fields())
}

/// The same of the rows before they held readings.
pub(in super::super) fn layout_v2() -> String {
    words(schema_v2().fields())
}

pub(super) fn words(fields: &Fields) -> String {
    let one = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::Utf8 => "text".to_owned(),
            DataType::Binary => "bytes".to_owned(),
            DataType::UInt8 => "u8".to_owned(),
            DataType::UInt16 => "u16".to_owned(),
            DataType::UInt32 => "u32".to_owned(),
            DataType::UInt64 => "u64".to_owned(),
            DataType::Float64 => "f64".to_owned(),
            DataType::Timestamp(TimeUnit::Microsecond, None) => "us".to_owned(),
            DataType::List(item) => format!("[{}]", words(&Fields::from(vec![Arc::clone(item)]))),
            DataType::Struct(fields) => format!("{{{}}}", words(fields)),
            other => unreachable!("no column of {other}"),
        };
        format!("{}:{kind}{}", field.name(), if field.is_nullable() { "?" } else { "" })
    };
    fields.iter().map(one).collect::<Vec<_>>().join(",")
}
