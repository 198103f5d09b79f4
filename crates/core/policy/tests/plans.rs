//! **V1**: what is planned from recorded decisions and windows is what the policy itself decides.

mod common;

use common::{Fleet, cpu, decide_on, policy, starting};
use proptest::prelude::*;
use std::time::Duration;
use tidegauge_model::{Decision, WindowSummary};
use tidegauge_policy::plan::{Closed, looks_back, plan, together};
use tidegauge_policy::{Policy, TargetState};

/// Decisions at each window, and those of them that were published.
fn history(policy: &Policy, windows: &[Closed]) -> (Vec<Decision>, Vec<Decision>) {
    let mut state = TargetState::default();
    let verdicts: Vec<_> =
        windows.iter().map(|(agent, instances)| decide_on(policy, &mut state, agent, instances)).collect();
    let published = verdicts.iter().filter(|verdict| verdict.publish).map(|verdict| verdict.decision.clone());
    (verdicts.iter().map(|verdict| verdict.decision.clone()).collect(), published.collect())
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let cooldown = prop_oneof![Just(0), 1_u32..40];
    let direction = (0_u32..8, 1_u32..80, 1_u32..6, cooldown).prop_map(|(window, percent, period, cooldown)| {
        format!(
            "{{ stabilization_window: {}s, policies: [{{ type: percent, value: {percent}, period: {}s }}], cooldown: {}s }}",
            window * 10,
            period * 15,
            cooldown * 10
        )
    });
    let safety = prop::option::of((0_u32..3, 1_u32..8)).prop_map(|budget| match budget {
        Some((shrinks, minutes)) => format!("safety: {{ flap_budget: {{ shrinks: {shrinks}, within: {minutes}m }} }}"),
        None => String::new(),
    });
    (direction.clone(), direction, safety).prop_map(|(up, down, safety)| {
        policy(&format!(
            "objectives: [{{ signal: cpu, target: 0.5 }}]\nmin_instances: 2\nmax_instances: 12\n\
             behavior: {{ scale_up: {up}, scale_down: {down} }}\n{safety}"
        ))
    })
}

/// One that remembers more than counts: since when conditions hold, what triggers and controllers have come to, since when
/// nobody says anything.
fn any_policy_with_a_memory() -> impl Strategy<Value = Policy> {
    let trigger = (1_u32..6, 1_u32..6, 1_u32..4).prop_map(|(hold, every, amount)| {
        format!(
            "triggers: [{{ name: t, when: {{ signal: cpu, above: 0.7, for: {}s }}, action: scale_up, \
             amount: {{ instances: {amount} }}, every: {}s }}]",
            hold * 10,
            every * 10
        )
    });
    let controller = (0_u32..60).prop_map(|start| {
        format!("pid: [{{ name: c, objective: {{ signal: cpu, target: 0.5 }}, start_up: {start}s }}]")
    });
    let fallback = (1_u32..6).prop_map(|after| {
        format!(
            "objectives: [{{ signal: cpu, target: 0.5 }}]\nsafety: {{ fallback: {{ after: {}s, instances: 7 }} }}",
            after * 10
        )
    });
    let bounds = "min_instances: 2\nmax_instances: 12\nbehavior: { scale_down: { stabilization_window: 30s } }\n";
    prop_oneof![trigger, controller, fallback].prop_map(move |of| policy(&format!("{bounds}{of}")))
}

/// Windows every ten seconds; 0 instances are a fleet that says nothing.
fn any_windows() -> impl Strategy<Value = Vec<Closed>> {
    let fleet = (0_usize..9, 0_usize..3, 0_u32..150, 0_u32..2).prop_map(|(ready, more, percent, silent)| Fleet {
        instances: [vec![cpu(f64::from(percent) / 100.0); ready], vec![starting(); more]].concat(),
        silent,
        ..Fleet::default()
    });
    prop::collection::vec(fleet, 1..60).prop_map(|fleets| {
        let at = |(index, fleet): (usize, Fleet)| fleet.windows(10 * index as i64);
        fleets.into_iter().enumerate().map(at).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_plan_is_what_the_policy_decides(policy in any_policy(), windows in any_windows()) {
        let (decided, published) = history(&policy, &windows);
        let planned = plan(&policy, &published, &windows, &[]).expect("windows");
        prop_assert_eq!(Some(&planned.decision), decided.last());
        // Only as far back as it looks, and one window more.
        let enough = looks_back(&policy).as_secs() as usize / 10 + 2;
        let tail = &windows[windows.len().saturating_sub(enough)..];
        let planned = plan(&policy, &published, tail, &[]).expect("windows");
        prop_assert_eq!(Some(&planned.decision), decided.last());
        // A policy that has not decided yet goes through the windows.
        let planned = plan(&policy, &[], &windows, &[]).expect("windows");
        prop_assert_eq!(Some(&planned.decision), decided.last());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// With all windows that there were.
    #[test]
    fn a_plan_remembers_what_the_policy_does(policy in any_policy_with_a_memory(), windows in any_windows()) {
        let (decided, published) = history(&policy, &windows);
        let planned = plan(&policy, &published, &windows, &[]).expect("windows");
        prop_assert_eq!(Some(&planned.decision), decided.last());
    }
}

#[test]
fn without_windows_there_is_no_plan() {
    let policy = policy("preset: balanced");
    assert_eq!(plan(&policy, &[], &[], &[]), None);
    assert_eq!(looks_back(&policy), Duration::from_mins(5));
    let cooling = common::policy("preset: balanced\nbehavior: { scale_down: { cooldown: 2h } }");
    assert_eq!(looks_back(&cooling), Duration::from_hours(2));
}

/// Windows come in any order; those of instances whose agent's is not there are no observation.
#[test]
fn windows_of_one_end_are_put_together() {
    let (agent, instances) = common::fleet(3, 0.5).windows(0);
    let (later, of_later) = common::fleet(2, 0.5).windows(10);
    let mut all: Vec<WindowSummary> = of_later;
    all.extend(instances.iter().rev().cloned());
    all.push(agent.clone());
    assert_eq!(together(all.clone()), [(agent.clone(), instances.clone())]);
    all.insert(0, later.clone());
    let closed = together(all);
    assert_eq!(
        closed.iter().map(|(agent, of)| (agent.range.end, of.len())).collect::<Vec<_>>(),
        [(agent.range.end, 3), (later.range.end, 2)]
    );
}
