//! Manifests of other autoscalers as policies; **I1** to **I3**.

mod common;

use common::{Fleet, Instance};
use proptest::prelude::*;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_policy::hpa::Band;
use tidegauge_policy::hpa::rate::{EventLog, Limits, RateLimit, Rules, Select, Step};
use tidegauge_policy::hpa::ratio::{Load, Objective, Population, wish};
use tidegauge_policy::hpa::reconcile::{Autoscaler, Reading, Scale, reconcile};
use tidegauge_policy::hpa::stabilize::Recommendation;
use tidegauge_policy::hpa::values::{average_wish, value_wish};
use tidegauge_policy::import::{Imported, import};
use tidegauge_policy::{Policy, TargetState};

fn one(manifest: &str) -> Imported {
    import("m.yaml", manifest).unwrap_or_else(|error| panic!("{error}\n{manifest}")).remove(0)
}

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: web, namespace: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 3
  maxReplicas: 10
  metrics:
  - { type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 70 } } }
  - { type: Resource, resource: { name: memory, target: { type: AverageValue, averageValue: 1Gi } } }
  - type: Pods
    pods: { metric: { name: http-requests, selector: { matchLabels: { a: b } } }, target: { type: AverageValue, averageValue: \"100\" } }
  - { type: External, external: { metric: { name: queue_depth }, target: { type: Value, value: 500m } } }
  - { type: External, external: { metric: { name: lag }, target: { type: AverageValue, averageValue: 30 } } }
  behavior:
    scaleUp: { stabilizationWindowSeconds: 60, policies: [{ type: Percent, value: 50, periodSeconds: 60 }] }
    scaleDown: { stabilizationWindowSeconds: 300, selectPolicy: Min, tolerance: 50m, policies: [{ type: Pods, value: 1, periodSeconds: 60 }] }
";

#[test]
fn an_hpa_becomes_a_policy_and_says_what_it_lost() {
    let imported = one(HPA);
    let want = "\
# Imported from HorizontalPodAutoscaler web (autoscaling/v2).
# It is about what telemetry calls agent_id `web`: change `match` if that differs.
# Not carried over as it was:
# - spec.metrics[2].pods.metric.name: `http-requests` is called `http_requests`: map it so in telemetry
# - spec.metrics[2].pods.metric.selector: is not applied: whoever fills `http_requests` into telemetry has to
# - spec.metrics[3].external: `queue_depth` is read from telemetry: let every instance report the whole value
# - spec.metrics[4].external: `lag` is read from telemetry: let every instance report the whole value
apiVersion: tidegauge.io/v1
kind: Policy
metadata:
  name: \"web\"
  version: 1
spec:
  match:
    agents: [\"web\"]
  formulas:
    whole_lag: \"lag.mean\"
  objectives:
    - name: \"cpu\"
      signal: cpu
      of: request
      target: 0.7
    - name: \"memory\"
      metric: memory_used_bytes
      type: average_value
      target: 1073741824
    - name: \"http_requests\"
      metric: \"http_requests\"
      type: average_value
      target: 100
    - name: \"queue_depth\"
      metric: \"queue_depth\"
      type: value
      target: 0.5
    - name: \"lag\"
      formula: whole_lag
      type: average_value
      target: 30
  tolerance:
    down: 0.05
  min_instances: 3
  max_instances: 10
  behavior:
    scale_up:
      stabilization_window: 60s
      policies:
        - { type: percent, value: 50, period: 60s }
    scale_down:
      stabilization_window: 300s
      select: min
      policies:
        - { type: instances, value: 1, period: 60s }
";
    assert_eq!(imported.text, want);
    assert_eq!(imported.policy, Policy::parse("again", &imported.text).expect("it reads").remove(0));
    let places: Vec<_> = imported.notes.iter().filter_map(|note| note.place.map(|place| place.line)).collect();
    assert_eq!(places, [12, 12, 13, 14]);
}

/// Without metrics it is CPU at 80 %; v1 knows nothing else.
#[test]
fn what_an_hpa_leaves_out_has_kubernetes_default() {
    let head =
        "kind: HorizontalPodAutoscaler\nmetadata: { name: web }\nspec: { scaleTargetRef: { name: web }, maxReplicas: 5";
    let v2 = one(&format!("apiVersion: autoscaling/v2\n{head} }}"));
    let v1 = one(&format!("apiVersion: autoscaling/v1\n{head}, targetCPUUtilizationPercentage: 80 }}"));
    assert_eq!(v2.policy, v1.policy);
    assert_eq!((v2.policy.min_instances, v2.policy.max_instances, v2.policy.objectives[0].target), (1, 5, 0.8));
    assert_eq!(v2.notes, []);
}

const SCALED_OBJECT: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: { name: worker, annotations: { autoscaling.keda.sh/paused: \"true\" } }
spec:
  scaleTargetRef: { name: worker-1 }
  pollingInterval: 15
  idleReplicaCount: 0
  minReplicaCount: 2
  maxReplicaCount: 40
  fallback: { failureThreshold: 3, replicas: 6 }
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: { scaleDown: { stabilizationWindowSeconds: 120 } }
  triggers:
  - type: kafka
    metadata: { bootstrapServers: k:9092, consumerGroup: g, topic: orders, lagThreshold: \"50\", activationLagThreshold: \"5\" }
  - type: prometheus
    name: in-flight
    metadata: { serverAddress: http://p, query: sum(in_flight), threshold: \"100.5\" }
  - { type: cpu, metricType: Utilization, metadata: { value: \"60\" } }
  - { type: memory, metricType: AverageValue, metadata: { value: 500Mi } }
  - type: cron
    metadata: { timezone: Europe/Berlin, start: 30 8 * * mon-fri, end: 0 18 * * mon-fri, desiredReplicas: \"10\" }
  - { type: rabbitmq, metadata: { queueName: q } }
";

#[test]
fn a_scaled_object_becomes_a_policy_and_says_what_it_lost() {
    let imported = one(SCALED_OBJECT);
    let policy = &imported.policy;
    let names: Vec<_> = policy.objectives.iter().map(|objective| (objective.name.as_str(), objective.target)).collect();
    assert_eq!(names, [("kafka_lag", 50.0), ("in_flight", 100.5), ("cpu", 0.6), ("memory", 524_288_000.0)]);
    assert_eq!((policy.min_instances, policy.max_instances, policy.mode), (2, 40, tidegauge_model::Mode::Shadow));
    assert_eq!(policy.scale_down.stabilization_window, Duration::from_mins(2));
    let schedule = &policy.schedules[0];
    assert_eq!((schedule.lasts, schedule.instances), (Duration::from_mins(570), 10));
    assert_eq!(schedule.time_zone.iana_name(), Some("Europe/Berlin"));
    let paths: Vec<_> = imported.notes.iter().map(|note| note.path.as_str()).collect();
    let want = [
        "spec.triggers[0]",
        "spec.triggers[0].metadata",
        "spec.triggers[0].metadata.activationLagThreshold",
        "spec.triggers[1].name",
        "spec.triggers[1]",
        "spec.triggers[5]",
        "metadata.annotations.autoscaling.keda.sh/paused",
        "spec.fallback",
        "spec.idleReplicaCount",
        "spec.pollingInterval",
    ];
    assert_eq!(paths, want);
    for note in &imported.notes {
        let first = note.message.split_whitespace().next().expect("a word");
        assert!(imported.text.contains(first), "{note:?} is in a comment");
        assert!(note.place.is_some(), "{note:?} has a place");
    }
}

/// A cron trigger alone is a floor over what the minimum asks for.
#[test]
fn a_scaled_object_of_cron_alone_is_a_schedule() {
    let text = SCALED_OBJECT.split("  - type: kafka").next().expect("a head").to_owned()
        + "  - type: cron\n    metadata: { timezone: UTC, start: 0 22 * * *, end: 0 6 * * *, desiredReplicas: 5 }\n";
    let imported = one(&text);
    assert_eq!(imported.policy.schedules[0].lasts, Duration::from_hours(8));
    assert_eq!((imported.policy.objectives.len(), imported.policy.demands.len()), (0, 1));
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_place() {
    let hpa = |from: &str, to: &str| HPA.replace(from, to);
    #[rustfmt::skip]
    let cases = [ // manifest, the whole message
        ("kind: Deployment\napiVersion: apps/v1\n".to_owned(),
            "m.yaml:1:7: kind: expected a HorizontalPodAutoscaler or a ScaledObject, found none"),
        (hpa("autoscaling/v2", "autoscaling/v2beta2"),
            "m.yaml:1:13: apiVersion: expected autoscaling/v2 or autoscaling/v1, found `autoscaling/v2beta2`; `kubectl convert` makes it v2"),
        (hpa("averageValue: 1Gi", "averageValue: 1Gb"),
            "m.yaml:10:93: spec.metrics[1].resource.target.averageValue: expected a quantity such as 100, 500m or 1Gi, found `1Gb`"),
        (hpa("selectPolicy: Min", "selectPolicy: Least"),
            "m.yaml:17:65: spec.behavior.scaleDown.selectPolicy: expected Max, Min or Disabled, found `Least`"),
        (hpa("type: Pods, value", "type: Pod, value"),
            "m.yaml:17:105: spec.behavior.scaleDown.policies[0].type: expected Pods or Percent, found `Pod`"),
        (hpa("minReplicas: 3", "minReplicas: 30"),
            "m.yaml:5:3: spec: expected what a policy can say: spec.min_instances: expected at most spec.max_instances, which is 10, found 30"),
    ];
    for (manifest, want) in cases {
        let message = import("m.yaml", &manifest).expect_err(want).to_string();
        assert_eq!(message, want);
    }
}

/// A direction: look back, select, limits of (percent?, value, seconds).
type Direction = (u32, Select, Vec<(bool, u32, u32)>);

#[derive(Clone, Debug)]
struct Case {
    min: u32,
    max: u32,
    start: u32,
    cpu_percent: u32,
    pods_milli: u32,
    external_milli: u32,
    is_average: bool,
    up: Direction,
    down: Direction,
    /// CPU in thousandths of the request of each pod, pods' metric and external metric in thousandths.
    loads: Vec<(Vec<u32>, u32, u32)>,
}

fn direction() -> impl Strategy<Value = Direction> {
    let limit = (any::<bool>(), 1_u32..120, 1_u32..9)
        .prop_map(|(percent, value, period)| (percent, if percent { value } else { 1 + value / 30 }, period * 15));
    let select = prop::sample::select(vec![Select::Max, Select::Max, Select::Min, Select::Disabled]);
    ((0_u32..12).prop_map(|tens| tens * 10), select, prop::collection::vec(limit, 1..3))
}

fn case() -> impl Strategy<Value = Case> {
    let load = (prop::collection::vec(0_u32..1_500, 1..5), 0_u32..9_000, 0_u32..90_000);
    let targets = (20_u32..120, 500_u32..5_000, 500_u32..20_000, any::<bool>());
    ((1_u32..5, 0_u32..20, 0_u32..20), targets, direction(), direction(), prop::collection::vec(load, 1..40)).prop_map(
        |((min, more, start), (cpu_percent, pods_milli, external_milli, is_average), up, down, loads)| Case {
            min,
            max: min + more,
            start: min + start % (more + 1),
            cpu_percent,
            pods_milli,
            external_milli,
            is_average,
            up,
            down,
            loads,
        },
    )
}

fn manifest(case: &Case) -> String {
    let direction = |(window, select, limits): &Direction| {
        let limits: Vec<_> = limits
            .iter()
            .map(|(percent, value, period)| {
                let kind = if *percent { "Percent" } else { "Pods" };
                format!("{{ type: {kind}, value: {value}, periodSeconds: {period} }}")
            })
            .collect();
        format!(
            "{{ stabilizationWindowSeconds: {window}, selectPolicy: {select:?}, policies: [{}] }}",
            limits.join(", ")
        )
    };
    let external = match case.is_average {
        true => format!("type: AverageValue, averageValue: {}m", case.external_milli),
        false => format!("type: Value, value: {}m", case.external_milli),
    };
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: planner }}\nspec:\n  \
         scaleTargetRef: {{ name: planner }}\n  minReplicas: {}\n  maxReplicas: {}\n  metrics:\n  \
         - {{ type: Resource, resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: {} }} }} }}\n  \
         - {{ type: Pods, pods: {{ metric: {{ name: open }}, target: {{ type: AverageValue, averageValue: {}m }} }} }}\n  \
         - {{ type: External, external: {{ metric: {{ name: whole }}, target: {{ {external} }} }} }}\n  \
         behavior:\n    scaleUp: {}\n    scaleDown: {}\n",
        case.min,
        case.max,
        case.cpu_percent,
        case.pods_milli,
        direction(&case.up),
        direction(&case.down)
    )
}

fn rules((_, select, limits): &Direction) -> Rules {
    let limit = |(percent, value, period): &(bool, u32, u32)| RateLimit {
        step: if *percent { Step::Percent(value.cast_signed()) } else { Step::Replicas(value.cast_signed()) },
        period: Duration::from_secs(u64::from(*period)),
    };
    Rules { select: *select, limits: limits.iter().map(limit).collect() }
}

/// The controller, pass by pass, from the manifest's own numbers: what it makes of the loads.
fn controller(case: &Case) -> Vec<i32> {
    let (up, down) = (rules(&case.up), rules(&case.down));
    let limits = Limits { min: case.min.cast_signed(), max: case.max.cast_signed(), up: &up, down: &down };
    let band = Band::of_tolerance(0.1, 0.1);
    let window = |direction: &Direction| Duration::from_secs(u64::from(direction.0));
    let mut replicas = case.start.cast_signed();
    let (mut history, mut events) = (vec![], EventLog::default());
    let keep = up.longest_period().max(down.longest_period());
    let mut asked = Vec::new();
    for (pass, load) in case.loads.iter().enumerate() {
        let now = EventTime::from_secs(1_700_000_000 + 10 * pass as i64);
        if pass == 0 {
            history.push(Recommendation { at: now, replicas });
        }
        let ready = replicas.unsigned_abs() as usize;
        let pods = |of: &dyn Fn(usize) -> (i128, i128)| Population {
            measured: (0..ready).map(of).map(|(used, capacity)| Load { used, capacity }).collect(),
            ..Population::default()
        };
        let cpu = pods(&|index| (i128::from(load.0[index % load.0.len()]), 1_000));
        let open = pods(&|_| (i128::from(load.1), 1));
        let (external, target) = (i64::from(load.2), i64::from(case.external_milli));
        let percent = Objective::Percent(i64::from(case.cpu_percent));
        let milli = Objective::Milli(i64::from(case.pods_milli));
        let proposals = [
            wish(percent, band, replicas, &cpu).expect("pods").replicas,
            wish(milli, band, replicas, &open).expect("pods").replicas,
            match case.is_average {
                true => average_wish(external, target, band, replicas).replicas,
                false => value_wish(external, target, band, replicas, ready).replicas,
            },
        ];
        let readings = [
            Reading::PerPod { failure: "", objective: percent, pods: Ok(cpu) },
            Reading::PerPod { failure: "", objective: milli, pods: Ok(open) },
            Reading::Whole {
                failure: "",
                average: case.is_average,
                target_milli: target,
                value_milli: Some(external),
                ready,
            },
        ];
        let autoscaler = Autoscaler {
            limits,
            band,
            up_window: window(&case.up),
            down_window: window(&case.down),
            scale_to_zero: false,
            scaled_to_zero: false,
            history: history.clone(),
            events: events.clone(),
        };
        let outcome =
            reconcile(&autoscaler, Scale { spec_replicas: replicas, status_replicas: replicas }, &readings, now);
        history.push(Recommendation { at: now, replicas: proposals.into_iter().max().expect("three").max(1) });
        if outcome.rescaled {
            events.record(now, replicas, outcome.desired_replicas, keep);
        }
        replicas = outcome.desired_replicas;
        asked.push(replicas);
    }
    asked
}

/// The imported policy over windows that say the same, its fleet following at once.
fn imported(case: &Case) -> Vec<i32> {
    let policy = one(&manifest(case)).policy;
    let (mut state, mut replicas) = (TargetState::default(), case.start);
    let mut asked = Vec::new();
    for (pass, load) in case.loads.iter().enumerate() {
        let instance = |index: u32| {
            let cpu = f64::from(load.0[index as usize % load.0.len()]) / 1_000.0;
            let gauges = vec![
                ("cpu_used_cores", cpu),
                ("cpu_requested_cores", 1.0),
                ("cpu_utilization_of_request", cpu),
                ("open", f64::from(load.1) / 1_000.0),
                ("whole", f64::from(load.2) / 1_000.0),
            ];
            Instance { gauges, ..Instance::default() }
        };
        let fleet = Fleet { instances: (0..replicas).map(instance).collect(), ..Fleet::default() };
        let verdict = fleet.decide(&policy, &mut state, 10 * pass as i64);
        replicas = verdict.decision.desired_instances;
        asked.push(replicas.cast_signed());
    }
    asked
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// **I3**: pass by pass the same count.
    #[test]
    fn an_imported_hpa_decides_as_the_controller_does(case in case()) {
        prop_assert_eq!(imported(&case), controller(&case), "{}", manifest(&case));
    }
}
