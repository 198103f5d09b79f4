//! What to do after a test.

use super::{FailureMode, Resource, TestRecord};
use serde::Serialize;

/// One piece of advice and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    /// What to do.
    pub action: String,
    /// Why: the evidence, with numbers.
    pub because: String,
}

/// Remedies of the seed documents [002, 003] for what was found, then what the test itself leaves open.
#[must_use]
pub fn recommend(record: &TestRecord) -> Vec<Recommendation> {
    let mut advice = Vec::new();
    let mut say = |action: &str, because: String| advice.push(Recommendation { action: action.to_owned(), because });
    if let Some(mode) = &record.failure_mode {
        // Of the level that was looked at: at the breaking load itself, between two levels, it may not be so yet.
        let at = record.failure_load.map_or(String::new(), |load| format!(" at a load of {load:.0}"));
        for remedy in remedies(mode) {
            say(remedy, format!("{}{at}", described(mode)));
        }
    }
    if let Ok(law) = &record.law {
        let (serial, pairs) = (law.sigma, law.kappa * law.load_max * (law.load_max - 1.0));
        if serial > 0.05 {
            say("remove what is serial: locks, one queue, one writer", format!("contention σ is {serial:.3}"));
        }
        if pairs > 0.1 {
            say(
                "cut what instances tell one another; shard",
                format!("coherency adds {pairs:.2} to the cost at the greatest load"),
            );
        }
    }
    if record.levels > 0 && record.breaking_load.is_none() {
        let most = record.load_max.unwrap_or_default();
        say("test at higher loads", format!("nothing broke up to {most:.0}"));
    }
    if !record.excluded.is_empty() {
        say(
            "measure again with a generator that keeps its rate",
            format!("{} measurements break Little's law", record.excluded.len()),
        );
    }
    if let Some(factor) = record.breaking.disagreement.filter(|factor| *factor > 1.5) {
        say("repeat with finer steps near the breaking points", format!("criteria differ by a factor of {factor:.1}"));
    }
    advice
}

fn described(mode: &FailureMode) -> String {
    match mode {
        FailureMode::Saturated(resource, utilization) => {
            format!("{} is {:.0} % full", resource.name(), 100.0 * utilization)
        }
        FailureMode::QueueGrowth => "more is offered than answered, with resources to spare".to_owned(),
        FailureMode::TimeoutsAtLowUtilization => "requests time out with resources to spare".to_owned(),
        FailureMode::ErrorsWithoutSaturation => "requests fail with no resource saturated".to_owned(),
        FailureMode::Unexplained => "latency is over its objective and no resource explains it".to_owned(),
    }
}

fn remedies(mode: &FailureMode) -> &'static [&'static str] {
    match mode {
        FailureMode::Saturated(Resource::Cpu, _) => &["scale out", "optimize the hottest code"],
        FailureMode::Saturated(Resource::Memory, _) => {
            &["larger instances", "smaller caches, compression", "scale out"]
        }
        FailureMode::Saturated(Resource::Io, _) => &["shard", "batch operations"],
        FailureMode::Saturated(Resource::Network, _) => {
            &["more bandwidth", "compression, smaller payloads", "keep traffic local"]
        }
        FailureMode::QueueGrowth => &["more workers per instance", "look for a lock or a slow dependency"],
        FailureMode::TimeoutsAtLowUtilization => {
            &["look for locks and a slow dependency", "check the size of connection pools"]
        }
        FailureMode::ErrorsWithoutSaturation => &["raise limits and pool sizes", "read the errors"],
        FailureMode::Unexplained => &["trace slow requests"],
    }
}
