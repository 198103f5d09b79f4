//! How evenly the work is spread over the partitions of this process.

use super::status::PartitionStatus;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are over so much time.
const OVER: Duration = Duration::from_secs(30);
/// And not told before so much has passed: ends of partitions are asked for every 5 s.
const AT_LEAST: Duration = Duration::from_secs(8);

/// Where a partition ended, and when that was heard.
#[derive(Debug, Default)]
pub(super) struct Ends(VecDeque<(Instant, i64)>);

impl Ends {
    pub(super) fn heard(&mut self, end: i64, now: Instant) {
        self.0.push_back((now, end));
        // The oldest is the last one from before the stretch, if there is one.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= OVER) {
            self.0.pop_front();
        }
    }

    /// Records appended per second.
    pub(super) fn per_s(&self) -> Option<f64> {
        let ((begin, first), (end, last)) = (self.0.front()?, self.0.back()?);
        let passed = end.duration_since(*begin);
        (passed >= AT_LEAST).then(|| (last - first).max(0) as f64 / passed.as_secs_f64())
    }
}

/// The skew among the partitions of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skew {
    /// The stage.
    pub stage: &'static str,
    /// Greatest rate over the mean rate; 1 is even, or nothing comes. Absent before rates are known.
    pub rate_ratio: Option<f64>,
    /// The partition with the greatest rate, where they differ.
    pub hottest: Option<String>,
    /// Greatest lag less the mean lag, in records.
    pub lag_records: Option<f64>,
}

impl Skew {
    pub(super) fn of<'a>(stage: &'static str, partitions: impl Iterator<Item = &'a PartitionStatus> + Clone) -> Self {
        let rates = partitions.clone().filter_map(|at| Some((at.appended_per_s?, at)));
        let hottest = rates.clone().max_by(|(one, _), (other, _)| one.total_cmp(other));
        let mean_rate = mean(rates.map(|(rate, _)| rate));
        let rate_ratio = hottest.zip(mean_rate).map(|((rate, _), mean)| if mean > 0.0 { rate / mean } else { 1.0 });
        let lags = partitions.filter_map(|at| Some(at.lag_records? as f64));
        let greatest = lags.clone().max_by(f64::total_cmp);
        let name = |at: &PartitionStatus| format!("{}[{}]", at.topic, at.partition);
        Self {
            stage,
            rate_ratio,
            hottest: hottest.filter(|_| rate_ratio > Some(1.0)).map(|(_, at)| name(at)),
            lag_records: greatest.zip(mean(lags)).map(|(greatest, mean)| greatest - mean),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, appended_per_s: Option<f64>, lag_records: Option<i64>) -> PartitionStatus {
        PartitionStatus { topic: "t".into(), partition, appended_per_s, lag_records, ..PartitionStatus::default() }
    }

    #[test]
    fn a_hot_partition_shows_in_rates_and_lags() {
        let partitions = [at(0, Some(700.0), Some(90)), at(1, Some(100.0), Some(0)), at(2, Some(100.0), Some(0))];
        let skew = Skew::of("aggregate", partitions.iter());
        assert_eq!(skew.rate_ratio, Some(700.0 / 300.0));
        assert_eq!((skew.hottest.as_deref(), skew.lag_records), (Some("t[0]"), Some(60.0)));

        let even = [at(0, Some(5.0), Some(1)), at(1, Some(5.0), Some(1))];
        let skew = Skew::of("aggregate", even.iter());
        assert_eq!((skew.rate_ratio, skew.hottest, skew.lag_records), (Some(1.0), None, Some(0.0)));

        let silent = Skew::of("aggregate", [at(0, Some(0.0), None)].iter());
        assert_eq!((silent.rate_ratio, silent.lag_records), (Some(1.0), None));
        let nothing = Skew::of("aggregate", [].iter());
        assert_eq!((nothing.rate_ratio, nothing.lag_records), (None, None));
    }

    #[test]
    fn a_rate_is_over_the_last_half_minute_and_needs_some_time() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut ends = Ends::default();
        ends.heard(0, begin);
        ends.heard(1_000, after(5));
        assert_eq!(ends.per_s(), None);
        ends.heard(2_000, after(10));
        assert_eq!(ends.per_s(), Some(200.0));
        ends.heard(2_000, after(40));
        assert_eq!(ends.per_s(), Some(0.0), "nothing came in the last half minute");
    }
}
