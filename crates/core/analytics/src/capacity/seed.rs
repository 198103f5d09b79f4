//! The seed's view `capacity_planning` exactly as written, so that its reader finds the same columns here.
//!
//! Defects, kept as they are; plans use [`super::judge`]:
//!
//! - The slope is per *second* (`REGR_SLOPE` over epoch seconds) and is multiplied by days: growth all but vanishes.
//! - It is an absolute slope used as a relative one: `max · (1 + slope · 30)`.
//! - The status compares 90-day columns of CPU and memory that the view does not define; here they are computed as the
//!   30-day ones are.
//! - The base is a lone maximum, and a fleet that scales by itself has a flat CPU whatever its load.
//! - Too few days give no slope, every comparison with null is false, and the status reads "adequate".
//! - The count divides a percentage by a percentage: it is 1 below 80 %, whatever the fleet's size.

use serde::Serialize;
use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// One row of the view's `historical_usage`: a day of usage. What no row of that day has is null, as SQL has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SeedDay {
    /// Start of the day (UTC) in seconds since the epoch: `usage_date`.
    pub day_s: f64,
    /// Greatest concurrent users.
    pub peak_users: Option<f64>,
    /// Mean requests per second.
    pub avg_rps: Option<f64>,
    /// Greatest requests per second.
    pub peak_rps: Option<f64>,
    /// Mean CPU usage, in percent.
    pub avg_cpu_percent: Option<f64>,
    /// Greatest CPU usage, in percent.
    pub peak_cpu_percent: Option<f64>,
    /// Mean memory usage, in GB.
    pub avg_memory_gb: Option<f64>,
    /// Greatest memory usage, in GB.
    pub peak_memory_gb: Option<f64>,
}

/// One row of the seed's `agent_metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeedRow {
    /// Concurrent users.
    pub users: Option<f64>,
    /// Requests per second.
    pub rps: Option<f64>,
    /// CPU usage, in percent.
    pub cpu_percent: Option<f64>,
    /// Memory usage, in GB.
    pub memory_gb: Option<f64>,
}

/// Days that the view looks back.
const DAYS: i64 = 90;

/// Sum, count and greatest of what rows had.
type Kept = Option<(f64, u64, f64)>;

/// The view's `historical_usage` on its way: rows by day.
#[derive(Clone, Debug, Default)]
pub struct SeedUsage {
    /// Users, rps, CPU, memory by day.
    days: BTreeMap<i64, [Kept; 4]>,
    last: Option<EventTime>,
}

impl SeedUsage {
    /// Takes in a row, in any order.
    pub fn see(&mut self, at: EventTime, row: &SeedRow) {
        self.last = self.last.max(Some(at));
        let day = self.days.entry(at.as_secs().div_euclid(86_400)).or_default();
        for (kept, value) in day.iter_mut().zip([row.users, row.rps, row.cpu_percent, row.memory_gb]) {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                let (sum, count, most) = kept.unwrap_or((0.0, 0, f64::NEG_INFINITY));
                *kept = Some((sum + value, count + 1, most.max(value)));
            }
        }
    }

    /// The days of the 90 before the last row: the view's `NOW()` is event time here.
    #[must_use]
    pub fn days(&self) -> Vec<SeedDay> {
        let Some(last) = self.last else { return Vec::new() };
        let first = last.as_secs() - DAYS * 86_400;
        let mean = |kept: Kept| kept.map(|(sum, count, _)| sum / count as f64);
        let most = |kept: Kept| kept.map(|(.., most)| most);
        let day = |(number, [users, rps, cpu, memory]): (&i64, &[Kept; 4])| SeedDay {
            day_s: (number * 86_400) as f64,
            peak_users: most(*users),
            avg_rps: mean(*rps),
            peak_rps: most(*rps),
            avg_cpu_percent: mean(*cpu),
            peak_cpu_percent: most(*cpu),
            avg_memory_gb: mean(*memory),
            peak_memory_gb: most(*memory),
        };
        self.days.iter().filter(|(number, _)| **number * 86_400 > first).map(day).collect()
    }
}

/// The view's `capacity_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the seed's words")]
pub enum SeedStatus {
    UrgentScalingNeeded,
    ScalingNeededSoon,
    MonitorClosely,
    AdequateCapacity,
}

/// The view's columns; null is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the seed's columns under their own names")]
pub struct SeedCapacity {
    pub user_growth_rate: Option<f64>,
    pub rps_growth_rate: Option<f64>,
    pub cpu_growth_rate: Option<f64>,
    pub memory_growth_rate: Option<f64>,
    pub current_peak_users: Option<f64>,
    pub growth_predictability: Option<f64>,
    pub projected_30d_users: Option<f64>,
    pub projected_90d_users: Option<f64>,
    pub projected_30d_cpu: Option<f64>,
    pub projected_90d_cpu: Option<f64>,
    pub projected_30d_memory: Option<f64>,
    pub projected_90d_memory: Option<f64>,
    pub capacity_status: SeedStatus,
    pub recommended_instance_count: Option<f64>,
}

/// The view over one agent's days; absent without days, as the view has no row then.
#[must_use]
pub fn seed_capacity(days: &[SeedDay]) -> Option<SeedCapacity> {
    if days.is_empty() {
        return None;
    }
    let column = |pick: fn(&SeedDay) -> Option<f64>| {
        days.iter().filter_map(|day| Some((day.day_s, pick(day)?))).collect::<Vec<(f64, f64)>>()
    };
    let (users, rps) = (column(|d| d.peak_users), column(|d| d.peak_rps));
    let (cpu, memory) = (column(|d| d.peak_cpu_percent), column(|d| d.peak_memory_gb));
    let slope = |of: &[(f64, f64)]| regression(of).map(|found| found.0);
    let most = |of: &[(f64, f64)]| of.iter().map(|p| p.1).reduce(f64::max);
    let ahead = |of: &[(f64, f64)], days: f64| {
        Some(most(of)? * (1.0 + regression(of)?.0 * days)).filter(|value| value.is_finite())
    };
    let (cpu_30, cpu_90, memory_30, memory_90) =
        (ahead(&cpu, 30.0), ahead(&cpu, 90.0), ahead(&memory, 30.0), ahead(&memory, 90.0));
    let over = |value: Option<f64>, limit: f64| value.is_some_and(|value| value > limit);
    Some(SeedCapacity {
        user_growth_rate: slope(&users),
        rps_growth_rate: slope(&rps),
        cpu_growth_rate: slope(&cpu),
        memory_growth_rate: slope(&memory),
        current_peak_users: most(&users),
        growth_predictability: regression(&users).and_then(|r| r.1),
        projected_30d_users: ahead(&users, 30.0),
        projected_90d_users: ahead(&users, 90.0),
        projected_30d_cpu: cpu_30,
        projected_90d_cpu: cpu_90,
        projected_30d_memory: memory_30,
        projected_90d_memory: memory_90,
        capacity_status: match () {
            () if over(cpu_30, 80.0) || over(memory_30, 32.0) => SeedStatus::UrgentScalingNeeded,
            () if over(cpu_90, 80.0) || over(memory_90, 32.0) => SeedStatus::ScalingNeededSoon,
            () if over(cpu_90, 60.0) || over(memory_90, 24.0) => SeedStatus::MonitorClosely,
            () => SeedStatus::AdequateCapacity,
        },
        // GREATEST leaves nulls out.
        recommended_instance_count: [cpu_30.map(|c| (c / 80.0).ceil()), memory_30.map(|m| (m / 32.0).ceil())]
            .into_iter()
            .flatten()
            .reduce(f64::max),
    })
}

/// `REGR_SLOPE` and `REGR_R2`: least squares of y on x, as PostgreSQL has them. No slope where x does not vary; R² is
/// 1 where y does not.
fn regression(points: &[(f64, f64)]) -> Option<(f64, Option<f64>)> {
    let n = points.len() as f64;
    let (mean_x, mean_y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(x, y)| of(x - mean_x, y - mean_y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    (xx > 0.0).then(|| (xy / xx, Some(if yy > 0.0 { xy * xy / (xx * yy) } else { 1.0 })))
}
