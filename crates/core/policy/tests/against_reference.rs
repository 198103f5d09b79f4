//! `decide` against the naive reference, and the invariants P1 to P6, over random policies and histories.

mod common;

use common::any::{any_policy, history, signal_values};
use common::decide_with;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_model::WindowSummary;
use tidegauge_policy::reference::replay_with_signals;
use tidegauge_policy::{Policy, TargetState};

/// Whether desired may be less than `min_instances`, and fall on thin data.
fn is_capped(policy: &Policy) -> bool {
    policy.safety.quota.is_some() || policy.safety.budget.is_some() || policy.orders.kill_switch
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_are_those_of_the_reference(
        policy in any_policy(),
        history in history(),
        said in prop::collection::vec(signal_values(), 1..7),
    ) {
        let signals = |agent: &WindowSummary, _: &[WindowSummary]| said[(agent.range.end.as_millis() / 20_000) as usize % said.len()].clone();
        let windows: Vec<_> = history.iter().map(|(end_s, fleet)| fleet.windows(*end_s)).collect();
        let reference = replay_with_signals(&policy, &windows, signals);
        let mut state = TargetState::default();
        let mut published = BTreeMap::new();
        let mut last: Option<tidegauge_model::Decision> = None;
        for ((agent, instances), want) in windows.iter().zip(&reference) {
            // P5: what is written out and read back decides the same.
            let text = serde_json::to_string(&state).expect("a state is JSON");
            let mut restored: TargetState = serde_json::from_str(&text).expect("and back");
            let signals = signals(agent, instances);
            let verdict = decide_with(&policy, &mut state, agent, instances, &signals);
            prop_assert_eq!(&decide_with(&policy, &mut restored, agent, instances, &signals), &verdict);
            prop_assert_eq!(&restored, &state);

            let decision = verdict.decision;
            let got = (decision.decided_at, decision.current_instances, decision.desired_instances, decision.action, decision.generation);
            let want = (want.window_end, want.current, want.desired, want.action, want.generation);
            prop_assert_eq!(got, want, "{}", decision.explanation);

            // P1
            let (min, max) = (policy.min_instances, policy.max_instances);
            prop_assert!(is_capped(&policy) || decision.desired_instances >= min);
            prop_assert!(policy.orders.kill_switch || decision.desired_instances <= max);
            // P2, P4
            let before = last.as_ref().map(|last| (last.generation, last.desired_instances));
            let changed = before.is_none_or(|(_, desired)| desired != decision.desired_instances);
            prop_assert_eq!(decision.generation, before.map_or(0, |(generation, _)| generation) + u64::from(changed));
            prop_assert!(!changed || verdict.publish);
            if let Some((_, desired)) = before {
                let shrinks = decision.desired_instances < desired;
                let is_ordered = is_capped(&policy) || policy.orders.manual_at(decision.decided_at).is_some();
                prop_assert!(!shrinks || decision.completeness >= policy.min_completeness || is_ordered);
            }
            // P3: one id for one content, renewals aside.
            if verdict.publish {
                let content = (decision.generation, decision.first_decided_at, decision.desired_instances, decision.action);
                let known = published.insert(decision.id.clone(), content);
                prop_assert!(known.is_none_or(|known| known == content));
            }
            // The chain ends where the decision does, without gaps.
            let mut at = decision.unlimited_desired_instances;
            for constraint in &decision.constraints {
                prop_assert_eq!(constraint.from_instances, at);
                at = constraint.to_instances;
            }
            prop_assert_eq!(at, decision.desired_instances);
            last = Some(decision);
        }
        // P6: no more than the longest windows hold.
        let longest = policy.changes_matter_for().as_secs() as usize / 10;
        prop_assert!(state.recommendations.len() <= 13);
        prop_assert!(state.changes.up.len() + state.changes.down.len() <= longest + 1);
    }
}
