//! Results as gauges.

use super::row::{Decided, Row, Signal, Window, word};
use crate::metrics::{self as m, Metric, Reading};
use std::collections::BTreeMap;
use tidegauge_analytics::live::Measures;
use tidegauge_engine::QuotaTotals;
use tidegauge_model::{EventTime, Regret, Target};

/// Every gauge of results: the series of `shown`, how many targets there are of which `most` are shown, and quotas by name.
pub(super) fn readings<'a>(
    shown: impl Iterator<Item = (&'a Target, &'a Row)>,
    targets: usize,
    most: usize,
    quotas: &BTreeMap<String, QuotaTotals>,
    now: EventTime,
) -> Vec<(Metric, Vec<Reading>)> {
    let shown: Vec<_> = shown.collect();
    let of_window = |value: &dyn Fn(&Window) -> Option<f64>| each(&shown, |row| value(row.window.as_ref()?));
    let of_decision = |value: &dyn Fn(&Decided) -> u32| each(&shown, |row| Some(value(row.decision.as_ref()?).into()));
    let of_measures = |value: &dyn Fn(&Measures) -> Option<f64>| each(&shown, |row| value(row.measures.as_ref()?));
    let age_s = |end: EventTime| now.as_micros().saturating_sub(end.as_micros()) as f64 / 1e6;
    let of_quotas = |value: &dyn Fn(&QuotaTotals) -> u64| {
        let shown = quotas.iter().take(most);
        shown.map(|(name, totals)| Reading { labels: vec![name.clone()], value: value(totals) as f64 }).collect()
    };
    vec![
        (m::QUOTA_POOL, of_quotas(&|totals| totals.pool)),
        (m::QUOTA_TAKEN, of_quotas(&|totals| totals.taken)),
        (m::QUOTA_WISHED, of_quotas(&|totals| totals.wished)),
        (m::METRICS_TARGETS, vec![Reading::plain(targets as f64)]),
        (m::METRICS_DROPPED, vec![Reading::plain(targets.saturating_sub(most) as f64)]),
        (m::AGENT_READY, of_window(&|window| window.ready.map(f64::from))),
        (m::AGENT_PRESENT, of_window(&|window| window.present.map(f64::from))),
        (m::AGENT_LOAD, of_window(&|window| window.requests_per_s)),
        (m::AGENT_P95, of_window(&|window| window.response_time_p95_s)),
        (m::AGENT_WINDOW_AGE, of_window(&|window| Some(age_s(window.end)))),
        (m::AGENT_COMPLETENESS, each(&shown, completeness)),
        (m::AGENT_DESIRED, of_decision(&|decision| decision.desired)),
        (m::AGENT_MIN, of_decision(&|decision| decision.min)),
        (m::AGENT_MAX, of_decision(&|decision| decision.max)),
        (m::AGENT_DECISION, decisions(&shown)),
        (m::AGENT_UTILIZATION, signals(&shown, |signal| signal.value.filter(|_| signal.is_utilization))),
        (m::AGENT_OBJECTIVE, signals(&shown, |signal| signal.is_utilization.then_some(signal.objective))),
        (m::AGENT_SIGNAL, signals(&shown, |signal| Some(signal.value? / signal.objective))),
        (m::AGENT_ALERTS, alerts(&shown)),
        (m::AGENT_FINDINGS, findings(&shown)),
        (m::AGENT_BALANCE, of_measures(&|measures| Some(measures.balance.ok()?.score / 100.0))),
        (m::AGENT_HOT, of_measures(&|measures| measures.hotspots.ok().map(f64::from))),
        (m::AGENT_SATURATION, saturation(&shown)),
        (m::AGENT_CAPACITY, of_measures(&|measures| measures.capacity_per_instance_per_s.ok())),
        (m::AGENT_EFFICIENCY, of_measures(&|measures| measures.utilization_efficiency.ok())),
        (m::AGENT_COST, of_measures(&|measures| measures.cost_per_request.ok())),
        (m::AGENT_SCALING_SUCCESS, each(&shown, |row| row.scaling.as_ref()?.counts.success_rate())),
        (m::AGENT_ELASTICITY, each(&shown, |row| Some(row.scaling.as_ref()?.score.score? / 100.0))),
        (m::AGENT_SCALE_TIME, scale_times(&shown)),
        (m::AGENT_REGRET_LATE, regrets(&shown, |regret| regret.late_s - regret.late_s_live)),
        (
            m::AGENT_REGRET_INSTANCES,
            regrets(&shown, |regret| 3_600.0 * (regret.instance_hours - regret.instance_hours_live)),
        ),
    ]
}

fn each(shown: &[(&Target, &Row)], value: impl Fn(&Row) -> Option<f64>) -> Vec<Reading> {
    let one = |(target, row): &(&Target, &Row)| Some(reading(target, [], value(row)?));
    shown.iter().filter_map(one).collect()
}

fn decisions(shown: &[(&Target, &Row)]) -> Vec<Reading> {
    let one = |(target, row): &(&Target, &Row)| {
        let decision = row.decision.as_ref()?;
        Some(reading(target, [&decision.action, &decision.reason], 1.0))
    };
    shown.iter().filter_map(one).collect()
}

fn signals(shown: &[(&Target, &Row)], value: impl Fn(&Signal) -> Option<f64>) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| {
        let signals = row.decision.iter().flat_map(|decision| &decision.signals);
        signals.map(move |signal| (*target, signal))
    });
    all.filter_map(|(target, signal)| Some(reading(target, [&signal.name], value(signal)?))).collect()
}

fn alerts(shown: &[(&Target, &Row)]) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| row.firing.iter().map(move |firing| (*target, firing)));
    let one = |(target, ((rule, severity), count)): (&Target, (&(String, _), &u32))| {
        reading(target, [rule, &word(severity)], f64::from(*count))
    };
    all.map(one).collect()
}

/// Of the shortest window; where none is published, of the one that analytics looked at.
fn completeness(row: &Row) -> Option<f64> {
    row.completeness.or_else(|| Some(row.measures.as_ref()?.completeness))
}

fn findings(shown: &[(&Target, &Row)]) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| {
        let open = row.measures.iter().flat_map(|measures| &measures.open);
        open.map(move |((kind, severity), count)| reading(target, [kind.name(), &word(severity)], f64::from(*count)))
    });
    all.collect()
}

/// A quantile that is hidden by what has no end yet has no series.
fn scale_times(shown: &[(&Target, &Row)]) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| {
        let parts = row.scaling.iter().flat_map(|scaling| {
            let times = &scaling.times;
            [
                ("decision", &times.decision),
                ("actuation", &times.actuation),
                ("ready", &times.ready),
                ("whole", &times.whole),
            ]
        });
        let percentiles = parts
            .flat_map(|(part, times)| [("50", 0.5), ("95", 0.95)].map(|(name, q)| (part, name, times.quantile(q))));
        percentiles.filter_map(move |(part, name, time)| Some(reading(target, [part, name], time?.as_secs_f64())))
    });
    all.collect()
}

fn regrets(shown: &[(&Target, &Row)], value: impl Fn(&Regret) -> f64) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| row.regrets.iter().map(move |regret| (*target, regret)));
    all.map(|(target, (policy, regret))| reading(target, [policy], value(regret))).collect()
}

fn saturation(shown: &[(&Target, &Row)]) -> Vec<Reading> {
    let all = shown.iter().flat_map(|(target, row)| {
        let shares = row.measures.iter().flat_map(|measures| &measures.saturation);
        shares.map(move |(resource, share)| reading(target, [resource], *share))
    });
    all.collect()
}

fn reading<const N: usize>(target: &Target, more: [&str; N], value: f64) -> Reading {
    let labels = [target.workspace.as_str(), target.agent.as_str()].into_iter().chain(more);
    Reading { labels: labels.map(str::to_owned).collect(), value }
}
