//! What a SELECT gives, as the value of a signal.
//!
//! | column | type | |
//! | --- | --- | --- |
//! | `value` | a number | null: no value |
//! | `instance_id` | text | there: a value of each instance; not there: one of the agent |
//! | `workspace_id`, `agent_id` | text | may be there; they are those of the agent that is looked at |

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};
use std::collections::BTreeMap;
use tidegauge_model::{InstanceId, Level};
use tidegauge_policy::{SignalFailure, SignalValue};

const VALUE: &str = "value";
const INSTANCE: &str = "instance_id";
const COLUMNS: [&str; 4] = ["workspace_id", "agent_id", INSTANCE, VALUE];

/// Whether the columns are those of a signal, and of what level.
pub(super) fn level(schema: &Schema) -> Result<Level, String> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let found = || format!("found {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    if let Some(other) = names.iter().find(|name| !COLUMNS.contains(name)) {
        let hint = match names.contains(&VALUE) {
            true => String::new(),
            false => format!("; name it with `AS value`, if `{other}` is the value"),
        };
        return Err(format!(
            "expected the columns `value`, and `instance_id` for a value of each instance, {}{hint}",
            found()
        ));
    }
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(format!("expected the column `{}` once, {}", twice.1, found()));
    }
    let of = |name| schema.field_with_name(name).ok().map(|field: &arrow::datatypes::Field| field.data_type().clone());
    match of(VALUE) {
        Some(kind) if kind.is_numeric() => {}
        Some(kind) => return Err(format!("expected a number as `value`, found {kind}")),
        None => return Err(format!("expected a column `value`, {}", found())),
    }
    for name in COLUMNS.iter().filter(|&&name| name != VALUE) {
        let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if let Some(kind) = of(name).filter(|kind| !is_text(kind)) {
            return Err(format!("expected a text as `{name}`, found {kind}"));
        }
    }
    Ok(if names.contains(&INSTANCE) { Level::Instance } else { Level::Agent })
}

/// The value that these rows are.
pub(super) fn value(level: Level, rows: &RecordBatch) -> Result<SignalValue, (SignalFailure, String)> {
    let column = |name: &str, kind: DataType| {
        let column = rows.column_by_name(name).expect("a column that the plan has");
        cast(column, &kind).map_err(|error| (SignalFailure::Evaluation, error.to_string()))
    };
    let values = column(VALUE, DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    match (level, values.len()) {
        // No plan is of regions: what has a value of the whole has one of whatever it is asked of.
        (Level::Agent | Level::Region | Level::Entity, 0) => Ok(SignalValue::Agent(None)),
        (Level::Agent | Level::Region | Level::Entity, 1) => Ok(SignalValue::Agent(values.iter().next().flatten())),
        (Level::Agent | Level::Region | Level::Entity, more) => {
            Err((SignalFailure::TooManyRows, format!("{more} rows of one agent")))
        }
        (Level::Instance, _) => of_instances(&column(INSTANCE, DataType::Utf8)?, values),
    }
}

fn of_instances(instances: &ArrayRef, values: &Float64Array) -> Result<SignalValue, (SignalFailure, String)> {
    let mut seen = BTreeMap::new();
    for (instance, value) in instances.as_string::<i32>().iter().zip(values) {
        let Some(instance) = instance else { continue }; // a value of nobody
        if seen.insert(InstanceId::from(instance), value).is_some() {
            return Err((SignalFailure::TooManyRows, format!("a second row of the instance {instance}")));
        }
    }
    let values = seen.into_iter().filter_map(|(instance, value)| Some((instance, value?)));
    Ok(SignalValue::Instances(values.collect()))
}
