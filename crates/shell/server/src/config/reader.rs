//! Reads sections out of the merged tree of values, and goes on when something is wrong.

use super::problem::Problem;
use super::setting::{Default, Leaf, text_of};
use crate::diagnostic::{ProblemKind, is_secret};
use config::{Value, ValueKind};
use std::collections::BTreeMap;

/// Anything that can stand behind a key.
pub(super) trait Setting: Sized {
    /// Whether it is one plain value, so that a text may stand for a list of them.
    const IS_PLAIN: bool = false;

    /// Reads it; what is wrong goes to `reader`, and the answer is `None`.
    fn read(value: &Value, key: &str, reader: &mut Reader) -> Option<Self>;

    /// Adds the keys it knows to `out`.
    fn describe(key: &str, about: &About, out: &mut Vec<Known>);

    /// What it is, in a word or two.
    fn kind() -> String;

    /// Adds each value within to `out`, with the names that lead to it; items of lists are `[0]`, `[1]` and so on.
    fn list(&self, path: &mut Vec<String>, out: &mut Vec<Listed>);
}

/// A value, as JSON, and the names that lead to it.
pub(super) type Listed = (Vec<String>, serde_json::Value);

/// What is said about a key where it is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) docs: &'static [&'static str],
    pub(super) default: Default,
}

/// A key that exists.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) key: String,
    /// Its documentation, line by line.
    pub(super) docs: Vec<&'static str>,
    /// What it is, in a word or two.
    pub(super) kind: String,
    /// `None` for a section.
    pub(super) default: Option<Default>,
    /// Within the items of a list.
    pub(super) in_list: bool,
}

impl About {
    pub(super) fn section(&self, key: &str, about: &[&'static str]) -> Known {
        let docs = if self.docs.is_empty() { about.to_vec() } else { self.docs.to_vec() };
        Known { key: key.to_owned(), docs, kind: "section".into(), default: None, in_list: false }
    }

    pub(super) fn describe<T: Setting>(&self, section: &str, field: &str, out: &mut Vec<Known>) {
        T::describe(&join(section, field), self, out);
    }

    fn leaf<T: Setting>(&self, key: &str) -> Known {
        let docs = self.docs.to_vec();
        Known { key: key.to_owned(), docs, kind: T::kind(), default: Some(self.default), in_list: false }
    }
}

impl<T: Leaf> Setting for T {
    const IS_PLAIN: bool = true;

    fn read(value: &Value, key: &str, reader: &mut Reader) -> Option<Self> {
        let read = <T as Leaf>::read(value);
        if read.is_none() {
            reader.wrong_value(key, value, &T::expected());
        }
        read
    }

    fn describe(key: &str, about: &About, out: &mut Vec<Known>) {
        out.push(about.leaf::<Self>(key));
    }

    fn kind() -> String {
        <T as Leaf>::kind()
    }

    fn list(&self, path: &mut Vec<String>, out: &mut Vec<Listed>) {
        out.push((path.clone(), self.shown()));
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: &Value, key: &str, reader: &mut Reader) -> Option<Self> {
        let absent = matches!(&value.kind, ValueKind::Nil) || text_of(value).is_some_and(|text| text.is_empty());
        if absent { Some(None) } else { T::read(value, key, reader).map(Some) }
    }

    fn describe(key: &str, about: &About, out: &mut Vec<Known>) {
        T::describe(key, about, out);
    }

    fn kind() -> String {
        T::kind()
    }

    fn list(&self, path: &mut Vec<String>, out: &mut Vec<Listed>) {
        match self {
            Some(value) => value.list(path, out),
            None => out.push((path.clone(), serde_json::Value::Null)),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    /// A list; of plain values, and from the environment and from flags, also a text with commas.
    fn read(value: &Value, key: &str, reader: &mut Reader) -> Option<Self> {
        let items: Vec<Value> = match (&value.kind, text_of(value)) {
            (ValueKind::Array(items), _) => items.clone(),
            (ValueKind::Nil, _) => Vec::new(),
            (_, Some(text)) if text.contains('[') || (reader.is_from_file(value) && !T::IS_PLAIN) => {
                reader.wrong_value(key, value, "a list");
                return None;
            }
            (_, Some(text)) => {
                let origin = value.origin().map(str::to_owned);
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| Value::new(origin.as_ref(), item)).collect()
            }
            _ => {
                reader.wrong_value(key, value, "a list");
                return None;
            }
        };
        let read = items.iter().enumerate().map(|(index, item)| T::read(item, &format!("{key}[{index}]"), reader));
        read.collect::<Vec<_>>().into_iter().collect()
    }

    fn describe(key: &str, about: &About, out: &mut Vec<Known>) {
        out.push(about.leaf::<Self>(key));
        let mut items = Vec::new();
        T::describe(key, about, &mut items);
        let items = items.into_iter().filter(|item| item.key != key);
        out.extend(items.map(|item| Known { in_list: true, ..item }));
    }

    fn kind() -> String {
        format!("list of {}", T::kind())
    }

    /// A list of plain values is one value; of sections, each of their keys is.
    fn list(&self, path: &mut Vec<String>, out: &mut Vec<Listed>) {
        let mut items = Vec::new();
        for (index, item) in self.iter().enumerate() {
            path.push(format!("[{index}]"));
            item.list(path, &mut items);
            path.pop();
        }
        if items.iter().all(|(inner, _)| inner.len() == path.len() + 1) {
            out.push((path.clone(), items.into_iter().map(|(_, value)| value).collect()));
        } else {
            out.extend(items);
        }
    }
}

impl Setting for BTreeMap<String, String> {
    fn read(value: &Value, key: &str, reader: &mut Reader) -> Option<Self> {
        let ValueKind::Table(table) = &value.kind else {
            reader.wrong_value(key, value, "names and their values");
            return None;
        };
        let mut read = Self::new();
        for (name, value) in table {
            let inner = join(key, name);
            match text_of(value) {
                Some(text) => drop(read.insert(name.clone(), text)),
                None => reader.wrong_value(&inner, value, "a text or a number"),
            }
            reader.remember(&inner, value);
        }
        Some(read)
    }

    fn describe(key: &str, about: &About, out: &mut Vec<Known>) {
        out.push(about.leaf::<Self>(key));
    }

    fn kind() -> String {
        "names and their values".into()
    }

    fn list(&self, path: &mut Vec<String>, out: &mut Vec<Listed>) {
        if self.is_empty() {
            out.push((path.clone(), serde_json::json!({})));
        }
        for (name, value) in self {
            let path = path.iter().chain([name]).cloned().collect();
            out.push((path, value.as_str().into()));
        }
    }
}

/// Collects what is wrong, and where each value was set.
#[derive(Debug)]
pub(super) struct Reader {
    /// The configuration file, as its values' origin names it.
    file: Option<String>,
    known: Vec<Known>,
    origins: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(file: Option<String>, known: Vec<Known>) -> Self {
        Self { file, known, origins: BTreeMap::new(), problems: Vec::new() }
    }

    /// Where each key that somebody set was set, and what is wrong.
    pub(super) fn finish(self) -> (BTreeMap<String, String>, Vec<Problem>) {
        (self.origins, self.problems)
    }

    pub(super) fn is_from_file(&self, value: &Value) -> bool {
        value.origin().is_some() && value.origin() == self.file.as_deref()
    }

    /// The keys and values of a section; those that `fields` does not list are problems.
    pub(super) fn table(&mut self, value: &Value, key: &str, fields: &[&str]) -> Option<Table> {
        let table = match &value.kind {
            ValueKind::Table(table) => table.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            ValueKind::Nil => Table::new(),
            _ => {
                self.wrong_value(key, value, &format!("a section with keys {}", fields.join(", ")));
                return None;
            }
        };
        for (name, value) in table.iter().filter(|(name, _)| !fields.contains(&name.as_str())) {
            self.unknown(&join(key, name), value, fields);
        }
        Some(table)
    }

    /// Reads a field of a section, or its default.
    pub(super) fn field<T: Setting>(
        &mut self,
        table: &Table,
        section: &str,
        name: &str,
        default: Default,
    ) -> Option<T> {
        let key = join(section, name);
        if let Some(value) = table.get(name) {
            self.remember(&key, value);
            if !matches!(value.kind, ValueKind::Nil) {
                return T::read(value, &key, self);
            }
        }
        match default {
            Default::Text(text) => T::read(&default_value(text), &key, self),
            Default::Absent => T::read(&Value::new(None, ValueKind::Nil), &key, self),
            Default::Required => {
                let origin = self.origin_of(section);
                let message = "expected, since it has no default, but it is missing";
                self.problems.push(Problem::new(ProblemKind::MissingValue, origin, key, message));
                None
            }
        }
    }

    fn remember(&mut self, key: &str, value: &Value) {
        let origin = value.origin().map(str::to_owned).or_else(|| first_origin(value));
        if let Some(origin) = origin {
            self.origins.insert(key.to_owned(), origin);
        }
    }

    fn origin_of(&self, key: &str) -> String {
        origin_of(&self.origins, key).unwrap_or_else(|| "default".to_owned())
    }

    fn wrong_value(&mut self, key: &str, value: &Value, expected: &str) {
        let found = match text_of(value) {
            Some(_) if is_secret(key) => "something that is not repeated here".to_owned(),
            Some(text) if text.len() <= 80 => format!("`{text}`"),
            Some(_) => "a long text".to_owned(),
            None => match &value.kind {
                ValueKind::Table(_) => "a section".to_owned(),
                ValueKind::Array(_) => "a list".to_owned(),
                _ => "nothing".to_owned(),
            },
        };
        let origin = value.origin().map_or_else(|| self.origin_of(key), str::to_owned);
        let message = format!("expected {expected}, found {found}");
        self.problems.push(Problem::new(ProblemKind::WrongValue, origin, key, message));
    }

    fn unknown(&mut self, key: &str, value: &Value, fields: &[&str]) {
        let origin = value.origin().map(str::to_owned).or_else(|| first_origin(value));
        let nearest = nearest(key, self.known.iter().map(|known| known.key.as_str()));
        let message = match nearest {
            Some(_) => "unknown key".to_owned(),
            None => format!("unknown key; expected one of {}", fields.join(", ")),
        };
        let origin = origin.unwrap_or_else(|| self.origin_of(key));
        self.problems.push(Problem { nearest, ..Problem::new(ProblemKind::UnknownKey, origin, key, message) });
    }
}

/// A section's keys and values, in order.
pub(super) type Table = BTreeMap<String, Value>;

/// Where `key`, or the section or list around it, was set.
pub(super) fn origin_of(origins: &BTreeMap<String, String>, key: &str) -> Option<String> {
    let mut key = key;
    loop {
        if let Some(origin) = origins.get(key) {
            return Some(origin.clone());
        }
        key = &key[..key.rfind(['.', '['])?];
    }
}

/// A merged section has no origin of its own: that of the first value in it.
fn first_origin(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(table) => {
            let table: BTreeMap<_, _> = table.iter().collect();
            table.into_values().find_map(|value| value.origin().map(str::to_owned).or_else(|| first_origin(value)))
        }
        ValueKind::Array(items) => items.iter().find_map(|value| value.origin().map(str::to_owned)),
        _ => None,
    }
}

fn default_value(text: &'static str) -> Value {
    super::layers::yaml_value(text).expect("defaults are YAML, as a test checks")
}

/// The known key most like `key`: as a whole, or by its last part when a section was left out or mistaken.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let plain = without_indices(key);
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let score = |candidate: &str| {
        if strsim::osa_distance(&plain, candidate) <= 1 {
            return 1.0; // a slip of the finger
        }
        let whole = strsim::normalized_damerau_levenshtein(&plain, candidate);
        let part = 0.95 * strsim::normalized_damerau_levenshtein(&last(&plain), &last(candidate));
        whole.max(part)
    };
    let scored = known.filter(|candidate| !candidate.is_empty()).map(|candidate| (score(candidate), candidate));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.5).then(|| best.1.to_owned())
}

/// `windows[0].sise` as `windows.sise`, the way known keys are written.
fn without_indices(key: &str) -> String {
    let mut out = String::new();
    let mut rest = key;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        rest = after.split_once(']').map_or("", |(_, tail)| tail);
    }
    out + rest
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}
