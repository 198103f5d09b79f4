//! The section `analytics`, checked: what counts as a finding.

use super::check::Checker;
use super::raw::{AnalyticsSection, RawConfig};
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_analytics::degradation::DegradationRule;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_analytics::load::LoadConfig;
use tidegauge_analytics::load::hotspot::HotspotRule;
use tidegauge_analytics::load::idle::IdleRule;
use tidegauge_analytics::saturation::SaturationRule;
use tidegauge_analytics::tracker::Hold;
use tidegauge_policy::HumanDuration;

const HOLD: RangeInclusive<u32> = 1..=100;
const FINDINGS: RangeInclusive<u32> = 1..=10_000;
const SHORTEST_REPEAT: Duration = Duration::from_mins(1);
/// Windows that a baseline has to hold: eight of them are needed before anything is compared with it.
const FEWEST_WINDOWS: u32 = 10;
/// Panes of a window, at most: as of those that are configured.
const MOST_PANES: u128 = 10_000;
/// Where they are not set: the length of a window, and how far back "usual" reaches, in time and in windows.
const WINDOW: Duration = Duration::from_mins(1);
const BASELINE: Duration = Duration::from_hours(1);
const USUAL_WINDOWS: u32 = 60;

impl Checker {
    /// What counts as a finding, if it is looked for any.
    pub(super) fn analytics(&mut self, raw: &RawConfig) -> Option<LiveConfig> {
        let section = &raw.analytics;
        let window = self.analysed_window(raw);
        self.analysed_numbers(section);
        self.require(section.repeat_after >= SHORTEST_REPEAT, "analytics.repeat_after", || {
            format!("expected 1m or more, found {}", HumanDuration(section.repeat_after))
        });
        if let Some(baseline) = section.baseline {
            self.require(baseline >= window * FEWEST_WINDOWS, "analytics.baseline", || {
                let [window, least, found] = [window, window * FEWEST_WINDOWS, baseline].map(HumanDuration);
                format!("expected {FEWEST_WINDOWS} windows of {window}, which is {least}, or more, found {found}")
            });
        }
        if let Some(objective) = section.response_time_objective {
            self.require(!objective.is_zero(), "analytics.response_time_objective", || "expected more than 0s".into());
        }
        section.enabled.then(|| config(section, window))
    }

    /// The length as it is written, or the least whole number of panes from a minute on.
    fn analysed_window(&mut self, raw: &RawConfig) -> Duration {
        let (key, pane) = ("analytics.window", raw.time.pane.max(Duration::from_millis(1)));
        let Some(window) = raw.analytics.window else {
            let panes = WINDOW.as_nanos().div_ceil(pane.as_nanos());
            return pane * u32::try_from(panes).unwrap_or(1);
        };
        let is_whole = !window.is_zero() && window.as_nanos().is_multiple_of(pane.as_nanos());
        self.require(is_whole, key, || {
            format!(
                "expected a multiple of time.pane, which is {}, found {}",
                HumanDuration(pane),
                HumanDuration(window)
            )
        });
        self.require(window.as_nanos() / pane.as_nanos() <= MOST_PANES, key, || {
            format!(
                "expected at most {MOST_PANES} panes, found {} in panes of {}",
                HumanDuration(window),
                HumanDuration(pane)
            )
        });
        let needed = window + raw.time.allowed_lateness;
        self.require(needed < raw.topics.replay_horizon, key, || {
            let (needed, horizon) = (HumanDuration(needed), HumanDuration(raw.topics.replay_horizon));
            format!("expected to be, with time.allowed_lateness, shorter than topics.replay_horizon of {horizon}, found {needed}")
        });
        window
    }

    fn analysed_numbers(&mut self, section: &AnalyticsSection) {
        for (key, range, value) in [
            ("analytics.open_after", HOLD, section.open_after),
            ("analytics.close_after", HOLD, section.close_after),
            ("analytics.max_findings", FINDINGS, section.max_findings),
        ] {
            self.require(range.contains(&value), key, || {
                format!("expected {} to {}, found {value}", range.start(), range.end())
            });
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        for (key, value) in [
            ("analytics.min_completeness", section.min_completeness),
            ("analytics.hotspot_utilization", section.hotspot_utilization),
            ("analytics.underutilized_ratio", section.underutilized_ratio),
            ("analytics.underutilized_utilization", section.underutilized_utilization),
        ] {
            self.require(share(value), key, || format!("expected 0 to 1, found {value}"));
        }
        for (key, value) in [
            ("analytics.saturation", section.saturation),
            ("analytics.utilization_objective", section.utilization_objective),
        ] {
            self.require(share(value) && value > 0.0, key, || {
                format!("expected a ratio above 0, at most 1, found {value}")
            });
        }
        for (key, value) in [
            ("analytics.hotspot_ratio", section.hotspot_ratio),
            ("analytics.degradation_ratio", section.degradation_ratio),
        ] {
            self.require(value > 1.0 && value.is_finite(), key, || format!("expected a ratio above 1, found {value}"));
        }
        let imbalance = section.imbalance;
        self.require(imbalance > 0.0 && imbalance.is_finite(), "analytics.imbalance", || {
            format!("expected a ratio above 0, found {imbalance}")
        });
    }
}

/// What keeps a finding open is as far below what opens it as it is by default.
fn config(section: &AnalyticsSection, window: Duration) -> LiveConfig {
    let (load, hotspot, saturation) = (LoadConfig::default(), HotspotRule::default(), SaturationRule::default());
    let stay_above_one = |opens: f64| 1.0 + (opens - 1.0) * (hotspot.ratio_stay - 1.0) / (hotspot.ratio - 1.0);
    let hold = Hold { open_after: section.open_after, close_after: section.close_after };
    LiveConfig {
        window,
        hold,
        repeat_after: section.repeat_after,
        min_completeness: section.min_completeness,
        max_findings: section.max_findings as usize,
        load: LoadConfig {
            imbalance: section.imbalance,
            imbalance_stay: section.imbalance * load.imbalance_stay / load.imbalance,
            slo_ms: section.response_time_objective.map(|objective| objective.as_secs_f64() * 1_000.0),
            utilization_objective: section.utilization_objective,
            hotspot: HotspotRule {
                ratio: section.hotspot_ratio,
                ratio_stay: stay_above_one(section.hotspot_ratio),
                utilization_floor: section.hotspot_utilization,
                ..hotspot
            },
            idle: IdleRule { ratio: section.underutilized_ratio, utilization_floor: section.underutilized_utilization },
            hold,
            ..load
        },
        saturation: SaturationRule {
            share: section.saturation,
            share_stay: section.saturation * saturation.share_stay / saturation.share,
            ..saturation
        },
        degradation: DegradationRule { ratio: section.degradation_ratio, ..DegradationRule::default() },
        baseline: section.baseline.unwrap_or_else(|| BASELINE.max(window * USUAL_WINDOWS)),
        ..LiveConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Layers};
    use tidegauge_analytics::live::LiveConfig;

    /// Settings are those of the analytics themselves, to the rounding of what is derived from them.
    #[test]
    fn the_defaults_are_those_of_the_analytics() {
        let config = Config::load(&Layers::default()).expect("the defaults are right").analytics.expect("enabled");
        let want = LiveConfig::default();
        let rounded = |value: f64| (value * 1e9).round();
        assert_eq!(rounded(config.load.hotspot.ratio_stay), rounded(want.load.hotspot.ratio_stay));
        assert_eq!(rounded(config.load.imbalance_stay), rounded(want.load.imbalance_stay));
        assert_eq!(rounded(config.saturation.share_stay), rounded(want.saturation.share_stay));
        let mut same = config;
        same.load.hotspot.ratio_stay = want.load.hotspot.ratio_stay;
        same.load.imbalance_stay = want.load.imbalance_stay;
        same.saturation.share_stay = want.saturation.share_stay;
        assert_eq!(same, want);
    }
}
