//! A file of policy tests as checked.

use super::expect::{AlertExpectation, DecisionExpectation, Span, When};
use super::raw::{
    RawAlertExpectation, RawCase, RawExpectation, RawFinding, RawOther, RawScaling, RawTelemetry, RawTestFile, Text,
};
use super::series::Series;
use crate::document::{self, API_VERSION};
use crate::error::{Place, PolicyError, Problem};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_model::{EventTime, FindingKind, InstanceId, Region, Severity, Target, WorkspaceId};

/// Without a word: 2026-01-01T00:00:00Z.
const START: EventTime = EventTime::from_secs(1_767_225_600);
const MAX_INSTANCES: f64 = 10_000.0;
const MAX_SPAN: Duration = Duration::from_hours(31 * 24);

/// A file of tests.
#[derive(Clone, Debug, PartialEq)]
pub struct TestFile {
    /// The file, as it was named.
    pub file: String,
    /// Files of policies and rules, as they are written.
    pub policies: Vec<String>,
    /// The tests, in their order.
    pub cases: Vec<Case>,
    text: String,
}

/// One test. What the fields mean: [`RawCase`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "documented where they are written")]
pub struct Case {
    pub path: String,
    pub name: String,
    pub start: EventTime,
    pub interval: Duration,
    pub target: Target,
    pub instances: Series,
    pub starting: Series,
    pub silent: Series,
    pub follow: Option<Duration>,
    pub telemetry: Vec<Telemetry>,
    pub findings: Vec<Found>,
    pub scaling: Option<Scaling>,
    pub others: BTreeMap<String, Other>,
    pub expect: Vec<DecisionExpectation>,
    pub alerts: Vec<AlertExpectation>,
}

/// One metric or signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// What.
    pub what: What,
    /// Whose values they are.
    pub whose: Whose,
    /// The values.
    pub values: Series,
}

/// A finding that is open where it has a value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "documented where they are written")]
pub struct Found {
    pub kind: FindingKind,
    pub instance: Option<InstanceId>,
    pub severity: Severity,
    pub value: Series,
}

/// Decisions that came to nothing.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "documented where they are written")]
pub struct Scaling {
    pub failed: Series,
    pub unacknowledged: Series,
    pub without_effect: Series,
}

/// What another agent takes of its quotas, and would like to.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "documented where they are written")]
pub struct Other {
    pub takes: Series,
    pub wants: Series,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A metric by its name.
    Metric(String),
    /// A signal of SQL by its name.
    Signal(String),
}

/// Whose values they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of every instance, or of those that are named.
    Each(Option<BTreeSet<InstanceId>>),
    /// Of all ready instances together.
    Total,
    /// Of the agent's window.
    Agent,
}

impl Case {
    /// The last time at which anything is expected.
    #[must_use]
    pub fn end(&self) -> Duration {
        let of_decisions = self.expect.iter().map(|expectation| expectation.when.span().to);
        of_decisions.chain(self.alerts.iter().map(|alert| alert.at)).max().unwrap_or_default()
    }
}

impl TestFile {
    /// Reads the tests of a file; `file_name` is for messages only.
    ///
    /// # Errors
    ///
    /// The first [`PolicyError`] met.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, PolicyError> {
        let raw: RawTestFile = document::read_as(file_name, text)?;
        let checked = check(raw).map_err(|problem| document::locate(file_name, text, problem))?;
        let (policies, cases) = checked;
        Ok(Self { file: file_name.to_owned(), policies, cases, text: text.to_owned() })
    }

    /// Where the value at a key path stands.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        document::place_of(&self.text, path)
    }

    /// A problem with the key at its path, with its place.
    #[must_use]
    pub fn problem(&self, problem: Problem) -> PolicyError {
        document::locate(&self.file, &self.text, problem)
    }
}

fn check(raw: RawTestFile) -> Result<(Vec<String>, Vec<Case>), Problem> {
    require(raw.api_version == API_VERSION, "apiVersion", || {
        format!("expected {API_VERSION}, found `{}`", raw.api_version)
    })?;
    require(raw.kind == "PolicyTest", "kind", || format!("expected PolicyTest, found `{}`", raw.kind))?;
    require(!raw.policies.is_empty(), "policies", || "expected at least one file, found none".to_owned())?;
    require(!raw.tests.is_empty(), "tests", || "expected at least one test, found none".to_owned())?;
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for (index, raw) in raw.tests.into_iter().enumerate() {
        let path = format!("tests[{index}]");
        require(!raw.name.trim().is_empty(), format!("{path}.name"), || "expected a name, found none".to_owned())?;
        require(names.insert(raw.name.clone()), format!("{path}.name"), || {
            format!("expected a name of its own, found `{}` a second time", raw.name)
        })?;
        cases.push(check_case(raw, path)?);
    }
    Ok((raw.policies, cases))
}

fn check_case(raw: RawCase, path: String) -> Result<Case, Problem> {
    let interval = raw.interval.map_or(Duration::from_secs(10), |interval| interval.0);
    require(!interval.is_zero(), format!("{path}.interval"), || "expected more than 0s, found 0s".to_owned())?;
    require(raw.follow.is_none() || raw.starting.is_none(), format!("{path}.starting"), || {
        "expected none beside `follow`, which says itself who is starting".to_owned()
    })?;
    require(!raw.expect.is_empty() || !raw.alerts.is_empty(), path.clone(), || {
        "expected `expect` or `alerts`, found neither".to_owned()
    })?;
    let instances = counts(&raw.instances, &format!("{path}.instances"))?;
    let is_one = instances.values().count() == 1;
    require(raw.follow.is_none() || is_one, format!("{path}.instances"), || {
        "expected one number beside `follow`: those at the start".to_owned()
    })?;
    let or_none = |text: Option<&Text>, key: &str| match text {
        Some(text) => counts(text, &format!("{path}.{key}")),
        None => Ok(Series::constant(0.0)),
    };
    let workspace = raw.target.workspace.map_or_else(WorkspaceId::unnamed, WorkspaceId::from);
    let agent = raw.target.agent.unwrap_or_else(|| "agent".to_owned()).into();
    let each = |(index, telemetry)| check_telemetry(telemetry, &format!("{path}.telemetry[{index}]"));
    let expected = |(index, raw)| check_expectation(raw, format!("{path}.expect[{index}]"));
    let found = |(index, raw)| check_finding(raw, &format!("{path}.findings[{index}]"));
    let alerts = raw.alerts.into_iter().enumerate();
    let case = Case {
        start: check_start(raw.start.as_deref(), &format!("{path}.start"))?,
        interval,
        target: Target { workspace, agent, region: raw.target.region.map(Region::from) },
        starting: or_none(raw.starting.as_ref(), "starting")?,
        silent: or_none(raw.silent.as_ref(), "silent")?,
        instances,
        follow: raw.follow.map(|follow| follow.ready_after.0),
        findings: raw.findings.into_iter().enumerate().map(found).collect::<Result<_, _>>()?,
        scaling: raw.scaling.map(|raw| check_scaling(&raw, &format!("{path}.scaling"))).transpose()?,
        others: raw.others.into_iter().map(|(agent, raw)| other(agent, &raw, &path)).collect::<Result<_, _>>()?,
        telemetry: raw.telemetry.into_iter().enumerate().map(each).collect::<Result<_, _>>()?,
        expect: raw.expect.into_iter().enumerate().map(expected).collect::<Result<_, _>>()?,
        alerts: alerts.map(|(index, raw)| alert(raw, format!("{path}.alerts[{index}]"))).collect(),
        name: raw.name,
        path,
    };
    require(case.end() <= MAX_SPAN, &case.path, || "expected nothing later than 31d".to_owned())?;
    Ok(case)
}

fn check_start(raw: Option<&str>, path: &str) -> Result<EventTime, Problem> {
    let Some(raw) = raw else { return Ok(START) };
    let time: Timestamp = raw
        .parse()
        .map_err(|_| Problem::at(path, format!("expected a time such as 2026-01-05T08:00:00Z, found `{raw}`")))?;
    Ok(EventTime::from_micros(time.as_microsecond()))
}

fn check_telemetry(raw: RawTelemetry, path: &str) -> Result<Telemetry, Problem> {
    let what = match (raw.metric, raw.signal) {
        (Some(metric), None) => What::Metric(metric),
        (None, Some(signal)) => What::Signal(signal),
        _ => return Err(Problem::at(path, "expected exactly one of `metric` and `signal`")),
    };
    let named = raw.instances.map(|names| names.into_iter().map(InstanceId::from).collect());
    let (whose, key, values) = match (raw.each, raw.total, raw.agent, named) {
        (Some(each), None, None, named) => (Whose::Each(named), "each", each),
        (None, Some(total), None, None) => (Whose::Total, "total", total),
        (None, None, Some(agent), None) => (Whose::Agent, "agent", agent),
        (None, _, _, Some(_)) => {
            return Err(Problem::at(format!("{path}.instances"), "expected only beside `each`"));
        }
        _ => return Err(Problem::at(path, "expected exactly one of `each`, `total` and `agent`")),
    };
    let of_agent = matches!(&what, What::Metric(metric) if metric == "error_rate");
    require(!of_agent || whose == Whose::Agent, format!("{path}.{key}"), || {
        "expected `agent` for error_rate; of instances give requests, server_errors and timeout_errors".to_owned()
    })?;
    let is_signal = matches!(what, What::Signal(_));
    require(!is_signal || whose != Whose::Total, format!("{path}.{key}"), || {
        "expected `agent` or `each` for a signal of SQL, whose answer is not shared".to_owned()
    })?;
    Ok(Telemetry { what, whose, values: series(&values, &format!("{path}.{key}"))? })
}

fn check_finding(raw: RawFinding, path: &str) -> Result<Found, Problem> {
    let (instance, severity) = (raw.instance.map(InstanceId::from), raw.severity.unwrap_or(Severity::Warning));
    Ok(Found { kind: raw.kind, instance, severity, value: series(&raw.value, &format!("{path}.value"))? })
}

fn other(agent: String, RawOther { takes, wants }: &RawOther, path: &str) -> Result<(String, Other), Problem> {
    let at = format!("{path}.others.{agent}");
    let takes_path = format!("{at}.takes");
    let wants =
        wants.as_ref().map_or_else(|| counts(takes, &takes_path), |wants| counts(wants, &format!("{at}.wants")));
    Ok((agent, Other { takes: counts(takes, &takes_path)?, wants: wants? }))
}

fn check_scaling(raw: &RawScaling, path: &str) -> Result<Scaling, Problem> {
    let of = |text: &Option<Text>, key: &str| match text {
        Some(text) => counts(text, &format!("{path}.{key}")),
        None => Ok(Series::constant(0.0)),
    };
    Ok(Scaling {
        failed: of(&raw.failed, "failed")?,
        unacknowledged: of(&raw.unacknowledged, "unacknowledged")?,
        without_effect: of(&raw.without_effect, "without_effect")?,
    })
}

fn check_expectation(raw: RawExpectation, path: String) -> Result<DecisionExpectation, Problem> {
    let when = match (raw.at, raw.from, raw.to) {
        (Some(at), None, None) => When::At(at.0),
        (None, Some(from), Some(to)) if from <= to => When::Throughout(Span { from: from.0, to: to.0 }),
        (None, Some(from), Some(to)) => {
            return Err(Problem::at(format!("{path}.to"), format!("expected {from} or later, found {to}")));
        }
        _ => return Err(Problem::at(path, "expected either `at`, or `from` and `to`")),
    };
    require(raw.changes.is_none() || matches!(when, When::Throughout(_)), format!("{path}.changes"), || {
        "expected only beside `from` and `to`".to_owned()
    })?;
    let range = |text: Option<Text>, key: &str| text.map(|text| range(&text.0, &format!("{path}.{key}"))).transpose();
    let expectation = DecisionExpectation {
        policy: raw.policy,
        when,
        desired: range(raw.desired, "desired")?,
        action: raw.action,
        reason: raw.reason,
        bound_by: raw.bound_by,
        wishes: raw.wishes.unwrap_or_default(),
        values: raw.values.unwrap_or_default(),
        says: raw.says,
        published: raw.published,
        changes: range(raw.changes, "changes")?,
        path: path.clone(),
    };
    let nothing = DecisionExpectation {
        policy: expectation.policy.clone(),
        desired: None,
        action: None,
        reason: None,
        bound_by: None,
        wishes: [].into(),
        values: [].into(),
        says: None,
        published: None,
        changes: None,
        path: path.clone(),
        when,
    };
    require(expectation != nothing, path, || "expected something to compare, such as `desired: 4`".to_owned())?;
    Ok(expectation)
}

fn alert(raw: RawAlertExpectation, path: String) -> AlertExpectation {
    let instance = raw.instance.map(InstanceId::from);
    let sorted = |names: Option<Vec<String>>| {
        names.map(|mut names| {
            names.sort();
            names
        })
    };
    AlertExpectation {
        path,
        at: raw.at.0,
        rule: raw.rule,
        instance,
        finding: raw.finding,
        state: raw.state,
        silenced_by: sorted(raw.silenced_by),
        inhibited_by: sorted(raw.inhibited_by),
        says: raw.says,
    }
}

fn series(text: &Text, path: &str) -> Result<Series, Problem> {
    Series::parse(&text.0).map_err(|error| Problem::at(path, error.to_string()))
}

/// A series of whole numbers of instances.
fn counts(text: &Text, path: &str) -> Result<Series, Problem> {
    let series = series(text, path)?;
    let is_count =
        |value: Option<f64>| value.is_some_and(|value| value.fract() == 0.0 && (0.0..=MAX_INSTANCES).contains(&value));
    require(series.values().all(is_count), path, || {
        format!("expected whole numbers from 0 to {MAX_INSTANCES}, found `{}`", text.0)
    })?;
    Ok(series)
}

/// `4` or `4..6`.
fn range(text: &str, path: &str) -> Result<RangeInclusive<u32>, Problem> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err(Problem::at(path, format!("expected a whole number, or a stretch such as `4..6`, found `{text}`"))),
    }
}

fn require(holds: bool, path: impl Into<String>, message: impl FnOnce() -> String) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::at(path, message())) }
}
