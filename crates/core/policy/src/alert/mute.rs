//! What keeps an alert that fires quiet: silences, which people set for a time, and inhibition by another alert.
//!
//! Neither changes the state of an alert. Its transitions say who keeps it quiet, and one more is told when that changes.
//!
//! - **Q1** A silence holds from `from` up to and without `until`, in event time, and ends by itself.
//! - **Q2** An alert is inhibited by firing alerts of the same target; a silenced one inhibits too, a pending one does not.
//! - **Q3** No alert inhibits itself, and those that fit both sides of a rule do not inhibit one another.
//!
//! Source: Alertmanager's silences and inhibition rules, but for its regular expressions (here patterns with `*` and `?`)
//! and for sources of other targets, of which another partition may know.

use crate::document::{self, Document};
use crate::error::{PolicyError, Problem};
use crate::identity::hash_of;
use crate::policy::glob::Glob;
use crate::policy::raw::{RawMetadata, RawTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// Labels by name.
type Labels = BTreeMap<String, String>;

/// A silence as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSilence {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Silence`.
    pub kind: String,
    /// Name and version.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawSilenceSpec,
}

/// Which alerts, for how long, and who says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSilenceSpec {
    /// All of them must fit; at least one.
    pub matchers: Vec<RawMatcher>,
    /// From then on. Default: at once.
    pub from: Option<RawTime>,
    /// Up to and without then.
    pub until: RawTime,
    /// Who says so.
    pub author: String,
    /// Why, in words.
    #[serde(default)]
    pub comment: String,
}

/// An inhibition rule as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInhibition {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Inhibition`.
    pub kind: String,
    /// Name and version.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawInhibitionSpec,
}

/// Which alerts keep which others quiet, of one target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInhibitionSpec {
    /// Those that keep quiet, while they fire: all must fit; at least one.
    pub source: Vec<RawMatcher>,
    /// Those that are kept quiet: all must fit; at least one.
    pub target: Vec<RawMatcher>,
    /// Labels that both have to have with one value; a label that neither has is equal. Default: none.
    #[serde(default)]
    pub equal: Vec<String>,
}

/// A condition on one label; exactly one of `is`, `is_not`, `like` and `unlike`. A label that an alert does not have is empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMatcher {
    /// Its name: `alertname`, `agent`, `severity`, … or one of the rule's own.
    pub label: String,
    /// The value.
    pub is: Option<String>,
    /// Any other value.
    pub is_not: Option<String>,
    /// A pattern with `*` and `?`.
    pub like: Option<String>,
    /// What does not fit the pattern.
    pub unlike: Option<String>,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matcher {
    label: String,
    want: bool,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    Is(String),
    Like(Glob),
}

/// A silence as checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Its name, by which transitions call it.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Which alerts.
    pub matchers: Vec<Matcher>,
    /// From then on.
    pub from: Option<EventTime>,
    /// Up to and without then.
    pub until: EventTime,
    /// Who says so.
    pub author: String,
    /// Why.
    pub comment: String,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

/// An inhibition rule as checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inhibition {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Who keeps quiet.
    pub source: Vec<Matcher>,
    /// Who is kept quiet.
    pub target: Vec<Matcher>,
    /// What both have to have in common.
    pub equal: Vec<String>,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

/// Everything that keeps alerts quiet.
#[derive(Clone, Debug, Default)]
pub struct Muting<'a> {
    /// Silences, ascending by name.
    pub silences: Vec<&'a Silence>,
    /// Inhibition rules.
    pub inhibitions: Vec<&'a Inhibition>,
}

/// Who keeps an alert quiet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Muted {
    /// Names of silences, ascending.
    pub(crate) silenced_by: Vec<String>,
    /// Fingerprints of alerts, ascending.
    pub(crate) inhibited_by: Vec<String>,
}

impl Muted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.silenced_by.is_empty() && self.inhibited_by.is_empty()
    }
}

impl Muting<'_> {
    /// Whether there is nothing that could keep anything quiet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.silences.is_empty() && self.inhibitions.is_empty()
    }

    /// Who keeps the alert of that fingerprint and these labels quiet at `now`; `firing` are all of its target that fire,
    /// ascending by fingerprint.
    pub(super) fn of(
        &self,
        fingerprint: &str,
        labels: &Labels,
        firing: &BTreeMap<String, Labels>,
        now: EventTime,
    ) -> Muted {
        let silences = self.silences.iter().filter(|silence| silence.holds(labels, now));
        let others = firing.iter().filter(|(other, _)| other.as_str() != fingerprint);
        let inhibits = |source: &Labels| self.inhibitions.iter().any(|rule| rule.inhibits(source, labels));
        Muted {
            silenced_by: silences.map(|silence| silence.name.clone()).collect(),
            inhibited_by: others.filter(|(_, source)| inhibits(source)).map(|(other, _)| other.clone()).collect(),
        }
    }
}

impl Silence {
    /// Reads the silences of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but silences.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "Silence", |document| match document {
            Document::Silence(silence) => Some(silence.clone()),
            _ => None,
        })
    }

    fn holds(&self, labels: &Labels, now: EventTime) -> bool {
        self.from.is_none_or(|from| from <= now) && now < self.until && fits(&self.matchers, labels)
    }
}

impl Inhibition {
    /// Reads the inhibition rules of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but inhibition rules.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "Inhibition", |document| match document {
            Document::Inhibition(inhibition) => Some(inhibition.clone()),
            _ => None,
        })
    }

    /// **Q3**.
    fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        let are_both = |labels: &Labels| fits(&self.source, labels) && fits(&self.target, labels);
        let is_equal = |label: &String| value_of(source, label) == value_of(target, label);
        fits(&self.source, source)
            && fits(&self.target, target)
            && !(are_both(source) && are_both(target))
            && self.equal.iter().all(is_equal)
    }
}

fn fits(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| {
        let value = value_of(labels, &matcher.label);
        let fits = match &matcher.value {
            Value::Is(wanted) => wanted == value,
            Value::Like(pattern) => pattern.matches(value),
        };
        fits == matcher.want
    })
}

fn value_of<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

impl RawSilence {
    /// The silence, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<Silence, Problem> {
        let (name, version) = check_metadata(self.metadata)?;
        let RawSilenceSpec { matchers, from, until, author, comment } = self.spec;
        let from = from.map(|from| from.0);
        if from.is_some_and(|from| from >= until.0) {
            return Err(Problem::at("spec.until", format!("expected a time after spec.from, found {}", until.0)));
        }
        if author.trim().is_empty() {
            return Err(Problem::at("spec.author", "expected who says so, found nobody"));
        }
        let matchers = check_matchers(matchers, "spec.matchers")?;
        let mut silence =
            Silence { name, version, matchers, from, until: until.0, author, comment, hash: String::new() };
        silence.hash =
            hash_of(&serde_json::to_vec(&silence).expect("a checked silence holds nothing that JSON cannot"));
        Ok(silence)
    }
}

impl RawInhibition {
    /// The rule, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<Inhibition, Problem> {
        let (name, version) = check_metadata(self.metadata)?;
        let RawInhibitionSpec { source, target, equal } = self.spec;
        let source = check_matchers(source, "spec.source")?;
        let target = check_matchers(target, "spec.target")?;
        let mut rule = Inhibition { name, version, source, target, equal, hash: String::new() };
        rule.hash = hash_of(&serde_json::to_vec(&rule).expect("a checked rule holds nothing that JSON cannot"));
        Ok(rule)
    }
}

fn check_metadata(metadata: RawMetadata) -> Result<(String, u32), Problem> {
    if metadata.name.trim().is_empty() {
        return Err(Problem::at("metadata.name", "expected a name, found none"));
    }
    Ok((metadata.name, metadata.version))
}

fn check_matchers(raw: Vec<RawMatcher>, path: &str) -> Result<Vec<Matcher>, Problem> {
    if raw.is_empty() {
        return Err(Problem::at(path, "expected at least one matcher, found none: that would fit every alert"));
    }
    let check = |(index, RawMatcher { label, is, is_not, like, unlike }): (usize, RawMatcher)| {
        let glob = |pattern: String| Value::Like(Glob::new(&pattern));
        let (want, value) = match (is, is_not, like, unlike) {
            (Some(value), None, None, None) => (true, Value::Is(value)),
            (None, Some(value), None, None) => (false, Value::Is(value)),
            (None, None, Some(pattern), None) => (true, glob(pattern)),
            (None, None, None, Some(pattern)) => (false, glob(pattern)),
            _ => {
                let message = "expected exactly one of `is`, `is_not`, `like` and `unlike`";
                return Err(Problem::at(format!("{path}[{index}]"), message));
            }
        };
        Ok(Matcher { label, want, value })
    };
    raw.into_iter().enumerate().map(check).collect()
}
