//! Where each field of a record goes: a tree of names, the same for Avro, JSON and CSV.
//!
//! ```text
//!  native:  agent_id ─► text Agent        mapping:  pod ─► name ─► text Instance, text Agent (before -)
//!           queue_depth ─► metric 4                 cpu ─► usage ─► metric 40, ÷ 1000
//!           metrics ─► {any name} ─► metric of that name
//! ```
//!
//! Built once, from the table of native fields or from a mapping; per record nothing but the tree is consulted.

use super::columns::{Columns, TextSlot, TimeSlot};
use super::counters::{self, CounterNumber};
use super::pieces::{KEYS, Part, Piece};
use crate::mapping::{MappedField, Mapping, Scale, Take, Target, TimeUnit};
use crate::reject::{Fault, RejectCode, fault};
use crate::time_text::parse_rfc3339;
use hashbrown::HashMap;
use tidegauge_model::metric::{BUILT_IN, REQUESTS_BY_KIND};
use tidegauge_model::{Attribute, EntityKind, InstanceState};

/// The fields of a native sample besides its metrics.
pub(crate) const NATIVE_FIELDS: &[(&str, NativeField)] = &[
    ("event_time", NativeField::Time(TimeSlot::Event)),
    ("entity", NativeField::Entity),
    ("entity_id", NativeField::Text(TextSlot::Entity)),
    ("workspace_id", NativeField::Text(TextSlot::Workspace)),
    ("agent_id", NativeField::Text(TextSlot::Agent)),
    ("instance_id", NativeField::Text(TextSlot::Instance)),
    ("region", NativeField::Text(TextSlot::Attribute(Attribute::Region))),
    ("zone", NativeField::Text(TextSlot::Attribute(Attribute::Zone))),
    ("host", NativeField::Text(TextSlot::Attribute(Attribute::Host))),
    ("instance_type", NativeField::Text(TextSlot::Attribute(Attribute::InstanceType))),
    ("purchase_option", NativeField::Text(TextSlot::Attribute(Attribute::PurchaseOption))),
    ("shard", NativeField::Text(TextSlot::Attribute(Attribute::Shard))),
    ("coordinator", NativeField::Text(TextSlot::Attribute(Attribute::Coordinator))),
    ("version", NativeField::Text(TextSlot::Attribute(Attribute::Version))),
    ("config_version", NativeField::Text(TextSlot::Attribute(Attribute::ConfigVersion))),
    ("run_id", NativeField::Text(TextSlot::Attribute(Attribute::RunId))),
    ("labels", NativeField::Unused),
    ("state", NativeField::State),
    ("started_at", NativeField::Time(TimeSlot::Other("started_at"))),
    ("ready_at", NativeField::Time(TimeSlot::Ready)),
    ("heartbeat_at", NativeField::Time(TimeSlot::Other("heartbeat_at"))),
    ("response_times_ms", NativeField::Values),
    ("response_time_exponential_histogram", NativeField::Histogram(EXPONENTIAL)),
    ("response_time_explicit_histogram", NativeField::Histogram(EXPLICIT)),
    (counters::FIELD, NativeField::Counters),
    ("requests_by_kind", NativeField::Counts(REQUESTS_BY_KIND)),
    (KEYS, NativeField::Keys),
    ("metrics", NativeField::Metrics),
];

/// The fields of a histogram: numbers, or lists of them.
type HistogramFields = &'static [(&'static str, bool, Piece)];

const EXPONENTIAL: HistogramFields = &[
    ("scale", false, Piece::Exponential(Part::Scale)),
    ("zero_count", false, Piece::Exponential(Part::Zeros)),
    ("positive_offset", false, Piece::Exponential(Part::Offset)),
    ("positive_counts", true, Piece::Exponential(Part::Bucket)),
    ("count", false, Piece::Exponential(Part::Count)),
    ("sum_ms", false, Piece::Exponential(Part::Sum)),
    ("min_ms", false, Piece::Exponential(Part::Min)),
    ("max_ms", false, Piece::Exponential(Part::Max)),
];

const EXPLICIT: HistogramFields = &[
    ("bounds_ms", true, Piece::Explicit(Part::Bound)),
    ("counts", true, Piece::Explicit(Part::Bucket)),
    ("count", false, Piece::Explicit(Part::Count)),
    ("sum_ms", false, Piece::Explicit(Part::Sum)),
    ("min_ms", false, Piece::Explicit(Part::Min)),
    ("max_ms", false, Piece::Explicit(Part::Max)),
];

/// What a native field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NativeField {
    Text(TextSlot),
    Time(TimeSlot),
    State,
    Entity,
    /// Metrics by name.
    Metrics,
    /// Single latencies.
    Values,
    Histogram(HistogramFields),
    /// Cumulative counters by name.
    Counters,
    /// Counts by name, each a metric whose name begins like that.
    Counts(&'static str),
    /// Keys with their shares of the load.
    Keys,
    /// Read over.
    Unused,
}

/// What a value becomes.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// `numbers`: whole numbers are taken too, as their digits.
    Text {
        slot: TextSlot,
        take: Take,
        numbers: bool,
    },
    Time {
        slot: TimeSlot,
        unit: Option<TimeUnit>,
    },
    State,
    Entity,
    Metric {
        column: u32,
        scale: Scale,
    },
    /// The value of a cumulative counter.
    Counter {
        counter: CounterNumber,
        scale: Scale,
    },
    /// A number within a list or a histogram.
    Piece(Piece),
    /// The name of one of the heaviest keys.
    Key,
}

/// A field whose value is wanted; one value may become several things.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The field as its producer names it.
    pub(crate) path: Box<str>,
    pub(crate) sinks: Box<[Sink]>,
}

/// The fields of a record or the entries of a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) keys: HashMap<Box<str>, Route>,
    pub(crate) others: Others,
    /// What the names of metrics without a route begin with.
    pub(crate) prefix: &'static str,
}

/// What to do with a field that has no route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Others {
    #[default]
    Skip,
    /// Numbers are metrics of that name; what is no number is read over.
    Numbers,
    /// Each is a metric of that name, and has to be a number.
    OnlyNumbers,
}

#[derive(Clone, Debug)]
pub(crate) enum Route {
    Leaf(Leaf),
    Object(Object),
    /// A list, each of whose items is a value.
    Items(Leaf),
    /// A map, each of whose entries is a cumulative counter with these fields.
    Counters(Box<str>, Object),
    /// A list, each of whose items is a key with these fields.
    Keys(Box<str>, Object),
    Skip,
}

impl Route {
    fn leaf(path: &str, sink: Sink) -> Self {
        Self::Leaf(Leaf { path: path.into(), sinks: Box::new([sink]) })
    }

    fn items(path: &str, piece: Piece) -> Self {
        Self::Items(Leaf { path: path.into(), sinks: Box::new([Sink::Piece(piece)]) })
    }

    fn counters(name: &str) -> Self {
        let value = Sink::Counter { counter: None, scale: Scale::ONE };
        let start = Sink::Time { slot: TimeSlot::CounterStart(None), unit: Some(TimeUnit::Microseconds) };
        let route = |(field, sink): (&str, Sink)| (Box::from(field), Self::leaf(&format!("{name}.{field}"), sink));
        let keys = [("value", value), ("start", start)].into_iter().map(route).collect();
        Self::Counters(name.into(), Object { keys, ..Object::default() })
    }

    fn top_keys(name: &str) -> Self {
        let route = |(field, sink): (&str, Sink)| (Box::from(field), Self::leaf(&format!("{name}.{field}"), sink));
        let keys = [("key", Sink::Key), ("weight", Sink::Piece(Piece::KeyShare))].into_iter().map(route).collect();
        Self::Keys(name.into(), Object { keys, ..Object::default() })
    }

    fn histogram(name: &str, fields: HistogramFields) -> Self {
        let route = |(field, is_list, piece): &(&str, bool, Piece)| {
            let path = format!("{name}.{field}");
            let route = if *is_list { Self::items(&path, *piece) } else { Self::leaf(&path, Sink::Piece(*piece)) };
            (Box::from(*field), route)
        };
        Self::Object(Object { keys: fields.iter().map(route).collect(), ..Object::default() })
    }
}

/// The routes of our own schema, in which numbers that are times count microseconds; keys are read over unless wanted.
pub(crate) fn native(with_keys: bool) -> Object {
    let mut keys = HashMap::new();
    for (name, field) in NATIVE_FIELDS {
        let route = match *field {
            NativeField::Text(slot) => Route::leaf(name, Sink::Text { slot, take: Take::All, numbers: false }),
            NativeField::Time(slot) => Route::leaf(name, Sink::Time { slot, unit: Some(TimeUnit::Microseconds) }),
            NativeField::State => Route::leaf(name, Sink::State),
            NativeField::Entity => Route::leaf(name, Sink::Entity),
            NativeField::Metrics => Route::Object(Object { others: Others::OnlyNumbers, ..Object::default() }),
            NativeField::Values => Route::items(name, Piece::Value),
            NativeField::Histogram(fields) => Route::histogram(name, fields),
            NativeField::Counters => Route::counters(name),
            NativeField::Counts(prefix) => {
                Route::Object(Object { others: Others::OnlyNumbers, prefix, ..Object::default() })
            }
            NativeField::Keys if with_keys => Route::top_keys(name),
            NativeField::Keys | NativeField::Unused => Route::Skip,
        };
        keys.insert((*name).into(), route);
    }
    for (def, column) in BUILT_IN.iter().zip(0..).filter(|(def, _)| !def.derived) {
        keys.insert(def.name.into(), Route::leaf(def.name, Sink::Metric { column, scale: Scale::ONE }));
    }
    Object { keys, others: Others::Numbers, prefix: "" }
}

/// The routes of a mapping. Metrics that are not built in get their columns here.
pub(crate) fn mapped(mapping: &Mapping, columns: &mut Columns) -> Object {
    let mut root = Object::default();
    for field in mapping.fields() {
        if let Some(sink) = sink_of(field, columns) {
            insert(&mut root, &field.from, 0, sink);
        }
    }
    if mapping.keeps_unmapped() {
        root.others = Others::Numbers;
    }
    root
}

fn sink_of(field: &MappedField, columns: &mut Columns) -> Option<Sink> {
    Some(match &field.target {
        Target::Text(slot) => Sink::Text { slot: *slot, take: field.take.clone(), numbers: true },
        Target::Time(slot) => Sink::Time { slot: *slot, unit: field.time_unit },
        Target::State => Sink::State,
        Target::Entity => Sink::Entity,
        Target::Metric(metric) => Sink::Metric { column: columns.pin(metric)?, scale: field.scale },
        Target::Counter(metric) => Sink::Counter { counter: Some(columns.counter_number(metric)), scale: field.scale },
        Target::CounterStart(metric) => {
            let slot = TimeSlot::CounterStart(Some(columns.counter_number(metric)));
            Sink::Time { slot, unit: field.time_unit }
        }
    })
}

/// Adds a sink at `path`, which a checked mapping never makes both a value and a parent.
fn insert(object: &mut Object, path: &[String], depth: usize, sink: Sink) {
    let key: Box<str> = path[depth].as_str().into();
    let last = depth + 1 == path.len();
    let route = object.keys.entry(key).or_insert_with(|| {
        if last {
            Route::Leaf(Leaf { path: path.join(".").into(), sinks: Box::default() })
        } else {
            Route::Object(Object::default())
        }
    });
    match route {
        Route::Leaf(leaf) => leaf.sinks = leaf.sinks.iter().cloned().chain([sink]).collect(),
        Route::Object(child) => insert(child, path, depth + 1, sink),
        Route::Items(_) | Route::Counters(..) | Route::Keys(..) | Route::Skip => {
            unreachable!("mappings make none of these")
        }
    }
}

impl Columns {
    /// Takes a whole number for each sink of `leaf`.
    #[inline]
    pub(crate) fn put_int(&mut self, leaf: &Leaf, value: i64) -> Result<(), Fault> {
        for sink in &leaf.sinks {
            match sink {
                #[allow(clippy::cast_precision_loss, reason = "metrics are doubles: whole to 2^53, rounded beyond")]
                Sink::Metric { column, scale } => self.metric(*column, scale.apply(value as f64), &leaf.path)?,
                Sink::Time { slot, unit: Some(unit) } => self.time(*slot, unit.micros_of_int(value), &leaf.path)?,
                #[allow(clippy::cast_precision_loss, reason = "counters are doubles: whole to 2^53, rounded beyond")]
                Sink::Counter { counter, scale } => self.counter(*counter, scale.apply(value as f64), &leaf.path)?,
                #[allow(clippy::cast_precision_loss, reason = "counts beyond 2^32 are refused")]
                Sink::Piece(piece) => self.piece(*piece, value as f64, &leaf.path)?,
                Sink::Text { slot, take, numbers: true } => {
                    self.text(*slot, take.of(&value.to_string()), &leaf.path)?;
                }
                _ => return Err(wrong_type(leaf, sink, "a number")),
            }
        }
        Ok(())
    }

    /// Takes a floating-point number for each sink of `leaf`.
    #[inline]
    pub(crate) fn put_float(&mut self, leaf: &Leaf, value: f64) -> Result<(), Fault> {
        for sink in &leaf.sinks {
            match sink {
                Sink::Metric { column, scale } => self.metric(*column, scale.apply(value), &leaf.path)?,
                Sink::Counter { counter, scale } => self.counter(*counter, scale.apply(value), &leaf.path)?,
                Sink::Time { .. } if !value.is_finite() => {
                    return Err(fault(RejectCode::NotFinite, &leaf.path, format!("{value} is not a time")));
                }
                Sink::Time { slot, unit: Some(unit) } => self.time(*slot, unit.micros_of_float(value), &leaf.path)?,
                Sink::Piece(piece) => self.piece(*piece, value, &leaf.path)?,
                _ => return Err(wrong_type(leaf, sink, "a number")),
            }
        }
        Ok(())
    }

    /// Takes a text for each sink of `leaf`.
    #[inline]
    pub(crate) fn put_text(&mut self, leaf: &Leaf, value: &str) -> Result<(), Fault> {
        if let [Sink::Text { slot, take: Take::All, .. }] = &*leaf.sinks {
            return self.text(*slot, value, &leaf.path);
        }
        self.put_text_everywhere(leaf, value)
    }

    fn put_text_everywhere(&mut self, leaf: &Leaf, value: &str) -> Result<(), Fault> {
        for sink in &leaf.sinks {
            match sink {
                Sink::Text { slot, take, .. } => self.text(*slot, take.of(value), &leaf.path)?,
                Sink::Time { slot, .. } => match parse_rfc3339(value) {
                    Some(at) => self.time(*slot, Some(at.as_micros()), &leaf.path)?,
                    None => return Err(wrong_type(leaf, sink, "another text")),
                },
                Sink::State => self.put_state(leaf, sink, value)?,
                Sink::Entity => self.put_entity(leaf, sink, value)?,
                Sink::Key => self.key(value, &leaf.path)?,
                Sink::Metric { .. } | Sink::Counter { .. } | Sink::Piece(_) if is_non_finite(value) => {
                    return Err(fault(
                        RejectCode::NotFinite,
                        &leaf.path,
                        format!("{value} is not a number to count with"),
                    ));
                }
                Sink::Metric { .. } | Sink::Counter { .. } | Sink::Piece(_) => {
                    return Err(wrong_type(leaf, sink, "a text"));
                }
            }
        }
        Ok(())
    }

    /// Takes a text that may spell a number, as in CSV.
    pub(crate) fn put_spelled(&mut self, leaf: &Leaf, value: &str) -> Result<(), Fault> {
        for sink in &leaf.sinks {
            let one = |sink: &Sink| Leaf { path: leaf.path.clone(), sinks: Box::new([sink.clone()]) };
            match sink {
                Sink::Metric { column, scale } => match value.parse::<f64>() {
                    Ok(number) => self.metric(*column, scale.apply(number), &leaf.path)?,
                    Err(_) => return Err(wrong_type(leaf, sink, "a text")),
                },
                Sink::Counter { counter, scale } => match value.parse::<f64>() {
                    Ok(number) => self.counter(*counter, scale.apply(number), &leaf.path)?,
                    Err(_) => return Err(wrong_type(leaf, sink, "a text")),
                },
                Sink::Time { unit: Some(_), .. } => match (value.parse::<i64>(), value.parse::<f64>()) {
                    (Ok(number), _) => self.put_int(&one(sink), number)?,
                    (_, Ok(number)) => self.put_float(&one(sink), number)?,
                    _ => self.put_text(&one(sink), value)?,
                },
                _ => self.put_text(&one(sink), value)?,
            }
        }
        Ok(())
    }

    fn put_state(&mut self, leaf: &Leaf, sink: &Sink, value: &str) -> Result<(), Fault> {
        match InstanceState::named(value) {
            Some(state) => self.state(state, &leaf.path),
            None if value == "unknown" => Ok(()),
            None => Err(wrong_type(leaf, sink, "another text")),
        }
    }

    fn put_entity(&mut self, leaf: &Leaf, sink: &Sink, value: &str) -> Result<(), Fault> {
        match (value, EntityKind::named(value)) {
            (INSTANCE, _) => self.entity(None, &leaf.path),
            (_, Some(kind)) => self.entity(Some(kind), &leaf.path),
            ("unknown", None) => {
                let message = "a kind of entity that this version does not know".to_owned();
                Err(fault(RejectCode::UnsupportedYet, &leaf.path, message))
            }
            (_, None) => Err(wrong_type(leaf, sink, "another text")),
        }
    }
}

/// The kind of entity that is no [`EntityKind`]: the usual one.
pub(crate) const INSTANCE: &str = "instance";

/// Whether a text is how some languages write a value that is not finite.
pub(crate) fn is_non_finite(text: &str) -> bool {
    let magnitude = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "inf", "infinity"].iter().any(|word| magnitude.eq_ignore_ascii_case(word))
}

/// A refusal that says what was expected instead.
#[cold]
pub(crate) fn wrong_type(leaf: &Leaf, sink: &Sink, found: &str) -> Fault {
    let expected = match sink {
        Sink::Text { .. } | Sink::Key => "a text",
        Sink::Time { unit: Some(_), .. } => "a time: a number in the declared unit, or RFC 3339 text",
        Sink::Time { unit: None, .. } => "a time as RFC 3339 text (numbers need a unit in the mapping)",
        Sink::State => "one of starting, ready, draining, stopped, failed",
        Sink::Entity => "one of instance, agent, region, region_pair, shard, coordinator, workspace, dependency",
        Sink::Metric { .. } | Sink::Counter { .. } | Sink::Piece(_) => "a number",
    };
    fault(RejectCode::WrongType, &leaf.path, format!("{found} where {expected} is expected"))
}

/// A refusal of a value that no sink takes.
#[cold]
pub(crate) fn wrong_leaf(leaf: &Leaf, found: &str) -> Fault {
    match leaf.sinks.first() {
        Some(sink) => wrong_type(leaf, sink, found),
        None => fault(RejectCode::WrongType, &leaf.path, format!("{found} is not expected")),
    }
}

#[cold]
pub(crate) fn not_yet(field: &str) -> Fault {
    fault(RejectCode::UnsupportedYet, field, "not taken by this version unless absent or empty")
}
