//! From a policy as written to a policy as checked: defaults filled in, contradictions refused with their key path.

mod choice;
mod demand;
mod factors;
mod feedback;
mod formula;
mod pid;
mod prediction;
mod safety;
mod schedule;
mod trigger;

use super::formula::Formula;
use super::objective::{Objective, ObjectiveKind, Of, Resource, Source, Statistic};
use super::orders::{Orders, Pause};
use super::preset::{Preset, PresetValues};
use super::raw::{
    RawDirection, RawMatches, RawMetadata, RawMode, RawObjective, RawPolicy, RawRateLimit, RawSignal, RawSpec, RawStep,
    RawThresholds, RawTolerance, RawWindow,
};
use super::{Direction, Glob, Matches, Policy};
use crate::duration::HumanDuration;
use crate::error::{Problem, nearest};
use crate::hpa::Band;
use crate::hpa::rate::{RateLimit, Rules, Select, Step};
use crate::signal;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{MetricKind, Mode, WindowSpec, metric};

const MAX_INSTANCES: u32 = 1_000_000;
const MAX_STABILIZATION: Duration = Duration::from_hours(1);
const MAX_COOLDOWN: Duration = Duration::from_hours(6);
const MAX_PERIOD: Duration = Duration::from_mins(30);
const MAX_WINDOW: Duration = Duration::from_hours(24);

impl RawPolicy {
    /// The policy, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<Policy, Problem> {
        let Self { metadata, spec, .. } = self;
        check_metadata(&metadata)?;
        let preset = spec.preset.map(Preset::values);
        let (min_instances, max_instances) = check_bounds(&spec, preset)?;
        let formulas = formula::check_formulas(&spec.formulas)?;
        let mut names = Vec::new();
        let objectives = check_objectives(&spec, preset, &mut names, &formulas)?;
        let demands = demand::check_demands(&spec.demands, &mut names, &formulas)?;
        let watched: Vec<&str> = names.iter().map(String::as_str).collect();
        let prediction = spec.prediction.as_ref().map(|raw| prediction::check_prediction(raw, &watched)).transpose()?;
        let schedules = schedule::check_schedules(&spec.schedules, &mut names)?;
        let triggers = trigger::check_triggers(&spec.triggers, &mut names, &formulas)?;
        let pids = pid::check_pids(&spec.pid, &mut names, &formulas, spec.tolerance)?;
        let is_any = !objectives.is_empty() || !demands.is_empty() || !triggers.is_empty() || !pids.is_empty();
        require(is_any, "spec.objectives", || {
            "expected at least one objective, demand, trigger or pid, or a `preset`, found none".to_owned()
        })?;
        let safety = safety::check_safety(spec.safety, &mut names, &formulas, (min_instances, max_instances))?;
        let (mode, pause) = check_mode(spec.mode);
        let orders = Orders {
            kill_switch: spec.kill_switch,
            manual: spec.r#override.map(safety::check_override).transpose()?,
            freeze: spec.freeze.map(safety::check_freeze).transpose()?,
            pause,
            planned: safety::check_planned(&spec.planned_events, &mut names)?,
        };
        check_tolerance(spec.tolerance, "spec.tolerance")?;
        let min_completeness = check_min_completeness(spec.min_completeness)?;
        let expires_after = check_expires_after(spec.expires_after)?;
        let policy = Policy {
            name: metadata.name,
            version: metadata.version,
            matches: check_matches(spec.matches, "spec.match")?,
            mode,
            window: check_window(spec.window, "spec.window")?,
            objectives,
            demands,
            schedules,
            triggers,
            pids,
            prediction,
            five_factors: spec.five_factors.map(factors::check_factors).transpose()?,
            choice: choice::check_choice(spec.choice, spec.performance_targets.cost_weight, &formulas)?,
            requests: spec.requests.map(choice::check_requests).transpose()?,
            targets: factors::check_targets(spec.performance_targets)?,
            safety,
            orders,
            feedback: feedback::check_feedback(spec.feedback)?,
            min_instances,
            max_instances,
            scale_up: check_direction(spec.behavior.scale_up, "spec.behavior.scale_up", default_scale_up())?,
            scale_down: check_direction(spec.behavior.scale_down, "spec.behavior.scale_down", default_scale_down())?,
            min_completeness,
            expires_after,
            of_preset: usize::from(preset.is_some()),
            hash: String::new(),
        };
        Ok(policy.hashed())
    }
}

fn check_metadata(raw: &RawMetadata) -> Result<(), Problem> {
    require(!raw.name.trim().is_empty(), "metadata.name", || "expected a name, found none".to_owned())?;
    require(raw.version >= 1, "metadata.version", || "expected 1 or more, found 0".to_owned())
}

/// `[min, max]`; what is spelled out wins over the preset.
fn check_bounds(spec: &RawSpec, preset: Option<PresetValues>) -> Result<(u32, u32), Problem> {
    let min = spec.min_instances.or(preset.map(|preset| preset.min_instances)).unwrap_or(1);
    let max = spec.max_instances.or(preset.map(|preset| preset.max_instances));
    let max = max.ok_or_else(|| Problem::at("spec.max_instances", "expected a number of instances, found none"))?;
    require((1..=MAX_INSTANCES).contains(&max), "spec.max_instances", || {
        format!("expected 1 to {MAX_INSTANCES}, found {max}")
    })?;
    require(min <= max, "spec.min_instances", || {
        format!("expected at most spec.max_instances, which is {max}, found {min}")
    })?;
    Ok((min, max))
}

/// The preset's, then those of the file, each with a name that nothing else in `names` has, to which it is added.
fn check_objectives(
    spec: &RawSpec,
    preset: Option<PresetValues>,
    names: &mut Vec<String>,
    formulas: &BTreeMap<String, Formula>,
) -> Result<Vec<Objective>, Problem> {
    let of_preset = preset.map(|values| preset_objective(values.up, values.down));
    names.extend(of_preset.iter().map(|objective| objective.name.clone()));
    let mut objectives: Vec<Objective> = of_preset.into_iter().collect();
    for (index, raw) in spec.objectives.iter().enumerate() {
        let path = format!("spec.objectives[{index}]");
        let objective = check_objective(raw, &path, spec.tolerance, formulas)?;
        new_name(names, &objective.name, &path)?;
        objectives.push(objective);
    }
    Ok(objectives)
}

fn check_mode(raw: RawMode) -> (Mode, Option<Pause>) {
    match raw {
        RawMode::Live => (Mode::Live, None),
        RawMode::Shadow => (Mode::Shadow, None),
        RawMode::Advisory => (Mode::Advisory, None),
        RawMode::Paused => (Mode::Live, Some(Pause::Both)),
        RawMode::PausedIn => (Mode::Live, Some(Pause::In)),
        RawMode::PausedOut => (Mode::Live, Some(Pause::Out)),
    }
}

fn check_min_completeness(raw: Option<f64>) -> Result<f64, Problem> {
    let min_completeness = raw.unwrap_or(0.9);
    require((0.0..=1.0).contains(&min_completeness), "spec.min_completeness", || {
        format!("expected a ratio from 0 to 1, found {min_completeness}")
    })?;
    Ok(min_completeness)
}

fn check_expires_after(raw: Option<HumanDuration>) -> Result<Duration, Problem> {
    let expires_after = raw.map_or(Duration::from_mins(5), |duration| duration.0);
    require(expires_after >= Duration::from_secs(1), "spec.expires_after", || {
        format!("expected 1s or more, found {}", HumanDuration(expires_after))
    })?;
    Ok(expires_after)
}

fn require(holds: bool, path: impl Into<String>, message: impl FnOnce() -> String) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::at(path, message())) }
}

/// That nothing else of the policy is called so.
fn new_name(names: &mut Vec<String>, name: &str, path: &str) -> Result<(), Problem> {
    require(!names.iter().any(|other| other == name), format!("{path}.name"), || {
        format!("expected a name of its own, found `{name}` a second time")
    })?;
    names.push(name.to_owned());
    Ok(())
}

pub(crate) fn check_matches(raw: RawMatches, path: &str) -> Result<Matches, Problem> {
    let agents = raw.agents.unwrap_or_else(|| vec!["*".to_owned()]);
    require(!agents.is_empty(), format!("{path}.agents"), || {
        "expected at least one pattern such as `planner-*`, found none".to_owned()
    })?;
    Ok(Matches {
        workspace: Glob::new(raw.workspace.as_deref().unwrap_or("*")),
        agents: agents.iter().map(|pattern| Glob::new(pattern)).collect(),
    })
}

pub(crate) fn check_window(raw: RawWindow, path: &str) -> Result<WindowSpec, Problem> {
    let size = raw.size.map_or(Duration::from_mins(1), |size| size.0);
    let slide = raw.slide.map_or(size.min(Duration::from_secs(10)), |slide| slide.0);
    require(!size.is_zero() && size <= MAX_WINDOW, format!("{path}.size"), || {
        format!("expected more than 0s and at most 1d, found {}", HumanDuration(size))
    })?;
    require(!slide.is_zero() && slide <= size, format!("{path}.slide"), || {
        format!("expected more than 0s and at most the size {}, found {}", HumanDuration(size), HumanDuration(slide))
    })?;
    require(size.as_millis().is_multiple_of(slide.as_millis()), format!("{path}.size"), || {
        format!("expected a multiple of the slide {}, found {}", HumanDuration(slide), HumanDuration(size))
    })?;
    Ok(WindowSpec { size, slide })
}

/// The preset's one objective: CPU, of the request where reported, else of the limit.
fn preset_objective(up: f64, down: f64) -> Objective {
    let (target, band) = between(RawThresholds { up, down });
    Objective {
        name: "cpu".to_owned(),
        source: Source::Resource { resource: Resource::Cpu, of: Of::Auto, statistic: Statistic::Mean },
        kind: ObjectiveKind::Utilization,
        target,
        band,
        exact: true,
        when_absent: super::WhenAbsent::Ignore,
    }
}

/// `√(up · down)`, and the ratios to it at which nothing changes: from `1 − (1 − down/target)` to `1 + (up/target − 1)`.
fn between(thresholds: RawThresholds) -> (f64, Band) {
    let target = (thresholds.up * thresholds.down).sqrt();
    (target, Band { low: thresholds.down / target, high: thresholds.up / target })
}

fn check_objective(
    raw: &RawObjective,
    path: &str,
    of_policy: RawTolerance,
    formulas: &BTreeMap<String, Formula>,
) -> Result<Objective, Problem> {
    let (source, kind, default_name) = match &raw.formula {
        Some(name) => formula::check_source(raw, name, path, formulas)?,
        None => check_source(raw, path)?,
    };
    let (target, band, exact) = match (raw.target, raw.thresholds) {
        (Some(target), None) => {
            let tolerance = raw.tolerance.unwrap_or(of_policy);
            let band = check_tolerance(tolerance, &format!("{path}.tolerance"))?;
            check_target(target, kind, &format!("{path}.target"))?;
            (target, band, false)
        }
        (None, Some(thresholds)) => {
            check_thresholds(thresholds, kind, &format!("{path}.thresholds"))?;
            require(raw.tolerance.is_none(), format!("{path}.tolerance"), || {
                "expected none beside `thresholds`, which are the edges of the band themselves".to_owned()
            })?;
            let (target, band) = between(thresholds);
            (target, band, true)
        }
        (Some(_), Some(_)) => {
            return Err(Problem::at(
                format!("{path}.thresholds"),
                "expected either `target` or `thresholds`, found both",
            ));
        }
        (None, None) => {
            return Err(Problem::at(format!("{path}.target"), "expected `target` or `thresholds`, found neither"));
        }
    };
    let name = raw.name.clone().unwrap_or(default_name);
    Ok(Objective { name, source, kind, target, band, exact, when_absent: raw.when_absent })
}

/// Exactly one of `signal` and `metric`, with what goes with it.
fn check_source(raw: &RawObjective, path: &str) -> Result<(Source, ObjectiveKind, String), Problem> {
    let resource = |resource| (Some(resource), "", ObjectiveKind::Utilization, Statistic::Mean);
    let (resource, metric, default_kind, default_statistic) = match (&raw.signal, &raw.metric) {
        (Some(RawSignal::Sql(name)), None) => return check_sql_signal(raw, name, path),
        (Some(RawSignal::Cpu), None) => resource(Resource::Cpu),
        (Some(RawSignal::Memory), None) => resource(Resource::Memory),
        (Some(RawSignal::QueueDepth), None) => (None, "queue_depth", ObjectiveKind::AverageValue, Statistic::Mean),
        (Some(RawSignal::RequestsPerS), None) => (None, "requests_per_s", ObjectiveKind::AverageValue, Statistic::Mean),
        (Some(RawSignal::ResponseTimeMs), None) => (None, "response_time_ms", ObjectiveKind::Value, Statistic::P95),
        (None, Some(metric)) => {
            let kind = raw.r#type.ok_or_else(|| {
                Problem::at(format!("{path}.type"), "expected utilization, average_value or value beside `metric`")
            })?;
            (None, metric.as_str(), kind, Statistic::Mean)
        }
        (Some(_), Some(_)) => {
            return Err(Problem::at(format!("{path}.metric"), "expected either `signal` or `metric`, found both"));
        }
        (None, None) => {
            return Err(Problem::at(format!("{path}.signal"), "expected `signal`, `metric` or `formula`, found none"));
        }
    };
    let kind = raw.r#type.unwrap_or(default_kind);
    let statistic = raw.statistic.unwrap_or(default_statistic);
    if let Some(resource) = resource {
        require(kind == ObjectiveKind::Utilization, format!("{path}.type"), || {
            "expected utilization for cpu and memory; for cores or bytes use `metric`".to_owned()
        })?;
        check_statistic(resource.utilization_metric(Of::Request), statistic, &format!("{path}.statistic"))?;
        let source = Source::Resource { resource, of: raw.of.unwrap_or_default(), statistic };
        return Ok((source, kind, resource.name().to_owned()));
    }
    require(raw.of.is_none(), format!("{path}.of"), || "expected only with cpu or memory".to_owned())?;
    let unit = metric::by_name(metric).map_or("ratio", |known| known.unit);
    require(kind != ObjectiveKind::Utilization || unit == "ratio", format!("{path}.type"), || {
        format!("expected average_value or value: `{metric}` is in {unit}, and a utilization is a ratio")
    })?;
    check_statistic(metric, statistic, &format!("{path}.statistic"))?;
    Ok((Source::Metric { metric: metric.to_owned(), statistic }, kind, metric.to_owned()))
}

/// A signal of SQL. Whether there is one of that name is not known here; without `type` beside it nobody meant one.
fn check_sql_signal(raw: &RawObjective, name: &str, path: &str) -> Result<(Source, ObjectiveKind, String), Problem> {
    let Some(kind) = raw.r#type else {
        let (message, nearest) = signal::unknown(name, &[]);
        let message = format!("{message}; or with `type` beside it a signal of SQL of that name");
        return Err(Problem { nearest, ..Problem::at(format!("{path}.signal"), message) });
    };
    if kind == ObjectiveKind::Utilization {
        return Err(sql_utilization(name, path));
    }
    for (key, is_given) in [("of", raw.of.is_some()), ("statistic", raw.statistic.is_some())] {
        require(!is_given, format!("{path}.{key}"), || {
            "expected none beside a signal of SQL, which says by itself what its value is".to_owned()
        })?;
    }
    Ok((Source::Signal { name: name.to_owned() }, kind, name.to_owned()))
}

/// Nobody can mean a signal of SQL by it: a slip in the name of one that has a utilization, or the wrong type.
fn sql_utilization(name: &str, path: &str) -> Problem {
    match nearest(name, [Resource::Cpu.name(), Resource::Memory.name()]) {
        nearest @ Some(_) => {
            let message = format!("unknown signal `{name}`; expected `cpu` or `memory` with the type utilization");
            Problem { nearest, ..Problem::at(format!("{path}.signal"), message) }
        }
        None => Problem::at(
            format!("{path}.type"),
            "expected average_value or value for a signal of SQL, found utilization",
        ),
    }
}

/// Percentiles are known of latencies, the latest value of everything else.
pub(crate) fn check_statistic(metric: &str, statistic: Statistic, path: &str) -> Result<(), Problem> {
    let is_latency = metric::Metric::named(metric).kind() == MetricKind::Latency;
    let fits = if is_latency { statistic != Statistic::Last } else { !statistic.is_percentile() };
    require(fits, path, || {
        let expected =
            if is_latency { "mean, min, max, sum or a percentile" } else { "mean, min, max, last, sum or rate_per_s" };
        format!("expected {expected} of `{metric}`, found {}", statistic.name())
    })
}

fn check_target(target: f64, kind: ObjectiveKind, path: &str) -> Result<(), Problem> {
    require(target.is_finite() && target > 0.0, path, || format!("expected a number above 0, found {target}"))?;
    match kind {
        ObjectiveKind::Utilization => {
            check_ratio(target, path)?;
            let percent = target * 100.0;
            require((percent - percent.round()).abs() < 1e-9 && percent.round() >= 1.0, path, || {
                format!(
                    "expected a whole number of percents, such as 0.70, found {target}; `thresholds` are not rounded"
                )
            })
        }
        ObjectiveKind::AverageValue | ObjectiveKind::Value => {
            require((0.001..=1e15).contains(&target), path, || format!("expected 0.001 to 1e15, found {target}"))
        }
    }
}

/// A percent where a ratio is meant.
fn check_ratio(ratio: f64, path: &str) -> Result<(), Problem> {
    require(ratio <= 10.0, path, || format!("expected a ratio such as 0.70, found {ratio}, which looks like a percent"))
}

fn check_thresholds(thresholds: RawThresholds, kind: ObjectiveKind, path: &str) -> Result<(), Problem> {
    let RawThresholds { up, down } = thresholds;
    require(down.is_finite() && down > 0.0, format!("{path}.down"), || {
        format!("expected a number above 0, found {down}")
    })?;
    require(up.is_finite() && up > down, format!("{path}.up"), || {
        format!("expected more than {path}.down, which is {down}, found {up}")
    })?;
    if kind == ObjectiveKind::Utilization { check_ratio(up, &format!("{path}.up")) } else { Ok(()) }
}

fn check_tolerance(raw: RawTolerance, path: &str) -> Result<Band, Problem> {
    let (up, down) = (raw.up.unwrap_or(0.1), raw.down.unwrap_or(0.1));
    require(up.is_finite() && up >= 0.0, format!("{path}.up"), || format!("expected 0 or more, found {up}"))?;
    require((0.0..1.0).contains(&down), format!("{path}.down"), || {
        format!("expected 0 or more and less than 1, found {down}")
    })?;
    Ok(Band::of_tolerance(down, up))
}

fn default_scale_up() -> Direction {
    let limits =
        [Step::Replicas(4), Step::Percent(100)].map(|step| RateLimit { step, period: Duration::from_secs(15) });
    let rules = Rules { select: Select::Max, limits: limits.to_vec() };
    Direction { stabilization_window: Duration::ZERO, rules, cooldown: Duration::ZERO }
}

fn default_scale_down() -> Direction {
    let limits = vec![RateLimit { step: Step::Percent(100), period: Duration::from_secs(15) }];
    let rules = Rules { select: Select::Max, limits };
    Direction { stabilization_window: Duration::from_mins(5), rules, cooldown: Duration::ZERO }
}

fn check_direction(raw: RawDirection, path: &str, default: Direction) -> Result<Direction, Problem> {
    let stabilization_window = raw.stabilization_window.map_or(default.stabilization_window, |window| window.0);
    require(stabilization_window <= MAX_STABILIZATION, format!("{path}.stabilization_window"), || {
        format!("expected at most 1h, found {}", HumanDuration(stabilization_window))
    })?;
    let limits = match raw.policies {
        None => default.rules.limits,
        Some(list) => {
            require(!list.is_empty(), format!("{path}.policies"), || {
                "expected at least one policy; to allow no change write `select: disabled`".to_owned()
            })?;
            let one = |(index, limit): (usize, &RawRateLimit)| check_rate(limit, &format!("{path}.policies[{index}]"));
            list.iter().enumerate().map(one).collect::<Result<_, _>>()?
        }
    };
    let cooldown = raw.cooldown.map_or(default.cooldown, |cooldown| cooldown.0);
    require(cooldown <= MAX_COOLDOWN, format!("{path}.cooldown"), || {
        format!("expected at most 6h, found {}", HumanDuration(cooldown))
    })?;
    let rules = Rules { select: raw.select.unwrap_or(default.rules.select), limits };
    Ok(Direction { stabilization_window, rules, cooldown })
}

fn check_rate(raw: &RawRateLimit, path: &str) -> Result<RateLimit, Problem> {
    require((1..=MAX_INSTANCES).contains(&raw.value), format!("{path}.value"), || {
        format!("expected 1 to {MAX_INSTANCES}, found {}", raw.value)
    })?;
    let period = raw.period.0;
    require(!period.is_zero() && period <= MAX_PERIOD, format!("{path}.period"), || {
        format!("expected more than 0s and at most 30m, found {}", HumanDuration(period))
    })?;
    let value = raw.value.cast_signed();
    let step = match raw.r#type {
        RawStep::Instances => Step::Replicas(value),
        RawStep::Percent => Step::Percent(value),
    };
    Ok(RateLimit { step, period })
}
