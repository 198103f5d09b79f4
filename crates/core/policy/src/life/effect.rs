//! The effect of a change: what was expected of it, what later windows show, and whether more of the same makes sense.
//!
//! ```text
//!  seen when it was decided ──┐ capacity = throughput ÷ load, load = the leading objective's value ÷ what is wanted of it
//!  carried out, settled       ├─► grown = (capacity' ÷ capacity − 1) ÷ (instances' ÷ instances − 1)
//!  seen then ─────────────────┘   1: as much as came; 0: none of it
//! ```
//!
//! Growth is tested only where the load was at or above what is wanted before it: below that, throughput is what arrives,
//! whatever the count. It is *ineffective* if less than a quarter of what came grew ([`LEAST_GROWN`]), and *harmful* if
//! there is less capacity than before ([`LEAST_LOST`]): past the peak of the scaling law, instances wait for one another.
//! After either, growth is held until a window shows that capacity did grow, the load is below what is wanted, or it is time
//! to try again.
//!
//! - **F1** Nothing is scored twice, and nothing before it has settled.
//! - **F2** Below saturation nothing is ineffective.
//! - **F3** Equal factors of throughput change nothing of the verdict.

use super::{Life, LifeBook};
use crate::decide::cost_of_one;
use crate::duration::HumanDuration;
use crate::observe::Observation;
use crate::policy::{Objective, Policy};
use crate::wish::wish;
use serde::{Deserialize, Serialize};
use std::fmt;
use tidegauge_model::{
    Confidence, Entity, EventTime, Evidence, Finding, FindingKind, FindingState, ScalingState, Severity, WindowSummary,
    finding_id,
};

/// Of what came, at least this share has to grow the capacity.
pub const LEAST_GROWN: f64 = 0.25;
/// Capacity that is less by this share is lost, and not noise.
pub const LEAST_LOST: f64 = 0.05;
/// An instance that serves so many times the mean takes what others should.
const UNEVEN: f64 = 1.5;
/// A pool with less room than a tenth is full.
const POOL_FULL: f64 = 0.9;
/// A resource is the bottleneck of each instance from this share of saturated samples on.
const SATURATED: f64 = 0.5;

/// What one window shows of an agent, as far as a change is judged by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// End of the window.
    pub at: EventTime,
    /// Ready instances.
    pub instances: u32,
    /// The objective with the greatest load.
    pub signal: Option<String>,
    /// Its value ÷ what is wanted of it.
    pub load_ratio: Option<f64>,
    /// Completed per second, all instances together.
    pub throughput_per_s: Option<f64>,
    /// p95 of response times.
    pub latency_ms: Option<f64>,
    /// What all of it costs in an hour.
    pub cost_per_hour: Option<f64>,
}

impl Sight {
    /// What a window shows: of `signal`, or where none is named, of the objective with the greatest load.
    #[must_use]
    pub fn of(policy: &Policy, observation: &Observation<'_>, signal: Option<&str>) -> Self {
        let watched = policy.objectives.iter().filter(|objective| signal.is_none_or(|name| objective.name == name));
        let loads = watched.filter_map(|objective| Some((&objective.name, load(objective, observation)?)));
        let leading = loads.max_by(|a, b| a.1.total_cmp(&b.1));
        let instances = observation.current_instances;
        Self {
            at: observation.window.end,
            instances,
            signal: leading.map(|(name, _)| name.clone()),
            load_ratio: leading.map(|(_, ratio)| ratio),
            throughput_per_s: throughput(observation),
            latency_ms: observation.agent.latencies.get("response_time_ms").map(|times| times.p95),
            cost_per_hour: cost_of_one(observation.instances).map(|each| each * f64::from(instances)),
        }
    }

    /// Whether the agent worked at or above what is wanted of it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.load_ratio.is_some_and(|ratio| ratio >= 1.0)
    }

    /// What it would complete at the wanted load.
    #[must_use]
    pub fn capacity_per_s(&self) -> Option<f64> {
        let capacity = self.throughput_per_s? / self.load_ratio.filter(|ratio| *ratio > 0.0)?;
        (capacity.is_finite() && capacity > 0.0).then_some(capacity)
    }
}

/// Its value ÷ what is wanted of it.
fn load(objective: &Objective, observation: &Observation<'_>) -> Option<f64> {
    let ratio = wish(objective, observation, observation.held_instances()).reading.value? / objective.target;
    ratio.is_finite().then_some(ratio)
}

/// As instances report it; else requests that were counted.
fn throughput(observation: &Observation<'_>) -> Option<f64> {
    let each = observation.instances.iter().filter_map(|window| mean(window, "throughput_per_s"));
    let counted = || {
        let requests = observation.agent.gauges.get("requests")?.sum;
        Some(requests / observation.window.length().as_secs_f64())
    };
    each.reduce(|sum, each| sum + each).or_else(counted)
}

fn mean(window: &WindowSummary, metric: &str) -> Option<f64> {
    window.gauges.get(metric).map(|gauge| gauge.mean)
}

/// Whether a change did what it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Capacity grew with the instances.
    Effective,
    /// It did not.
    Ineffective,
    /// It fell.
    Harmful,
    /// The load was below what is wanted, or there are not more instances than before.
    NotTestable,
    /// Throughput or load is not known.
    NotMeasured,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Effective => "effective",
            Self::Ineffective => "no effect",
            Self::Harmful => "slower with more instances",
            Self::NotTestable => "not testable",
            Self::NotMeasured => "not measured",
        }
    }

    /// Whether more of the same makes no sense.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Ineffective | Self::Harmful)
    }
}

/// What to do instead of growing on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Fewer came than were asked for: the actuator has to be helped first.
    Scale,
    /// Some serve far more than others.
    Rebalance,
    /// All are bound by the same resource.
    Resize,
    /// There were better fewer: they contend for what they share.
    Shrink,
    /// Nothing measured would be helped by more: look at what they depend on.
    Stop,
}

impl Remedy {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Scale => "fewer came than were asked for: find out why the actuator could not do more",
            Self::Rebalance => "some instances serve far more than others: rebalance",
            Self::Resize => "each instance is bound by the same resource: resize",
            Self::Shrink => {
                "more instances are slower: go back to fewer, and look at what they share \
                 (database, locks, network, limits, cache)"
            }
            Self::Stop => "more instances do not help: look at what they depend on",
        }
    }

    fn choose(life: &Life, verdict: Verdict, after: &Sight, observation: &Observation<'_>) -> Self {
        let served: Vec<f64> =
            observation.instances.iter().filter_map(|window| mean(window, "throughput_per_s")).collect();
        let each = served.iter().sum::<f64>() / served.len() as f64;
        let most = served.iter().copied().fold(0.0, f64::max);
        let mut saturated = observation.agent.saturation.values();
        if after.instances < life.desired_instances {
            Self::Scale
        } else if most > each * UNEVEN {
            Self::Rebalance
        } else if verdict == Verdict::Harmful {
            Self::Shrink
        } else if saturated.any(|resource| resource.share >= SATURATED) {
            Self::Resize
        } else {
            Self::Stop
        }
    }
}

/// Expected beside seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The verdict.
    pub verdict: Verdict,
    /// What the window shows by which it is judged.
    pub after: Sight,
    /// The load with what is served now on as many instances as there are, each as good as those before.
    pub expected_load_ratio: Option<f64>,
    /// The cost, each instance costing what those before did.
    pub expected_cost_per_hour: Option<f64>,
    /// Of what came, the share by which capacity grew.
    pub grown: Option<f64>,
    /// What to do, where it did not.
    pub remedy: Option<Remedy>,
}

impl Effect {
    fn of(life: &Life, before: &Sight, after: Sight, observation: &Observation<'_>) -> Self {
        let factor = f64::from(after.instances) / f64::from(before.instances);
        let served = after.throughput_per_s.zip(before.throughput_per_s).map(|(after, before)| after / before);
        let finite = |value: f64| value.is_finite().then_some(value);
        let grown = grown(before, &after);
        // Of instances that come to none no share can be told.
        let is_more = 0 < before.instances && before.instances < after.instances;
        let verdict = match grown {
            _ if !life.grows() || !before.is_full() || !is_more => Verdict::NotTestable,
            None => Verdict::NotMeasured,
            Some(grown) if grown * (factor - 1.0) <= -LEAST_LOST => Verdict::Harmful,
            Some(grown) if grown < LEAST_GROWN => Verdict::Ineffective,
            Some(_) => Verdict::Effective,
        };
        let remedy = verdict.is_bad().then(|| Remedy::choose(life, verdict, &after, observation));
        Self {
            verdict,
            expected_load_ratio: before
                .load_ratio
                .zip(served)
                .and_then(|(load, served)| finite(load * served / factor))
                .filter(|_| before.instances > 0),
            expected_cost_per_hour: before.cost_per_hour.and_then(|cost| finite(cost * factor)),
            grown: grown.filter(|_| verdict != Verdict::NotTestable),
            remedy,
            after,
        }
    }
}

/// Of the instances that came, the share by which capacity grew.
fn grown(before: &Sight, after: &Sight) -> Option<f64> {
    let came = f64::from(after.instances) / f64::from(before.instances) - 1.0;
    if !came.is_finite() {
        return None;
    }
    let grown = after.capacity_per_s()? / before.capacity_per_s()? - 1.0;
    let share = grown / came;
    share.is_finite().then_some(share)
}

/// Growth that brought nothing: for now nothing grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WithoutEffect {
    /// What was seen before it.
    pub before: Sight,
    /// When it is tried again, whatever is seen.
    pub until: EventTime,
    /// Instances that there were after it.
    pub instances: u32,
    /// Of what came, the share by which capacity grew.
    pub grown: f64,
    /// What to do instead.
    pub remedy: Remedy,
}

impl fmt::Display for WithoutEffect {
    /// `from 4 to 8 instances 3 % of what came grew the capacity; more instances do not help: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, instances, grown, remedy, .. } = self;
        write!(f, "from {} to {instances} instances ", before.instances)?;
        if *grown < 0.0 {
            let lost = -grown * (f64::from(*instances) / f64::from(before.instances) - 1.0);
            write!(f, "{} % of the capacity were lost; ", (lost * 100.0).round())?;
        } else {
            write!(f, "{} % of what came grew the capacity; ", (grown * 100.0).round())?;
        }
        f.write_str(remedy.text())
    }
}

/// Scores the last change that was carried out, once a window lies behind it that begins after it has settled, unless a
/// later one has begun by then (F1).
pub(super) fn score(book: &mut LifeBook, policy: &Policy, observation: &Observation<'_>) -> Option<Finding> {
    let later = book.lives.iter().rev().take_while(|life| !life.is_begun()).count();
    let at = book.lives.len().checked_sub(later + 1)?;
    let life = book.lives.get_mut(at).filter(|life| life.is_change() && life.is_done() && life.effect.is_none())?;
    let (done_at, before) = (life.done_at()?, life.before.clone()?);
    if observation.window.start < done_at.plus(policy.feedback.settle_after) {
        return None;
    }
    let after = Sight::of(policy, observation, before.signal.as_deref());
    let effect = Effect::of(life, &before, after, observation);
    life.effect = Some(effect.clone());
    let report = report(life, &before, &effect, observation);
    if let (Some(grown), Some(remedy)) = (effect.grown, effect.remedy) {
        let until = observation.window.end.plus(policy.feedback.retry_after);
        let instances = effect.after.instances;
        book.without_effect = Some(WithoutEffect { before, until, instances, grown, remedy });
    }
    Some(report)
}

/// Lets growth go on, if there is reason to.
pub(super) fn reconsider(book: &mut LifeBook, policy: &Policy, observation: &Observation<'_>) {
    let Some(held) = &book.without_effect else { return };
    let now = Sight::of(policy, observation, held.before.signal.as_deref());
    let is_calm = now.load_ratio.is_some_and(|ratio| ratio < 1.0);
    let is_fewer = now.instances <= held.before.instances;
    let has_grown = grown(&held.before, &now).is_some_and(|grown| grown >= LEAST_GROWN);
    if is_calm || is_fewer || has_grown || now.at >= held.until {
        book.without_effect = None;
    }
}

/// The verification of one change: what is measured of the seven items of the scaling guide, each 1 or 0, beside expected
/// and seen.
fn report(life: &Life, before: &Sight, effect: &Effect, observation: &Observation<'_>) -> Finding {
    let after = &effect.after;
    let entity = Entity::Agent { target: observation.target.clone() };
    let share = |is: bool| if is { 1.0 } else { 0.0 };
    let pool = mean(observation.agent, "pool_connections_in_use").zip(mean(observation.agent, "pool_connections_size"));
    let moved = if life.grows() { after.instances > before.instances } else { after.instances < before.instances };
    let agrees = life.instances.map(|said| said == after.instances);
    let way = if life.grows() { "scaled_up" } else { "scaled_down" };
    let has_room = pool.map(|(used, size)| used < POOL_FULL * size);
    let items = [(way, Some(moved)), ("pool_has_room", has_room), ("counts_agree", agrees)].into_iter();
    let items = items.chain(life.watch.held()).map(|(name, held)| (name, held.map(share), "ratio"));
    let numbers = [
        ("generation", Some(life.generation as f64), "generation"),
        ("load_ratio_before", before.load_ratio, "ratio"),
        ("load_ratio_expected", effect.expected_load_ratio, "ratio"),
        ("load_ratio_seen", after.load_ratio, "ratio"),
        ("latency_ms_before", before.latency_ms, "milliseconds"),
        ("latency_ms_seen", after.latency_ms, "milliseconds"),
        ("cost_per_hour_expected", effect.expected_cost_per_hour, "per hour"),
        ("cost_per_hour_seen", after.cost_per_hour, "per hour"),
        ("capacity_per_s_before", before.capacity_per_s(), "per second"),
        ("capacity_per_s_seen", after.capacity_per_s(), "per second"),
        ("capacity_grown_share", effect.grown, "ratio"),
    ];
    let evidence = items.chain(numbers).filter_map(|(name, value, unit)| {
        let value = value.filter(|value| value.is_finite())?;
        Some(Evidence { name: name.into(), value, unit: unit.into() })
    });
    let is_bad = effect.verdict.is_bad() || life.state == Some(ScalingState::Partial) || !moved;
    Finding {
        id: finding_id(FindingKind::ScalingEffect, &entity, life.decided_at),
        kind: FindingKind::ScalingEffect,
        entity,
        onset: life.decided_at,
        window: observation.window,
        state: FindingState::Ended,
        severity: if is_bad { Severity::Warning } else { Severity::Info },
        value: f64::from(after.instances),
        unit: "instances".into(),
        evidence: evidence.collect(),
        confidence: Confidence {
            value: observation.completeness,
            meaning: "completeness of the window that shows the effect".into(),
        },
        causes: Vec::new(),
        remedies: effect.remedy.iter().map(|remedy| remedy.text().into()).collect(),
        completeness: observation.completeness,
        summary: summary(life, before, effect),
    }
}

/// `generation 7, 4 -> 8 instances, applied after 40s: load 1.20 of what is wanted, expected 0.60, seen 1.15: no effect`.
fn summary(life: &Life, before: &Sight, effect: &Effect) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.2}"));
    let took = life.done_at().map_or_else(String::new, |at| {
        format!(" after {}", HumanDuration(std::time::Duration::from_secs(at.since(life.decided_at).as_secs())))
    });
    format!(
        "generation {}, {} -> {} instances, {}{took}: load {} of what is wanted, expected {}, seen {}: {}",
        life.generation,
        before.instances,
        effect.after.instances,
        life.stands(life.decided_at, true),
        number(before.load_ratio),
        number(effect.expected_load_ratio),
        number(effect.after.load_ratio),
        effect.verdict.text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_came_to_nobody_no_share_is_told() {
        let sight = |instances, load| Sight {
            at: EventTime::from_secs(0),
            instances,
            signal: None,
            load_ratio: Some(load),
            throughput_per_s: Some(40.0),
            latency_ms: None,
            cost_per_hour: None,
        };
        assert_eq!(grown(&sight(4, 1.0), &sight(8, 0.5)), Some(1.0));
        assert_eq!(grown(&sight(0, 1.3), &sight(6, 1.05)), None);
    }
}
