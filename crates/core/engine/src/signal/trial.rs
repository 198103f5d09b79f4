//! What a signal costs, found out before it holds: made-up windows of one large agent, within the limits of every
//! evaluation.
//!
//! What few rows share has few values here, what is the same of all rows of an agent is the same here, and what is
//! measured repeats itself now and then. So a join on a key that many rows share yields here what it would yield there.

use super::{SignalError, SignalPlan};
use crate::decider::Sketches;
use std::borrow::Cow;
use std::time::Duration;
use tidegauge_model::metric::BUILT_IN;
use tidegauge_model::{
    Completeness, DistributionSummary, Edition, EntityKey, EntityKind, EventTime, GaugeSummary, InstanceId,
    InstanceState, Level, MetricKind, SketchBytes, Target, TimeRange, WindowSummary,
};
use tidegauge_policy::SignalFailure;
use tidegauge_window::Sketch;

/// Instances of the agent that a signal is tried on.
pub const TRIAL_INSTANCES: usize = 10_000;

/// Other entities of it.
const TRIAL_ENTITIES: usize = 100;

/// Every measured value comes so many times among the instances of a trial.
const REPEATS: usize = 5;

/// Buckets of a sketch in a trial's windows: those of load that varies by a few times.
const SKETCH_BUCKETS: u32 = 100;

/// The windows of a trial.
#[derive(Debug)]
pub struct Trial {
    windows: Vec<WindowSummary>,
}

impl Trial {
    /// One agent of so many instances. Of metrics it has those whose names stand in the SQL: others would not be read.
    #[must_use]
    pub fn of(plan: &SignalPlan, instances: usize) -> Self {
        let agent = made_up(plan, None, instances);
        let each = (0..instances).map(|index| made_up(plan, Some(index), instances));
        let entities = (0..TRIAL_ENTITIES).map(|index| WindowSummary {
            instance: None,
            entity: Some(EntityKey::new(EntityKind::Dependency, &format!("dependency-{index}"))),
            ..made_up(plan, Some(index), instances)
        });
        Self { windows: std::iter::once(agent).chain(each).chain(entities).collect() }
    }

    /// Evaluates the signal on it.
    ///
    /// # Errors
    ///
    /// [`SignalError::Cost`] if an evaluation would be cut off or would give more rows than a signal may. What only
    /// shows in values, such as a division by zero, is no cost.
    pub fn run(&self, plan: &mut SignalPlan) -> Result<(), SignalError> {
        let windows: Vec<&WindowSummary> = self.windows.iter().collect();
        let instances = windows.len() - 1 - TRIAL_ENTITIES;
        match plan.evaluate(&windows) {
            Ok(_) | Err((SignalFailure::Evaluation, _)) => Ok(()),
            Err((SignalFailure::TooManyRows, detail)) => {
                let instead = match plan.level() {
                    Level::Instance => "add GROUP BY instance_id",
                    _ => "aggregate them, or select `instance_id` too",
                };
                Err(SignalError::Cost(format!("of an agent of {instances} instances it gives {detail}: {instead}")))
            }
            Err((_, detail)) => Err(SignalError::Cost(format!("on an agent of {instances} instances {detail}"))),
        }
    }
}

fn made_up(plan: &SignalPlan, instance: Option<usize>, instances: usize) -> WindowSummary {
    let spec = plan.window();
    let range = TimeRange::ending_at(EventTime::from_secs(1_767_225_600).plus(spec.size), spec.size);
    let number = instance.unwrap_or(instances) / REPEATS;
    let mut window = blank(range, spec.slide, instances);
    match instance {
        Some(index) => {
            window.instance = Some(InstanceId::from(format!("instance-{index}")));
            window.state = Some(InstanceState::Ready);
            window.ready_at = Some(range.start);
        }
        None => (window.instances_ready, window.instances_present) = (Some(instances as u32), Some(instances as u32)),
    }
    let sql = plan.signal().sql.to_lowercase();
    let is_read = |name: &str| sql.contains(name);
    // One more, which a table of all metrics has too.
    let all = BUILT_IN.iter().filter(|def| is_read(def.name) || def.name == "queue_depth");
    for def in all {
        let value = 0.5 + number as f64 / 8.0;
        if def.kind == MetricKind::Latency {
            window.latencies.insert(Cow::Borrowed(def.name), latency(value));
            if plan.sketches() != Sketches::default() {
                window.sketches.insert(Cow::Borrowed(def.name), sketch(value));
            }
        } else {
            window.gauges.insert(Cow::Borrowed(def.name), gauge(value));
        }
    }
    window
}

fn blank(range: TimeRange, slide: Duration, instances: usize) -> WindowSummary {
    let completeness = Completeness {
        ratio: 1.0,
        sources_ratio: 1.0,
        instances_ratio: 1.0,
        instances_expected: instances as u32,
        instances_reported: instances as u32,
    };
    WindowSummary {
        target: Target { workspace: "default".into(), agent: "agent".into(), region: None },
        instance: None,
        entity: None,
        range,
        slide,
        edition: Edition::ONLY,
        samples: 6,
        last_at: range.end.minus(Duration::from_micros(1)),
        state: None,
        ready_at: None,
        attributes: [].into(),
        instances_ready: None,
        instances_present: None,
        completeness,
        gauges: std::collections::BTreeMap::new(),
        latencies: std::collections::BTreeMap::new(),
        error_rate: Some(0.01),
        availability: Some(0.99),
        saturation: std::collections::BTreeMap::new(),
        sketches: [].into(),
        top_keys: None,
    }
}

fn gauge(value: f64) -> GaugeSummary {
    GaugeSummary { count: 6, sum: value * 6.0, min: value, max: value, mean: value, variance: 0.0, last: value }
}

/// Of many buckets: merging costs what it costs where load varies.
fn sketch(value: f64) -> SketchBytes {
    let mut sketch = Sketch::default();
    (0..SKETCH_BUCKETS).for_each(|step| sketch.insert(value * f64::from(step + 1)));
    sketch.to_bytes().into()
}

fn latency(value: f64) -> DistributionSummary {
    DistributionSummary {
        count: 6,
        sum: value * 6.0,
        min: value,
        max: value,
        mean: value,
        variance: 0.0,
        p50: value,
        p75: value,
        p90: value,
        p95: value,
        p99: value,
        p999: value,
        relative_error: 0.0054,
        trusted_quantile: 1.0 - 1.0 / 6.0,
    }
}
