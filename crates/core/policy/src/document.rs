//! Files of policies, rules, signals and quotas: YAML documents, read in two stages.
//!
//! ```text
//!  text ─► documents ─► as written (RawPolicy, …) ─► as checked (Policy, AlertRules, SqlSignal)
//!               unknown keys, types, units: here      contradictions: there; both with key path and place
//! ```
//!
//! Places of the second stage come from a second reading that keeps nothing but keys and where they stand.

use crate::alert::mute::{Inhibition, RawInhibition, RawSilence, Silence};
use crate::alert::rules::{AlertRules, RawAlertRules};
use crate::error::{Place, PolicyError, Problem, nearest};
use crate::policy::{Policy, raw::RawPolicy};
use crate::quota::{RawQuotaDocument, WorkspaceQuota};
use crate::signal::{RawSignalDocument, SqlSignal};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::cell::Cell;
use std::fmt;

/// The version of the format that files name in `apiVersion`.
pub const API_VERSION: &str = "tidegauge.io/v1";

/// What a file can hold.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "they are few, and read at a start or a reload")]
pub enum Document {
    /// `kind: Policy`.
    Policy(Policy),
    /// `kind: AlertRules`.
    AlertRules(AlertRules),
    /// `kind: Signal`.
    Signal(SqlSignal),
    /// `kind: Silence`.
    Silence(Silence),
    /// `kind: Inhibition`.
    Inhibition(Inhibition),
    /// `kind: Quota`.
    Quota(WorkspaceQuota),
}

/// The words that `kind` can be.
const KINDS: [&str; 6] = ["Policy", "AlertRules", "Signal", "Silence", "Inhibition", "Quota"];

/// Reads every document of a file, in its order; `file_name` is for messages only.
///
/// # Errors
///
/// The first [`PolicyError`] met.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Document>, PolicyError> {
    let mut documents = Vec::new();
    for text in split(text) {
        documents.push(parse_one(&text).map_err(|found| found.in_file(file_name))?);
    }
    if documents.is_empty() {
        let message = "expected at least one document with `apiVersion` and `kind`, found none".to_owned();
        return Err(Found { place: None, problem: Problem::at("", message) }.in_file(file_name));
    }
    Ok(documents)
}

/// Reads every document of a file that may hold one kind only: `wanted` takes what is of that kind.
pub(crate) fn parse_only<T>(
    file_name: &str,
    text: &str,
    kind: &str,
    wanted: impl Fn(&Document) -> Option<T>,
) -> Result<Vec<T>, PolicyError> {
    let other = |other: &Document| PolicyError {
        file: file_name.to_owned(),
        place: None,
        path: "kind".to_owned(),
        message: format!("expected {kind}, found {} `{}`", other.kind(), other.name()),
        nearest: None,
    };
    let documents = parse(file_name, text)?;
    documents.iter().map(|document| wanted(document).ok_or_else(|| other(document))).collect()
}

/// A document and the text it was read from, which says the same by itself: what a journal keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// What it means.
    pub document: Document,
    /// As it was written.
    pub text: String,
}

impl Written {
    /// Reads every document of a file, as [`parse`] does.
    ///
    /// # Errors
    ///
    /// The first [`PolicyError`] met.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        let documents = parse(file_name, text)?;
        let texts = split(text).into_iter().map(|text| text.trim_start_matches('\n').to_owned());
        Ok(documents.into_iter().zip(texts).map(|(document, text)| Self { document, text }).collect())
    }
}

impl Document {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Policy(policy) => &policy.name,
            Self::AlertRules(rules) => &rules.name,
            Self::Signal(signal) => &signal.name,
            Self::Silence(silence) => &silence.name,
            Self::Inhibition(inhibition) => &inhibition.name,
            Self::Quota(quota) => &quota.name,
        }
    }

    /// Its version; a change must raise it.
    #[must_use]
    pub fn version(&self) -> u32 {
        match self {
            Self::Policy(policy) => policy.version,
            Self::AlertRules(rules) => rules.version,
            Self::Signal(signal) => signal.version,
            Self::Silence(silence) => silence.version,
            Self::Inhibition(inhibition) => inhibition.version,
            Self::Quota(quota) => quota.version,
        }
    }

    /// Hash of its meaning, hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        match self {
            Self::Policy(policy) => &policy.hash,
            Self::AlertRules(rules) => &rules.hash,
            Self::Signal(signal) => &signal.hash,
            Self::Silence(silence) => &silence.hash,
            Self::Inhibition(inhibition) => &inhibition.hash,
            Self::Quota(quota) => &quota.hash,
        }
    }

    /// What `kind` says.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Policy(_) => KINDS[0],
            Self::AlertRules(_) => KINDS[1],
            Self::Signal(_) => KINDS[2],
            Self::Silence(_) => KINDS[3],
            Self::Inhibition(_) => KINDS[4],
            Self::Quota(_) => KINDS[5],
        }
    }
}

/// A problem, and where it is.
struct Found {
    place: Option<Place>,
    problem: Problem,
}

impl Found {
    fn in_file(self, file: &str) -> PolicyError {
        let Problem { path, message, nearest } = self.problem;
        PolicyError { file: file.to_owned(), place: self.place, path, message, nearest }
    }
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
}

fn parse_one(text: &str) -> Result<Document, Found> {
    let header: Header = read(text)?;
    let located = |problem: Problem| Found { place: place_of(text, &problem.path), problem };
    if header.api_version != API_VERSION {
        let message = format!("expected {API_VERSION}, found `{}`", header.api_version);
        return Err(located(Problem { nearest: Some(API_VERSION.to_owned()), ..Problem::at("apiVersion", message) }));
    }
    match header.kind.as_str() {
        "Policy" => Ok(Document::Policy(read::<RawPolicy>(text)?.check().map_err(located)?)),
        "AlertRules" => Ok(Document::AlertRules(read::<RawAlertRules>(text)?.check().map_err(located)?)),
        "Signal" => Ok(Document::Signal(read::<RawSignalDocument>(text)?.check().map_err(located)?)),
        "Silence" => Ok(Document::Silence(read::<RawSilence>(text)?.check().map_err(located)?)),
        "Inhibition" => Ok(Document::Inhibition(read::<RawInhibition>(text)?.check().map_err(located)?)),
        "Quota" => Ok(Document::Quota(read::<RawQuotaDocument>(text)?.check().map_err(located)?)),
        other => {
            let message = format!("expected one of {}, found `{other}`", KINDS.join(", "));
            Err(located(Problem { nearest: nearest(other, KINDS), ..Problem::at("kind", message) }))
        }
    }
}

/// Every document of a file, each with its text at the places that it has in the file.
///
/// # Errors
///
/// The first [`PolicyError`] met.
pub(crate) fn parse_each(file_name: &str, text: &str) -> Result<Vec<(Document, String)>, PolicyError> {
    let documents = parse(file_name, text)?;
    Ok(documents.into_iter().zip(split(text)).collect())
}

/// The document of a text that is of no kind that holds in a deployment, as written.
///
/// # Errors
///
/// [`PolicyError`] with key path and place.
pub(crate) fn read_as<T: DeserializeOwned>(file_name: &str, text: &str) -> Result<T, PolicyError> {
    read(text).map_err(|found| found.in_file(file_name))
}

/// A problem with the place of its key in a text of one document.
pub(crate) fn locate(file_name: &str, text: &str, problem: Problem) -> PolicyError {
    Found { place: place_of(text, &problem.path), problem }.in_file(file_name)
}

/// The documents of a text, each behind as many empty lines as it had before it, so that its places are the file's.
/// Documents of nothing but comments are left out.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (line_number, line) in text.lines().enumerate() {
        let starts_next = line == "---" || line.starts_with("--- ");
        if starts_next {
            documents.push("\n".repeat(line_number));
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(if starts_next { line[3..].trim_start() } else { line });
            document.push('\n');
        }
    }
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    documents.retain(|document| document.lines().any(says_something));
    documents
}

/// First stage: the document as written.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, Found> {
    let path = Cell::new(String::new());
    let result = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        let result = T::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track));
        path.set(track.path().to_string());
        result
    });
    result.map_err(|error| {
        let path = path.take();
        let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
        let problem = problem_of(error.without_snippet(), if path == "." { String::new() } else { path });
        Found { place: place.filter(|place| place.line > 0), problem }
    })
}

fn problem_of(error: &serde_saphyr::Error, path: String) -> Problem {
    use serde_saphyr::Error;
    let found_among = |what: &str, word: &str, expected: &[&'static str]| {
        let list = expected.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        (format!("{what} `{word}`; expected one of {list}"), nearest(word, expected.iter().copied()))
    };
    let (path, (message, nearest)) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (with_key(path, field), found_among("unknown key", field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => (path, found_among("unknown value", variant, expected)),
        Error::SerdeMissingField { field, .. } => {
            (with_key(path, field), (format!("expected the key `{field}`, found none"), None))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (path, (format!("expected {expected}, found {unexpected}"), None))
        }
        Error::InvalidScalar { ty, .. } => (path, (format!("expected {}", kind_of_number(ty)), None)),
        other => (path, (first_line(&other.to_string()), None)),
    };
    Problem { path, message, nearest }
}

/// A type of Rust in words.
fn kind_of_number(ty: &str) -> String {
    match ty {
        "u8" | "u16" | "u32" | "u64" => "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "bool" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

/// `path` with `key` at its end, where it does not stand there already.
fn with_key(path: String, key: &str) -> String {
    match path.rsplit('.').next() {
        Some(last) if last == key => path,
        _ if path.is_empty() => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// What a rendered message says, without its place, which is told apart from it.
fn first_line(rendered: &str) -> String {
    let line = rendered.lines().find(|line| !line.trim().is_empty()).unwrap_or("unreadable").trim();
    line.rfind(" at line ").map_or(line, |at| &line[..at]).to_owned()
}

/// Where the value at `path` stands in a text of one document, or the nearest that holds it.
#[must_use]
pub fn place_of(text: &str, path: &str) -> Option<Place> {
    let root: Node = serde_saphyr::from_str(text).ok()?;
    let (mut node, mut rest) = (&root, path);
    loop {
        rest = rest.trim_start_matches(['.', '[', ']']);
        // A key may have dots of its own: the longest that fits is meant.
        let fits = |key: &str| {
            let after = rest.strip_prefix(key);
            !key.is_empty() && after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[', ']']))
        };
        let children = node.0.value.0.iter();
        let Some((key, child)) = children.filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len()) else { break };
        (node, rest) = (child, &rest[key.len()..]);
    }
    let at = &node.0.referenced;
    (at.line() > 0).then(|| Place { line: at.line(), column: at.column() })
}

/// Where a text stops being YAML; `None` if it does not.
#[must_use]
pub fn syntax_place(text: &str) -> Option<Place> {
    let error = serde_saphyr::from_str::<serde::de::IgnoredAny>(text).err()?;
    error.location().map(|at| Place { line: at.line(), column: at.column() }).filter(|place| place.line > 0)
}

/// A value of which only the place is kept, and of what it holds the keys; list items are keyed by their number.
#[derive(Deserialize)]
struct Node(Spanned<Children>);

struct Children(Vec<(String, Node)>);

impl<'de> Deserialize<'de> for Children {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

macro_rules! leaf {
    ($($visit:ident $type:ty),*) => { $(
        fn $visit<E>(self, _: $type) -> Result<Children, E> {
            Ok(Children(Vec::new()))
        }
    )* };
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Children;

    leaf! { visit_bool bool, visit_i64 i64, visit_u64 u64, visit_i128 i128, visit_u128 u128, visit_f64 f64, visit_str &str }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Children, E> {
        Ok(Children(Vec::new()))
    }

    fn visit_none<E>(self) -> Result<Children, E> {
        Ok(Children(Vec::new()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Children, D::Error> {
        Children::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Children, A::Error> {
        let mut children = Vec::new();
        while let Some(node) = items.next_element::<Node>()? {
            children.push((children.len().to_string(), node));
        }
        Ok(Children(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Children, A::Error> {
        let mut children = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            children.push((key, entries.next_value::<Node>()?));
        }
        Ok(Children(children))
    }
}
