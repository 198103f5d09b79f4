//! Random policies, fleets and histories.

use super::{Fleet, Instance, policy};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_model::{InstanceId, InstanceState};
use tidegauge_policy::{Policy, SignalFailure, SignalValue, SignalValues};

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
    let cooldown = prop::sample::select(vec![0, 0, 1, 4, 9]);
    (0_u32..12, select, prop::collection::vec(limit, 1..3), cooldown).prop_map(|(window, select, limits, cooldown)| {
        let limits = limits.join(", ");
        format!(
            "{{ stabilization_window: {window}0s, select: {select}, policies: [{limits}], cooldown: {cooldown}0s }}"
        )
    })
}

fn comparison() -> impl Strategy<Value = String> {
    let what = prop::sample::select(vec![
        ("signal: cpu", 2.0),
        ("signal: memory, of: limit", 2.0),
        ("metric: queue_depth, statistic: max", 130.0),
        ("metric: run_queue", 50.0),
        ("signal: response_time_ms", 1_500.0),
        ("formula: busy", 200.0),
        ("signal: of_agent", 300.0),
    ]);
    (what, prop::sample::select(vec!["above", "below"]), 0_u32..100, duration()).prop_map(
        |((what, most), side, percent, hold_for)| {
            format!("{{ {what}, {side}: {}, for: {hold_for} }}", most * f64::from(percent) / 100.0)
        },
    )
}

fn duration() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["0s", "0s", "0s", "10s", "30s", "1m"])
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(2, 6, 3, |inner| {
        let parts = prop::collection::vec(inner, 1..4);
        (prop::sample::select(vec!["all", "any"]), parts, duration())
            .prop_map(|(word, parts, hold_for)| format!("{{ {word}: [{}], for: {hold_for} }}", parts.join(", ")))
    })
}

fn trigger() -> impl Strategy<Value = String> {
    let amount = prop_oneof![
        (1_u32..6).prop_map(|instances| format!("instances: {instances}")),
        (1_u32..100).prop_map(|percent| format!("percent: {percent}")),
    ];
    let action = prop::sample::select(vec!["scale_up", "scale_up", "scale_down"]);
    (condition(), prop::option::of(condition()), action, amount, 1_u32..7).prop_map(
        |(when, until, action, amount, every)| {
            let until = until.map(|until| format!("until: {until}, ")).unwrap_or_default();
            format!("when: {when}, {until}action: {action}, amount: {{ {amount} }}, every: {every}0s")
        },
    )
}

fn pid() -> impl Strategy<Value = String> {
    let objective = prop::sample::select(vec![
        "{ signal: cpu, target: 0.7 }",
        "{ signal: queue_depth, target: 40, tolerance: { up: 0, down: 0 } }",
        "{ signal: response_time_ms, target: 600 }",
        "{ formula: busy, type: average_value, thresholds: { up: 30, down: 10 } }",
    ]);
    (objective, 0_u32..=10, 1_u32..=10, 0_u32..60, 0_u32..60, 0_u32..12, any::<bool>()).prop_map(
        |(objective, proportional, integral, derivative, filter, start_up, adaptive)| {
            format!(
                "{{ objective: {objective}, proportional: {}, integral_per_s: {}, derivative_s: {derivative}, \
                 filter: {filter}s, start_up: {start_up}0s, adaptive: {adaptive} }}",
                f64::from(proportional) / 10.0,
                f64::from(integral) / 200.0,
            )
        },
    )
}

/// So many seconds after the histories began.
fn instant(after_s: i64) -> String {
    Timestamp::from_second(1_700_000_000 + after_s).expect("a time").to_string()
}

fn safety() -> impl Strategy<Value = Vec<String>> {
    let way = prop::sample::select(vec!["", ", action: scale_up", ", action: scale_down"]);
    let floor = prop_oneof![
        (1_u32..6).prop_map(|instances| format!("instances: {instances}")),
        (1_u32..=100).prop_map(|percent| format!("percent: {percent}")),
    ];
    let quota = prop_oneof![
        (4_u32..30, 0_u32..=100).prop_map(|(most, surge)| format!("instances: {most}, surge_percent: {surge}")),
        (1_u32..30, 0_u32..50).prop_map(|(cores, surge)| format!("cpu_cores: {cores}.5, surge_percent: {surge}")),
    ];
    let budget = prop_oneof![
        (3_u32..30).prop_map(|per_hour| format!("per_hour: {per_hour}, instance_per_hour: 1.5")),
        (3_u32..60).prop_map(|per_hour| format!("per_hour: {per_hour}")),
    ];
    let rule = prop_oneof![
        (0_u32..3, 60_u32..120)
            .prop_map(|(shrinks, within)| format!("flap_budget: {{ shrinks: {shrinks}, within: {within}s }}")),
        floor.prop_map(|floor| format!("availability_floor: {{ {floor} }}")),
        (0_u32..20, 1_u32..9, way).prop_map(|(minute, lasts, way)| format!(
            "excluded: [{{ name: ex, cron: '{minute}-59/11 * * * *', lasts: {lasts}m{way} }}]"
        )),
        quota.prop_map(|quota| format!("quota: {{ {quota} }}")),
        budget.prop_map(|budget| format!("budget: {{ {budget} }}")),
        (0_u32..6, 1_u32..12)
            .prop_map(|(after, instances)| format!("fallback: {{ after: {after}0s, instances: {instances} }}")),
        condition().prop_map(|condition| format!("upstream_limited: {condition}")),
    ];
    prop::collection::vec(rule, 0..4).prop_map(|rules| {
        let kind = |rule: &String| rule.split(':').next().unwrap_or_default().to_owned();
        rules.into_iter().map(|rule| (kind(&rule), rule)).collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

fn orders() -> impl Strategy<Value = Vec<String>> {
    let wanted = prop::sample::select(vec!["floor: 7", "exact: 5", "hold: true"]);
    let order = prop_oneof![
        (0_u32..25, 0_i64..900).prop_map(|(instances, until)| format!(
            "override: {{ instances: {instances}, by: ana, until: '{}' }}",
            instant(until)
        )),
        (0_i64..900).prop_map(|until| format!("freeze: {{ by: ana, until: '{}' }}", instant(until))),
        (wanted, 0_i64..600, 1_i64..600).prop_map(|(wanted, from, lasts)| format!(
            "planned_events: [{{ name: ev, from: '{}', to: '{}', {wanted} }}]",
            instant(from),
            instant(from + lasts)
        )),
        prop::sample::select(vec![
            "mode: paused",
            "mode: paused_in",
            "mode: paused_out",
            "mode: advisory",
            "mode: shadow"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        20 => Just(Vec::new()),
        10 => order.prop_map(|order| vec![order]),
        1 => Just(vec!["kill_switch: true".to_owned()]),
    ]
}

/// Bounds, and what needs certain bounds: counts that divide partitions, and none at all.
fn bounds() -> impl Strategy<Value = (u32, u32, Option<String>)> {
    let zero = (condition(), condition(), 1_u32..4).prop_map(|(idle, wake, instances)| {
        format!("scale_to_zero: {{ idle: {idle}, wake: {wake}, instances: {instances} }}")
    });
    prop_oneof![
        6 => (0_u32..4, 1_u32..20).prop_map(|(min, more)| (min, min + more, None)),
        2 => (prop::sample::select(vec![0, 1, 2, 3]), prop::sample::select(vec![4, 6, 12, 24]))
            .prop_map(|(min, max)| (min, max, Some("partitions: 24".to_owned()))),
        2 => (1_u32..20, zero).prop_map(|(max, zero)| (0, max, Some(zero))),
    ]
}

/// What a policy watches beside objectives.
#[derive(Clone, Debug)]
struct Others {
    demand: Option<String>,
    schedule: Option<String>,
    triggers: Vec<String>,
    pid: Option<String>,
    ahead: Vec<String>,
}

/// What is forecast, weighed and promised. Steps are short enough for the histories below to teach something.
fn ahead() -> impl Strategy<Value = Vec<String>> {
    let step = prop::sample::select(vec![10, 20, 30]);
    let quantile = prop::sample::select(vec!["0.5", "0.6", "0.75"]);
    let prediction =
        (step, 0_u32..80, 0_u32..120, quantile, 1_u32..50).prop_map(|(step, lead_time, more, quantile, confidence)| {
            format!(
                "prediction: {{ model: last_value, step: {step}s, lead_time: {lead_time}s, lookahead: {}s, \
                 quantile: {quantile}, confidence: 0.{confidence:02} }}",
                lead_time + more
            )
        });
    let factors = (0_u32..10, 0_u32..10)
        .prop_map(|(urgency, margin)| format!("five_factors: {{ urgency: 0.{urgency}, margin: 0.{margin} }}"));
    let targets = (100_u32..2_000).prop_map(|most| format!("performance_targets: {{ max_response_time_ms: {most} }}"));
    let rarely = |of| prop::option::weighted(0.4, of);
    (rarely(prediction.boxed()), rarely(factors.boxed()), prop::option::weighted(0.2, targets))
        .prop_map(|(prediction, factors, targets)| [prediction, factors, targets].into_iter().flatten().collect())
}

fn others() -> impl Strategy<Value = Others> {
    let rarely = |of| prop::option::weighted(0.3, of);
    let triggers = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(trigger(), 1..3)];
    (rarely(demand().boxed()), rarely(schedule().boxed()), triggers, rarely(pid().boxed()), ahead())
        .prop_map(|(demand, schedule, triggers, pid, ahead)| Others { demand, schedule, triggers, pid, ahead })
}

pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let preset = prop::sample::select(vec!["", "preset: balanced\n", "preset: aggressive\n"]);
    let watched = (preset, prop::collection::vec(objective(), 1..4), others());
    let behavior = (direction(), direction(), 0_u32..3);
    (watched, bounds(), behavior, safety(), orders()).prop_map(
        |((preset, objectives, others), (min, max, of_bounds), (up, down, completeness), mut safety, orders)| {
            // One of each name: an objective is drawn for at most one signal.
            let named: BTreeMap<_, _> =
                objectives.into_iter().map(|objective| (objective[..10].to_owned(), objective)).collect();
            let Others { demand, schedule, triggers, pid, ahead } = others;
            let triggers = triggers.iter().enumerate().map(|(index, it)| format!("{{ name: t{index}, {it} }}"));
            safety.extend(of_bounds);
            policy(&format!(
                "{preset}formulas: {{ depth: 'total(queue_depth.last) / max(1, instances - 2)', \
                 busy: depth + 10 * run_queue.mean - 3, late: response_time_ms.p95 / (busy - 40) }}\n\
                 objectives: [{}]\ndemands: [{}]\nschedules: [{}]\ntriggers: [{}]\npid: [{}]\n\
                 min_instances: {min}\nmax_instances: {max}\nbehavior: {{ scale_up: {up}, scale_down: {down} }}\n\
                 min_completeness: {}\nexpires_after: 60s\nsafety: {{ {} }}\n{}\n{}",
                named.into_values().collect::<Vec<_>>().join(", "),
                demand.unwrap_or_default(),
                schedule.unwrap_or_default(),
                triggers.collect::<Vec<_>>().join(", "),
                pid.unwrap_or_default(),
                f64::from(completeness) * 0.45,
                safety.join(", "),
                ahead.join("\n"),
                orders.join("\n"),
            ))
        },
    )
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
            let cost = [("compute_cost_per_hour", f64::from(queue) / 100.0), ("network_cost_per_hour", 0.25)];
            let room = [("free_node_capacity", f64::from(queue % 9)), ("pending_instances", f64::from(queue % 4))];
            let queue = [("queue_depth", f64::from(queue) / 3.0), ("run_queue", f64::from(queue) / 7.0)];
            let gauges = [
                cpu,
                if seen[1].index(6) == 0 { &[] } else { &memory },
                if seen[2].index(6) == 0 { &[] } else { &queue },
                if seen[3].index(6) == 0 { &[] } else { &cost },
                if seen[3].index(4) == 0 { &room } else { &[] },
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
pub(crate) fn signal_values() -> impl Strategy<Value = SignalValues> {
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
pub(crate) fn history() -> impl Strategy<Value = Vec<(i64, Fleet)>> {
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
