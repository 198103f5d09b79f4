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

/// What is decided and alerted on, and how event time is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) policy: &'static str,
    pub(crate) alerts: &'static str,
    pub(crate) windows: &'static str,
    pub(crate) time: &'static str,
    /// Further sections of the configuration, each a line.
    pub(crate) more: &'static str,
    pub(crate) workers: Workers,
}

impl Setup {
    /// That of first light.
    pub(crate) fn first_light(workers: Workers) -> Self {
        let windows = "[{size: 1m}, {size: 5m, slide: 10s}]";
        Self { policy: POLICY, alerts: ALERTS, windows, time: "{allowed_lateness: 0s}", more: "", workers }
    }

    /// The same where things are disturbed: no outage lasts long enough for anybody to be left out.
    pub(crate) fn patient(self) -> Self {
        let time = "{allowed_lateness: 0s, idle_after: 24h, stall_after: 24h, max_skew: 24h}";
        Self { time, ..self }
    }

    /// A deployment that reads the topic `telemetry`.
    pub(crate) fn deploy(&self, broker: &Broker, telemetry: &str) -> Deployment {
        self.deploy_with(broker, telemetry, &[])
    }

    /// The same with more files (name and text) that its settings refer to.
    pub(crate) fn deploy_with(&self, broker: &Broker, telemetry: &str, more_files: &[(&str, &str)]) -> Deployment {
        let Self { windows, time, more, workers: Workers { each_stage, batch }, .. } = self;
        let settings = format!(
            "time: {time}\n\
             windows: {windows}\n\
             policies: {{paths: [policy.yaml]}}\n\
             alerts: {{path: alerts.yaml}}\n\
             workers: {{aggregate: {each_stage}, decide: {each_stage}, batch: {batch}}}\n\
             {more}"
        );
        let files = [&[("policy.yaml", self.policy), ("alerts.yaml", self.alerts)], more_files].concat();
        Deployment::new(broker, telemetry, &settings, &files)
    }

    /// A run from the beginning to the end, undisturbed.
    pub(crate) fn run(&self, broker: &Broker, telemetry: Arc<Telemetry>) -> Run {
        let deployment = self.deploy(broker, &telemetry.topic);
        Run::to_the_end(broker, telemetry, deployment)
    }
}

impl Run {
    /// Runs `tidegauge run --until-end` over all of `telemetry`, as first light does.
    pub(crate) fn of(broker: &Broker, telemetry: Arc<Telemetry>, workers: Workers) -> Self {
        Setup::first_light(workers).run(broker, telemetry)
    }

    /// Goes on with what `deployment` has begun, to the end of `telemetry`.
    pub(crate) fn to_the_end(broker: &Broker, telemetry: Arc<Telemetry>, deployment: Deployment) -> Self {
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
    pub(crate) fn findings(&self) -> usize {
        let mut findings = 0;
        self.output("findings", |_| findings += 1);
        findings
    }

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
