//! The layers: defaults < file < environment < flags. Each value keeps where it was set.

use super::problem::{ConfigError, Problem};
use super::raw::RawConfig;
use super::reader::{About, Reader, Setting};
use super::setting::Default;
use crate::diagnostic::ProblemKind;
use config::{File, FileFormat, Map, Source, Value, ValueKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that is read if none is named and it is there.
pub const DEFAULT_FILE: &str = "tidegauge.yaml";
/// First part of environment variables that set something.
pub const PREFIX: &str = "TIDEGAUGE__";

/// What an operator gave, before anything is read.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file; `None`: [`DEFAULT_FILE`] if it is there.
    pub file: Option<PathBuf>,
    /// Environment variables; others than those with [`PREFIX`] are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags: how the flag is written, the key it sets, the value.
    pub flags: Vec<(String, String, String)>,
}

/// The first stage's result: the settings, where each was set, and the folder of the file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) raw: RawConfig,
    pub(super) origins: BTreeMap<String, String>,
    /// The file as origins name it.
    pub(super) file: Option<PathBuf>,
}

impl Layers {
    /// The file that will be read.
    #[must_use]
    pub fn file_to_read(&self) -> Option<PathBuf> {
        self.file.clone().or_else(|| Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into()))
    }

    pub(super) fn read(&self) -> Result<Written, ConfigError> {
        self.read_over(self.file_to_read())
    }

    /// The same over this file, or none.
    pub(super) fn read_over(&self, file: Option<PathBuf>) -> Result<Written, ConfigError> {
        let origin = file.as_ref().map(|file| file.display().to_string());
        let merged = self.merge(file.as_deref())?;
        let mut reader = Reader::new(origin, known());
        let raw = RawConfig::read(&merged, "", &mut reader);
        let (origins, problems) = reader.finish();
        match raw {
            Some(raw) if problems.is_empty() => Ok(Written { raw, origins, file }),
            _ => Err(ConfigError { problems }),
        }
    }

    fn merge(&self, file: Option<&Path>) -> Result<Value, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(Layer(read_file(file)?));
        }
        let environment = self.environment.iter().filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.to_lowercase();
            let path = path_of(&path, "__", |property| property.replace("__", ".").replace('_', "."));
            Some(assignment(&path, value, &format!("environment variable {name}")))
        });
        let flags = self
            .flags
            .iter()
            .map(|(flag, key, value)| assignment(&path_of(key, ".", str::to_owned), value, &format!("flag {flag}")));
        for assignment in environment.chain(flags) {
            builder = builder.add_source(Layer(assignment?));
        }
        let config = builder.build().map_err(|error| not_yaml("configuration", &error.to_string()))?;
        Ok(config.cache)
    }
}

/// Every key that exists, section before its fields.
pub(super) fn known() -> Vec<super::reader::Known> {
    let mut known = Vec::new();
    RawConfig::describe("", &About { docs: &[], default: Default::Text("{}") }, &mut known);
    known
}

/// One layer, its values stamped with where they were set.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn read_file(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("expected a configuration file, but it cannot be read: {error}");
        Problem::new(ProblemKind::ConfigUnreadable, &*origin, "", message)
    })?;
    let table =
        File::from_str(&text, FileFormat::Yaml).collect().map_err(|error| not_yaml(&origin, &error.to_string()))?;
    Ok(table.into_iter().map(|(key, value)| (key, stamped(value, &origin))).collect())
}

fn not_yaml(origin: &str, message: &str) -> Problem {
    Problem::new(ProblemKind::NotYaml, origin, "", message)
}

/// Parts of a key. What follows `kafka.properties` is one name, whatever dots it has.
fn path_of(key: &str, separator: &str, property: impl Fn(&str) -> String) -> Vec<String> {
    let prefix = ["kafka", "properties"].join(separator) + separator;
    match key.strip_prefix(&prefix) {
        Some(name) => vec!["kafka".into(), "properties".into(), property(name)],
        None => key.split(separator).map(str::to_owned).collect(),
    }
}

/// The tree that sets one key. A value that begins like a list or a section is read as YAML.
fn assignment(path: &[String], text: &str, origin: &str) -> Result<Map<String, Value>, ConfigError> {
    let value = if text.starts_with(['[', '{']) {
        yaml_value(text).map_err(|message| Problem { key: path.join("."), ..not_yaml(origin, &message) })?
    } else {
        Value::new(None, text)
    };
    let (first, rest) = path.split_first().expect("splitting gives at least one part");
    let nest = |inner: Value, name: &String| Value::new(None, Map::from_iter([(name.clone(), inner)]));
    Ok(Map::from_iter([(first.clone(), stamped(rest.iter().rev().fold(value, nest), origin))]))
}

/// Reads one value.
pub(super) fn yaml_value(text: &str) -> Result<Value, String> {
    let source = format!("value: {text}");
    let table = File::from_str(&source, FileFormat::Yaml).collect().map_err(|error| error.to_string())?;
    table.into_iter().next().map(|(_, value)| value).ok_or_else(|| "expected a value".to_owned())
}

/// The same value, with `origin` on it and all within.
fn stamped(value: Value, origin: &str) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, stamped(value, origin))).collect())
        }
        ValueKind::Array(items) => ValueKind::Array(items.into_iter().map(|item| stamped(item, origin)).collect()),
        kind => kind,
    };
    Value::new(Some(&origin.to_owned()), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_the_file_stands_for_a_list_of_plain_values_and_for_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tidegauge.yaml");
        let read = |text: &str| {
            std::fs::write(&file, text).expect("a file");
            Layers { file: Some(file.clone()), ..Layers::default() }.read()
        };
        let brokers = |text: &str| read(text).expect("a configuration").raw.kafka.bootstrap;
        assert_eq!(brokers("kafka: {bootstrap: 'a:1'}"), ["a:1"]);
        assert_eq!(brokers("kafka: {bootstrap: 'a:1, b:2'}"), ["a:1", "b:2"]);
        let error = read("windows: 1m").expect_err("a window is a section").to_string();
        assert!(error.contains("windows: expected a list"), "{error}");
    }
}
