//! Whether an agent does worse than it used to, and why.
//!
//! Baseline: earlier windows of the same agent. A window is worse if response time (p95) or error rate is both far from
//! the baseline's median for the baseline's own spread (modified z above 3.5) and by a fifth above it. With a spread of
//! zero the fifth decides.
//!
//! | cause | sign | remedy |
//! | --- | --- | --- |
//! | load increase | load per instance far above the baseline, and by a fifth | add capacity |
//! | resource leak | memory per instance rises by a tenth, significantly, while load does not | find it; restart |
//! | contention increase | lock waits a fifth up, or a tenth less throughput at no less load | more shards |
//! | configuration change | version or configuration changed shortly before the first worse window | revert |
//!
//! - **D1** A baseline against itself is not worse.
//! - **D2** Below the least number of windows nothing is said.

use crate::absent::{Absent, Measured, ratio};
use crate::inference::theil_sen_slope;
use crate::stats::{median, median_absolute_deviation};
use crate::tracker::{Indication, Strength, evidence};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{
    Cause, CauseCode, Confidence, Entity, EventTime, FindingKind, Severity, Target, TimeRange, WindowSummary,
};

/// What one window says of performance; what is absent is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// End of the window.
    pub at: EventTime,
    /// p95 of response times.
    pub p95_ms: Option<f64>,
    /// (server + timeout errors) ÷ requests.
    pub error_rate: Option<f64>,
    /// Offered per second and instance.
    pub load_per_instance: Option<f64>,
    /// Completed per second and instance.
    pub throughput_per_instance: Option<f64>,
    /// Memory in use per instance.
    pub memory_per_instance: Option<f64>,
    /// p95 of waits for locks.
    pub lock_wait_ms: Option<f64>,
}

impl Performance {
    /// One of which nothing is known but when.
    #[must_use]
    pub const fn at(at: EventTime) -> Self {
        Self {
            at,
            p95_ms: None,
            error_rate: None,
            load_per_instance: None,
            throughput_per_instance: None,
            memory_per_instance: None,
            lock_wait_ms: None,
        }
    }

    /// What an agent's window says; rates per instance from the instances' means.
    #[must_use]
    pub fn of(window: &WindowSummary) -> Self {
        let mean = |name: &str| window.gauges.get(name).map(|gauge| gauge.mean);
        let p95 = |name: &str| window.latencies.get(name).map(|latency| latency.p95);
        Self {
            at: window.range.end,
            p95_ms: p95("response_time_ms"),
            error_rate: window.error_rate,
            load_per_instance: mean("requests_per_s"),
            throughput_per_instance: mean("throughput_per_s"),
            memory_per_instance: mean("memory_used_bytes"),
            lock_wait_ms: p95("lock_wait_ms"),
        }
    }
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: EventTime,
    /// What: `version 4 -> 5`.
    pub what: String,
}

/// When a window is worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DegradationRule {
    /// Modified z. Default 3.5.
    pub z: f64,
    /// Times the median. Default 1.2.
    pub ratio: f64,
    /// Fewest windows of a baseline. Default 8.
    pub windows: usize,
    /// How long before the window a change can be its cause. Default 30 minutes.
    pub change_before: Duration,
}

impl Default for DegradationRule {
    fn default() -> Self {
        Self { z: 3.5, ratio: 1.2, windows: 8, change_before: Duration::from_mins(30) }
    }
}

/// One number beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Now.
    pub value: f64,
    /// Median of the baseline.
    pub baseline: f64,
    /// Value ÷ baseline; absent where that is zero.
    pub ratio: Measured,
    /// Modified z; absent where the baseline does not vary.
    pub z: Measured,
    /// It is worse, or more, by the rule.
    pub above: bool,
}

/// What became worse, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Degradation {
    /// Response time.
    pub p95_ms: Measured<Compared>,
    /// Errors.
    pub error_rate: Measured<Compared>,
    /// Causes, the strongest first; [`CauseCode::Unexplained`] if no sign holds.
    pub causes: Vec<Cause>,
}

impl Degradation {
    /// Whether it is worse at all.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        [&self.p95_ms, &self.error_rate].into_iter().flatten().any(|compared| compared.above)
    }
}

/// Compares `now` with `baseline`, earlier windows in order of time.
#[must_use]
pub fn degradation(
    now: &Performance,
    baseline: &[Performance],
    changes: &[Change],
    rule: &DegradationRule,
) -> Degradation {
    let view = View { now, baseline, rule };
    let mut degradation = Degradation {
        p95_ms: view.compare(|each| each.p95_ms),
        error_rate: view.compare(|each| each.error_rate),
        causes: Vec::new(),
    };
    if degradation.is_worse() {
        degradation.causes = view.causes(changes);
    }
    degradation
}

struct View<'a> {
    now: &'a Performance,
    baseline: &'a [Performance],
    rule: &'a DegradationRule,
}

impl View<'_> {
    fn compare(&self, of: impl Fn(&Performance) -> Option<f64>) -> Measured<Compared> {
        let value = of(self.now).filter(|value| value.is_finite()).ok_or(Absent::NotReported)?;
        let known: Vec<f64> = self.baseline.iter().filter_map(&of).filter(|value| value.is_finite()).collect();
        if known.len() < self.rule.windows {
            return Err(Absent::TooFew);
        }
        let baseline = median(&known).ok_or(Absent::TooFew)?;
        let spread = median_absolute_deviation(&known).ok_or(Absent::TooFew)?;
        let z = ratio(0.6745 * (value - baseline), spread);
        let is_far = z.map_or(true, |z| z > self.rule.z);
        let above = is_far && value > self.rule.ratio * baseline;
        Ok(Compared { value, baseline, ratio: ratio(value, baseline), z, above })
    }

    fn causes(&self, changes: &[Change]) -> Vec<Cause> {
        let found = [self.load(), self.leak(), self.contention(), self.changed(changes)];
        let mut causes: Vec<Cause> = found.into_iter().flatten().collect();
        causes.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.code.cmp(&b.code)));
        if causes.is_empty() {
            let detail = "no sign of load, leak, contention or change".into();
            causes.push(Cause { code: CauseCode::Unexplained, strength: 0.0, detail });
        }
        causes
    }

    fn load(&self) -> Option<Cause> {
        let load = self.compare(|each| each.load_per_instance).ok().filter(|load| load.above)?;
        let detail = format!("{:.3} requests per second and instance, before {:.3}", load.value, load.baseline);
        Some(cause(CauseCode::LoadIncrease, 1.0 - load.baseline / load.value, detail))
    }

    /// Memory per instance over the whole series against load per instance over it.
    fn leak(&self) -> Option<Cause> {
        let grows = |of: &dyn Fn(&Performance) -> Option<f64>| {
            let points: Vec<(f64, f64)> = self
                .baseline
                .iter()
                .chain([self.now])
                .filter_map(|each| Some((each.at.as_micros() as f64 / 1e6, of(each)?)))
                .filter(|(_, value)| value.is_finite())
                .collect();
            let (first, last) = (points.first()?.0, points.last()?.0);
            let middle = median(&points.iter().map(|point| point.1).collect::<Vec<_>>())?;
            let relative = ratio(theil_sen_slope(&points)? * (last - first), middle).ok()?;
            (points.len() > self.rule.windows).then(|| (relative, is_rising(&points)))
        };
        let (memory, rises) = grows(&|each| each.memory_per_instance)?;
        let (load, _) = grows(&|each| each.load_per_instance)?;
        let leaks = rises && memory >= 0.1 && load.abs() < 0.05;
        let detail = || format!("memory grew by {:.0} % at load that changed by {:.0} %", memory * 100.0, load * 100.0);
        leaks.then(|| cause(CauseCode::ResourceLeak, memory, detail()))
    }

    fn contention(&self) -> Option<Cause> {
        if let Ok(locks) = self.compare(|each| each.lock_wait_ms)
            && locks.above
        {
            let detail = format!("lock waits of {:.1} ms, before {:.1} ms", locks.value, locks.baseline);
            return Some(cause(CauseCode::ContentionIncrease, 1.0 - locks.baseline / locks.value, detail));
        }
        let throughput = self.compare(|each| each.throughput_per_instance).ok()?;
        let load = self.compare(|each| each.load_per_instance).ok()?;
        let less = throughput.value < 0.9 * throughput.baseline && load.value >= load.baseline;
        let detail =
            || format!("{:.3} completed per second and instance, before {:.3}", throughput.value, throughput.baseline);
        less.then(|| cause(CauseCode::ContentionIncrease, 1.0 - throughput.value / throughput.baseline, detail()))
    }

    fn changed(&self, changes: &[Change]) -> Option<Cause> {
        let recent = TimeRange::ending_at(self.now.at, self.rule.change_before);
        let change = changes.iter().filter(|change| recent.contains(change.at)).max_by_key(|change| change.at)?;
        let age = self.now.at.since(change.at).as_secs_f64() / self.rule.change_before.as_secs_f64();
        Some(cause(CauseCode::ConfigurationChange, 1.0 - age / 2.0, format!("{} at {}", change.what, change.at)))
    }
}

fn cause(code: CauseCode, strength: f64, detail: String) -> Cause {
    Cause { code, strength: strength.clamp(0.0, 1.0), detail: detail.into() }
}

/// Mann-Kendall at 1 %, one-sided: whether later values are greater than earlier ones more often than chance makes
/// them.
fn is_rising(points: &[(f64, f64)]) -> bool {
    let n = points.len() as f64;
    let pairs =
        points.iter().enumerate().flat_map(|(i, later)| points[..i].iter().map(move |earlier| (earlier.1, later.1)));
    let score: f64 = pairs
        .map(|(a, b)| {
            if b > a {
                1.0
            } else if b < a {
                -1.0
            } else {
                0.0
            }
        })
        .sum();
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    score - 1.0 > 2.326 * deviation
}

/// What helps against the cause of a degradation.
#[must_use]
pub const fn remedy(code: CauseCode) -> &'static str {
    match code {
        CauseCode::LoadIncrease => "add capacity",
        CauseCode::ResourceLeak => "find what grows in memory or on disk; restart instances meanwhile",
        CauseCode::ContentionIncrease => "more shards, or shorter locks",
        CauseCode::ConfigurationChange => "revert the change, or adjust to it",
        _ => "compare traces of slow requests with earlier ones",
    }
}

/// The degradation of an agent as an indication; `None` if it is not worse.
#[must_use]
pub fn indication(target: &Target, found: &Degradation) -> Option<Indication> {
    let worst = [&found.p95_ms, &found.error_rate].into_iter().flatten().find(|compared| compared.above)?;
    let is_time = found.p95_ms.is_ok_and(|compared| compared.above);
    let numbers = |compared: &Measured<Compared>| compared.ok().map(|each| (each.value, each.baseline));
    let (time, errors) = (numbers(&found.p95_ms), numbers(&found.error_rate));
    Some(Indication {
        kind: FindingKind::Degradation,
        entity: Entity::Agent { target: target.clone() },
        strength: Strength::Enter,
        severity: if worst.ratio.is_ok_and(|ratio| ratio < 2.0) { Severity::Warning } else { Severity::Critical },
        value: worst.value,
        unit: if is_time { "ms" } else { "share of requests" }.into(),
        evidence: evidence(&[
            ("p95", time.map(|each| each.0), "ms"),
            ("p95_of_the_baseline", time.map(|each| each.1), "ms"),
            ("error_rate", errors.map(|each| each.0), "share of requests"),
            ("error_rate_of_the_baseline", errors.map(|each| each.1), "share of requests"),
            ("modified_z", worst.z.ok(), "deviations"),
        ]),
        confidence: Confidence {
            value: worst.z.map_or(0.5, |z| (z / (2.0 * 3.5)).clamp(0.0, 1.0)),
            meaning: "modified z over twice the level that opens; 0.5 where the baseline does not vary".into(),
        },
        causes: found.causes.clone(),
        remedies: found.causes.iter().map(|cause| remedy(cause.code).into()).collect(),
        summary: match is_time {
            true => format!("p95 of {:.1} ms where {:.1} ms was usual", worst.value, worst.baseline),
            false => format!("{:.2} % errors where {:.2} % was usual", 100.0 * worst.value, 100.0 * worst.baseline),
        },
    })
}
