//! Predictions, from written to checked.

use super::require;
use crate::duration::HumanDuration;
use crate::error::{Problem, nearest};
use crate::forecast::{Expert, ORIGINS};
use crate::policy::prediction::Prediction;
use crate::policy::raw::{RawModel, RawPrediction};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
const MAX_LEAD_TIME: Duration = Duration::from_hours(6);
const STEPS: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(1);
/// Steps of a season that are kept at most: a week of five minutes.
const MAX_SEASON_STEPS: u32 = 2_016;

/// `watched`: names of objectives, then of demands.
pub(super) fn check_prediction(raw: &RawPrediction, watched: &[&str]) -> Result<Prediction, Problem> {
    let model = experts(raw.model);
    let step = check_step(raw.step, &model)?;
    let lead_time = raw.lead_time.map_or(Duration::from_mins(1), |time| time.0);
    require(lead_time <= MAX_LEAD_TIME, "spec.prediction.lead_time", || {
        format!("expected at most 6h, found {}", HumanDuration(lead_time))
    })?;
    let lookahead = raw.lookahead.map_or(Duration::from_mins(15).max(lead_time), |time| time.0);
    let furthest = DAY.min(step * ORIGINS as u32);
    require((lead_time..=furthest).contains(&lookahead), "spec.prediction.lookahead", || {
        let (least, most) = (HumanDuration(lead_time), HumanDuration(furthest));
        format!("expected lead_time, which is {least}, to {most}, found {}", HumanDuration(lookahead))
    })?;
    let quantile = raw.quantile.unwrap_or(0.9);
    require((0.5..=0.99).contains(&quantile), "spec.prediction.quantile", || {
        format!("expected 0.5 to 0.99, found {quantile}")
    })?;
    let confidence = raw.confidence.unwrap_or(quantile - 0.1);
    require(confidence > 0.0 && confidence <= quantile, "spec.prediction.confidence", || {
        format!("expected more than 0 and at most the quantile, which is {quantile}, found {confidence}")
    })?;
    Ok(Prediction { of: check_of(raw, watched)?, model, lead_time, lookahead, quantile, confidence, step })
}

fn experts(model: RawModel) -> Vec<Expert> {
    match model {
        RawModel::Auto => Expert::ALL.to_vec(),
        RawModel::LastValue => vec![Expert::LastValue],
        RawModel::Daily => vec![Expert::Daily],
        RawModel::ScaledDaily => vec![Expert::ScaledDaily],
        RawModel::Weekly => vec![Expert::Weekly],
        RawModel::ScaledWeekly => vec![Expert::ScaledWeekly],
    }
}

fn check_step(raw: Option<HumanDuration>, model: &[Expert]) -> Result<Duration, Problem> {
    let step = raw.map_or(Duration::from_mins(5), |step| step.0);
    let season = model.iter().filter_map(|expert| expert.season()).max();
    let least = season.map_or(*STEPS.start(), |season| (season / MAX_SEASON_STEPS).max(Duration::from_mins(1)));
    require(step >= least && step <= *STEPS.end(), "spec.prediction.step", || {
        format!("expected {} to 1h with this model, found {}", HumanDuration(least), HumanDuration(step))
    })?;
    require(DAY.as_micros().is_multiple_of(step.as_micros()), "spec.prediction.step", || {
        format!("expected a divisor of a day, found {}", HumanDuration(step))
    })?;
    Ok(step)
}

fn check_of(raw: &RawPrediction, watched: &[&str]) -> Result<String, Problem> {
    let Some(first) = watched.first() else {
        return Err(Problem::at("spec.prediction", "expected an objective or a demand to forecast, found none"));
    };
    let of = raw.of.as_deref().unwrap_or(first);
    if watched.contains(&of) {
        return Ok(of.to_owned());
    }
    let known = watched.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let message = format!("expected the name of an objective or demand, one of {known}, found `{of}`");
    Err(Problem { nearest: nearest(of, watched.iter().copied()), ..Problem::at("spec.prediction.of", message) })
}
