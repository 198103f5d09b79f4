//! Regret: what a shadow policy would have come to, beside the acting one, so that it is promoted by evidence.
//!
//! At each close the load that there is, is laid on the shadow's count: load ratio · ready instances ÷ its count. That
//! assumes that load does not depend on the count, that it can be spread, and that a count is there one close after it
//! was asked for. *Late* is time in which some objective of the **acting** policy is above its band: both are judged by
//! what the operator wants today.
//!
//! - **R1** A shadow that asks for what there is has no regret.
//! - **R2** More instances are never later, and never fewer instance-hours.

use crate::observe::Observation;
use crate::policy::Policy;
use std::time::Duration;
use tidegauge_model::{Decision, Regret};

/// The load of one close, over all ready instances together: 1 is as much as one instance may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    total: f64,
    instances: u32,
    lasts: Duration,
}

impl Load {
    /// As the acting policy's objectives have it; `None` where none of them has a value.
    #[must_use]
    pub fn of(policy: &Policy, observation: &Observation<'_>, decision: &Decision) -> Option<Self> {
        let pairs = policy.objectives.iter().zip(&decision.signals);
        let strain =
            pairs.filter_map(|(objective, signal)| Some(signal.value? / (signal.objective * objective.band.high)));
        let strain = strain.filter(|strain| strain.is_finite()).reduce(f64::max)?;
        let instances = observation.current_instances;
        Some(Self { total: strain * f64::from(instances), instances, lasts: policy.window.slide })
    }

    fn is_late(&self, instances: u32) -> bool {
        self.total > f64::from(instances) * (1.0 + 1e-9)
    }
}

/// One more close, with `standing` what the shadow had asked for before it.
pub fn step(regret: &mut Regret, load: Load, standing: u32) {
    let seconds = load.lasts.as_secs_f64();
    let late = |instances| if load.is_late(instances) { seconds } else { 0.0 };
    regret.compared_s += seconds;
    regret.late_s += late(standing);
    regret.late_s_live += late(load.instances);
    regret.instance_hours += f64::from(standing) * seconds / 3_600.0;
    regret.instance_hours_live += f64::from(load.instances) * seconds / 3_600.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(load: f64, live: u32, shadow: u32) -> Regret {
        let mut regret = Regret::default();
        let load = Load { total: load, instances: live, lasts: Duration::from_secs(10) };
        (0..360).for_each(|_| step(&mut regret, load, shadow));
        regret
    }

    /// An hour in closes of 10 s. A load of 6 is met by 6 instances.
    #[test]
    fn an_hour_by_hand() {
        let cases = [
            // load, live, shadow; seconds late of the shadow and of the live one
            (6.0, 6, 6, 0.0, 0.0),
            (6.0, 8, 5, 3_600.0, 0.0),
            (6.5, 6, 7, 0.0, 3_600.0),
            (0.5, 1, 0, 3_600.0, 0.0),
            (0.0, 0, 0, 0.0, 0.0),
        ];
        for (load, live, shadow, late_s, late_s_live) in cases {
            let regret = after(load, live, shadow);
            assert_eq!((regret.compared_s, regret.late_s, regret.late_s_live), (3_600.0, late_s, late_s_live));
            assert!((regret.instance_hours - f64::from(shadow)).abs() < 1e-9, "{regret:?}");
            assert!((regret.instance_hours_live - f64::from(live)).abs() < 1e-9, "{regret:?}");
        }
    }

    #[test]
    fn r1_r2_the_same_count_has_no_regret_and_more_are_never_later() {
        for live in 0..20 {
            let same = after(7.3, live, live);
            assert_eq!((same.late_s, same.instance_hours), (same.late_s_live, same.instance_hours_live), "R1");
            let (fewer, more) = (after(7.3, 5, live), after(7.3, 5, live + 1));
            assert!(more.late_s <= fewer.late_s && more.instance_hours >= fewer.instance_hours, "R2");
        }
    }
}
