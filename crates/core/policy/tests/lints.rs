//! Lints: each fires where it should, and not where what it warns of was put right.

mod examples;

use std::collections::BTreeSet;
use tidegauge_policy::lint::{LintCode, lint};

fn file(kind: &str, spec: &str) -> String {
    let body = spec.lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("apiVersion: tidegauge.io/v1\nkind: {kind}\nmetadata: {{ name: p, version: 1 }}\nspec:\n{body}")
}

fn codes(kind: &str, spec: &str) -> Vec<LintCode> {
    let warnings = lint("p.yaml", &file(kind, spec)).unwrap_or_else(|error| panic!("{error}\n{spec}"));
    warnings.into_iter().map(|warning| warning.code).collect()
}

const CPU: &str = "objectives: [{ signal: cpu, target: 0.7 }]\nmin_instances: 2\nmax_instances: 20\n";

/// What fires alone, and the corrected form, of which nothing is said at all.
#[test]
fn each_lint_fires_and_its_correction_does_not() {
    use LintCode as L;
    let with = |more: &str| format!("{CPU}{more}");
    let objective = |objective: &str| format!("objectives: [{objective}]\nmin_instances: 1\nmax_instances: 20");
    let formula = |formula: &str, kind: &str| {
        format!(
            "formulas: {{ f: '{formula}' }}\nobjectives: [{{ formula: f, type: {kind}, target: 100 }}]\nmin_instances: 2\nmax_instances: 20"
        )
    };
    let schedule = |schedule: &str, more: &str| {
        with(&format!("schedules: [{{ name: s, cron: '0 8 * * *', {schedule} }}]\n{more}"))
    };
    let only_one = |most: &str| {
        let by_one = "policies: [{ type: instances, value: 1, period: 15s }]";
        format!(
            "objectives: [{{ signal: cpu, target: 0.7 }}]\nmin_instances: 0\n{most}\n\
             choice: {{ weights: {{ availability: 1, efficiency: 1 }} }}\n\
             behavior: {{ scale_up: {{ {by_one} }}, scale_down: {{ {by_one} }} }}"
        )
    };
    #[rustfmt::skip]
    let cases: Vec<(LintCode, String, String)> = vec![
        (L::Flapping, objective("{ signal: cpu, thresholds: { up: 0.70, down: 0.66 } }"),
            objective("{ signal: cpu, thresholds: { up: 0.70, down: 0.50 } }")),
        (L::Flapping, objective("{ signal: queue_depth, target: 10, tolerance: { up: 0.01, down: 0.01 } }"),
            objective("{ signal: queue_depth, target: 10 }")),
        (L::TotalAsValue, formula("total(queue_depth.mean)", "value"), formula("total(queue_depth.mean)", "average_value")),
        (L::TotalAsValue, formula("max(1, total(queue_depth.last) + total(run_queue.last))", "value"),
            formula("total(queue_depth.last) / max(1, total(throughput_per_s.mean))", "value")),
        (L::DividedTwice, formula("total(queue_depth.mean) / instances", "average_value"),
            formula("total(queue_depth.mean) / instances", "value")),
        (L::SameForAll, objective("{ metric: concurrent_users, type: average_value, target: 50 }"),
            "formulas: { users: concurrent_users.max }\nobjectives: [{ formula: users, type: average_value, target: 50 }]\nmax_instances: 20".to_owned()),
        (L::Memory, objective("{ signal: memory, target: 0.8 }"),
            objective("{ signal: memory, target: 0.8 }") + "\nbehavior: { scale_down: { select: disabled } }"),
        (L::Unreachable, objective("{ signal: cpu, of: limit, target: 0.95 }"), objective("{ signal: cpu, of: limit, target: 0.85 }")),
        (L::Unreachable, objective("{ signal: cpu, of: limit, thresholds: { up: 1.0, down: 0.3 } }"),
            objective("{ signal: cpu, of: request, thresholds: { up: 1.0, down: 0.3 } }")),
        (L::ShortStabilization, with("behavior: { scale_down: { stabilization_window: 30s } }"),
            with("behavior: { scale_down: { stabilization_window: 1m } }")),
        (L::LongCooldown, with("behavior: { scale_up: { policies: [{ type: instances, value: 1, period: 10m }] } }"),
            with("behavior: { scale_up: { policies: [{ type: instances, value: 1, period: 5m }] } }")),
        (L::LongCooldown,
            with("behavior: { scale_down: { select: min, policies: [{ type: instances, value: 1, period: 1m }, { type: instances, value: 9, period: 30m }] } }"),
            with("behavior: { scale_down: { policies: [{ type: instances, value: 1, period: 1m }, { type: instances, value: 9, period: 30m }] } }")),
        (L::CostUnknown, with("choice: { preset: cost_aware }"),
            with("choice: { preset: cost_aware, sizes: [{ name: m, cpu_cores: 1, memory_bytes: 1e9, cost_per_hour: 1 }], size: m }")),
        (L::OneCriterion, with("choice: { weights: { performance: 3 } }"), with("choice: { weights: { performance: 3, efficiency: 1 } }")),
        (L::NoneToLose, only_one("max_instances: 1"), only_one("max_instances: 3")),
        (L::Fixed, CPU.replace("max_instances: 20", "max_instances: 2"), CPU.to_owned()),
        (L::Fixed, with("behavior: { scale_up: { select: disabled }, scale_down: { select: disabled } }"),
            with("behavior: { scale_up: { select: disabled } }")),
        (L::NoEffect, schedule("lasts: 1h, floor: 2", ""), schedule("lasts: 1h, floor: 3", "")),
        (L::NoEffect, schedule("lasts: 1h, exact: 30", ""), schedule("lasts: 1h, exact: 20", "")),
        (L::NoEffect, schedule("lasts: 1h, exact: 1", ""), schedule("lasts: 1h, exact: 2", "")),
        (L::Always, schedule("lasts: 25h, floor: 4", ""), schedule("lasts: 24h, floor: 4", "")),
        (L::TooSlow,
            schedule("lasts: 10m, floor: 20", "behavior: { scale_up: { policies: [{ type: instances, value: 1, period: 1m }] } }"),
            schedule("lasts: 10m, floor: 20", "behavior: { scale_up: { policies: [{ type: instances, value: 3, period: 1m }] } }")),
        (L::TooSlow, schedule("lasts: 10h, floor: 4", "behavior: { scale_up: { select: disabled } }"), schedule("lasts: 10h, floor: 4", "")),
        (L::PercentOfOne, with("behavior: { scale_down: { policies: [{ type: percent, value: 5, period: 1m }] } }"),
            with("behavior: { scale_down: { policies: [{ type: percent, value: 6, period: 1m }] } }")),
        (L::NearMetric, objective("{ metric: queue_dept, type: average_value, target: 3 }"),
            objective("{ metric: queue_depth, type: average_value, target: 3 }")),
        (L::NearMetric, formula("cpu_used_core.mean / instances", "value"), formula("cpu_used_cores.mean / instances", "value")),
        (L::NearMetric, with("triggers: [{ name: t, when: { any: [{ metric: requets_per_s, above: 9 }] }, action: scale_up, amount: { instances: 1 } }]"),
            with("triggers: [{ name: t, when: { any: [{ metric: requests_per_s, above: 9 }] }, action: scale_up, amount: { instances: 1 } }]")),
        (L::NearMetric, with("demands: [{ name: lag, lag: { waiting: { metric: queue_dpeth }, arrivals_per_s: 1, served_per_s: 1, catch_up: 10s } }]"),
            with("demands: [{ name: lag, lag: { waiting: { metric: queue_depth }, arrivals_per_s: 1, served_per_s: 1, catch_up: 10s } }]")),
        (L::MinOverQuota, with("safety: { quota: { instances: 1 } }"), with("safety: { quota: { instances: 2 } }")),
        (L::MinOverQuota, with("safety: { quota: { instances: 2, surge_percent: 50 } }"),
            with("safety: { quota: { instances: 3, surge_percent: 50 } }")),
        (L::ExpiresEarly, with("expires_after: 15s"), with("expires_after: 20s")),
    ];
    for (code, wrong, right) in &cases {
        assert_eq!(codes("Policy", wrong), [*code], "{wrong}");
        assert_eq!(codes("Policy", right), [], "{right}");
    }
    // A tolerance below a percent is too narrow for noise as well.
    let narrow = objective("{ signal: cpu, target: 0.1, tolerance: { up: 0.08, down: 0.1 } }");
    assert_eq!(codes("Policy", &narrow), [L::ToleranceBelowPercent]);
    assert_eq!(codes("Policy", &objective("{ signal: cpu, target: 0.1, tolerance: { up: 0.1, down: 0.1 } }")), []);

    let rules = |rule: &str| format!("rules: [{{ name: r, {rule} }}]");
    #[rustfmt::skip]
    let of_rules = [
        (L::Unreachable, "signal: { kind: error_rate }, above: 5, for: 1m", "signal: { kind: error_rate }, above: 0.05, for: 1m"),
        (L::Unreachable, "signal: { kind: utilization, resource: cpu, of: limit }, above: 1, for: 1m",
            "signal: { kind: utilization, resource: cpu, of: request }, above: 1, for: 1m"),
        (L::Unreachable, "signal: { kind: error_rate }, below: 0, for: 1m", "signal: { kind: metric, metric: queue_depth }, below: 0, for: 1m"),
        (L::AlertFlaps, "signal: { kind: metric, metric: queue_depth }, above: 9", "signal: { kind: metric, metric: queue_depth }, above: 9, recovery: 7"),
        (L::NearMetric, "signal: { kind: metric, metric: queue_dept }, above: 9, recovery: 7",
            "signal: { kind: metric, metric: jobs_waiting }, above: 9, recovery: 7"),
        (L::NearMetric, "signal: { kind: no_data, metric: queue_dept }, for: 1m", "signal: { kind: no_data, metric: queue_depth }, for: 1m"),
        (L::ShorterThanSlide, "signal: { kind: error_rate }, above: 0.05, for: 5s", "signal: { kind: error_rate }, above: 0.05, for: 10s"),
        (L::OneStretch, "signal: { kind: burn_rate, objective: 0.999, long: 1h, short: 1h }, above: 14",
            "signal: { kind: burn_rate, objective: 0.999, long: 1h, short: 5m }, above: 14"),
    ];
    for (code, wrong, right) in of_rules {
        assert_eq!(codes("AlertRules", &rules(wrong)), [code], "{wrong}");
        assert_eq!(codes("AlertRules", &rules(right)), [], "{right}");
    }

    let fired: BTreeSet<_> = cases.iter().map(|(code, ..)| *code).chain(of_rules.map(|(code, ..)| code)).collect();
    let never: Vec<_> = LintCode::ALL.iter().filter(|code| !fired.contains(code)).collect();
    assert_eq!(never, [&L::ToleranceBelowPercent], "each code has a case; that one stands above");
}

/// **L1**, **L2**: one line with place, code, what happens and what to do.
#[test]
fn a_warning_is_a_line() {
    let text = file(
        "Policy",
        "objectives:\n  - { signal: cpu, target: 0.7 }\n  - { signal: memory, target: 0.8 }\nmax_instances: 9",
    );
    let warnings = lint("p.yaml", &text).expect("it reads");
    let want = "p.yaml:7:7: PL05 memory-objective: spec.objectives[1]: a JVM, Python and many other runtimes keep the memory \
                that they once had: new instances do not lower it, and what has grown does not shrink again; watch what causes \
                the load (CPU, requests, a queue), and let an alert watch memory";
    assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
    assert_eq!(LintCode::named("pl05"), Some(LintCode::Memory));
    assert_eq!(LintCode::named("memory-objective"), Some(LintCode::Memory));
}

/// A metric that is nearly a built-in one is named with it, at the place where it stands.
#[test]
fn a_metric_that_is_nearly_built_in_is_named_with_it() {
    let text =
        file("Policy", "objectives:\n  - { metric: queue_dept, type: average_value, target: 3 }\nmax_instances: 9");
    let warnings = lint("p.yaml", &text).expect("it reads");
    let want = "p.yaml:6:17: PL25 near-metric: spec.objectives[0].metric: metric `queue_dept` is not built in: it has a value \
                only where agents report it under that name; did you mean `queue_depth`?";
    assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
}

/// Of a file with several documents each warning has the place that it has in the file.
#[test]
fn places_are_those_of_the_file() {
    let one = file("Policy", "objectives: [{ signal: memory, target: 0.8 }]\nmax_instances: 9");
    let warnings = lint("p.yaml", &format!("{one}---\n{}", one.replace("name: p", "name: q"))).expect("it reads");
    assert_eq!(warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [Some(5), Some(12)]);
}

/// What is warned of in the examples is what they are there to show; corrected forms are clean.
#[test]
fn the_examples_are_clean_but_for_what_they_show() {
    let mut found = Vec::new();
    for path in examples::files(&["", "guides"]) {
        let warnings = lint("", &examples::read(&path)).unwrap_or_else(|error| panic!("{error}"));
        let codes: Vec<_> = warnings.iter().map(|warning| warning.code.code()).collect();
        if !codes.is_empty() {
            found.push(format!("{} {}", examples::name(&path), codes.join(" ")));
        }
    }
    let want = [
        "alerts-default.yaml PL16",
        "any-threshold.yaml PL02 PL05",
        "hpa-percent-of-ten.yaml PL13",
        "hpa-with-memory.yaml PL05",
        "out-or-up.yaml PL05",
        "queue-as-value.yaml PL02",
        "scale-out-triggers.yaml PL01 PL01 PL01 PL01 PL02 PL05",
        "hpa-cpu-memory.yaml PL05 PL13",
    ];
    found.sort_unstable();
    let mut want = want.map(str::to_owned);
    want.sort_unstable();
    assert_eq!(found, want);
}
