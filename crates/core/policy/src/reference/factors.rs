//! The five factors a second time: counts are tried one after the other.

use super::prediction::Outlook;
use super::{Counts, Seen, Signal};
use crate::policy::Policy;
use tidegauge_model::WindowSummary;

/// What is asked for, where the present load alone asks for `wished`; `asked`: what everything measured asks for.
pub(super) fn arbitrated(
    policy: &Policy,
    seen: &Seen<'_>,
    counts: &Counts,
    signals: &[Signal<'_>],
    asked: &[Option<i64>],
    outlook: Option<&Outlook>,
    wished: i64,
) -> i64 {
    let Some(levels) = policy.five_factors else { return wished };
    let sees = outlook.and_then(|outlook| Some((outlook.needed[0]?, outlook.needed[1]?, outlook.urgency)));
    let Some((at_lead, at_end, urgency)) = sees else { return wished };
    let needed = at_lead.max(at_end);
    let calm = wished == counts.held;
    if needed > counts.held {
        return if calm || urgency > levels.urgency { wished.max(needed) } else { wished };
    }
    let margins = match margins(policy, seen.agent) {
        none if none.is_empty() => vec![nearest(signals, policy)],
        stated => stated,
    };
    let is_wide = margins.iter().all(|margin| margin.is_some_and(|margin| margin > levels.margin));
    if !calm || !is_wide || asked.contains(&None) {
        return wished;
    }
    let counted = asked[signals.len()..].iter().copied().flatten();
    let least = counted.chain([needed, i64::from(policy.min_instances)]).max().unwrap_or(1);
    let suits = |count: &i64| !signals.iter().any(|signal| signal.is_over_at(*count, counts.ready));
    (least..counts.held).find(suits).unwrap_or(wished)
}

/// Of each target that is stated; `None` of one that is not measured.
fn margins(policy: &Policy, agent: &WindowSummary) -> Vec<Option<f64>> {
    let targets = &policy.targets;
    let mut margins = Vec::new();
    if let Some(most) = targets.max_response_time_ms {
        margins.push(agent.latencies.get("response_time_ms").map(|it| (most - it.p95) / most));
    }
    if let Some(least) = targets.min_availability {
        let allowed = 1.0 - least;
        margins.push(agent.availability.map(|it| (allowed - (1.0 - it)) / allowed));
    }
    if let Some(most) = targets.max_error_rate {
        margins.push(agent.error_rate.map(|it| (most - it) / most));
    }
    margins
}

/// Whether any target is missed that is measured.
pub(super) fn is_missed(policy: &Policy, agent: &WindowSummary) -> bool {
    margins(policy, agent).into_iter().flatten().any(|margin| margin < 0.0)
}

/// Of the objective that is nearest to what is wanted.
fn nearest(signals: &[Signal<'_>], policy: &Policy) -> Option<f64> {
    let margin = |(signal, target): (&Signal<'_>, f64)| {
        let (used, there) = signal.sums()?;
        let share = used as f64 / there as f64;
        let value = if signal.one() == 1 { share / 1e3 } else { share };
        Some(1.0 - value / target)
    };
    let targets = policy.objectives.iter().map(|objective| objective.target);
    signals.iter().zip(targets).filter_map(margin).reduce(f64::min)
}

/// As many as there are, and as many as there is room for.
pub(super) fn placeable(policy: &Policy, seen: &Seen<'_>, counts: &Counts) -> Option<i64> {
    policy.five_factors?;
    let last = |metric: &str| seen.agent.gauges.get(metric).map(|gauge| gauge.last);
    let room = last("free_node_capacity")? - last("pending_instances").unwrap_or(0.0);
    Some(counts.held + (room.floor() as i64).max(0))
}
