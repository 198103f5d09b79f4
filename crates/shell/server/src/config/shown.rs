//! The configuration in effect: each setting, and where it comes from.

use super::check::host_name;
use super::layers::{Layers, Written};
use super::problem::ConfigError;
use super::reader::Setting;
use crate::diagnostic::is_secret;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tidegauge_policy::document::place_of;

/// What is shown instead of a secret.
const MASK: &str = "********";

/// A setting in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Names from the top down; items of lists are `[0]`, `[1]` and so on.
    path: Vec<String>,
    /// Its value.
    pub value: Value,
    /// `default`, or where it was set.
    pub origin: String,
}

impl Shown {
    /// Its key, as messages have it: `windows[0].size`.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = String::new();
        for part in &self.path {
            if !key.is_empty() && !part.starts_with('[') {
                key.push('.');
            }
            key.push_str(part);
        }
        key
    }
}

impl Layers {
    /// Every setting in effect, in the order of the generated configuration. Secrets are masked. What contradicts
    /// something, and files that are not there, are not looked at.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a layer cannot be read, or holds unknown keys or values of another kind.
    pub fn show(&self) -> Result<Vec<Shown>, ConfigError> {
        let written = self.read().map_err(ConfigError::located)?;
        let texts = written.file.iter().filter_map(|file| Some((file.clone(), std::fs::read_to_string(file).ok()?)));
        let texts: BTreeMap<_, _> = texts.collect();
        let mut listed = Vec::new();
        written.raw.list(&mut Vec::new(), &mut listed);
        let shown = listed.into_iter().map(|(path, value)| {
            let mut shown = Shown { path, value, origin: String::new() };
            let key = shown.key();
            shown.origin = origin(&written, &key, |file| texts.get(file).map(String::as_str));
            if key == "node.id" && shown.value.is_null() {
                shown.value = host_name().into();
                shown.origin = "default: the host's name".into();
            }
            shown.value = masked(&key, shown.value);
            shown
        });
        Ok(shown.collect())
    }
}

/// Where `key` was set: a file is named with the line.
fn origin<'t>(written: &Written, key: &str, text: impl Fn(&Path) -> Option<&'t str>) -> String {
    // Not that of the section around it: whoever set that leaves its other keys at their defaults.
    let Some(origin) = written.origins.get(key).cloned() else { return "default".into() };
    let place = text(Path::new(&origin)).and_then(|text| place_of(text, key));
    place.map_or(origin.clone(), |place| format!("{origin}:{}", place.line))
}

fn masked(key: &str, value: Value) -> Value {
    match value {
        value if value.is_null() => value,
        _ if is_secret(key) => MASK.into(),
        Value::String(text) => without_user_info(&text).unwrap_or(text).into(),
        value => value,
    }
}

/// `https://user:password@host/path` with a mask; `None` for everything else.
fn without_user_info(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (_, host) = authority.rsplit_once('@')?;
    Some(format!("{scheme}://{MASK}@{host}{path}"))
}

/// Settings as a tree of sections and lists, in their order.
#[derive(Debug, PartialEq)]
pub struct Tree<'s>(&'s [Shown], usize);

impl<'s> Tree<'s> {
    /// Of all settings.
    #[must_use]
    pub const fn of(shown: &'s [Shown]) -> Self {
        Self(shown, 0)
    }

    /// Runs of settings with the same next name, and that name.
    fn branches(&self) -> impl Iterator<Item = (&'s str, Self)> {
        let Self(shown, depth) = *self;
        let runs = shown.chunk_by(move |one, other| one.path[depth] == other.path[depth]);
        runs.map(move |run| (run[0].path[depth].as_str(), Self(run, depth + 1)))
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shown, depth) = self;
        match shown {
            [only] if only.path.len() == *depth => only.value.serialize(serializer),
            [first, ..] if first.path[*depth].starts_with('[') => {
                serializer.collect_seq(self.branches().map(|(_, branch)| branch))
            }
            _ => {
                let mut map = serializer.serialize_map(None)?;
                self.branches().try_for_each(|(name, branch)| map.serialize_entry(name, &branch))?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(flags: &[(&str, &str)]) -> Vec<Shown> {
        let flag = |(key, value): &(&str, &str)| (format!("--set {key}"), (*key).to_owned(), (*value).to_owned());
        let layers = Layers {
            file: None,
            flags: flags.iter().map(flag).collect(),
            environment: vec![("TIDEGAUGE__TIME__PANE".into(), "10000ms".into())],
        };
        layers.show().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn f3_secrets_are_masked_and_names_of_files_are_not() {
        let flags = [
            ("kafka.properties.ssl.key.password", "hunter2"),
            ("kafka.properties.sasl.oauthbearer.client.secret", "hunter2"),
            ("kafka.properties.linger.ms", "7"),
            ("kafka.security.password_file", "pw"),
            ("ingest.schema_registry.url", "https://me:hunter2@registry:8081/x"),
        ];
        let shown = show(&flags);
        let value = |key: &str| shown.iter().find(|shown| shown.key() == key).map(|shown| shown.value.clone());
        let want = [MASK, MASK, "7", "pw", "https://********@registry:8081/x"];
        for ((key, _), want) in flags.iter().zip(want) {
            assert_eq!(value(key), Some(want.into()), "{key}");
        }
        assert!(!serde_json::to_string(&Tree::of(&shown)).unwrap().contains("hunter2"));
    }

    #[test]
    fn values_are_in_effect_and_say_who_set_them() {
        let shown = show(&[("windows", "[{size: 1m}]"), ("kafka.bootstrap", "a:1,b:2")]);
        let line = |key: &str| {
            let found = shown.iter().find(|shown| shown.key() == key);
            found.map(|shown| format!("{} ({})", shown.value, shown.origin)).unwrap_or_default()
        };
        assert_eq!(line("time.pane"), "\"10s\" (environment variable TIDEGAUGE__TIME__PANE)");
        assert_eq!(line("time.disorder"), "\"5s\" (default)");
        assert_eq!(line("windows[0].size"), "\"1m\" (flag --set windows)");
        assert_eq!(line("windows[0].levels"), "[\"agent\",\"instance\",\"entity\"] (default)");
        assert_eq!(line("kafka.bootstrap"), "[\"a:1\",\"b:2\"] (flag --set kafka.bootstrap)");
        assert_eq!(line("workers.memory_limit"), "\"2 GiB\" (default)");
    }
}
