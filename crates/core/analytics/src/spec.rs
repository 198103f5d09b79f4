//! SPEC's elasticity metrics: how well supply (ready instances) followed demand (least instances that meet the
//! objectives), over step functions of event time.
//!
//! ```text
//!          ┌───────┐ demand        θ_U  area of shortfall, relative to demand     τ_U  share of time short
//!     ─────┘ ▒▒▒┌──┴────┐ supply   θ_O  area of surplus,  relative to demand     τ_O  share of time in surplus
//!     ──────────┘   ░░░░└───       υ    share of grid steps in which the two moved differently
//! ```
//!
//! Areas and shares of time are exact on unequal steps: they are summed over the stretches on which both curves are
//! constant. The instability υ is defined on samples, so it depends on the grid, which is stated beside it.
//!
//! - **EL1** θ_U and τ_U lie in [0, 100], τ_O and υ too; θ_O ≥ 0; τ_U + τ_O ≤ 100.
//! - **EL2** Where demand is 0 nothing can be short and a ratio to demand means nothing: such time leaves θ and its
//!   duration; it stays in τ.
//! - **EL3** Totals of two adjacent ranges that meet on the grid merge to those of the whole.
//! - **EL4** Shifting both curves and the range in time changes nothing.
//! - **EL5** A measure without a denominator is absent; NaN and infinity never come out.
//!
//! Source: N. Herbst et al., "Quantifying Cloud Performance and Dependability", ACM ToMPECS 3(4), 2018, §4; N. Herbst
//! et al., "Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics", SPEC-RG-2016-01.

mod curve;
mod totals;

pub use curve::{Curve, CurveError};
pub use totals::{SpecError, SpecTotals};

use serde::Serialize;
use std::time::Duration;
use tidegauge_model::{EventTime, TimeRange};

/// Percentages below this are taken as this in [`SpecMetrics::speedup_over`], so that a perfect score divides.
pub const SPEEDUP_FLOOR_PERCENT: f64 = 0.01;

/// A stretch in which supply was below demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shortfall {
    /// Since when demand was greater; the start of the range where it began earlier.
    pub from: EventTime,
    /// When supply was adequate again; absent if it was not within the range.
    pub until: Option<EventTime>,
    /// The greatest number of instances that were missing.
    pub missing_max: u32,
}

impl Shortfall {
    /// How long it took until supply was adequate; absent if it was not.
    #[must_use]
    pub fn time_to_adequate(&self) -> Option<Duration> {
        self.until.map(|until| until.since(self.from))
    }
}

/// The metrics over one range. Percentages are 0–100 (θ_O may exceed 100).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpecMetrics {
    /// The range.
    pub range: TimeRange,
    /// Seconds in which there was demand: the denominator of θ. Zero is why θ is absent.
    pub with_demand_s: f64,
    /// θ_U, under-provisioning accuracy in percent of demand.
    pub theta_u_percent: Option<f64>,
    /// θ_O, over-provisioning accuracy in percent of demand.
    pub theta_o_percent: Option<f64>,
    /// τ_U, share of time with too few instances.
    pub tau_u_percent: Option<f64>,
    /// τ_O, share of time with more instances than needed.
    pub tau_o_percent: Option<f64>,
    /// υ, share of time in which supply and demand moved differently, on the grid. Absent below two grid points.
    pub instability_percent: Option<f64>,
    /// The grid of υ, in seconds: the decision interval.
    pub grid_s: f64,
    /// Grid points, the sample count of υ.
    pub grid_points: u64,
    /// Changes of supply minus changes of demand, per minute; negative: supply follows fewer changes than there are.
    pub jitter_steps_per_min: Option<f64>,
    /// The same in instances moved.
    pub jitter_instances_per_min: Option<f64>,
    /// σ, Euclidean length of (θ_U, θ_O, τ_U, τ_O, υ): distance from perfect.
    pub elastic_deviation: Option<f64>,
    /// Stretches of shortfall, ascending.
    pub shortfalls: Vec<Shortfall>,
}

impl SpecMetrics {
    /// ε: how many times better than `other`, usually the same demand without scaling: the fourth root of the product
    /// of the ratios of θ_U, θ_O, τ_U, τ_O, each at least [`SPEEDUP_FLOOR_PERCENT`]. Above 1 is better than `other`.
    /// Absent where one of the eight is.
    #[must_use]
    pub fn speedup_over(&self, other: &Self) -> Option<f64> {
        let four = |m: &Self| -> Option<[f64; 4]> {
            Some([m.theta_u_percent?, m.theta_o_percent?, m.tau_u_percent?, m.tau_o_percent?])
        };
        let ratios = four(self)?.into_iter().zip(four(other)?);
        let product: f64 = ratios.map(|(a, b)| b.max(SPEEDUP_FLOOR_PERCENT) / a.max(SPEEDUP_FLOOR_PERCENT)).product();
        Some(product.powf(0.25))
    }

    /// Times to adequate supply of the shortfalls that ended, ascending, and how many did not end.
    #[must_use]
    pub fn times_to_adequate(&self) -> (Vec<Duration>, usize) {
        let mut ended: Vec<Duration> = self.shortfalls.iter().filter_map(Shortfall::time_to_adequate).collect();
        ended.sort_unstable();
        let open = self.shortfalls.len() - ended.len();
        (ended, open)
    }
}

/// The metrics of `supply` against `demand` over `range`, υ on a grid of `grid` that starts with the range.
///
/// # Errors
///
/// [`SpecError`] if the range or the grid is empty or the range far too long for it, or a curve begins after the range does.
pub fn measure(demand: &Curve, supply: &Curve, range: TimeRange, grid: Duration) -> Result<SpecMetrics, SpecError> {
    let totals = SpecTotals::over(demand, supply, range, grid)?;
    Ok(totals.metrics())
}

/// Supply that stays at its first count through `range`: what ε compares with.
#[must_use]
pub fn without_scaling(supply: &Curve, range: TimeRange) -> Option<Curve> {
    supply.at(range.start).map(|count| Curve::constant(range.start, count))
}
