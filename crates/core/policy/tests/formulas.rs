//! Formulas: read as they are meant, worked by hand, refused with the place.

mod common;

use common::{Fleet, Instance, policy};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegauge_model::Decision;
use tidegauge_policy::policy::formula::{parse, resolve};
use tidegauge_policy::{Policy, TargetState};

fn worker(queue_depth: f64) -> Instance {
    Instance { gauges: vec![("queue_depth", queue_depth)], ..Instance::default() }
}

/// 10 and 30 items; p95 of responses 400 ms.
fn two() -> Fleet {
    Fleet { instances: vec![worker(10.0), worker(30.0)], p95_ms: Some(400.0), ..Fleet::default() }
}

fn value(text: &str, others: &[(&str, &str)], fleet: &Fleet) -> Option<f64> {
    let all = [others, &[("it", text)]].concat();
    let written: BTreeMap<_, _> = all
        .into_iter()
        .map(|(name, text)| (name.to_owned(), parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message))))
        .collect();
    let resolved = resolve(&written).unwrap_or_else(|error| panic!("{}: {}", error.formula, error.message));
    let (agent, instances) = fleet.windows(60);
    resolved["it"].value(&agent, &instances.iter().collect::<Vec<_>>(), agent.instances_ready.unwrap_or(0))
}

#[test]
fn values_worked_by_hand() {
    #[rustfmt::skip]
    let cases = [
        ("1 + 2 * 3", Some(7.0)),
        ("(1 + 2) * 3", Some(9.0)),
        ("8 - 4 - 2", Some(2.0)),
        ("16 / 4 / 2", Some(2.0)),
        ("2 - -3", Some(5.0)),
        ("-2 * -(1 + 1)", Some(4.0)),
        ("min(3, 1 + 1, 7) + max(0.5)", Some(2.5)),
        ("queue_depth.mean", Some(20.0)),
        ("total(queue_depth.last)", Some(40.0)),
        ("total( queue_depth . last ) / instances", Some(20.0)),
        ("response_time_ms.p95 / 100", Some(4.0)),
        ("base * 2 + more", Some(30.0)),
        ("1 / (instances - 2)", None),        // F1
        ("1 / (1 / (instances - 2))", None),  // nor does what is no number become one again
        ("min(1, run_queue.mean)", None),
        ("total(run_queue.mean)", None),
    ];
    let others = [("base", "instances * 5"), ("more", "base")];
    for (text, want) in cases {
        assert_eq!(value(text, &others, &two()), want, "{text}");
    }
}

fn decide(spec: &str, fleet: &Fleet) -> Decision {
    let at_once = "max_instances: 40\nbehavior: { scale_down: { stabilization_window: 0s } }\n";
    fleet.decide(&policy(&format!("{at_once}{spec}")), &mut TargetState::default(), 60).decision
}

#[test]
fn objectives_compare_formulas() {
    let spec = |objective: &str| {
        format!(
            "formulas: {{ waiting: total(queue_depth.last), seconds: waiting / (8 * instances) }}\nobjectives: [{objective}]"
        )
    };
    #[rustfmt::skip]
    let cases = [ // name, objective, want
        ("2.5 of 1.25: twice as many", "{ formula: seconds, type: value, target: 1.25 }", Some(4)),
        ("2.5 of 2.5", "{ formula: seconds, type: value, target: 2.5 }", Some(2)),
        ("40/2 of 8: 2.5 · 2", "{ formula: waiting, type: average_value, target: 8 }", Some(5)),
        ("between thresholds", "{ formula: seconds, type: value, thresholds: { up: 3, down: 2 } }", Some(2)),
    ];
    for (name, objective, want) in cases {
        let decision = decide(&spec(objective), &two());
        assert_eq!(decision.signals[0].wish_instances, want, "{name}: {}", decision.explanation);
    }
    let up = decide(&spec("{ formula: seconds, type: value, target: 1.25 }"), &two());
    assert_eq!(up.explanation, "up 2 -> 4: seconds 2.50 is over objective 1.25");
    let silent = Fleet { instances: vec![common::cpu(0.5); 2], ..Fleet::default() };
    let none = decide(&spec("{ formula: seconds, type: value, target: 1.25 }"), &silent);
    assert_eq!(none.explanation, "hold 2: no signal has a value (seconds: no samples of ready instances)");
    let zero = decide(&spec("{ formula: seconds, type: value, target: 1.25, when_absent: zero }"), &silent);
    assert_eq!(zero.desired_instances, 1, "{}", zero.explanation);
}

/// A formula's meaning is in the hash, not its name or how it is put together.
#[test]
fn the_hash_is_of_what_is_meant() {
    let hash = |formulas: &str| {
        let spec =
            format!("max_instances: 9\nformulas: {formulas}\nobjectives: [{{ formula: a, type: value, target: 2 }}]");
        policy(&spec).hash
    };
    assert_eq!(hash("{ a: 2 * queue_depth.mean }"), hash("{ a: twice, twice: '2*(queue_depth.mean)' }"));
    assert_ne!(hash("{ a: 2 * queue_depth.mean }"), hash("{ a: 2 * queue_depth.max }"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let objective = "objectives:\n- { formula: a, type: value, target: 2 }\nmax_instances: 9\nformulas:\n";
    #[rustfmt::skip]
    let cases = [ // formulas, what follows the place
        ("  a: 1 +", "spec.formulas.a: at character 4: expected a number, a name, `-` or `(`, found the end"),
        ("  a: 1 2", "spec.formulas.a: at character 3: expected an operator or the end, found `2`"),
        ("  a: (1 + 2", "spec.formulas.a: at character 7: expected `)`, found the end"),
        ("  a: 1.2.3", "spec.formulas.a: at character 1: expected a number such as 0.5, found `1`"),
        ("  a: mix(1)", "spec.formulas.a: at character 1: expected min, max or total before `(`, found `mix`; did you mean `max`?"),
        ("  a: total(3)", "spec.formulas.a: at character 7: expected a metric with its statistic, found `3`"),
        ("  a: queue_depth.maen", "spec.formulas.a: at character 13: expected one of mean, min, max, last, sum, rate_per_s, p50, p75, p90, p95, p99, p999, found `maen`; did you mean `mean`?"),
        ("  a: queue_depth.p95", "spec.formulas.a: expected mean, min, max, last, sum or rate_per_s of `queue_depth`, found p95"),
        ("  a: instance", "spec.formulas.a: at character 1: expected one of `instances`, `a`, or a metric with its statistic such as queue_depth.mean, found `instance`; did you mean `instances`?"),
        ("  a: b + 1\n  b: min(1, c)\n  c: -b", "spec.formulas.c: expected no formula that needs itself, found b → c → b"),
        ("  a: cpu_used_cores.mean + memory_used_bytes.mean", "spec.formulas.a: expected one unit on both sides of `+`, found cores and bytes; a factor in front converts"),
        ("  a: max(b, queue_depth.mean)\n  b: response_time_ms.p95", "spec.formulas.a: expected one unit on both sides of `max`, found milliseconds and things; a factor in front converts"),
        ("  a: requests_per_s.mean - queue_depth.mean", "spec.formulas.a: expected one unit on both sides of `-`, found things per second and things; a factor in front converts"),
        ("  a: cpu_utilization_of_limit.mean - memory_used_bytes.mean / cpu_used_cores.mean", "spec.formulas.a: expected one unit on both sides of `-`, found a ratio and bytes per core; a factor in front converts"),
        ("  a: a", "spec.formulas.a: expected no formula that needs itself, found a → a"),
        ("  b: 1", "spec.objectives[0].formula: expected one of `b`, found `a`; did you mean `b`?"),
        ("  a: 1\n  min: 2", "spec.formulas.min: expected a name of its own in small letters, digits and `_`, a letter first, found `min`"),
    ];
    let mut wrong = Vec::new();
    for (formulas, want) in cases {
        let body: String = format!("{objective}{formulas}").lines().map(|line| format!("  {line}\n")).collect();
        let text =
            format!("apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{ name: p, version: 1 }}\nspec:\n{body}");
        let got = Policy::parse("p.yaml", &text).expect_err(want).to_string();
        let place = got.split(": ").next().unwrap_or_default();
        if got.strip_prefix(place).is_none_or(|rest| rest.trim_start_matches(": ") != want)
            || place.split(':').count() != 3
        {
            wrong.push(format!("want {want}\n got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let doubling: String = (1..40).map(|i| format!("  f{i}: f{0} + f{0}\n", i - 1)).collect();
    let spec = format!("max_instances: 9\npreset: balanced\nformulas:\n  f0: 1\n{doubling}");
    let body: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {{ name: p, version: 1 }}\nspec:\n{body}");
    let error = Policy::parse("p.yaml", &text).expect_err("it would be 2^39 parts").to_string();
    assert!(error.contains("expected at most 2000 parts with all that it needs"), "{error}");
    assert!(parse(&"(".repeat(200)).is_err_and(|error| error.message.contains("50 levels")));
}

/// What has one unit, what is converted, and what nobody knows is fine.
#[test]
fn what_can_be_compared_is_taken() {
    for formula in [
        "queue_depth.last + requests_per_s.mean / requests_per_s.mean * instances",
        "queue_depth.last + 60 * requests_per_s.mean",
        "max(queue_depth.mean, tool_calls_in_flight.mean, 3)",
        "memory_used_bytes.mean / memory_limit_bytes.mean - cpu_utilization_of_limit.mean",
        "of_ours.mean + memory_used_bytes.mean",
        "queue_depth.rate_per_s - requests_per_s.mean",
    ] {
        let spec = format!(
            "max_instances: 9\nformulas: {{ a: '{formula}' }}\nobjectives: [{{ formula: a, type: value, target: 2 }}]"
        );
        policy(&spec);
    }
}

/// 2 · 40 items at 40 completed per second: a second of waiting each, twice the half that is wanted.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads the examples")]
fn the_example_of_time_in_queue() {
    let path = format!("{}/../../../examples/policies/time-in-queue.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("an example");
    let policy = Policy::parse(&path, &text).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let worker =
        |per_s| Instance { gauges: vec![("queue_depth", 40.0), ("throughput_per_s", per_s)], ..Instance::default() };
    let of = |per_s| Fleet { instances: vec![worker(per_s); 2], ..Fleet::default() };
    let busy = of(40.0).decide(&policy, &mut TargetState::default(), 60).decision;
    assert_eq!(busy.explanation, "up 2 -> 4: wait_s 1.00 is over objective 0.50");
    // Nothing is completed: taken for one a second, which makes 80 s.
    let stuck = of(0.0).decide(&policy, &mut TargetState::default(), 60).decision;
    assert_eq!(stuck.signals[0].value, Some(80.0));
}

/// A tree with its value, printed with the parentheses that it needs.
#[derive(Clone, Debug)]
enum Tree {
    Number(u32),
    Negative(Box<Tree>),
    Join(char, Box<Tree>, Box<Tree>),
    Of(&'static str, Vec<Tree>),
}

impl Tree {
    fn value(&self) -> f64 {
        match self {
            Self::Number(quarters) => f64::from(*quarters) / 4.0,
            Self::Negative(inner) => -inner.value(),
            Self::Join('+', left, right) => left.value() + right.value(),
            Self::Join('-', left, right) => left.value() - right.value(),
            Self::Join('*', left, right) => left.value() * right.value(),
            Self::Join(_, left, right) => left.value() / right.value(),
            Self::Of("min", parts) => parts.iter().map(Self::value).fold(f64::INFINITY, f64::min),
            Self::Of(_, parts) => parts.iter().map(Self::value).fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn is_number_throughout(&self) -> bool {
        self.value().is_finite()
            && match self {
                Self::Number(_) => true,
                Self::Negative(inner) => inner.is_number_throughout(),
                Self::Join(_, left, right) => left.is_number_throughout() && right.is_number_throughout(),
                Self::Of(_, parts) => parts.iter().all(Self::is_number_throughout),
            }
    }

    /// 1 a sum, 2 a product, 3 what needs no parentheses.
    fn rank(&self) -> u8 {
        match self {
            Self::Join('+' | '-', ..) => 1,
            Self::Join(..) => 2,
            _ => 3,
        }
    }

    fn within(&self, least: u8) -> String {
        if self.rank() < least { format!("({})", self.text()) } else { self.text() }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(quarters) => format!("{}", f64::from(*quarters) / 4.0),
            Self::Negative(inner) => format!("-{}", inner.within(3)),
            Self::Join(sign, left, right) => {
                format!("{} {sign} {}", left.within(self.rank()), right.within(self.rank() + 1))
            }
            Self::Of(name, parts) => format!("{name}({})", parts.iter().map(Self::text).collect::<Vec<_>>().join(",")),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    (0_u32..60).prop_map(Tree::Number).prop_recursive(5, 40, 3, |inner| {
        let sign = prop::sample::select(vec!['+', '-', '*', '/']);
        let name = prop::sample::select(vec!["min", "max"]);
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Negative(Box::new(tree))),
            (sign, inner.clone(), inner.clone()).prop_map(|(s, a, b)| Tree::Join(s, Box::new(a), Box::new(b))),
            (name, prop::collection::vec(inner, 1..4)).prop_map(|(name, parts)| Tree::Of(name, parts)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_as_meant(tree in tree()) {
        let want = tree.is_number_throughout().then(|| tree.value());
        prop_assert_eq!(value(&tree.text(), &[], &two()), want, "{}", tree.text());
    }

    #[test]
    fn any_text_is_a_formula_or_refused(text in "[-+*/(). a-z0-9_,]{0,40}") {
        let _ = parse(&text);
    }
}
