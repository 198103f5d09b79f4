//! Gauges, read from what is known at the moment of the question.

use super::status::{PartitionStatus, Status, WorkerStatus};
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
    let memory = |bytes: fn(&super::status::MemoryStatus) -> u64| {
        status.memory.iter().map(|memory| Reading::plain(bytes(memory) as f64)).collect()
    };
    let ages = status
        .workers
        .iter()
        .filter_map(|worker| Some(Reading::of([worker.stage, &worker.number.to_string()], worker.commit_age_s?)));
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
    ]
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
        let gauges = m::TABLE.iter().filter(|metric| metric.kind == m::Kind::Gauge);
        assert_eq!(read, gauges.map(|metric| metric.name).collect());
    }
}
