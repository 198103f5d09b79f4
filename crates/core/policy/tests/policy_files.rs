//! Policy files: the examples read, and what is wrong is told with place, key path, expectation and nearest key.
#![allow(clippy::disallowed_methods, reason = "a test reads the examples")]

use std::time::Duration;
use tidegauge_model::{AgentId, Mode, Target, WindowSpec, WorkspaceId};
use tidegauge_policy::document::{self, Document};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{AlertRules, Policy, SqlSignal};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/policies");

#[test]
fn every_example_reads() {
    let mut files: Vec<_> =
        std::fs::read_dir(EXAMPLES).expect("the examples").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        let (name, text) = (path.display().to_string(), std::fs::read_to_string(&path).expect("a text"));
        let documents = document::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
        for document in documents {
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            match document {
                Document::Policy(policy) => assert_eq!(policy.name, stem, "a policy is named as its file"),
                Document::AlertRules(rules) => {
                    assert_eq!(format!("alerts-{}", rules.name.replace("defaults", "default")), stem);
                }
                Document::Quota(quota) => panic!("{stem}: the quota {} stands in examples/quotas", quota.name),
                Document::Silence(_) | Document::Inhibition(_) => assert!(stem.starts_with("alerts-"), "{stem}"),
                Document::Signal(signal) => panic!("{stem}: the signal {} stands in examples/signals", signal.name),
            }
        }
    }
}

/// `spec` below the usual head; line 5 of the file is its first line, indented by two.
fn file(spec: &str) -> String {
    let head = "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: { name: p, version: 1 }\nspec:\n";
    head.to_owned() + &spec.lines().map(|line| format!("  {line}\n")).collect::<String>()
}

fn policy(spec: &str) -> Policy {
    Policy::parse("p.yaml", &file(spec)).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

#[test]
fn presets_are_the_ratio_kind() {
    // name, up, down, objective = √(up·down), tolerance up = up/objective − 1 = tolerance down's inverse, min, max
    let cases = [
        ("aggressive", 0.6, 0.3, 0.424_264_068_711_928_5, 0.414_213_562_4, 0.292_893_218_8, 3, 20),
        ("conservative", 0.8, 0.2, 0.4, 1.0, 0.5, 2, 10),
        ("balanced", 0.7, 0.3, 0.458_257_569_495_584, 0.527_525_231_7, 0.345_346_329_3, 3, 15),
    ];
    for (name, _up, _down, objective, tolerance_up, tolerance_down, min, max) in cases {
        let policy = policy(&format!("preset: {name}"));
        let cpu = &policy.objectives[0];
        assert!((cpu.target - objective).abs() < 1e-12, "{name}: {}", cpu.target);
        assert!((cpu.band.high - 1.0 - tolerance_up).abs() < 1e-9, "{name}: {:?}", cpu.band);
        assert!((1.0 - cpu.band.low - tolerance_down).abs() < 1e-9, "{name}: {:?}", cpu.band);
        assert_eq!((policy.min_instances, policy.max_instances), (min, max), "{name}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let policy = policy("objectives: [{ signal: cpu, target: 0.7 }]\nmax_instances: 9");
    assert_eq!((policy.min_instances, policy.mode, policy.min_completeness), (1, Mode::Live, 0.9));
    assert_eq!(policy.window.size.as_secs(), 60);
    assert_eq!(policy.window.slide.as_secs(), 10);
    assert_eq!(policy.expires_after.as_secs(), 300);
    assert_eq!(policy.scale_up.stabilization_window.as_secs(), 0);
    assert_eq!(policy.scale_down.stabilization_window.as_secs(), 300);
    assert_eq!(policy.scale_up.rules.limits.len(), 2);
}

/// **Y2**: how it is written does not matter, what is meant does.
#[test]
fn the_hash_is_of_what_is_meant() {
    let hash = |spec: &str| policy(spec).hash;
    let plain = hash("preset: balanced");
    assert_eq!(plain.len(), 64);
    assert_eq!(
        plain,
        hash("# the same\nmin_instances: 3\npreset: balanced\nwindow: { slide: 10s }\nexpires_after: 300s")
    );
    assert_ne!(plain, hash("preset: balanced\nmin_instances: 4"));
    assert_ne!(plain, hash("preset: balanced\nmode: shadow"));
}

/// Each error says where, which key, what was expected, and the nearest known key.
#[test]
fn errors_say_what_to_do() {
    #[rustfmt::skip]
    let cases = [ // spec, the whole message
        ("preset: balancd",
            "p.yaml:5:11: spec.preset: unknown value `balancd`; expected one of `aggressive`, `conservative`, `balanced`; did you mean `balanced`?"),
        ("presett: balanced",
            "p.yaml:5:3: spec.presett: unknown key `presett`; expected one of `match`, `mode`, `window`, `preset`, `objectives`, `formulas`, `demands`, `schedules`, `triggers`, `pid`, `prediction`, `five_factors`, `choice`, `requests`, `performance_targets`, `planned_events`, `tolerance`, `min_instances`, `max_instances`, `behavior`, `safety`, `feedback`, `override`, `freeze`, `kill_switch`, `min_completeness`, `expires_after`; did you mean `preset`?"),
        ("preset: balanced\nexpires_after: 5min",
            "p.yaml:6:18: spec.expires_after: `5min` is not a duration: a unit is unknown; expected a duration with a unit, such as 500ms, 10s, 5m, 1h30m or 2d"),
        ("preset: balanced\nexpires_after: 300",
            "p.yaml:6:18: spec.expires_after: `300` is not a duration: a number has no unit; expected a duration with a unit, such as 500ms, 10s, 5m, 1h30m or 2d"),
        ("preset: balanced\nmin_instances: many",
            "p.yaml:6:18: spec.min_instances: expected a whole number, 0 or more"),
        ("preset: balanced\nmin_instances: 16",
            "p.yaml:6:18: spec.min_instances: expected at most spec.max_instances, which is 15, found 16"),
        ("preset: balanced\nmax_instances: 0",
            "p.yaml:6:18: spec.max_instances: expected 1 to 1000000, found 0"),
        ("objectives: [{ signal: cpu, target: 0.7 }]",
            "p.yaml:5:3: spec.max_instances: expected a number of instances, found none"),
        ("max_instances: 5",
            "p.yaml:5:3: spec.objectives: expected at least one objective, demand, trigger or pid, or a `preset`, found none"),
        ("preset: balanced\nwindow: { size: 65s, slide: 10s }",
            "p.yaml:6:19: spec.window.size: expected a multiple of the slide 10s, found 1m5s"),
        ("preset: balanced\nwindow: { size: 10s, slide: 1m }",
            "p.yaml:6:31: spec.window.slide: expected more than 0s and at most the size 10s, found 1m"),
        ("preset: balanced\ntolerance: { down: 1 }",
            "p.yaml:6:22: spec.tolerance.down: expected 0 or more and less than 1, found 1"),
        ("preset: balanced\ntolerance: { up: -0.1 }",
            "p.yaml:6:20: spec.tolerance.up: expected 0 or more, found -0.1"),
        ("preset: balanced\nmin_completeness: 90",
            "p.yaml:6:21: spec.min_completeness: expected a ratio from 0 to 1, found 90"),
        ("preset: balanced\nobjectives: [{ signal: cpu, target: 0.5 }]",
            "p.yaml:6:16: spec.objectives[0].name: expected a name of its own, found `cpu` a second time"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, target: 0 }",
            "p.yaml:7:28: spec.objectives[0].target: expected a number above 0, found 0"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, target: 70 }",
            "p.yaml:7:28: spec.objectives[0].target: expected a ratio such as 0.70, found 70, which looks like a percent"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, target: 0.705 }",
            "p.yaml:7:28: spec.objectives[0].target: expected a whole number of percents, such as 0.70, found 0.705; `thresholds` are not rounded"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, traget: 0.7 }",
            "p.yaml:7:20: spec.objectives[0].traget: unknown key `traget`; expected one of `name`, `signal`, `metric`, `formula`, `of`, `statistic`, `type`, `target`, `thresholds`, `tolerance`, `when_absent`; did you mean `target`?"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu }",
            "p.yaml:7:5: spec.objectives[0].target: expected `target` or `thresholds`, found neither"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, thresholds: { up: 0.3, down: 0.7 } }",
            "p.yaml:7:38: spec.objectives[0].thresholds.up: expected more than spec.objectives[0].thresholds.down, which is 0.7, found 0.3"),
        ("max_instances: 5\nobjectives:\n- { metric: queue_depth, target: 3 }",
            "p.yaml:7:5: spec.objectives[0].type: expected utilization, average_value or value beside `metric`"),
        ("max_instances: 5\nobjectives:\n- { metric: queue_depth, type: value, statistic: p95, target: 3 }",
            "p.yaml:7:52: spec.objectives[0].statistic: expected mean, min, max, last, sum or rate_per_s of `queue_depth`, found p95"),
        ("max_instances: 5\nobjectives:\n- { signal: cpu, metric: x, target: 3 }",
            "p.yaml:7:28: spec.objectives[0].metric: expected either `signal` or `metric`, found both"),
        ("max_instances: 5\nobjectives:\n- { signal: cpuu, target: 0.7 }",
            "p.yaml:7:15: spec.objectives[0].signal: unknown signal `cpuu`; expected one of `cpu`, `memory`, `queue_depth`, `requests_per_s`, `response_time_ms`; or with `type` beside it a signal of SQL of that name; did you mean `cpu`?"),
        ("max_instances: 5\nobjectives:\n- { metric: queue_depth, type: utilization, target: 0.7 }",
            "p.yaml:7:34: spec.objectives[0].type: expected average_value or value: `queue_depth` is in waiting items, and a utilization is a ratio"),
        ("max_instances: 5\nobjectives:\n- { signal: hot_share, type: utilization, target: 0.7 }",
            "p.yaml:7:32: spec.objectives[0].type: expected average_value or value for a signal of SQL, found utilization"),
        ("max_instances: 5\nobjectives:\n- { signal: cpuu, type: utilization, target: 0.7 }",
            "p.yaml:7:15: spec.objectives[0].signal: unknown signal `cpuu`; expected `cpu` or `memory` with the type utilization; did you mean `cpu`?"),
        ("max_instances: 5\nobjectives:\n- { signal: hot_share, type: value, statistic: max, target: 0.7 }",
            "p.yaml:7:50: spec.objectives[0].statistic: expected none beside a signal of SQL, which says by itself what its value is"),
        ("max_instances: 5\ndemands:\n- { name: a }",
            "p.yaml:7:5: spec.demands[0]: expected `lag` or `queueing`, found neither"),
        ("max_instances: 5\ndemands:\n- { lagg: {} }",
            "p.yaml:7:7: spec.demands[0].lagg: unknown key `lagg`; expected one of `name`, `lag`, `queueing`; did you mean `lag`?"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: 3, arrivals_per_s: 1, served_per_s: 0, catch_up: 5m }",
            "p.yaml:7:57: spec.demands[0].lag.served_per_s: expected a number above 0, found 0"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: many, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:7:12: spec.demands[0].lag.waiting: expected a number, or a metric such as { metric: requests_per_s }, found string \"many\""),
        ("max_instances: 5\ndemands:\n- lag: { waiting: { metrik: queue_depth }, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:7:23: spec.demands[0].lag.waiting.metrik: unknown key `metrik`; expected one of `metric`, `formula`, `statistic`; did you mean `metric`?"),
        ("max_instances: 5\nformulas: { a: instances }\ndemands:\n- lag: { waiting: { formula: b }, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:8:32: spec.demands[0].lag.waiting.formula: expected one of `a`, found `b`; did you mean `a`?"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: { statistic: last }, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:7:21: spec.demands[0].lag.waiting: expected `metric` or `formula`, found neither"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: { metric: queue_depth, statistic: p95 }, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:7:55: spec.demands[0].lag.waiting.statistic: expected mean, min, max, last, sum or rate_per_s of `queue_depth`, found p95"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: { metric: response_time_ms }, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m }",
            "p.yaml:7:31: spec.demands[0].lag.waiting.metric: expected a count or a rate such as queue_depth or requests_per_s, found the time `response_time_ms`"),
        ("max_instances: 5\ndemands:\n- lag: { waiting: 3, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m, utilization: 80 }",
            "p.yaml:7:87: spec.demands[0].lag.utilization: expected a ratio above 0 and at most 1, found 80"),
        ("max_instances: 5\ndemands:\n- queueing: { arrivals_per_s: 1, service_time: 5, within: 1s }",
            "p.yaml:7:36: spec.demands[0].queueing.service_time: expected a duration such as 80ms, or a metric such as { metric: service_time_ms }, found integer `5`"),
        ("max_instances: 5\ndemands:\n- queueing: { arrivals_per_s: 1, service_time: { metric: requests_per_s }, within: 1s }",
            "p.yaml:7:60: spec.demands[0].queueing.service_time.metric: expected a metric whose name ends in its unit, `_ms` or `_s`, found `requests_per_s`"),
        ("max_instances: 5\ndemands:\n- queueing: { arrivals_per_s: 1, service_time: 1s, within: 1s, late: 5 }",
            "p.yaml:7:72: spec.demands[0].queueing.late: expected a ratio above 0 and below 1, found 5"),
        ("max_instances: 5\ndemands:\n- queueing: { arrivals_per_s: 1, service_time: 1s, within: 1s, of: respons }",
            "p.yaml:7:70: spec.demands[0].queueing.of: unknown value `respons`; expected one of `waiting`, `response`; did you mean `response`?"),
        ("preset: balanced\ndemands:\n- { name: cpu, lag: { waiting: 3, arrivals_per_s: 1, served_per_s: 1, catch_up: 5m } }",
            "p.yaml:7:13: spec.demands[0].name: expected a name of its own, found `cpu` a second time"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * *', lasts: 1h, floor: 3 }",
            "p.yaml:7:22: spec.schedules[0].cron: expected five fields (minute, hour, day of month, month, day of week) such as `30 8 * * mon-fri`, found 4"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * mun', lasts: 1h, floor: 3 }",
            "p.yaml:7:22: spec.schedules[0].cron: expected 0 to 7 as day of week, found `mun`; did you mean `mon`?"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * *', time_zone: Europe/Berln, lasts: 1h, floor: 3 }",
            "p.yaml:7:46: spec.schedules[0].time_zone: expected a name of the IANA database such as Europe/Berlin, found `Europe/Berln`; did you mean `Europe/Berlin`?"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * *', lasts: 1s, floor: 3 }",
            "p.yaml:7:42: spec.schedules[0].lasts: expected 1m to 31d, found 1s"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * *', lasts: 1h }",
            "p.yaml:7:5: spec.schedules[0]: expected `floor` or `exact`, found neither"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * *', lasts: 1h, floor: 3, exact: 4 }",
            "p.yaml:7:63: spec.schedules[0].exact: expected either `floor` or `exact`, found both"),
        ("preset: balanced\nschedules:\n- { name: s, cron: '0 8 * * *', lasts: 1h, floor: 0 }",
            "p.yaml:7:53: spec.schedules[0].floor: expected 1 to 1000000, found 0"),
        ("preset: balanced\nschedules:\n- { name: cpu, cron: '0 8 * * *', lasts: 1h, floor: 3 }",
            "p.yaml:7:13: spec.schedules[0].name: expected a name of its own, found `cpu` a second time"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, above: 80 }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:44: spec.triggers[0].when.above: expected a ratio such as 0.70, found 80, which looks like a percent"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, abve: 0.8 }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:37: spec.triggers[0].when.abve: unknown key `abve`; expected one of `all`, `any`, `signal`, `metric`, `formula`, `of`, `statistic`, `above`, `below`, `for`; did you mean `above`?"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, above: 0.8, below: 0.9 }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:56: spec.triggers[0].when.below: expected either `above` or `below`, found both; for a range write `all` of two conditions"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { all: [{ signal: cpu, above: 0.8 }], signal: memory }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:68: spec.triggers[0].when.signal: expected none beside `all`; make it one of its list"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { any: [{ signal: cpu, above: 0.8 }, { metric: queue_depth, statistic: p95, above: 3 }] }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:93: spec.triggers[0].when.any[1].statistic: expected mean, min, max, last, sum or rate_per_s of `queue_depth`, found p95"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, above: 0.8, for: 2d }, action: scale_up, amount: { instances: 1 } }",
            "p.yaml:7:54: spec.triggers[0].when.for: expected at most 1d, found 2d"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, above: 0.8 }, action: scale_up, amount: { percent: 0 } }",
            "p.yaml:7:88: spec.triggers[0].amount.percent: expected 1 to 1000, found 0"),
        ("max_instances: 5\ntriggers:\n- { name: t, when: { signal: cpu, above: 0.8 }, action: scale_upp, amount: { instances: 1 } }",
            "p.yaml:7:59: spec.triggers[0].action: unknown value `scale_upp`; expected one of `scale_up`, `scale_down`; did you mean `scale_up`?"),
        ("preset: balanced\nprediction: { of: cpuu }",
            "p.yaml:6:21: spec.prediction.of: expected the name of an objective or demand, one of `cpu`, found `cpuu`; did you mean `cpu`?"),
        ("preset: balanced\nprediction: { model: scaled_dayly }",
            "p.yaml:6:24: spec.prediction.model: unknown value `scaled_dayly`; expected one of `auto`, `last_value`, `daily`, `scaled_daily`, `weekly`, `scaled_weekly`; did you mean `scaled_daily`?"),
        ("preset: balanced\nprediction: { quantile: 90 }",
            "p.yaml:6:27: spec.prediction.quantile: expected 0.5 to 0.99, found 90"),
        ("preset: balanced\nprediction: { confidence: 0.95 }",
            "p.yaml:6:29: spec.prediction.confidence: expected more than 0 and at most the quantile, which is 0.9, found 0.95"),
        ("preset: balanced\nprediction: { step: 1m }",
            "p.yaml:6:23: spec.prediction.step: expected 5m to 1h with this model, found 1m"),
        ("preset: balanced\nprediction: { step: 7m, model: daily }",
            "p.yaml:6:23: spec.prediction.step: expected a divisor of a day, found 7m"),
        ("preset: balanced\nprediction: { lead_time: 30m, lookahead: 10m }",
            "p.yaml:6:44: spec.prediction.lookahead: expected lead_time, which is 30m, to 1d, found 10m"),
        ("max_instances: 5\ntriggers: [{ name: t, when: { signal: cpu, above: 0.8 }, action: scale_up, amount: { instances: 1 } }]\nprediction: {}",
            "p.yaml:7:15: spec.prediction: expected an objective or a demand to forecast, found none"),
        ("preset: balanced\nfive_factors: { urgency: 80 }",
            "p.yaml:6:28: spec.five_factors.urgency: expected 0 to 1, found 80"),
        ("preset: balanced\nchoice: { preset: cheap }",
            "p.yaml:6:21: spec.choice.preset: unknown value `cheap`; expected one of `cost_aware`, `performance_aware`, `availability_aware`, `workload_aware`"),
        ("preset: balanced\nchoice: { preset: cost_aware, weights: { cost: 1 } }",
            "p.yaml:6:42: spec.choice.weights: expected either `preset` or `weights`, found both"),
        ("preset: balanced\nchoice: { weights: { cost: 0, performance: 0 } }",
            "p.yaml:6:22: spec.choice.weights: expected a weight above 0, found 0 together: nothing would be weighed; try `preset: cost_aware`"),
        ("preset: balanced\nchoice: { weights: { cost: -1 } }",
            "p.yaml:6:30: spec.choice.weights.cost: expected 0 to 1000000, found -1"),
        ("preset: balanced\nchoice: { sizes: [{ name: big, cpu_cores: 4, memory_bytes: 8e9, cost_per_hour: 0 }] }",
            "p.yaml:6:82: spec.choice.sizes[0].cost_per_hour: expected a number above 0, found 0"),
        ("preset: balanced\nchoice: { sizes: [{ name: big, cpu_cores: 4, memory_bytes: 8e9, cost_per_hour: 1 }], size: bog }",
            "p.yaml:6:94: spec.choice.size: expected one of spec.choice.sizes, found `bog`; did you mean `big`?"),
        ("preset: balanced\nchoice: { regions: [{ name: eu, cost_per_hour: 1 }] }",
            "p.yaml:6:11: spec.choice.region: expected the one of spec.choice.regions in which instances run now, found none"),
        ("preset: balanced\nperformance_targets: { cost_weight: 2 }",
            "p.yaml:6:39: spec.performance_targets.cost_weight: expected 0 to 1, found 2"),
        ("preset: balanced\nrequests: { lower: 0.95 }",
            "p.yaml:6:22: spec.requests.lower: expected 0 to spec.requests.target, which is 0.9, found 0.95"),
        ("preset: balanced\nperformance_targets: { min_availability: 99.9 }",
            "p.yaml:6:44: spec.performance_targets.min_availability: expected a share of 0 or more and less than 1, such as 0.999, found 99.9"),
        ("preset: balanced\nperformance_targets: { max_error_rate: 5 }",
            "p.yaml:6:42: spec.performance_targets.max_error_rate: expected a share above 0 and at most 1, such as 0.01, found 5"),
        ("preset: balanced\npid:\n- { objective: { signal: cpu, target: 0.7 }, proportional: 3 }",
            "p.yaml:7:62: spec.pid[0].proportional: expected 0 to 1, found 3"),
        ("preset: balanced\npid:\n- { name: cpu, objective: { signal: cpu, target: 0.7 } }",
            "p.yaml:7:13: spec.pid[0].name: expected a name of its own, found `cpu` a second time"),
        ("preset: balanced\nsafety: { partitions: 10 }",
            "p.yaml:5:3: spec.min_instances: expected a divisor of spec.safety.partitions, which is 10, such as 2 or 5, found 3"),
        ("preset: balanced\nsafety: { flap_budget: { shrinks: 2, within: 5s } }",
            "p.yaml:6:48: spec.safety.flap_budget.within: expected 1m to 6h, found 5s"),
        ("preset: balanced\nsafety: { availability_floor: { percent: 120 } }",
            "p.yaml:6:44: spec.safety.availability_floor.percent: expected 1 to 100, found 120"),
        ("preset: balanced\nsafety: { quota: { surge_percent: 10 } }",
            "p.yaml:6:20: spec.safety.quota: expected at least one of `instances`, `cpu_cores` and `memory_bytes`, found none"),
        ("preset: balanced\nsafety: { budget: { per_hour: 1, instance_per_hour: 2 } }",
            "p.yaml:6:33: spec.safety.budget.per_hour: expected enough for one instance, which costs 2, found 1"),
        ("preset: balanced\nsafety: { scale_to_zero: { idle: { signal: cpu, below: 0.1 }, wake: { metric: x, above: 0 } } }",
            "p.yaml:6:28: spec.safety.scale_to_zero: expected only with `min_instances: 0`, which is 3"),
        ("preset: balanced\nsafety: { excluded: [{ name: x, cron: '0 8 * * mun', lasts: 1h }] }",
            "p.yaml:6:41: spec.safety.excluded[0].cron: expected 0 to 7 as day of week, found `mun`; did you mean `mon`?"),
        ("preset: balanced\noverride: { instances: 3, by: '', until: 2026-11-27T06:00:00Z }",
            "p.yaml:6:33: spec.override.by: expected who says so, found nobody"),
        ("preset: balanced\noverride: { instances: 3, by: ana, until: tomorrow }",
            "p.yaml:6:45: spec.override.until: `tomorrow` is not a time; expected date, time and offset such as 2026-11-27T06:00:00Z"),
        ("preset: balanced\nplanned_events:\n- { name: e, from: 2026-11-27T06:00:00Z, to: 2026-11-27T06:00:00Z, floor: 3 }",
            "p.yaml:7:48: spec.planned_events[0].to: expected a time after spec.planned_events[0].from"),
        ("preset: balanced\nmode: pausd",
            "p.yaml:6:9: spec.mode: unknown value `pausd`; expected one of `live`, `shadow`, `advisory`, `paused`, `paused_in`, `paused_out`; did you mean `paused`?"),
        ("preset: balanced\nbehavior: { scale_up: { cooldown: 7h } }",
            "p.yaml:6:37: spec.behavior.scale_up.cooldown: expected at most 6h, found 7h"),
        ("preset: balanced\nbehavior: { scale_up: { policies: [{ type: pods, value: 1, period: 15s }] } }",
            "p.yaml:6:46: spec.behavior.scale_up.policies[0].type: unknown value `pods`; expected one of `instances`, `percent`"),
        ("preset: balanced\nbehavior: { scale_up: { policies: [{ type: percent, value: 1, period: 1h }] } }",
            "p.yaml:6:73: spec.behavior.scale_up.policies[0].period: expected more than 0s and at most 30m, found 1h"),
        ("preset: balanced\nbehavior: { scale_down: { policies: [] } }",
            "p.yaml:6:39: spec.behavior.scale_down.policies: expected at least one policy; to allow no change write `select: disabled`"),
    ];
    let wrong = |(spec, want): &(&str, &str)| {
        let got = Policy::parse("p.yaml", &file(spec)).expect_err(want).to_string();
        (got != *want).then(|| format!("{spec}\n want {want}\n  got {got}"))
    };
    let wrong: Vec<_> = cases.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_of_the_head() {
    #[rustfmt::skip]
    let cases = [
        ("",
            "p.yaml: expected at least one document with `apiVersion` and `kind`, found none"),
        ("kind: Policy",
            "p.yaml:1:1: apiVersion: expected the key `apiVersion`, found none"),
        ("apiVersion: v1\nkind: Policy",
            "p.yaml:1:13: apiVersion: expected tidegauge.io/v1, found `v1`; did you mean `tidegauge.io/v1`?"),
        ("apiVersion: tidegauge.io/v1\nkind: Policies",
            "p.yaml:2:7: kind: expected one of Policy, AlertRules, Signal, Silence, Inhibition, Quota, found `Policies`; did you mean `Policy`?"),
    ];
    for (text, want) in cases {
        assert_eq!(Policy::parse("p.yaml", text).expect_err(want).to_string(), want);
    }
}

/// A file may hold several documents, and places are those of the file.
#[test]
fn documents_keep_their_lines() {
    let text = format!("# two\n---\n{}---\n{}", file("preset: balanced"), file("preset: nothing"));
    let error = Policy::parse("p.yaml", &text).expect_err("the second is wrong").to_string();
    assert!(error.starts_with("p.yaml:13:11: spec.preset: unknown value `nothing`"), "{error}");
    let text = format!("{}---\n{}", file("preset: balanced"), file("preset: aggressive"));
    assert_eq!(Policy::parse("p.yaml", &text).map(|policies| policies.len()), Ok(2));
}

/// An entity has a window and no instances, and is named where its kind has several.
#[test]
fn entities_of_alert_rules_are_checked() {
    let head = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: { name: r, version: 1 }\nspec:\n  rules:\n";
    #[rustfmt::skip]
    let cases = [
        ("{ name: a, entity: { kind: dependency }, signal: { kind: error_rate }, above: 1 }",
            "spec.rules[0].entity.name: expected the name of the dependency, as telemetry has it in `entity_id`, found none"),
        ("{ name: a, entity: { kind: agent, name: b }, signal: { kind: error_rate }, above: 1 }",
            "spec.rules[0].entity.name: expected no name: there is one agent, found `b`"),
        ("{ name: a, entity: { kind: shard, name: b }, signal: { kind: error_rate }, by: instance, above: 1 }",
            "spec.rules[0].entity: expected no `by: instance` with an entity: it has no instances"),
        ("{ name: a, entity: { kind: shard, name: b }, signal: { kind: signal, name: s }, above: 1 }",
            "spec.rules[0].entity: expected a signal of kind metric, utilization or error_rate with an entity"),
        ("{ name: a, entity: { kind: instance, name: b }, signal: { kind: error_rate }, above: 1 }",
            "spec.rules[0].entity.kind: "),
    ];
    for (rule, want) in cases {
        let got = AlertRules::parse("r.yaml", &format!("{head}  - {rule}\n")).expect_err(want).to_string();
        assert!(got.contains(want), "{rule}\n want {want}\n  got {got}");
    }
}

#[test]
fn alert_rules_are_checked_too() {
    let head = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: { name: r, version: 1 }\nspec:\n  rules:\n";
    #[rustfmt::skip]
    let cases = [
        ("  - { name: a, signal: { kind: error_rate } }",
            "r.yaml:6:5: spec.rules[0].above: expected `above` or `below`, found neither"),
        ("  - { name: a, signal: { kind: error_rate }, above: 0.1, recovery: 0.2 }",
            "r.yaml:6:68: spec.rules[0].recovery: expected a level on the calm side of the threshold 0.1, found 0.2"),
        ("  - { name: a, signal: { kind: ready_below_min }, above: 1 }",
            "r.yaml:6:5: spec.rules[0]: expected neither `above`, `below` nor `by: instance` with ready_below_min, no_data and finding"),
        ("  - { name: a, signal: { kind: error_rate }, above: 1, for: 5 }",
            "r.yaml:6:61: spec.rules[0].for: `5` is not a duration: a number has no unit; expected a duration with a unit, such as 500ms, 10s, 5m, 1h30m or 2d"),
        ("  - { name: a, signal: { kind: error_rate }, above: 1, fro: 5m }",
            "r.yaml:6:56: spec.rules[0].fro: unknown key `fro`; expected one of `name`, `signal`, `entity`, `above`, `below`, `recovery`, `for`, `keep_firing_for`, `severity`, `by`, `forget_absent_after`, `labels`, `summary`, `annotations`, `runbook_url`; did you mean `for`?"),
        ("  - { name: a, signal: { kind: metric, metric: queue_depth, statistic: p99 }, above: 1 }",
            "r.yaml:6:72: spec.rules[0].signal.statistic: expected mean, min, max, last, sum or rate_per_s of `queue_depth`, found p99"),
        ("  - { name: a, signal: { kind: no_data }, by: instance }",
            "r.yaml:6:47: spec.rules[0].by: expected `agent` with no_data, finding, burn_rate, forecast and scaling, found `instance`"),
        ("  - { name: a, signal: { kind: no_data }, recovery: 1 }",
            "r.yaml:6:53: spec.rules[0].recovery: expected none with ready_below_min, no_data and finding, which have no level"),
        ("  - { name: a, signal: { kind: finding, of: [] } }",
            "r.yaml:6:45: spec.rules[0].signal.of: expected at least one kind of finding, found none"),
        ("  - { name: a, signal: { kind: burn_rate, objective: 99.9, long: 1h, short: 5m }, above: 14.4 }",
            "r.yaml:6:54: spec.rules[0].signal.objective: expected a share such as 0.999, found 99.9"),
        ("  - { name: a, signal: { kind: burn_rate, objective: 0.9, long: 1h, short: 5m }, above: 14.4 }",
            "r.yaml:6:89: spec.rules[0].above: expected a burn rate above 0 and below 10, which is what the objective 0.9 allows at most, found 14.4"),
        ("  - { name: a, signal: { kind: burn_rate, objective: 0.9, long: 1h, short: 30s }, above: 2 }",
            "r.yaml:6:76: spec.rules[0].signal.short: expected from the window's 1m to 1h, found 30s"),
        ("  - { name: a, signal: { kind: burn_rate, objective: 0.9, long: 1h, short: 5m }, below: 2 }",
            "r.yaml:6:5: spec.rules[0]: expected `above` alone with burn_rate, such as 14.4"),
        ("  - { name: a, signal: { kind: forecast, horizon: 8d } }",
            "r.yaml:6:51: spec.rules[0].signal.horizon: expected more than 0s and at most 7d, found 8d"),
        ("  - { name: a, signal: { kind: forecast, quantile: 1 } }",
            "r.yaml:6:52: spec.rules[0].signal.quantile: expected 0.5 to 0.99, found 1"),
        ("  - { name: a, signal: { kind: forecast }, by: instance }",
            "r.yaml:6:48: spec.rules[0].by: expected `agent` with no_data, finding, burn_rate, forecast and scaling, found `instance`"),
        ("  - { name: a, signal: { kind: error_rate }, above: 0.1, labels: { severity: high } }",
            "r.yaml:6:78: spec.rules[0].labels.severity: expected a name of its own, but `severity` is one of tidegauge's own labels"),
        ("  - { name: a, signal: { kind: error_rate }, above: 0.1, labels: { entity_id: db } }",
            "r.yaml:6:79: spec.rules[0].labels.entity_id: expected a name of its own, but `entity_id` is one of tidegauge's own labels"),
        ("  - { name: a, signal: { kind: error_rate }, above: 0.1, runbook_url: runbooks/a }",
            "r.yaml:6:71: spec.rules[0].runbook_url: expected an http or https address, found `runbooks/a`"),
        ("  - { name: a, signal: { kind: error_rate }, above: 0.1, annotations: { help: '{vlaue}' } }",
            "r.yaml:6:79: spec.rules[0].annotations.help: unknown name {vlaue}; expected one of {rule}, {target}, {workspace}, {agent}, {region}, {instance}, {value}, {threshold}, {severity}, {importance}, {finding}, {entity}, {horizon}, {time_to_breach}, {labels.NAME} of the rule's own; did you mean `value`?"),
    ];
    let mut wrong = Vec::new();
    for (rule, want) in cases {
        let got = AlertRules::parse("r.yaml", &format!("{head}{rule}\n")).expect_err(want).to_string();
        if got != want {
            wrong.push(format!("{rule}\n want {want}\n  got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn signals_are_checked_but_for_their_sql() {
    let file = |name: &str, spec: &str| {
        format!(
            "apiVersion: tidegauge.io/v1\nkind: Signal\nmetadata: {{ name: {name}, version: 1 }}\nspec:\n  {spec}\n"
        )
    };
    let sound = SqlSignal::parse("s.yaml", &file("hot_share", "sql: ' SELECT 1 AS value '")).expect("sound").remove(0);
    assert_eq!((sound.name.as_str(), sound.sql.as_str()), ("hot_share", "SELECT 1 AS value"));
    assert_eq!((sound.window.size.as_secs(), sound.window.slide.as_secs()), (60, 10));
    let same = SqlSignal::parse("s.yaml", &file("hot_share", "{window: {size: 60s}, sql: SELECT 1 AS value}"));
    assert_eq!(same.expect("sound").remove(0).hash, sound.hash, "of what is meant");
    #[rustfmt::skip]
    let cases = [ // name, spec, the whole message
        ("cpu", "sql: SELECT 1",
            "s.yaml:3:19: metadata.name: expected a name of its own, but `cpu` is one of the usual signals"),
        ("Hot", "sql: SELECT 1",
            "s.yaml:3:19: metadata.name: expected small letters, digits and `_`, a letter first, at most 63, found `Hot`"),
        ("hot", "sql: ''",
            "s.yaml:5:8: spec.sql: expected a SELECT of at most 16384 bytes, found 0"),
        ("hot", "sqll: SELECT 1",
            "s.yaml:5:3: spec.sqll: unknown key `sqll`; expected one of `window`, `sql`; did you mean `sql`?"),
        ("hot", "{sql: SELECT 1, window: {size: 15s, slide: 10s}}",
            "s.yaml:5:34: spec.window.size: expected a multiple of the slide 10s, found 15s"),
    ];
    let wrong = |(name, spec, want): &(&str, &str, &str)| {
        let got = SqlSignal::parse("s.yaml", &file(name, spec)).expect_err(want).to_string();
        (got != *want).then(|| format!("{spec}\n want {want}\n  got {got}"))
    };
    let wrong: Vec<_> = cases.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let error = Policy::parse("s.yaml", &file("hot", "sql: SELECT 1")).expect_err("no policy").to_string();
    assert_eq!(error, "s.yaml: kind: expected Policy, found Signal `hot`");
}

/// A signal is there at the close of a policy's window if its own windows end wherever that one does.
#[test]
fn windows_of_signals_end_where_those_of_policies_do() {
    let spec = |size, slide| WindowSpec { size: Duration::from_secs(size), slide: Duration::from_secs(slide) };
    let text = "apiVersion: tidegauge.io/v1\nkind: Signal\nmetadata: { name: s, version: 1 }\n\
                spec: { window: { size: 5m, slide: 20s }, sql: SELECT 1 }\n";
    let signal = SqlSignal::parse("s.yaml", text).expect("sound").remove(0);
    let ends = [spec(300, 20), spec(60, 60), spec(60, 30), spec(60, 10)].map(|of| signal.ends_with(of));
    assert_eq!(ends, [true, true, false, false]);
}

#[test]
fn one_live_policy_applies_and_every_shadow() {
    let named = |name: &str, spec: &str| Policy { name: name.to_owned(), ..policy(spec) };
    let policies = [
        named("planners", "preset: balanced\nmatch: { agents: [\"planner-*\"] }"),
        named("shadow", "preset: aggressive\nmode: shadow"),
        named("all", "preset: conservative"),
    ];
    let applied = |agent: &str| {
        let target = Target { workspace: WorkspaceId::unnamed(), agent: AgentId::from(agent), region: None };
        applicable(&policies, &target).into_iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(applied("planner-1"), ["planners", "shadow"]);
    assert_eq!(applied("worker"), ["shadow", "all"]);
}

#[test]
fn silences_and_inhibition_rules_are_checked_too() {
    let head =
        |kind: &str| format!("apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{ name: s, version: 1 }}\nspec:\n");
    #[rustfmt::skip]
    let cases = [
        ("Silence", "  { matchers: [], until: 2026-01-01T00:00:00Z, author: me }",
            "s.yaml:5:15: spec.matchers: expected at least one matcher, found none: that would fit every alert"),
        ("Silence", "  { matchers: [{ label: agent }], until: 2026-01-01T00:00:00Z, author: me }",
            "s.yaml:5:16: spec.matchers[0]: expected exactly one of `is`, `is_not`, `like` and `unlike`"),
        ("Silence", "  { matchers: [{ label: agent, is: a }], from: 2026-01-02T00:00:00Z, until: 2026-01-01T00:00:00Z, author: me }",
            "s.yaml:5:77: spec.until: expected a time after spec.from, found 2026-01-01T00:00:00Z"),
        ("Silence", "  { matchers: [{ label: agent, is: a }], until: 2026-01-01T00:00:00Z, author: ' ' }",
            "s.yaml:5:79: spec.author: expected who says so, found nobody"),
        ("Inhibition", "  { source: [{ label: agent, is: a, like: b }], target: [{ label: agent, is: a }] }",
            "s.yaml:5:14: spec.source[0]: expected exactly one of `is`, `is_not`, `like` and `unlike`"),
    ];
    for (kind, spec, want) in cases {
        assert_eq!(document::parse("s.yaml", &format!("{}{spec}\n", head(kind))).expect_err(want).to_string(), want);
    }
}
