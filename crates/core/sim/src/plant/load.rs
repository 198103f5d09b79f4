//! How much is asked of an agent, by the hour of a day that may be short.
//!
//! Sums and products only: the same bytes on every machine.

use std::time::Duration;
use tidegauge_model::{EventTime, time::micros};

/// How the hours of a day pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// When it is `first_hour`.
    pub began_at: EventTime,
    /// The hour at which it begins, 0 to below 24.
    pub first_hour: f64,
    /// How long 24 hours take; at least a microsecond.
    pub length: Duration,
}

impl Day {
    /// The hour at `now`, 0 to below 24.
    #[must_use]
    pub fn hour(&self, now: EventTime) -> f64 {
        let passed = (now.as_micros() - self.began_at.as_micros()) as f64;
        (self.first_hour + 24.0 * passed / micros(self.length).max(1) as f64).rem_euclid(24.0)
    }

    /// When it is that hour for the first time, at or after the beginning.
    #[must_use]
    pub fn first(&self, hour: f64) -> EventTime {
        let share = (hour - self.first_hour).rem_euclid(24.0) / 24.0;
        self.began_at.plus(self.length.mul_f64(share))
    }
}

/// A load that is low at night and high by day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadCurve {
    /// Requests a second by night.
    pub night_per_s: f64,
    /// Requests a second by day.
    pub day_per_s: f64,
    /// The hour from which the day's load is there.
    pub from_hour: f64,
    /// The hour until which it is there; later than `from_hour`.
    pub to_hour: f64,
    /// How many hours it takes to come and to go, above 0.
    pub ramp_hours: f64,
}

impl LoadCurve {
    /// Requests a second at that hour.
    #[must_use]
    pub fn per_s(&self, hour: f64) -> f64 {
        let (middle, half) = (f64::midpoint(self.from_hour, self.to_hour), (self.to_hour - self.from_hour) / 2.0);
        let apart = (hour - middle).rem_euclid(24.0);
        let beyond = apart.min(24.0 - apart) - half;
        let x = (1.0 - beyond / self.ramp_hours).clamp(0.0, 1.0);
        self.night_per_s + (self.day_per_s - self.night_per_s) * x * x * (3.0 - 2.0 * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_comes_stays_and_goes() {
        let curve = LoadCurve { night_per_s: 10.0, day_per_s: 110.0, from_hour: 9.0, to_hour: 17.0, ramp_hours: 2.0 };
        let cases = [
            // hour, want
            (0.0, 10.0),
            (7.0, 10.0),
            (8.0, 60.0),
            (9.0, 110.0),
            (13.0, 110.0),
            (17.0, 110.0),
            (18.0, 60.0),
            (19.0, 10.0),
        ];
        for (hour, want) in cases {
            assert!((curve.per_s(hour) - want).abs() < 1e-9, "at {hour}: {}", curve.per_s(hour));
        }
    }

    #[test]
    fn hours_begin_where_they_are_told_to_and_start_anew_at_24() {
        let at = EventTime::from_secs;
        let day = Day { began_at: at(1_000), first_hour: 6.0, length: Duration::from_secs(120) };
        for (secs, want) in [(1_000, 6.0), (1_060, 18.0), (1_090, 0.0), (1_120, 6.0), (1_000 - 30, 0.0)] {
            assert!((day.hour(at(secs)) - want).abs() < 1e-9, "at {secs}");
        }
        assert_eq!((day.first(18.0), day.first(3.0)), (at(1_060), at(1_105)));
    }
}
