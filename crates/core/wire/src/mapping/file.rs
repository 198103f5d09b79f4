//! The mapping file as it is written, checked.

use super::take::{FORMS, Take};
use super::unit::{Scale, TIME_UNITS, TimeUnit, dimension_of, unit_named, unit_names, units_of};
use super::{MappedField, Mapping, Problem, Target};
use crate::decode::columns::{MAX_ID_BYTES, TextSlot, TimeSlot};
use crate::decode::counters::is_counter;
use crate::decode::route::{INSTANCE, NATIVE_FIELDS, NativeField};
use serde_json::{Map, Value};
use tidegauge_model::metric::{self, BUILT_IN};
use tidegauge_model::{Attribute, EntityKind, Metric, MetricKind};

/// Reads a file, or says everything that is wrong with it.
pub(super) fn parse(text: &str) -> Result<Mapping, Vec<Problem>> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| vec![problem("", not_yaml(&error))])?;
    let mut checker = Checker { problems: Vec::new(), fields: Vec::new() };
    let mapping = checker.file(&value);
    match mapping {
        Some(mapping) if checker.problems.is_empty() => Ok(mapping),
        _ => Err(checker.problems),
    }
}

struct Checker {
    problems: Vec<Problem>,
    fields: Vec<MappedField>,
}

struct Constants {
    texts: Vec<(TextSlot, String)>,
    metrics: Vec<(Metric, f64)>,
    entity: Option<EntityKind>,
}

fn problem(key: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { key: key.into(), message: message.into() }
}

impl Checker {
    fn file(&mut self, value: &Value) -> Option<Mapping> {
        let file = self.object("", value)?;
        self.known_keys("", file, &["fields", "metrics", "constants", "keep_unmapped"]);
        for (target, field) in self.section(file, "fields") {
            self.field(&format!("fields.{target}"), target, field);
        }
        for (target, field) in self.section(file, "metrics") {
            self.unknown_metric(&format!("metrics.{target}"), target, field);
        }
        let constants = self.constants(file);
        let keep_unmapped = match file.get("keep_unmapped") {
            None => false,
            Some(Value::Bool(keep)) => *keep,
            Some(other) => {
                self.complain("keep_unmapped", format!("{} is neither true nor false", shown(other)));
                false
            }
        };
        self.check_required(&constants);
        self.check_paths();
        Some(Mapping {
            fields: std::mem::take(&mut self.fields),
            text_constants: constants.texts,
            metric_constants: constants.metrics,
            entity_constant: constants.entity,
            keep_unmapped,
        })
    }

    fn field(&mut self, key: &str, name: &str, value: &Value) {
        let target = match native_target(name) {
            Ok(target) => target,
            Err(message) => return self.complain(key, message),
        };
        self.push_field(key, target, value);
    }

    fn unknown_metric(&mut self, key: &str, name: &str, value: &Value) {
        if metric::by_name(name).is_some() {
            return self.complain(key, format!("{name} is built in: put it under `fields`"));
        }
        if NATIVE_FIELDS.iter().any(|(field, _)| *field == name) {
            return self.complain(key, format!("{name} is a field of a sample: put it under `fields`"));
        }
        self.push_field(key, Target::Metric(Metric::named(name)), value);
    }

    fn push_field(&mut self, key: &str, target: Target, value: &Value) {
        let short = Map::from_iter([("from".to_owned(), value.clone())]);
        let spec = match value {
            Value::Object(spec) => {
                self.known_keys(key, spec, &["from", "unit", "take", "cumulative", "start", "start_unit"]);
                spec
            }
            _ => &short,
        };
        let target = self.cumulative(key, target, spec);
        let from = self.path(&format!("{key}.from"), key, spec.get("from"));
        let take = self.take(key, &target, spec.get("take"));
        let (scale, time_unit) = self.unit(key, &target, spec.get("unit"));
        if let (Target::Counter(metric), Some(start)) = (&target, spec.get("start")) {
            self.start(key, metric, start, spec.get("start_unit"));
        }
        if let Some(from) = from {
            self.fields.push(MappedField { target, from, take, scale, time_unit });
        }
    }

    /// A counter that is reported as a total since its start, if the mapping says so.
    fn cumulative(&mut self, key: &str, target: Target, spec: &Map<String, Value>) -> Target {
        let is_cumulative = match spec.get("cumulative") {
            None => false,
            Some(Value::Bool(is_cumulative)) => *is_cumulative,
            Some(other) => {
                self.complain(&format!("{key}.cumulative"), format!("{} is neither true nor false", shown(other)));
                return target;
            }
        };
        if !is_cumulative {
            for name in ["start", "start_unit"].iter().filter(|name| spec.contains_key(**name)) {
                self.complain(&format!("{key}.{name}"), "only cumulative counters have one: add `cumulative: true`");
            }
            return target;
        }
        match target {
            Target::Metric(metric) if is_counter(&metric) => Target::Counter(metric),
            other => {
                self.complain(&format!("{key}.cumulative"), "only counters are cumulative");
                other
            }
        }
    }

    fn start(&mut self, key: &str, metric: &Metric, start: &Value, unit: Option<&Value>) {
        let target = Target::CounterStart(metric.clone());
        let time_unit = match unit.map(|unit| unit.as_str().unwrap_or_default()) {
            None => None,
            Some(name) => TimeUnit::named(name).or_else(|| {
                self.complain(&format!("{key}.start_unit"), unknown("unit of time", name, TIME_UNITS));
                None
            }),
        };
        let place = format!("{key}.start");
        if let Some(from) = self.path(&place, &place, Some(start)) {
            self.fields.push(MappedField { target, from, take: Take::All, scale: Scale::ONE, time_unit });
        }
    }

    /// Names from the record down to a value; `place` is where they stand, `key` what lacks them.
    fn path(&mut self, place: &str, key: &str, from: Option<&Value>) -> Option<Vec<String>> {
        let names = match from {
            Some(Value::String(path)) => path.split('.').map(str::to_owned).collect(),
            Some(Value::Array(names)) => {
                names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
            }
            Some(other) => {
                self.complain(
                    place,
                    format!(
                        "{} is not a field or a path (quote a name that YAML takes for something else)",
                        shown(other)
                    ),
                );
                return None;
            }
            None => {
                self.complain(key, "`from` is missing: the field of the record that it comes from");
                return None;
            }
        };
        let names: Vec<String> = names;
        if names.is_empty() || names.iter().any(String::is_empty) {
            self.complain(place, "a path has a name in every place");
            return None;
        }
        Some(names)
    }

    fn take(&mut self, key: &str, target: &Target, take: Option<&Value>) -> Take {
        let Some(take) = take else { return Take::All };
        let key = format!("{key}.take");
        if !matches!(target, Target::Text(_)) {
            self.complain(&key, "only texts can be taken in part");
        }
        take.as_str().and_then(Take::parse).unwrap_or_else(|| {
            self.complain(&key, format!("{} is none of {FORMS}", shown(take)));
            Take::All
        })
    }

    fn unit(&mut self, key: &str, target: &Target, unit: Option<&Value>) -> (Scale, Option<TimeUnit>) {
        let Some(unit) = unit else { return (Scale::ONE, None) };
        let key = format!("{key}.unit");
        let Some(name) = unit.as_str() else {
            self.complain(&key, format!("{} is not a unit", shown(unit)));
            return (Scale::ONE, None);
        };
        match target {
            Target::Time(_) => {
                let unit = TimeUnit::named(name);
                if unit.is_none() {
                    self.complain(&key, unknown("unit of time", name, TIME_UNITS));
                }
                (Scale::ONE, unit)
            }
            Target::Metric(metric) | Target::Counter(metric) => (self.metric_unit(&key, metric, name), None),
            _ => {
                self.complain(&key, "only numbers and times have a unit");
                (Scale::ONE, None)
            }
        }
    }

    fn metric_unit(&mut self, key: &str, metric: &Metric, name: &str) -> Scale {
        let Some((dimension, scale)) = unit_named(name) else {
            self.complain(key, unknown("unit", name, unit_names()));
            return Scale::ONE;
        };
        if let Metric::BuiltIn(id) = metric
            && let Some(def) = metric::by_id(*id)
            && dimension_of(def.unit) != dimension
        {
            let units: Vec<_> = units_of(dimension_of(def.unit)).collect();
            self.complain(
                key,
                format!("{} is in {}, to which {name} does not convert; {} do", def.name, def.unit, units.join(", ")),
            );
        }
        scale
    }

    fn constants(&mut self, file: &Map<String, Value>) -> Constants {
        let (mut texts, mut metrics, mut entity) = (Vec::new(), Vec::new(), None);
        for (name, value) in self.section(file, "constants") {
            let key = format!("constants.{name}");
            match (native_target(name), value) {
                (Ok(Target::Text(slot)), Value::String(text)) if (1..=MAX_ID_BYTES).contains(&text.len()) => {
                    texts.push((slot, text.clone()));
                }
                (Ok(Target::Metric(metric)), Value::Number(number)) => {
                    let value = number.as_f64().filter(|value| value.is_finite()).unwrap_or(f64::NAN);
                    if value.is_nan() || (value < 0.0 && metric.kind() != MetricKind::Gauge) {
                        self.complain(&key, format!("{number} is no value of {metric}"));
                    }
                    metrics.push((metric, value));
                }
                (Ok(Target::Entity), Value::String(text)) => match EntityKind::named(text) {
                    None if text != INSTANCE => {
                        let kinds = EntityKind::ALL.map(EntityKind::name);
                        self.complain(&key, unknown("kind of entity", text, kinds.into_iter().chain([INSTANCE])));
                    }
                    kind => entity = kind,
                },
                (Ok(Target::Text(_)), other) => {
                    self.complain(&key, format!("{} is not a text of 1 to {MAX_ID_BYTES} bytes", shown(other)));
                }
                (Ok(Target::Metric(_)), other) => self.complain(&key, format!("{} is not a number", shown(other))),
                (Ok(_), _) => self.complain(&key, "cannot be the same for all records"),
                (Err(message), _) => self.complain(&key, message),
            }
        }
        Constants { texts, metrics, entity }
    }

    /// Which ids a sample has follows from what it is about. Where records say that themselves, each is judged when it comes.
    fn check_required(&mut self, constants: &Constants) {
        if !self.is_mapped(&Target::Entity) {
            match constants.entity {
                None => {
                    self.require("agent_id", &[TextSlot::Agent], constants, "every sample has one");
                    self.require("instance_id", &[TextSlot::Instance], constants, "every sample has one");
                }
                Some(EntityKind::Agent) => {
                    self.require("agent_id", &[TextSlot::Agent], constants, "a sample of an agent says which");
                }
                Some(kind) if kind.is_single() => {}
                Some(kind) => {
                    let why = format!("a sample of a {} says which", kind.name());
                    self.require("entity_id", ids_of(kind), constants, &why);
                }
            }
        }
        let tried = self.problems.iter().any(|problem| problem.key.starts_with("fields.event_time"));
        if !tried && !self.is_mapped(&Target::Time(TimeSlot::Event)) {
            self.complain("fields", "event_time is missing: every sample has one");
        }
    }

    /// One of these texts comes from the record, or is a constant.
    fn require(&mut self, name: &str, slots: &[TextSlot], constants: &Constants, why: &str) {
        let is_constant = constants.texts.iter().any(|(slot, _)| slots.contains(slot));
        let tried = self.problems.iter().any(|problem| problem.key.starts_with(&format!("fields.{name}")));
        if !is_constant && !tried && !slots.iter().any(|slot| self.is_mapped(&Target::Text(*slot))) {
            self.complain("fields", format!("{name} is missing: {why}"));
        }
    }

    fn is_mapped(&self, target: &Target) -> bool {
        self.fields.iter().any(|field| field.target == *target)
    }

    /// A field of the record is a value or has fields, not both.
    fn check_paths(&mut self) {
        let mut problems = Vec::new();
        for field in &self.fields {
            for other in &self.fields {
                if other.from.len() > field.from.len() && other.from.starts_with(&field.from) {
                    let (value, parent) = (field.from.join("."), other.from.join("."));
                    problems.push(problem(
                        "fields",
                        format!("{value} is a value in one line, and {parent} is within it in another"),
                    ));
                }
            }
        }
        problems.dedup();
        self.problems.extend(problems);
    }

    fn section<'v>(&mut self, file: &'v Map<String, Value>, key: &str) -> Vec<(&'v str, &'v Value)> {
        let Some(section) = file.get(key).filter(|section| !section.is_null()) else {
            return Vec::new();
        };
        let section = self.object(key, section);
        section.into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    fn object<'v>(&mut self, key: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            self.complain(key, format!("{} where names and their values are expected", shown(value)));
        }
        object
    }

    fn known_keys(&mut self, key: &str, object: &Map<String, Value>, known: &[&'static str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            self.complain(&path, unknown("key", name, known.iter().copied()));
        }
    }

    fn complain(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(problem(key, message));
    }
}

/// The field of a sample of that name, or why it cannot be mapped to.
fn native_target(name: &str) -> Result<Target, String> {
    if let Some((_, field)) = NATIVE_FIELDS.iter().find(|(field, _)| *field == name) {
        return match field {
            NativeField::Text(slot) => Ok(Target::Text(*slot)),
            NativeField::Time(slot) => Ok(Target::Time(*slot)),
            NativeField::State => Ok(Target::State),
            NativeField::Entity => Ok(Target::Entity),
            NativeField::Metrics => Err("metrics of other names have a section of their own, `metrics`".to_owned()),
            NativeField::Values
            | NativeField::Histogram(_)
            | NativeField::Counters
            | NativeField::Counts(_)
            | NativeField::Keys
            | NativeField::Unused => Err(format!("{name} cannot be mapped to yet")),
        };
    }
    match metric::by_name(name) {
        Some(def) if def.derived => Err(format!("{name} is computed by tidegauge from other metrics")),
        Some(def) => Ok(Target::Metric(Metric::BuiltIn(def.id))),
        None => {
            let known = NATIVE_FIELDS.iter().map(|(name, _)| *name).chain(BUILT_IN.iter().map(|def| def.name));
            let message = unknown("field of a sample", name, known);
            Err(format!("{message} (metrics that tidegauge does not know go under `metrics`)"))
        }
    }
}

/// The texts that say which entity of a kind it is.
fn ids_of(kind: EntityKind) -> &'static [TextSlot] {
    match kind {
        EntityKind::Region => &[TextSlot::Entity, TextSlot::Attribute(Attribute::Region)],
        EntityKind::Shard => &[TextSlot::Entity, TextSlot::Attribute(Attribute::Shard)],
        EntityKind::Coordinator => &[TextSlot::Entity, TextSlot::Attribute(Attribute::Coordinator)],
        _ => &[TextSlot::Entity],
    }
}

/// The first line of the parser's message, which has the place; the excerpt below it is left to editors.
fn not_yaml(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `"x" is no known …`, and the nearest one that is, or all if they are few.
fn unknown(what: &str, name: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let near = |other: &&str| strsim::jaro_winkler(name, other);
    let nearest = known.iter().copied().max_by(|one, other| near(one).total_cmp(&near(other)));
    match nearest.filter(|nearest| near(nearest) > 0.7) {
        Some(nearest) => format!("\"{name}\" is no known {what}; did you mean `{nearest}`?"),
        None if known.len() <= 12 => format!("\"{name}\" is no known {what}; there are {}", known.join(", ")),
        None => format!("\"{name}\" is no known {what}"),
    }
}

/// A value as in the file, in measure.
fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.chars().count() > 40 {
        text = text.chars().take(40).chain(['…']).collect();
    }
    text
}
