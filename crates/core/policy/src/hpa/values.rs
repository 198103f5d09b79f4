//! Signals that are one value for the whole target: HPA's Object and External metrics.

use super::{Band, ceil_to_replicas};

/// What a value asks for, and the value as the HPA reports it, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueWish {
    /// Replicas.
    pub replicas: i32,
    /// The value, or its share per replica (rounded up) where the objective is an average.
    pub reported_milli: i64,
}

/// `Value`: ready pods times value ÷ objective. From zero replicas the ratio itself is the answer, without tolerance.
#[must_use]
pub fn value_wish(usage_milli: i64, target_milli: i64, band: Band, current: i32, ready: usize) -> ValueWish {
    let ratio = usage_milli as f64 / target_milli as f64;
    let replicas = match current {
        0 => ceil_to_replicas(ratio),
        _ if band.holds(ratio) => current,
        _ => ceil_to_replicas(ratio * ready as f64),
    };
    ValueWish { replicas, reported_milli: usage_milli }
}

/// `AverageValue` of a total: total ÷ objective per replica, where the average over `seen` replicas is out of tolerance.
#[must_use]
pub fn average_wish(usage_milli: i64, target_milli: i64, band: Band, seen: i32) -> ValueWish {
    let ratio = usage_milli as f64 / (target_milli as f64 * f64::from(seen));
    let replicas = if band.holds(ratio) { seen } else { ceil_to_replicas(usage_milli as f64 / target_milli as f64) };
    ValueWish { replicas, reported_milli: (usage_milli as f64 / f64::from(seen)).ceil() as i64 }
}

/// The same of an external metric, whose total, once saturated, is reported as it is.
#[must_use]
pub fn external_average_wish(usage_milli: i64, target_milli: i64, band: Band, seen: i32) -> ValueWish {
    let wish = average_wish(usage_milli, target_milli, band, seen);
    let is_saturated = usage_milli as f64 >= i64::MAX as f64;
    if is_saturated { ValueWish { reported_milli: i64::MAX, ..wish } } else { wish }
}

/// Sum of an external metric's series against a `Value` objective; positive overflow ends at the greatest number.
#[must_use]
pub fn external_sum(samples_milli: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for &sample in samples_milli {
        match sum.checked_add(sample) {
            Some(next) => sum = next,
            None if sample > 0 => return i64::MAX,
            None => sum = sum.wrapping_add(sample),
        }
    }
    sum
}

/// Sum of an external metric's series against an `AverageValue` objective. The controller takes any negative partial
/// sum for an overflow and goes on with the greatest number; so do we, since equality is the point.
#[must_use]
pub fn external_sum_for_average(samples_milli: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for &sample in samples_milli {
        sum = sum.wrapping_add(sample);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_scale_the_ready_pods_and_averages_divide_the_total() {
        let band = Band::of_tolerance(0.1, 0.1);
        let value = |usage, current, ready| value_wish(usage, 100_000, band, current, ready).replicas;
        assert_eq!(value(200_000, 4, 4), 8);
        assert_eq!(value(200_000, 4, 3), 6, "only ready pods are multiplied");
        assert_eq!(value(110_000, 4, 4), 4, "the edge of tolerance holds");
        assert_eq!(value(1, 0, 0), 1, "any load wakes a target that sleeps");
        let average = |usage, seen| average_wish(usage, 100_000, band, seen);
        assert_eq!(average(1_000_000, 4), ValueWish { replicas: 10, reported_milli: 250_000 });
        assert_eq!(average(440_000, 4).replicas, 4);
        assert_eq!(average(440_001, 4).replicas, 5);
    }

    #[test]
    fn sums_end_at_the_greatest_number() {
        assert_eq!(external_sum(&[i64::MAX, 1, -5]), i64::MAX);
        assert_eq!(external_sum(&[5, -7]), -2);
        assert_eq!(external_sum_for_average(&[5, -7]), i64::MAX);
        assert_eq!(external_sum_for_average(&[5, 7]), 12);
    }
}
