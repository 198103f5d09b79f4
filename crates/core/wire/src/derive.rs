//! Metrics computed from other metrics of the same sample, a column at a time.
//!
//! ```text
//!  used, limit ───► <r>_utilization_of_limit ─┐                        (unless telemetry gives it directly)
//!  used, requested ► <r>_utilization_of_request├─► <r>_saturated 0/1, <r>_waiting_reported 0/1
//!  waiting metrics ───────────────────────────┘
//! ```
//!
//! Columns hold NaN where a row has no value, so arithmetic on columns keeps absence absent by itself.
//!
//! - **V1** A utilization that telemetry gives is kept; the ratio fills in only the rows without one.
//! - **V2** A capacity of zero or less gives no utilization, and neither does an overflow.
//! - **V3** Saturated = utilization of limit at or above the level **and**, where the row reports a waiting metric of
//!   that resource, any of them above zero. A row without utilization of limit has neither 0 nor 1.
//!
//! Network compares the greater direction with the limit, since links are full duplex. GPU has no waiting metric, and
//! its memory does not count: servers of models fill it at start.

use tidegauge_model::metric::{
    BUILT_IN, CPU_LIMIT_CORES, CPU_REQUESTED_CORES, CPU_SATURATED, CPU_THROTTLED_RATIO, CPU_USED_CORES,
    CPU_UTILIZATION_OF_LIMIT, CPU_UTILIZATION_OF_REQUEST, CPU_WAITING_REPORTED, DISK_LIMIT_BYTES, DISK_USED_BYTES,
    DISK_UTILIZATION_OF_LIMIT, GPU_MEMORY_LIMIT_BYTES, GPU_MEMORY_USED_BYTES, GPU_MEMORY_UTILIZATION_OF_LIMIT,
    GPU_SATURATED, GPU_UTILIZATION_OF_LIMIT, GPU_WAITING_REPORTED, IO_BYTES_PER_S, IO_LIMIT_BYTES_PER_S, IO_SATURATED,
    IO_UTILIZATION_OF_LIMIT, IO_WAIT_RATIO, IO_WAITING_REPORTED, MEMORY_LIMIT_BYTES, MEMORY_PRESSURE_RATIO,
    MEMORY_REQUESTED_BYTES, MEMORY_SATURATED, MEMORY_USED_BYTES, MEMORY_UTILIZATION_OF_LIMIT,
    MEMORY_UTILIZATION_OF_REQUEST, MEMORY_WAITING_REPORTED, NETWORK_IN_BYTES_PER_S, NETWORK_LIMIT_BYTES_PER_S,
    NETWORK_OUT_BYTES_PER_S, NETWORK_SATURATED, NETWORK_UTILIZATION_OF_LIMIT, NETWORK_WAITING_REPORTED, OOM_KILLS,
    PACKET_LOSS_RATIO, RUN_QUEUE, SWAP_BYTES,
};
use tidegauge_model::{Metric, MetricId};

/// Utilization, what is used (the greatest of these), and of what.
const UTILIZATIONS: &[(MetricId, &[MetricId], MetricId)] = &[
    (CPU_UTILIZATION_OF_LIMIT, &[CPU_USED_CORES], CPU_LIMIT_CORES),
    (CPU_UTILIZATION_OF_REQUEST, &[CPU_USED_CORES], CPU_REQUESTED_CORES),
    (MEMORY_UTILIZATION_OF_LIMIT, &[MEMORY_USED_BYTES], MEMORY_LIMIT_BYTES),
    (MEMORY_UTILIZATION_OF_REQUEST, &[MEMORY_USED_BYTES], MEMORY_REQUESTED_BYTES),
    (DISK_UTILIZATION_OF_LIMIT, &[DISK_USED_BYTES], DISK_LIMIT_BYTES),
    (IO_UTILIZATION_OF_LIMIT, &[IO_BYTES_PER_S], IO_LIMIT_BYTES_PER_S),
    (NETWORK_UTILIZATION_OF_LIMIT, &[NETWORK_IN_BYTES_PER_S, NETWORK_OUT_BYTES_PER_S], NETWORK_LIMIT_BYTES_PER_S),
    (GPU_MEMORY_UTILIZATION_OF_LIMIT, &[GPU_MEMORY_USED_BYTES], GPU_MEMORY_LIMIT_BYTES),
];

/// Saturated, waiting reported, the utilization it rests on, and the waiting metrics.
const SATURATIONS: &[(MetricId, MetricId, MetricId, &[MetricId])] = &[
    (CPU_SATURATED, CPU_WAITING_REPORTED, CPU_UTILIZATION_OF_LIMIT, &[CPU_THROTTLED_RATIO, RUN_QUEUE]),
    (
        MEMORY_SATURATED,
        MEMORY_WAITING_REPORTED,
        MEMORY_UTILIZATION_OF_LIMIT,
        &[MEMORY_PRESSURE_RATIO, SWAP_BYTES, OOM_KILLS],
    ),
    (IO_SATURATED, IO_WAITING_REPORTED, IO_UTILIZATION_OF_LIMIT, &[IO_WAIT_RATIO]),
    (NETWORK_SATURATED, NETWORK_WAITING_REPORTED, NETWORK_UTILIZATION_OF_LIMIT, &[PACKET_LOSS_RATIO]),
    (GPU_SATURATED, GPU_WAITING_REPORTED, GPU_UTILIZATION_OF_LIMIT, &[]),
];

/// Adds the derived columns to `columns` (ascending by metric, each `rows` long, NaN = absent), keeping the order.
pub(crate) fn derive(columns: &mut Vec<(Metric, Vec<f64>)>, rows: usize, saturation_level: f64) {
    for (utilization, used, capacity) in UTILIZATIONS {
        if let Some(capacity) = column(columns, *capacity)
            && let Some(used) = greatest(columns, used)
        {
            let ratios = used.iter().zip(capacity).map(|(used, capacity)| ratio(*used, *capacity)).collect();
            fill_in(columns, *utilization, ratios);
        }
    }
    for (saturated, reported, utilization, waiting) in SATURATIONS {
        let Some(utilization) = column(columns, *utilization) else {
            continue;
        };
        let waiting = greatest(columns, waiting).unwrap_or_else(|| vec![f64::NAN; rows]);
        let pairs = || utilization.iter().zip(&waiting);
        let is_saturated = pairs().map(|(utilization, waiting)| {
            let waits = waiting.is_nan() || *waiting > 0.0;
            present(*utilization, *utilization >= saturation_level && waits)
        });
        let is_saturated: Vec<f64> = is_saturated.collect();
        let is_reported = pairs().map(|(utilization, waiting)| present(*utilization, !waiting.is_nan())).collect();
        fill_in(columns, *saturated, is_saturated);
        fill_in(columns, *reported, is_reported);
    }
}

fn ratio(used: f64, capacity: f64) -> f64 {
    let ratio = used / capacity;
    if capacity > 0.0 && ratio.is_finite() { ratio } else { f64::NAN }
}

/// 1 or 0 where `utilization` is present.
fn present(utilization: f64, holds: bool) -> f64 {
    if utilization.is_nan() { f64::NAN } else { f64::from(u8::from(holds)) }
}

fn find(columns: &[(Metric, Vec<f64>)], id: MetricId) -> Result<usize, usize> {
    columns.binary_search_by(|(metric, _)| metric.cmp(&Metric::BuiltIn(id)))
}

fn column(columns: &[(Metric, Vec<f64>)], id: MetricId) -> Option<&[f64]> {
    find(columns, id).ok().map(|index| columns[index].1.as_slice())
}

/// Row by row the greatest of the metrics reported; `None` if no row reports any of them.
fn greatest(columns: &[(Metric, Vec<f64>)], ids: &[MetricId]) -> Option<Vec<f64>> {
    let mut reported = ids.iter().filter_map(|id| column(columns, *id));
    let mut greatest = reported.next()?.to_vec();
    for other in reported {
        for (value, other) in greatest.iter_mut().zip(other) {
            *value = value.max(*other); // the other one where one is NaN
        }
    }
    Some(greatest)
}

/// Gives `id` the values where it has none; a column without any value is not made.
fn fill_in(columns: &mut Vec<(Metric, Vec<f64>)>, id: MetricId, values: Vec<f64>) {
    debug_assert!(BUILT_IN.iter().any(|def| def.id == id));
    match find(columns, id) {
        Ok(index) => {
            for (given, value) in columns[index].1.iter_mut().zip(values) {
                if given.is_nan() {
                    *given = value;
                }
            }
        }
        Err(index) if values.iter().any(|value| !value.is_nan()) => {
            columns.insert(index, (Metric::BuiltIn(id), values));
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named = (&'static str, f64);

    /// One row in and out, by name.
    fn check(row: &[Named], derived: &[Named]) {
        let mut columns: Vec<_> = row.iter().map(|(name, value)| (Metric::named(name), vec![*value])).collect();
        columns.sort_by(|(one, _), (other, _)| one.cmp(other));
        derive(&mut columns, 1, 0.9);
        assert!(columns.is_sorted_by(|(one, _), (other, _)| one < other));
        let given: Vec<_> = row.iter().map(|(name, _)| *name).collect();
        let got: Vec<_> = columns
            .iter()
            .filter(|(metric, values)| !values[0].is_nan() && !given.contains(&metric.name()))
            .map(|(metric, values)| (metric.name(), values[0]))
            .collect();
        assert_eq!(got, derived, "{row:?}");
    }

    #[test]
    fn v1_v2_utilization_is_used_by_capacity_unless_given() {
        check(
            &[("cpu_used_cores", 1.0), ("cpu_limit_cores", 4.0), ("cpu_requested_cores", 0.5)],
            &[
                ("cpu_utilization_of_limit", 0.25),
                ("cpu_utilization_of_request", 2.0),
                ("cpu_saturated", 0.0),
                ("cpu_waiting_reported", 0.0),
            ],
        );
        check(&[("disk_used_bytes", 5.0), ("disk_limit_bytes", 0.0)], &[]);
        check(&[("disk_used_bytes", 5.0), ("disk_limit_bytes", -1.0)], &[]);
        check(&[("disk_used_bytes", f64::MAX), ("disk_limit_bytes", 1e-9)], &[]);
        check(&[("disk_used_bytes", 5.0), ("disk_limit_bytes", 10.0), ("disk_utilization_of_limit", 0.6)], &[]);
        check(&[("cpu_used_cores", 1.0)], &[]);
    }

    #[test]
    fn network_compares_the_greater_direction_with_the_limit() {
        let limit = ("network_limit_bytes_per_s", 100.0);
        let cases: [&[Named]; 2] = [
            &[("network_in_bytes_per_s", 20.0), ("network_out_bytes_per_s", 95.0), limit],
            &[("network_out_bytes_per_s", 95.0), limit],
        ];
        for row in cases {
            check(
                row,
                &[
                    ("network_utilization_of_limit", 0.95),
                    ("network_saturated", 1.0),
                    ("network_waiting_reported", 0.0),
                ],
            );
        }
    }

    #[test]
    fn v3_saturated_means_busy_and_where_reported_waiting() {
        let cases: [(&[Named], f64, f64); 7] = [
            (&[("cpu_utilization_of_limit", 0.9)], 1.0, 0.0),
            (&[("cpu_utilization_of_limit", 0.89)], 0.0, 0.0),
            (&[("cpu_utilization_of_limit", 0.95), ("run_queue", 0.0)], 0.0, 1.0),
            (&[("cpu_utilization_of_limit", 0.95), ("run_queue", 3.0)], 1.0, 1.0),
            (&[("cpu_utilization_of_limit", 0.95), ("run_queue", 0.0), ("cpu_throttled_ratio", 0.1)], 1.0, 1.0),
            (&[("cpu_utilization_of_limit", 0.95), ("io_wait_ratio", 0.0)], 1.0, 0.0),
            (&[("cpu_utilization_of_limit", 0.1), ("run_queue", 9.0)], 0.0, 1.0),
        ];
        for (row, saturated, reported) in cases {
            check(row, &[("cpu_saturated", saturated), ("cpu_waiting_reported", reported)]);
        }
        check(&[("run_queue", 9.0)], &[]);
    }

    #[test]
    fn rows_without_a_value_stay_without() {
        let mut columns = vec![
            (Metric::BuiltIn(MEMORY_USED_BYTES), vec![1.0, f64::NAN, 1.0]),
            (Metric::BuiltIn(MEMORY_LIMIT_BYTES), vec![2.0, 2.0, f64::NAN]),
            (Metric::BuiltIn(MEMORY_UTILIZATION_OF_LIMIT), vec![f64::NAN, f64::NAN, 1.0]),
        ];
        derive(&mut columns, 3, 0.9);
        let values = column(&columns, MEMORY_UTILIZATION_OF_LIMIT).expect("it was there");
        assert_eq!((values[0], values[1].is_nan(), values[2]), (0.5, true, 1.0));
        let saturated = column(&columns, MEMORY_SATURATED).expect("derived");
        assert_eq!((saturated[0], saturated[1].is_nan(), saturated[2]), (0.0, true, 1.0));
    }
}
