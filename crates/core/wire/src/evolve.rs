//! Whether data written under one schema can be read under another: Avro's schema resolution, checked type by type.
//!
//! ```text
//!  released v1 ◄── backward: today's reader reads yesterday's bytes (inputs, against every release)
//!      │
//!      └─────────► forward: yesterday's reader reads today's bytes  (outputs: both, so that either side may go first)
//! ```
//!
//! - **O1** Inputs are backward compatible with every release, outputs forward too; and no schema loses a field.
//! - **O2** A renamed enum symbol is incompatible even where the enum has a default: an old symbol read as the default
//!   is data lost. A default only makes room for symbols that older readers do not know.
//! - **O3** Every finding names the field by its path.
//!
//! Source: Apache Avro specification 1.12, "Schema Resolution". Aliases are not used by our schemas, nor here.

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, Name, RecordSchema, UnionSchema};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Which way bytes have to be readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// The new schema reads what the old one wrote.
    Backward,
    /// The old schema reads what the new one writes.
    Forward,
    /// Both.
    Full,
}

/// One reason why bytes of one schema are not readable under another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incompatibility {
    /// Path of the field, such as `signals[].value`; empty for the record itself.
    pub field: String,
    /// What does not fit.
    pub reason: String,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Everything that keeps `new` from being released after `old`; empty if nothing does.
#[must_use]
pub fn check(old: &Schema, new: &Schema, compatibility: Compatibility) -> Vec<Incompatibility> {
    let mut found = BTreeSet::new();
    if compatibility != Compatibility::Forward {
        found.extend(Resolution::new(new, old, Direction::Backward).run(new, old));
    }
    if compatibility != Compatibility::Backward {
        found.extend(Resolution::new(old, new, Direction::Forward).run(old, new));
    }
    found.into_iter().collect()
}

/// The fields of `old` that `new` has no more, by path: legal for a reader, but a schema of ours only grows.
#[must_use]
pub fn lost_fields(old: &Schema, new: &Schema) -> Vec<String> {
    let mut kept = BTreeSet::new();
    collect_paths(new, "", &mut BTreeSet::new(), &names_of(new), &mut kept);
    let mut had = BTreeSet::new();
    collect_paths(old, "", &mut BTreeSet::new(), &names_of(old), &mut had);
    had.difference(&kept).cloned().collect()
}

/// Who of the two is the newer, for the words of a finding and for **O2**.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Backward,
    Forward,
}

struct Resolution<'s> {
    readers: HashMap<&'s Name, &'s Schema>,
    writers: HashMap<&'s Name, &'s Schema>,
    direction: Direction,
    found: Vec<Incompatibility>,
    /// Pairs of records being compared: types may contain themselves.
    open: Vec<(&'s Name, &'s Name)>,
}

impl<'s> Resolution<'s> {
    fn new(reader: &'s Schema, writer: &'s Schema, direction: Direction) -> Self {
        let (readers, writers) = (names_of(reader), names_of(writer));
        Self { readers, writers, direction, found: Vec::new(), open: Vec::new() }
    }

    fn run(mut self, reader: &'s Schema, writer: &'s Schema) -> Vec<Incompatibility> {
        self.resolve("", reader, writer);
        self.found
    }

    /// Whether `reader` reads what `writer` writes; findings are noted.
    fn resolve(&mut self, path: &str, reader: &'s Schema, writer: &'s Schema) {
        let (reader, writer) = (deref(&self.readers, reader), deref(&self.writers, writer));
        match (reader, writer) {
            (reader, Schema::Union(union)) => {
                for branch in union.variants() {
                    self.branch(path, reader, branch);
                }
            }
            (Schema::Union(union), writer) => self.as_union_branch(path, union, writer),
            (Schema::Record(reader), Schema::Record(writer)) => self.record(path, reader, writer),
            (Schema::Enum(reader), Schema::Enum(writer)) => self.symbols(path, reader, writer),
            (Schema::Array(reader), Schema::Array(writer)) => {
                self.resolve(&format!("{path}[]"), &reader.items, &writer.items);
            }
            (Schema::Map(reader), Schema::Map(writer)) => {
                self.resolve(&format!("{path}{{}}"), &reader.types, &writer.types);
            }
            (reader, writer) if reads(reader, writer) => {}
            (reader, writer) => self.note(path, format!("{} does not read {}", shown(reader), shown(writer))),
        }
    }

    /// One branch of the writer's union: it has to be readable, since any record may hold it.
    fn branch(&mut self, path: &str, reader: &'s Schema, branch: &'s Schema) {
        let branch = deref(&self.writers, branch);
        match reader {
            Schema::Union(union) => self.as_union_branch(path, union, branch),
            reader => self.resolve(path, reader, branch),
        }
    }

    /// A value that is no union, read as one: the branch of its own kind is meant.
    fn as_union_branch(&mut self, path: &str, union: &'s UnionSchema, writer: &'s Schema) {
        let variants = || union.variants().iter().map(|variant| deref(&self.readers, variant));
        let same_kind = variants().find(|variant| kind(variant) == kind(writer));
        match same_kind.or_else(|| variants().find(|variant| reads(variant, writer))) {
            Some(variant) => self.resolve(path, variant, writer),
            None => self.note(path, format!("no type of the union reads {}", shown(writer))),
        }
    }

    fn record(&mut self, path: &str, reader: &'s RecordSchema, writer: &'s RecordSchema) {
        if reader.name.name() != writer.name.name() {
            self.note(path, format!("record {} does not read record {}", reader.name.name(), writer.name.name()));
            return;
        }
        if self.open.contains(&(&reader.name, &writer.name)) {
            return;
        }
        self.open.push((&reader.name, &writer.name));
        for field in &reader.fields {
            let path = joined(path, &field.name);
            match writer.fields.iter().find(|written| written.name == field.name) {
                Some(written) => self.resolve(&path, &field.schema, &written.schema),
                None if field.default.is_none() => {
                    let change = match self.direction {
                        Direction::Backward => "added without a default, and older bytes do not have it",
                        Direction::Forward => "removed, and older readers have no default for it",
                    };
                    self.note(&path, change.to_owned());
                }
                None => {}
            }
        }
        self.open.pop();
    }

    fn symbols(&mut self, path: &str, reader: &'s EnumSchema, writer: &'s EnumSchema) {
        if reader.name.name() != writer.name.name() {
            self.note(path, format!("enum {} does not read enum {}", reader.name.name(), writer.name.name()));
        }
        // A reader's default makes room for what newer writers add, and for nothing else (O2).
        let has_room = reader.default.is_some() && self.direction == Direction::Forward;
        for symbol in writer.symbols.iter().filter(|symbol| !reader.symbols.contains(symbol)) {
            if !has_room {
                let change = match self.direction {
                    Direction::Backward => "was removed or renamed, and older bytes have it",
                    Direction::Forward => "was added, and older readers have no default for it",
                };
                self.note(path, format!("symbol {symbol} {change}"));
            }
        }
    }

    fn note(&mut self, path: &str, reason: String) {
        self.found.push(Incompatibility { field: path.to_owned(), reason });
    }
}

/// Whether a value without parts is readable: the same type, or one that it promotes to.
fn reads(reader: &Schema, writer: &Schema) -> bool {
    let (reader_type, writer_type) = (physical(reader), physical(writer));
    let promotes = matches!(
        (reader_type.as_str(), writer_type.as_str()),
        ("long" | "float" | "double", "int")
            | ("float" | "double", "long")
            | ("double", "float")
            | ("string", "bytes")
            | ("bytes", "string")
    );
    // A logical type that changes (milliseconds to microseconds) changes what the bytes mean.
    let same_meaning = is_plain(reader) && is_plain(writer) || kind(reader) == kind(writer);
    same_meaning && (promotes || (reader_type == writer_type && !is_container(reader)))
}

fn physical(schema: &Schema) -> String {
    match schema {
        Schema::Date | Schema::TimeMillis => "int".to_owned(),
        Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => "long".to_owned(),
        Schema::Fixed(fixed) => format!("fixed {} of {}", fixed.name.name(), fixed.size),
        other => kind(other),
    }
}

fn is_plain(schema: &Schema) -> bool {
    physical(schema) == kind(schema) || matches!(schema, Schema::Fixed(_))
}

fn is_container(schema: &Schema) -> bool {
    matches!(schema, Schema::Record(_) | Schema::Enum(_) | Schema::Array(_) | Schema::Map(_) | Schema::Union(_))
}

fn kind(schema: &Schema) -> String {
    format!("{:?}", apache_avro::schema::SchemaKind::from(schema)).to_lowercase()
}

fn shown(schema: &Schema) -> String {
    match schema.name() {
        Some(name) => format!("{} {}", kind(schema), name.name()),
        None => kind(schema),
    }
}

fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn deref<'s>(names: &HashMap<&'s Name, &'s Schema>, schema: &'s Schema) -> &'s Schema {
    match schema {
        Schema::Ref { name } => names.get(name).copied().unwrap_or(schema),
        schema => schema,
    }
}

fn names_of(schema: &Schema) -> HashMap<&Name, &Schema> {
    let mut names = HashMap::new();
    crate::schema::collect_names(schema, &mut |name, schema| {
        names.insert(name, schema);
    });
    names
}

fn collect_paths<'s>(
    schema: &'s Schema,
    path: &str,
    open: &mut BTreeSet<String>,
    names: &HashMap<&'s Name, &'s Schema>,
    paths: &mut BTreeSet<String>,
) {
    match deref(names, schema) {
        Schema::Record(record) => {
            if !open.insert(record.name.to_string()) {
                return;
            }
            for field in &record.fields {
                let path = joined(path, &field.name);
                collect_paths(&field.schema, &path, open, names, paths);
                paths.insert(path);
            }
            open.remove(&record.name.to_string());
        }
        Schema::Array(array) => collect_paths(&array.items, &format!("{path}[]"), open, names, paths),
        Schema::Map(map) => collect_paths(&map.types, &format!("{path}{{}}"), open, names, paths),
        Schema::Union(union) => {
            union.variants().iter().for_each(|variant| collect_paths(variant, path, open, names, paths));
        }
        _ => {}
    }
}
