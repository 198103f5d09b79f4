//! The HPA rules against cases that are data: `tests/data/hpa/*.json`, and the file that `TIDEGAUGE_HPA_CASES` names.
//!
//! ```text
//!  case file ─► Case ─► answer(case): JSON ─► every member of `expect` must be in it, equal
//! ```
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test reads its case files and reports")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_policy::hpa::pods::{
    Grace, Group, Phase, PodFacts, PodLoad, ReadyCondition, SampleTime, group, plain_population, resource_population,
};
use tidegauge_policy::hpa::rate::{EventLog, Limits, RateLimit, Rules, ScaleEvent, Select, Step, change_within, limit};
use tidegauge_policy::hpa::ratio::{NoAnswer, Objective, totals, wish};
use tidegauge_policy::hpa::reconcile::{Autoscaler, Reading, Scale, reconcile};
use tidegauge_policy::hpa::stabilize::{Recommendation, stabilize, stabilize_without_behavior};
use tidegauge_policy::hpa::values::{
    average_wish, external_average_wish, external_sum, external_sum_for_average, value_wish,
};
use tidegauge_policy::hpa::{Band, reconcile};

/// Every age in a case counts back from here.
const NOW: EventTime = EventTime::from_secs(1_000_000_000);

#[test]
fn every_case_file_holds() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hpa"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "cases of our own");
    files.extend(std::env::var("TIDEGAUGE_HPA_CASES").ok().filter(|name| !name.is_empty()).map(PathBuf::from));

    let (mut passed, mut failed) = (0, 0);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: CaseFile = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in &file.cases {
            match difference(case, &file.defaults) {
                None => passed += 1,
                Some(line) => {
                    failed += 1;
                    println!("{line}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    assert_eq!(failed, 0, "cases that failed");
    assert!(passed >= 150, "a folder that lost its cases proves nothing: {passed}");
}

/// One line if the answer lacks a member of `expect` or has another value for it.
fn difference(case: &Value, defaults: &Defaults) -> Option<String> {
    let id = case["id"].as_str().unwrap_or("?");
    let got = match answer(case, defaults) {
        Ok(got) => got,
        Err(error) => return Some(format!("{id}: the case does not read: {error}")),
    };
    let expected = case["expect"].as_object().cloned().unwrap_or_default();
    let same = !expected.is_empty() && expected.iter().all(|(key, value)| covers(got.get(key), value));
    (!same).then(|| format!("{id}: expected {}, got {}", Value::Object(expected), Value::Object(got)))
}

/// Whether `got` is `expected`; of objects, whether it holds all of it. The mirror of an implementation's memory, `log`,
/// is not compared.
fn covers(got: Option<&Value>, expected: &Value) -> bool {
    match (got, expected) {
        (Some(Value::Object(got)), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| covers(got.get(key), value))
        }
        (Some(Value::Array(got)), Value::Array(expected)) => sorted(got) == sorted(expected),
        (Some(got), expected) => got == expected,
        (None, expected) => expected.is_null(),
    }
}

/// Lists are of names, and a set of names has no order.
fn sorted(list: &[Value]) -> Vec<String> {
    let mut list: Vec<_> = list.iter().map(Value::to_string).collect();
    list.sort_unstable();
    list
}

fn answer(case: &Value, defaults: &Defaults) -> Result<Map<String, Value>, serde_json::Error> {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    fn read<T: serde::de::DeserializeOwned>(case: &Value) -> Result<T, serde_json::Error> {
        T::deserialize(case)
    }
    Ok(object(match case["kind"].as_str() {
        Some("calculator") => calculator(&read(case)?, defaults),
        Some("pod_grouping") => pod_grouping(&read(case)?),
        Some("rate_limit") => rate_limit(&read(case)?, defaults),
        Some("stabilization") => stabilization(&read(case)?, defaults),
        Some("stabilization_no_behavior") => stabilization_no_behavior(&read(case)?, defaults),
        Some("event_log") => event_log(&read(case)?),
        Some("whole_decision") => whole_decision(&read(case)?, defaults),
        other => json!({ "unknown_kind": other }),
    }))
}

#[derive(Deserialize)]
struct CaseFile {
    defaults: Defaults,
    cases: Vec<Value>,
}

#[derive(Deserialize)]
struct Defaults {
    tolerance: Tolerance,
    scale_up: RuleSet,
    scale_down: RuleSet,
}

#[derive(Clone, Copy, Deserialize)]
struct Tolerance {
    down: f64,
    up: f64,
}

impl Tolerance {
    fn band(self) -> Band {
        Band::of_tolerance(self.down, self.up)
    }
}

#[derive(Clone, Deserialize)]
struct RuleSet {
    window_s: Option<u64>,
    select: Option<String>,
    policies: Option<Vec<PolicyCase>>,
}

#[derive(Clone, Deserialize)]
struct PolicyCase {
    r#type: String,
    value: i32,
    period_s: u64,
}

impl RuleSet {
    /// What a case says, member by member over what holds by default.
    fn over(this: Option<&Self>, default: &Self) -> (Rules, Duration) {
        let of = |set: &Self| (set.window_s, set.select.clone(), set.policies.clone());
        let (window_s, select, policies) = this.map(of).unwrap_or_default();
        let select = match select.or(default.select.clone()).as_deref() {
            Some("Min") => Select::Min,
            Some("Disabled") => Select::Disabled,
            _ => Select::Max,
        };
        let policies = policies.or(default.policies.clone()).unwrap_or_default();
        let limits = policies
            .iter()
            .map(|policy| RateLimit {
                step: if policy.r#type == "Percent" {
                    Step::Percent(policy.value)
                } else {
                    Step::Replicas(policy.value)
                },
                period: Duration::from_secs(policy.period_s),
            })
            .collect();
        (Rules { select, limits }, Duration::from_secs(window_s.or(default.window_s).unwrap_or_default()))
    }
}

#[derive(Deserialize)]
struct PodCase {
    request_milli: Option<Vec<Option<i64>>>,
    usage_milli: Option<Vec<Option<i64>>>,
    value_milli: Option<i64>,
    #[serde(default = "yes")]
    ready: bool,
    #[serde(default = "running")]
    phase: String,
    #[serde(default)]
    terminating: bool,
    #[serde(default)]
    cpu_initializing: bool,
}

fn yes() -> bool {
    true
}

fn running() -> String {
    "Running".to_owned()
}

fn phase_named(name: &str) -> Phase {
    match name {
        "Pending" => Phase::Pending,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        _ => Phase::Running,
    }
}

/// The whole pod's number, or that of one container; nothing if any part of it is not stated.
fn of_containers(numbers: Option<&Vec<Option<i64>>>, container: Option<usize>) -> Option<i64> {
    let numbers = numbers?;
    match container {
        Some(index) => numbers.get(index).copied().flatten(),
        None => numbers.iter().copied().sum(),
    }
}

impl PodCase {
    fn load(&self, is_resource: bool, is_cpu: bool, container: Option<usize>) -> PodLoad {
        let usage_milli =
            if is_resource { of_containers(self.usage_milli.as_ref(), container) } else { self.value_milli };
        let group = match phase_named(&self.phase) {
            _ if self.terminating => Group::Ignored,
            Phase::Failed => Group::Ignored,
            Phase::Pending => Group::Unready,
            _ if usage_milli.is_none() => Group::Missing,
            _ if is_cpu && (!self.ready || self.cpu_initializing) => Group::Unready,
            _ => Group::Ready,
        };
        PodLoad { group, request_milli: of_containers(self.request_milli.as_ref(), container), usage_milli }
    }
}

#[derive(Deserialize)]
struct TargetCase {
    utilization_pct: Option<i64>,
    milli: Option<i64>,
    value_milli: Option<i64>,
    average_milli: Option<i64>,
}

#[derive(Deserialize)]
struct CalculatorCase {
    method: String,
    current_replicas: i32,
    target: TargetCase,
    tolerance: Option<Tolerance>,
    pods: Option<Vec<PodCase>>,
    container_index: Option<usize>,
    resource: Option<String>,
    #[serde(default)]
    orphan_samples_milli: Vec<i64>,
    #[serde(default)]
    samples_milli: Vec<i64>,
}

fn calculator(case: &CalculatorCase, defaults: &Defaults) -> Value {
    let band = case.tolerance.unwrap_or(defaults.tolerance).band();
    let pods = case.pods.as_deref().unwrap_or_default();
    let milli = case.target.milli.or(case.target.value_milli).or(case.target.average_milli).unwrap_or_default();
    let whole = |wish: tidegauge_policy::hpa::values::ValueWish| json!({ "replicas": wish.replicas, "reported_milli": wish.reported_milli });
    match case.method.as_str() {
        "resource_utilization" => match resource(case, pods, band) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": error_name(error) }),
        },
        "pods_average" => {
            let loads: Vec<_> = pods.iter().map(|pod| pod.load(false, false, None)).collect();
            let population = plain_population(&loads, &case.orphan_samples_milli);
            match wish(Objective::Milli(milli), band, case.current_replicas, &population) {
                Ok(wish) => {
                    let (used, count) = totals(population.measured.iter().chain(&population.strangers));
                    json!({ "replicas": wish.replicas, "reported_milli": (used / count) as i64 })
                }
                Err(error) => json!({ "error": error_name(error) }),
            }
        }
        "object_value" | "external_value" => {
            let is_ready = |pod: &&PodCase| phase_named(&pod.phase) == Phase::Running && pod.ready;
            let ready = match &case.pods {
                Some(pods) => pods.iter().filter(is_ready).count(),
                None => usize::try_from(case.current_replicas).unwrap_or_default(),
            };
            whole(value_wish(external_sum(&case.samples_milli), milli, band, case.current_replicas, ready))
        }
        "object_average" => whole(average_wish(external_sum(&case.samples_milli), milli, band, case.current_replicas)),
        "external_average" => whole(external_average_wish(
            external_sum_for_average(&case.samples_milli),
            milli,
            band,
            case.current_replicas,
        )),
        other => json!({ "unknown_method": other }),
    }
}

fn resource(case: &CalculatorCase, pods: &[PodCase], band: Band) -> Result<Value, NoAnswer> {
    let is_cpu = case.resource.as_deref().is_none_or(|name| name == "cpu");
    let loads: Vec<_> = pods.iter().map(|pod| pod.load(true, is_cpu, case.container_index)).collect();
    let population = resource_population(&loads, case.orphan_samples_milli.len())?;
    let objective = Objective::Percent(case.target.utilization_pct.unwrap_or_default());
    let wish = wish(objective, band, case.current_replicas, &population)?;
    let (used, capacity) = totals(population.measured.iter());
    Ok(json!({
        "replicas": wish.replicas,
        "utilization_pct": (used * 100 / capacity) as i64,
        "average_milli": (used / population.measured.len() as i128) as i64,
    }))
}

fn error_name(error: NoAnswer) -> &'static str {
    match error {
        NoAnswer::NoSamples => "no_samples",
        NoAnswer::NoSampleMatchesKnownPods => "no_sample_matches_known_pods",
        NoAnswer::MissingRequest => "missing_request",
    }
}

#[derive(Deserialize)]
struct GroupingCase {
    cpu_init_period_s: f64,
    initial_readiness_delay_s: f64,
    resource: Option<String>,
    pods: Vec<GroupedPodCase>,
}

#[derive(Deserialize)]
struct GroupedPodCase {
    name: String,
    #[serde(default = "running")]
    phase: String,
    #[serde(default)]
    deleted: bool,
    started_s_ago: Option<f64>,
    ready_condition: Option<Value>,
    ready_changed_s_ago: Option<f64>,
    sample: Option<SampleCase>,
}

#[derive(Deserialize)]
struct SampleCase {
    age_s: f64,
    window_s: f64,
}

fn ago(secs: f64) -> EventTime {
    EventTime::from_micros(NOW.as_micros() - (secs * 1e6).round() as i64)
}

fn pod_grouping(case: &GroupingCase) -> Value {
    let grace = Grace {
        cpu_initialization: Duration::from_secs_f64(case.cpu_init_period_s),
        initial_readiness_delay: Duration::from_secs_f64(case.initial_readiness_delay_s),
    };
    let is_cpu = case.resource.as_deref().is_none_or(|name| name == "cpu");
    let mut names: BTreeMap<&str, Vec<&str>> =
        BTreeMap::from([("unready", vec![]), ("missing", vec![]), ("ignored", vec![])]);
    let mut ready_count = 0;
    for pod in &case.pods {
        let facts = PodFacts {
            phase: phase_named(&pod.phase),
            deleted: pod.deleted,
            started_at: pod.started_s_ago.map(ago),
            ready: pod.ready_condition.as_ref().filter(|status| !status.is_null()).map(|status| ReadyCondition {
                is_false: *status == json!(false) || *status == json!("False"),
                changed_at: ago(pod.ready_changed_s_ago.unwrap_or_default()),
            }),
            sample: pod
                .sample
                .as_ref()
                .map(|sample| SampleTime { at: ago(sample.age_s), window: Duration::from_secs_f64(sample.window_s) }),
        };
        let list = match group(&facts, is_cpu, NOW, grace) {
            Group::Ready => {
                ready_count += 1;
                continue;
            }
            Group::Unready => "unready",
            Group::Missing => "missing",
            Group::Ignored => "ignored",
        };
        names.entry(list).or_default().push(&pod.name);
    }
    json!({
        "ready_count": ready_count, "unready": names["unready"], "missing": names["missing"], "ignored": names["ignored"],
    })
}

#[derive(Deserialize)]
struct Aged {
    age_s: f64,
    replicas: i32,
}

fn events(list: &[Aged]) -> Vec<ScaleEvent> {
    list.iter().map(|event| ScaleEvent { at: ago(event.age_s), change: event.replicas }).collect()
}

fn recommendations(list: &[Aged]) -> Vec<Recommendation> {
    list.iter().map(|past| Recommendation { at: ago(past.age_s), replicas: past.replicas }).collect()
}

#[derive(Deserialize)]
struct RateCase {
    min_replicas: i32,
    max_replicas: i32,
    current_replicas: i32,
    desired_replicas: i32,
    scale_up: Option<RuleSet>,
    scale_down: Option<RuleSet>,
    #[serde(default)]
    up_events: Vec<Aged>,
    #[serde(default)]
    down_events: Vec<Aged>,
}

fn rate_limit(case: &RateCase, defaults: &Defaults) -> Value {
    let (up, _) = RuleSet::over(case.scale_up.as_ref(), &defaults.scale_up);
    let (down, _) = RuleSet::over(case.scale_down.as_ref(), &defaults.scale_down);
    let limits = Limits { min: case.min_replicas, max: case.max_replicas, up: &up, down: &down };
    let log = EventLog { up: events(&case.up_events), down: events(&case.down_events) };
    let (replicas, bound) = limit(limits, &log, NOW, case.current_replicas, case.desired_replicas);
    json!({ "replicas": replicas, "reason": bound.name() })
}

#[derive(Deserialize)]
struct StabilizationCase {
    recommendations: Vec<Aged>,
    #[serde(default)]
    current_replicas: i32,
    desired_replicas: i32,
    up_window_s: Option<u64>,
    down_window_s: Option<u64>,
}

fn stabilization(case: &StabilizationCase, defaults: &Defaults) -> Value {
    let window =
        |this: Option<u64>, default: &RuleSet| Duration::from_secs(this.or(default.window_s).unwrap_or_default());
    let replicas = stabilize(
        &recommendations(&case.recommendations),
        NOW,
        case.current_replicas,
        case.desired_replicas,
        window(case.up_window_s, &defaults.scale_up),
        window(case.down_window_s, &defaults.scale_down),
    );
    json!({ "replicas": replicas })
}

fn stabilization_no_behavior(case: &StabilizationCase, defaults: &Defaults) -> Value {
    let window = Duration::from_secs(case.down_window_s.or(defaults.scale_down.window_s).unwrap_or_default());
    let history = recommendations(&case.recommendations);
    json!({ "replicas": stabilize_without_behavior(&history, NOW, case.desired_replicas, window) })
}

#[derive(Deserialize)]
struct EventLogCase {
    events: Vec<Aged>,
    window_s: u64,
}

fn event_log(case: &EventLogCase) -> Value {
    json!({ "change_in_window": change_within(&events(&case.events), Duration::from_secs(case.window_s), NOW) })
}

#[derive(Deserialize)]
struct WholeCase {
    spec_replicas: i32,
    status_replicas: i32,
    min_replicas: i32,
    max_replicas: i32,
    scale_up: Option<RuleSet>,
    scale_down: Option<RuleSet>,
    tolerance: Option<Tolerance>,
    #[serde(default)]
    scale_to_zero_enabled: bool,
    prior_conditions: Option<Value>,
    metrics: Vec<MetricCase>,
    #[serde(default)]
    recommendations: Vec<Aged>,
}

#[derive(Deserialize)]
struct MetricCase {
    r#type: String,
    target: TargetCase,
    #[serde(default)]
    pod_usage_milli: Vec<Option<i64>>,
    #[serde(default)]
    pod_request_milli: Vec<Option<i64>>,
    #[serde(default)]
    pod_values_milli: Vec<Option<i64>>,
    value_milli: Option<i64>,
    #[serde(default)]
    values_milli: Vec<i64>,
    #[serde(default)]
    fails: bool,
}

/// The pods of a metric given as two lists: `usage[i]` belongs to `request[i]`, and what is longer has no partner.
fn pods_of(usage: &[Option<i64>], requests: &[Option<i64>]) -> Vec<PodLoad> {
    let one = |(index, &request_milli): (usize, &Option<i64>)| {
        let usage_milli = usage.get(index).copied().flatten();
        let group = if usage_milli.is_some() { Group::Ready } else { Group::Missing };
        PodLoad { group, request_milli, usage_milli }
    };
    requests.iter().enumerate().map(one).collect()
}

impl MetricCase {
    /// `pods`: how many there are, where the metric itself does not say.
    fn reading(&self, pods: usize) -> Reading {
        let average_milli = self.target.average_milli.or(self.target.milli).unwrap_or_default();
        match self.r#type.as_str() {
            "Resource" | "ContainerResource" => Reading::PerPod {
                failure: match self.r#type.as_str() {
                    "Resource" => "FailedGetResourceMetric",
                    _ => "FailedGetContainerResourceMetric",
                },
                objective: match self.target.utilization_pct {
                    Some(percent) => Objective::Percent(percent),
                    None => Objective::Milli(average_milli),
                },
                pods: self.resource_population(),
            },
            "Pods" => {
                let loads = pods_of(&self.pod_values_milli, &vec![Some(1); pods]);
                let extra: Vec<_> = self.pod_values_milli.iter().skip(pods).copied().flatten().collect();
                let population = plain_population(&loads, &extra);
                Reading::PerPod {
                    failure: "FailedGetPodsMetric",
                    objective: Objective::Milli(average_milli),
                    pods: if self.fails { Err(NoAnswer::NoSamples) } else { Ok(population) },
                }
            }
            kind => {
                let average = self.target.average_milli.is_some();
                let sum = match (kind, average) {
                    ("Object", _) => self.value_milli,
                    (_, true) => Some(external_sum_for_average(&self.values_milli)),
                    (_, false) => Some(external_sum(&self.values_milli)),
                };
                Reading::Whole {
                    failure: if kind == "Object" { "FailedGetObjectMetric" } else { "FailedGetExternalMetric" },
                    average,
                    target_milli: self.target.value_milli.or(self.target.average_milli).unwrap_or_default(),
                    value_milli: sum.filter(|_| !self.fails),
                    ready: pods,
                }
            }
        }
    }

    fn resource_population(&self) -> Result<tidegauge_policy::hpa::ratio::Population, NoAnswer> {
        let loads = pods_of(&self.pod_usage_milli, &self.pod_request_milli);
        let strangers = self.pod_usage_milli.iter().skip(self.pod_request_milli.len()).flatten();
        match self.target.utilization_pct {
            _ if self.fails => Err(NoAnswer::NoSamples),
            Some(_) => resource_population(&loads, strangers.count()),
            None => Ok(plain_population(&loads, &strangers.copied().collect::<Vec<_>>())),
        }
    }
}

fn whole_decision(case: &WholeCase, defaults: &Defaults) -> Value {
    let (up, up_window) = RuleSet::over(case.scale_up.as_ref(), &defaults.scale_up);
    let (down, down_window) = RuleSet::over(case.scale_down.as_ref(), &defaults.scale_down);
    let listed = case.metrics.iter().map(|metric| metric.pod_request_milli.len()).max().unwrap_or_default();
    let pods = if listed > 0 { listed } else { usize::try_from(case.status_replicas).unwrap_or_default() };
    let readings: Vec<_> = case.metrics.iter().map(|metric| metric.reading(pods)).collect();
    let autoscaler = Autoscaler {
        limits: Limits { min: case.min_replicas, max: case.max_replicas, up: &up, down: &down },
        band: case.tolerance.unwrap_or(defaults.tolerance).band(),
        up_window,
        down_window,
        scale_to_zero: case.scale_to_zero_enabled,
        scaled_to_zero: was_scaled_to_zero(case.prior_conditions.as_ref()),
        history: recommendations(&case.recommendations),
        events: EventLog::default(),
    };
    let scale = Scale { spec_replicas: case.spec_replicas, status_replicas: case.status_replicas };
    let reconcile::Outcome { desired_replicas, rescaled, conditions } = reconcile(&autoscaler, scale, &readings, NOW);
    let name = |status: bool| if status { "True" } else { "False" };
    let conditions: BTreeMap<_, _> =
        conditions.into_iter().map(|(key, (status, reason))| (key, format!("{}:{reason}", name(status)))).collect();
    json!({ "desired_replicas": desired_replicas, "rescaled": rescaled, "conditions": conditions })
}

/// `{"ScaledToZero": "True:ScaledToZero"}`, or `true` for the string.
fn was_scaled_to_zero(conditions: Option<&Value>) -> bool {
    match conditions.and_then(|conditions| conditions.get("ScaledToZero")) {
        Some(Value::Bool(status)) => *status,
        Some(Value::String(status)) => status.starts_with("True"),
        _ => false,
    }
}
