//! Gauges, read from what is known at the moment of the question.

use super::skew::Skew;
use super::status::{HeldStatus, MemoryStatus, PartitionStatus, Status, UnreadStatus, WorkerStatus};
use crate::metrics::{self as m, Metric, Reading};
use std::collections::BTreeMap;

/// Every gauge of the table, as Prometheus reads it.
pub(super) fn text(status: &Status, results: Vec<(Metric, Vec<Reading>)>) -> String {
    let mut out = String::new();
    for (metric, readings) in readings(status).into_iter().chain(results) {
        metric.write(&readings, &mut out);
    }
    out
}

/// The series of each gauge; a partition that was lost is in none.
fn readings(status: &Status) -> Vec<(Metric, Vec<Reading>)> {
    let memory = |bytes: fn(&MemoryStatus) -> u64| {
        status.memory.iter().map(|memory| Reading::plain(bytes(memory) as f64)).collect()
    };
    let ages = status
        .workers
        .iter()
        .filter_map(|worker| Some(Reading::of([worker.stage, &worker.number.to_string()], worker.commit_age_s?)));
    let skew = |of: fn(&Skew) -> Option<f64>| {
        let skews = status.skew.iter().filter_map(|skew| Some(Reading::of([skew.stage], of(skew)?)));
        skews.collect()
    };
    let unread = |bytes: fn(&UnreadStatus) -> u64| {
        status.journal_unread.iter().map(|unread| Reading::plain(bytes(unread) as f64)).collect()
    };
    vec![
        (m::BUILD_INFO, vec![Reading::of([status.version], 1.0)]),
        (m::READY, vec![Reading::plain(f64::from(u8::from(status.ready)))]),
        (m::UPTIME, vec![Reading::plain(status.uptime_s)]),
        (m::MEMORY, memory(|memory| memory.rss_bytes)),
        (m::MEMORY_LIMIT, memory(|memory| memory.limit_bytes)),
        (m::ASSIGNED, by_stage(status, |worker| worker.assigned)),
        (m::RESTORING, by_stage(status, |worker| count(worker, |partition| partition.restoring_s.is_some()))),
        (m::PAUSED, by_stage(status, |worker| count(worker, |partition| partition.paused))),
        (m::COMMIT_AGE, ages.collect()),
        (
            m::LAG,
            by_partition(status, |stage, at, number| {
                Some(Reading::of([stage, &at.topic, number], at.lag_records? as f64))
            }),
        ),
        (
            m::WATERMARK_DELAY,
            by_partition(status, |_, at, number| Some(Reading::of([&at.topic, number], at.watermark_delay_s?))),
        ),
        (m::STATE_AGE, by_partition(status, |_, at, number| Some(Reading::of([number], at.state_age_s?)))),
        (m::STATE_BYTES, by_partition(status, |_, at, number| Some(Reading::of([number], at.state_bytes? as f64)))),
        (m::OPEN_PANES, held(status, |held| held.open_panes)),
        (m::OPEN_SAMPLES, held(status, |held| held.open_samples)),
        (m::KEPT_CELLS, held(status, |held| held.cells)),
        (m::KNOWN_INSTANCES, held(status, |held| held.instances)),
        (m::OPEN_FINDINGS, held(status, |held| held.open_findings)),
        (m::JOURNAL_UNREAD, unread(|unread| unread.bytes)),
        (m::JOURNAL_UNREAD_LIMIT, unread(|unread| unread.limit_bytes)),
        (m::PARTITION_RATE, whole(status, |at| at.appended_per_s)),
        (m::RATE_RATIO, skew(|skew| skew.rate_ratio)),
        (m::LAG_SKEW, skew(|skew| skew.lag_records)),
        (m::TOP_AGENT, whole(status, |at| Some(at.top_agent.as_ref()?.share))),
        (m::WORKER_SECONDS, activities(status)),
    ]
}

/// Of each partition, by all of its labels.
fn whole(status: &Status, of: impl Fn(&PartitionStatus) -> Option<f64>) -> Vec<Reading> {
    by_partition(status, |stage, at, number| Some(Reading::of([stage, &at.topic, number], of(at)?)))
}

fn held(status: &Status, of: impl Fn(&HeldStatus) -> u64) -> Vec<Reading> {
    whole(status, |at| Some(of(at.held.as_ref()?) as f64))
}

fn activities(status: &Status) -> Vec<Reading> {
    let of_worker = |worker: &WorkerStatus| {
        let (stage, number) = (worker.stage, worker.number.to_string());
        let spent = worker.spent_s.iter();
        spent.map(|(activity, seconds)| Reading::of([stage, &number, activity], *seconds)).collect::<Vec<_>>()
    };
    status.workers.iter().flat_map(of_worker).collect()
}

fn count(worker: &WorkerStatus, is: impl Fn(&PartitionStatus) -> bool) -> usize {
    worker.partitions.iter().filter(|partition| is(partition)).count()
}

/// Summed over the workers of each stage; 0 where there is none.
fn by_stage(status: &Status, of: impl Fn(&WorkerStatus) -> usize) -> Vec<Reading> {
    let mut sums = BTreeMap::<&str, usize>::new();
    for worker in &status.workers {
        *sums.entry(worker.stage).or_default() += of(worker);
    }
    sums.into_iter().map(|(stage, sum)| Reading::of([stage], sum as f64)).collect()
}

fn by_partition(status: &Status, reading: impl Fn(&str, &PartitionStatus, &str) -> Option<Reading>) -> Vec<Reading> {
    let all = status.workers.iter().flat_map(|worker| worker.partitions.iter().map(|at| (worker.stage, at)));
    all.filter_map(|(stage, at)| reading(stage, at, &at.partition.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;
    use std::collections::BTreeSet;
    use tidegauge_model::EventTime;

    #[test]
    fn every_gauge_of_the_table_is_read_and_nothing_else() {
        let health = Health::new(&[("aggregate", 1)]);
        let (status, results) = (readings(&health.status()), health.results().readings(EventTime::MIN));
        let read: BTreeSet<_> = status.iter().chain(&results).map(|(metric, _)| metric.name).collect();
        let gauges = m::TABLE.iter().filter(|metric| matches!(metric.kind, m::Kind::Gauge | m::Kind::Clock));
        assert_eq!(read, gauges.map(|metric| metric.name).collect());
    }
}
