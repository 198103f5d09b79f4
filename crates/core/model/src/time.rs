//! Event time: when something was measured, in microseconds of UTC. Nothing here knows what time it is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A point of event time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(i64);

impl EventTime {
    /// Earlier than every real event time.
    pub const MIN: EventTime = EventTime(i64::MIN);
    /// Later than every real event time.
    pub const MAX: EventTime = EventTime(i64::MAX);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From whole seconds since the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded towards the past.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the epoch, rounded towards the past.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The start of the slice of `width` that holds this instant; slices are aligned to the epoch.
    ///
    /// # Panics
    ///
    /// If `width` is shorter than a microsecond.
    #[must_use]
    pub fn floor_to(self, width: Duration) -> Self {
        let width = micros(width);
        Self(self.0 - self.0.rem_euclid(width))
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: EventTime) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(if micros < 0 { 0 } else { micros.unsigned_abs() })
    }

    /// Later by `by`; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// Earlier by `by`; saturates.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }
}

/// `duration` in microseconds, saturating at the range of event time.
#[must_use]
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for EventTime {
    /// RFC 3339 with as many decimals as are needed, or the bare number where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000_000);
        let Some((year, month, day)) = civil_from_days(days) else { return write!(f, "{}us", self.0) };
        let in_day = self.0.rem_euclid(86_400_000_000);
        let (secs, micros) = (in_day / 1_000_000, in_day % 1_000_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)?;
        match micros {
            0 => f.write_str("Z"),
            m if m % 1_000 == 0 => write!(f, ".{:03}Z", m / 1_000),
            m => write!(f, ".{m:06}Z"),
        }
    }
}

/// Year, month and day of a day number since the epoch, for years 0 to 9999.
///
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013 (`civil_from_days`).
fn civil_from_days(days: i64) -> Option<(i64, i64, i64)> {
    let z = days.checked_add(719_468)?;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999).contains(&year).then_some((year, month, day))
}

/// A half-open stretch of event time, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// First instant inside.
    pub start: EventTime,
    /// First instant after.
    pub end: EventTime,
}

impl TimeRange {
    /// The range of `length` that ends at `end`.
    #[must_use]
    pub fn ending_at(end: EventTime, length: Duration) -> Self {
        Self { start: end.minus(length), end }
    }

    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: EventTime) -> bool {
        self.start <= at && at < self.end
    }

    /// How long the range is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_half_open_and_aligned_to_the_epoch_before_it_too() {
        let width = Duration::from_secs(10);
        for (at, start) in [(0, 0), (9_999_999, 0), (10_000_000, 10_000_000), (-1, -10_000_000)] {
            assert_eq!(EventTime::from_micros(at).floor_to(width), EventTime::from_micros(start), "{at}");
        }
    }

    #[test]
    fn prints_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (1_767_225_600_250_000, "2026-01-01T00:00:00.250Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ];
        for (micros, want) in cases {
            assert_eq!(EventTime::from_micros(micros).to_string(), want);
        }
        assert_eq!(EventTime::MAX.to_string(), format!("{}us", i64::MAX));
    }
}
