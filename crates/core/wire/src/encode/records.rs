//! Outputs as they are on the wire: flat, with field names that say their units. One type serves Avro and JSON.
//!
//! The order of fields is that of `schemas/*.avsc`; a test compares the lists.

use crate::time_text::parse_rfc3339;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{
    Action, AgentId, AlertFinding, AlertState, AlertTransition, Alternative, Attribute, Attributes, Choice,
    Completeness, Constraint, Counterfactual, Decision, DistributionSummary, Edition, EntityKey, EntityKind, EventTime,
    Factor, GaugeSummary, Importance, InstanceId, InstanceState, KeyShares, Level, MetricName, Mode, ReasonCode,
    Recommendation, Region, Regret, RequestAdvice, ResourceSaturation, Severity, SignalReading, SketchBytes, Target,
    TimeRange, WindowKind, WindowSummary, WorkspaceId,
};

/// A point in time: microseconds in Avro, RFC 3339 text in JSON.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) EventTime);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.0)
        } else {
            serializer.serialize_i64(self.0.as_micros())
        }
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(|micros| Self(EventTime::from_micros(micros)));
        }
        let text = Cow::<str>::deserialize(deserializer)?;
        // Beyond the calendar an event time prints as bare microseconds.
        let micros = || text.strip_suffix("us")?.parse().ok().map(EventTime::from_micros);
        let at = parse_rfc3339(&text).or_else(micros);
        at.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{text} is not an RFC 3339 time")))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WindowRecord<'a> {
    workspace_id: Cow<'a, str>,
    agent_id: Cow<'a, str>,
    region: Option<Cow<'a, str>>,
    instance_id: Option<Cow<'a, str>>,
    kind: WindowKind,
    window_start: At,
    window_end: At,
    slide_ms: u64,
    samples: u64,
    last_at: At,
    state: Option<InstanceState>,
    ready_at: Option<At>,
    #[serde(default)]
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    instances_ready: Option<u32>,
    instances_present: Option<u32>,
    completeness: Completeness,
    gauges: Cow<'a, BTreeMap<MetricName, GaugeSummary>>,
    latencies: Cow<'a, BTreeMap<MetricName, DistributionSummary>>,
    error_rate: Option<f64>,
    availability: Option<f64>,
    saturation: Cow<'a, BTreeMap<MetricName, ResourceSaturation>>,
    early_through: Option<At>,
    #[serde(default)]
    revision: u32,
    #[serde(default)]
    sketches: Cow<'a, BTreeMap<MetricName, SketchBytes>>,
    entity_kind: Option<EntityKind>,
    entity_id: Option<Cow<'a, str>>,
    level: Option<Level>,
    #[serde(default)]
    edition: EditionSaid,
    top_keys: Option<Cow<'a, KeyShares>>,
}

/// Which result of a window this is, in a word.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EditionSaid {
    #[default]
    Closed,
    Early,
    Revised,
}

impl EditionSaid {
    fn of(edition: Edition) -> Self {
        match edition {
            Edition { is_revised: true, .. } => Self::Revised,
            Edition { early_through: Some(_), .. } => Self::Early,
            Edition { .. } => Self::Closed,
        }
    }
}

impl<'a> From<&'a WindowSummary> for WindowRecord<'a> {
    fn from(window: &'a WindowSummary) -> Self {
        let (workspace_id, agent_id, region) = names(&window.target);
        Self {
            workspace_id,
            agent_id,
            region,
            instance_id: window.instance.as_ref().map(|id| Cow::from(id.as_str())),
            kind: window.kind(),
            window_start: At(window.range.start),
            window_end: At(window.range.end),
            slide_ms: u64::try_from(window.slide.as_millis()).unwrap_or(u64::MAX),
            samples: window.samples,
            last_at: At(window.last_at),
            state: window.state,
            ready_at: window.ready_at.map(At),
            attributes: window.attributes.iter().map(|(name, text)| (name.name().into(), (&**text).into())).collect(),
            instances_ready: window.instances_ready,
            instances_present: window.instances_present,
            completeness: window.completeness,
            gauges: Cow::Borrowed(&window.gauges),
            latencies: Cow::Borrowed(&window.latencies),
            error_rate: window.error_rate,
            availability: window.availability,
            saturation: Cow::Borrowed(&window.saturation),
            early_through: window.edition.early_through.map(At),
            revision: window.edition.revision,
            sketches: Cow::Borrowed(&window.sketches),
            entity_kind: window.entity.as_ref().map(|entity| entity.kind),
            entity_id: window.entity.as_ref().map(|entity| Cow::from(entity.id.as_str())),
            level: Some(window.level()),
            edition: EditionSaid::of(window.edition),
            top_keys: window.top_keys.as_ref().map(Cow::Borrowed),
        }
    }
}

impl From<WindowRecord<'_>> for WindowSummary {
    fn from(record: WindowRecord<'_>) -> Self {
        Self {
            target: target(&record.workspace_id, &record.agent_id, record.region.as_deref()),
            instance: record.instance_id.as_deref().map(InstanceId::from),
            entity: record
                .entity_kind
                .map(|kind| EntityKey::new(kind, record.entity_id.as_deref().unwrap_or_default())),
            range: TimeRange { start: record.window_start.0, end: record.window_end.0 },
            slide: Duration::from_millis(record.slide_ms),
            edition: Edition {
                early_through: record.early_through.map(|at| at.0),
                revision: record.revision,
                is_revised: record.edition == EditionSaid::Revised,
            },
            samples: record.samples,
            last_at: record.last_at.0,
            state: record.state,
            ready_at: record.ready_at.map(|at| at.0),
            attributes: known(&record.attributes),
            instances_ready: record.instances_ready,
            instances_present: record.instances_present,
            completeness: record.completeness,
            gauges: record.gauges.into_owned(),
            latencies: record.latencies.into_owned(),
            error_rate: record.error_rate,
            availability: record.availability,
            saturation: record.saturation.into_owned(),
            sketches: record.sketches.into_owned(),
            top_keys: record.top_keys.map(Cow::into_owned),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct DecisionRecord<'a> {
    id: Cow<'a, str>,
    workspace_id: Cow<'a, str>,
    agent_id: Cow<'a, str>,
    region: Option<Cow<'a, str>>,
    generation: u64,
    policy: Cow<'a, str>,
    policy_version: u32,
    policy_hash: Cow<'a, str>,
    mode: Mode,
    action: Action,
    current_instances: u32,
    desired_instances: u32,
    unlimited_desired_instances: u32,
    min_instances: u32,
    max_instances: u32,
    reasons: Cow<'a, [ReasonCode]>,
    signals: Cow<'a, [SignalReading]>,
    constraints: Cow<'a, [Constraint]>,
    completeness: f64,
    explanation: Cow<'a, str>,
    window_start: At,
    window_end: At,
    decided_at: At,
    first_decided_at: At,
    not_before: At,
    expires_at: At,
    binding: Option<ReasonCode>,
    counterfactual: Option<Cow<'a, Counterfactual>>,
    #[serde(default)]
    alternatives: Cow<'a, [Alternative]>,
    #[serde(default)]
    factors: Cow<'a, [Factor]>,
    regret: Option<Regret>,
    #[serde(default)]
    choice: Option<Cow<'a, Choice>>,
    #[serde(default)]
    recommendation: Option<Cow<'a, Recommendation>>,
    #[serde(default)]
    requests: Cow<'a, [RequestAdvice]>,
    #[serde(default)]
    confidence: Option<f64>,
}

impl<'a> From<&'a Decision> for DecisionRecord<'a> {
    fn from(decision: &'a Decision) -> Self {
        let (workspace_id, agent_id, region) = names(&decision.target);
        Self {
            id: Cow::from(&decision.id),
            workspace_id,
            agent_id,
            region,
            generation: decision.generation,
            policy: Cow::from(&decision.policy),
            policy_version: decision.policy_version,
            policy_hash: Cow::from(&decision.policy_hash),
            mode: decision.mode,
            action: decision.action,
            current_instances: decision.current_instances,
            desired_instances: decision.desired_instances,
            unlimited_desired_instances: decision.unlimited_desired_instances,
            min_instances: decision.min_instances,
            max_instances: decision.max_instances,
            reasons: Cow::from(&decision.reasons),
            signals: Cow::from(&decision.signals),
            constraints: Cow::from(&decision.constraints),
            completeness: decision.completeness,
            explanation: Cow::from(&decision.explanation),
            window_start: At(decision.window.start),
            window_end: At(decision.window.end),
            decided_at: At(decision.decided_at),
            first_decided_at: At(decision.first_decided_at),
            not_before: At(decision.not_before),
            expires_at: At(decision.expires_at),
            binding: decision.binding,
            counterfactual: decision.counterfactual.as_ref().map(Cow::Borrowed),
            alternatives: Cow::from(&decision.alternatives),
            factors: Cow::from(&decision.factors),
            regret: decision.regret,
            choice: decision.choice.as_ref().map(Cow::Borrowed),
            recommendation: decision.recommendation.as_ref().map(Cow::Borrowed),
            requests: Cow::from(&decision.requests),
            confidence: decision.confidence,
        }
    }
}

impl From<DecisionRecord<'_>> for Decision {
    fn from(record: DecisionRecord<'_>) -> Self {
        Self {
            target: target(&record.workspace_id, &record.agent_id, record.region.as_deref()),
            id: record.id.into_owned(),
            generation: record.generation,
            policy: record.policy.into_owned(),
            policy_version: record.policy_version,
            policy_hash: record.policy_hash.into_owned(),
            mode: record.mode,
            action: record.action,
            current_instances: record.current_instances,
            desired_instances: record.desired_instances,
            unlimited_desired_instances: record.unlimited_desired_instances,
            min_instances: record.min_instances,
            max_instances: record.max_instances,
            reasons: record.reasons.into_owned(),
            signals: record.signals.into_owned(),
            constraints: record.constraints.into_owned(),
            completeness: record.completeness,
            explanation: record.explanation.into_owned(),
            window: TimeRange { start: record.window_start.0, end: record.window_end.0 },
            decided_at: record.decided_at.0,
            first_decided_at: record.first_decided_at.0,
            not_before: record.not_before.0,
            expires_at: record.expires_at.0,
            binding: record.binding,
            counterfactual: record.counterfactual.map(Cow::into_owned),
            alternatives: record.alternatives.into_owned(),
            factors: record.factors.into_owned(),
            regret: record.regret,
            choice: record.choice.map(Cow::into_owned),
            recommendation: record.recommendation.map(Cow::into_owned),
            requests: record.requests.into_owned(),
            confidence: record.confidence,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AlertRecord<'a> {
    fingerprint: Cow<'a, str>,
    rule: Cow<'a, str>,
    workspace_id: Cow<'a, str>,
    agent_id: Cow<'a, str>,
    region: Option<Cow<'a, str>>,
    instance_id: Option<Cow<'a, str>>,
    #[serde(default)]
    finding_id: Option<Cow<'a, str>>,
    #[serde(default)]
    finding_kind: Option<Cow<'a, str>>,
    #[serde(default)]
    entity: Option<Cow<'a, str>>,
    severity: Severity,
    #[serde(default)]
    importance: Importance,
    from_state: AlertState,
    to_state: AlertState,
    no_data: bool,
    value: Option<f64>,
    threshold: f64,
    started_at: At,
    at: At,
    completeness: f64,
    summary: Cow<'a, str>,
    labels: Cow<'a, BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Cow<'a, BTreeMap<String, String>>,
    #[serde(default)]
    runbook_url: Option<Cow<'a, str>>,
    #[serde(default)]
    silenced_by: Cow<'a, [String]>,
    #[serde(default)]
    inhibited_by: Cow<'a, [String]>,
}

impl<'a> From<&'a AlertTransition> for AlertRecord<'a> {
    fn from(alert: &'a AlertTransition) -> Self {
        let (workspace_id, agent_id, region) = names(&alert.target);
        Self {
            fingerprint: Cow::from(&alert.fingerprint),
            rule: Cow::from(&alert.rule),
            workspace_id,
            agent_id,
            region,
            instance_id: alert.instance.as_ref().map(|id| Cow::from(id.as_str())),
            finding_id: alert.finding.as_ref().map(|finding| Cow::from(&finding.id)),
            finding_kind: alert.finding.as_ref().map(|finding| Cow::from(&finding.kind)),
            entity: alert.finding.as_ref().map(|finding| Cow::from(&finding.entity)),
            severity: alert.severity,
            importance: alert.importance,
            from_state: alert.from,
            to_state: alert.to,
            no_data: alert.no_data,
            value: alert.value,
            threshold: alert.threshold,
            started_at: At(alert.started_at),
            at: At(alert.at),
            completeness: alert.completeness,
            summary: Cow::from(&alert.summary),
            labels: Cow::Borrowed(&alert.labels),
            annotations: Cow::Borrowed(&alert.annotations),
            runbook_url: alert.runbook_url.as_deref().map(Cow::from),
            silenced_by: Cow::Borrowed(&alert.silenced_by),
            inhibited_by: Cow::Borrowed(&alert.inhibited_by),
        }
    }
}

impl From<AlertRecord<'_>> for AlertTransition {
    fn from(record: AlertRecord<'_>) -> Self {
        Self {
            fingerprint: record.fingerprint.into_owned(),
            rule: record.rule.into_owned(),
            target: target(&record.workspace_id, &record.agent_id, record.region.as_deref()),
            instance: record.instance_id.as_deref().map(InstanceId::from),
            finding: match (record.finding_id, record.finding_kind, record.entity) {
                (Some(id), Some(kind), Some(entity)) => {
                    Some(AlertFinding { id: id.into_owned(), kind: kind.into_owned(), entity: entity.into_owned() })
                }
                _ => None,
            },
            severity: record.severity,
            importance: record.importance,
            from: record.from_state,
            to: record.to_state,
            no_data: record.no_data,
            value: record.value,
            threshold: record.threshold,
            started_at: record.started_at.0,
            at: record.at.0,
            completeness: record.completeness,
            summary: record.summary.into_owned(),
            labels: record.labels.into_owned(),
            annotations: record.annotations.into_owned(),
            runbook_url: record.runbook_url.map(Cow::into_owned),
            silenced_by: record.silenced_by.into_owned(),
            inhibited_by: record.inhibited_by.into_owned(),
        }
    }
}

pub(super) fn names(target: &Target) -> (Cow<'_, str>, Cow<'_, str>, Option<Cow<'_, str>>) {
    let region = target.region.as_ref().map(|region| Cow::from(region.as_str()));
    (Cow::from(target.workspace.as_str()), Cow::from(target.agent.as_str()), region)
}

/// Attributes that a newer writer knows are left out.
fn known(attributes: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Attributes {
    attributes.iter().filter_map(|(name, text)| Some((Attribute::named(name)?, Box::from(&**text)))).collect()
}

pub(super) fn target(workspace: &str, agent: &str, region: Option<&str>) -> Target {
    Target { workspace: WorkspaceId::from(workspace), agent: AgentId::from(agent), region: region.map(Region::from) }
}
