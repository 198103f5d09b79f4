//! Signals of SQL: a name and a SELECT, as an operator wrote them; and what the SELECT gave at a close.
//!
//! ```text
//!  YAML ─► RawSignalDocument ─► check ─► SqlSignal ─► (engine: plan, once) ─► SignalValues ─► policies, alert rules
//! ```
//!
//! Nothing here knows SQL: whoever evaluates it hands the values over. So a policy reads them as it reads a metric, and
//! is a function of its arguments still.
//!
//! - **G1** A value is finite, or there is none.
//! - **G2** No value and no answer are told apart: the first follows `when_absent`, the second is never taken for 0.

use crate::document::{self, Document};
use crate::error::{PolicyError, Problem, nearest};
use crate::identity::hash_of;
use crate::policy::check::check_window;
use crate::policy::raw::{RawMetadata, RawSignal, RawWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{InstanceId, WindowSpec};

/// Longest SELECT, in bytes.
const MAX_SQL_BYTES: usize = 16 * 1024;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// The document as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSignalDocument {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Signal`.
    pub kind: String,
    /// Name and version. The name is what policies and alert rules say: small letters, digits and `_`, a letter first.
    pub metadata: RawMetadata,
    /// The rest.
    pub spec: RawSignalSpec,
}

/// What is evaluated, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSignalSpec {
    /// The windows at whose close it is evaluated, and whose rows it sees. Default: 1m sliding by 10s.
    #[serde(default)]
    pub window: RawWindow,
    /// One SELECT over the tables `windows` and `instances`, at most 16 KiB.
    pub sql: String,
}

/// A signal as checked, but for its SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SqlSignal {
    /// What policies and alert rules call it.
    pub name: String,
    /// Its version; a change must raise it.
    pub version: u32,
    /// The windows at whose close it is evaluated.
    #[serde(serialize_with = "crate::policy::window_spec")]
    pub window: WindowSpec,
    /// The SELECT, without blanks around it.
    pub sql: String,
    /// SHA-256 of all the above, hex.
    #[serde(skip)]
    pub hash: String,
}

impl SqlSignal {
    /// Reads the signals of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with key path and place; also if the file holds anything but signals.
    pub fn parse(file_name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        document::parse_only(file_name, text, "Signal", |document| match document {
            Document::Signal(signal) => Some(signal.clone()),
            _ => None,
        })
    }

    /// Whether it is evaluated whenever a window of `spec` closes: its own windows end there too.
    #[must_use]
    pub fn ends_with(&self, spec: WindowSpec) -> bool {
        spec.slide.as_micros().is_multiple_of(self.window.slide.as_micros())
    }
}

impl RawSignalDocument {
    /// The signal, checked but for its SQL.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<SqlSignal, Problem> {
        let name = self.metadata.name;
        if !is_name(&name) {
            let message = format!(
                "expected small letters, digits and `_`, a letter first, at most {MAX_NAME_BYTES}, found `{name}`"
            );
            return Err(Problem::at("metadata.name", message));
        }
        if RawSignal::BUILT_IN.contains(&name.as_str()) {
            let message = format!("expected a name of its own, but `{name}` is one of the usual signals");
            return Err(Problem::at("metadata.name", message));
        }
        if self.metadata.version == 0 {
            return Err(Problem::at("metadata.version", "expected 1 or more, found 0"));
        }
        let sql = self.spec.sql.trim().to_owned();
        if sql.is_empty() || sql.len() > MAX_SQL_BYTES {
            let message = format!("expected a SELECT of at most {MAX_SQL_BYTES} bytes, found {}", sql.len());
            return Err(Problem::at("spec.sql", message));
        }
        let window = check_window(self.spec.window, "spec.window")?;
        let mut signal = SqlSignal { name, version: self.metadata.version, window, sql, hash: String::new() };
        signal.hash = hash_of(&serde_json::to_vec(&signal).expect("a checked signal holds nothing that JSON cannot"));
        Ok(signal)
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= MAX_NAME_BYTES && name.chars().all(fits)
}

/// The message about a name that no signal has.
#[must_use]
pub fn unknown(name: &str, known: &[&str]) -> (String, Option<String>) {
    let all: Vec<&str> = RawSignal::BUILT_IN.iter().chain(known).copied().collect();
    let list = all.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    (format!("unknown signal `{name}`; expected one of {list}"), nearest(name, all))
}

/// The same for a rule of alerts, which names signals of SQL only.
#[must_use]
pub fn unknown_to_rules(name: &str, known: &[&str]) -> (String, Option<String>) {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let expected = match known {
        [] => "expected a signal of SQL, of which there is none".to_owned(),
        _ => format!("expected a signal of SQL, one of {list}"),
    };
    let message = format!(
        "unknown signal `{name}`; {expected}; CPU and memory are of `kind: utilization`, other metrics of `kind: metric`"
    );
    (message, nearest(name, known.iter().copied()))
}

/// What one signal said of one agent at one close.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalValue {
    /// Of the whole agent; `None` without a row, or where it is null.
    Agent(Option<f64>),
    /// Of instances; those without a row, and those of which it is null, are not there.
    Instances(BTreeMap<InstanceId, f64>),
    /// There is no answer.
    Failed(SignalFailure),
}

/// Why a signal has no answer. The words stand in decisions, so that they are the same on every replay; what else is
/// known goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SignalFailure {
    /// No such signal holds.
    #[error("no signal of that name holds")]
    Unknown,
    /// Its windows do not end here, or not enough of the past is known yet.
    #[error("its window is not whole here")]
    NoWindow,
    /// It has a value of each instance, and one of the agent was asked for; or the other way round.
    #[error("it is by instance where it should not be, or the other way round")]
    Level,
    /// It gives more than one row of the agent, or of one instance.
    #[error("it gives more than one row")]
    TooManyRows,
    /// It needs more memory than a signal may take.
    #[error("it needs more memory than it may take")]
    Memory,
    /// It works through more rows than a signal may.
    #[error("it works through more rows than it may")]
    Work,
    /// It divides by zero, or whatever else only shows in the data.
    #[error("its evaluation failed")]
    Evaluation,
}

/// What the signals said of one agent at one close, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignalValues(BTreeMap<String, SignalValue>);

impl SignalValues {
    /// Nothing is known.
    pub const NONE: &'static Self = &Self(BTreeMap::new());

    /// Keeps what a signal said. **G1**: numbers that are not finite are no values.
    pub fn insert(&mut self, name: &str, value: SignalValue) {
        let value = match value {
            SignalValue::Agent(value) => SignalValue::Agent(value.filter(|value| value.is_finite())),
            SignalValue::Instances(mut values) => {
                values.retain(|_, value| value.is_finite());
                SignalValue::Instances(values)
            }
            failed @ SignalValue::Failed(_) => failed,
        };
        self.0.insert(name.to_owned(), value);
    }

    /// What a signal said.
    #[must_use]
    pub fn get(&self, name: &str) -> &SignalValue {
        self.0.get(name).unwrap_or(&SignalValue::Failed(SignalFailure::Unknown))
    }

    /// The value of the agent, or of one of its instances.
    ///
    /// # Errors
    ///
    /// [`SignalFailure`] if there is no answer, which is something else than no value (**G2**).
    pub fn value(&self, name: &str, instance: Option<&InstanceId>) -> Result<Option<f64>, SignalFailure> {
        match (self.get(name), instance) {
            (SignalValue::Agent(value), None) => Ok(*value),
            (SignalValue::Instances(values), Some(instance)) => Ok(values.get(instance).copied()),
            (SignalValue::Failed(failure), _) => Err(*failure),
            _ => Err(SignalFailure::Level),
        }
    }
}

impl FromIterator<(String, SignalValue)> for SignalValues {
    fn from_iter<T: IntoIterator<Item = (String, SignalValue)>>(values: T) -> Self {
        let mut all = Self::default();
        values.into_iter().for_each(|(name, value)| all.insert(&name, value));
        all
    }
}
