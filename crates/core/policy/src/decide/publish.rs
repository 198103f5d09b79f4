//! What becomes of a chain: a decision with its identity, and whether it is published.

use super::account::Account;
use super::chain::Chain;
use super::combine::Combined;
use super::{Scene, Verdict};
use crate::identity::id_of;
use crate::observe::Observation;
use crate::policy::Policy;
use crate::state::{Standing, TargetState};
use tidegauge_model::{
    Action, Choice, Decision, Factor, Mode, ReasonCode, Recommendation, RequestAdvice, SignalReading,
};

/// How a decision relates to the standing one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Desired, action, reasons or policy differ, or there is no standing one.
    Changed,
    /// The same, and due to be said again.
    Renewed,
    /// The same.
    Nothing,
}

/// What is said beside the count.
#[derive(Default)]
pub(super) struct Advice {
    pub(super) choice: Option<Choice>,
    pub(super) recommendation: Option<Recommendation>,
    pub(super) requests: Vec<RequestAdvice>,
    /// The count stands for a plan that is none.
    pub(super) is_waiting: bool,
}

/// What was made of one scene.
pub(super) struct Made {
    pub(super) combined: Combined,
    /// Where five factors are weighed.
    pub(super) factors: Vec<Factor>,
    pub(super) advice: Advice,
    /// What stabilization is to remember.
    pub(super) recommended: Option<u32>,
    pub(super) chain: Chain,
    pub(super) news: News,
    pub(super) account: Account,
    pub(super) explanation: String,
    pub(super) signals: Vec<SignalReading>,
    pub(super) confidence: f64,
    pub(super) held: u32,
    pub(super) standing: u32,
}

impl Made {
    /// The answer before everything that bounds it.
    fn wished(&self) -> u32 {
        match self.combined {
            Combined::Wish(wished, _) | Combined::Ordered(wished) => wished,
            Combined::Stand(_) | Combined::Alone => self.standing,
        }
    }
}

pub(super) fn publish(policy: &Policy, state: &mut TargetState, observation: &Observation<'_>, made: Made) -> Verdict {
    let now = observation.window.end;
    remember(policy, state, observation, &made);
    let said = state.standing.as_ref().expect("a decision stands once one was made");
    let (wished, action) = (made.wished(), compare(made.chain.instances, made.held));
    let Made { chain, news, account, explanation, signals, confidence, factors, advice, .. } = made;
    let Chain { instances, mut reasons, constraints, unshared, .. } = chain;
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
        signals,
        factors,
        choice: advice.choice,
        recommendation: advice.recommendation,
        requests: advice.requests,
        constraints,
        binding: account.binding,
        counterfactual: account.counterfactual,
        alternatives: account.alternatives,
        regret: state.regret.filter(|_| policy.mode == Mode::Shadow),
        completeness: observation.completeness,
        confidence: Some(confidence),
        explanation,
        window: observation.window,
        decided_at: now,
        first_decided_at: said.first_decided_at,
        not_before: now,
        expires_at: now.plus(policy.expires_after),
    };
    Verdict { decision, publish: news != News::Nothing, wish: unshared.unwrap_or(instances) }
}

/// What is to be done, seen from what is ready or starting.
pub(super) fn action(scene: &Scene<'_>, chain: &Chain) -> Action {
    compare(chain.instances, scene.held)
}

fn compare(desired: u32, held: u32) -> Action {
    match desired.cmp(&held) {
        std::cmp::Ordering::Greater => Action::ScaleUp,
        std::cmp::Ordering::Less => Action::ScaleDown,
        std::cmp::Ordering::Equal => Action::Hold,
    }
}

/// Whether there is anything to say.
pub(super) fn news(scene: &Scene<'_>, chain: &Chain) -> News {
    let Some(standing) = &scene.state.standing else {
        return News::Changed;
    };
    let same = standing.desired_instances == chain.instances
        && standing.action == action(scene, chain)
        && standing.reasons == chain.reasons
        && standing.policy_hash == scene.policy.hash;
    match same {
        false => News::Changed,
        true if scene.now.since(standing.published_at) >= scene.policy.expires_after / 2 => News::Renewed,
        true => News::Nothing,
    }
}

/// **P2**, **P3**: generation, identity and the log of changes.
fn remember(policy: &Policy, state: &mut TargetState, observation: &Observation<'_>, made: &Made) {
    let (now, chain, standing) = (observation.window.end, &made.chain, made.standing);
    match (made.news, &mut state.standing) {
        (News::Nothing, _) => {}
        (News::Renewed, Some(said)) => said.published_at = now,
        (News::Renewed | News::Changed, said) => {
            if said.as_ref().is_none_or(|said| said.desired_instances != chain.instances) {
                state.generation += 1;
            }
            *said = Some(Standing {
                id: decision_id(policy, observation, state.generation),
                desired_instances: chain.instances,
                action: compare(chain.instances, made.held),
                reasons: chain.reasons.clone(),
                policy_hash: policy.hash.clone(),
                first_decided_at: now,
                published_at: now,
            });
            if standing != chain.instances {
                let (from, to) = (super::replicas(standing), super::replicas(chain.instances));
                state.changes.record(now, from, to, policy.changes_matter_for());
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
        Mode::Advisory => "advisory",
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
