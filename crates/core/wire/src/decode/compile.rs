//! Makes a plan of a writer's schema and the routes.
//!
//! - **A3** A type that no value of which can serve a wanted field is a mismatch when the schema is registered; in a
//!   union it is `wrong_type` when such a value comes.

use super::columns::{Columns, TextSlot, TimeSlot};
use super::plan::{Entries, Node, Plan, Sequence, number};
use super::route::{Leaf, Object, Others, Route, Sink, wrong_leaf};
use crate::mapping::{Scale, TimeUnit};
use crate::schema::{self, SchemaError};
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use hashbrown::HashMap;
use tidegauge_model::Metric;

/// Compiles `schema` for records that are routed by `routes`.
pub(super) fn compile(
    schema: &Schema,
    routes: &Object,
    native: bool,
    columns: &mut Columns,
) -> Result<Plan, SchemaError> {
    let mut names = HashMap::new();
    schema::collect_names(schema, &mut |name, schema| {
        names.insert(name, schema);
    });
    let mut compiler =
        Compiler { names, native, columns, named: Vec::new(), numbers: HashMap::new(), wanted: Wanted::default() };
    let Schema::Record(record) = schema else {
        return Err(mismatch(None, "telemetry is a record".to_owned()));
    };
    let fields = record.fields.iter().map(|field| {
        let route = routes.keys.get(field.name.as_str());
        compiler.field(&field.name, &field.name, &field.schema, route, routes.others)
    });
    let root = Node::record(fields.collect::<Result<_, _>>()?);
    compiler.wanted.check(compiler.columns)?;
    let named = compiler.named.into_iter().map(|node| node.unwrap_or(Node::Null)).collect();
    Ok(Plan { root, named })
}

struct Compiler<'s, 'c> {
    names: HashMap<&'s Name, &'s Schema>,
    native: bool,
    columns: &'c mut Columns,
    /// `None` while being compiled.
    named: Vec<Option<Node>>,
    numbers: HashMap<&'s Name, usize>,
    wanted: Wanted,
}

/// Which of the fields that every sample has the schema has.
#[derive(Default)]
struct Wanted {
    agent: bool,
    instance: bool,
    /// It says itself what its samples are about, and so which ids they have.
    entity: bool,
    event_time: bool,
}

impl Wanted {
    fn note(&mut self, leaf: &Leaf) {
        for sink in &leaf.sinks {
            match sink {
                Sink::Text { slot: TextSlot::Agent, .. } => self.agent = true,
                Sink::Text { slot: TextSlot::Instance, .. } => self.instance = true,
                Sink::Entity => self.entity = true,
                Sink::Time { slot: TimeSlot::Event, .. } => self.event_time = true,
                _ => {}
            }
        }
    }

    fn check(&self, columns: &Columns) -> Result<(), SchemaError> {
        let is_instance = !self.entity && columns.entity_constant().is_none();
        let missing = [
            ("agent_id", !is_instance || self.agent || columns.has_constant(TextSlot::Agent)),
            ("instance_id", !is_instance || self.instance || columns.has_constant(TextSlot::Instance)),
            ("event_time", self.event_time),
        ];
        match missing.iter().find(|(_, there)| !there) {
            Some((field, _)) => {
                Err(mismatch(Some(field), "the schema has no field that it could come from".to_owned()))
            }
            None => Ok(()),
        }
    }
}

impl<'s> Compiler<'s, '_> {
    /// One field of a record.
    fn field(
        &mut self,
        name: &str,
        path: &str,
        schema: &'s Schema,
        route: Option<&Route>,
        others: Others,
    ) -> Result<Node, SchemaError> {
        match route {
            Some(route) => self.routed(path, schema, route),
            None if others == Others::Skip => self.skip(path, schema),
            None => self.number_or_skip(name, path, schema),
        }
    }

    fn routed(&mut self, path: &str, schema: &'s Schema, route: &Route) -> Result<Node, SchemaError> {
        match route {
            Route::Leaf(leaf) => self.leaf(schema, leaf),
            Route::Object(object) => self.object(path, schema, object),
            Route::Items(leaf) => self.items(path, schema, leaf),
            Route::Counters(path, fields) => self.counters(path, schema, fields),
            Route::Keys(path, fields) => self.keys(path, schema, fields),
            Route::Skip => self.skip(path, schema),
        }
    }

    /// A number as a metric of its own name; logical types (times, decimals) are no numbers to average.
    fn number_or_skip(&mut self, name: &str, path: &str, schema: &'s Schema) -> Result<Node, SchemaError> {
        let is_number = |schema: &Schema| {
            matches!(self.resolve(schema), Schema::Int | Schema::Long | Schema::Float | Schema::Double)
        };
        let has_number = match schema {
            Schema::Union(union) => union.variants().iter().any(is_number),
            schema => is_number(schema),
        };
        let Some(column) = has_number.then(|| self.columns.pin(&Metric::named(name))).flatten() else {
            return self.skip(path, schema);
        };
        let sink = Sink::Metric { column, scale: Scale::ONE };
        let leaf = Leaf { path: path.into(), sinks: Box::new([sink]) };
        let branch = |compiler: &mut Self, schema: &'s Schema| match compiler.resolve(schema) {
            Schema::Int | Schema::Long | Schema::Float | Schema::Double => compiler.leaf(schema, &leaf),
            _ => compiler.skip(path, schema),
        };
        match schema {
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| branch(self, schema));
                Ok(Node::union(path, branches.collect::<Result<_, _>>()?))
            }
            schema => branch(self, schema),
        }
    }

    /// A wanted value.
    fn leaf(&mut self, schema: &'s Schema, leaf: &Leaf) -> Result<Node, SchemaError> {
        let schema = self.resolve(schema);
        let Schema::Union(union) = schema else {
            let stated = self.serves(schema, leaf).map_err(|message| mismatch(Some(&leaf.path), message))?;
            self.wanted.note(leaf);
            return self.value(&leaf.path, schema, with_unit(leaf, stated));
        };
        let fits = |schema: &'s Schema| self.serves(self.resolve(schema), leaf).is_ok();
        if !union.variants().iter().any(fits) {
            return Err(mismatch(Some(&leaf.path), format!("no type of the union is {}", wish(leaf))));
        }
        self.wanted.note(leaf);
        let branches = union.variants().iter().map(|schema| self.branch(schema, leaf));
        Ok(Node::union(&leaf.path, branches.collect::<Result<_, _>>()?))
    }

    /// A branch of a union: one that does not fit is refused when it comes (**A3**), except null.
    fn branch(&mut self, schema: &'s Schema, leaf: &Leaf) -> Result<Node, SchemaError> {
        let schema = self.resolve(schema);
        match (schema, self.serves(schema, leaf)) {
            (Schema::Null, _) => Ok(Node::Null),
            (_, Ok(stated)) => self.value(&leaf.path, schema, with_unit(leaf, stated)),
            (_, Err(_)) => {
                let inner = self.skip(&leaf.path, schema)?;
                Ok(Node::Refused(wrong_leaf(leaf, &format!("a value of type {}", type_name(schema))), Box::new(inner)))
            }
        }
    }

    /// Whether values of `schema` fit every sink of `leaf`, and the unit of time that its logical type states.
    fn serves(&self, schema: &Schema, leaf: &Leaf) -> Result<Option<TimeUnit>, String> {
        let stated = match schema {
            Schema::TimestampMillis => Some(TimeUnit::Milliseconds),
            Schema::TimestampMicros => Some(TimeUnit::Microseconds),
            Schema::TimestampNanos => Some(TimeUnit::Nanoseconds),
            _ => None,
        };
        let whole = matches!(schema, Schema::Int | Schema::Long);
        let number = whole || matches!(schema, Schema::Float | Schema::Double);
        let text = matches!(schema, Schema::String | Schema::Uuid(UuidSchema::String));
        for sink in &leaf.sinks {
            let fits = match sink {
                Sink::Metric { .. } | Sink::Counter { .. } | Sink::Piece(_) => number,
                Sink::Key => text,
                Sink::Text { numbers, .. } => text || matches!(schema, Schema::Enum(_)) || (*numbers && whole),
                Sink::State | Sink::Entity => text || matches!(schema, Schema::Enum(_)),
                Sink::Time { unit, .. } => {
                    if let (false, Some(stated), Some(unit)) = (self.native, stated, unit)
                        && stated != *unit
                    {
                        return Err("the mapping's unit is not that of the schema's logical type".to_owned());
                    }
                    let unit_known = !self.native && unit.is_some();
                    stated.is_some() || text || (number && unit_known)
                }
            };
            if !fits {
                return Err(format!("a value of type {} is not {}", type_name(schema), wish(leaf)));
            }
        }
        Ok(stated)
    }

    /// A list whose items are wanted.
    fn items(&mut self, path: &str, schema: &'s Schema, leaf: &Leaf) -> Result<Node, SchemaError> {
        match self.resolve(schema) {
            Schema::Null => Ok(Node::Null),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| self.items(path, schema, leaf));
                Ok(Node::union(path, branches.collect::<Result<_, _>>()?))
            }
            Schema::Array(array) => {
                let item = self.leaf(&array.items, leaf)?;
                let item_has_bytes = self.has_bytes(&array.items, 0);
                Ok(Node::Array(Box::new(Sequence { path: path.into(), item, item_has_bytes })))
            }
            other => Err(mismatch(Some(path), format!("a value of type {} is not a list", type_name(other)))),
        }
    }

    /// A list of keys. What a foreign writer calls so and is no such list is read over.
    fn keys(&mut self, path: &str, schema: &'s Schema, fields: &Object) -> Result<Node, SchemaError> {
        match self.resolve(schema) {
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| self.keys(path, schema, fields));
                Ok(Node::union(path, branches.collect::<Result<_, _>>()?))
            }
            Schema::Array(array) if matches!(self.resolve(&array.items), Schema::Record(_)) => {
                let item = self.object(path, &array.items, fields)?;
                let item_has_bytes = self.has_bytes(&array.items, 0);
                Ok(Node::Keys(Box::new(Sequence { path: path.into(), item, item_has_bytes })))
            }
            other => self.skip(path, other),
        }
    }

    /// A record or a map within which something is wanted.
    fn object(&mut self, path: &str, schema: &'s Schema, object: &Object) -> Result<Node, SchemaError> {
        match self.resolve(schema) {
            Schema::Null => Ok(Node::Null),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| self.object(path, schema, object));
                Ok(Node::union(path, branches.collect::<Result<_, _>>()?))
            }
            Schema::Record(record) => {
                let fields = record.fields.iter().map(|field| {
                    let path = format!("{path}.{}", field.name);
                    let route = object.keys.get(field.name.as_str());
                    self.field(&field.name, &path, &field.schema, route, object.others)
                });
                Ok(Node::record(fields.collect::<Result<_, _>>()?))
            }
            Schema::Map(map) => {
                let mut by_key = HashMap::new();
                #[allow(clippy::disallowed_methods, reason = "from one map into another")]
                for (key, route) in &object.keys {
                    by_key.insert(key.clone(), self.routed(&format!("{path}.{key}"), &map.types, route)?);
                }
                let metrics = object.others != Others::Skip;
                let number = |schema: &Schema| {
                    matches!(schema, Schema::Null | Schema::Int | Schema::Long | Schema::Float | Schema::Double)
                };
                let numbers = match self.resolve(&map.types) {
                    Schema::Union(union) => union.variants().iter().all(number),
                    schema => number(schema),
                };
                if object.others == Others::OnlyNumbers && !numbers {
                    return Err(mismatch(Some(path), "its values are not numbers".to_owned()));
                }
                let other = self.skip(path, &map.types)?;
                Ok(Node::Map(Box::new(Entries {
                    path: path.into(),
                    by_key,
                    other,
                    metrics: (metrics && numbers).then_some(object.prefix),
                    counters: false,
                })))
            }
            other => Err(mismatch(Some(path), format!("a value of type {} has no fields", type_name(other)))),
        }
    }

    /// A map of cumulative counters.
    fn counters(&mut self, path: &str, schema: &'s Schema, fields: &Object) -> Result<Node, SchemaError> {
        match self.resolve(schema) {
            Schema::Null => Ok(Node::Null),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| self.counters(path, schema, fields));
                Ok(Node::union(path, branches.collect::<Result<_, _>>()?))
            }
            Schema::Map(map) => {
                let other = self.object(path, &map.types, fields)?;
                let by_key = HashMap::new();
                Ok(Node::Map(Box::new(Entries { path: path.into(), by_key, other, metrics: None, counters: true })))
            }
            other => Err(mismatch(Some(path), format!("a value of type {} is not a map", type_name(other)))),
        }
    }

    /// A value that is read over.
    fn skip(&mut self, path: &str, schema: &'s Schema) -> Result<Node, SchemaError> {
        let leaf = Leaf { path: path.into(), sinks: Box::default() };
        self.value(path, schema, leaf)
    }

    /// How values of `schema` are laid out, with `leaf` for those that are no containers.
    fn value(&mut self, path: &str, schema: &'s Schema, leaf: Leaf) -> Result<Node, SchemaError> {
        Ok(match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean(leaf),
            Schema::Int | Schema::Long | Schema::Float | Schema::Double => number(schema, leaf),
            Schema::Date | Schema::TimeMillis => Node::Int(leaf),
            Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Long(leaf),
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text(leaf),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes(leaf),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Bytes(leaf),
                InnerDecimalSchema::Fixed(fixed) => Node::Fixed(leaf, fixed.size),
            },
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Node::Fixed(leaf, fixed.size)
            }
            Schema::Enum(schema) => {
                Node::Enum(leaf, schema.symbols.iter().map(|symbol| symbol.as_str().into()).collect())
            }
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|schema| self.skip(path, schema));
                Node::union(path, branches.collect::<Result<_, _>>()?)
            }
            Schema::Array(array) => {
                let item = self.skip(path, &array.items)?;
                let item_has_bytes = self.has_bytes(&array.items, 0);
                Node::Array(Box::new(Sequence { path: path.into(), item, item_has_bytes }))
            }
            Schema::Map(map) => {
                let other = self.skip(path, &map.types)?;
                let entries =
                    Entries { path: path.into(), by_key: HashMap::new(), other, metrics: None, counters: false };
                Node::Map(Box::new(entries))
            }
            Schema::Record(record) => self.named_record(path, &record.name, schema)?,
            Schema::Ref { name } => match self.names.get(name) {
                Some(schema) => self.value(path, schema, leaf)?,
                None => return Err(mismatch(Some(path), format!("its type {name} is not defined"))),
            },
        })
    }

    /// A record that is read over: compiled once under its name, since it may contain itself.
    fn named_record(&mut self, path: &str, name: &'s Name, schema: &'s Schema) -> Result<Node, SchemaError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(Node::Named(*number));
        }
        let Schema::Record(record) = schema else { unreachable!("called for records") };
        let number = self.named.len();
        self.numbers.insert(name, number);
        self.named.push(None);
        let fields = record.fields.iter().map(|field| self.skip(&format!("{path}.{}", field.name), &field.schema));
        let node = Node::record(fields.collect::<Result<_, _>>()?);
        self.named[number] = Some(node);
        Ok(Node::Named(number))
    }

    fn resolve(&self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.names.get(name).copied().unwrap_or(schema),
            schema => schema,
        }
    }

    /// Whether a value takes at least one byte. Only null, empty records and empty fixed do not.
    fn has_bytes(&self, schema: &'s Schema, depth: usize) -> bool {
        match self.resolve(schema) {
            Schema::Null => false,
            Schema::Fixed(fixed) => fixed.size > 0,
            // A record within itself without a union or an array has no finite value at all.
            Schema::Record(record) => {
                depth > 64 || record.fields.iter().any(|field| self.has_bytes(&field.schema, depth + 1))
            }
            _ => true,
        }
    }
}

/// The leaf with the unit that the schema states for its times.
fn with_unit(leaf: &Leaf, stated: Option<TimeUnit>) -> Leaf {
    let mut leaf = leaf.clone();
    for sink in &mut leaf.sinks {
        if let (Sink::Time { unit, .. }, Some(stated)) = (sink, stated) {
            *unit = Some(stated);
        }
    }
    leaf
}

fn mismatch(field: Option<&str>, message: String) -> SchemaError {
    SchemaError::Mismatch { field: field.map(str::to_owned), message }
}

/// What a leaf is for, in words.
fn wish(leaf: &Leaf) -> &'static str {
    match leaf.sinks.first() {
        Some(Sink::Metric { .. } | Sink::Counter { .. } | Sink::Piece(_)) => "a number",
        Some(Sink::Time { .. }) => "a time (a timestamp type, RFC 3339 text, or a number with a unit in the mapping)",
        Some(Sink::State | Sink::Entity) => "an enum or a text",
        _ => "a text",
    }
}

fn type_name(schema: &Schema) -> String {
    match schema {
        Schema::Record(_) => "record".to_owned(),
        Schema::Array(_) => "array".to_owned(),
        Schema::Map(_) => "map".to_owned(),
        Schema::Enum(_) => "enum".to_owned(),
        Schema::Fixed(_) => "fixed".to_owned(),
        other => format!("{:?}", apache_avro::schema::SchemaKind::from(other)).to_lowercase(),
    }
}
