//! Where resources saturate: busy share, work that waits, the load at which it begins, and when that load will come.
//!
//! *Use.* For every resource: utilization, saturation, errors. Saturation is work that waits; utilization near its
//! limit alone is a weaker sign, and is flagged as `utilization_only`. Peaks are judged on the greatest sample of a
//! window, never on its mean: a machine at 100 % for a minute of five has a mean of 20 %.
//!
//! *Saturation point.* Load per instance against utilization of limit, a least-squares line through the windows below
//! the level (at the limit utilization cannot grow any more, so those points would bend the line down); the load at
//! which the line reaches the level. Beyond the greatest load that was measured it is an extrapolation, and flagged.
//!
//! - **S1** A point is given only for a line that rises.
//! - **S2** Time to saturation never grows when the band is raised.
//!
//! Source: B. Gregg, "Thinking Methodically about Performance", ACM Queue 10(12), 2012.

use crate::absent::{Absent, Measured, finite, ratio};
use crate::stats::{Line, least_squares};
use crate::tracker::{Indication, Strength, evidence};
use crate::window::gauge;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{Confidence, Entity, EventTime, FindingKind, Severity, WindowSummary};

/// How one resource was used in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceUse {
    /// `cpu`, `memory`, `io`, `network`, `gpu`, `disk`.
    pub resource: String,
    /// Mean utilization of limit.
    pub utilization_mean: Measured,
    /// Greatest sample of it.
    pub utilization_max: Measured,
    /// Share of instance-time saturated.
    pub saturated_share: Measured,
    /// No sample had a waiting metric for some of that share.
    pub utilization_only: bool,
    /// Errors of the resource: kills for want of memory, lost packets (share).
    pub errors: Measured,
    /// The metrics that say that work waits, as reported.
    pub waiting: Vec<(String, f64)>,
}

/// What waits, and what fails, by resource.
const SIGNS: [(&str, &[&str], Option<&str>); 6] = [
    ("cpu", &["cpu_throttled_ratio", "run_queue"], None),
    ("memory", &["memory_pressure_ratio", "swap_bytes"], Some("oom_kills")),
    ("io", &["io_wait_ratio"], None),
    ("network", &[], Some("packet_loss_ratio")),
    ("gpu", &[], None),
    ("disk", &[], None),
];

/// How `resource` was used; `None` if nothing of it was reported.
#[must_use]
pub fn resource_use(window: &WindowSummary, resource: &str) -> Option<ResourceUse> {
    let utilization = gauge(window, &format!("{resource}_utilization_of_limit"));
    let saturation = window.saturation.get(resource);
    let (waiting, errors) = SIGNS
        .iter()
        .find(|(name, ..)| *name == resource)
        .map_or((&[][..], None), |(_, waiting, errors)| (waiting, *errors));
    let read = |name: &&str| Some(((*name).to_owned(), gauge(window, name)?.mean));
    let waiting: Vec<_> = waiting.iter().filter_map(read).collect();
    // A count adds up; a share does not.
    let is_count = resource == "memory";
    let errors = errors.and_then(|name| gauge(window, name)).map(|gauge| if is_count { gauge.sum } else { gauge.mean });
    if utilization.is_none() && saturation.is_none() && waiting.is_empty() && errors.is_none() {
        return None;
    }
    Some(ResourceUse {
        resource: resource.to_owned(),
        utilization_mean: utilization.map(|gauge| gauge.mean).ok_or(Absent::NotReported),
        utilization_max: utilization.map(|gauge| gauge.max).ok_or(Absent::NotReported),
        saturated_share: saturation.map(|saturation| saturation.share).ok_or(Absent::NotReported).and_then(finite),
        utilization_only: saturation.is_some_and(|saturation| saturation.utilization_only),
        errors: errors.ok_or(Absent::NotReported),
        waiting,
    })
}

impl ResourceUse {
    /// Whether any sample of the window was at or above `level`.
    ///
    /// # Errors
    ///
    /// [`Absent::NotReported`].
    pub fn peaked(&self, level: f64) -> Measured<bool> {
        Ok(self.utilization_max? >= level)
    }
}

/// Resources of which a window says something, in a fixed order.
#[must_use]
pub fn resources(window: &WindowSummary) -> Vec<ResourceUse> {
    SIGNS.iter().filter_map(|(name, ..)| resource_use(window, name)).collect()
}

/// The load per instance at which a resource saturates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaturationPoint {
    /// Load per instance, in the unit of the loads.
    pub load: f64,
    /// Utilization that counts as saturated.
    pub level: f64,
    /// The line through the windows below it, and how well it fits.
    pub line: Line,
    /// Windows behind the line.
    pub windows: u32,
    /// Greatest load per instance that was measured.
    pub greatest_measured: f64,
    /// The point is beyond that.
    pub extrapolated: bool,
}

/// Fewest windows for a line.
pub const FEWEST_WINDOWS: usize = 3;

/// Fits the load at which utilization reaches `level`, from (load per instance, utilization) of windows in any order.
///
/// # Errors
///
/// [`Absent::TooFew`] below three windows under the level; [`Absent::NoVariation`] if their loads are equal;
/// [`Absent::NotIncreasing`] if utilization does not rise with load; [`Absent::NoLoad`] if it is there without load.
pub fn saturation_point(windows: &[(f64, f64)], level: f64) -> Measured<SaturationPoint> {
    let valid = |(load, used): &&(f64, f64)| load.is_finite() && used.is_finite() && *load >= 0.0 && *used >= 0.0;
    let mut below: Vec<(f64, f64)> = windows.iter().filter(valid).copied().filter(|(_, used)| *used < level).collect();
    if below.len() < FEWEST_WINDOWS {
        return Err(Absent::TooFew);
    }
    // In one order, so that sums round the same way whatever the input's.
    below.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let line = least_squares(&below).ok_or(Absent::NoVariation)?;
    if line.slope <= 0.0 {
        return Err(Absent::NotIncreasing);
    }
    let load = ratio(level - line.intercept, line.slope)?;
    if load <= 0.0 {
        return Err(Absent::NoLoad);
    }
    let greatest_measured = windows.iter().filter(valid).map(|(load, _)| *load).fold(0.0, f64::max);
    let windows = below.len() as u32;
    Ok(SaturationPoint { load, level, line, windows, greatest_measured, extrapolated: load > greatest_measured })
}

/// Time from `now` until a forecast's upper band first reaches `level`, linear between its points; zero if it is there.
///
/// - `band`: (when, upper value) in order of time; points before `now` are not asked for.
///
/// # Errors
///
/// [`Absent::NotReported`] without points at or after `now`; [`Absent::NotReached`] within the band.
pub fn time_to_saturation(now: EventTime, band: &[(EventTime, f64)], level: f64) -> Measured<Duration> {
    let ahead: Vec<_> = band.iter().filter(|(at, upper)| *at >= now && upper.is_finite()).collect();
    let &&(first_at, first) = ahead.first().ok_or(Absent::NotReported)?;
    if first >= level {
        return Ok(first_at.since(now));
    }
    let crossing = ahead.windows(2).find(|pair| pair[1].1 >= level).ok_or(Absent::NotReached)?;
    let (&(from, low), &(to, high)) = (crossing[0], crossing[1]);
    let part = ((level - low) / (high - low)).clamp(0.0, 1.0);
    Ok(from.since(now) + to.since(from).mul_f64(part))
}

/// When saturation is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaturationRule {
    /// Share of instance-time saturated that opens. Default 0.05.
    pub share: f64,
    /// Share that keeps open. Default 0.01.
    pub share_stay: f64,
    /// Time to saturation below which it is said ahead. Default 1 hour.
    pub ahead: Duration,
}

impl Default for SaturationRule {
    fn default() -> Self {
        Self { share: 0.05, share_stay: 0.01, ahead: Duration::from_hours(1) }
    }
}

/// The saturated resources of a window.
#[must_use]
pub fn indications(window: &WindowSummary, rule: &SaturationRule) -> Vec<Indication> {
    let of = |used: ResourceUse| {
        let share = used.saturated_share.ok()?;
        let strength = match share {
            share if share >= rule.share => Strength::Enter,
            share if share >= rule.share_stay => Strength::Stay,
            _ => return None,
        };
        let mut numbers = evidence(&[
            ("utilization_max", used.utilization_max.ok(), "ratio"),
            ("utilization_mean", used.utilization_mean.ok(), "ratio"),
            ("errors", used.errors.ok(), "count or share"),
        ]);
        let waiting = used.waiting.iter().filter(|(_, value)| value.is_finite());
        numbers.extend(waiting.map(|(name, value)| tidegauge_model::Evidence {
            name: name.clone().into(),
            value: *value,
            unit: "as reported".into(),
        }));
        let weaker = if used.utilization_only { "; by utilization alone, nothing that waits was reported" } else { "" };
        Some(Indication {
            kind: FindingKind::Saturation,
            entity: Entity::Resource { target: window.target.clone(), resource: used.resource.clone().into() },
            strength,
            severity: if share >= 0.5 { Severity::Critical } else { Severity::Warning },
            value: share,
            unit: "share of instance-time".into(),
            evidence: numbers,
            confidence: Confidence {
                value: window.completeness.ratio * if used.utilization_only { 0.5 } else { 1.0 },
                meaning: "completeness of the window, halved where nothing that waits was reported".into(),
            },
            causes: Vec::new(),
            remedies: crate::bottleneck::remedies_of(&used.resource).iter().map(|each| (*each).into()).collect(),
            summary: format!("{} was saturated in {:.1} % of instance-time{weaker}", used.resource, share * 100.0),
        })
    };
    resources(window).into_iter().filter_map(of).collect()
}

/// A resource that will saturate within `rule.ahead`.
#[must_use]
pub fn ahead(
    window: &WindowSummary,
    resource: &str,
    time: Duration,
    point: &SaturationPoint,
    rule: &SaturationRule,
) -> Option<Indication> {
    (time <= rule.ahead).then(|| Indication {
        kind: FindingKind::SaturationAhead,
        entity: Entity::Resource { target: window.target.clone(), resource: resource.to_owned().into() },
        strength: Strength::Enter,
        severity: Severity::Warning,
        value: time.as_secs_f64(),
        unit: "seconds to saturation".into(),
        evidence: evidence(&[
            ("load_per_instance_at_saturation", Some(point.load), "load"),
            ("greatest_load_measured", Some(point.greatest_measured), "load"),
            ("r_squared", Some(point.line.r_squared), "share"),
            ("windows", Some(f64::from(point.windows)), "windows"),
        ]),
        confidence: Confidence {
            value: point.line.r_squared * if point.extrapolated { 0.5 } else { 1.0 },
            meaning: "share of the variance that the fit explains, halved beyond what was measured".into(),
        },
        causes: Vec::new(),
        remedies: crate::bottleneck::remedies_of(resource).iter().map(|each| (*each).into()).collect(),
        summary: format!("{resource} saturates in {} min, by the forecast's upper band", time.as_secs() / 60),
    })
}
