//! What readiness and liveness rest on.

use super::state::{Phase, State, WorkerState};
use bytesize::ByteSize;
use std::time::{Duration, Instant};

/// Workers commit at least every 5 s: one commit may be late.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);
/// Longer than any call of a worker waits.
const SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(60);

/// One thing that readiness rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub what: String,
    /// What is wrong, as a sentence; `None` if nothing is.
    pub problem: Option<String>,
}

pub(super) fn checks(state: &State, now: Instant) -> Vec<Check> {
    let check = |what: &str, problem| Check { what: what.to_owned(), problem };
    let stopping = state.stopping.then(|| "the process is stopping".to_owned());
    let mut checks = vec![check("process", stopping), check("memory", memory(state))];
    for (&(stage, number), worker) in &state.workers {
        let name = format!("{stage}-{number}");
        checks.push(check(&format!("{name} is a member"), member(&name, worker)));
        checks.push(check(&format!("{name} has its state"), restoring(&name, worker, now)));
        checks.push(check(&format!("{name} commits"), commits(&name, worker, now)));
    }
    checks
}

/// Workers whose loop does not turn.
pub(super) fn silent(state: &State, now: Instant) -> Vec<String> {
    let silent = state.workers.iter().filter_map(|((stage, number), worker)| {
        let since = now.saturating_duration_since(worker.said_at);
        let is_silent = worker.phase != Phase::Stopped && since > SIGN_OF_LIFE_WITHIN;
        is_silent.then(|| format!("{stage}-{number} has given no sign of life for {} s", since.as_secs()))
    });
    silent.collect()
}

fn memory(state: &State) -> Option<String> {
    let memory = state.memory.filter(|memory| memory.is_over())?;
    let (rss, limit) = (ByteSize(memory.rss_bytes), ByteSize(memory.limit_bytes));
    Some(format!("memory of {rss} is over the limit of {limit}"))
}

fn member(name: &str, worker: &WorkerState) -> Option<String> {
    let before = |restarts| format!(" (start {}, after: {})", restarts + 1, worker.trouble.as_deref().unwrap_or("-"));
    let earlier = if worker.restarts > 0 { before(worker.restarts) } else { String::new() };
    match worker.phase {
        Phase::Running => None,
        Phase::Starting => Some(format!("{name} has not started")),
        Phase::Joining => Some(format!("{name} has not joined its group{earlier}")),
        Phase::Trouble => {
            let trouble = worker.trouble.as_deref().unwrap_or("trouble outside");
            Some(format!("{name} starts anew: {trouble}"))
        }
        Phase::Stopped => Some(format!("{name} has stopped")),
    }
}

fn restoring(name: &str, worker: &WorkerState, now: Instant) -> Option<String> {
    let restoring = worker.partitions.iter().filter_map(|(at, partition)| {
        let since = now.saturating_duration_since(partition.restoring_since?);
        Some(format!("{}[{}] for {} s", at.topic, at.partition, since.as_secs()))
    });
    let restoring: Vec<_> = restoring.collect();
    (!restoring.is_empty()).then(|| format!("{name} rebuilds the state of {}", restoring.join(", ")))
}

fn commits(name: &str, worker: &WorkerState, now: Instant) -> Option<String> {
    // While state is rebuilt nothing is committed, and that is said already.
    let since = worker.commit_since.filter(|_| worker.phase == Phase::Running && !worker.is_restoring())?;
    let passed = now.saturating_duration_since(since);
    (passed > COMMIT_WITHIN).then(|| {
        let aborted = worker.last_abort.map(|reason| format!("; last abort: {reason}")).unwrap_or_default();
        format!("{name} has committed nothing for {} s{aborted}", passed.as_secs())
    })
}
