//! The sums behind the metrics: over stretches in which both curves are constant, and over grid points. They merge.

use super::{Curve, Shortfall, SpecMetrics};
use std::time::Duration;
use tidegauge_model::time::micros;
use tidegauge_model::{EventTime, TimeRange};

/// Grid points of a range, at most: a day of milliseconds, 190 years of minutes.
const MOST_GRID_POINTS: i128 = 100_000_000;

/// Why there are no metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The range has no length.
    #[error("the range from {} to {} is empty", .0.start, .0.end)]
    EmptyRange(TimeRange),
    /// The grid has no width.
    #[error("the grid is narrower than a microsecond")]
    EmptyGrid,
    /// More grid points than anybody measures, or more time than can be added up.
    #[error(
        "the range from {} to {} is too long for a grid of {grid:?}: are the times in the unit that their column names?",
        .range.start, .range.end
    )]
    TooLong {
        /// The range.
        range: TimeRange,
        /// The grid.
        grid: Duration,
    },
    /// A curve says nothing at the start of the range.
    #[error("{curve} begins at {begins}, after the range, which begins at {range_start}")]
    BeginsLate {
        /// `demand` or `supply`.
        curve: &'static str,
        /// Where it begins.
        begins: EventTime,
        /// Where the range begins.
        range_start: EventTime,
    },
    /// Two totals that do not meet, or on other grids.
    #[error("totals merge only where the second range begins at the end of the first, on its grid")]
    NotAdjacent,
}

/// Demand and supply at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    demand: u32,
    supply: u32,
}

impl Pair {
    fn at(demand: &Curve, supply: &Curve, at: EventTime) -> Option<Self> {
        Some(Self { demand: demand.at(at)?, supply: supply.at(at)? })
    }

    /// Whether supply and demand moved in different directions from `before` to here.
    fn moved_apart_since(self, before: Self) -> bool {
        self.demand.cmp(&before.demand) != self.supply.cmp(&before.supply)
    }
}

/// Sums over one range. Times are whole microseconds, so that they add exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecTotals {
    range: TimeRange,
    grid: Duration,
    with_demand_us: i64,
    short_us: i64,
    surplus_us: i64,
    /// ∫ max(d − s, 0)/d and ∫ max(s − d, 0)/d, in microseconds.
    short_ratio_us: f64,
    surplus_ratio_us: f64,
    grid_points: u64,
    apart_us: i64,
    compared_us: i64,
    /// What the first grid point stands for, and the pairs at both ends, which a merge compares.
    first_step_us: i64,
    first: Pair,
    last_on_grid: Pair,
    last: Pair,
    step_difference: i64,
    instance_difference: i64,
    shortfalls: Vec<Shortfall>,
}

impl SpecTotals {
    /// The totals over `range`.
    ///
    /// # Errors
    ///
    /// As [`super::measure`].
    pub fn over(demand: &Curve, supply: &Curve, range: TimeRange, grid: Duration) -> Result<Self, SpecError> {
        if range.end <= range.start {
            return Err(SpecError::EmptyRange(range));
        }
        if micros(grid) <= 0 {
            return Err(SpecError::EmptyGrid);
        }
        if is_too_long(range, grid) {
            return Err(SpecError::TooLong { range, grid });
        }
        let late = |curve, begins| SpecError::BeginsLate { curve, begins, range_start: range.start };
        let first = Pair {
            demand: demand.at(range.start).ok_or_else(|| late("demand", demand.start()))?,
            supply: supply.at(range.start).ok_or_else(|| late("supply", supply.start()))?,
        };
        let mut totals = Self::empty(range, grid, first);
        totals.add_areas(demand, supply);
        totals.add_grid(demand, supply);
        totals.add_changes(demand, 1);
        totals.add_changes(supply, -1);
        Ok(totals)
    }

    fn empty(range: TimeRange, grid: Duration, first: Pair) -> Self {
        Self {
            range,
            grid,
            with_demand_us: 0,
            short_us: 0,
            surplus_us: 0,
            short_ratio_us: 0.0,
            surplus_ratio_us: 0.0,
            grid_points: 0,
            apart_us: 0,
            compared_us: 0,
            first_step_us: 0,
            first,
            last_on_grid: first,
            last: first,
            step_difference: 0,
            instance_difference: 0,
            shortfalls: Vec::new(),
        }
    }

    /// Sums over the stretches between all changes of both curves.
    fn add_areas(&mut self, demand: &Curve, supply: &Curve) {
        let TimeRange { start, end } = self.range;
        let mut cuts: Vec<EventTime> =
            [demand, supply].iter().flat_map(|curve| curve.changes(start, end)).map(|c| c.0).collect();
        cuts.push(start);
        cuts.push(end);
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.windows(2) {
            if let Some(pair) = Pair::at(demand, supply, cut[0]) {
                self.add_stretch(pair, TimeRange { start: cut[0], end: cut[1] });
                self.last = pair;
            }
        }
    }

    fn add_stretch(&mut self, Pair { demand, supply }: Pair, stretch: TimeRange) {
        let length = micros(stretch.length());
        let (missing, extra) = (demand.saturating_sub(supply), supply.saturating_sub(demand));
        self.short_us += if missing > 0 { length } else { 0 };
        self.surplus_us += if extra > 0 { length } else { 0 };
        if demand > 0 {
            self.with_demand_us += length;
            self.short_ratio_us += f64::from(missing) / f64::from(demand) * length as f64;
            self.surplus_ratio_us += f64::from(extra) / f64::from(demand) * length as f64;
        }
        match (missing, self.shortfalls.last_mut().filter(|open| open.until.is_none())) {
            (0, Some(open)) => open.until = Some(stretch.start),
            (0, None) => {}
            (missing, Some(open)) => open.missing_max = open.missing_max.max(missing),
            (missing, None) => {
                self.shortfalls.push(Shortfall { from: stretch.start, until: None, missing_max: missing });
            }
        }
    }

    /// Sums over the grid: each point but the first against the one before, weighted by the time it stands for.
    fn add_grid(&mut self, demand: &Curve, supply: &Curve) {
        let mut before: Option<Pair> = None;
        let mut at = self.range.start;
        while at < self.range.end {
            let Some(here) = Pair::at(demand, supply, at) else { return };
            let next = at.plus(self.grid).min(self.range.end);
            let weight = micros(next.since(at));
            match before {
                None => self.first_step_us = weight,
                Some(before) => self.compare(before, here, weight),
            }
            self.grid_points += 1;
            self.last_on_grid = here;
            before = Some(here);
            at = next;
        }
    }

    fn compare(&mut self, before: Pair, here: Pair, weight_us: i64) {
        self.compared_us += weight_us;
        self.apart_us += if here.moved_apart_since(before) { weight_us } else { 0 };
    }

    /// Changes inside the range; those of supply count up (`sign` −1 is subtracted), those of demand down.
    fn add_changes(&mut self, curve: &Curve, sign: i64) {
        for (_, from, to) in curve.changes(self.range.start, self.range.end) {
            self.step_difference -= sign;
            self.instance_difference -= sign * i64::from(from.abs_diff(to));
        }
    }

    /// The totals of this range and the one that follows it.
    ///
    /// # Errors
    ///
    /// [`SpecError::NotAdjacent`] unless `next` begins where this range ends, at a point of the same grid.
    pub fn merge(mut self, next: &Self) -> Result<Self, SpecError> {
        let on_grid = micros(self.range.length()) % micros(self.grid) == 0;
        if next.range.start != self.range.end || next.grid != self.grid || !on_grid {
            return Err(SpecError::NotAdjacent);
        }
        self.compare(self.last_on_grid, next.first, next.first_step_us);
        self.compared_us += next.compared_us;
        self.apart_us += next.apart_us;
        self.grid_points += next.grid_points;
        self.with_demand_us += next.with_demand_us;
        self.short_us += next.short_us;
        self.surplus_us += next.surplus_us;
        self.short_ratio_us += next.short_ratio_us;
        self.surplus_ratio_us += next.surplus_ratio_us;
        self.add_change_at_the_seam(next);
        self.join_shortfalls(next);
        self.range.end = next.range.end;
        self.last_on_grid = next.last_on_grid;
        self.last = next.last;
        Ok(self)
    }

    /// A change exactly at the seam lies in neither range, but in the whole.
    fn add_change_at_the_seam(&mut self, next: &Self) {
        let (supply, demand) =
            (self.last.supply.abs_diff(next.first.supply), self.last.demand.abs_diff(next.first.demand));
        self.step_difference += i64::from(supply > 0) - i64::from(demand > 0) + next.step_difference;
        self.instance_difference += i64::from(supply) - i64::from(demand) + next.instance_difference;
    }

    fn join_shortfalls(&mut self, next: &Self) {
        let mut following = next.shortfalls.iter().copied();
        if let Some(open) = self.shortfalls.last_mut().filter(|last| last.until.is_none()) {
            match next.shortfalls.first().filter(|first| first.from == next.range.start) {
                Some(first) => {
                    open.until = first.until;
                    open.missing_max = open.missing_max.max(first.missing_max);
                    following.next();
                }
                None => open.until = Some(next.range.start),
            }
        }
        self.shortfalls.extend(following);
    }

    /// The metrics that these sums make.
    #[must_use]
    pub fn metrics(&self) -> SpecMetrics {
        let length_us = micros(self.range.length()) as f64;
        let percent = |part: f64, whole: f64| (whole > 0.0).then(|| 100.0 * part / whole);
        let per_min = |count: i64| (length_us > 0.0).then(|| count as f64 / (length_us / 60e6));
        let with_demand_us = self.with_demand_us as f64;
        let mut metrics = SpecMetrics {
            range: self.range,
            with_demand_s: with_demand_us / 1e6,
            theta_u_percent: percent(self.short_ratio_us, with_demand_us).map(|p| p.min(100.0)),
            theta_o_percent: percent(self.surplus_ratio_us, with_demand_us),
            tau_u_percent: percent(self.short_us as f64, length_us),
            tau_o_percent: percent(self.surplus_us as f64, length_us),
            instability_percent: percent(self.apart_us as f64, self.compared_us as f64),
            grid_s: self.grid.as_secs_f64(),
            grid_points: self.grid_points,
            jitter_steps_per_min: per_min(self.step_difference),
            jitter_instances_per_min: per_min(self.instance_difference),
            elastic_deviation: None,
            shortfalls: self.shortfalls.clone(),
        };
        metrics.elastic_deviation = elastic_deviation(&metrics);
        metrics
    }
}

fn is_too_long(range: TimeRange, grid: Duration) -> bool {
    let length_us = i128::from(range.end.as_micros()) - i128::from(range.start.as_micros());
    length_us > i128::from(i64::MAX) || length_us / i128::from(micros(grid)) > MOST_GRID_POINTS
}

fn elastic_deviation(m: &SpecMetrics) -> Option<f64> {
    let parts = [m.theta_u_percent?, m.theta_o_percent?, m.tau_u_percent?, m.tau_o_percent?, m.instability_percent?];
    Some(parts.iter().map(|part| part * part).sum::<f64>().sqrt())
}
