//! Kubernetes' HorizontalPodAutoscaler.

use super::draft::{Draft, DraftDirection, quoted};
use super::{part, quantity, scalar};
use crate::error::Problem;
use crate::hpa::rate::Select;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: TargetRef,
    min_replicas: Option<u32>,
    max_replicas: u32,
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    behavior: Behavior,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecV1 {
    scale_target_ref: TargetRef,
    min_replicas: Option<u32>,
    max_replicas: u32,
    #[serde(rename = "targetCPUUtilizationPercentage")]
    target_cpu: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct TargetRef {
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Behavior {
    pub(super) scale_up: Option<Rules>,
    pub(super) scale_down: Option<Rules>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rules {
    stabilization_window_seconds: Option<u32>,
    select_policy: Option<String>,
    policies: Option<Vec<RulePolicy>>,
    tolerance: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RulePolicy {
    r#type: String,
    value: u32,
    period_seconds: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    r#type: String,
    resource: Option<ResourceSource>,
    container_resource: Option<ResourceSource>,
    pods: Option<NamedSource>,
    object: Option<NamedSource>,
    external: Option<NamedSource>,
}

#[derive(Deserialize)]
struct ResourceSource {
    name: String,
    container: Option<String>,
    target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedSource {
    metric: MetricName,
    target: Target,
    described_object: Option<DescribedObject>,
}

#[derive(Deserialize)]
struct MetricName {
    name: String,
    selector: Option<Value>,
}

#[derive(Deserialize)]
struct DescribedObject {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    r#type: Option<String>,
    average_utilization: Option<u32>,
    average_value: Option<Value>,
    value: Option<Value>,
}

/// What a target wants, in the words of policies.
enum Wanted {
    Percent(u32),
    Average(f64),
    Whole(f64),
}

/// autoscaling/v2.
pub(super) fn import(manifest: &Value) -> Result<Draft, Problem> {
    let (metadata, spec): (Metadata, Spec) = (part(manifest, "metadata")?, part(manifest, "spec")?);
    let mut draft = start(&metadata, spec.scale_target_ref, spec.min_replicas, spec.max_replicas);
    for (index, metric) in spec.metrics.iter().enumerate() {
        import_metric(&mut draft, metric, &format!("spec.metrics[{index}]"))?;
    }
    if spec.metrics.is_empty() {
        resource(&mut draft, "cpu", &Wanted::Percent(80), "spec.metrics");
    }
    if draft.objectives.is_empty() {
        return Err(Problem::at("spec.metrics", "expected a metric that has an equivalent, found none"));
    }
    behavior(&mut draft, &spec.behavior, "spec.behavior")?;
    Ok(draft)
}

/// autoscaling/v1, which knows CPU only.
pub(super) fn import_v1(manifest: &Value) -> Result<Draft, Problem> {
    let (metadata, spec): (Metadata, SpecV1) = (part(manifest, "metadata")?, part(manifest, "spec")?);
    let mut draft = start(&metadata, spec.scale_target_ref, spec.min_replicas, spec.max_replicas);
    let percent = Wanted::Percent(spec.target_cpu.unwrap_or(80));
    resource(&mut draft, "cpu", &percent, "spec.targetCPUUtilizationPercentage");
    let hidden = metadata.annotations.keys().filter(|key| key.starts_with("autoscaling.alpha.kubernetes.io/"));
    for key in hidden {
        draft.note(
            format!("metadata.annotations.{key}"),
            "is not read; `kubectl get hpa.v2.autoscaling` shows it as v2",
        );
    }
    Ok(draft)
}

fn start(metadata: &Metadata, target: TargetRef, min: Option<u32>, max: u32) -> Draft {
    let mut draft = Draft {
        name: metadata.name.clone(),
        agent: target.name,
        min_instances: min.unwrap_or(1),
        max_instances: max,
        ..Draft::default()
    };
    if min == Some(0) {
        draft.note(
            "spec.minReplicas",
            "0 is kept, but nothing is put to sleep or woken: a target that has none keeps none",
        );
    }
    draft
}

fn import_metric(draft: &mut Draft, metric: &Metric, path: &str) -> Result<(), Problem> {
    let missing = |key: &str| Problem::at(path, format!("expected `{key}` beside type {}, found none", metric.r#type));
    match metric.r#type.as_str() {
        "Resource" => {
            let source = metric.resource.as_ref().ok_or_else(|| missing("resource"))?;
            let wanted = wanted(&source.target, &format!("{path}.resource.target"))?;
            resource(draft, &source.name, &wanted, &format!("{path}.resource"));
        }
        "ContainerResource" => {
            let source = metric.container_resource.as_ref().ok_or_else(|| missing("containerResource"))?;
            let path = format!("{path}.containerResource");
            let wanted = wanted(&source.target, &format!("{path}.target"))?;
            let container = source.container.as_deref().unwrap_or_default();
            let message = format!("container `{container}` alone is not told apart: the whole instance counts");
            resource(draft, &source.name, &wanted, &path);
            draft.note(path, message);
        }
        "Pods" => {
            let source = metric.pods.as_ref().ok_or_else(|| missing("pods"))?;
            named(draft, source, &format!("{path}.pods"), false)?;
        }
        "Object" => {
            let source = metric.object.as_ref().ok_or_else(|| missing("object"))?;
            named(draft, source, &format!("{path}.object"), true)?;
        }
        "External" => {
            let source = metric.external.as_ref().ok_or_else(|| missing("external"))?;
            named(draft, source, &format!("{path}.external"), true)?;
        }
        other => {
            let message = format!("expected Resource, ContainerResource, Pods, Object or External, found `{other}`");
            return Err(Problem::at(format!("{path}.type"), message));
        }
    }
    Ok(())
}

fn wanted(target: &Target, path: &str) -> Result<Wanted, Problem> {
    let number = |value: &Value, key: &str| {
        quantity(&scalar(value)).map_err(|error| Problem::at(format!("{path}.{key}"), error.to_string()))
    };
    let kind = target.r#type.as_deref();
    match (kind, target.average_utilization, &target.average_value, &target.value) {
        (Some("Utilization") | None, Some(percent), _, _) => Ok(Wanted::Percent(percent)),
        (Some("AverageValue") | None, _, Some(value), _) => Ok(Wanted::Average(number(value, "averageValue")?)),
        (Some("Value") | None, _, _, Some(value)) => Ok(Wanted::Whole(number(value, "value")?)),
        _ => Err(Problem::at(path, "expected averageUtilization, averageValue or value, with its `type`, found none")),
    }
}

fn resource(draft: &mut Draft, name: &str, wanted: &Wanted, path: &str) {
    let metric = match name {
        "cpu" => "cpu_used_cores",
        "memory" => "memory_used_bytes",
        _ => return draft.note(path, format!("there is no utilization of `{name}` in telemetry")),
    };
    let objective = match wanted {
        Wanted::Percent(percent) => vec![
            ("name", quoted(&draft.new_name(name))),
            ("signal", name.to_owned()),
            ("of", "request".to_owned()),
            ("target", (f64::from(*percent) / 100.0).to_string()),
        ],
        Wanted::Average(value) | Wanted::Whole(value) => vec![
            ("name", quoted(&draft.new_name(name))),
            ("metric", metric.to_owned()),
            ("type", "average_value".to_owned()),
            ("target", value.to_string()),
        ],
    };
    draft.objectives.push(objective);
}

/// A metric by name: one value for each pod, or one of the whole.
fn named(draft: &mut Draft, source: &NamedSource, path: &str, is_whole: bool) -> Result<(), Problem> {
    let metric = metric_name(draft, &source.metric.name, &format!("{path}.metric.name"));
    if source.metric.selector.is_some() {
        let message = format!("is not applied: whoever fills `{metric}` into telemetry has to");
        draft.note(format!("{path}.metric.selector"), message);
    }
    let wanted = wanted(&source.target, &format!("{path}.target"))?;
    if is_whole {
        let of = source.described_object.as_ref().map(|object| format!(" of {} {}", object.kind, object.name));
        let message = format!(
            "`{metric}`{} is read from telemetry: let every instance report the whole value",
            of.unwrap_or_default()
        );
        draft.note(path, message);
    }
    let objective = match wanted {
        Wanted::Percent(_) => {
            let message = "expected averageValue or value: there is no utilization of a metric";
            return Err(Problem::at(format!("{path}.target"), message));
        }
        // The whole divided by the instances: a formula is one value of the agent.
        Wanted::Average(value) if is_whole => whole_average(draft, &metric, value),
        Wanted::Average(value) => plain(draft, &metric, "average_value", value),
        Wanted::Whole(value) => plain(draft, &metric, "value", value),
    };
    draft.objectives.push(objective);
    Ok(())
}

fn plain(draft: &Draft, metric: &str, kind: &str, target: f64) -> Vec<(&'static str, String)> {
    vec![
        ("name", quoted(&draft.new_name(metric))),
        ("metric", quoted(metric)),
        ("type", kind.to_owned()),
        ("target", target.to_string()),
    ]
}

/// A metric that every instance reports as a whole, compared with what one instance may have of it.
pub(super) fn whole_average(draft: &mut Draft, metric: &str, target: f64) -> Vec<(&'static str, String)> {
    let name = draft.new_name(metric);
    let formula = draft.formula(&format!("whole_{metric}"), format!("{metric}.mean"));
    vec![
        ("name", quoted(&name)),
        ("formula", formula),
        ("type", "average_value".to_owned()),
        ("target", target.to_string()),
    ]
}

/// The name in small letters, digits and `_`, as metrics of telemetry are called.
pub(super) fn metric_name(draft: &mut Draft, name: &str, path: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut plain: String = name.chars().map(fits).collect();
    if !plain.starts_with(|c: char| c.is_ascii_lowercase()) {
        plain.insert_str(0, "m_");
    }
    if plain != name {
        draft.note(path, format!("`{name}` is called `{plain}`: map it so in telemetry"));
    }
    plain
}

/// Both directions of `behavior`.
pub(super) fn behavior(draft: &mut Draft, behavior: &Behavior, path: &str) -> Result<(), Problem> {
    if let Some(rules) = &behavior.scale_up {
        draft.scale_up = direction(rules, &format!("{path}.scaleUp"))?;
    }
    if let Some(rules) = &behavior.scale_down {
        draft.scale_down = direction(rules, &format!("{path}.scaleDown"))?;
    }
    Ok(())
}

fn direction(rules: &Rules, path: &str) -> Result<DraftDirection, Problem> {
    let select = match rules.select_policy.as_deref() {
        None => None,
        Some("Max") => Some(Select::Max),
        Some("Min") => Some(Select::Min),
        Some("Disabled") => Some(Select::Disabled),
        Some(other) => {
            let message = format!("expected Max, Min or Disabled, found `{other}`");
            return Err(Problem::at(format!("{path}.selectPolicy"), message));
        }
    };
    let policy = |(index, policy): (usize, &RulePolicy)| match policy.r#type.as_str() {
        "Pods" => Ok(("instances", policy.value, policy.period_seconds)),
        "Percent" => Ok(("percent", policy.value, policy.period_seconds)),
        other => {
            let message = format!("expected Pods or Percent, found `{other}`");
            Err(Problem::at(format!("{path}.policies[{index}].type"), message))
        }
    };
    let policies = rules.policies.as_ref().filter(|policies| !policies.is_empty());
    let policies = policies.map(|policies| policies.iter().enumerate().map(policy).collect::<Result<_, _>>());
    let tolerance = rules.tolerance.as_ref().map(|value| quantity(&scalar(value)));
    let tolerance =
        tolerance.transpose().map_err(|error| Problem::at(format!("{path}.tolerance"), error.to_string()))?;
    Ok(DraftDirection {
        tolerance,
        stabilization_s: rules.stabilization_window_seconds,
        select,
        policies: policies.transpose()?,
    })
}
