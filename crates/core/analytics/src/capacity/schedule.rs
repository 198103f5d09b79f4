//! The guide's formula and its table [002].

use serde::Serialize;

/// What the formula says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Required {
    /// `ceil(peak ÷ capacity × factor)`.
    pub instances: u32,
    /// Share of the capacity that stays free at the peak. A factor of 1.5 leaves a third, not the half that the guide
    /// writes beside it; rounding up leaves a little more.
    pub spare_ratio: f64,
}

/// `Required = peak ÷ capacity × factor`, rounded up. Absent unless peak ≥ 0, capacity > 0 and factor ≥ 1, all finite.
#[must_use]
pub fn required_instances(peak_per_s: f64, capacity_per_s: f64, factor: f64) -> Option<Required> {
    let valid = peak_per_s >= 0.0 && capacity_per_s > 0.0 && factor >= 1.0;
    let count = (peak_per_s / capacity_per_s * factor * (1.0 - 1e-12)).ceil();
    if !valid || count.is_nan() || count > f64::from(u32::MAX) {
        return None;
    }
    let spare_ratio = if count > 0.0 { (1.0 - peak_per_s / (count * capacity_per_s)).clamp(0.0, 1.0) } else { 1.0 };
    Some(Required { instances: count as u32, spare_ratio })
}

/// A row of the table: from its lower edges on, below those of the next row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Band {
    /// Least users.
    pub users_from: f64,
    /// Least requests per second.
    pub rps_from: f64,
    /// Least instances.
    pub instances_min: u32,
    /// Most instances; absent where the table has no upper end.
    pub instances_max: Option<u32>,
    /// What the table calls it.
    pub note: String,
}

/// A table from load to instances, as a policy. Edges are half-open: 100 users are the second row, not the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    bands: Vec<Band>,
}

/// Why a table is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// No row.
    #[error("a schedule needs a row")]
    Empty,
    /// The first row does not begin at 0.
    #[error("the first row must begin at 0 users and 0 requests per second")]
    Gap,
    /// A row does not lie above the one before it.
    #[error("row {0} must begin above the row before it and need at least as many instances")]
    NotAscending(usize),
}

impl Schedule {
    /// From rows in ascending order.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`].
    pub fn new(bands: Vec<Band>) -> Result<Self, ScheduleError> {
        let first = bands.first().ok_or(ScheduleError::Empty)?;
        if first.users_from != 0.0 || first.rps_from != 0.0 {
            return Err(ScheduleError::Gap);
        }
        let ascends = |pair: &[Band]| {
            pair[1].users_from > pair[0].users_from
                && pair[1].rps_from > pair[0].rps_from
                && pair[1].instances_min >= pair[0].instances_min
        };
        match bands.windows(2).position(|pair| !ascends(pair)) {
            Some(at) => Err(ScheduleError::NotAscending(at + 1)),
            None => Ok(Self { bands }),
        }
    }

    /// The guide's own table.
    #[must_use]
    pub fn of_the_guide() -> Self {
        let row = |users_from, rps_from, instances_min, instances_max, note: &str| Band {
            users_from,
            rps_from,
            instances_min,
            instances_max,
            note: note.to_owned(),
        };
        Self {
            bands: vec![
                row(0.0, 0.0, 1, Some(1), "Development"),
                row(100.0, 50.0, 2, Some(3), "Small production"),
                row(1_000.0, 200.0, 3, Some(6), "Medium production"),
                row(10_000.0, 1_000.0, 6, None, "Large production"),
            ],
        }
    }

    /// The row for this load: the higher of the rows that users and requests ask for. Absent where neither is known,
    /// or one is negative or not a number.
    #[must_use]
    pub fn lookup(&self, users: Option<f64>, rps: Option<f64>) -> Option<&Band> {
        let known = |value: Option<f64>| value.is_none_or(|value| value >= 0.0);
        if !known(users) || !known(rps) {
            return None;
        }
        let by_users = users.map(|users| self.bands.partition_point(|band| band.users_from <= users));
        let by_rps = rps.map(|rps| self.bands.partition_point(|band| band.rps_from <= rps));
        self.bands.get(by_users.max(by_rps)?.checked_sub(1)?)
    }
}
