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
//!
//! Source: Åström and Hägglund, *Advanced PID Control*, 2006, ch. 3 (velocity form, windup) and 8 (dead time).

use super::objective::Objective;
use serde::Serialize;
use std::time::Duration;

/// For so long a reversal damps.
pub const DAMPING_WINDOW: Duration = Duration::from_mins(10);

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
}
