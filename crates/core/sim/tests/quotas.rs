//! Quotas of workspaces in Deciders: whatever partitions agents live in, they never ask for more together; those of one
//! partition lend to one another, and to nobody else.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_engine::{Control, ControlChange, Decider, DeciderInput, QuotaTotals, WindowRule, journal};
use tidegauge_model::{ReasonCode, Target, WindowSpec};
use tidegauge_sim::scenario::changes;
use tidegauge_sim::{Drive, Scenario};

const SEEDS: u64 = 120;
const SPEC: WindowSpec = WindowSpec { size: Duration::from_secs(60), slide: Duration::from_secs(20) };
/// Of both agents; a half is the share of each, and no agent of a scenario has more instances than that at first.
const QUOTA: u32 = 12;

/// One of two agents wants as much as it can get, the other one instance.
fn documents() -> Vec<String> {
    let policy = |agent: &str, target: f64| {
        format!(
            "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{name: {agent}, version: 1}}\nspec:\n  \
             match: {{agents: [{agent}]}}\n  window: {{size: 1m, slide: 20s}}\n  \
             objectives: [{{metric: queue_depth, type: average_value, target: {target}}}]\n  min_completeness: 0\n  \
             max_instances: 40\n  behavior: {{scale_up: {{policies: [{{type: instances, value: 3, period: 20s}}]}}, \
             scale_down: {{stabilization_window: 20s}}}}\n"
        )
    };
    vec![policy("agent-1", 0.01), policy("agent-2", 1e6), quota(1, QUOTA, "{agent: agent-1}, {agent: agent-2}")]
}

fn quota(version: u32, instances: u32, agents: &str) -> String {
    format!(
        "apiVersion: tidegauge.io/v1\nkind: Quota\nmetadata: {{name: blue, version: {version}}}\nspec: \
         {{workspace: blue, instances: {instances}, agents: [{agents}]}}\n"
    )
}

fn scenario(seed: u64) -> Scenario {
    let rule = WindowRule { agent: true, instance: true, ..WindowRule::unpublished(SPEC) };
    let pane = Duration::from_secs(10);
    // Both agents live in one partition of one or of two, and in two of four.
    let shuffle_partitions = [1, 2, 4][seed as usize % 3];
    let scenario = Scenario::new(seed);
    Scenario { windows: vec![rule], rollups: Vec::new(), sessions: None, pane, shuffle_partitions, ..scenario }
}

#[test]
fn agents_of_any_partitions_never_ask_for_more_than_the_quota() {
    let (mut decisions, mut bound, mut lent, mut apart) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let scenario = scenario(seed);
        let mut drive = Drive::new(scenario.clone());
        drive.run(scenario.seed, None);
        let mut courses = Vec::new();
        let mut homes: BTreeMap<Target, usize> = BTreeMap::new();
        for (partition, recorded) in drive.journal.iter().enumerate() {
            let mut decider =
                Decider::new(scenario.decider(), Control::beginning(changes(&documents()), BTreeMap::new()));
            decider.watch();
            for (offset, (log_time, bytes)) in recorded.iter().enumerate() {
                let record = journal::decode(bytes).expect("a record of ours");
                decider.step(DeciderInput { record, offset: offset as i64, log_time: *log_time });
                for decision in decider.take_seen().into_iter().map(|seen| seen.decision) {
                    homes.insert(decision.target.clone(), partition);
                    courses.push(decision);
                }
                // What is there may be more: instances come by themselves here, and are heard of one after the other.
                for (name, QuotaTotals { pool, .. }) in decider.quota_totals() {
                    assert!(pool <= u64::from(QUOTA), "seed {seed}: a pool of {pool} of {name}");
                }
            }
        }
        courses.retain(|decision| decision.target.workspace.as_str() == "blue");
        courses.sort_by_key(|decision| (decision.window.end, decision.target.clone()));
        let are_apart = homes.iter().filter(|(target, _)| target.workspace.as_str() == "blue");
        let are_apart = are_apart.map(|(_, home)| home).collect::<BTreeSet<_>>().len() > 1;
        let mut asked: BTreeMap<Target, u32> = BTreeMap::new();
        for decision in &courses {
            let before = asked.insert(decision.target.clone(), decision.desired_instances).unwrap_or(0);
            let all: u32 = asked.values().sum();
            // Instances that came by themselves may stay; nothing is added to them.
            let is_there = decision.desired_instances <= before.max(decision.current_instances);
            assert!(all <= QUOTA || is_there, "seed {seed}: {asked:?}");
            assert!(!are_apart || decision.desired_instances <= QUOTA / 2, "seed {seed}: {decision:?}");
            bound += usize::from(decision.reasons.contains(&ReasonCode::Quota));
            lent += usize::from(decision.desired_instances > QUOTA / 2);
        }
        decisions += courses.len();
        apart += usize::from(are_apart);
    }
    eprintln!("{decisions} decisions, {bound} bound, {lent} beyond a share; {apart} of {SEEDS} with agents apart");
    assert!(bound > 100 && lent > 100 && apart > 5, "{bound}, {lent}, {apart}");
}

/// K4: a document that turns shares round does not hold, is told, and is not appended; one that takes away does.
#[test]
fn a_quota_that_moves_a_share_at_once_is_refused() {
    let first = quota(1, 40, "{agent: a, weight: 3}, {agent: b}");
    let turned = quota(2, 40, "{agent: a}, {agent: b, weight: 3}");
    let less = quota(2, 20, "{agent: a}, {agent: b}");
    let change = |text: &str| -> ControlChange { changes(&[text.to_owned()]).remove(0) };
    let control = Control::beginning([change(&first)], BTreeMap::new());
    let difference = control.difference(&[change(&turned)]);
    assert_eq!(difference.changes, []);
    assert!(difference.refused[0].contains("come to 60 together"), "{:?}", difference.refused);
    assert_eq!(control.difference(&[change(&less)]).changes.len(), 1);
    for (documents, refused) in [([&first, &turned], 1), ([&first, &less], 0)] {
        let mut decider = Decider::new(
            scenario(1).decider(),
            Control::beginning(documents.map(|text| change(text)), BTreeMap::new()),
        );
        assert_eq!(decider.take_refused().len(), refused);
    }
}
