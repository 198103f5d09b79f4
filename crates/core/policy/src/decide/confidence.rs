//! How much of what a decision should rest on is there.

use super::Scene;
use super::chain::Chain;
use super::foresee::Outlook;
use tidegauge_model::ReasonCode;

/// Completeness of the window × the share of measured signals that have an answer × where a forecast set the count, the
/// measured coverage of the weaker of both, 0 to 1.
///
/// What is stated (schedules, planned events, orders) takes nothing away: it needs no measurement.
pub(super) fn of(scene: &Scene<'_>, chain: &Chain) -> f64 {
    let asked = scene.wishes[..scene.measured].iter().filter(|wish| wish.is_heard());
    let (answered, asked) = asked.fold((0_u32, 0_u32), |(answered, asked), wish| {
        (answered + u32::from(wish.reading.wish_instances.is_some()), asked + 1)
    });
    let share = if asked == 0 { 1.0 } else { f64::from(answered) / f64::from(asked) };
    let rests_on_forecast =
        [ReasonCode::Predicted, ReasonCode::CostSaving].iter().any(|reason| chain.reasons.contains(reason));
    let coverage = scene.outlook.as_ref().filter(|_| rests_on_forecast).map_or(1.0, Outlook::coverage);
    scene.observation.completeness * share * coverage
}
