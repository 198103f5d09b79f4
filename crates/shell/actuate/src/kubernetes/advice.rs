//! What a decision advises beside the count, written where a workload asks for it. No IO.
//!
//! The annotation [`ASKED`] of a workload says what it wants:
//!
//! ```text
//!  tidegauge.io/advice: annotate           the advice is written to annotations, for people and tools
//!  tidegauge.io/advice: apply:planner      that, and the container `planner` requests the targets: its pods are replaced
//! ```
//!
//! - **K4** A workload that does not ask gets nothing but its generation and replicas.
//! - **K5** Advice is written with the generation, in the same patch: what stands there is of that decision.
//! - **K6** Requests that cannot be set end no order: its count is set, and whether that is ready decides.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegauge_model::Decision;

/// The annotation that says what a workload wants.
pub const ASKED: &str = "tidegauge.io/advice";
/// The annotation that holds requests that would fit, as JSON.
pub const REQUESTS: &str = "tidegauge.io/requests";
/// The annotation that holds what somebody should do that no count says, as JSON.
pub const RECOMMENDATION: &str = "tidegauge.io/recommendation";

/// Where a workload has its containers.
const CONTAINERS: &str = "/spec/template/spec/containers";

/// What a workload wants of advice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// Annotations.
    Annotate,
    /// Annotations, and the requests of this container.
    Apply(String),
}

impl Asked {
    /// As the workload's annotations say.
    ///
    /// # Errors
    ///
    /// What is written there, if that means nothing.
    pub(super) fn of(annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        match annotations.get(ASKED).map(|text| text.trim()) {
            None => Ok(Self::Nothing),
            Some("annotate") => Ok(Self::Annotate),
            Some(text) => match text.strip_prefix("apply:").map(str::trim) {
                Some(container) if !container.is_empty() => Ok(Self::Apply(container.to_owned())),
                _ => Err(text.to_owned()),
            },
        }
    }

    /// The annotations that go with the generation. What the decision does not say any more is taken away.
    pub(super) fn annotations(&self, decision: &Decision) -> Map<String, Value> {
        if *self == Self::Nothing {
            return Map::new();
        }
        let requests = (!decision.requests.is_empty()).then(|| json!(decision.requests).to_string());
        let recommendation = decision.recommendation.as_ref().map(|it| json!(it).to_string());
        let annotations = [(REQUESTS, requests), (RECOMMENDATION, recommendation)];
        annotations.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()
    }

    /// All containers of the workload with the requests of the one that is named, where they are to be applied and there are
    /// any. All, since a patch that merges lists by name is taken for Deployments and the like only.
    ///
    /// # Errors
    ///
    /// What the workload lacks.
    pub(super) fn containers(&self, decision: &Decision, workload: &Value) -> Result<Option<Value>, String> {
        let Self::Apply(name) = self else { return Ok(None) };
        let requests: Map<String, Value> = decision.requests.iter().filter_map(quantity).collect();
        if requests.is_empty() {
            return Ok(None);
        }
        let mut containers = workload.pointer(CONTAINERS).cloned().unwrap_or_default();
        match request(&mut containers, name, requests) {
            Some(()) => Ok(Some(containers)),
            None => Err(format!("its pods' template has no container `{name}` that could have requests")),
        }
    }
}

/// Requests of the container of that name, beside those that it has; `None`: there is none.
fn request(containers: &mut Value, name: &str, requests: Map<String, Value>) -> Option<()> {
    let container = containers.as_array_mut()?.iter_mut().find(|container| container["name"] == name)?;
    let resources = container.as_object_mut()?.entry("resources").or_insert_with(|| json!({}));
    let known = resources.as_object_mut()?.entry("requests").or_insert_with(|| json!({}));
    known.as_object_mut()?.extend(requests);
    Some(())
}

/// In whole millicores, and in whole mebibytes, rounded up.
fn quantity(advice: &tidegauge_model::RequestAdvice) -> Option<(String, Value)> {
    let whole = |value: f64, unit: &str| json!(format!("{}{unit}", value.ceil().max(1.0) as u64));
    let quantity = match advice.resource.as_str() {
        "cpu" => whole((advice.target * 1e3 * 1e6).round() / 1e6, "m"),
        "memory" => whole(advice.target / 1_048_576.0, "Mi"),
        _ => return None,
    };
    Some((advice.resource.clone(), quantity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_model::RequestAdvice;

    #[test]
    fn a_workload_says_what_it_wants() {
        let asked = |text: &str| Asked::of(&BTreeMap::from([(ASKED.to_owned(), text.to_owned())]));
        assert_eq!(Asked::of(&BTreeMap::new()), Ok(Asked::Nothing));
        assert_eq!(asked("annotate"), Ok(Asked::Annotate));
        assert_eq!(asked("apply: planner"), Ok(Asked::Apply("planner".to_owned())));
        for wrong in ["apply", "apply:", "yes", ""] {
            assert_eq!(asked(wrong), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn requests_are_set_beside_everything_else_that_the_workload_says() {
        let of = |containers: Value| json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        let cpu = || Map::from_iter([("cpu".to_owned(), json!("575m"))]);
        let mut containers = json!([
            { "name": "proxy", "image": "p" },
            { "name": "planner", "image": "a", "resources": { "limits": { "cpu": "2" }, "requests": { "memory": "1Gi" } } },
        ]);
        assert_eq!(request(&mut containers, "planner", cpu()), Some(()));
        let want = json!([
            { "name": "proxy", "image": "p" },
            { "name": "planner", "image": "a",
              "resources": { "limits": { "cpu": "2" }, "requests": { "memory": "1Gi", "cpu": "575m" } } },
        ]);
        assert_eq!(containers, want);
        assert_eq!(request(&mut containers, "proxy", cpu()), Some(()));
        assert_eq!(containers[0]["resources"], json!({ "requests": { "cpu": "575m" } }));
        for without in [json!([{ "name": "other" }]), json!(null), json!([{ "name": "planner", "resources": "none" }])]
        {
            let mut containers = of(without).pointer(CONTAINERS).cloned().expect("some");
            assert_eq!(request(&mut containers, "planner", cpu()), None, "{containers}");
        }
    }

    #[test]
    fn quantities_are_whole_and_never_less_than_the_target() {
        let cases = [
            ("cpu", 0.575, "575m"),
            ("cpu", 0.0251, "26m"),
            ("memory", 262_144_001.0, "251Mi"),
            ("memory", 1.0, "1Mi"),
        ];
        for (resource, target, want) in cases {
            let (resource, detail) = (resource.to_owned(), String::new());
            let advice = RequestAdvice { resource, lower: 0.0, target, upper: 0.0, now: None, instances: 1, detail };
            assert_eq!(quantity(&advice).map(|(_, quantity)| quantity), Some(json!(want)), "{target}");
        }
    }
}
