//! How evenly a stage's partitions are used, by what was appended within the last minute.

use super::facts::PartitionFacts;
use serde::Serialize;

/// The skew among all partitions of a stage, whoever reads them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Skew {
    /// Offsets that all partitions have grown by within the last minute; transactions take one each at their ends.
    pub(super) appended: i64,
    /// The greatest growth over the mean: 1 is even. Absent if nothing came.
    pub(super) rate_ratio: Option<f64>,
    /// The partition that grew most.
    pub(super) hottest: Option<String>,
    /// The greatest lag less the mean lag, in records.
    pub(super) lag_skew_records: f64,
}

impl Skew {
    pub(super) fn of(partitions: &[PartitionFacts]) -> Self {
        let count = partitions.len().max(1) as f64;
        let appended: i64 = partitions.iter().map(|at| at.appended_last_minute).sum();
        let hottest = partitions.iter().max_by_key(|at| at.appended_last_minute).filter(|_| appended > 0);
        let lags = || partitions.iter().map(|at| at.lag_records);
        Self {
            appended,
            rate_ratio: hottest.map(|at| at.appended_last_minute as f64 * count / appended as f64),
            hottest: hottest.map(PartitionFacts::name),
            lag_skew_records: lags().max().unwrap_or(0) as f64 - lags().sum::<i64>() as f64 / count,
        }
    }

    /// As a sentence.
    pub(super) fn text(&self) -> String {
        let lag = format!("the greatest lag is {:.0} records above the mean", self.lag_skew_records);
        match (&self.hottest, self.rate_ratio) {
            (Some(hottest), Some(ratio)) => format!(
                "Skew: of {} offsets of the last minute {hottest} has {ratio:.1} times the mean; {lag}.",
                self.appended
            ),
            _ => format!("Skew: nothing came within the last minute; {lag}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, appended_last_minute: i64, lag_records: i64) -> PartitionFacts {
        PartitionFacts {
            topic: "t".into(),
            partition,
            first_offset: 0,
            end_offset: 0,
            committed_offset: None,
            next_offset: None,
            lag_records,
            appended_last_minute,
            reached: None,
            owner: None,
        }
    }

    #[test]
    fn the_hottest_partition_is_told_with_its_ratio_to_the_mean() {
        let skew = Skew::of(&[at(0, 50, 4), at(1, 900, 0), at(2, 50, 0), at(3, 0, 0)]);
        assert_eq!((skew.appended, skew.rate_ratio, skew.hottest.as_deref()), (1_000, Some(3.6), Some("t[1]")));
        assert_eq!(
            skew.text(),
            "Skew: of 1000 offsets of the last minute t[1] has 3.6 times the mean; the greatest lag is 3 records above \
             the mean."
        );
        let silent = Skew::of(&[at(0, 0, 0), at(1, 0, 0)]);
        assert_eq!((silent.rate_ratio, silent.hottest, silent.lag_skew_records), (None, None, 0.0));
        assert_eq!(Skew::of(&[]).rate_ratio, None);
    }
}
