//! Forecasts a second time: every step of the whole history by itself, every error and every quantile by counting.

use super::{Counts, Seen, Signal, demand};
use crate::forecast::{Expert, Setting};
use crate::policy::{Policy, Prediction};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// What is forecast of one step: who says so, the value, the lower and the upper end, and the measured coverage.
pub type Said = (Expert, f64, f64, f64, f64);

/// What is forecast at the last close of `history`, ascending, of the time that much later.
#[must_use]
pub fn forecast(setting: &Setting<'_>, history: &[(EventTime, Option<f64>)], ahead: Duration) -> Option<Said> {
    let step = setting.step.as_micros() as i64;
    let slice = |at: EventTime| (at.as_micros() - 1).div_euclid(step);
    let (first, now) = (history.first()?.0, history.last()?.0);
    let mut values: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in history.iter().filter(|(at, _)| slice(*at) < slice(now)) {
        values.entry(slice(*at)).or_default().extend(value);
    }
    let means = values.iter().filter(|(_, values)| !values.is_empty()).map(|(slice, values)| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (*slice, format!("{mean:.3e}").parse().expect("a number"))
    });
    of_means(setting, &means.collect(), (slice(first), slice(now)), slice(now.plus(ahead)) - slice(now) + 1)
}

/// From the means of the slices `first..open`.
fn of_means(setting: &Setting<'_>, means: &BTreeMap<i64, f64>, known: (i64, i64), ahead: i64) -> Option<Said> {
    let (first, open) = known;
    let mut best: Option<(f64, Said)> = None;
    for &expert in setting.experts {
        let Some(value) = says(setting, means, expert, open - 1, ahead) else { continue };
        let mut errors = Vec::new(); // of what came, relative, and of what it is a share
        for came in first.max(open - 288)..open {
            let said = says(setting, means, expert, came - ahead, ahead);
            if let (Some(said), Some(mean)) = (said, means.get(&came)) {
                errors.push(((mean - said) / said.max(setting.unit), said.max(setting.unit)));
            }
        }
        if (errors.len() as f64) < 2.0 / (1.0 - setting.quantile) - 1e-9 {
            continue;
        }
        let (older, newer) = errors.split_at(errors.len() / 2);
        let bound = least_with(older, setting.quantile);
        let held = newer.iter().filter(|(error, _)| *error <= bound).count();
        let loss = newer.iter().map(|(error, scale)| {
            let over = error - bound;
            scale * if over > 0.0 { over * setting.quantile } else { -over * (1.0 - setting.quantile) }
        });
        let loss = loss.sum::<f64>() / newer.len() as f64;
        let moved = |by: f64| (value + by * value.max(setting.unit)).max(0.0);
        let ends = (moved(greatest_with(&errors, setting.quantile)), moved(least_with(&errors, setting.quantile)));
        if best.is_none_or(|(least, _)| loss < least) {
            best = Some((loss, (expert, value, ends.0, ends.1, held as f64 / newer.len() as f64)));
        }
    }
    best.map(|(_, said)| said)
}

/// What an expert says at the slice `origin` of the one that many later.
fn says(setting: &Setting<'_>, means: &BTreeMap<i64, f64>, expert: Expert, origin: i64, ahead: i64) -> Option<f64> {
    let of_day = (24 * 3_600_000_000_i64) / setting.step.as_micros() as i64;
    let (season, is_scaled) = match expert {
        Expert::LastValue => return means.get(&origin).copied(),
        Expert::Daily => (of_day, false),
        Expert::ScaledDaily => (of_day, true),
        Expert::Weekly => (7 * of_day, false),
        Expert::ScaledWeekly => (7 * of_day, true),
    };
    // As many seasons back as are needed to know it already.
    let mut then = origin + ahead;
    while then > origin {
        then -= season;
    }
    let back = origin + ahead - then;
    let value = *means.get(&then)?;
    if !is_scaled {
        return Some(value);
    }
    let (mut now, mut before) = (0.0, 0.0);
    for ago in 0..(of_day / 24).max(1) {
        if let (Some(today), Some(past)) = (means.get(&(origin - ago)), means.get(&(origin - ago - back))) {
            now += today;
            before += past;
        }
    }
    (before > 0.0).then(|| value * (now / before).clamp(0.25, 4.0))
}

/// The least error that so many of these and one more are expected below or at.
fn least_with(errors: &[(f64, f64)], quantile: f64) -> f64 {
    let wanted = quantile * (errors.len() + 1) as f64 - 1e-9;
    let below = |end: f64| errors.iter().filter(|(error, _)| *error <= end).count() as f64;
    let enough = errors.iter().map(|(error, _)| *error).filter(|error| below(*error) >= wanted);
    let most = errors.iter().map(|(error, _)| *error).fold(f64::MIN, f64::max);
    enough.fold(most, f64::min)
}

/// The greatest error that so many of these and one more are expected above or at.
fn greatest_with(errors: &[(f64, f64)], quantile: f64) -> f64 {
    let mirrored: Vec<(f64, f64)> = errors.iter().map(|(error, scale)| (-error, *scale)).collect();
    -least_with(&mirrored, quantile)
}

/// What is needed at the lead time and at the lookahead, each with how soon, as far as that is trusted; and how urgent it
/// is with so many instances.
pub(super) struct Outlook {
    pub(super) needed: [Option<i64>; 2],
    pub(super) urgency: f64,
}

pub(super) fn outlook(policy: &Policy, seen: &[Seen<'_>], held: i64) -> Option<Outlook> {
    let prediction = policy.prediction.as_ref()?;
    let unit = unit(policy, prediction);
    let setting = prediction.setting(unit);
    let history: Vec<_> = seen.iter().map(|close| (close.now(), load(policy, prediction, close))).collect();
    let said = [prediction.lead_time, prediction.lookahead].map(|ahead| forecast(&setting, &history, ahead));
    let trusted = said.map(|said| said.filter(|said| said.4 >= prediction.confidence));
    let needed = trusted.map(|said| said.map(|said| ((said.3 / unit - 5e-10).ceil() as i64).max(1)));
    let times = [prediction.lead_time.as_secs_f64(), prediction.lookahead.as_secs_f64()];
    let mut line: Vec<(f64, f64)> =
        history.last().and_then(|(_, load)| *load).map(|load| (0.0, load)).into_iter().collect();
    line.extend(times.iter().zip(said).filter_map(|(time, said)| Some((*time, said?.3))));
    Some(Outlook { needed, urgency: urgency(&line, held as f64 * unit, times[0]) })
}

/// Lead time by the time at which a line of straight pieces first passes `enough`.
fn urgency(line: &[(f64, f64)], enough: f64, lead: f64) -> f64 {
    if line.first().is_some_and(|(at, load)| *load > enough && *at <= lead) {
        return 1.0;
    }
    for pair in line.windows(2) {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        if low <= enough && high > enough {
            let at = from + (to - from) * (enough - low) / (high - low);
            return if at <= lead { 1.0 } else { lead / at };
        }
    }
    0.0
}

fn unit(policy: &Policy, prediction: &Prediction) -> f64 {
    policy.objectives.iter().find(|it| it.name == prediction.of).map_or(1.0, |objective| objective.target)
}

/// The total of what is forecast, at one close.
fn load(policy: &Policy, prediction: &Prediction, seen: &Seen<'_>) -> Option<f64> {
    if seen.agent.completeness.ratio < policy.min_completeness {
        return None;
    }
    let counts = Counts::of(seen.agent, seen.instances);
    if let Some(objective) = policy.objectives.iter().find(|it| it.name == prediction.of) {
        let signal = Signal::read(objective, seen, &counts);
        let (used, there) = signal.sums()?;
        let share = used as f64 / there as f64;
        let value = if signal.one() == 1 { share / 1e3 } else { share };
        return Some(value * counts.ready as f64);
    }
    let demand = policy.demands.iter().find(|it| it.name == prediction.of)?;
    demand::asks_for(demand, seen.agent, seen.instances, counts.ready).map(|asked| asked as f64)
}
