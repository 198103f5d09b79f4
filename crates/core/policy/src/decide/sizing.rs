//! Requests that would fit, from what ready instances use in the window.
//!
//! As the vertical autoscaler of Kubernetes says them: a target with a lower and an upper bound, from quantiles of use and a
//! margin. CPU goes by each instance's mean, since more of it can be had for a while; memory by each one's greatest, since
//! more of it cannot. The longer the policy's window, the more they have seen.
//!
//! Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/logic/{recommender,estimator}.go: p50, p90 and p95,
//! a margin of 15 %, 25 millicores and 250 MiB at least.

use super::guard;
use crate::observe::{Observation, count, is_ready};
use crate::policy::{Of, Policy, RequestRules, Resource};
use tidegauge_model::{GaugeSummary, RequestAdvice};

/// Of CPU and memory, as far as instances say what they use.
pub(super) fn requests(policy: &Policy, observation: &Observation<'_>) -> Vec<RequestAdvice> {
    let Some(rules) = &policy.requests else { return Vec::new() };
    let cpu = of(rules, observation, Resource::Cpu, rules.min_cpu_cores, |gauge| gauge.mean);
    let memory = of(rules, observation, Resource::Memory, rules.min_memory_bytes, |gauge| gauge.max);
    [cpu, memory].into_iter().flatten().collect()
}

fn of(
    rules: &RequestRules,
    observation: &Observation<'_>,
    resource: Resource,
    least: f64,
    use_of: impl Fn(&GaugeSummary) -> f64,
) -> Option<RequestAdvice> {
    let ready = observation.instances.iter().filter(|instance| is_ready(instance));
    let gauges = ready.filter_map(|instance| instance.gauges.get(resource.used_metric()));
    let mut used: Vec<f64> = gauges.map(use_of).filter(|used| used.is_finite() && *used >= 0.0).collect();
    used.sort_by(f64::total_cmp);
    let said = |quantile: f64| nearest_rank(&used, quantile).map(|used| (used * (1.0 + rules.margin)).max(least));
    let (lower, target, upper) = (said(rules.lower)?, said(rules.target)?, said(rules.upper)?);
    let percent = |share: f64| (share * 1e4).round() / 1e2;
    let detail = format!(
        "p{}, p{} and p{} of what {} instances use, and {} % more",
        percent(rules.lower),
        percent(rules.target),
        percent(rules.upper),
        used.len(),
        percent(rules.margin)
    );
    let now = guard::mean_over(observation.instances, &[resource.capacity_metric(Of::Request)]);
    let instances = count(used.len());
    Some(RequestAdvice { resource: resource.name().to_owned(), lower, target, upper, now, instances, detail })
}

/// The least value that at least that share of them does not exceed; `None` of none.
fn nearest_rank(ascending: &[f64], quantile: f64) -> Option<f64> {
    let rank = (quantile * ascending.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    ascending.get(rank - 1).copied()
}
