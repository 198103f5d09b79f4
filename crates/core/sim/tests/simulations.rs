//! Seeded simulations of both machines against the naive reference.
//!
//! A failing seed replays: `TIDEGAUGE_SIM_SEED=17 cargo test --release --workspace --test simulations`.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test takes a seed and tells what it saw")]

use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_engine::{
    Control, Decider, DeciderConfig, DeciderInput, DeciderOutput, JournalRecord, WindowRule, journal,
};
use tidegauge_model::{Decision, EventTime, Level, WindowKind, WindowSpec, WindowSummary};
use tidegauge_sim::scenario::changes;
use tidegauge_sim::{Drive, Reference, Scenario};

const SEEDS: u64 = 1_000;

fn seeds() -> Vec<u64> {
    match std::env::var("TIDEGAUGE_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("TIDEGAUGE_SIM_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    }
}

/// Every window is the one that brute force computes, and every invariant holds after every step.
#[test]
fn windows_equal_the_naive_reference() {
    let (mut windows, mut seen, mut kinds) = (0, [0_u64; 4], [0_u64; 9]);
    for seed in seeds() {
        let scenario = Scenario::new(seed);
        let (rows, pane): (usize, _) = (scenario.partitions.iter().map(Vec::len).sum(), scenario.pane);
        let mut reference = Reference::new(scenario.clone());
        let mut drive = Drive::new(scenario);
        eprintln!("seed {seed}: {rows} rows");
        drive.run(seed, Some(&mut reference));
        reference.finish();
        let (merged, late, too_late, future) = drive.totals();
        assert_eq!(merged + late + too_late + future, rows as u64, "seed {seed}: each row is in exactly one place");
        windows += drive.windows.iter().map(Vec::len).sum::<usize>();
        for window in drive.windows.iter().flatten() {
            let is_session = window.kind() == WindowKind::Session;
            let is_of = [
                window.edition.revision > 0 && window.edition.is_final(),
                !window.edition.is_final(),
                window.level() == Level::Region,
                is_session,
                window.level() == Level::Workspace,
                window.level() == Level::Fleet,
                window.edition.is_revised,
                // Of the windows of panes none slides by four and has twenty.
                window.range.length() == window.slide * 5 && window.range.length() == pane * 20,
                window.level() == Level::Entity,
            ];
            kinds.iter_mut().zip(is_of).for_each(|(count, is_of)| *count += u64::from(is_of));
        }
        for (sum, count) in seen.iter_mut().zip([merged, late, too_late, future]) {
            *sum += count;
        }
    }
    eprintln!("{windows} windows; rows windowed, late for a Decider, too late, in the future: {seen:?}");
    eprintln!("{kinds:?} of them roll-ups with early results, early results, of regions, sessions,");
    eprintln!("of workspaces, of the fleet, revisions, roll-ups that slide, of other entities");
    if seeds().len() > 1 {
        assert!(kinds.iter().all(|&count| count > 1_000), "{kinds:?}");
        assert!(windows > 10_000 && seen.iter().all(|&count| count > 0), "the scenarios cover every way out: {seen:?}");
    }
}

/// Batches cut elsewhere and partitions read in another order: the same windows, bit for bit (E2), as long as nothing
/// is corrected or excluded.
#[test]
fn windows_do_not_depend_on_batches_and_interleaving() {
    for seed in seeds() {
        let mut scenario = Scenario::new(seed);
        scenario.stall = None;
        scenario.bounds.1 = Duration::ZERO;
        scenario.rules.max_skew = Duration::from_secs(1_000_000);
        scenario.rules.stall_after = Duration::from_secs(1_000_000);
        scenario.rules.idle_after = Duration::from_secs(1_000_000);
        let mut golden = Drive::new(scenario.clone());
        golden.run(1, None);
        for order in 2..4 {
            let mut drive = Drive::new(scenario.clone());
            drive.run(order, None);
            for (want, got) in golden.windows.iter().zip(&drive.windows) {
                for (want, got) in want.iter().zip(got) {
                    assert_eq!(want, got, "seed {seed}, order {order}: another window than in order 1");
                }
                assert_eq!(want.len(), got.len(), "seed {seed}, order {order}: windows");
            }
        }
    }
}

/// Says nothing of agents that others do not: a window is asked as soon as it is whole.
const LATER: &str = "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {name: later, version: 1}\nspec:\n  \
                     window: {size: 2m, slide: 10s}\n  objectives: [{signal: queue_depth, target: 20}]\n  \
                     max_instances: 40\n  min_completeness: 0\n";

/// What one shuffle partition came to, with a policy from some record of its journal on.
struct Course {
    closed_at_change: Option<EventTime>,
    windows: Vec<WindowSummary>,
    decisions: Vec<Decision>,
}

fn with_policy_from(scenario: &Scenario, journal: &[(EventTime, Vec<u8>)], from: usize) -> Course {
    // Analytics look at instances too, and would keep some of their cells.
    let config = DeciderConfig { analytics: None, ..scenario.decider() };
    let mut decider = Decider::new(config, Control::beginning([], BTreeMap::new()));
    decider.watch();
    let (mut closed_at_change, mut windows, mut decisions) = (None, Vec::new(), Vec::new());
    for (at, (log_time, bytes)) in journal.iter().enumerate() {
        let (offset, log_time) = (2 * at as i64, *log_time);
        if at == from {
            closed_at_change = decider.closed_through();
            let change = changes(&[LATER.to_owned()]).remove(0);
            decider.step(DeciderInput { record: JournalRecord::Control(change), offset, log_time });
        }
        let record = journal::decode(bytes).expect("a record of ours");
        for output in decider.step(DeciderInput { record, offset: offset + 1, log_time }) {
            if let DeciderOutput::Window(window) = output {
                windows.push(*window);
            }
        }
        decisions.extend(decider.take_seen().into_iter().map(|seen| seen.decision));
    }
    Course { closed_at_change, windows, decisions }
}

/// The window with variances of another, where they are as good as equal: a late row is added to an agent's sum by itself
/// where its instance's cell is gone, and with that cell where somebody looks at it.
fn with_variances_of(all: &WindowSummary, one: &WindowSummary) -> WindowSummary {
    let mut one = one.clone();
    for (name, gauge) in &mut one.gauges {
        let variance = all.gauges.get(name).map_or(f64::NAN, |gauge| gauge.variance);
        if (gauge.variance - variance).abs() <= 1e-12 * variance {
            gauge.variance = variance;
        }
    }
    one
}

/// D5: cells of instances are kept no longer than somebody looks at them. Who comes later is asked when they reach back far
/// enough, and sees what it would have seen all along; the windows of agents go on meanwhile.
#[test]
fn a_policy_that_comes_later_waits_for_instances() {
    let spec = WindowSpec { size: Duration::from_secs(120), slide: Duration::from_secs(10) };
    let windows = vec![WindowRule { agent: true, ..WindowRule::unpublished(spec) }];
    let (mut waited, mut checked) = (0, 0);
    for seed in 0..30 {
        let pane = Duration::from_secs(10);
        let scenario = Scenario {
            windows: windows.clone(),
            rollups: Vec::new(),
            sessions: None,
            pane,
            stall: None,
            ..Scenario::new(seed)
        };
        let mut drive = Drive::new(scenario.clone());
        drive.run(seed, None);
        for journal in &drive.journal {
            let always = with_policy_from(&scenario, journal, 0);
            let later = with_policy_from(&scenario, journal, journal.len() / 3);
            let later_windows: Vec<_> =
                always.windows.iter().zip(&later.windows).map(|(all, one)| with_variances_of(all, one)).collect();
            assert_eq!(always.windows, later_windows, "seed {seed}");
            assert_eq!(always.windows.len(), later.windows.len(), "seed {seed}");
            let seen = |decision: &Decision| (decision.target.clone(), decision.window.end, decision.signals.clone());
            let whole = |decision: &&Decision| Some(decision.window.start) >= later.closed_at_change;
            let expected: Vec<_> = always.decisions.iter().filter(whole).map(seen).collect();
            let got: Vec<_> = later.decisions.iter().map(seen).collect();
            assert_eq!(got.len(), expected.len(), "seed {seed}");
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!(got, expected, "seed {seed}");
            }
            waited += always.decisions.len() - expected.len();
            checked += expected.len();
        }
    }
    assert!(waited > 100 && checked > 100, "{waited} windows were waited for, {checked} seen");
}
