//! A file of policy tests as written. Every key, its unit and its default are here; [`super::file`] makes it a
//! [`TestFile`](super::TestFile).

use crate::duration::HumanDuration;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use tidegauge_model::{Action, AlertState, FindingKind, ReasonCode, Severity};

/// The document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTestFile {
    /// `tidegauge.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `PolicyTest`.
    pub kind: String,
    /// Files of policies, quotas, alert rules, silences and inhibition rules, relative to this one.
    pub policies: Vec<String>,
    /// At least one.
    pub tests: Vec<RawCase>,
}

/// One test: a fleet, its telemetry, and what is expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCase {
    /// What it shows; unique in the file.
    pub name: String,
    /// The end of the first window, RFC 3339. Default: 2026-01-01T00:00:00Z, a Thursday. On a slide of every policy.
    pub start: Option<String>,
    /// Distance between two values of a series; a whole number of slides. Default: 10s. Windows close at every slide, and
    /// between two values the earlier one holds.
    pub interval: Option<HumanDuration>,
    /// Whom it is about. Default: workspace `default`, agent `agent`.
    #[serde(default)]
    pub target: RawTarget,
    /// Ready instances: a number or a series. They are called `i-0`, `i-1`, … With `follow`, those at the start.
    pub instances: Text,
    /// Instances that are starting, beside the ready ones: a number or a series. Default 0. Not with `follow`.
    pub starting: Option<Text>,
    /// How many of the ready ones do not report, the last ones: a number or a series. Default 0.
    pub silent: Option<Text>,
    /// The fleet becomes what the live policy decides.
    pub follow: Option<RawFollow>,
    /// What is measured. Of two that say the same of one instance the later one holds.
    #[serde(default)]
    pub telemetry: Vec<RawTelemetry>,
    /// What analytics have found. They are not run: this is what is open.
    #[serde(default)]
    pub findings: Vec<RawFinding>,
    /// What became of decisions, as actuators tell. Without it nobody tells.
    pub scaling: Option<RawScaling>,
    /// What other agents of the workspace take of its quotas, by agent. Agents that are not named are not heard of: their
    /// shares are lent to nobody.
    #[serde(default)]
    pub others: BTreeMap<String, RawOther>,
    /// What is to be decided.
    #[serde(default)]
    pub expect: Vec<RawExpectation>,
    /// Where alerts are to stand.
    #[serde(default)]
    pub alerts: Vec<RawAlertExpectation>,
}

/// Whom a test is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTarget {
    /// Default: `default`.
    pub workspace: Option<String>,
    /// Default: `agent`.
    pub agent: Option<String>,
    /// Default: none.
    pub region: Option<String>,
}

/// How the fleet follows.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFollow {
    /// How long a new instance starts before it is ready. Those that go are gone at once.
    pub ready_after: HumanDuration,
}

/// One metric, or the answer of one signal of SQL. Exactly one of `metric` and `signal`, exactly one of `each`, `total` and
/// `agent`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTelemetry {
    /// A metric by its name in telemetry: of a gauge its mean, of a counter the sum in a window, of a latency every
    /// percentile. `error_rate` only as `agent`.
    pub metric: Option<String>,
    /// A signal of SQL by its name. Its SQL is not run: this is its answer.
    pub signal: Option<String>,
    /// The value of every instance: a number or a series.
    pub each: Option<Text>,
    /// Shared evenly by the ready instances: a number or a series.
    pub total: Option<Text>,
    /// In the agent's window alone, instead of what its instances make of it: a number or a series.
    pub agent: Option<Text>,
    /// With `each`: only of these. Default: of all.
    pub instances: Option<Vec<String>>,
}

/// A finding that is open for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFinding {
    /// What it says: `hotspot`, `imbalance`, `saturation`, …
    pub kind: FindingKind,
    /// Of which instance. Default: of the agent.
    pub instance: Option<String>,
    /// How bad it is. Default: warning.
    pub severity: Option<Severity>,
    /// Its value while it is open, a number or a series; `_`: it is not.
    pub value: Text,
}

/// Another agent of the workspace: numbers or series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOther {
    /// Instances that it has.
    pub takes: Text,
    /// Instances that it would like to have. Default: those that it has.
    pub wants: Option<Text>,
}

/// Decisions that came to nothing: numbers or series. Default: 0.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawScaling {
    /// Failed, or carried out in part.
    pub failed: Option<Text>,
    /// Not taken up in time.
    pub unacknowledged: Option<Text>,
    /// Carried out without effect.
    pub without_effect: Option<Text>,
}

/// What is to be decided, at a time or throughout a stretch. Exactly one of `at` and `from` with `to`; at least one more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExpectation {
    /// Which policy. Needed where the file has several.
    pub policy: Option<String>,
    /// So long after the start; a window of the policy ends then.
    pub at: Option<HumanDuration>,
    /// At every window from here on.
    pub from: Option<HumanDuration>,
    /// Up to here, inclusive.
    pub to: Option<HumanDuration>,
    /// Instances: a number, or a stretch such as `4..6` with both ends.
    pub desired: Option<Text>,
    /// `scale_up`, `scale_down` or `hold`.
    pub action: Option<Action>,
    /// The first reason, which is the signals'.
    pub reason: Option<ReasonCode>,
    /// The reasons of the constraints that changed the answer, in their order; `[]`: none did.
    pub bound_by: Option<Vec<ReasonCode>>,
    /// What signals alone ask for, by name; `null`: no answer.
    pub wishes: Option<BTreeMap<String, Option<u32>>>,
    /// What was measured, by name of the signal, to six digits; `null`: no value.
    pub values: Option<BTreeMap<String, Option<f64>>>,
    /// Words of the explanation.
    pub says: Option<String>,
    /// Whether the decision is published.
    pub published: Option<bool>,
    /// With `from` and `to`: how often desired changes between them.
    pub changes: Option<Text>,
}

/// Where an alert is to stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAlertExpectation {
    /// So long after the start; a window of the rules ends then.
    pub at: HumanDuration,
    /// Name of the rule.
    pub rule: String,
    /// The instance, of rules by instance and of findings about one.
    pub instance: Option<String>,
    /// The kind of finding, of rules about several.
    pub finding: Option<FindingKind>,
    /// `inactive`, `pending`, `firing`, or `resolved`: it is inactive, and became so at this very window.
    pub state: AlertState,
    /// The silences that keep it quiet, by name; `[]`: none does.
    pub silenced_by: Option<Vec<String>>,
    /// The rules whose alerts keep it quiet; `[]`: none does.
    pub inhibited_by: Option<Vec<String>>,
    /// Words of its last summary.
    pub says: Option<String>,
}

/// A number or a text, as it is written: `0x10` is a series, not sixteen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsWritten;
        impl Visitor<'_> for AsWritten {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text such as `0.5x30 0.9x10`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(AsWritten)
    }
}
