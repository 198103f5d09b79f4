//! What is forecast of a target beside what it may carry at most: whether there will be enough, whatever is decided.
//!
//! What it may carry is what one instance may have of the load, as the policy states it, times the most instances that bounds
//! and stated quotas allow. The load ahead is the policy's own forecast ([`crate::policy::prediction`]), at another
//! quantile or distance where that is asked for.

use crate::forecast::{Forecast, Setting};
use crate::policy::{Policy, Prediction};
use crate::quota::Pool;
use crate::state::{PredictionState, TargetState};
use std::time::Duration;
use tidegauge_model::EventTime;

/// What is known of a target's future.
#[derive(Clone, Copy, Debug)]
pub struct Prospect<'a> {
    prediction: &'a Prediction,
    past: &'a PredictionState,
    /// What one instance may have of the load.
    unit: f64,
    /// Most instances.
    most: u32,
    is_learnt: bool,
}

/// The load so far ahead, beside what may be carried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// Upper end of the forecast over what may be carried: above 1 it is not enough.
    pub load_ratio: f64,
    /// How far ahead that is.
    pub horizon: Duration,
    /// When the load goes beyond what may be carried, on straight lines from now over the lead time to the horizon; `None`:
    /// not up to there.
    pub time_to_breach: Option<Duration>,
}

impl<'a> Prospect<'a> {
    /// As the policy that acts has learnt; `None` where it forecasts nothing.
    ///
    /// - `pools`: the quotas of workspaces that bind the target.
    #[must_use]
    pub fn of(policy: &'a Policy, state: &'a TargetState, pools: &[Pool]) -> Option<Self> {
        let (prediction, past) = (policy.prediction.as_ref()?, state.prediction.as_ref()?);
        let objective = policy.objectives.iter().find(|objective| objective.name == prediction.of);
        let own = policy.safety.quota.and_then(|quota| Some(quota.with_surge(quota.instances?)));
        let shared = pools.iter().map(|pool| pool.grant(u32::MAX).fair);
        let most = shared.chain(own).fold(policy.max_instances, u32::min);
        let is_learnt = past.of == prediction.of;
        Some(Self { prediction, past, unit: objective.map_or(1.0, |objective| objective.target), most, is_learnt })
    }

    /// What is forecast so far ahead of `now`; nothing where nobody can say, or too few such forecasts held.
    ///
    /// - `horizon`: the policy's lookahead, unless it is said. Seasonal models know little beyond that.
    /// - `quantile`: the policy's, unless it is said.
    #[must_use]
    pub fn ahead(&self, now: EventTime, horizon: Option<Duration>, quantile: Option<f64>) -> Option<Ahead> {
        let prediction = self.prediction;
        let (horizon, quantile) = (horizon.unwrap_or(prediction.lookahead), quantile.unwrap_or(prediction.quantile));
        let least = prediction.confidence.min(quantile);
        let forecast = self.forecast(now, horizon, quantile).filter(|forecast| forecast.coverage >= least)?;
        let capacity = f64::from(self.most) * self.unit;
        let load_ratio = forecast.upper / capacity;
        let between = (prediction.lead_time < horizon).then(|| self.forecast(now, prediction.lead_time, quantile));
        let points = [
            self.past.series.latest().map(|load| (0.0, load)),
            between.flatten().map(|forecast| (prediction.lead_time.as_secs_f64(), forecast.upper)),
            Some((horizon.as_secs_f64(), forecast.upper)),
        ];
        let points: Vec<(f64, f64)> = points.into_iter().flatten().collect();
        load_ratio.is_finite().then(|| Ahead { load_ratio, horizon, time_to_breach: breach(&points, capacity) })
    }

    /// What the policy has said itself is not computed again.
    fn forecast(&self, now: EventTime, horizon: Duration, quantile: f64) -> Option<Forecast> {
        let (Prediction { lead_time, lookahead, .. }, said) = (self.prediction, &self.past.said);
        let is_own = self.is_learnt && quantile.total_cmp(&self.prediction.quantile).is_eq();
        match [said[1], said[0]] {
            [at_end, _] if is_own && horizon == *lookahead => at_end.forecast,
            [_, at_lead] if is_own && horizon == *lead_time => at_lead.forecast,
            _ => {
                let setting = Setting { quantile, ..self.prediction.setting(self.unit) };
                self.past.series.forecast(&setting, setting.steps(now, horizon)).filter(|_| self.is_learnt)
            }
        }
    }
}

/// When straight lines over these points, seconds and load, go beyond `capacity`.
fn breach(points: &[(f64, f64)], capacity: f64) -> Option<Duration> {
    let first = points.iter().position(|(_, load)| *load > capacity)?;
    let (after, load) = points[first];
    let seconds = match first.checked_sub(1).map(|before| points[before]) {
        Some((since, before)) => since + (after - since) * (capacity - before) / (load - before),
        // Already now, or nobody knows what is now.
        None => after,
    };
    Some(Duration::from_secs(seconds.max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it shows, points of load, capacity, seconds to the breach.
    type Case<'a> = (&'a str, &'a [(f64, f64)], f64, Option<u64>);

    #[test]
    fn breaches_by_hand() {
        let cases: [Case<'_>; 5] = [
            ("half-way between now and then", &[(0.0, 80.0), (600.0, 120.0)], 100.0, Some(300)),
            ("behind the lead time", &[(0.0, 80.0), (60.0, 90.0), (600.0, 110.0)], 100.0, Some(330)),
            ("now", &[(0.0, 101.0), (600.0, 90.0)], 100.0, Some(0)),
            ("never", &[(0.0, 80.0), (600.0, 100.0)], 100.0, None),
            ("nobody knows what is now", &[(600.0, 120.0)], 100.0, Some(600)),
        ];
        for (name, points, capacity, want) in cases {
            assert_eq!(breach(points, capacity), want.map(Duration::from_secs), "{name}");
        }
    }
}
