//! Burn rates: how many times faster than allowed an error budget is used up.
//!
//! ```text
//!  windows that do not overlap ─► slots ─► events and bad ones of the long and of the short stretch
//!                                          burn = (bad ÷ events) ÷ (1 − objective), the lesser of both
//! ```
//!
//! At a burn rate of 1 the budget of 30 days lasts 30 days; at 14.4 an hour takes 2 % of it. The long stretch says that it
//! matters, the short one that it still goes on: as the lesser of both is compared, both have to be over the threshold.
//!
//! - **B1** Each event counts once: of windows that slide, those are taken that follow one another without overlap.
//! - **B2** A stretch reaches back no further than it says, and no less than that by more than a thirtieth of it or a
//!   window, whichever is longer.
//! - **B3** Sums are made anew from slots in their order, so that nothing adds up that was taken away.
//! - **B4** Slots hold finite numbers, whatever comes: they are written as JSON, which has no others. A window whose sum is
//!   beyond all numbers counts as none.
//!
//! Source: Google, *The Site Reliability Workbook*, 2018, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".

use super::rules::BurnRate;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use tidegauge_model::{EventTime, TimeRange, WindowSummary, time};

/// How many slots a stretch has, unless windows are longer than those would be.
const SLOTS: i64 = 30;

/// What is remembered for one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Burn {
    long: Stretch,
    short: Stretch,
}

/// The events of a stretch of time up to now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
    /// Length of a slot; of other rules than the one that wrote the slots, another.
    slot_us: i64,
    /// Number of the slot since 1970, events, bad ones; ascending, without those that had none.
    slots: VecDeque<(i64, f64, f64)>,
}

/// Events, and those of them that were bad.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Events {
    all: f64,
    bad: f64,
}

impl Burn {
    /// Takes in a closed window of the agent, if it does not overlap the last that was taken (**B1**).
    pub(super) fn take(&mut self, rate: &BurnRate, window: &WindowSummary) {
        let TimeRange { start, end } = window.range;
        let size = end.since(start);
        if end.floor_to(size) != end {
            return;
        }
        let counted = |metric: &String| window.gauges.get(metric.as_str()).map(|gauge| gauge.sum);
        // B4.
        let sum = |metric: &String| counted(metric).filter(|sum| sum.is_finite()).unwrap_or(0.0);
        let all = sum(&rate.events);
        let events = Events { all, bad: rate.bad.iter().map(sum).sum::<f64>().min(all) };
        self.long.take(rate.long, size, start, end, events);
        self.short.take(rate.short, size, start, end, events);
    }

    /// The burn rate as of the last window that was taken; 0 with fewer events than the rule asks for.
    pub(super) fn rate(&self, rate: &BurnRate) -> f64 {
        let (long, short) = (self.long.events(), self.short.events());
        if long.all < rate.min_events {
            return 0.0;
        }
        let burn = |events: Events| {
            let share = if events.all > 0.0 { events.bad / events.all } else { 0.0 };
            share / (1.0 - rate.objective)
        };
        burn(long).min(burn(short))
    }
}

impl Stretch {
    fn take(&mut self, length: Duration, window: Duration, start: EventTime, end: EventTime, events: Events) {
        let (length_us, window_us) = (time::micros(length), time::micros(window));
        // Whole windows, as few as make a thirtieth.
        let slot_us = (length_us / SLOTS / window_us).max(1) * window_us;
        if self.slot_us != slot_us {
            *self = Self { slot_us, slots: VecDeque::new() };
        }
        let oldest = end.as_micros() - length_us;
        while self.slots.front().is_some_and(|(number, ..)| number * slot_us < oldest) {
            self.slots.pop_front();
        }
        if events.all <= 0.0 {
            return;
        }
        let number = start.as_micros().div_euclid(slot_us);
        match self.slots.back_mut() {
            Some((last, all, bad)) if *last == number => {
                (*all, *bad) = ((*all + events.all).min(f64::MAX), (*bad + events.bad).min(f64::MAX));
            }
            _ => self.slots.push_back((number, events.all, events.bad)),
        }
    }

    /// **B3**.
    fn events(&self) -> Events {
        let add = |sum: Events, (_, all, bad): &(i64, f64, f64)| Events { all: sum.all + all, bad: sum.bad + bad };
        self.slots.iter().fold(Events::default(), add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_model::{Completeness, GaugeSummary, Target};

    const MINUTE: Duration = Duration::from_mins(1);

    fn rate(objective: f64, long_min: u64, short_min: u64, min_events: f64) -> BurnRate {
        BurnRate {
            objective,
            long: MINUTE * u32::try_from(long_min).expect("minutes"),
            short: MINUTE * u32::try_from(short_min).expect("minutes"),
            min_events,
            events: "requests".to_owned(),
            bad: vec!["server_errors".to_owned(), "timeout_errors".to_owned()],
        }
    }

    /// A window of a minute that ends after so many seconds.
    fn window(end_s: i64, requests: f64, errors: f64) -> WindowSummary {
        let sum = |sum: f64| GaugeSummary { count: 1, sum, min: sum, max: sum, mean: sum, variance: 0.0, last: sum };
        let completeness = Completeness {
            ratio: 1.0,
            sources_ratio: 1.0,
            instances_ratio: 1.0,
            instances_expected: 1,
            instances_reported: 1,
        };
        let target = Target { workspace: "w".into(), agent: "a".into(), region: None };
        let range = TimeRange::ending_at(EventTime::from_secs(end_s), MINUTE);
        let mut window = WindowSummary::empty(target, range, Duration::from_secs(10), completeness);
        window.gauges.insert("requests".to_owned().into(), sum(requests));
        window.gauges.insert("server_errors".to_owned().into(), sum(errors));
        window
    }

    #[test]
    fn both_stretches_have_to_burn() {
        // 99.9 %: a burn rate of 14.4 is 1.44 % bad. An hour of 1,000 requests a minute.
        let hour = rate(0.999, 60, 5, 100.0);
        let mut burn = Burn::default();
        for minute in 1..=60 {
            burn.take(&hour, &window(minute * 60, 1_000.0, 0.0));
        }
        assert_eq!(burn.rate(&hour), 0.0);
        // 9 minutes with 10 % bad: 900 of 60,000 are 1.5 %, 15 times the budget; the short one burns at 100.
        for minute in 61..=69 {
            burn.take(&hour, &window(minute * 60, 1_000.0, 100.0));
        }
        assert!((burn.rate(&hour) - 15.0).abs() < 0.3, "{}", burn.rate(&hour));
        // Five good minutes later the short one is empty of bad ones, and the alert may end.
        for minute in 70..=74 {
            burn.take(&hour, &window(minute * 60, 1_000.0, 0.0));
        }
        assert_eq!(burn.rate(&hour), 0.0);
    }

    #[test]
    fn b1_windows_that_overlap_count_once() {
        let five = rate(0.9, 5, 1, 1.0);
        let (mut sliding, mut tumbling) = (Burn::default(), Burn::default());
        for end_s in (60..=600).step_by(10) {
            sliding.take(&five, &window(end_s, 10.0, 5.0));
            if end_s % 60 == 0 {
                tumbling.take(&five, &window(end_s, 10.0, 5.0));
            }
        }
        assert_eq!(sliding, tumbling);
        assert_eq!(sliding.long.events(), Events { all: 50.0, bad: 25.0 });
    }

    /// Against a list of all windows, for stretches whose slots are longer than a window.
    #[test]
    fn b2_a_stretch_reaches_back_as_far_as_it_says() {
        let days = rate(0.99, 3 * 24 * 60, 6 * 60, 1.0);
        let mut burn = Burn::default();
        let mut bad_at = Vec::new();
        let (long_slot, short_slot) = (144, 12);
        for minute in 1..=6_000_i64 {
            let bad = if minute % 7 == 0 || (2_000..2_100).contains(&minute) { 1.0 } else { 0.0 };
            bad_at.push((minute, bad));
            burn.take(&days, &window(minute * 60, 1.0, bad));
            if minute % 61 != 0 {
                continue;
            }
            let over = |length: i64| bad_at.iter().filter(|(at, _)| *at > minute - length).map(|(_, bad)| bad).sum();
            for (stretch, length, slot) in [(&burn.long, 3 * 24 * 60, long_slot), (&burn.short, 6 * 60, short_slot)] {
                let (most, least): (f64, f64) = (over(length), over(length - slot));
                let Events { bad, .. } = stretch.events();
                assert!((least..=most).contains(&bad), "minute {minute}, {length} minutes: {least} {bad} {most}");
            }
        }
        assert!(burn.long.slots.len() <= 31 && burn.short.slots.len() <= 31);
    }

    #[test]
    fn few_events_and_none_burn_nothing() {
        let hour = rate(0.999, 60, 5, 100.0);
        let mut burn = Burn::default();
        burn.take(&hour, &window(60, 99.0, 99.0));
        assert_eq!(burn.rate(&hour), 0.0);
        burn.take(&hour, &window(120, 1.0, 1.0));
        assert!((burn.rate(&hour) - 1_000.0).abs() < 1e-6, "all bad: {}", burn.rate(&hour));
        for minute in 3..=120 {
            burn.take(&hour, &window(minute * 60, 0.0, 0.0));
        }
        assert_eq!(
            burn,
            Burn {
                long: Stretch { slot_us: 120_000_000, ..Stretch::default() },
                short: Stretch { slot_us: 60_000_000, ..Stretch::default() }
            }
        );
    }
}
