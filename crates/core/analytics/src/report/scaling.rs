//! Scaling in a period: actuations, how supply followed demand, and the score of both.

use super::ReportConfig;
use super::agent::AgentAnalysis;
use super::page::{Measure, Section, Table, cell, name_of};
use crate::absent::{Absent, Measured};
use crate::demand::{CapacityModel, DemandPoint, demand, learn};
use crate::elasticity::seed::{SeedInputs, SeedSample, seed_elasticity_class, seed_elasticity_score};
use crate::elasticity::{goals, scaling_efficiency_mean, score};
use crate::events::{
    Actuation, EventBook, ReadRules, ScaleTimes, ScalingCounts, ServiceWindow, Trouble, calm_of, during, infer,
    mean_magnitude,
};
use crate::record::utilization_efficiency;
use crate::spec::{Curve, SpecMetrics, measure, without_scaling};
use std::time::Duration;
use tidegauge_model::{EventTime, ScalingAction, ScalingEvent, TimeRange, WindowSummary};

/// Demand and supply of a period, and what was done.
pub(super) struct Scaling {
    pub(super) model: Measured<CapacityModel>,
    pub(super) demand: Measured<Vec<DemandPoint>>,
    supply: Measured<Curve>,
    demand_curve: Measured<Curve>,
    spec: Measured<(SpecMetrics, Option<f64>)>,
    pub(super) used_share: Measured,
    actuations: Vec<Actuation>,
    troubles: Vec<Trouble>,
}

impl Scaling {
    /// Reads the windows of a period and the records of its actuations.
    pub(super) fn of(
        analysis: &AgentAnalysis,
        whole: &WindowSummary,
        events: &[&ScalingEvent],
        config: &ReportConfig,
    ) -> Self {
        let model = learn(&analysis.operations, &config.objectives);
        let demand = model.and_then(|model| demand(&analysis.operations, &model, config.bounds));
        let length = whole.slide;
        let starts = |at: EventTime| at.minus(length);
        let demand_curve = demand.as_ref().map_err(|absent| *absent).and_then(|points| {
            Curve::new(points.iter().map(|point| (starts(point.at), point.instances))).map_err(|_| Absent::NotReported)
        });
        let ready = analysis.supply.iter().map(|&(at, ready)| (starts(at), ready));
        let supply = Curve::new(ready).map_err(|_| Absent::NoInstances);
        let spec = spec(&demand_curve, &supply, whole.range, length);
        let used_share = steps(analysis, &demand).and_then(|steps| utilization_efficiency(&steps));
        let (actuations, troubles) = actuations(whole, events, supply.as_ref().ok(), config);
        Self { model, demand, supply, demand_curve, spec, used_share, actuations, troubles }
    }

    /// How supply followed demand.
    pub(super) fn elasticity(&self, services: &[ServiceWindow], config: &ReportConfig) -> Section {
        let spec = self.spec.as_ref().map_err(|absent| *absent);
        let metric = |of: fn(&SpecMetrics) -> Option<f64>| spec.and_then(|(m, _)| of(m).ok_or(Absent::NoLoad));
        let epsilon = spec.and_then(|(_, epsilon)| epsilon.ok_or(Absent::NoLoad));
        let adequate = spec.map(|(m, _)| m.times_to_adequate());
        let longest = adequate.clone().and_then(|(ended, _)| ended.last().copied().ok_or(Absent::NoEvents));
        let scored = self.scored(services, config);
        let mut measures = vec![
            Measure::new("theta_u", "Missing capacity, of demand", "%", metric(|m| m.theta_u_percent)),
            Measure::new("theta_o", "Surplus capacity, of demand", "%", metric(|m| m.theta_o_percent)),
            Measure::new("tau_u", "Time with too few instances", "%", metric(|m| m.tau_u_percent)),
            Measure::new("tau_o", "Time with too many instances", "%", metric(|m| m.tau_o_percent)),
            Measure::new(
                "upsilon",
                "Time in which supply and demand moved apart",
                "%",
                metric(|m| m.instability_percent),
            ),
            Measure::new("jitter", "Changes beyond those of demand", "per min", metric(|m| m.jitter_steps_per_min)),
            Measure::new("sigma", "Distance from perfect elasticity", "", metric(|m| m.elastic_deviation)),
            Measure::new("epsilon", "Times better than without scaling", "", epsilon),
            Measure::new("shortfalls", "Stretches with too few instances", "", spec.map(|(m, _)| m.shortfalls.len())),
            Measure::new("shortfalls_open", "Of them without an end", "", adequate.map(|(_, open)| open)),
            Measure::new("time_to_adequate_max", "Longest until supply was adequate", "s", longest),
            Measure::new("utilization_efficiency", "Used share of supply", "ratio", self.used_share),
        ];
        measures.extend(scored);
        Section {
            name: "elasticity",
            label: "Elasticity",
            note: "Demand is the least number of instances that would have met the objectives; supply is the ready ones.",
            measures,
            tables: vec![self.shortfalls()],
        }
    }

    fn scored(&self, services: &[ServiceWindow], config: &ReportConfig) -> Vec<Measure> {
        let (times, counts) = (ScaleTimes::of(&self.actuations), ScalingCounts::of(&self.actuations));
        let calm: Vec<f64> = self
            .reported()
            .filter_map(|one| calm_of(one, services, config.objectives.p95_ms, config.objectives.error_rate))
            .collect();
        let surplus = self.spec.as_ref().ok().and_then(|(m, _)| m.theta_o_percent);
        let scored = score(&times, &counts, &calm, surplus, &config.score);
        let samples: Vec<SeedSample> = services
            .iter()
            .filter_map(|each| Some(SeedSample { at: each.window.end, error_rate: each.error_rate? }))
            .collect();
        let reported: Vec<Actuation> = self.reported().cloned().collect();
        let inputs = SeedInputs::of(&reported, &samples);
        let class = name_of(&seed_elasticity_class(&inputs));
        let accuracy = self.accuracy(config);
        let goals = goals(&times, &counts, accuracy.ok(), self.used_share.ok());
        let met = |goal: Option<bool>, absent: Absent| goal.map(|met| if met { "met" } else { "missed" }).ok_or(absent);
        let mut measures =
            vec![Measure::new("score", "Elasticity score", "of 100", scored.score.ok_or(Absent::NoEvents))];
        for component in &scored.components {
            let (name, label, absent) = match component.part {
                crate::elasticity::Part::Speed => ("score_speed", "… of speed", Absent::NoEvents),
                crate::elasticity::Part::Reliability => ("score_reliability", "… of reliability", Absent::NoEvents),
                crate::elasticity::Part::Stability => ("score_stability", "… of calm while scaling", Absent::NoEvents),
                crate::elasticity::Part::Efficiency => ("score_efficiency", "… of little surplus", Absent::NoObjective),
            };
            measures.push(Measure::new(name, label, "of 100", component.ratio.map(|r| 100.0 * r).ok_or(absent)));
        }
        measures.extend([
            Measure::new(
                "seed_elasticity_score",
                "Score as the seed document writes it",
                "",
                seed_elasticity_score(&inputs).ok_or(Absent::NoEvents),
            ),
            Measure::new(
                "seed_elasticity_class",
                "Class as the seed document writes it",
                "",
                if inputs.total > 0 { Ok(class) } else { Err(Absent::NoEvents) },
            ),
            Measure::new("scaling_accuracy", "Made, of what was needed", "ratio", accuracy),
            Measure::new(
                "goal_success_rate",
                "Goal: 99.9 % of scalings succeed",
                "",
                met(goals.success_rate, Absent::NoEvents),
            ),
            Measure::new(
                "goal_scale_time",
                "Goal: below 60 s on average",
                "",
                met(goals.mean_scale_time, Absent::NoEvents),
            ),
            Measure::new("goal_decision", "Goal: decided within 30 s", "", met(goals.decision, Absent::NoEvents)),
            Measure::new("goal_ready", "Goal: ready within 2 min", "", met(goals.ready, Absent::NoEvents)),
            Measure::new("goal_accuracy", "Goal: accuracy above 95 %", "", met(goals.accuracy, Absent::NoEvents)),
            Measure::new(
                "goal_efficiency",
                "Goal: efficiency above 90 %",
                "",
                met(goals.efficiency, Absent::NoObjective),
            ),
        ]);
        measures
    }

    fn reported(&self) -> impl Iterator<Item = &Actuation> {
        self.actuations.iter().filter(|actuation| !actuation.inferred)
    }

    /// Whether the last actuation that ended did as it was told.
    pub(super) fn last_applied(&self) -> Option<bool> {
        let last = self.reported().filter(|one| one.outcome.is_attempt()).last()?;
        Some(!last.outcome.has_failed())
    }

    fn accuracy(&self, config: &ReportConfig) -> Measured {
        let curve = self.demand_curve.as_ref().map_err(|absent| *absent)?;
        let needed = |from, until| curve.greatest(from, until).map(f64::from);
        let found = scaling_efficiency_mean(&self.actuations, needed, config.down_window);
        found.map(|(mean, _)| mean).ok_or(Absent::NoEvents)
    }

    fn shortfalls(&self) -> Table {
        let rows = self.spec.as_ref().map_err(|absent| *absent).map(|(metrics, _)| {
            let row = |each: &crate::spec::Shortfall| {
                let lasted = each.time_to_adequate();
                vec![
                    cell(Ok(each.from)),
                    cell(each.until.ok_or(Absent::NotReached)),
                    cell(lasted.ok_or(Absent::NotReached)),
                    cell(Ok(each.missing_max)),
                ]
            };
            metrics.shortfalls.iter().map(row).collect()
        });
        let columns = [
            ("from", "From", ""),
            ("until", "Until", ""),
            ("lasted_s", "Lasted", "s"),
            ("missing_max", "Instances missing at most", ""),
        ];
        Table::new("shortfall_list", "Stretches with too few instances", &columns, rows)
    }

    /// What was done.
    pub(super) fn events(&self, services: &[ServiceWindow]) -> Section {
        let (counts, times) = (ScalingCounts::of(&self.actuations), ScaleTimes::of(&self.actuations));
        let any = |count: u64| if counts.total > 0 { Ok(count) } else { Err(Absent::NoEvents) };
        let by = |action| any(counts.by_action.get(&action).copied().unwrap_or(0));
        let seconds = |value: Option<f64>| value.ok_or(Absent::NoEvents);
        let quantile = |q| match times.ready.quantile(q) {
            Some(time) => Ok(time),
            None if times.ready.count() == 0 => Err(Absent::NoEvents),
            None => Err(Absent::NotReached),
        };
        let seen = during(&self.actuations, services);
        let known =
            |value: Option<f64>| value.ok_or(if counts.total == 0 { Absent::NoEvents } else { Absent::NotReported });
        let attempts = |count: u64| if counts.attempts > 0 { Ok(count) } else { Err(Absent::NoEvents) };
        Section {
            name: "scaling",
            label: "Scaling",
            note: "Inferred events are changes of ready instances that nobody reported; they have no scale time.",
            measures: vec![
                Measure::new("total_scaling_events", "Scaling events", "", Ok(counts.total)),
                Measure::new("inferred_events", "Of them inferred", "", Ok(counts.inferred)),
                Measure::new("scale_up_events", "Up", "", by(ScalingAction::ScaleUp)),
                Measure::new("scale_down_events", "Down", "", by(ScalingAction::ScaleDown)),
                Measure::new("failed_scaling_attempts", "Failed attempts", "", attempts(counts.failed())),
                Measure::new(
                    "scaling_success_rate",
                    "Success rate",
                    "ratio",
                    counts.success_rate().ok_or(Absent::NoEvents),
                ),
                Measure::new("avg_scaling_time", "Scale time, mean", "s", seconds(times.mean_s)),
                Measure::new("min_scaling_time", "Scale time, least", "s", seconds(times.least_s)),
                Measure::new("max_scaling_time", "Scale time, greatest", "s", seconds(times.greatest_s)),
                Measure::new("p50_scaling_time", "Scale time, p50 with what hangs", "s", quantile(0.5)),
                Measure::new("p95_scaling_time", "Scale time, p95 with what hangs", "s", quantile(0.95)),
                Measure::new(
                    "avg_scaling_magnitude",
                    "Instances moved, mean",
                    "",
                    known(mean_magnitude(&self.actuations)),
                ),
                Measure::new(
                    "avg_response_during_scaling",
                    "Response time while scaling, mean",
                    "ms",
                    known(seen.mean_ms),
                ),
                Measure::new(
                    "max_response_during_scaling",
                    "Response time while scaling, greatest",
                    "ms",
                    known(seen.max_ms),
                ),
                Measure::new("avg_error_during_scaling", "Error rate while scaling", "ratio", known(seen.error_rate)),
                Measure::new("contradictions", "Records that contradict themselves", "", Ok(self.troubles.len())),
            ],
            tables: vec![self.event_table()],
        }
    }

    fn event_table(&self) -> Table {
        let row = |one: &Actuation| {
            vec![
                cell(Ok(one.first_at)),
                cell(Ok(name_of(&one.action))),
                cell(one.instances_before.ok_or(Absent::NotReported)),
                cell(one.instances_after.ok_or(Absent::NotReported)),
                cell(Ok(name_of(&one.outcome))),
                cell(one.lasted().filter(|_| !one.inferred).ok_or(Absent::NotReported)),
                cell(Ok(one.inferred)),
            ]
        };
        let columns = [
            ("at", "At", ""),
            ("action_taken", "Action", ""),
            ("instances_before", "Instances before", ""),
            ("instances_after", "After", ""),
            ("outcome", "Outcome", ""),
            ("scaling_duration_s", "Took", "s"),
            ("inferred", "Inferred", ""),
        ];
        Table::new("events", "Scaling events", &columns, Ok(self.actuations.iter().map(row).collect()))
    }

    /// What was needed.
    pub(super) fn demand_section(&self) -> Section {
        let model = self.model;
        let points = self.demand.as_ref().map_err(|absent| *absent);
        let count = |is: fn(&DemandPoint) -> bool| points.map(|points| points.iter().filter(|each| is(each)).count());
        let instances = |pick: fn(u32, u32) -> u32| {
            points.and_then(|points| points.iter().map(|each| each.instances).reduce(pick).ok_or(Absent::NotReported))
        };
        let supply = |pick: fn(u32, u32) -> u32| {
            let curve = self.supply.as_ref().map_err(|absent| *absent)?;
            curve.points().iter().map(|&(_, count)| count).reduce(pick).ok_or(Absent::NoInstances)
        };
        Section {
            name: "demand",
            label: "Demand and supply",
            note: "",
            measures: vec![
                Measure::new(
                    "capacity_per_instance",
                    "One instance serves within the objectives",
                    "per s",
                    model.map(|model| model.per_instance_per_s),
                ),
                Measure::new("capacity_fit", "By", "", model.map(|model| fit(&model))),
                Measure::new("capacity_windows", "Windows behind it", "", model.map(|model| model.windows)),
                Measure::new("demand_min", "Instances needed, least", "", instances(u32::min)),
                Measure::new("demand_max", "Instances needed, most", "", instances(u32::max)),
                Measure::new("supply_min", "Instances ready, fewest", "", supply(u32::min)),
                Measure::new("supply_max", "Instances ready, most", "", supply(u32::max)),
                Measure::new("demand_censored", "Windows in which supply hid demand", "", count(|each| each.censored)),
                Measure::new("demand_unmet", "Windows that no allowed count meets", "", count(|each| each.unmet)),
            ],
            tables: Vec::new(),
        }
    }
}

fn fit(model: &CapacityModel) -> String {
    use crate::demand::CapacityFit;
    match model.fit {
        CapacityFit::ResponseTime => "response time".to_owned(),
        CapacityFit::ErrorRate => "error rate".to_owned(),
        CapacityFit::Utilization { line, extrapolated } => {
            let beyond = if extrapolated { ", beyond what was measured" } else { "" };
            format!("utilization, R² {:.2}{beyond}", line.r_squared)
        }
    }
}

fn spec(
    demand: &Measured<Curve>,
    supply: &Measured<Curve>,
    range: TimeRange,
    grid: Duration,
) -> Measured<(SpecMetrics, Option<f64>)> {
    let (demand, supply) = (demand.as_ref().map_err(|absent| *absent)?, supply.as_ref().map_err(|absent| *absent)?);
    let range = TimeRange { start: range.start.max(demand.start()).max(supply.start()), end: range.end };
    let metrics = measure(demand, supply, range, grid).map_err(|_| Absent::TooFew)?;
    let fixed = without_scaling(supply, range).and_then(|fixed| measure(demand, &fixed, range, grid).ok());
    let epsilon = fixed.and_then(|fixed| metrics.speedup_over(&fixed));
    Ok((metrics, epsilon))
}

/// (demand, supply) of the windows that have both.
fn steps(analysis: &AgentAnalysis, demand: &Measured<Vec<DemandPoint>>) -> Measured<Vec<(f64, f64)>> {
    let points = demand.as_ref().map_err(|absent| *absent)?;
    let mut operations = analysis.operations.iter();
    let pair = |point: &DemandPoint| {
        let supply = operations.find(|operation| operation.at == point.at)?;
        Some((f64::from(point.instances), f64::from(supply.instances)))
    };
    Ok(points.iter().filter_map(pair).collect())
}

fn actuations(
    whole: &WindowSummary,
    events: &[&ScalingEvent],
    supply: Option<&Curve>,
    config: &ReportConfig,
) -> (Vec<Actuation>, Vec<Trouble>) {
    let mut book = EventBook::default();
    for event in events {
        book.note(event);
    }
    let rules = ReadRules { as_of: whole.range.end, hung_after: config.hung_after };
    let reported = book.actuations(whole.range, rules);
    if let Some(supply) = supply {
        book.add_inferred(infer(&whole.target, supply, whole.range, 2 * whole.slide, &reported));
    }
    let mut all = book.actuations(whole.range, rules);
    all.sort_by(|a, b| (a.first_at, &a.id).cmp(&(b.first_at, &b.id)));
    (all, book.troubles(rules))
}
