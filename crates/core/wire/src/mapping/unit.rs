//! Units of measure: what a producer's number has to be multiplied with to be in the metric's own unit.
//!
//! - **U1** Factors are quotients of whole numbers, and a value is multiplied or divided once: a percentage is
//!   divided by 100, which rounds correctly, not multiplied by 0.01, which is not a double.

/// What a unit measures. Two units convert into each other if they measure the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Duration,
    Ratio,
    Bytes,
    BytesPerSecond,
    Cores,
    /// Events, requests, tokens … per second.
    PerSecond,
    /// Things that are counted, currency included: converts to nothing but multiples of itself.
    Count,
}

/// A factor as a quotient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    times: f64,
    by: f64,
}

impl Scale {
    pub(crate) const ONE: Scale = Scale { times: 1.0, by: 1.0 };

    #[inline]
    #[allow(clippy::float_cmp, reason = "exactly one is the common case, and costs nothing")]
    pub(crate) fn apply(self, value: f64) -> f64 {
        let product = value * self.times;
        if self.by == 1.0 { product } else { product / self.by }
    }
}

/// A unit of time for points in time, which are whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
}

impl TimeUnit {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ns" => Self::Nanoseconds,
            "us" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "minutes" => Self::Minutes,
            _ => return None,
        })
    }

    const fn micros(self) -> i64 {
        match self {
            Self::Nanoseconds | Self::Microseconds => 1,
            Self::Milliseconds => 1_000,
            Self::Seconds => 1_000_000,
            Self::Minutes => 60_000_000,
        }
    }

    /// Microseconds since the epoch; `None` if 64 bits do not hold them.
    #[inline]
    pub(crate) fn micros_of_int(self, value: i64) -> Option<i64> {
        match self {
            Self::Nanoseconds => Some(value.div_euclid(1_000)),
            unit => value.checked_mul(unit.micros()),
        }
    }

    /// The same of a number with decimals, rounded to the nearest microsecond.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub(crate) fn micros_of_float(self, value: f64) -> Option<i64> {
        let micros = match self {
            Self::Nanoseconds => value / 1_000.0,
            unit => value * unit.micros() as f64,
        };
        (micros.abs() < 9e18).then(|| micros.round() as i64)
    }
}

/// Names of the units of points in time.
pub(crate) const TIME_UNITS: [&str; 5] = ["ns", "us", "ms", "s", "minutes"];

const KIB: f64 = 1024.0;

/// Name, what it measures, and the factor to the unit in which tidegauge has it: ms, ratio, bytes, cores, per second.
const UNITS: &[(&str, Dimension, f64, f64)] = &[
    ("ns", Dimension::Duration, 1.0, 1e6),
    ("us", Dimension::Duration, 1.0, 1e3),
    ("ms", Dimension::Duration, 1.0, 1.0),
    ("s", Dimension::Duration, 1e3, 1.0),
    ("minutes", Dimension::Duration, 6e4, 1.0),
    ("ratio", Dimension::Ratio, 1.0, 1.0),
    ("percent", Dimension::Ratio, 1.0, 100.0),
    ("bytes", Dimension::Bytes, 1.0, 1.0),
    ("KB", Dimension::Bytes, 1e3, 1.0),
    ("MB", Dimension::Bytes, 1e6, 1.0),
    ("GB", Dimension::Bytes, 1e9, 1.0),
    ("TB", Dimension::Bytes, 1e12, 1.0),
    ("KiB", Dimension::Bytes, KIB, 1.0),
    ("MiB", Dimension::Bytes, KIB * KIB, 1.0),
    ("GiB", Dimension::Bytes, KIB * KIB * KIB, 1.0),
    ("TiB", Dimension::Bytes, KIB * KIB * KIB * KIB, 1.0),
    ("bytes/s", Dimension::BytesPerSecond, 1.0, 1.0),
    ("KB/s", Dimension::BytesPerSecond, 1e3, 1.0),
    ("MB/s", Dimension::BytesPerSecond, 1e6, 1.0),
    ("GB/s", Dimension::BytesPerSecond, 1e9, 1.0),
    ("KiB/s", Dimension::BytesPerSecond, KIB, 1.0),
    ("MiB/s", Dimension::BytesPerSecond, KIB * KIB, 1.0),
    ("GiB/s", Dimension::BytesPerSecond, KIB * KIB * KIB, 1.0),
    ("bit/s", Dimension::BytesPerSecond, 1.0, 8.0),
    ("kbit/s", Dimension::BytesPerSecond, 125.0, 1.0),
    ("Mbit/s", Dimension::BytesPerSecond, 125e3, 1.0),
    ("Gbit/s", Dimension::BytesPerSecond, 125e6, 1.0),
    ("cores", Dimension::Cores, 1.0, 1.0),
    ("millicores", Dimension::Cores, 1.0, 1e3),
    ("nanocores", Dimension::Cores, 1.0, 1e9),
    ("per_second", Dimension::PerSecond, 1.0, 1.0),
    ("per_minute", Dimension::PerSecond, 1.0, 60.0),
    ("count", Dimension::Count, 1.0, 1.0),
    ("thousand", Dimension::Count, 1e3, 1.0),
];

/// What the unit of that name measures, and its factor.
pub(crate) fn unit_named(name: &str) -> Option<(Dimension, Scale)> {
    let (_, dimension, times, by) = UNITS.iter().find(|(unit, ..)| *unit == name)?;
    Some((*dimension, Scale { times: *times, by: *by }))
}

/// Names of the units of `dimension`.
pub(crate) fn units_of(dimension: Dimension) -> impl Iterator<Item = &'static str> {
    UNITS.iter().filter(move |(_, other, ..)| *other == dimension).map(|(name, ..)| *name)
}

/// Names of all units.
pub(crate) fn unit_names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, ..)| *name)
}

/// What a built-in metric measures, from the unit that its table states.
pub(crate) fn dimension_of(unit: &str) -> Dimension {
    match unit {
        "milliseconds" => Dimension::Duration,
        "ratio" | "share" => Dimension::Ratio,
        "bytes" => Dimension::Bytes,
        "bytes per second" => Dimension::BytesPerSecond,
        "cores" => Dimension::Cores,
        unit if unit.ends_with("per second") => Dimension::PerSecond,
        _ => Dimension::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u1_values_convert_with_one_rounding() {
        let cases = [
            ("percent", 85.4766, 85.4766 / 100.0),
            ("MiB", 512.0, 536_870_912.0),
            ("millicores", 250.0, 0.25),
            ("s", 1.5, 1_500.0),
            ("Mbit/s", 8.0, 1e6),
            ("bit/s", 8.0, 1.0),
            ("per_minute", 90.0, 1.5),
        ];
        for (unit, value, want) in cases {
            let (_, scale) = unit_named(unit).expect(unit);
            assert_eq!(scale.apply(value), want, "{unit}");
        }
    }

    #[test]
    fn points_in_time_keep_their_microseconds() {
        let second = TimeUnit::Seconds;
        assert_eq!(second.micros_of_int(1_662_858_720), Some(1_662_858_720_000_000));
        assert_eq!(second.micros_of_int(1_662_858_720_000_000), None);
        assert_eq!(second.micros_of_float(1_662_858_720.123_456), Some(1_662_858_720_123_456));
        assert_eq!(second.micros_of_float(1e300), None);
        assert_eq!(TimeUnit::Nanoseconds.micros_of_int(-1), Some(-1));
        assert!(TIME_UNITS.iter().all(|name| TimeUnit::named(name).is_some() && unit_named(name).is_some()));
    }
}
