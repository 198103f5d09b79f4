//! From an objective and an observation to what this signal alone asks for.
//!
//! Loads are turned to integers at the edge: thousandths for HPA objectives, as Kubernetes' quantities are, billionths
//! for unrounded ones and for utilizations that are not weighed, which are cut to percents only as a whole. So sums do
//! not depend on order, and equal input gives equal bytes.

pub(crate) mod demand;
pub(crate) mod pid;
pub(crate) mod schedule;
pub(crate) mod trigger;

use crate::hpa::pods::Group;
use crate::hpa::ratio::{self, Load, Population, totals};
use crate::observe::{Observation, group};
use crate::policy::{Objective, ObjectiveKind, Of, Resource, Source, Statistic, WhenAbsent};
use crate::signal::{SignalFailure, SignalValue};
use crate::whole::{as_number, rounded};
use tidegauge_model::{SignalReading, WindowSummary};

/// A signal as read, with what is needed to ask what it would be at another count.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What goes into the decision.
    pub reading: SignalReading,
    /// Resolved: a utilization's capacity, for people.
    pub of: Option<Of>,
    /// Measured usage and capacity, for [`Wish::would_grow_at`].
    totals: Option<(i128, i128)>,
    /// What it was read from, for [`Wish::scaled`]; empty where it is no objective's.
    population: Population,
    /// How it counts among the others.
    pub voice: Voice,
}

/// How a wish counts among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The largest counts; one without a count blocks shrinking.
    Wish,
    /// It is to be done, whatever others wish.
    Exact,
    /// It has no opinion now.
    Silent,
}

impl Wish {
    /// What it would ask for if every measured load were `factor` times what it is; `held` where nothing is to change.
    #[must_use]
    pub fn scaled(&self, objective: &Objective, factor: f64, held: u32) -> Option<u32> {
        let times = |load: &Load| Load { used: rounded(as_number(load.used) * factor), ..*load };
        let measured = self.population.measured.iter().map(times).collect();
        let population = Population { measured, ..self.population.clone() };
        let held = i32::try_from(held).unwrap_or(i32::MAX);
        let answer = ratio::wish(objective.ratio_objective(), objective.band, held, &population);
        answer.ok().map(|wish| u32::try_from(wish.replicas).unwrap_or(0))
    }

    /// A wish that is not an objective's.
    pub(crate) fn plain(reading: SignalReading, voice: Voice) -> Self {
        Self { reading, of: None, totals: None, population: Population::default(), voice }
    }

    /// The load of the fullest instance ÷ the mean over instances; `None` where fewer than two are measured, or there is none.
    pub(crate) fn unevenness(&self) -> Option<f64> {
        let measured = &self.population.measured;
        let share = |load: &Load| load.used as f64 / load.capacity as f64;
        let most = measured.iter().map(share).filter(|share| share.is_finite()).reduce(f64::max)?;
        let (used, capacity) = totals(measured.iter());
        let unevenness = most / (used as f64 / capacity as f64);
        (measured.len() > 1 && unevenness.is_finite()).then_some(unevenness)
    }

    /// Whether it has an opinion, or should have one.
    pub(crate) fn is_heard(&self) -> bool {
        self.voice != Voice::Silent
    }

    /// Whether this objective would call for growth if the measured load lay on `instances`, at least 1, not `current`.
    #[must_use]
    pub fn would_grow_at(&self, objective: &Objective, instances: u32, current: u32) -> bool {
        let Some((used, capacity)) = self.totals else {
            return false;
        };
        let (instances, current) = (i128::from(instances), i128::from(current));
        objective.ratio_objective().ratio(used * current, capacity * instances) > objective.band.high
    }
}

/// What `objective` asks for. `held` is the answer where nothing is to change.
#[must_use]
pub fn wish(objective: &Objective, observation: &Observation<'_>, held: u32) -> Wish {
    let view = View::of(objective, observation);
    let failure = view.failure();
    let (population, samples) = match (failure, objective.kind) {
        (Some(_), _) => (Population::default(), 0),
        (None, ObjectiveKind::Value) => view.whole(observation, 1),
        (None, _) if view.is_total() => view.whole(observation, observation.current_instances),
        (None, _) => view.per_instance(observation),
    };
    let held = i32::try_from(held).unwrap_or(i32::MAX);
    let answer = ratio::wish(objective.ratio_objective(), objective.band, held, &population);
    let measured = answer.is_ok().then(|| totals(population.measured.iter()));
    let assumed = population.missing.len();
    let reading = SignalReading {
        name: objective.name.clone(),
        value: measured.map(|(used, capacity)| view.value_of(used, capacity)),
        objective: objective.target,
        samples,
        instances: crate::observe::count(population.measured.len()),
        wish_instances: answer.as_ref().ok().map(|wish| u32::try_from(wish.replicas).unwrap_or(0)),
        problem: match (&answer, failure) {
            (Err(_), Some(failure)) => Some(failure.to_string()),
            (Err(error), None) => Some(error.to_string()),
            (Ok(_), _) if assumed > 0 => Some(format!("{assumed} missing: full when shrinking, idle when growing")),
            (Ok(_), _) => None,
        },
    };
    Wish { reading, of: view.of, totals: measured, population, voice: Voice::Wish }
}

/// An objective, and how it reads this window.
struct View<'a> {
    objective: &'a Objective,
    of: Option<Of>,
    is_cpu: bool,
    /// Units per one: the integer that stands for 1.0.
    unit: f64,
    read: Read<'a>,
}

/// A mean over the window.
type GaugeMean = f64;

/// Where values come from.
enum Read<'a> {
    /// From the windows.
    Statistic { metric: &'a str, statistic: Statistic },
    /// Usage and capacity of each instance that reports the utilization, with the samples behind it.
    Weighed(Vec<Option<(GaugeMean, GaugeMean, u64)>>),
    /// From a signal of SQL.
    Signal(&'a SignalValue),
    /// From a formula, which is one value of the whole agent.
    Formula(Option<f64>),
}

impl<'a> View<'a> {
    fn of(objective: &'a Objective, observation: &Observation<'a>) -> Self {
        let whole_thousandths = if objective.exact { 1e9 } else { 1e3 };
        let plain = |unit, read| Self { objective, of: None, is_cpu: false, unit, read };
        match &objective.source {
            Source::Resource { resource, of, statistic } => {
                let of = resource.resolve(*of, Of::Request, observation.agent);
                let metric = resource.utilization_metric(of);
                let is_cpu = *resource == Resource::Cpu;
                let weighed = match statistic {
                    Statistic::Mean => weighed(observation.instances, *resource, of),
                    _ => None,
                };
                let (unit, read) = match weighed {
                    Some(loads) => (whole_thousandths, Read::Weighed(loads)),
                    None => (1e9, Read::Statistic { metric, statistic: *statistic }),
                };
                Self { objective, of: Some(of), is_cpu, unit, read }
            }
            Source::Metric { metric, statistic } => {
                let unit = if objective.kind == ObjectiveKind::Utilization { 1e9 } else { whole_thousandths };
                plain(unit, Read::Statistic { metric, statistic: *statistic })
            }
            Source::Formula { formula } => {
                let Observation { agent, instances, current_instances, .. } = *observation;
                plain(whole_thousandths, Read::Formula(formula.value(agent, instances, current_instances)))
            }
            Source::Signal { name } => plain(whole_thousandths, Read::Signal(observation.signals.get(name))),
        }
    }

    /// Why there is no answer, whatever is assumed of what is absent (G2).
    fn failure(&self) -> Option<SignalFailure> {
        match (&self.read, self.objective.kind) {
            (Read::Signal(SignalValue::Failed(failure)), _) => Some(*failure),
            (Read::Signal(SignalValue::Instances(_)), ObjectiveKind::Value) => Some(SignalFailure::Level),
            _ => None,
        }
    }

    /// Whether the value is that of the whole agent, although the wanted one is that of an instance.
    fn is_total(&self) -> bool {
        matches!(self.read, Read::Signal(SignalValue::Agent(_)) | Read::Formula(_))
    }

    /// `value` as an integer. Beyond ±10¹⁵ it is that, so that no sum of instances overflows.
    fn integer(&self, value: f64) -> i128 {
        rounded(value.clamp(-1e15, 1e15) * self.unit)
    }

    /// What an instance has where its capacity is not reported: 1 of a utilization; 1 as a divisor of a plain metric.
    fn one(&self) -> i128 {
        if self.objective.exact || self.objective.kind == ObjectiveKind::Utilization { self.integer(1.0) } else { 1 }
    }

    /// The number that people see.
    fn value_of(&self, used: i128, capacity: i128) -> f64 {
        let share = as_number(used) / as_number(capacity);
        if self.one() == 1 { share / self.unit } else { share }
    }

    /// Usage and capacity of an instance, and the samples behind it.
    fn load(&self, window: &WindowSummary) -> Option<(Load, u64)> {
        let (value, samples) = match &self.read {
            Read::Signal(value) => return self.load_of_signal(value, window),
            Read::Formula(value) => ((*value)?, window.samples),
            Read::Statistic { metric, statistic } => statistic.of(metric, window)?,
            Read::Weighed(_) => return None, // known of instances, one by one
        };
        Some((Load { used: self.integer(value), capacity: self.one() }, samples))
    }

    /// The same of the instance that is so manieth of the observation.
    fn load_at(&self, index: usize, window: &WindowSummary) -> Option<(Load, u64)> {
        let Read::Weighed(loads) = &self.read else { return self.load(window) };
        let (used, capacity, samples) = loads[index]?;
        Some((Load { used: self.integer(used), capacity: self.integer(capacity) }, samples))
    }

    /// The samples behind a signal of SQL are those of the window that it saw, as far as anybody can say.
    fn load_of_signal(&self, value: &SignalValue, window: &WindowSummary) -> Option<(Load, u64)> {
        let value = match (value, &window.instance) {
            (SignalValue::Agent(value), None) => *value,
            (SignalValue::Instances(values), Some(instance)) => values.get(instance).copied(),
            _ => None,
        };
        Some((Load { used: self.integer(value?), capacity: self.one() }, window.samples))
    }

    /// One value of the whole agent, shared by so many: one load that all ready instances are like. Without any there is
    /// no answer.
    fn whole(&self, observation: &Observation<'_>, shared_by: u32) -> (Population, u64) {
        let Some(others) = observation.current_instances.checked_sub(1) else {
            return (Population::default(), 0);
        };
        let found = match self.load(observation.agent) {
            None if self.objective.when_absent == WhenAbsent::Zero => Some((Load { used: 0, capacity: self.one() }, 0)),
            found => found,
        };
        let Some((Load { used, capacity }, samples)) = found else {
            return (Population::default(), 0);
        };
        let load = Load { used, capacity: capacity * i128::from(shared_by) };
        let like_measured = usize::try_from(others).unwrap_or(usize::MAX);
        (Population { measured: vec![load], like_measured, ..Population::default() }, samples)
    }

    /// A load per instance.
    fn per_instance(&self, observation: &Observation<'_>) -> (Population, u64) {
        let (mut population, mut samples) = (Population::default(), 0);
        let (mut zero, mut unready) = (0, 0);
        let mut missing = usize::try_from(observation.missing_instances()).unwrap_or(usize::MAX);
        population.measured.reserve(observation.instances.len());
        for (index, instance) in observation.instances.iter().enumerate() {
            match (group(instance, self.is_cpu), self.load_at(index, instance), self.objective.when_absent) {
                (Group::Ignored, _, _) => {}
                (Group::Unready, _, _) => unready += 1,
                (_, Some((load, count)), _) => {
                    population.measured.push(load);
                    samples += count;
                }
                (_, None, WhenAbsent::Ignore) => population.like_measured += 1,
                (_, None, WhenAbsent::Zero) => zero += 1,
                (_, None, WhenAbsent::Missing) => missing += 1,
            }
        }
        // An instance that samples every 57 s may have no row in a window of a minute: ready, and like the others.
        population.like_measured += usize::try_from(observation.quiet_instances()).unwrap_or(usize::MAX);
        let typical = typical_capacity(&population.measured);
        population.measured.extend(vec![Load { used: 0, capacity: typical }; zero]);
        population.unready = vec![typical; unready];
        population.missing = vec![typical; missing];
        (population, samples)
    }
}

/// Usage and capacity of each instance that reports the utilization, if all of those report both, the capacity above zero,
/// so that they can be weighed.
fn weighed(
    instances: &[&WindowSummary],
    resource: Resource,
    of: Of,
) -> Option<Vec<Option<(GaugeMean, GaugeMean, u64)>>> {
    let (utilization, used, capacity) =
        (resource.utilization_metric(of), resource.used_metric(), resource.capacity_metric(of));
    let load = |window: &&WindowSummary| {
        let Some(reported) = window.gauges.get(utilization) else { return Some(None) };
        let (used, capacity) = (window.gauges.get(used)?.mean, window.gauges.get(capacity)?.mean);
        let is_sound = used.is_finite() && capacity.is_finite() && capacity > 0.0;
        is_sound.then_some(Some((used, capacity, reported.count)))
    };
    let loads: Vec<_> = instances.iter().map(load).collect::<Option<_>>()?;
    loads.iter().any(Option::is_some).then_some(loads)
}

/// The mean capacity of those that report, at least 1: what a silent instance is taken to have.
fn typical_capacity(measured: &[Load]) -> i128 {
    let (_, capacity) = totals(measured.iter());
    (capacity / i128::try_from(measured.len()).unwrap_or(i128::MAX).max(1)).max(1)
}
