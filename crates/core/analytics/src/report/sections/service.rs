//! What was asked of an agent, and how it answered: the scalability record of the period.

use super::AgentAnalysis;
use crate::report::page::{Measure, Section};

pub(super) fn section(analysis: &AgentAnalysis) -> Section {
    let records = &analysis.records;
    let mean = |name| records.of(name).mean();
    let greatest = |name| records.of(name).greatest();
    let total = |name| records.of(name).total();
    let per_request = |name| records.of(name).weighted_mean();
    Section {
        name: "service",
        label: "Load and service",
        note: "Percentiles do not add up over windows: given are the median and the worst window.",
        measures: vec![
            Measure::new("requests_per_s", "Requests offered, mean", "per s", mean("requests_per_s")),
            Measure::new(
                "requests_per_s_peak",
                "Requests offered, busiest window",
                "per s",
                greatest("requests_per_s"),
            ),
            Measure::new("throughput_per_s", "Requests completed, mean", "per s", mean("throughput_per_s")),
            Measure::new(
                "throughput_per_s_peak",
                "Requests completed, busiest window",
                "per s",
                greatest("throughput_per_s"),
            ),
            Measure::new("unserved_per_s", "Offered and not completed, mean", "per s", mean("unserved_per_s")),
            Measure::new("concurrent_users_peak", "Concurrent users, most", "", greatest("concurrent_users")),
            Measure::new("queue_depth", "Items waiting, mean", "", mean("queue_depth")),
            Measure::new("queue_depth_peak", "Items waiting, worst window", "", greatest("queue_depth")),
            Measure::new("response_mean_ms", "Response time, mean", "ms", records.response_mean_ms()),
            Measure::new("response_p50_ms", "p50, median window", "ms", records.percentile_median("p50")),
            Measure::new("response_p75_ms", "p75, median window", "ms", records.percentile_median("p75")),
            Measure::new("response_p90_ms", "p90, median window", "ms", records.percentile_median("p90")),
            Measure::new("response_p95_ms", "p95, median window", "ms", records.percentile_median("p95")),
            Measure::new("response_p95_ms_worst", "p95, worst window", "ms", records.percentile_greatest("p95")),
            Measure::new("response_p99_ms", "p99, median window", "ms", records.percentile_median("p99")),
            Measure::new("response_p99_ms_worst", "p99, worst window", "ms", records.percentile_greatest("p99")),
            Measure::new("response_p999_ms_worst", "p99.9, worst window", "ms", records.percentile_greatest("p999")),
            Measure::new("error_rate", "Error rate, by requests", "ratio", per_request("error_rate")),
            Measure::new("error_rate_worst", "Error rate, worst window", "ratio", greatest("error_rate")),
            Measure::new("client_errors", "Client errors", "", total("client_errors")),
            Measure::new("server_errors", "Server errors", "", total("server_errors")),
            Measure::new("timeout_errors", "Timeouts", "", total("timeout_errors")),
            Measure::new("rate_limit_errors", "Refused for their number", "", total("rate_limit_errors")),
            Measure::new("dropped_requests", "Dropped requests", "", total("dropped_requests")),
            Measure::new("backpressure_events", "Backpressure events", "", total("backpressure_events")),
            Measure::new("cpu_per_request", "CPU per request", "core-s", per_request("cpu_per_request")),
            Measure::new("memory_per_request", "Memory per request", "byte-s", per_request("memory_per_request")),
        ],
        tables: Vec::new(),
    }
}
