//! Which pods count, and how: ready, unready, missing a sample, or to be ignored.

use crate::hpa::ratio::{Load, NoAnswer, Population};
use std::time::Duration;
use tidegauge_model::EventTime;

/// Kubernetes' pod phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not started yet.
    Pending,
    /// Started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended otherwise.
    Failed,
}

/// How a pod counts for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its sample counts.
    Ready,
    /// It exists and its sample, if any, says nothing yet.
    Unready,
    /// It should have a sample and has none.
    Missing,
    /// It is going or gone.
    Ignored,
}

/// The condition `Ready` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyCondition {
    /// The status is `False` (`Unknown` is not).
    pub is_false: bool,
    /// When the status last changed.
    pub changed_at: EventTime,
}

/// When a sample was taken, and over how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleTime {
    /// The end of its window.
    pub at: EventTime,
    /// The length of its window.
    pub window: Duration,
}

/// What grouping needs to know of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodFacts {
    /// Its phase.
    pub phase: Phase,
    /// It is being deleted.
    pub deleted: bool,
    /// When it started, once it has.
    pub started_at: Option<EventTime>,
    /// Its readiness, once it has one.
    pub ready: Option<ReadyCondition>,
    /// Its sample of the metric, if there is one.
    pub sample: Option<SampleTime>,
}

/// How long a started pod's CPU is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// Within it, only samples of a pod that was ready for all of the sample's window count. HPA default 5 min.
    pub cpu_initialization: Duration,
    /// A pod whose readiness last changed this soon after its start has never been ready. HPA default 30 s.
    pub initial_readiness_delay: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { cpu_initialization: Duration::from_mins(5), initial_readiness_delay: Duration::from_secs(30) }
    }
}

/// How a pod counts. Readiness matters for CPU only: another metric of a pod that is running counts.
#[must_use]
pub fn group(pod: &PodFacts, is_cpu: bool, now: EventTime, grace: Grace) -> Group {
    if pod.deleted || pod.phase == Phase::Failed {
        return Group::Ignored;
    }
    if pod.phase == Phase::Pending {
        return Group::Unready;
    }
    match pod.sample {
        None => Group::Missing,
        Some(sample) if is_cpu && !cpu_counts(pod, sample, now, grace) => Group::Unready,
        Some(_) => Group::Ready,
    }
}

fn cpu_counts(pod: &PodFacts, sample: SampleTime, now: EventTime, grace: Grace) -> bool {
    let (Some(ready), Some(started_at)) = (pod.ready, pod.started_at) else {
        return false;
    };
    if started_at.plus(grace.cpu_initialization) > now {
        !ready.is_false && sample.at >= ready.changed_at.plus(sample.window)
    } else {
        let never_ready = started_at.plus(grace.initial_readiness_delay) > ready.changed_at;
        !(ready.is_false && never_ready)
    }
}

/// One pod with its group, request and usage, as the calculator takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodLoad {
    /// How it counts.
    pub group: Group,
    /// Its request in thousandths, if stated.
    pub request_milli: Option<i64>,
    /// Its usage in thousandths, if sampled.
    pub usage_milli: Option<i64>,
}

/// The population of a resource metric; `strangers` is how many samples belong to no pod.
///
/// # Errors
///
/// [`NoAnswer::NoSamples`] if nothing is left of the samples; [`NoAnswer::MissingRequest`] if any pod, ignored ones
/// included, states no request.
pub fn resource_population(pods: &[PodLoad], strangers: usize) -> Result<Population, NoAnswer> {
    if strangers == 0 && !pods.iter().any(|pod| pod.group == Group::Ready) {
        return Err(NoAnswer::NoSamples);
    }
    let mut population =
        Population { strangers: vec![Load { used: 0, capacity: 0 }; strangers], ..Population::default() };
    for pod in pods {
        let capacity = pod.request_milli.ok_or(NoAnswer::MissingRequest)?;
        add(&mut population, pod, capacity.into());
    }
    Ok(population)
}

/// The population of a plain metric; `strangers_milli` are samples that belong to no pod.
#[must_use]
pub fn plain_population(pods: &[PodLoad], strangers_milli: &[i64]) -> Population {
    let strangers = strangers_milli.iter().map(|&used| Load { used: used.into(), capacity: 1 }).collect();
    let mut population = Population { strangers, ..Population::default() };
    pods.iter().for_each(|pod| add(&mut population, pod, 1));
    population
}

fn add(population: &mut Population, pod: &PodLoad, capacity: i128) {
    match pod.group {
        Group::Ready => population.measured.push(Load { used: pod.usage_milli.unwrap_or_default().into(), capacity }),
        Group::Unready => population.unready.push(capacity),
        Group::Missing => population.missing.push(capacity),
        Group::Ignored => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime::from_secs(10_000);

    fn ago(secs: u64) -> EventTime {
        NOW.minus(Duration::from_secs(secs))
    }

    #[test]
    fn cpu_of_a_pod_counts_once_it_was_ready_for_a_whole_sample() {
        let grace =
            Grace { cpu_initialization: Duration::from_mins(2), initial_readiness_delay: Duration::from_secs(10) };
        #[rustfmt::skip]
        let cases = [ // name, started s ago, not ready, changed s ago, sample s ago, want
            ("ready before the sample's window", 100, false, 90, 10, Group::Ready),
            ("ready exactly one window before the sample", 100, false, 70, 10, Group::Ready),
            ("ready within the sample's window", 100, false, 69, 10, Group::Unready),
            ("not ready while starting", 100, true, 90, 0, Group::Unready),
            ("the starting period is over at its edge: not ready, but it once was", 120, true, 60, 0, Group::Ready),
            ("long running and never ready", 500, true, 495, 0, Group::Unready),
            ("long running, not ready, once was", 500, true, 490, 0, Group::Ready),
        ];
        for (name, started, is_false, changed, sampled, want) in cases {
            let pod = PodFacts {
                phase: Phase::Running,
                deleted: false,
                started_at: Some(ago(started)),
                ready: Some(ReadyCondition { is_false, changed_at: ago(changed) }),
                sample: Some(SampleTime { at: ago(sampled), window: Duration::from_mins(1) }),
            };
            assert_eq!(group(&pod, true, NOW, grace), want, "{name}");
            assert_eq!(group(&pod, false, NOW, grace), Group::Ready, "readiness is for CPU only: {name}");
        }
    }

    #[test]
    fn phase_and_deletion_come_first() {
        let pod = PodFacts { phase: Phase::Running, deleted: false, started_at: None, ready: None, sample: None };
        let cases = [
            (PodFacts { deleted: true, ..pod }, Group::Ignored),
            (PodFacts { phase: Phase::Failed, ..pod }, Group::Ignored),
            (PodFacts { phase: Phase::Pending, ..pod }, Group::Unready),
            (pod, Group::Missing),
        ];
        for (pod, want) in cases {
            assert_eq!(group(&pod, true, NOW, Grace::default()), want, "{pod:?}");
        }
    }
}
