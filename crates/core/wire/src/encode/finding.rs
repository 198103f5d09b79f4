//! Findings as they are on the wire: the entity taken apart into a kind and a name.

use super::records::{At, names, target};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tidegauge_model::{
    Cause, Confidence, Entity, Evidence, Finding, FindingKind, FindingState, Region, Severity, Target, Text, TimeRange,
};

/// The kinds of [`Entity`], in the order of the schema.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntityKind {
    Workspace,
    Agent,
    Instance,
    Region,
    Resource,
    Shard,
    Coordinator,
    Dependency,
    RegionPair,
}

/// The order of fields is that of `schemas/finding.avsc`.
#[derive(Serialize, Deserialize)]
pub(super) struct FindingRecord<'a> {
    id: Cow<'a, str>,
    kind: FindingKind,
    workspace_id: Cow<'a, str>,
    agent_id: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    entity_kind: EntityKind,
    entity_id: Option<Cow<'a, str>>,
    state: FindingState,
    severity: Severity,
    value: f64,
    unit: Cow<'a, str>,
    evidence: Cow<'a, [Evidence]>,
    confidence: Cow<'a, Confidence>,
    causes: Cow<'a, [Cause]>,
    remedies: Cow<'a, [Text]>,
    completeness: f64,
    summary: Cow<'a, str>,
    onset: At,
    window_start: At,
    window_end: At,
}

impl<'a> From<&'a Finding> for FindingRecord<'a> {
    fn from(finding: &'a Finding) -> Self {
        let (of, entity_kind, entity_id) = parts(&finding.entity);
        let (workspace_id, agent_id, region) = match of {
            Of::Workspace(workspace) => (Cow::from(workspace), None, None),
            Of::Target(target) => {
                let (workspace_id, agent_id, region) = names(target);
                (workspace_id, Some(agent_id), region)
            }
        };
        Self {
            id: Cow::from(&finding.id),
            kind: finding.kind,
            workspace_id,
            agent_id,
            region,
            entity_kind,
            entity_id: entity_id.map(Cow::from),
            state: finding.state,
            severity: finding.severity,
            value: finding.value,
            unit: Cow::from(finding.unit.as_ref()),
            evidence: Cow::from(&finding.evidence),
            confidence: Cow::Borrowed(&finding.confidence),
            causes: Cow::from(&finding.causes),
            remedies: Cow::from(&finding.remedies),
            completeness: finding.completeness,
            summary: Cow::from(&finding.summary),
            onset: At(finding.onset),
            window_start: At(finding.window.start),
            window_end: At(finding.window.end),
        }
    }
}

impl From<FindingRecord<'_>> for Finding {
    fn from(record: FindingRecord<'_>) -> Self {
        Self {
            entity: entity(&record),
            id: record.id.into_owned(),
            kind: record.kind,
            onset: record.onset.0,
            window: TimeRange { start: record.window_start.0, end: record.window_end.0 },
            state: record.state,
            severity: record.severity,
            value: record.value,
            unit: Text::Owned(record.unit.into_owned()),
            evidence: record.evidence.into_owned(),
            confidence: record.confidence.into_owned(),
            causes: record.causes.into_owned(),
            remedies: record.remedies.into_owned(),
            completeness: record.completeness,
            summary: record.summary.into_owned(),
        }
    }
}

/// Whose entity it is.
enum Of<'a> {
    Workspace(&'a str),
    Target(&'a Target),
}

fn parts(entity: &Entity) -> (Of<'_>, EntityKind, Option<&str>) {
    use EntityKind as Kind;
    let (target, kind, name) = match entity {
        Entity::Workspace { workspace } => return (Of::Workspace(workspace.as_str()), Kind::Workspace, None),
        Entity::Agent { target } => return (Of::Target(target), Kind::Agent, None),
        Entity::Instance { target, instance } => (target, Kind::Instance, instance.as_str()),
        Entity::Region { target, region } => (target, Kind::Region, region.as_str()),
        Entity::RegionPair { target, pair } => (target, Kind::RegionPair, pair.as_ref()),
        Entity::Resource { target, resource } => (target, Kind::Resource, resource.as_ref()),
        Entity::Shard { target, shard } => (target, Kind::Shard, shard.as_ref()),
        Entity::Coordinator { target, coordinator } => (target, Kind::Coordinator, coordinator.as_ref()),
        Entity::Dependency { target, dependency } => (target, Kind::Dependency, dependency.as_ref()),
        _ => unreachable!("a kind of entity that has no place in the schema: it is added here with the kind"),
    };
    (Of::Target(target), kind, Some(name))
}

/// Of an entity without the name that its kind has, an empty one: other writers may leave it out.
fn entity(record: &FindingRecord<'_>) -> Entity {
    let target = target(&record.workspace_id, record.agent_id.as_deref().unwrap_or_default(), record.region.as_deref());
    let name = record.entity_id.as_deref().unwrap_or_default();
    let text = || Text::Owned(name.to_owned());
    match record.entity_kind {
        EntityKind::Workspace => Entity::Workspace { workspace: target.workspace },
        EntityKind::Agent => Entity::Agent { target },
        EntityKind::Instance => Entity::Instance { target, instance: name.into() },
        EntityKind::Region => Entity::Region { target, region: Region::from(name) },
        EntityKind::RegionPair => Entity::RegionPair { target, pair: text() },
        EntityKind::Resource => Entity::Resource { target, resource: text() },
        EntityKind::Shard => Entity::Shard { target, shard: text() },
        EntityKind::Coordinator => Entity::Coordinator { target, coordinator: text() },
        EntityKind::Dependency => Entity::Dependency { target, dependency: text() },
    }
}
