//! Waiting until replicas are ready, by watching.

use super::{GENERATION, Workload};
use crate::order::Outcome;
use futures::{StreamExt as _, pin_mut};
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;

/// What one look at a workload says.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// So many are ready, and more are to come.
    Waiting(u32),
    Ended(Outcome),
}

/// Watches until all replicas are ready, or somebody else has changed what is asked for. `ready` is how many there were
/// when last looked.
pub(super) async fn wait(
    api: &Api<DynamicObject>,
    workload: &Workload,
    generation: u64,
    desired: u32,
    ready: &mut u32,
) -> Outcome {
    let objects = watch_object(api.clone(), &workload.name).default_backoff();
    pin_mut!(objects);
    while let Some(object) = objects.next().await {
        match object {
            Ok(Some(object)) => match look(&object, workload, generation, desired) {
                Seen::Waiting(now) => *ready = now,
                Seen::Ended(outcome) => return outcome,
            },
            Ok(None) => return Outcome::Failed(format!("{workload} was deleted")),
            Err(error) => tracing::warn!(%workload, %error, "watching"),
        }
    }
    Outcome::Failed(format!("{workload}: watching it has ended"))
}

fn look(object: &DynamicObject, workload: &Workload, generation: u64, desired: u32) -> Seen {
    let annotations = object.metadata.annotations.as_ref();
    let fence = annotations.and_then(|all| all.get(GENERATION)).and_then(|text| text.parse::<u64>().ok());
    if let Some(fence) = fence.filter(|fence| *fence > generation) {
        return Seen::Ended(Outcome::Superseded(format!("{workload} has generation {fence}")));
    }
    let number = |path: &str| object.data.pointer(path).and_then(serde_json::Value::as_i64);
    let ready = number("/status/readyReplicas").or_else(|| number("/status/availableReplicas")).unwrap_or_default();
    let ready = u32::try_from(ready).unwrap_or_default();
    // Without a value one replica is asked for.
    let asked = number("/spec/replicas").unwrap_or(1);
    if asked != i64::from(desired) {
        // Over for good: the same generation, said again, would overwrite what that somebody wants.
        return Seen::Ended(Outcome::Superseded(format!("{workload}: somebody else has set {asked} replicas")));
    }
    // The status may be of what was asked for before. Kinds that do not say of what it is are believed.
    let is_current = number("/status/observedGeneration").is_none_or(|seen| Some(seen) >= object.metadata.generation);
    let exist = number("/status/replicas").unwrap_or_default();
    if is_current && ready == desired && exist == i64::from(desired) {
        Seen::Ended(Outcome::Applied(ready))
    } else {
        Seen::Waiting(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_is_what_the_controller_says_of_what_is_asked_for_now() {
        let workload = Workload {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespace: "agents".into(),
            name: "planner".into(),
        };
        // name, generation in the annotation, replicas asked for, status, want of generation 5 that wants 4
        let cases = [
            (
                "as wanted",
                "5",
                4,
                json!({"observedGeneration": 2, "replicas": 4, "readyReplicas": 4}),
                Seen::Ended(Outcome::Applied(4)),
            ),
            (
                "not all are ready",
                "5",
                4,
                json!({"observedGeneration": 2, "replicas": 4, "readyReplicas": 3}),
                Seen::Waiting(3),
            ),
            (
                "old ones are still there",
                "5",
                4,
                json!({"observedGeneration": 2, "replicas": 6, "readyReplicas": 4}),
                Seen::Waiting(4),
            ),
            (
                "seen before the change",
                "5",
                4,
                json!({"observedGeneration": 1, "replicas": 4, "readyReplicas": 4}),
                Seen::Waiting(4),
            ),
            ("no status yet", "5", 4, json!({}), Seen::Waiting(0)),
            (
                "a kind that only knows available ones",
                "5",
                4,
                json!({"replicas": 4, "availableReplicas": 4}),
                Seen::Ended(Outcome::Applied(4)),
            ),
            (
                "somebody else has changed it",
                "5",
                9,
                json!({"observedGeneration": 2, "replicas": 9, "readyReplicas": 3}),
                Seen::Ended(Outcome::Superseded("Deployment agents/planner: somebody else has set 9 replicas".into())),
            ),
            (
                "a greater generation",
                "6",
                9,
                json!({}),
                Seen::Ended(Outcome::Superseded("Deployment agents/planner has generation 6".into())),
            ),
        ];
        for (name, annotation, replicas, status, want) in cases {
            let object: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "planner", "generation": 2, "annotations": {GENERATION: annotation}},
                "spec": {"replicas": replicas}, "status": status,
            }))
            .expect("an object");
            assert_eq!(look(&object, &workload, 5, 4), want, "{name}");
        }
    }
}
