//! What is forecast, as counts: for the lead time, which has to be started now, and for the lookahead, which is to be kept.

use crate::forecast::Forecast;
use crate::observe::Observation;
use crate::policy::{Policy, Prediction};
use crate::state::{PredictionState, Said, TargetState};
use crate::wish::Wish;
use crate::wish::demand::ceil_count;
use std::time::Duration;
use tidegauge_model::SignalReading;

/// What is forecast of one target.
pub(super) struct Outlook<'a> {
    prediction: &'a Prediction,
    /// What one instance may have of the load.
    unit: f64,
    /// The load now.
    load: Option<f64>,
    /// Steps to the lookahead.
    steps: usize,
    at_lead_time: Option<Ahead>,
    at_lookahead: Option<Ahead>,
}

/// A forecast as a count.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub(super) forecast: Forecast,
    /// What its upper end needs.
    pub(super) instances: u32,
    /// How far ahead.
    pub(super) after: Duration,
    /// What was measured of such forecasts is good enough.
    is_trusted: bool,
}

/// Learns from this window, and looks ahead.
pub(super) fn look_ahead<'a>(
    policy: &'a Policy,
    state: &mut TargetState,
    observation: &Observation<'_>,
    wishes: &[Wish],
) -> Option<Outlook<'a>> {
    let prediction = policy.prediction.as_ref()?;
    let (load, unit) = load(policy, prediction, observation, wishes);
    let setting = prediction.setting(unit);
    let (now, keep) = (observation.window.end, setting.reach(prediction.lookahead));
    // What another version of the policy has said is not what this one says.
    let is_other = state.standing.as_ref().is_some_and(|standing| standing.policy_hash != policy.hash);
    let past = state.prediction.get_or_insert_with(|| PredictionState::of(prediction));
    let has_learnt = past.series.observe(prediction.step, keep, now, load) || is_other;
    let steps = [prediction.lead_time, prediction.lookahead].map(|ahead| setting.steps(now, ahead));
    for (said, steps) in past.said.iter_mut().zip(steps) {
        if has_learnt || said.steps != steps as u64 {
            *said = Said { steps: steps as u64, forecast: past.series.forecast(&setting, steps) };
        }
    }
    let ahead = |said: Option<Forecast>, after: Duration| {
        said.map(|forecast| Ahead {
            forecast,
            instances: ceil_count(forecast.upper / unit).max(1),
            after,
            is_trusted: forecast.coverage >= prediction.confidence,
        })
    };
    let at_lead_time = ahead(past.said[0].forecast, prediction.lead_time);
    let at_lookahead = ahead(past.said[1].forecast, prediction.lookahead);
    Some(Outlook { prediction, unit, load, steps: steps[1], at_lead_time, at_lookahead })
}

/// The load of all instances together, and what one may have. Nothing is learnt from thin data.
fn load(
    policy: &Policy,
    prediction: &Prediction,
    observation: &Observation<'_>,
    wishes: &[Wish],
) -> (Option<f64>, f64) {
    let is_complete = observation.completeness >= policy.min_completeness;
    let said = |at: usize| Some(&wishes[at].reading).filter(|reading| is_complete && reading.wish_instances.is_some());
    if let Some(at) = policy.objectives.iter().position(|objective| objective.name == prediction.of) {
        let total = said(at).and_then(|reading| Some(reading.value? * f64::from(observation.current_instances)));
        return (total, policy.objectives[at].target);
    }
    let demand = policy.demands.iter().position(|demand| demand.name == prediction.of);
    let asked = demand.and_then(|at| said(policy.objectives.len() + at)).and_then(|reading| reading.wish_instances);
    (asked.map(f64::from), 1.0)
}

impl Outlook<'_> {
    /// The least count that trusted forecasts leave, and the one that says so: what is needed at the lead time, and of what
    /// is needed at the lookahead no more than what stands.
    pub(super) fn floor(&self, standing: u32) -> Option<(u32, Ahead)> {
        let trusted = |ahead: Option<Ahead>| ahead.filter(|ahead| ahead.is_trusted);
        let start = trusted(self.at_lead_time).map(|ahead| (ahead.instances, ahead));
        let keep = trusted(self.at_lookahead).map(|ahead| (ahead.instances.min(standing), ahead));
        match (start, keep) {
            (Some(start), Some(keep)) => Some(if keep.0 > start.0 { keep } else { start }),
            (start, keep) => start.or(keep),
        }
    }

    /// How often such forecasts held: of those that are trusted, the weaker; 1 without any.
    pub(super) fn coverage(&self) -> f64 {
        let trusted = [self.at_lead_time, self.at_lookahead].into_iter().flatten().filter(|ahead| ahead.is_trusted);
        trusted.map(|ahead| ahead.forecast.coverage).fold(1.0, f64::min)
    }

    /// Both forecasts, where both are trusted.
    pub(super) fn trusted(&self) -> Option<[Ahead; 2]> {
        let [at_lead, at_end] = [self.at_lead_time?, self.at_lookahead?];
        (at_lead.is_trusted && at_end.is_trusted).then_some([at_lead, at_end])
    }

    /// How soon more is needed than `held`, on straight lines from now over both forecasts: 1 within the lead time, less
    /// beyond it in proportion, 0 where it is not needed up to the lookahead.
    pub(super) fn urgency(&self, held: u32) -> f64 {
        let at = |ahead: Option<Ahead>| ahead.map(|ahead| (ahead.after.as_secs_f64(), ahead.forecast.upper));
        let now = self.load.map(|load| (0.0, load));
        let points: Vec<(f64, f64)> =
            [now, at(self.at_lead_time), at(self.at_lookahead)].into_iter().flatten().collect();
        let enough = f64::from(held) * self.unit;
        let Some(first) = points.iter().position(|(_, load)| *load > enough) else { return 0.0 };
        let (after, load) = points[first];
        let breach = match first.checked_sub(1).map(|before| points[before]) {
            Some((since, before)) => since + (after - since) * (enough - before) / (load - before),
            None => after,
        };
        let lead = self.prediction.lead_time.as_secs_f64();
        if breach > lead { lead / breach } else { 1.0 }
    }

    /// `rate is forecast to need 12 in 15m (scaled_daily; 0.93 of 144 such forecasts held)`.
    pub(super) fn told(&self, ahead: &Ahead) -> String {
        let Ahead { forecast, instances, after, .. } = ahead;
        let (of, after) = (&self.prediction.of, crate::HumanDuration(*after));
        let (expert, coverage) = (forecast.expert.name(), forecast.coverage);
        format!("{of} is forecast to need {instances} in {after} ({expert}; {coverage:.2} of such forecasts held)")
    }

    /// What is forecast, as readings of signals: the upper end of the load, what one instance may have of it, and the floor
    /// that follows.
    pub(super) fn readings(&self, standing: u32) -> [SignalReading; 2] {
        [
            self.reading("prediction.lead_time", self.at_lead_time, u32::MAX),
            self.reading("prediction.lookahead", self.at_lookahead, standing),
        ]
    }

    fn reading(&self, name: &str, ahead: Option<Ahead>, most: u32) -> SignalReading {
        let least = self.prediction.confidence;
        let problem = match ahead {
            None => Some("too little is known yet".to_owned()),
            Some(Ahead { is_trusted: true, .. }) => None,
            Some(Ahead { forecast, .. }) => {
                Some(format!("{:.2} of such forecasts held, which is below {least:.2}", forecast.coverage))
            }
        };
        SignalReading {
            name: name.to_owned(),
            value: ahead.map(|ahead| ahead.forecast.upper),
            objective: self.unit,
            samples: ahead.map_or(0, |ahead| u64::from(ahead.forecast.errors)),
            instances: 0,
            wish_instances: ahead.filter(|ahead| ahead.is_trusted).map(|ahead| ahead.instances.min(most)),
            problem,
        }
    }

    /// What the middle and the upper end of the forecast at the lookahead need.
    pub(super) fn quantiles(&self) -> [Option<u32>; 2] {
        let count = |load: f64| ceil_count(load / self.unit).max(1);
        [self.at_lookahead.map(|ahead| count(ahead.forecast.value)), self.at_lookahead.map(|ahead| ahead.instances)]
    }

    /// What may be needed at the lookahead, not rounded, by what such forecasts got wrong.
    pub(super) fn outcomes(&self, state: &TargetState) -> Vec<f64> {
        let (Some(ahead), Some(past)) = (self.at_lookahead, &state.prediction) else { return Vec::new() };
        let outcomes = past.series.outcomes(&self.prediction.setting(self.unit), self.steps, ahead.forecast.expert);
        outcomes.iter().map(|load| load / self.unit).collect()
    }
}
