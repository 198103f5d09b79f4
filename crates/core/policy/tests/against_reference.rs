//! `decide` against the naive reference, and the invariants P1 to P6, over random policies and histories.

mod common;

use common::{Fleet, Instance, decide_with, policy};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_model::{InstanceId, InstanceState, WindowSummary};
use tidegauge_policy::reference::replay_with_signals;
use tidegauge_policy::{Policy, SignalFailure, SignalValue, SignalValues, TargetState};

fn objective() -> impl Strategy<Value = String> {
    let absent = prop::sample::select(vec!["ignore", "zero", "missing"]);
    let tolerance =
        prop::sample::select(vec!["", ", tolerance: { up: 0, down: 0 }", ", tolerance: { up: 0.3, down: 0.05 }"]);
    let of = prop::sample::select(vec!["auto", "request", "limit"]);
    let percent = 5_u32..150;
    let kind = prop::sample::select(vec!["value", "average_value", "average_value"]);
    prop_oneof![
        (of.clone(), percent, tolerance.clone(), absent.clone()).prop_map(|(of, percent, tolerance, absent)| format!(
            "{{ name: a, signal: cpu, of: {of}, target: {}, when_absent: {absent}{tolerance} }}",
            f64::from(percent) / 100.0
        )),
        (of, 2_u32..9, 1_u32..9, absent.clone()).prop_map(|(of, down, more, absent)| format!(
            "{{ name: b, signal: memory, of: {of}, thresholds: {{ up: {}, down: {} }}, when_absent: {absent} }}",
            f64::from(down + more) / 10.0,
            f64::from(down) / 10.0,
        )),
        (1_u32..200, tolerance.clone(), absent.clone()).prop_map(|(target, tolerance, absent)| format!(
            "{{ name: c, signal: queue_depth, target: {target}, when_absent: {absent}{tolerance} }}"
        )),
        (100_u32..900, tolerance.clone(), absent.clone()).prop_map(|(target, tolerance, absent)| format!(
            "{{ name: d, signal: response_time_ms, target: {target}, when_absent: {absent}{tolerance} }}"
        )),
        (kind.clone(), 1_u32..200, tolerance, absent.clone()).prop_map(|(kind, target, tolerance, absent)| format!(
            "{{ name: f, signal: of_agent, type: {kind}, target: {target}, when_absent: {absent}{tolerance} }}"
        )),
        (prop::sample::select(vec!["depth", "busy", "late"]), kind.clone(), 1_u32..200, absent.clone()).prop_map(
            |(formula, kind, target, absent)| format!(
                "{{ name: h, formula: {formula}, type: {kind}, target: {target}, when_absent: {absent} }}"
            )
        ),
        (kind, 1_u32..50, 1_u32..50, absent).prop_map(|(kind, down, more, absent)| format!(
            "{{ name: g, signal: of_instances, type: {kind}, thresholds: {{ up: {}, down: {down} }}, when_absent: {absent} }}",
            down + more
        )),
        (1_u32..50, 1_u32..50).prop_map(|(down, more)| format!(
            "{{ name: e, metric: run_queue, statistic: max, type: average_value, thresholds: {{ up: {}, down: {down} }} }}",
            down + more
        )),
    ]
}

fn demand() -> impl Strategy<Value = String> {
    let quantity = |metric: &'static str, most: u32| {
        prop_oneof![
            (0..most).prop_map(|number| number.to_string()),
            Just(format!("{{ metric: {metric} }}")),
            Just("{ formula: depth }".to_owned()),
        ]
    };
    let served =
        prop_oneof![(1_u32..60).prop_map(|number| number.to_string()), Just("{ metric: run_queue }".to_owned())];
    let service = prop_oneof![
        (1_u32..90).prop_map(|hundredths| format!("{hundredths}0ms")),
        Just("{ metric: response_time_ms }".to_owned())
    ];
    let cv = prop::sample::select(vec!["", ", service_cv: 0.4", ", service_cv: 1.7", ", arrival_cv: 2.3"]);
    let of = prop::sample::select(vec!["waiting", "response"]);
    prop_oneof![
        (quantity("queue_depth", 900), quantity("run_queue", 90), served, 1_u32..900, 1_u32..10).prop_map(
            |(waiting, arrivals, served, catch_up, tenths)| format!(
                "{{ lag: {{ waiting: {waiting}, arrivals_per_s: {arrivals}, served_per_s: {served}, catch_up: {catch_up}s, \
                 utilization: 0.{tenths} }} }}"
            )
        ),
        (quantity("run_queue", 30), service, cv, of, 1_u32..5_000, 1_u32..400, 1_u32..5).prop_map(
            |(arrivals, service, cv, of, within, late, concurrency)| format!(
                "{{ queueing: {{ arrivals_per_s: {arrivals}, service_time: {service}{cv}, of: {of}, within: {within}ms, \
                 late: 0.{late:03}7, concurrency: {concurrency} }} }}"
            )
        ),
    ]
}

/// The histories below begin on a Tuesday at 22:14 UTC.
fn schedule() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec!["UTC", "Asia/Kolkata", "America/New_York"]);
    let capacity = prop::sample::select(vec!["floor", "floor", "exact"]);
    let days = prop::sample::select(vec!["* * *", "* * tue,wed", "15 * mon", "* jan *"]);
    (0_u32..20, zone, capacity, days, 1_u32..30, 1_u32..15).prop_map(
        |(minute, zone, capacity, days, instances, lasts)| {
            let cron = format!("{minute}-59/7 * {days}");
            format!("{{ name: s, cron: '{cron}', time_zone: {zone}, lasts: {lasts}m, {capacity}: {instances} }}")
        },
    )
}

fn direction() -> impl Strategy<Value = String> {
    let limit = (any::<bool>(), 1_u32..120, 1_u32..9).prop_map(|(percent, value, period)| {
        let (kind, value) = if percent { ("percent", value) } else { ("instances", 1 + value / 20) };
        format!("{{ type: {kind}, value: {value}, period: {}s }}", period * 15)
    });
    let select = prop::sample::select(vec!["max", "max", "min", "disabled"]);
    (0_u32..12, select, prop::collection::vec(limit, 1..3)).prop_map(|(window, select, limits)| {
        format!("{{ stabilization_window: {}s, select: {select}, policies: [{}] }}", window * 10, limits.join(", "))
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let preset = prop::sample::select(vec!["", "preset: balanced\n", "preset: aggressive\n"]);
    let spec = (
        preset,
        prop::collection::vec(objective(), 1..4),
        (prop::option::of(demand()), prop::option::of(schedule())),
        0_u32..4,
        1_u32..20,
        direction(),
        direction(),
        0_u32..3,
    );
    spec.prop_map(|(preset, objectives, (demand, schedule), min, more, up, down, completeness)| {
        // One of each name: an objective is drawn for at most one signal.
        let named: BTreeMap<_, _> = objectives.into_iter().map(|objective| (objective[..10].to_owned(), objective)).collect();
        policy(&format!(
            "{preset}formulas: {{ depth: 'total(queue_depth.last) / max(1, instances - 2)', busy: depth + 10 * run_queue.mean - 3, \
             late: response_time_ms.p95 / (busy - 40) }}\nobjectives: [{}]\ndemands: [{}]\nschedules: [{}]\nmin_instances: {min}\nmax_instances: {}\nbehavior: {{ scale_up: {up}, scale_down: {down} }}\n\
             min_completeness: {}\nexpires_after: 60s",
            named.into_values().collect::<Vec<_>>().join(", "),
            demand.unwrap_or_default(),
            schedule.unwrap_or_default(),
            min + more,
            f64::from(completeness) * 0.45,
        ))
    })
}

fn instance() -> impl Strategy<Value = Instance> {
    let states = [
        None,
        None,
        None,
        None,
        Some(InstanceState::Ready),
        Some(InstanceState::Starting),
        Some(InstanceState::Draining),
    ];
    let share = (0_u32..=300).prop_map(|percent| f64::from(percent) / 100.0);
    let ready_s_ago = prop::option::weighted(0.1, 0_u64..120);
    let seen = prop::collection::vec(any::<prop::sample::Index>(), 4);
    (prop::sample::select(states.to_vec()), share.clone(), share, 0_u32..400, 1_u32..5, ready_s_ago, seen).prop_map(
        |(state, load, memory, queue, cores, ready_s_ago, seen)| {
            let cores = f64::from(cores) / 2.0;
            let of_request = [
                ("cpu_utilization_of_request", load),
                ("cpu_used_cores", load * cores),
                ("cpu_requested_cores", cores),
            ];
            let cpu: &[_] = match seen[0].index(6) {
                0 => &[],
                1 => &of_request[..1],
                2 => &[("cpu_utilization_of_limit", 0.5)],
                _ => &of_request,
            };
            let memory = [("memory_utilization_of_limit", memory)];
            let queue = [("queue_depth", f64::from(queue) / 3.0), ("run_queue", f64::from(queue) / 7.0)];
            let gauges = [
                cpu,
                if seen[1].index(6) == 0 { &[] } else { &memory },
                if seen[2].index(6) == 0 { &[] } else { &queue },
            ];
            Instance { gauges: gauges.concat(), state, ready_s_ago }
        },
    )
}

fn any_fleet() -> impl Strategy<Value = Fleet> {
    let silent = prop::sample::select(vec![0, 0, 0, 1, 3]);
    let completeness = prop::option::weighted(0.2, (0_u32..=100).prop_map(|percent| f64::from(percent) / 100.0));
    let p95_ms = prop::option::weighted(0.8, (0_u32..2_000).prop_map(f64::from));
    (prop::collection::vec(instance(), 0..8), silent, completeness, p95_ms).prop_map(
        |(instances, silent, completeness, p95_ms)| Fleet { instances, silent, completeness, p95_ms, error_rate: None },
    )
}

/// What two signals of SQL say at one close. Neither of an instance that there is not, nor of all that there are.
fn signal_values() -> impl Strategy<Value = SignalValues> {
    let number = (0_u32..4_000).prop_map(|tenths| f64::from(tenths) / 10.0);
    let failed = prop::sample::select(vec![SignalFailure::Memory, SignalFailure::Unknown]);
    let of_agent = prop_oneof![
        8 => prop::option::weighted(0.9, number.clone()).prop_map(SignalValue::Agent),
        1 => failed.clone().prop_map(SignalValue::Failed),
    ];
    let id = (0_usize..8).prop_map(|index| InstanceId::from(format!("i{index:03}")));
    let of_instances = prop_oneof![
        8 => prop::collection::btree_map(id, number, 0..9).prop_map(SignalValue::Instances),
        1 => failed.prop_map(SignalValue::Failed),
    ];
    (of_agent, of_instances).prop_map(|(of_agent, of_instances)| {
        [("of_agent".to_owned(), of_agent), ("of_instances".to_owned(), of_instances)].into_iter().collect()
    })
}

/// Windows at multiples of 10 s, with gaps; a fleet often stays as it was for a while.
fn history() -> impl Strategy<Value = Vec<(i64, Fleet)>> {
    prop::collection::vec((1_i64..4, any_fleet(), 1_usize..6), 1..10).prop_map(|episodes| {
        let mut now = 60;
        let mut windows = Vec::new();
        for (gap, fleet, times) in episodes {
            for _ in 0..times {
                now += 10 * gap;
                windows.push((now, fleet.clone()));
            }
        }
        windows
    })
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
            prop_assert!((policy.min_instances..=policy.max_instances).contains(&decision.desired_instances));
            // P2, P4
            let before = last.as_ref().map(|last| (last.generation, last.desired_instances));
            let changed = before.is_none_or(|(_, desired)| desired != decision.desired_instances);
            prop_assert_eq!(decision.generation, before.map_or(0, |(generation, _)| generation) + u64::from(changed));
            prop_assert!(!changed || verdict.publish);
            if let Some((_, desired)) = before {
                let shrinks = decision.desired_instances < desired;
                prop_assert!(!shrinks || decision.completeness >= policy.min_completeness);
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
        prop_assert!(state.recommendations.len() <= 13 && state.changes.up.len() + state.changes.down.len() <= 13);
    }
}
