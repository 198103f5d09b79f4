//! A histogram of values that come by the hundred thousand a second: counted in its buckets at once, where the recorder
//! keeps each value until somebody asks.

use super::{Kind, Metric};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of values up to each bound, and of those beyond the last.
#[derive(Debug)]
pub struct Buckets {
    metric: Metric,
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Buckets {
    /// Empty, for a histogram of the table without labels.
    #[must_use]
    pub fn of(metric: Metric) -> Self {
        let Kind::Histogram(bounds) = metric.kind else { panic!("{} is no histogram", metric.name) };
        assert!(metric.labels.is_empty(), "{} has labels", metric.name);
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { metric, bounds, counts, sum_us: AtomicU64::new(0) }
    }

    /// `count` values of `time`.
    pub fn add(&self, time: Duration, count: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < time.as_secs_f64());
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros.wrapping_mul(count), Ordering::Relaxed);
    }

    /// Appends its series as Prometheus reads them: counts up to each bound, their sum, all of them.
    pub(crate) fn write(&self, out: &mut String) {
        let Metric { name, help, .. } = self.metric;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut count = 0;
        let bounds = self.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, here) in bounds.zip(&self.counts) {
            count += here.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::INGEST_DELAY;

    #[test]
    fn buckets_hold_what_is_at_most_their_bound() {
        let buckets = Buckets::of(INGEST_DELAY);
        for (millis, count) in [(0, 2), (100, 3), (101, 5), (7_200_000, 1)] {
            buckets.add(Duration::from_millis(millis), count);
        }
        let mut text = String::new();
        buckets.write(&mut text);
        let value = |end: &str| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(&format!("tidegauge_ingest_delay_seconds_{end} ")));
            line.unwrap_or_else(|| panic!("no {end} in\n{text}")).to_owned()
        };
        assert_eq!(
            ["0.001", "0.075", "0.1", "0.15", "3600", "+Inf"].map(|le| value(&format!("bucket{{le=\"{le}\"}}"))),
            ["2", "2", "5", "10", "10", "11"]
        );
        assert_eq!(["count", "sum"].map(value), ["11", "7200.805"]);
    }
}
