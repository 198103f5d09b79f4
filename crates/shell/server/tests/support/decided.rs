//! Decisions and alerts, held against the rules written a second time.
//!
//! The reference computes every decision of a target from its closed windows as they were published. A window in which
//! a target was silent is not published, but decided on all the same: there the standing decision has to stand.

use super::broker::say;
use super::run::{POLICY, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{Action, AlertState, Decision, EventTime, ReasonCode, Target, WindowSummary};
use tidegauge_policy::reference::{ReferenceDecision, replay_with_signals};
use tidegauge_policy::{Policy, SignalValues};

/// The windows on which [`POLICY`] is evaluated: their size and their slide.
const WINDOW: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) decisions: usize,
    /// Of those, made in windows without a row.
    pub(crate) silent: usize,
    /// Decisions to grow, beyond what was decided before.
    pub(crate) ups: usize,
    /// Decisions to shrink, below what was decided before.
    pub(crate) downs: usize,
}

/// Compares every decision of a run with the reference.
pub(crate) fn check(test: &str, run: &Run) -> Tally {
    check_with_signals(test, run, POLICY, |_, _| SignalValues::default())
}

/// The same for another policy of windows of a minute, where signals of SQL had these values over an agent's window and
/// its instances'.
pub(crate) fn check_with_signals(
    test: &str,
    run: &Run,
    policy: &str,
    signals: impl Fn(&WindowSummary, &[WindowSummary]) -> SignalValues,
) -> Tally {
    let policy = Policy::parse("policy.yaml", policy).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let mut decisions: BTreeMap<Target, Vec<Decision>> = BTreeMap::new();
    for decision in run.decisions() {
        decisions.entry(decision.target.clone()).or_default().push(decision);
    }
    let mut tally = Tally::default();
    for (target, windows) in windows(run) {
        let decided = decisions.remove(&target).unwrap_or_default();
        check_target(&target, &replay_with_signals(&policy, &windows, &signals), &decided, &mut tally);
    }
    assert!(decisions.is_empty(), "{test}: decisions about targets without windows: {:?}", decisions.keys());
    say(&format!(
        "{test}: {} decisions equal to the reference ({} of them in silent windows), {} up and {} down",
        tally.decisions, tally.silent, tally.ups, tally.downs
    ));
    tally
}

/// Of each target its windows, ascending, each with those of its instances. Only what the policy looks at is kept.
fn windows(run: &Run) -> BTreeMap<Target, Vec<(WindowSummary, Vec<WindowSummary>)>> {
    let mut agents: BTreeMap<(Target, EventTime), WindowSummary> = BTreeMap::new();
    let mut instances: BTreeMap<(Target, EventTime), Vec<WindowSummary>> = BTreeMap::new();
    run.windows(|mut window| {
        if (window.range.length(), window.slide) != (WINDOW, WINDOW) {
            return;
        }
        window.gauges.retain(|metric, _| metric == "gpu_utilization_of_limit");
        window.latencies.clear();
        window.saturation.clear();
        let key = (window.target.clone(), window.range.end);
        match window.instance {
            Some(_) => instances.entry(key).or_default().push(window),
            None => assert!(agents.insert(key, window).is_none(), "one window of an agent at a time"),
        }
    });
    let mut windows: BTreeMap<Target, Vec<_>> = BTreeMap::new();
    for ((target, end), agent) in agents {
        let of_instances = instances.remove(&(target.clone(), end)).unwrap_or_default();
        windows.entry(target).or_default().push((agent, of_instances));
    }
    windows
}

fn check_target(target: &Target, reference: &[ReferenceDecision], decided: &[Decision], tally: &mut Tally) {
    let by_end: BTreeMap<EventTime, &ReferenceDecision> =
        reference.iter().map(|decision| (decision.window_end, decision)).collect();
    let mut before: Option<&Decision> = None;
    for decision in decided {
        let end = decision.window.end;
        assert!(before.is_none_or(|before| before.window.end < end), "{target}: a second decision at {end}");
        match by_end.get(&end) {
            Some(want) => check_decision(decision, want),
            None => {
                check_silent(decision, before);
                tally.silent += 1;
            }
        }
        let beyond = |than: fn(&u32, &u32) -> bool| {
            before.is_none_or(|before| than(&decision.desired_instances, &before.desired_instances))
        };
        tally.ups += usize::from(decision.action == Action::ScaleUp && beyond(u32::gt));
        tally.downs += usize::from(decision.action == Action::ScaleDown && beyond(u32::lt));
        before = Some(decision);
    }
    tally.decisions += decided.len();
    // What is new must have been said.
    let said: BTreeSet<EventTime> = decided.iter().map(|decision| decision.window.end).collect();
    let first = reference.first().map(|first| first.window_end);
    let changes = reference.windows(2).filter(|pair| pair[0].desired != pair[1].desired).map(|pair| pair[1].window_end);
    for end in first.into_iter().chain(changes) {
        assert!(said.contains(&end), "{target}: the decision at {end} was not published");
    }
}

fn check_decision(got: &Decision, want: &ReferenceDecision) {
    let got_is = (got.current_instances, got.desired_instances, got.action, got.generation);
    let want_is = (want.current, want.desired, want.action, want.generation);
    assert_eq!(got_is, want_is, "current, desired, action, generation; {got:?}");
}

/// Without a signal nothing changes.
fn check_silent(decision: &Decision, before: Option<&Decision>) {
    let before = before.unwrap_or_else(|| panic!("a first decision without a row: {decision:?}"));
    assert_eq!(decision.desired_instances, before.desired_instances, "{decision:?}");
    assert_eq!(decision.generation, before.generation, "{decision:?}");
    assert_eq!(decision.reasons.first(), Some(&ReasonCode::NoSignal), "{decision:?}");
}

/// Checks that transitions follow on one another; returns how many alerts fired, and how many of those resolved.
pub(crate) fn check_alerts(test: &str, run: &Run) -> (usize, usize) {
    let mut states: BTreeMap<String, (AlertState, EventTime)> = BTreeMap::new();
    let (mut fired, mut resolved) = (0, 0);
    for alert in run.alerts() {
        let (state, at) = states.get(&alert.fingerprint).copied().unwrap_or((AlertState::Inactive, EventTime::MIN));
        let is_told_again = alert.from == alert.to && alert.from == state;
        assert!(alert.at > at, "{test}: two transitions at once: {alert:?}");
        assert!(alert.from == state || is_told_again, "{test}: it was {state:?} before: {alert:?}");
        fired += usize::from(alert.from != AlertState::Firing && alert.to == AlertState::Firing);
        resolved += usize::from(alert.to == AlertState::Resolved);
        let state = if alert.to == AlertState::Resolved { AlertState::Inactive } else { alert.to };
        states.insert(alert.fingerprint.clone(), (state, alert.at));
    }
    say(&format!("{test}: {fired} alerts fired, {resolved} resolved"));
    (fired, resolved)
}
