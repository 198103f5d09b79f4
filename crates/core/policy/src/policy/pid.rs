//! Controllers: the count approaches what the load needs, instead of jumping there.
//!
//! ```text
//!  w = ln(load ÷ objective)      what is needed: load is that of all ready instances together
//!  u = ln(count)                 what there is, instances that start included
//!  Δu = Kp·Δw + Ki·Δt·(w − u) + Kd·Δ(slope of w, filtered),   never past w
//! ```
//!
//! It is a PID in velocity form, over logarithms, so that a doubling is the same step at every size. The proportional part
//! answers changes of the load, and not those that the controller's own doing makes: seen in `w` those cancel out, as a
//! Smith predictor takes them out of the measurement. So the time that instances take to start does not destabilize it.
//!
//! - **D1** Overshoot: `u` never passes `w`.
//! - **D2** Windup: it goes on from the count that is really there (or on its way), whatever it had asked for.
//! - **D3** Within the objective's tolerance nothing moves.
//! - **D4** Each reversal of the last ten minutes halves the gains, three times at most.
//! - **D5** An adaptive one asks for at most the square of what perfect sharing would: what it learns is bounded.
//!
//! Where instances get in each other's way, twice as many do not halve the load of each: `Δ ln(value) = −b·Δ ln(ready)`, `b`
//! below 1, and the count that is needed is `ready·(value ÷ objective)^(1/b)`. An adaptive controller estimates `b` by
//! recursive least squares with forgetting, from steps of the ready instances of 5 % or more. A window says what a count leads
//! to once that count has been ready for all of it, so what is compared are counts that stood that long. Since the load
//! itself leads to steps, a step teaches only where the value had been off by 5 % for such a window before it, which is so
//! where instances take longer to start than a window lasts, and where `b` between 0 and 2 explains it.
//!
//! Source: Åström and Hägglund, *Advanced PID Control*, 2006, ch. 3 (velocity form, windup) and 8 (dead time); Åström and
//! Wittenmark, *Adaptive Control*, 2nd ed., 1995, ch. 2 (recursive least squares, forgetting, excitation).

use super::objective::Objective;
use serde::Serialize;
use std::time::Duration;

/// For so long a reversal damps.
pub const DAMPING_WINDOW: Duration = Duration::from_mins(10);

/// What a step of the past counts for after each one that follows.
pub const FORGETTING: f64 = 0.95;

/// Least step of the logarithm of the ready instances, and of the value before it from what is wanted, that teaches: 5 %.
pub const EXCITATION: f64 = 0.048_790_164_169_432;

/// Weight of the assumption to begin with that load is shared perfectly: that of one step by 37 %.
pub const PRIOR: f64 = 0.1;

/// Within which what is learnt is used.
pub const SHARING: std::ops::RangeInclusive<f64> = 0.5..=1.0;

/// A controller, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pid {
    /// What it watches; its name is that of the controller.
    pub objective: Objective,
    /// `Kp`, 0 to 1.
    pub proportional: f64,
    /// `Ki`, per second.
    pub integral_per_s: f64,
    /// `Kd`, in seconds.
    pub derivative_s: f64,
    /// Time constant of the slope's filter.
    pub filter: Duration,
    /// How long what was asked for counts as there.
    pub start_up: Duration,
    /// Learns how load is shared. Left out of the hash where it does not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adaptive: bool,
}
