//! What an objective asks for: what each counted instance uses of what it has, and what is assumed of those that are silent.

use super::{Counts, Seen, formula, number};
use crate::policy::{Objective, ObjectiveKind, Of, Resource, Source, Statistic, WhenAbsent};
use crate::signal::SignalValue;
use tidegauge_model::{InstanceState, WindowSummary};

/// One signal, read: what each counted instance uses of what it has.
pub(super) struct Signal<'a> {
    objective: &'a Objective,
    is_weighed: bool,
    loads: Vec<(i128, i128)>,
    /// Ready and without a value, but like the others.
    alike: usize,
    unready: usize,
    missing: usize,
    typical: i128,
}

impl<'a> Signal<'a> {
    pub(super) fn read(objective: &'a Objective, seen: &Seen<'_>, counts: &Counts) -> Self {
        let mut signal =
            Self { objective, is_weighed: false, loads: vec![], alike: 0, unready: 0, missing: 0, typical: 1 };
        if let Source::Formula { formula } = &objective.source {
            let shared_by = if objective.kind == ObjectiveKind::Value { 1 } else { counts.ready };
            let value = formula::value(formula, seen.agent, seen.instances, counts.ready);
            signal.take_whole(value, shared_by, counts);
        } else if let Source::Signal { name } = &objective.source {
            match (seen.signals.get(name), objective.kind == ObjectiveKind::Value) {
                (SignalValue::Agent(value), true) => signal.take_whole(*value, 1, counts),
                (SignalValue::Agent(value), false) => signal.take_whole(*value, counts.ready, counts),
                (SignalValue::Instances(values), false) => {
                    let value = |window: &WindowSummary| values.get(window.instance.as_ref()?).copied();
                    signal.take_each(seen.instances, counts, None, false, value);
                }
                _ => {} // nobody knows, and nothing is assumed
            }
        } else if objective.kind == ObjectiveKind::Value {
            signal.read_whole(seen.agent, counts);
        } else {
            signal.read_each(seen.agent, seen.instances, counts);
        }
        signal
    }

    fn read_whole(&mut self, agent: &WindowSummary, counts: &Counts) {
        let (metric, statistic) = self.metric(agent);
        self.take_whole(number(agent, &metric, statistic), 1, counts);
    }

    fn take_whole(&mut self, value: Option<f64>, shared_by: i64, counts: &Counts) {
        let absent = (self.objective.when_absent == WhenAbsent::Zero).then_some(0.0);
        if let (Some(value), true) = (value.or(absent), counts.ready > 0) {
            self.loads.push((self.integer(value), self.one() * i128::from(shared_by)));
            self.alike = counts.ready as usize - 1;
        }
    }

    fn read_each(&mut self, agent: &WindowSummary, instances: &[WindowSummary], counts: &Counts) {
        let (metric, statistic) = self.metric(agent);
        let weights = self.weights(agent).filter(|(used, has)| {
            let reports = |window: &&WindowSummary| window.gauges.contains_key(metric.as_str());
            instances.iter().any(|window| reports(&window))
                && instances.iter().filter(reports).all(|window| {
                    window.gauges.contains_key(*used) && window.gauges.get(*has).is_some_and(|gauge| gauge.mean > 0.0)
                })
        });
        let is_cpu = matches!(self.objective.source, Source::Resource { resource: Resource::Cpu, .. });
        self.take_each(instances, counts, weights, is_cpu, |window| number(window, &metric, statistic));
    }

    fn take_each(
        &mut self,
        instances: &[WindowSummary],
        counts: &Counts,
        weights: Option<(&'static str, &'static str)>,
        is_cpu: bool,
        value: impl Fn(&WindowSummary) -> Option<f64>,
    ) {
        self.is_weighed = weights.is_some();
        let mut zero = 0;
        self.missing = counts.missing as usize;
        // Ready, heard of lately, and without a row in this window: like the others.
        self.alike += (counts.ready - counts.ready_with_rows - counts.missing).max(0) as usize;
        for window in instances {
            let just_ready = window.ready_at.is_some_and(|at| at > window.range.start);
            match window.state {
                Some(InstanceState::Draining | InstanceState::Stopped | InstanceState::Failed) => continue,
                Some(InstanceState::Starting) => {
                    self.unready += 1;
                    continue;
                }
                Some(InstanceState::Ready) | None if is_cpu && just_ready => {
                    self.unready += 1;
                    continue;
                }
                Some(InstanceState::Ready) | None => {}
            }
            match (value(window), self.objective.when_absent) {
                (Some(value), _) => {
                    let load = match weights {
                        Some((used, has)) => {
                            (self.integer(window.gauges[used].mean), self.integer(window.gauges[has].mean))
                        }
                        None => (self.integer(value), self.one()),
                    };
                    self.loads.push(load);
                }
                (None, WhenAbsent::Ignore) => self.alike += 1,
                (None, WhenAbsent::Zero) => zero += 1,
                (None, WhenAbsent::Missing) => self.missing += 1,
            }
        }
        let has: i128 = self.loads.iter().map(|(_, has)| has).sum();
        if !self.loads.is_empty() {
            self.typical = (has / self.loads.len() as i128).max(1);
        }
        self.loads.extend(vec![(0, self.typical); zero]);
    }

    /// The metric's name, and which number of it.
    fn metric(&self, agent: &WindowSummary) -> (String, Statistic) {
        match &self.objective.source {
            Source::Metric { metric, statistic } => (metric.clone(), *statistic),
            Source::Signal { .. } | Source::Formula { .. } => unreachable!("it has its value from elsewhere"),
            Source::Resource { resource, statistic, .. } => {
                let resource = if *resource == Resource::Cpu { "cpu" } else { "memory" };
                let of = if self.of_request(agent) { "request" } else { "limit" };
                (format!("{resource}_utilization_of_{of}"), *statistic)
            }
        }
    }

    fn of_request(&self, agent: &WindowSummary) -> bool {
        match &self.objective.source {
            Source::Resource { of: Of::Request, .. } => true,
            Source::Resource { of: Of::Auto, resource: Resource::Cpu, .. } => {
                agent.gauges.contains_key("cpu_utilization_of_request")
            }
            Source::Resource { of: Of::Auto, .. } => agent.gauges.contains_key("memory_utilization_of_request"),
            _ => false,
        }
    }

    /// Metrics of what is used and of what there is.
    fn weights(&self, agent: &WindowSummary) -> Option<(&'static str, &'static str)> {
        let Source::Resource { resource, statistic: Statistic::Mean, .. } = &self.objective.source else {
            return None;
        };
        Some(match (resource, self.of_request(agent)) {
            (Resource::Cpu, true) => ("cpu_used_cores", "cpu_requested_cores"),
            (Resource::Cpu, false) => ("cpu_used_cores", "cpu_limit_cores"),
            (Resource::Memory, true) => ("memory_used_bytes", "memory_requested_bytes"),
            (Resource::Memory, false) => ("memory_used_bytes", "memory_limit_bytes"),
        })
    }

    /// Thousandths, or billionths of what is not to be rounded or is a share already.
    fn integer(&self, value: f64) -> i128 {
        let is_share = self.objective.kind == ObjectiveKind::Utilization && !self.is_weighed;
        let per_one = if self.objective.exact || is_share { 1e9 } else { 1e3 };
        (value.clamp(-1e15, 1e15) * per_one).round() as i128
    }

    pub(super) fn one(&self) -> i128 {
        let is_share = self.objective.kind == ObjectiveKind::Utilization;
        if self.objective.exact || is_share { 1_000_000_000 } else { 1 }
    }

    /// Used ÷ there ÷ wanted: of a whole percent, of whole thousandths, or not rounded.
    fn ratio(&self, used: i128, there: i128) -> f64 {
        let target = self.objective.target;
        match self.objective.kind {
            _ if self.objective.exact => used as f64 / there as f64 / target,
            ObjectiveKind::Utilization => ((100 * used) / there) as f64 / (100.0 * target).round(),
            _ => (used / there) as f64 / (1_000.0 * target).round(),
        }
    }

    fn is_calm(&self, ratio: f64) -> bool {
        ratio >= self.objective.band.low && ratio <= self.objective.band.high
    }

    pub(super) fn asks_for(&self, counts: &Counts) -> Option<i64> {
        let (used, there) = self.sums()?;
        let ratio = self.ratio(used, there);
        if self.missing == 0 && (self.unready == 0 || ratio <= 1.0) {
            let ready = self.loads.len() + self.alike;
            return Some(if self.is_calm(ratio) { counts.held } else { (ratio * ready as f64).ceil() as i64 });
        }
        // What nobody reports is assumed: the worst for the direction that the others ask for.
        let mut all = self.loads.clone();
        if ratio > 1.0 {
            all.extend(vec![(0, self.typical); self.missing + self.unready]);
        } else if ratio < 1.0 {
            all.extend(vec![(self.full(), self.typical); self.missing]);
        }
        let again = self.ratio(all.iter().map(|load| load.0).sum(), all.iter().map(|load| load.1).sum());
        let asked = (again * (all.len() + self.alike) as f64).ceil() as i64;
        let turned = (ratio < 1.0 && (again > 1.0 || asked > counts.held))
            || (ratio > 1.0 && (again < 1.0 || asked < counts.held));
        Some(if self.is_calm(again) || turned { counts.held } else { asked })
    }

    /// A silent instance that uses all it has, or more where more is wanted.
    fn full(&self) -> i128 {
        let target = self.objective.target;
        match (self.objective.exact, self.objective.kind) {
            (true, ObjectiveKind::Utilization) => (self.typical as f64 * target.max(1.0)) as i128,
            (true, _) => (self.typical as f64 * target) as i128,
            (false, ObjectiveKind::Utilization) => self.typical * ((100.0 * target).round() as i128).max(100) / 100,
            (false, _) => (1_000.0 * target).round() as i128,
        }
    }

    pub(super) fn sums(&self) -> Option<(i128, i128)> {
        let used = self.loads.iter().map(|load| load.0).sum();
        let there = self.loads.iter().map(|load| load.1).sum();
        (there != 0).then_some((used, there))
    }

    /// Whether it would ask for more if the same load lay on `count` instances.
    pub(super) fn is_over_at(&self, count: i64, ready: i64) -> bool {
        let over =
            |(used, there)| self.ratio(used * i128::from(ready), there * i128::from(count)) > self.objective.band.high;
        self.sums().is_some_and(over)
    }
}
