//! A bounded run over a filled topic, and its outputs, decoded.

use super::broker::{Broker, Record};
use super::delivery::Telemetry;
use super::process::Deployment;
use std::sync::Arc;
use tidegauge_model::{AlertTransition, Decision, WindowSummary};
use tidegauge_wire::Output;

/// Watches GPUs: instances enough for a tenth of their time, never less than one.
pub(crate) const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: first-light, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  objectives:
    - {metric: gpu_utilization_of_limit, type: utilization, target: 0.10}
  min_instances: 1
  max_instances: 40
  behavior:
    scale_up: {stabilization_window: 1m}
    scale_down: {stabilization_window: 5m, policies: [{type: instances, value: 4, period: 1m}]}
";

/// One rule by agent and one by instance.
pub(crate) const ALERTS: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: {name: first-light, version: 1}
spec:
  window: {size: 1m, slide: 1m}
  rules:
    - {name: gpu_busy, signal: {kind: metric, metric: gpu_utilization_of_limit}, above: 0.15, for: 1m}
    - {name: instance_gpu_busy, by: instance, signal: {kind: metric, metric: gpu_utilization_of_limit}, above: 0.3}
";

/// Threads of both stages, and how telemetry is cut into batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    pub(crate) each_stage: u32,
    pub(crate) batch: u32,
}

/// A run that ended.
pub(crate) struct Run {
    pub(crate) broker: Broker,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) deployment: Deployment,
}

impl Run {
    /// Runs `tidegauge run --until-end` over all of `telemetry`.
    pub(crate) fn of(broker: &Broker, telemetry: Arc<Telemetry>, workers: Workers) -> Self {
        let settings = format!(
            "time: {{allowed_lateness: 0s}}\n\
             windows: [{{size: 1m}}, {{size: 5m, slide: 10s}}]\n\
             policies: {{paths: [policy.yaml]}}\n\
             alerts: {{path: alerts.yaml}}\n\
             workers: {{aggregate: {each}, decide: {each}, batch: {batch}}}\n",
            each = workers.each_stage,
            batch = workers.batch
        );
        let files = [("policy.yaml", POLICY), ("alerts.yaml", ALERTS)];
        let deployment = Deployment::new(broker, &telemetry.topic, &settings, &files);
        deployment.succeed(&["run", "--until-end"]);
        Self { broker: broker.clone(), telemetry, deployment }
    }

    /// The same telemetry again, with other workers.
    pub(crate) fn again(&self, workers: Workers) -> Self {
        Self::of(&self.broker, Arc::clone(&self.telemetry), workers)
    }

    /// Every record of the output topic that the configuration has under `topics.<what>`.
    pub(crate) fn output(&self, what: &str, each: impl FnMut(Record)) {
        self.broker.read(&self.deployment.topic(what), each);
    }

    /// Every window, one after the other: there may be a million.
    pub(crate) fn windows(&self, mut each: impl FnMut(WindowSummary)) {
        self.output("windows", |record| each(decoded(&record)));
    }

    /// Every decision, of each target in the order of publication.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.output("decisions", |record| decisions.push(decoded(&record)));
        decisions
    }

    /// Every transition, of each alert in the order of publication.
    pub(crate) fn alerts(&self) -> Vec<AlertTransition> {
        let mut alerts = Vec::new();
        self.output("alerts", |record| alerts.push(decoded(&record)));
        alerts
    }
}

/// The output that a record holds.
pub(crate) fn decoded<T: Output>(record: &Record) -> T {
    let value = record.value.as_deref().unwrap_or_default();
    T::decode(value).unwrap_or_else(|error| panic!("partition {} offset {}: {error}", record.partition, record.offset))
}
