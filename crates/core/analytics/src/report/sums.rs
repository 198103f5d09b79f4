//! Measures of windows, summed up over a period.

use crate::absent::{Absent, Measured, ratio};
use crate::record::ScalabilityRecord;
use crate::stats::median;
use std::collections::BTreeMap;
use tidegauge_model::WindowSummary;

/// One measure over windows.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    sum: f64,
    count: u64,
    greatest: f64,
    weighted: f64,
    weight: f64,
    /// Why the last window that did not have it did not.
    absent: Absent,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            sum: 0.0,
            count: 0,
            greatest: f64::NEG_INFINITY,
            weighted: 0.0,
            weight: 0.0,
            absent: Absent::NotReported,
        }
    }
}

impl Sums {
    /// Adds a window's value; one that it does not have is left out, and its reason kept.
    pub(super) fn add(&mut self, value: Measured, weight: f64) {
        match value {
            Ok(value) => {
                self.sum += value;
                self.count += 1;
                self.greatest = self.greatest.max(value);
                self.weighted += value * weight;
                self.weight += weight;
            }
            Err(absent) => self.absent = absent,
        }
    }

    fn known(&self, value: f64) -> Measured {
        if self.count > 0 { crate::absent::finite(value) } else { Err(self.absent) }
    }

    /// Sum over the windows that have it.
    pub(super) fn total(&self) -> Measured {
        self.known(self.sum)
    }

    /// Mean over the windows that have it.
    pub(super) fn mean(&self) -> Measured {
        self.known(self.sum / self.count as f64)
    }

    /// The greatest window's.
    pub(super) fn greatest(&self) -> Measured {
        self.known(self.greatest)
    }

    /// Mean by the weights.
    pub(super) fn weighted_mean(&self) -> Measured {
        self.known(0.0).and_then(|_| ratio(self.weighted, self.weight))
    }
}

/// The records of windows, field by field.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordSums {
    fields: BTreeMap<&'static str, Sums>,
    percentiles: BTreeMap<&'static str, Vec<f64>>,
    response_ms: (f64, u64),
}

impl RecordSums {
    /// Adds the record of a window.
    pub(super) fn add(&mut self, window: &WindowSummary, record: &ScalabilityRecord) {
        let seconds = window.range.length().as_secs_f64();
        let requests = record.load.requests_per_s.or(record.load.throughput_per_s).unwrap_or(0.0) * seconds;
        let (load, errors, efficiency) = (&record.load, &record.errors, &record.efficiency);
        let fields = [
            ("concurrent_users", load.concurrent_users),
            ("requests_per_s", load.requests_per_s),
            ("throughput_per_s", load.throughput_per_s),
            ("unserved_per_s", load.unserved_per_s),
            ("queue_depth", load.queue_depth),
            ("backpressure_events", load.backpressure_events),
            ("dropped_requests", load.dropped_requests),
            ("client_errors", errors.client_errors),
            ("server_errors", errors.server_errors),
            ("timeout_errors", errors.timeout_errors),
            ("rate_limit_errors", errors.rate_limit_errors),
            ("error_rate", errors.error_rate),
            ("cpu_per_request", efficiency.cpu_per_request),
            ("memory_per_request", efficiency.memory_per_request),
            ("cost_per_request", efficiency.cost_per_request),
        ];
        for (name, value) in fields {
            self.fields.entry(name).or_default().add(value, requests);
        }
        if let Ok(times) = &record.response_time_percentiles {
            self.response_ms.0 += times.mean * times.count as f64;
            self.response_ms.1 += times.count;
            let percentiles = [
                ("p50", times.p50),
                ("p75", times.p75),
                ("p90", times.p90),
                ("p95", times.p95),
                ("p99", times.p99),
                ("p999", times.p999),
            ];
            self.see_percentiles(&percentiles);
        }
        if let Some(times) = window.latencies.get("time_to_first_token_ms") {
            self.see_percentiles(&[("ttft_p50", times.p50), ("ttft_p95", times.p95)]);
        }
    }

    fn see_percentiles(&mut self, percentiles: &[(&'static str, f64)]) {
        for &(name, value) in percentiles {
            self.percentiles.entry(name).or_default().push(value);
        }
    }

    /// Adds a number that the record does not have.
    pub(super) fn see(&mut self, name: &'static str, value: Measured) {
        self.fields.entry(name).or_default().add(value, 1.0);
    }

    /// The sums of a field.
    pub(super) fn of(&self, name: &str) -> Sums {
        self.fields.get(name).cloned().unwrap_or_default()
    }

    /// Mean response time over all requests.
    pub(super) fn response_mean_ms(&self) -> Measured {
        if self.response_ms.1 == 0 {
            Err(Absent::NotReported)
        } else {
            ratio(self.response_ms.0, self.response_ms.1 as f64)
        }
    }

    /// Median over windows of a percentile.
    pub(super) fn percentile_median(&self, name: &str) -> Measured {
        self.percentiles.get(name).and_then(|values| median(values)).ok_or(Absent::NotReported)
    }

    /// The greatest window's percentile.
    pub(super) fn percentile_greatest(&self, name: &str) -> Measured {
        let values = self.percentiles.get(name).ok_or(Absent::NotReported)?;
        values.iter().copied().reduce(f64::max).ok_or(Absent::NotReported)
    }
}
