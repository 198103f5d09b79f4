//! From cells to what a closed window says.

use super::cell::{Cell, Merger, MetricNumbers};
use super::{Agent, DeciderOutput, Instance, Sketches, WindowRule};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::metric::{self, MetricId};
use tidegauge_model::{
    Completeness, DistributionSummary, EntityKey, EventTime, GaugeSummary, InstanceId, Metric, MetricName,
    ResourceSaturation, SketchBytes, SpaceSaving, Target, TimeRange, WindowSummary,
};
use tidegauge_window::{Sketch, Stats};

/// Resources with the metrics that say how saturated they were.
const RESOURCES: [(&str, MetricId, MetricId); 5] = [
    ("cpu", metric::CPU_SATURATED, metric::CPU_WAITING_REPORTED),
    ("gpu", metric::GPU_SATURATED, metric::GPU_WAITING_REPORTED),
    ("io", metric::IO_SATURATED, metric::IO_WAITING_REPORTED),
    ("memory", metric::MEMORY_SATURATED, metric::MEMORY_WAITING_REPORTED),
    ("network", metric::NETWORK_SATURATED, metric::NETWORK_WAITING_REPORTED),
];

/// One agent and one window.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) target: &'a Target,
    /// What the window is of, where that is no instance and not all of them: `agent` is what is known of it.
    pub(super) entity: Option<&'a EntityKey>,
    pub(super) agent: &'a Agent,
    pub(super) range: TimeRange,
    pub(super) slide: Duration,
    pub(super) sketches: Sketches,
    pub(super) metrics: &'a MetricNumbers,
}

/// The summaries of one agent and window. Without rows `agent` is empty (`samples` 0): policies and alert rules see
/// silence too, but nothing is emitted for it.
#[derive(Debug)]
pub(super) struct ClosedWindows {
    /// Of the agent.
    pub(super) agent: WindowSummary,
    /// Of its regions that have rows, where somebody wants them, ascending.
    pub(super) regions: Vec<WindowSummary>,
    /// Of its instances that have rows, ascending.
    pub(super) instances: Vec<WindowSummary>,
    /// Of its other entities that have rows, where somebody wants them, ascending.
    pub(super) entities: Vec<WindowSummary>,
}

impl ClosedWindows {
    /// Publishes what holds rows, regions aside, which are targets of their own; returns how many.
    pub(super) fn emit(
        mut self,
        rule: &WindowRule,
        regions: &mut Vec<WindowSummary>,
        out: &mut Vec<DeciderOutput>,
    ) -> u64 {
        // A signal may have asked for sketches that are not published.
        let drop_sketches = |windows: &mut [WindowSummary]| windows.iter_mut().for_each(|each| each.sketches.clear());
        if !rule.sketches.agent {
            self.agent.sketches.clear();
            drop_sketches(&mut self.regions);
            drop_sketches(&mut self.entities);
        }
        if !rule.sketches.instance {
            drop_sketches(&mut self.instances);
        }
        regions.append(&mut self.regions);
        let agent = std::iter::once(self.agent).filter(|window| rule.agent && window.samples > 0);
        let instances = self.instances.into_iter().filter(|_| rule.instance);
        let before = out.len();
        let entities = self.entities.into_iter().filter(|_| rule.entity);
        out.extend(agent.chain(instances).chain(entities).map(|window| DeciderOutput::Window(Box::new(window))));
        (out.len() - before) as u64
    }
}

impl View<'_> {
    /// The summary of the agent, whose window is `cell`, and its instances' where somebody looks at them: they are most
    /// of the work.
    pub(super) fn summaries(
        &self,
        cell: Option<Cell>,
        sources_ratio: f64,
        with_instances: bool,
        merger: &mut Merger,
    ) -> ClosedWindows {
        let instances = &self.agent.instances;
        let agent = self.of_all(cell, instances.values(), sources_ratio);
        let completeness = agent.completeness;
        let with_rows = instances.iter().filter(|_| with_instances).filter_map(|(id, instance)| {
            instance.cells.within(self.range).for_each(|(_, cell)| merger.add_instance(cell));
            let cell = merger.take()?;
            let mut window = self.summary(Some(id), Some(cell), completeness);
            (window.state, window.ready_at) = (instance.state, instance.ready_at);
            window.attributes = instance.attributes.as_deref().cloned().unwrap_or_default();
            Some(window)
        });
        ClosedWindows { agent, regions: Vec::new(), instances: with_rows.collect(), entities: Vec::new() }
    }

    /// The window of an entity. Those who report it count in its completeness, and nowhere else.
    pub(super) fn of_entity(&self, cell: Option<Cell>, sources_ratio: f64) -> WindowSummary {
        self.summary(None, cell, self.completeness(self.agent.instances.values(), sources_ratio))
    }

    /// The window of some of its instances together, or of all.
    pub(super) fn of_all<'i>(
        &self,
        cell: Option<Cell>,
        instances: impl IntoIterator<Item = &'i Instance> + Clone,
        sources_ratio: f64,
    ) -> WindowSummary {
        let end = self.agent.judged_at(self.range.end, self.slide);
        let count = |is: fn(&Instance, EventTime) -> bool| {
            instances.clone().into_iter().filter(|instance| is(instance, end)).count() as u32
        };
        let (ready, present) = (count(Instance::is_ready), count(Instance::is_present));
        let mut window = self.summary(None, cell, self.completeness(instances, sources_ratio));
        if !self.is_sum() {
            (window.instances_ready, window.instances_present) = (Some(ready), Some(present));
        }
        window
    }

    /// Whether it is one of a workspace or of the fleet. An entity that no agent has is none.
    fn is_sum(&self) -> bool {
        self.entity.is_none() && self.target.is_sum()
    }

    pub(super) fn completeness<'i>(
        &self,
        instances: impl IntoIterator<Item = &'i Instance>,
        sources_ratio: f64,
    ) -> Completeness {
        let (start, end) = (self.range.start, self.agent.judged_at(self.range.end, self.slide));
        // Those of a sum are sources.
        let instances = instances.into_iter().filter(|_| !self.is_sum());
        let expected: Vec<_> = instances.filter(|each| each.is_expected(end)).collect();
        let reported = expected.iter().filter(|each| each.has_reported(start, end)).count();
        let instances_ratio = if expected.is_empty() { 1.0 } else { reported as f64 / expected.len() as f64 };
        Completeness {
            ratio: sources_ratio.min(instances_ratio),
            sources_ratio,
            instances_ratio,
            instances_expected: expected.len() as u32,
            instances_reported: reported as u32,
        }
    }

    fn summary(&self, instance: Option<&InstanceId>, cell: Option<Cell>, completeness: Completeness) -> WindowSummary {
        let mut window = WindowSummary::empty(self.target.clone(), self.range, self.slide, completeness);
        (window.instance, window.entity) = (instance.cloned(), self.entity.cloned());
        let Some(mut cell) = cell else { return window };
        let with_sketches = if instance.is_some() { self.sketches.instance } else { self.sketches.agent };
        (window.samples, window.last_at) = (cell.samples, cell.last_at);
        window.top_keys = cell.keys.as_deref().and_then(SpaceSaving::shares);
        let mut derived: BTreeMap<MetricId, GaugeSummary> = BTreeMap::new();
        for (number, stats) in std::mem::take(&mut cell.stats) {
            let (Some(gauge), metric) = (stats.summary(), self.metrics.metric(number)) else { continue };
            match (cell.take_sketch(number), metric) {
                (Some(sketch), _) => {
                    window.latencies.insert(metric.to_name(), distribution(&stats, gauge, &sketch));
                    if with_sketches {
                        window.sketches.insert(metric.to_name(), SketchBytes::from(sketch.to_bytes()));
                    }
                }
                (None, Metric::BuiltIn(id)) if metric::by_id(*id).is_some_and(|def| def.derived) => {
                    derived.insert(*id, gauge);
                }
                (None, _) => {
                    window.gauges.insert(metric.to_name(), gauge);
                }
            }
        }
        window.error_rate = error_rate(&window.gauges);
        window.availability = window.error_rate.map(|rate| 1.0 - rate);
        window.saturation = saturation(&derived);
        window
    }
}

/// (server + timeout errors) ÷ requests; absent without requests.
fn error_rate(gauges: &BTreeMap<MetricName, GaugeSummary>) -> Option<f64> {
    let sum = |id| metric::by_id(id).and_then(|def| gauges.get(def.name)).map(|gauge| gauge.sum);
    let requests = sum(metric::REQUESTS).filter(|&requests| requests > 0.0)?;
    let errors = sum(metric::SERVER_ERRORS).unwrap_or(0.0) + sum(metric::TIMEOUT_ERRORS).unwrap_or(0.0);
    Some(errors / requests)
}

fn saturation(derived: &BTreeMap<MetricId, GaugeSummary>) -> BTreeMap<MetricName, ResourceSaturation> {
    let each = RESOURCES.iter().filter_map(|(name, saturated, waiting)| {
        let saturated = derived.get(saturated)?;
        let saturation = ResourceSaturation {
            share: saturated.mean,
            count: saturated.count,
            utilization_only: derived.get(waiting).is_none_or(|waiting| waiting.min < 1.0),
        };
        Some((Cow::Borrowed(*name), saturation))
    });
    each.collect()
}

/// Percentiles are cut to the exact range: no percentile lies outside what was measured.
fn distribution(stats: &Stats, gauge: GaugeSummary, sketch: &Sketch) -> DistributionSummary {
    let percentiles = sketch.quantiles([0.5, 0.75, 0.9, 0.95, 0.99, 0.999]).unwrap_or([stats.max; 6]);
    let [p50, p75, p90, p95, p99, p999] = percentiles.map(|value| value.clamp(stats.min, stats.max));
    DistributionSummary {
        count: gauge.count,
        sum: gauge.sum,
        min: gauge.min,
        max: gauge.max,
        mean: gauge.mean,
        variance: gauge.variance,
        p50,
        p75,
        p90,
        p95,
        p99,
        p999,
        relative_error: sketch.relative_error(),
        trusted_quantile: 1.0 - 1.0 / gauge.count as f64,
    }
}
