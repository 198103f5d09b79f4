//! Policy tests: those of the examples hold, each shipped policy has one, and what does not hold is told.

mod examples;

use std::collections::BTreeSet;
use std::time::Duration;
use tidegauge_policy::document::{self, Document};
use tidegauge_policy::testing::report::{Report, junit};
use tidegauge_policy::testing::{TestFile, run};

const TESTS: [&str; 2] = ["tests", "tests/guides"];

#[test]
fn every_test_of_the_examples_holds() {
    let files = examples::files(&TESTS);
    assert!(files.len() >= 20, "{files:?}");
    let (mut failed, mut tests) = (String::new(), 0);
    for path in files {
        let name = examples::name(&path);
        let file = TestFile::parse(&name, &examples::read(&path)).unwrap_or_else(|error| panic!("{error}"));
        let folder = path.parent().expect("a folder");
        let documents: Vec<Document> = file
            .policies
            .iter()
            .flat_map(|policy| document::parse(policy, &examples::read(&folder.join(policy))))
            .flatten()
            .collect();
        let outcomes = run(&file, &documents).unwrap_or_else(|error| panic!("{error}"));
        let report = Report { file, outcomes };
        tests += report.tests();
        if report.failed() > 0 {
            failed.push_str(&report.text(false));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
    assert!(tests >= 35, "a folder that lost its tests proves nothing: {tests}");
}

#[test]
fn every_policy_of_the_examples_has_a_test() {
    let mut tested = BTreeSet::new();
    for path in examples::files(&TESTS) {
        let file = TestFile::parse(&examples::name(&path), &examples::read(&path)).expect("a file of tests");
        tested.extend(file.policies.iter().map(|policy| policy.rsplit('/').next().unwrap_or_default().to_owned()));
    }
    let untested: Vec<_> = examples::files(&["", "guides"])
        .iter()
        .map(|path| examples::name(path))
        .filter(|name| !tested.contains(name))
        .collect();
    assert!(untested.is_empty(), "without a test: {untested:?}");
}

const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: { name: p, version: 1 }
spec: { objectives: [{ signal: queue_depth, target: 10 }], min_instances: 2, max_instances: 8 }
";

const RULES: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: { name: r, version: 1 }
spec:
  rules:
    - { name: deep, signal: { kind: metric, metric: queue_depth }, above: 50, for: 20s, by: instance }
";

/// A file with one test: line 5 is its first key after the name.
fn file(body: &str) -> String {
    let head = "apiVersion: tidegauge.io/v1\nkind: PolicyTest\npolicies: [p.yaml]\ntests:\n  - name: t\n";
    head.to_owned() + &body.lines().map(|line| format!("    {line}\n")).collect::<String>()
}

fn report(body: &str) -> Result<Report, String> {
    let file = TestFile::parse("t.yaml", &file(body)).map_err(|error| error.to_string())?;
    let documents: Vec<Document> =
        [POLICY, RULES].iter().flat_map(|text| document::parse("p.yaml", text)).flatten().collect();
    let outcomes = run(&file, &documents).map_err(|error| error.to_string())?;
    Ok(Report { file, outcomes })
}

/// The text of a failure is the whole of what somebody has to repair it with.
#[test]
fn what_does_not_hold_is_told_with_place_expected_and_seen() {
    let report = report(
        "instances: 2\ntelemetry: [{ metric: queue_depth, each: 10x1 20 }]\nexpect:\n  - { at: 20s, desired: 3, bound_by: [] }\n\
         \x20 - { from: 0s, to: 1m, changes: 0 }\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.tests(), report.failed()), (1, 1));
    let want = "\
FAIL  t.yaml:5:5: t
      t.yaml:9:9: p at 20s
        desired  expected 3
                 seen     4
        | 0s       hold 2: queue_depth 10.0 per instance is within tolerance of objective 10.0
        | 10s      hold 2: queue_depth 10.0 per instance is within tolerance of objective 10.0
        | 20s      up 2 -> 4: queue_depth 20.0 per instance is over objective 10.0
      t.yaml:10:9: p at 0s
        changes  expected 0
                 seen     1: 2 -> 4
";
    assert_eq!(report.text(false), want);
    let json = report.json();
    assert_eq!(json["tests"][0]["failed"][0]["differences"][0]["seen"], "4");
    assert_eq!(json["tests"][0]["failed"][0]["place"], "t.yaml:9:9");
    let xml = junit(&[report]);
    assert!(xml.contains("<testsuites name=\"tidegauge policy test\" tests=\"1\" failures=\"1\">"), "{xml}");
    assert!(xml.contains("up 2 -&gt; 4"), "{xml}");
}

#[test]
fn alerts_of_one_instance_are_told_apart() {
    let body = "\
instances: 2
telemetry:
  - { metric: queue_depth, each: 10 }
  - { metric: queue_depth, each: 60x3 10, instances: [i-1] }
alerts:
  - { at: 0s, rule: deep, instance: i-1, state: pending }
  - { at: 20s, rule: deep, instance: i-1, state: firing }
  - { at: 20s, rule: deep, instance: i-0, state: inactive }
  - { at: 40s, rule: deep, instance: i-1, state: resolved }
  - { at: 50s, rule: deep, instance: i-1, state: inactive }
";
    let passed = report(body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(passed.failed(), 0, "{}", passed.text(true));
    let wrong = report(&body.replace("i-0, state: inactive", "i-0, state: firing")).expect("it runs");
    assert!(wrong.text(false).contains("deep of i-0 at 20s"), "{}", wrong.text(false));
    assert_eq!(wrong.outcomes[0].failed.len(), 1);
}

/// The fleet follows: new instances start for a while, and their CPU does not count at once.
#[test]
fn a_fleet_that_follows_starts_what_it_adds() {
    let body = "instances: 2\nfollow: { ready_after: 30s }\ntelemetry: [{ metric: queue_depth, total: 60 }]\n\
                expect: [{ from: 0s, to: 2m, desired: 6, changes: 0 }]\n";
    let report = report(body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.failed(), 0, "{}", report.text(true));
    let current = |secs: u64| {
        let after = Duration::from_secs(secs);
        let moment = report.outcomes[0].moments.iter().find(|moment| moment.after == after).expect("a moment");
        moment.decision.current_instances
    };
    assert_eq!([current(0), current(10), current(20), current(30), current(40)], [2, 2, 2, 6, 6]);
}

#[test]
fn what_cannot_be_run_is_refused_with_its_place() {
    let fine = "instances: 2\nexpect: [{ at: 0s, desired: 2 }]";
    assert!(report(fine).is_ok());
    #[rustfmt::skip]
    let cases = [ // body, the whole message
        ("instances: 2\nexpect: [{ at: 5s, desired: 2 }]",
            "t.yaml:7:20: tests[0].expect[0].at: expected a time at which a window ends, every 10s"),
        ("instances: 2\nexpect: [{ at: 0s }]",
            "t.yaml:7:14: tests[0].expect[0]: expected something to compare, such as `desired: 4`"),
        ("instances: 2\nexpect: [{ at: 0s, policy: q, desired: 2 }]",
            "t.yaml:7:32: tests[0].expect[0].policy: expected a policy that decides about the target, found `q`; did you mean `p`?"),
        ("instances: 2\nexpect: [{ at: 0s, desire: 2 }]",
            "t.yaml:7:24: tests[0].expect[0].desire: unknown key `desire`; expected one of `policy`, `at`, `from`, `to`, `desired`, `action`, `reason`, `bound_by`, `wishes`, `values`, `says`, `published`, `changes`; did you mean `desired`?"),
        ("instances: 2.5\nexpect: [{ at: 0s, desired: 2 }]",
            "t.yaml:6:16: tests[0].instances: expected whole numbers from 0 to 10000, found `2.5`"),
        ("instances: 2\ntelemetry: [{ metric: queue_depth, each: 1x }]\nexpect: [{ at: 0s, desired: 2 }]",
            "t.yaml:7:46: tests[0].telemetry[0].each: `1x` is no part of a series: what follows `x` is no whole number; expected values such as `0.5`, `0.5x30`, `5+1x20`, `_x3`"),
        ("instances: 2\ntelemetry: [{ metric: queue_depth, each: 1, total: 2 }]\nexpect: [{ at: 0s, desired: 2 }]",
            "t.yaml:7:17: tests[0].telemetry[0]: expected exactly one of `each`, `total` and `agent`"),
        ("instances: 2\ninterval: 15s\nexpect: [{ at: 0s, desired: 2 }]",
            "t.yaml:7:15: tests[0].interval: expected a multiple of the slide 10s, found 15s"),
        ("instances: 2\nstart: 2026-01-01T00:00:03Z\nexpect: [{ at: 0s, desired: 2 }]",
            "t.yaml:7:12: tests[0].start: expected a time at which windows end, every 10s"),
        ("instances: 2\nalerts: [{ at: 0s, rule: deap, state: firing }]",
            "t.yaml:7:30: tests[0].alerts[0].rule: expected a rule of the file, found `deap`; did you mean `deep`?"),
        ("instances: 2\nexpect: [{ from: 1m, to: 30s, desired: 2 }]",
            "t.yaml:7:30: tests[0].expect[0].to: expected 1m or later, found 30s"),
        ("instances: 2",
            "t.yaml:5:5: tests[0]: expected `expect` or `alerts`, found neither"),
    ];
    let told = cases.map(|(body, _)| report(body).err().unwrap_or_default());
    assert_eq!(told, cases.map(|(_, want)| want));
}

/// `0x10` is a series of eleven zeros, although YAML could take it for sixteen.
#[test]
fn a_series_is_not_a_hexadecimal_number() {
    let body = "instances: 2\ntelemetry: [{ metric: queue_depth, each: 0x10 }]\nexpect: [{ at: 1m, values: { queue_depth: 0 } }]";
    let report = report(body).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.failed(), 0, "{}", report.text(true));
}
