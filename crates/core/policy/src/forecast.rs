//! Forecasts of one series from nothing but its own past, with how often they were right.
//!
//! ```text
//!  observe ─► mean of each step ─► experts ─► the errors each would have made ─► the best of them: value, interval, coverage
//! ```
//!
//! An expert is a rule: as it is, as it was a season ago, or that times today's level over the level then. Its errors are
//! those of forecasts over the same distance from each of the last [`ORIGINS`] steps, relative to what was forecast:
//! `(came − forecast) / max(forecast, unit)`. Their quantiles are the interval. Coverage is measured out of sample: how
//! often the newer half of the errors stayed below the quantile of the older half. The expert whose quantile costs least
//! there (pinball loss) is asked.
//!
//! - **N1** A step in which nothing was observed is missing, not 0; nothing is forecast from what is missing.
//! - **N2** Memory is bounded by [`Setting::reach`].
//! - **N3** A forecast is a function of the steps that are kept, so that restores and replays make the same one.
//!
//! Seasons are of event time in UTC: when clocks change, a day's course comes an hour off for a day, a week's for a week.
//! Learning while something is wrong is not frozen, and bias is not removed before the quantiles are taken.
//!
//! Source: Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., 2021, ch. 5 (naive methods);
//! Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 113(523), 2018 (split conformal quantiles).

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Steps from which forecasts are judged.
pub const ORIGINS: usize = 288;

/// Over so long today's level is compared with that of a season ago.
pub const LEVEL: Duration = Duration::from_hours(1);

/// A level is taken to have changed by this factor at most.
const MOST_SCALED: f64 = 4.0;

const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// A rule that forecasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expert {
    /// What the last step was.
    LastValue,
    /// What it was a day before.
    Daily,
    /// That, times today's level over the level then.
    ScaledDaily,
    /// What it was a week before.
    Weekly,
    /// That, times today's level over the level then.
    ScaledWeekly,
}

impl Expert {
    /// All of them, in the order in which the earlier one of two equals is asked.
    pub const ALL: [Self; 5] = [Self::LastValue, Self::Daily, Self::ScaledDaily, Self::Weekly, Self::ScaledWeekly];

    /// Its name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastValue => "last_value",
            Self::Daily => "daily",
            Self::ScaledDaily => "scaled_daily",
            Self::Weekly => "weekly",
            Self::ScaledWeekly => "scaled_weekly",
        }
    }

    /// What repeats.
    #[must_use]
    pub const fn season(self) -> Option<Duration> {
        match self {
            Self::LastValue => None,
            Self::Daily | Self::ScaledDaily => Some(DAY),
            Self::Weekly | Self::ScaledWeekly => Some(WEEK),
        }
    }

    const fn is_scaled(self) -> bool {
        matches!(self, Self::ScaledDaily | Self::ScaledWeekly)
    }
}

/// How a series is forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<'a> {
    /// The series is the means of slices this long. A divisor of a day.
    pub step: Duration,
    /// Who may be asked.
    pub experts: &'a [Expert],
    /// Of errors: the share of them that an upper end is to hold; 0.5 to below 1.
    pub quantile: f64,
    /// What one instance can take: errors of forecasts below it count as if they were of that.
    pub unit: f64,
}

impl Setting<'_> {
    /// How many steps the slice in which `now + ahead` lies is behind the last whole one, at the end of a window.
    #[must_use]
    pub fn steps(&self, now: EventTime, ahead: Duration) -> usize {
        (slice(now.plus(ahead), self.step) - slice(now, self.step)) as usize + 1
    }

    /// Steps that have to be kept to forecast so far ahead.
    #[must_use]
    pub fn reach(&self, ahead: Duration) -> usize {
        let steps = (ahead.as_micros() / self.step.as_micros()) as usize + 2;
        let seasons = self.experts.iter().filter_map(|expert| self.back(*expert, steps));
        seasons.max().unwrap_or(0) + self.level() + steps + ORIGINS
    }

    /// Errors without which nobody is asked: as many as make a quantile, in each half.
    #[must_use]
    pub fn least_errors(&self) -> usize {
        (2.0 / (1.0 - self.quantile) - 1e-9).ceil() as usize
    }

    fn level(&self) -> usize {
        ((LEVEL.as_micros() / self.step.as_micros()) as usize).max(1)
    }

    /// How far before the forecast step a season's own value is: as many whole seasons as are needed to know it.
    fn back(&self, expert: Expert, steps: usize) -> Option<usize> {
        let season = (expert.season()?.as_micros() / self.step.as_micros()) as usize;
        Some(season * steps.div_ceil(season))
    }
}

/// What is kept of a series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The number of the slice that is being filled, since the epoch.
    open: Option<i64>,
    /// Sum of what was observed in it.
    sum: f64,
    /// How often it was observed.
    count: u64,
    /// Means of the slices before it, the newest last; nothing where nothing was observed.
    steps: VecDeque<Option<f64>>,
}

/// What is forecast for one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Who says so.
    pub expert: Expert,
    /// What the expert says.
    pub value: f64,
    /// Lower end: `1 − quantile` of its errors lie below.
    pub lower: f64,
    /// Upper end: `quantile` of its errors lie below.
    pub upper: f64,
    /// Share of the newer errors that stayed below the upper end that the older ones led to; 0 to 1.
    pub coverage: f64,
    /// Errors it rests on.
    pub errors: u32,
}

impl Series {
    /// Takes a value that was observed at the end of a window, or that none was. Times ascend.
    ///
    /// - `keep`: steps that are kept ([`Setting::reach`]).
    ///
    /// Returns whether a step has ended, so that there is something new to learn.
    pub fn observe(&mut self, step: Duration, keep: usize, at: EventTime, value: Option<f64>) -> bool {
        let slice = slice(at, step);
        let open = *self.open.get_or_insert(slice);
        if slice > open {
            self.close(keep);
            let missing = usize::try_from(slice - open - 1).unwrap_or(usize::MAX).min(keep);
            self.steps.extend(std::iter::repeat_n(None, missing));
            self.steps.drain(..self.steps.len().saturating_sub(keep));
            self.open = Some(slice);
        }
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sum += value;
            self.count += 1;
        }
        slice > open
    }

    fn close(&mut self, keep: usize) {
        let mean = (self.count > 0).then(|| four_digits(self.sum / self.count as f64));
        self.steps.push_back(mean);
        self.steps.drain(..self.steps.len().saturating_sub(keep));
        (self.sum, self.count) = (0.0, 0);
    }

    /// The newest value: the mean of the step that is being filled so far, else that of the last one; nothing where neither
    /// was observed.
    #[must_use]
    pub fn latest(&self) -> Option<f64> {
        let open = (self.count > 0).then(|| self.sum / self.count as f64);
        open.or_else(|| self.steps.back().copied().flatten())
    }

    /// What is forecast so many steps after the last whole one; nothing while no expert has made enough errors to be
    /// judged, or has what it needs.
    #[must_use]
    pub fn forecast(&self, setting: &Setting<'_>, steps: usize) -> Option<Forecast> {
        let last = self.steps.len().checked_sub(1)?;
        let judged = setting.experts.iter().filter_map(|&expert| {
            let value = self.said(setting, expert, last, steps)?;
            let judged = Judged::of(&self.errors(setting, expert, steps), setting)?;
            Some((judged.loss, judged.forecast(expert, value, setting)))
        });
        judged.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, forecast)| forecast)
    }

    /// What would come if `expert` were as wrong now as at each of the last steps.
    #[must_use]
    pub fn outcomes(&self, setting: &Setting<'_>, steps: usize, expert: Expert) -> Vec<f64> {
        let last = self.steps.len().checked_sub(1);
        let Some(value) = last.and_then(|last| self.said(setting, expert, last, steps)) else { return Vec::new() };
        let errors = self.errors(setting, expert, steps);
        errors.iter().map(|error| value + error.relative * value.max(setting.unit)).collect()
    }

    /// What `expert` says at the step `origin` of the one so many steps later.
    fn said(&self, setting: &Setting<'_>, expert: Expert, origin: usize, steps: usize) -> Option<f64> {
        let Some(back) = setting.back(expert, steps) else { return self.at(Some(origin)) };
        let then = self.at((origin + steps).checked_sub(back))?;
        if !expert.is_scaled() {
            return Some(then);
        }
        let of_level = (0..setting.level()).filter_map(|ago| {
            let now = origin.checked_sub(ago)?;
            Some((self.at(Some(now))?, self.at(now.checked_sub(back))?))
        });
        let (now, before) = of_level.fold((0.0, 0.0), |(now, before), level| (now + level.0, before + level.1));
        (before > 0.0).then(|| then * (now / before).clamp(1.0 / MOST_SCALED, MOST_SCALED))
    }

    fn at(&self, index: Option<usize>) -> Option<f64> {
        self.steps.get(index?).copied().flatten()
    }

    /// What the expert would have got wrong at the last [`ORIGINS`] steps, the newest last.
    fn errors(&self, setting: &Setting<'_>, expert: Expert, steps: usize) -> Vec<Error> {
        let first = self.steps.len().saturating_sub(ORIGINS);
        let of = |index: usize| {
            let said = self.said(setting, expert, index.checked_sub(steps)?, steps)?;
            let scale = said.max(setting.unit);
            Some(Error { relative: (self.at(Some(index))? - said) / scale, scale })
        };
        (first..self.steps.len()).filter_map(of).collect()
    }
}

/// The number of the slice of which a window's end is the end or inside.
fn slice(at: EventTime, step: Duration) -> i64 {
    (at.as_micros() - 1).div_euclid(step.as_micros() as i64)
}

/// By how much more came than was said.
#[derive(Clone, Copy, Debug)]
struct Error {
    relative: f64,
    /// Of what it is a share.
    scale: f64,
}

/// What an expert's errors say of it.
struct Judged {
    loss: f64,
    lower: f64,
    upper: f64,
    coverage: f64,
    errors: u32,
}

impl Judged {
    fn of(errors: &[Error], setting: &Setting<'_>) -> Option<Self> {
        if errors.len() < setting.least_errors() {
            return None;
        }
        let (older, newer) = errors.split_at(errors.len() / 2);
        let bound = upper_quantile(&sorted(older), setting.quantile);
        let covered = newer.iter().filter(|error| error.relative <= bound).count();
        let loss = newer.iter().map(|error| pinball(error.relative - bound, setting.quantile) * error.scale);
        let all = sorted(errors);
        Some(Self {
            loss: loss.sum::<f64>() / newer.len() as f64,
            lower: lower_quantile(&all, 1.0 - setting.quantile),
            upper: upper_quantile(&all, setting.quantile),
            coverage: covered as f64 / newer.len() as f64,
            errors: crate::observe::count(errors.len()),
        })
    }

    fn forecast(&self, expert: Expert, value: f64, setting: &Setting<'_>) -> Forecast {
        let moved = |by: f64| (value + by * value.max(setting.unit)).max(0.0);
        let (lower, upper) = (moved(self.lower), moved(self.upper));
        Forecast { expert, value, lower, upper, coverage: self.coverage, errors: self.errors }
    }
}

fn sorted(errors: &[Error]) -> Vec<f64> {
    let mut sorted: Vec<f64> = errors.iter().map(|error| error.relative).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The least of `sorted` below or at which a next one lies with that probability, as far as there are enough of them.
fn upper_quantile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * (sorted.len() + 1) as f64 - 1e-9).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The greatest of `sorted` below which a next one lies with at most that probability, as far as there are enough.
fn lower_quantile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * (sorted.len() + 1) as f64 + 1e-9).floor() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// What it costs that `above` more came than the quantile said.
fn pinball(above: f64, quantile: f64) -> f64 {
    if above >= 0.0 { quantile * above } else { (quantile - 1.0) * above }
}

/// Four significant digits: what is kept of a week fits into a state that is written every ten seconds.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().expect("a number that was printed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_few() {
        let five = [-2.0, -1.0, 0.0, 1.0, 2.0];
        #[rustfmt::skip]
        let cases = [ // quantile, of the upper end, of the lower end at one minus it
            (0.5, 0.0, 0.0), // rank 3 of 5
            (0.6, 1.0, -1.0), // rank 3.6: 4, and 2.4: 2
            (0.9, 2.0, -2.0), // more than there are
        ];
        for (quantile, upper, lower) in cases {
            assert_eq!(upper_quantile(&five, quantile), upper, "{quantile}");
            assert_eq!(lower_quantile(&five, 1.0 - quantile), lower, "{quantile}");
        }
    }

    #[test]
    fn four_digits_are_kept() {
        for (value, want) in [(1_234_567.0, 1_235_000.0), (0.000_123_449, 0.000_123_4), (0.0, 0.0), (-2.0, -2.0)] {
            assert_eq!(four_digits(value), want);
        }
    }
}
