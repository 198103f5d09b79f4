//! The tables, and how each column is read from a closed window.
//!
//! | table | a row is |
//! | --- | --- |
//! | `windows` | a closed window of an agent, of a region of it, of a workspace, or of the fleet (`level`) |
//! | `instances` | a closed window of one of its instances |
//! | `metrics` | one metric in one window of either: also those that are not built in |
//! | `entities` | a closed window of something else that is measured: a database, a shard ... |
//!
//! `windows`, `instances` and, after its first two, `entities` have the same columns: the fields of
//! `schemas/window-summary.avsc`, and for each built-in metric its statistics, `<metric>_<statistic>`. What was not
//! reported is NULL. Times are UTC.

use crate::batch::Row;
use crate::prepared::Scan;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::{Arc, LazyLock};
use tidegauge_model::metric::{BUILT_IN, MetricDef};
use tidegauge_model::{
    Attribute, DistributionSummary, EventTime, GaugeSummary, MetricKind, WindowKind, WindowSummary, time,
};

/// A table that SQL may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Closed windows of agents, their regions, workspaces and the fleet.
    Windows,
    /// Closed windows of instances.
    Instances,
    /// Metrics of either, one a row.
    Metrics,
    /// Closed windows of other entities.
    Entities,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8.
    Text,
    /// A timestamp in microseconds, UTC.
    Time,
    /// A whole number, signed, so that differences are what they seem.
    Whole,
    /// A double.
    Number,
    /// True or false.
    Flag,
    /// A sketch, for `quantile`, `fraction_over` and `sketch_merge`.
    Sketch,
}

impl ColumnType {
    /// As Arrow has it.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Whole => DataType::Int64,
            Self::Number => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Sketch => DataType::Binary,
        }
    }
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name, with its unit last where it has one.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    pub(crate) read: Read,
}

impl Column {
    fn new(name: impl Into<String>, about: impl Into<String>, read: Read) -> Self {
        Self { name: name.into(), about: about.into(), read }
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        self.read.kind()
    }
}

/// How a value is found in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    Text(for<'a> fn(&Row<'a>) -> Option<&'a str>),
    /// An attribute of the instance.
    Attribute(Attribute),
    Time(fn(&WindowSummary) -> Option<EventTime>),
    Whole(fn(&WindowSummary) -> Option<i64>),
    Number(fn(&WindowSummary) -> Option<f64>),
    /// A statistic of a gauge or counter.
    Gauge(&'static str, Statistic),
    /// A statistic of a latency.
    Latency(&'static str, Statistic),
    /// The sketch of a latency.
    Sketch(&'static str),
    /// Share of saturated samples of a resource.
    SaturationShare(&'static str),
    SaturationCount(&'static str),
    SaturationUtilizationOnly(&'static str),
    /// A statistic of the metric that the row is about.
    Own(Statistic),
    /// The sketch of the metric that the row is about.
    OwnSketch,
}

impl Read {
    fn kind(self) -> ColumnType {
        match self {
            Self::Text(_) | Self::Attribute(_) => ColumnType::Text,
            Self::Time(_) => ColumnType::Time,
            Self::Whole(_) | Self::SaturationCount(_) => ColumnType::Whole,
            Self::Gauge(_, statistic) | Self::Latency(_, statistic) | Self::Own(statistic) => statistic.kind(),
            Self::Number(_) | Self::SaturationShare(_) => ColumnType::Number,
            Self::SaturationUtilizationOnly(_) => ColumnType::Flag,
            Self::Sketch(_) | Self::OwnSketch => ColumnType::Sketch,
        }
    }
}

/// A statistic of one metric in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Count,
    Sum,
    Min,
    Max,
    Mean,
    Variance,
    Last,
    P50,
    P75,
    P90,
    P95,
    P99,
    P999,
    RelativeError,
    TrustedQuantile,
}

impl Statistic {
    const OF_GAUGES: [Self; 7] = [Self::Mean, Self::Min, Self::Max, Self::Last, Self::Sum, Self::Count, Self::Variance];
    const ALL: [Self; 15] = [
        Self::Mean,
        Self::Min,
        Self::Max,
        Self::Last,
        Self::P50,
        Self::P75,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::P999,
        Self::Sum,
        Self::Count,
        Self::Variance,
        Self::RelativeError,
        Self::TrustedQuantile,
    ];

    /// A latency's last value says nothing.
    fn of_latencies() -> Vec<Self> {
        Self::ALL.into_iter().filter(|&statistic| statistic != Self::Last).collect()
    }

    fn kind(self) -> ColumnType {
        if self == Self::Count { ColumnType::Whole } else { ColumnType::Number }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Last => "last",
            Self::P50 => "p50",
            Self::P75 => "p75",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::RelativeError => "relative_error",
            Self::TrustedQuantile => "trusted_quantile",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Count => "number of values",
            Self::Sum => "their sum",
            Self::Min => "the least",
            Self::Max => "the greatest",
            Self::Mean => "sum / count",
            Self::Variance => "mean squared distance from the mean, in the square of the unit",
            Self::Last => "the value of the latest event time",
            Self::P50 => "50th percentile",
            Self::P75 => "75th percentile",
            Self::P90 => "90th percentile",
            Self::P95 => "95th percentile",
            Self::P99 => "99th percentile",
            Self::P999 => "99.9th percentile",
            Self::RelativeError => "bound of the percentiles' relative error, ratio",
            Self::TrustedQuantile => "the greatest quantile with enough values behind it",
        }
    }

    pub(crate) fn of_gauge(self, gauge: &GaugeSummary) -> Option<f64> {
        match self {
            Self::Sum => Some(gauge.sum),
            Self::Min => Some(gauge.min),
            Self::Max => Some(gauge.max),
            Self::Mean => Some(gauge.mean),
            Self::Variance => Some(gauge.variance),
            Self::Last => Some(gauge.last),
            _ => None,
        }
    }

    pub(crate) fn of_latency(self, latency: &DistributionSummary) -> Option<f64> {
        match self {
            Self::Sum => Some(latency.sum),
            Self::Min => Some(latency.min),
            Self::Max => Some(latency.max),
            Self::Mean => Some(latency.mean),
            Self::Variance => Some(latency.variance),
            Self::P50 => Some(latency.p50),
            Self::P75 => Some(latency.p75),
            Self::P90 => Some(latency.p90),
            Self::P95 => Some(latency.p95),
            Self::P99 => Some(latency.p99),
            Self::P999 => Some(latency.p999),
            Self::RelativeError => Some(latency.relative_error),
            Self::TrustedQuantile => Some(latency.trusted_quantile),
            Self::Count | Self::Last => None,
        }
    }
}

impl Table {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Windows, Self::Instances, Self::Metrics, Self::Entities];

    /// Its name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Instances => "instances",
            Self::Metrics => "metrics",
            Self::Entities => "entities",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Its columns, in order.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        static OF_WINDOWS: LazyLock<Vec<Column>> = LazyLock::new(of_windows);
        static OF_METRICS: LazyLock<Vec<Column>> = LazyLock::new(of_metrics);
        static OF_ENTITIES: LazyLock<Vec<Column>> = LazyLock::new(of_entities);
        match self {
            Self::Windows | Self::Instances => &OF_WINDOWS,
            Self::Metrics => &OF_METRICS,
            Self::Entities => &OF_ENTITIES,
        }
    }

    /// Whether sketches are among what is read of it.
    #[must_use]
    pub fn reads_sketches(self, scan: &Scan) -> bool {
        let sketches = self.columns().iter().filter(|column| column.kind() == ColumnType::Sketch);
        sketches.into_iter().any(|column| scan.columns.contains(column.name.as_str()))
    }

    /// Its columns as Arrow has them: every one may be NULL.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|column| Field::new(&column.name, column.kind().data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

const SKETCH: &str = "its sketch, where windows of this kind carry theirs (`windows[].sketches`), and in signals";

/// What has no name is no agent and no workspace.
fn named(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

/// Who, when, and how complete: what every table begins with.
fn common() -> Vec<Column> {
    use Read::{Number, Text, Time, Whole};
    vec![
        Column::new(
            "workspace_id",
            "the tenant; NULL of the fleet",
            Text(|row| named(row.window.target.workspace.as_str())),
        ),
        Column::new(
            "agent_id",
            "the agent; NULL of a workspace, of the fleet, and of an entity that no agent has",
            Text(|row| named(row.window.target.agent.as_str())),
        ),
        Column::new(
            "region",
            "the region, where regions are scaled apart; of an instance: the one it says",
            Read::Attribute(Attribute::Region),
        ),
        Column::new(
            "instance_id",
            "the instance; NULL for the whole agent",
            Text(|row| row.window.instance.as_ref().map(tidegauge_model::InstanceId::as_str)),
        ),
        Column::new(
            "level",
            "what the window is about: `agent`, `region`, `instance`, `entity`, `workspace` or `fleet`",
            Text(|row| Some(row.window.level().name())),
        ),
        Column::new("window_start", "first instant inside", Time(|window| Some(window.range.start))),
        Column::new("window_end", "first instant after", Time(|window| Some(window.range.end))),
        Column::new("kind", "`tumbling`, `sliding` or `session`", Text(|row| Some(kind(row.window)))),
        Column::new("size_ms", "length, milliseconds", Whole(|window| Some(millis(window.range.length())))),
        Column::new(
            "slide_ms",
            "distance to the next window, milliseconds; 0 of a session",
            Whole(|window| Some(millis(window.slide))),
        ),
        Column::new(
            "completeness_ratio",
            "the lesser of the next two, 0 to 1",
            Number(|window| Some(window.completeness.ratio)),
        ),
        Column::new(
            "completeness_sources_ratio",
            "telemetry partitions counted / those that should be",
            Number(|window| Some(window.completeness.sources_ratio)),
        ),
        Column::new(
            "completeness_instances_ratio",
            "expected instances that reported / expected",
            Number(|window| Some(window.completeness.instances_ratio)),
        ),
    ]
}

fn kind(window: &WindowSummary) -> &'static str {
    match window.kind() {
        WindowKind::Tumbling => "tumbling",
        WindowKind::Sliding => "sliding",
        WindowKind::Session => "session",
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    time::micros(duration) / 1_000
}

fn of_windows() -> Vec<Column> {
    use Read::Number;
    let mut columns = common();
    columns.extend(of_instances());
    columns.extend([
        Column::new("error_rate", "(server errors + timeouts) / requests", Number(|window| window.error_rate)),
        Column::new("availability", "1 - error_rate", Number(|window| window.availability)),
    ]);
    columns.extend(of_top_key());
    columns.extend(["cpu", "memory", "io", "network", "gpu"].into_iter().flat_map(of_saturation));
    columns.extend(BUILT_IN.iter().filter(|metric| !metric.derived).flat_map(of_metric));
    columns
}

/// Who reported, and what an instance says of itself.
fn of_instances() -> Vec<Column> {
    use Read::{Text, Time, Whole};
    let mut columns = vec![
        Column::new(
            "instances_expected",
            "instances that should have reported",
            Whole(|window| Some(window.completeness.instances_expected.into())),
        ),
        Column::new(
            "instances_reported",
            "those of them that did",
            Whole(|window| Some(window.completeness.instances_reported.into())),
        ),
        Column::new(
            "instances_ready",
            "of an agent: instances ready at the end",
            Whole(|window| window.instances_ready.map(i64::from)),
        ),
        Column::new(
            "instances_present",
            "of an agent: instances not gone at the end",
            Whole(|window| window.instances_present.map(i64::from)),
        ),
        Column::new("samples", "rows of telemetry", Whole(|window| i64::try_from(window.samples).ok())),
        Column::new("last_at", "event time of the latest row", Time(|window| Some(window.last_at))),
        Column::new(
            "state",
            "of an instance: the state last reported",
            Text(|row| row.window.state.map(tidegauge_model::InstanceState::name)),
        ),
        Column::new("ready_at", "of an instance: when it became ready", Time(|window| window.ready_at)),
    ];
    let of_instances = Attribute::ALL.into_iter().filter(|attribute| *attribute != Attribute::Region);
    columns.extend(
        of_instances
            .map(|attribute| Column::new(attribute.name(), "of an instance: as it says", Read::Attribute(attribute))),
    );
    columns
}

/// The key that makes the most of the load, as far as is certain.
fn of_top_key() -> [Column; 3] {
    use Read::{Number, Text};
    [
        Column::new(
            "top_key",
            "of the keys that telemetry names the one whose certain share is the greatest",
            Text(|row| Some(row.window.top_keys.as_ref()?.keys.first()?.key.as_str())),
        ),
        Column::new(
            "top_key_share_lower",
            "it makes at least this share of the load, ratio",
            Number(|window| Some(window.top_keys.as_ref()?.keys.first()?.share_lower)),
        ),
        Column::new(
            "top_key_share_upper",
            "it makes at most this share of the load, ratio",
            Number(|window| Some(window.top_keys.as_ref()?.keys.first()?.share_upper)),
        ),
    ]
}

fn of_saturation(resource: &'static str) -> [Column; 3] {
    [
        Column::new(
            format!("{resource}_saturation_share"),
            "share of samples saturated, 0 to 1",
            Read::SaturationShare(resource),
        ),
        Column::new(
            format!("{resource}_saturation_count"),
            "samples behind the share",
            Read::SaturationCount(resource),
        ),
        Column::new(
            format!("{resource}_saturation_utilization_only"),
            "some samples had no waiting metric",
            Read::SaturationUtilizationOnly(resource),
        ),
    ]
}

/// The statistics of a metric, and of a latency its sketch.
fn of_metric(metric: &'static MetricDef) -> Vec<Column> {
    let is_latency = metric.kind == MetricKind::Latency;
    let statistics = if is_latency { Statistic::of_latencies() } else { Statistic::OF_GAUGES.to_vec() };
    let read = if is_latency { Read::Latency } else { Read::Gauge };
    let columns = statistics.into_iter().map(|statistic| {
        let about = format!("{}, {}", metric.unit, statistic.about());
        Column::new(format!("{}_{}", metric.name, statistic.name()), about, read(metric.name, statistic))
    });
    let sketch = || Column::new(format!("{}_sketch", metric.name), SKETCH, Read::Sketch(metric.name));
    columns.chain(is_latency.then(sketch)).collect()
}

fn of_entities() -> Vec<Column> {
    let entity = [
        Column::new(
            "entity_kind",
            "`dependency`, `shard`, `region` ..., as telemetry says",
            Read::Text(|row| row.window.entity.as_ref().map(|entity| entity.kind.name())),
        ),
        Column::new(
            "entity_id",
            "which of them; of two regions `from->to`, and empty of `agent` and `workspace`",
            Read::Text(|row| row.window.entity.as_ref().map(|entity| entity.id.as_str())),
        ),
    ];
    entity.into_iter().chain(of_windows()).collect()
}

fn of_metrics() -> Vec<Column> {
    let mut columns = common();
    columns.push(Column::new(
        "metric",
        "its name, with its unit last",
        Read::Text(|row| row.metric.map(|own| own.name)),
    ));
    columns.push(Column::new(
        "metric_kind",
        "`gauge`, `counter` or `latency`; a gauge, if not built in",
        Read::Text(|row| row.metric.map(|own| own.kind())),
    ));
    columns
        .extend(Statistic::ALL.map(|statistic| Column::new(statistic.name(), statistic.about(), Read::Own(statistic))));
    columns.push(Column::new("sketch", SKETCH, Read::OwnSketch));
    columns
}
