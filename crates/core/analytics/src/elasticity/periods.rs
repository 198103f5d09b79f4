//! Two periods beside each other: whether the goals of better utilization and less over-provisioning are met.

use serde::Serialize;

/// What the second period has over the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PeriodComparison {
    /// Used share of supply after ÷ before − 1; absent where nothing was used before.
    pub utilization_gain: Option<f64>,
    /// 1 − θ_O after ÷ before; absent where there was no surplus before.
    pub surplus_cut: Option<f64>,
    /// At least 40 % better utilization.
    pub utilization_goal: Option<bool>,
    /// At least 30 % less over-provisioning.
    pub surplus_goal: Option<bool>,
}

/// Compares two periods, each as (used share of supply, θ_O in percent): the goals of 000 "Success Metrics".
#[must_use]
pub fn compare_periods(before: (f64, f64), after: (f64, f64)) -> PeriodComparison {
    let share = |after: f64, before: f64| (before > 0.0).then(|| after / before).filter(|share| share.is_finite());
    let utilization_gain = share(after.0, before.0).map(|share| share - 1.0);
    let surplus_cut = share(after.1, before.1).map(|share| 1.0 - share);
    // A gain of exactly the goal meets it, whatever the division's last bit.
    let meets = |goal: f64| move |gain: f64| gain >= goal - 1e-12;
    PeriodComparison {
        utilization_gain,
        surplus_cut,
        utilization_goal: utilization_gain.map(meets(0.4)),
        surplus_goal: surplus_cut.map(meets(0.3)),
    }
}
