//! What becomes of a chain: a decision with its identity, and whether it is published.

use super::chain::Chain;
use super::{Verdict, explain};
use crate::identity::id_of;
use crate::observe::Observation;
use crate::policy::Policy;
use crate::state::{Standing, TargetState};
use crate::wish::Wish;
use tidegauge_model::{Action, Decision, EventTime, Mode, ReasonCode};

/// How a decision relates to the standing one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    /// Desired, action, reasons or policy differ, or there is no standing one.
    Changed,
    /// The same, and due to be said again.
    Renewed,
    /// The same.
    Nothing,
}

pub(super) fn publish(
    policy: &Policy,
    state: &mut TargetState,
    observation: &Observation<'_>,
    wishes: &[Wish],
    chain: Chain,
    wished: u32,
    standing: u32,
) -> Verdict {
    let now = observation.window.end;
    let action = action(chain.instances, observation.held_instances());
    let news = news(policy, state, &chain, action, now);
    let explanation = explain::one_line(policy, observation, wishes, &chain, action);
    remember(policy, state, observation, &chain, action, standing, news);
    let said = state.standing.as_ref().expect("a decision stands once one was made");

    let Chain { instances, mut reasons, constraints } = chain;
    if news == News::Renewed {
        reasons.push(ReasonCode::Renewed);
    }
    let decision = Decision {
        id: said.id.clone(),
        target: observation.target.clone(),
        generation: state.generation,
        policy: policy.name.clone(),
        policy_version: policy.version,
        policy_hash: policy.hash.clone(),
        mode: policy.mode,
        action,
        current_instances: observation.current_instances,
        desired_instances: instances,
        unlimited_desired_instances: wished,
        min_instances: policy.min_instances,
        max_instances: policy.max_instances,
        reasons,
        signals: wishes.iter().map(|wish| wish.reading.clone()).collect(),
        constraints,
        completeness: observation.completeness,
        explanation,
        window: observation.window,
        decided_at: now,
        first_decided_at: said.first_decided_at,
        not_before: now,
        expires_at: now.plus(policy.expires_after),
    };
    Verdict { decision, publish: news != News::Nothing }
}

/// What is to be done, seen from what is ready or starting.
fn action(desired: u32, held: u32) -> Action {
    match desired.cmp(&held) {
        std::cmp::Ordering::Greater => Action::ScaleUp,
        std::cmp::Ordering::Less => Action::ScaleDown,
        std::cmp::Ordering::Equal => Action::Hold,
    }
}

fn news(policy: &Policy, state: &TargetState, chain: &Chain, action: Action, now: EventTime) -> News {
    let Some(standing) = &state.standing else {
        return News::Changed;
    };
    let same = standing.desired_instances == chain.instances
        && standing.action == action
        && standing.reasons == chain.reasons
        && standing.policy_hash == policy.hash;
    match same {
        false => News::Changed,
        true if now.since(standing.published_at) >= policy.expires_after / 2 => News::Renewed,
        true => News::Nothing,
    }
}

/// **P2**, **P3**: generation, identity and the log of changes.
fn remember(
    policy: &Policy,
    state: &mut TargetState,
    observation: &Observation<'_>,
    chain: &Chain,
    action: Action,
    standing: u32,
    news: News,
) {
    let now = observation.window.end;
    match (news, &mut state.standing) {
        (News::Nothing, _) => {}
        (News::Renewed, Some(said)) => said.published_at = now,
        (News::Renewed | News::Changed, said) => {
            if said.as_ref().is_none_or(|said| said.desired_instances != chain.instances) {
                state.generation += 1;
            }
            *said = Some(Standing {
                id: decision_id(policy, observation, state.generation),
                desired_instances: chain.instances,
                action,
                reasons: chain.reasons.clone(),
                policy_hash: policy.hash.clone(),
                first_decided_at: now,
                published_at: now,
            });
            if standing != chain.instances {
                let keep = policy.scale_up.rules.longest_period().max(policy.scale_down.rules.longest_period());
                state.changes.record(now, super::replicas(standing), super::replicas(chain.instances), keep);
            }
        }
    }
}

/// The id: target, policy, version, window end in milliseconds, generation, mode.
fn decision_id(policy: &Policy, observation: &Observation<'_>, generation: u64) -> String {
    let mode = match policy.mode {
        Mode::Live => "live",
        Mode::Shadow => "shadow",
        Mode::Backtest => "backtest",
    };
    id_of([
        observation.target.to_string().as_str(),
        &policy.name,
        &policy.version.to_string(),
        &observation.window.end.as_millis().to_string(),
        &generation.to_string(),
        mode,
    ])
}
