//! KEDA's ScaledObject. KEDA makes a HorizontalPodAutoscaler of it, and wakes and puts to sleep by itself.

use super::draft::{Draft, quoted};
use super::hpa::{Behavior, Metadata, TargetRef, behavior, metric_name, whole_average};
use super::{part, quantity, scalar};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::policy::schedule::cron::Cron;
use jiff::civil::date;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Days in which the starts and ends of a cron trigger are looked at.
const DAYS: i64 = 800;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: TargetRef,
    min_replica_count: Option<u32>,
    max_replica_count: Option<u32>,
    #[serde(default)]
    advanced: Advanced,
    triggers: Vec<Trigger>,
    /// Everything else, which has no equivalent.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Advanced {
    horizontal_pod_autoscaler_config: Option<AutoscalerConfig>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct AutoscalerConfig {
    #[serde(default)]
    behavior: Behavior,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trigger {
    r#type: String,
    name: Option<String>,
    metric_type: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

impl Trigger {
    fn word(&self, key: &str) -> Option<String> {
        self.metadata.get(key).map(scalar)
    }

    fn needed(&self, key: &str, path: &str) -> Result<String, Problem> {
        let message = || format!("expected `{key}` of a trigger of type {}, found none", self.r#type);
        self.word(key).ok_or_else(|| Problem::at(format!("{path}.metadata"), message()))
    }

    fn number(&self, key: &str, path: &str) -> Result<Option<f64>, Problem> {
        let at = |error: super::NotAQuantity| Problem::at(format!("{path}.metadata.{key}"), error.to_string());
        self.word(key).map(|word| quantity(&word).map_err(at)).transpose()
    }
}

/// keda.sh/v1alpha1.
pub(super) fn import(manifest: &Value) -> Result<Draft, Problem> {
    let (metadata, spec): (Metadata, Spec) = (part(manifest, "metadata")?, part(manifest, "spec")?);
    let min = spec.min_replica_count.unwrap_or(0);
    let mut draft = Draft {
        name: metadata.name.clone(),
        agent: spec.scale_target_ref.name,
        min_instances: min.max(1),
        max_instances: spec.max_replica_count.unwrap_or(100),
        ..Draft::default()
    };
    if min == 0 {
        draft.note(
            "spec.minReplicaCount",
            "0 becomes 1: nothing is put to sleep or woken, so activation thresholds and \
                    cooldownPeriod have no part",
        );
    }
    for (index, trigger) in spec.triggers.iter().enumerate() {
        import_trigger(&mut draft, trigger, &format!("spec.triggers[{index}]"))?;
    }
    if draft.objectives.is_empty() && draft.schedules.is_empty() {
        return Err(Problem::at("spec.triggers", "expected a trigger that has an equivalent, found none"));
    }
    if draft.objectives.is_empty() {
        // A policy needs something that is measured; this asks for the minimum, and schedules for more.
        let demand = "{ name: minimum, lag: { waiting: 0, arrivals_per_s: 0, served_per_s: 1, catch_up: 1m } }";
        draft.demands.push(demand.to_owned());
    }
    if let Some(config) = &spec.advanced.horizontal_pod_autoscaler_config {
        behavior(&mut draft, &config.behavior, "spec.advanced.horizontalPodAutoscalerConfig.behavior")?;
    }
    paused(&mut draft, &metadata);
    without_equivalent(&mut draft, &spec.others, "spec");
    without_equivalent(&mut draft, &spec.advanced.others, "spec.advanced");
    Ok(draft)
}

fn paused(draft: &mut Draft, metadata: &Metadata) {
    let keys = ["autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"];
    for key in keys.into_iter().filter(|key| metadata.annotations.contains_key(*key)) {
        draft.is_shadow = true;
        draft
            .note(format!("metadata.annotations.{key}"), "becomes `mode: shadow`: decisions are recorded, nobody acts");
    }
}

fn without_equivalent(draft: &mut Draft, others: &BTreeMap<String, Value>, path: &str) {
    for (key, value) in others {
        let message = match key.as_str() {
            "pollingInterval" => "windows close every 10s whatever is polled".to_owned(),
            "cooldownPeriod" | "initialCooldownPeriod" => "is about going to zero, which has no equivalent".to_owned(),
            "idleReplicaCount" => format!("{value} instances while idle have no equivalent: min_instances holds"),
            "fallback" => {
                let replicas = value.get("replicas").map_or_else(|| "?".to_owned(), scalar);
                format!(
                    "{replicas} replicas while a trigger fails have no equivalent: what stands goes on, and nothing shrinks"
                )
            }
            "scalingModifiers" => "its formula is not translated: write it under `formulas`".to_owned(),
            "restoreToOriginalReplicaCount" => "is up to the actuator".to_owned(),
            _ => "has no equivalent".to_owned(),
        };
        draft.note(format!("{path}.{key}"), message);
    }
}

fn import_trigger(draft: &mut Draft, trigger: &Trigger, path: &str) -> Result<(), Problem> {
    match trigger.r#type.as_str() {
        "cpu" | "memory" => resource(draft, trigger, path)?,
        "kafka" | "apache-kafka" => kafka(draft, trigger, path)?,
        "prometheus" => prometheus(draft, trigger, path)?,
        "cron" => cron(draft, trigger, path)?,
        other => {
            let message = format!(
                "a trigger of type {other} has no equivalent: bring its number into telemetry, and name it as `metric`"
            );
            draft.note(path, message);
            return Ok(());
        }
    }
    for key in trigger.metadata.keys().filter(|key| key.starts_with("activation")) {
        draft.note(format!("{path}.metadata.{key}"), "has no equivalent: nothing is put to sleep or woken");
    }
    Ok(())
}

fn resource(draft: &mut Draft, trigger: &Trigger, path: &str) -> Result<(), Problem> {
    let kind = trigger.metric_type.clone().or_else(|| trigger.word("type"));
    let value = trigger.needed("value", path)?;
    let number = quantity(&value).map_err(|error| Problem::at(format!("{path}.metadata.value"), error.to_string()))?;
    if let Some(container) = trigger.word("containerName") {
        let message = format!("container `{container}` alone is not told apart: the whole instance counts");
        draft.note(format!("{path}.metadata.containerName"), message);
    }
    let signal = trigger.r#type.clone();
    let name = ("name", quoted(&draft.new_name(trigger.name.as_deref().unwrap_or(&signal))));
    let objective = match kind.as_deref() {
        Some("Utilization") | None => {
            let target = ("target", (number / 100.0).to_string());
            vec![name, ("signal", signal), ("of", "request".to_owned()), target]
        }
        Some("AverageValue") => {
            let metric = if signal == "cpu" { "cpu_used_cores" } else { "memory_used_bytes" };
            let kind = ("type", "average_value".to_owned());
            vec![name, ("metric", metric.to_owned()), kind, ("target", number.to_string())]
        }
        Some(other) => {
            let message = format!("expected Utilization or AverageValue, found `{other}`");
            return Err(Problem::at(format!("{path}.metricType"), message));
        }
    };
    draft.objectives.push(objective);
    Ok(())
}

/// The lag, as KEDA's HorizontalPodAutoscaler has it: that of all partitions, divided by the replicas.
fn kafka(draft: &mut Draft, trigger: &Trigger, path: &str) -> Result<(), Problem> {
    let threshold = trigger.number("lagThreshold", path)?.unwrap_or(10.0);
    let group = trigger.needed("consumerGroup", path)?;
    let topic = trigger.word("topic").map_or_else(|| "all its topics".to_owned(), |topic| format!("topic {topic}"));
    let wanted = trigger.name.clone().unwrap_or_else(|| "kafka_lag".to_owned());
    let metric = metric_name(draft, &wanted, &format!("{path}.name"));
    draft.note(path, format!("`{metric}` is the lag of group {group} on {topic}: let every instance report it whole"));
    if trigger.word("allowIdleConsumers").as_deref() != Some("true") {
        draft.note(
            format!("{path}.metadata"),
            "no more replicas than partitions is KEDA's own rule: write the partitions as max_instances",
        );
    }
    external(draft, trigger, path, &metric, threshold)
}

fn prometheus(draft: &mut Draft, trigger: &Trigger, path: &str) -> Result<(), Problem> {
    let at = format!("{path}.metadata.threshold");
    let threshold = trigger.needed("threshold", path)?;
    let threshold = quantity(&threshold).map_err(|error| Problem::at(at, error.to_string()))?;
    let query = trigger.needed("query", path)?;
    let wanted = trigger.name.clone().or_else(|| trigger.word("metricName")).unwrap_or_else(|| "prometheus".to_owned());
    let metric = metric_name(draft, &wanted, &format!("{path}.name"));
    draft.note(path, format!("`{metric}` is what {query} gives: let every instance report it whole"));
    external(draft, trigger, path, &metric, threshold)
}

/// An External metric of the kind that the trigger says; AverageValue without a word.
fn external(draft: &mut Draft, trigger: &Trigger, path: &str, metric: &str, target: f64) -> Result<(), Problem> {
    let objective = match trigger.metric_type.as_deref() {
        None | Some("AverageValue") => whole_average(draft, metric, target),
        Some("Value") => vec![
            ("name", quoted(&draft.new_name(metric))),
            ("metric", quoted(metric)),
            ("type", "value".to_owned()),
            ("target", target.to_string()),
        ],
        Some(other) => {
            let message = format!("expected AverageValue or Value, found `{other}`");
            return Err(Problem::at(format!("{path}.metricType"), message));
        }
    };
    draft.objectives.push(objective);
    Ok(())
}

fn cron(draft: &mut Draft, trigger: &Trigger, path: &str) -> Result<(), Problem> {
    let read = |key: &str| {
        let text = trigger.needed(key, path)?;
        Cron::parse(&text).map_err(|error| Problem {
            nearest: error.nearest,
            ..Problem::at(format!("{path}.metadata.{key}"), error.message)
        })
    };
    let (start, end) = (read("start")?, read("end")?);
    let replicas = trigger.needed("desiredReplicas", path)?;
    let floor: u32 = replicas.parse().map_err(|_| {
        let message = format!("expected a whole number, found `{replicas}`");
        Problem::at(format!("{path}.metadata.desiredReplicas"), message)
    })?;
    let Some((shortest, longest)) = lengths(&start, &end) else {
        draft.note(path, "never ends after it started, as far as can be seen: not carried over");
        return Ok(());
    };
    if shortest != longest {
        let message = format!(
            "lasts from {} to {}: the longer one is taken for all",
            HumanDuration(shortest),
            HumanDuration(longest)
        );
        draft.note(format!("{path}.metadata.end"), message);
    }
    if floor == 0 {
        draft.note(format!("{path}.metadata.desiredReplicas"), "0 asks for nothing: not carried over");
        return Ok(());
    }
    let number = draft.schedules.len() + 1;
    let name = trigger.name.clone().unwrap_or_else(|| format!("cron-{number}"));
    draft.schedules.push(vec![
        ("name", quoted(&name)),
        ("cron", quoted(start.text())),
        ("time_zone", quoted(&trigger.needed("timezone", path)?)),
        ("lasts", HumanDuration(longest).to_string()),
        ("floor", floor.to_string()),
    ]);
    Ok(())
}

/// The shortest and the longest time from a start to the end that follows it, in civil time, leaving out the last
/// starts, whose end is not seen.
fn lengths(start: &Cron, end: &Cron) -> Option<(Duration, Duration)> {
    let first = date(2026, 1, 1);
    let ends: Vec<i64> = end.civil_minutes(first, DAYS).collect();
    let length = |start: i64| {
        let next = ends.partition_point(|end| *end <= start);
        Some(ends.get(next)? - start)
    };
    let lengths: Vec<i64> = start.civil_minutes(first, DAYS).filter_map(length).collect();
    let duration = |minutes: &i64| Duration::from_secs(minutes.unsigned_abs() * 60);
    Some((duration(lengths.iter().min()?), duration(lengths.iter().max()?)))
}
