//! Alerts in event time, worked by hand.
#![allow(clippy::disallowed_methods, reason = "a test reads the examples")]

mod common;

use common::{Fleet, Instance, cpu, fleet};
use std::collections::BTreeMap;
use tidegauge_model::{
    AlertState, AlertTransition, Confidence, Entity, EventTime, Finding, FindingKind, FindingState, Importance,
    InstanceState, Severity, finding_id,
};
use tidegauge_policy::alert::fingerprint;
use tidegauge_policy::{
    Alarmed, AlertBook, AlertRules, Inhibition, Muting, Observation, Silence, evaluate, evaluate_sets,
};

fn rules(list: &str) -> AlertRules {
    let head = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: { name: r, version: 1 }\nspec:\n  rules:\n";
    AlertRules::parse("test.yaml", &format!("{head}{list}")).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

fn at(rules: &AlertRules, book: &mut AlertBook, fleet: &Fleet, end_s: i64) -> Vec<AlertTransition> {
    let (agent, instances) = fleet.windows(end_s);
    let instances: Vec<_> = instances.iter().collect();
    // State survives being written out and read back.
    let text = serde_json::to_string(book).expect("a book is JSON");
    *book = serde_json::from_str(&text).expect("and back");
    evaluate(rules, book, &Observation::of(&agent, &instances), Some(3))
}

/// `60 a: inactive -> pending`, with the instance, and what else is worth telling.
fn told(end_s: i64, transition: &AlertTransition) -> String {
    let state = |state: AlertState| format!("{state:?}").to_lowercase();
    let instance = transition.instance.as_ref().map_or(String::new(), |instance| format!(" {instance}"));
    let no_data = if transition.no_data { " no data" } else { "" };
    format!("{end_s} {}{instance}: {} -> {}{no_data}", transition.rule, state(transition.from), state(transition.to))
}

fn scenario(rules: &AlertRules, windows: &[(i64, Fleet)]) -> Vec<String> {
    let mut book = AlertBook::default();
    let tell = |(end_s, fleet): &(i64, Fleet)| {
        at(rules, &mut book, fleet, *end_s).iter().map(|transition| told(*end_s, transition)).collect::<Vec<_>>()
    };
    windows.iter().flat_map(tell).collect()
}

fn errors(error_rate: Option<f64>) -> Fleet {
    Fleet { error_rate, ..fleet(3, 0.5) }
}

/// Name, rule, error rate at each window's end in seconds, what is told.
type Case = (&'static str, &'static str, &'static [(i64, Option<f64>)], &'static [&'static str]);

#[test]
fn an_alert_waits_fires_and_resolves_once() {
    const PLAIN: &str = "  - { name: a, signal: { kind: error_rate }, above: 0.05, for: 1m }\n";
    const KEEPS: &str = "  - { name: a, signal: { kind: error_rate }, above: 0.05, for: 1m, keep_firing_for: 30s }\n";
    const RECOVERS: &str = "  - { name: a, signal: { kind: error_rate }, above: 0.05, recovery: 0.02 }\n";
    const AT_ONCE: &str = "  - { name: a, signal: { kind: error_rate }, above: 0.05 }\n";
    #[rustfmt::skip]
    let cases: [Case; 10] = [
        ("at the threshold nothing holds", PLAIN, &[(60, Some(0.05)), (120, Some(0.05))], &[]),
        ("pending, firing at the edge of `for`, resolved, each once", PLAIN,
            &[(60, Some(0.06)), (90, Some(0.06)), (119, Some(0.06)), (120, Some(0.06)), (130, Some(0.06)), (140, Some(0.01)), (150, Some(0.01))],
            &["60 a: inactive -> pending", "120 a: pending -> firing", "140 a: firing -> resolved"]),
        ("pending ends and starts anew", PLAIN,
            &[(60, Some(0.06)), (110, Some(0.01)), (120, Some(0.06)), (170, Some(0.06))],
            &["60 a: inactive -> pending", "110 a: pending -> inactive", "120 a: inactive -> pending"]),
        ("at once without being pending", AT_ONCE, &[(60, Some(0.06)), (70, Some(0.01))],
            &["60 a: inactive -> firing", "70 a: firing -> resolved"]),
        ("keeps firing through a lull, counted from its start", KEEPS,
            &[(60, Some(0.06)), (120, Some(0.06)), (130, Some(0.0)), (150, Some(0.0)), (155, Some(0.06)), (160, Some(0.0)), (189, Some(0.0)), (190, Some(0.0))],
            &["60 a: inactive -> pending", "120 a: pending -> firing", "190 a: firing -> resolved"]),
        ("fires until the recovery level", RECOVERS, &[(60, Some(0.06)), (70, Some(0.03)), (80, Some(0.02))],
            &["60 a: inactive -> firing", "80 a: firing -> resolved"]),
        ("absent: pending goes on, told after `for`, told again when back", PLAIN,
            &[(60, Some(0.06)), (70, None), (120, None), (130, None), (140, None), (150, Some(0.06))],
            &["60 a: inactive -> pending", "130 a: pending -> pending no data", "150 a: pending -> firing"]),
        ("absent twice for less than `for`", PLAIN,
            &[(60, Some(0.06)), (70, None), (80, Some(0.06)), (90, None), (145, None), (149, Some(0.06))],
            &["60 a: inactive -> pending", "149 a: pending -> firing"]),
        ("absent: firing stays", PLAIN,
            &[(60, Some(0.06)), (120, Some(0.06)), (130, None), (190, None), (200, Some(0.06)), (210, Some(0.0))],
            &["60 a: inactive -> pending", "120 a: pending -> firing", "190 a: firing -> firing no data", "200 a: firing -> firing", "210 a: firing -> resolved"]),
        ("absent and inactive: nothing to tell", PLAIN, &[(60, None), (120, None)], &[]),
    ];
    for (name, list, windows, want) in cases {
        let windows: Vec<_> = windows.iter().map(|(end_s, rate)| (*end_s, errors(*rate))).collect();
        assert_eq!(scenario(&rules(list), &windows), want, "{name}");
    }
}

#[test]
fn alerts_by_instance_are_told_apart_and_forgotten_when_gone() {
    let rules = rules(
        "  - { name: hot, by: instance, signal: { kind: utilization, resource: cpu, of: request }, above: 0.9, forget_absent_after: 1m }\n",
    );
    let hot = |loads: &[f64]| Fleet { instances: loads.iter().map(|&load| cpu(load)).collect(), ..Fleet::default() };
    let windows =
        [(60, hot(&[0.5, 0.95, 0.99])), (70, hot(&[0.5, 0.5])), (120, hot(&[0.5, 0.5])), (130, hot(&[0.5, 0.5]))];
    let want = [
        "60 hot i001: inactive -> firing",
        "60 hot i002: inactive -> firing",
        "70 hot i001: firing -> resolved",
        "70 hot i002: firing -> firing no data",
        "130 hot i002: firing -> resolved no data",
    ];
    assert_eq!(scenario(&rules, &windows), want);
}

fn default_rules() -> AlertRules {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/policies/alerts-default.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    AlertRules::parse(path, &text).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

#[test]
fn the_five_defaults_fire_and_resolve() {
    let gauges = |cpu, memory| {
        vec![
            ("cpu_utilization_of_limit", cpu),
            ("cpu_utilization_of_request", 0.1),
            ("memory_utilization_of_request", memory),
        ]
    };
    let fleet = |instances: usize, cpu, memory, error_rate, p95_ms| Fleet {
        instances: vec![Instance { gauges: gauges(cpu, memory), ..Instance::default() }; instances],
        error_rate: Some(error_rate),
        p95_ms: Some(p95_ms),
        ..Fleet::default()
    };
    let bad = fleet(2, 0.81, 0.91, 0.06, 1_001.0);
    let good = fleet(3, 0.75, 0.875, 0.05, 1_000.0);
    let windows = [(60, bad.clone()), (120, bad.clone()), (359, bad.clone()), (360, bad), (370, good)];
    let want = [
        "60 cpu_high: inactive -> pending",
        "60 memory_high: inactive -> pending",
        "60 error_rate_high: inactive -> pending",
        "60 response_time_high: inactive -> firing",
        "60 instances_below_minimum: inactive -> firing",
        "120 error_rate_high: pending -> firing",
        "360 cpu_high: pending -> firing",
        "360 memory_high: pending -> firing",
        "370 cpu_high: firing -> resolved",
        "370 memory_high: firing -> resolved",
        "370 error_rate_high: firing -> resolved",
        "370 response_time_high: firing -> resolved",
        "370 instances_below_minimum: firing -> resolved",
    ];
    assert_eq!(scenario(&default_rules(), &windows), want);
}

#[test]
fn a_transition_says_what_and_since_when() {
    let rules = default_rules();
    let mut book = AlertBook::default();
    let slow = |p95_ms| Fleet { p95_ms: Some(p95_ms), ..fleet(3, 0.5) };
    let fired = at(&rules, &mut book, &slow(1_234.567_8), 60).remove(0);
    let resolved = at(&rules, &mut book, &slow(900.0), 70).remove(0);
    assert_eq!(fired.summary, "default/planner: p95 of response times is 1234.568 ms; alert level 1000 ms");
    assert_eq!((fired.value, fired.threshold), (Some(1_234.567_8), 1_000.0));
    assert_eq!(fired.fingerprint, fingerprint("response_time_high", &fired.target, None));
    assert_eq!(resolved.fingerprint, fired.fingerprint);
    assert_eq!((resolved.started_at, resolved.at.since(resolved.started_at).as_secs()), (fired.at, 10));
    assert!(book.is_empty());
}

/// A2: without a policy there is no minimum, so the rule has no data.
#[test]
fn without_a_minimum_the_rule_has_no_data() {
    let (agent, _) = fleet(0, 0.0).windows(60);
    let observation = Observation::of(&agent, &[]);
    let transitions = evaluate(&default_rules(), &mut AlertBook::default(), &observation, None);
    assert_eq!(transitions, []);
}

#[test]
fn a_rule_that_is_gone_takes_its_alerts_along() {
    let (a, b) = (
        "  - { name: a, signal: { kind: error_rate }, above: 0.05 }\n",
        "  - { name: b, signal: { kind: error_rate }, above: 0.5 }\n",
    );
    let mut book = AlertBook::default();
    at(&rules(a), &mut book, &errors(Some(0.1)), 60);
    assert_eq!(book.firing(), 1);
    let transitions = at(&rules(b), &mut book, &errors(Some(0.1)), 70);
    assert_eq!(
        transitions.iter().map(|transition| told(70, transition)).collect::<Vec<_>>(),
        ["70 a: firing -> resolved"]
    );
}

#[test]
fn fingerprints_differ_by_every_part() {
    let (agent, instances) =
        Fleet { instances: vec![Instance { state: Some(InstanceState::Ready), ..cpu(0.1) }], ..Fleet::default() }
            .windows(60);
    let instance = instances[0].instance.as_ref();
    let mut region = agent.target.clone();
    region.region = Some("eu".into());
    let all = [
        fingerprint("a", &agent.target, None),
        fingerprint("b", &agent.target, None),
        fingerprint("a", &agent.target, instance),
        fingerprint("a", &region, None),
    ];
    assert!(all.iter().enumerate().all(|(index, print)| !all[..index].contains(print) && print.len() == 32));
}

#[test]
fn a_transition_carries_importance_annotations_and_the_runbook() {
    let text = "apiVersion: tidegauge.io/v1\nkind: AlertRules\nmetadata: { name: r, version: 1 }\nspec:\n  \
                importance: [{ match: { agents: [plan*] }, importance: high }]\n  rules:\n    - { name: a, signal: { kind: \
                error_rate }, above: 0.05, labels: { team: core }, annotations: { what: '{agent} of {labels.team}: {value}' }, \
                runbook_url: 'https://example.com/{rule}' }\n";
    let rules = AlertRules::parse("r.yaml", text).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let told = at(&rules, &mut AlertBook::default(), &errors(Some(0.1)), 60).remove(0);
    assert_eq!(told.importance, Importance::High);
    assert_eq!(told.annotations["what"], "planner of core: 0.1");
    assert_eq!(told.runbook_url.as_deref(), Some("https://example.com/a"));
    let labels = told.all_labels();
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        labels,
        ["agent=planner", "alertname=a", "importance=high", "severity=warning", "team=core", "workspace=default"]
    );
}

fn finding(kind: FindingKind, instance: Option<&str>, opened_s: i64, severity: Severity) -> Finding {
    let (agent, _) = fleet(1, 0.5).windows(60);
    let target = agent.target;
    let entity = match instance {
        Some(instance) => Entity::Instance { target, instance: instance.into() },
        None => Entity::Agent { target },
    };
    let onset = EventTime::from_secs(opened_s);
    Finding {
        id: finding_id(kind, &entity, onset),
        kind,
        entity,
        onset,
        window: agent.range,
        state: FindingState::Ongoing,
        severity,
        value: 3.9,
        unit: "z".into(),
        evidence: Vec::new(),
        confidence: Confidence { value: 1.0, meaning: "".into() },
        causes: Vec::new(),
        remedies: Vec::new(),
        completeness: 1.0,
        summary: format!("{} for a test", kind.name()),
    }
}

#[test]
fn an_alert_follows_a_finding_by_kind_and_entity() {
    let rules = rules(
        "  - { name: f, signal: { kind: finding, of: [hotspot], min_severity: warning }, keep_firing_for: 30s }\n",
    );
    let mut book = AlertBook::default();
    let (agent, _) = fleet(3, 0.5).windows(60);
    let mut close = |end_s: i64, open: &[Finding]| {
        let (window, _) = fleet(3, 0.5).windows(end_s);
        let observation = Observation::of(&window, &[]).with_findings(open);
        let said = evaluate(&rules, &mut book, &observation, None);
        let id = |told: &AlertTransition| told.finding.as_ref().expect("a finding").id.clone();
        said.iter().map(|told| (self::told(end_s, told), id(told), told.fingerprint.clone())).collect::<Vec<_>>()
    };
    let hot = |instance, opened_s| finding(FindingKind::Hotspot, Some(instance), opened_s, Severity::Warning);
    let mild = finding(FindingKind::Hotspot, Some("i2"), 0, Severity::Info);
    let other = finding(FindingKind::Idle, Some("i3"), 0, Severity::Critical);
    let opened = close(60, &[hot("i1", 0), mild, other]);
    assert_eq!(opened.len(), 1);
    assert_eq!((opened[0].0.as_str(), &opened[0].1), ("60 f i1: inactive -> firing", &hot("i1", 0).id));
    // It ends and opens anew while the alert keeps firing: the same alert, about the finding of now.
    assert_eq!(close(70, &[]), []);
    assert_eq!(close(80, &[hot("i1", 70)]), []);
    assert_eq!(close(90, &[]), []);
    let ended = close(120, &[]);
    assert_eq!((ended[0].0.as_str(), &ended[0].1), ("120 f i1: firing -> resolved", &hot("i1", 70).id));
    assert_eq!(ended[0].2, opened[0].2);
    assert_ne!(fingerprint("f", &agent.target, Some(&"i1".into())), ended[0].2, "an alert of the instance is another");
}

/// Windows in which `errors` are many or not, with what keeps quiet: `60 a: firing -> firing by night`.
fn quietly(rules: &AlertRules, muting: &Muting<'_>, windows: &[(i64, f64)]) -> Vec<String> {
    let mut books = BTreeMap::new();
    let mut said = Vec::new();
    for &(end_s, rate) in windows {
        let (agent, _) = errors(Some(rate)).windows(end_s);
        let observation = Observation::of(&agent, &[]);
        let transitions =
            evaluate_sets(&[rules], rules.window(), &mut books, Alarmed::default(), muting, &observation, None);
        said.extend(transitions.iter().map(|transition| {
            let silences = transition.silenced_by.iter().cloned();
            let inhibited = transition.inhibited_by.iter().map(|print| {
                let rule = ["a", "b", "c"].into_iter().find(|rule| fingerprint(rule, &agent.target, None) == *print);
                rule.expect("one of them").to_owned()
            });
            let by: Vec<String> = silences.chain(inhibited).collect();
            let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
            told(end_s, transition) + &by
        }));
    }
    said
}

fn silence(matchers: &str, from_s: i64, until_s: i64) -> Silence {
    let [from, until] = [from_s, until_s].map(|at| EventTime::from_secs(1_700_000_000 + at));
    let text = format!(
        "apiVersion: tidegauge.io/v1\nkind: Silence\nmetadata: {{ name: night, version: 1 }}\nspec: {{ matchers: \
         [{matchers}], from: {from}, until: {until}, author: me }}\n"
    );
    Silence::parse("s.yaml", &text).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

/// A4: a rule that keeps its name and is about others ends what it had said of those it was about.
#[test]
fn a_rule_that_is_about_others_now_leaves_no_alert_behind() {
    const AGENT: &str =
        "  - { name: a, signal: { kind: metric, metric: cpu_utilization_of_request, statistic: mean }, above: 0.5 }\n";
    const EACH: &str = "  - { name: a, by: instance, signal: { kind: metric, metric: cpu_utilization_of_request, statistic: mean }, above: 0.5 }\n";
    const FOUND: &str = "  - { name: a, signal: { kind: finding, of: [hotspot] } }\n";
    let busy = fleet(1, 0.9);
    #[rustfmt::skip]
    let cases: [(&str, &str, &[&str]); 5] = [
        (AGENT, EACH, &["60 a: inactive -> firing", "70 a i000: inactive -> firing", "70 a: firing -> resolved"]),
        (EACH, AGENT, &["60 a i000: inactive -> firing", "70 a: inactive -> firing", "70 a i000: firing -> resolved"]),
        (AGENT, FOUND, &["60 a: inactive -> firing", "70 a: firing -> resolved"]),
        (EACH, FOUND, &["60 a i000: inactive -> firing", "70 a i000: firing -> resolved"]),
        (EACH, EACH, &["60 a i000: inactive -> firing"]),
    ];
    for (before, after, want) in cases {
        let (mut book, mut said) = (AlertBook::default(), Vec::new());
        for (end_s, text) in [(60, before), (70, after), (80, after)] {
            said.extend(at(&rules(text), &mut book, &busy, end_s).iter().map(|transition| told(end_s, transition)));
        }
        assert_eq!(said, want, "{before}{after}");
    }
}

/// B4: what is remembered can be read again, whatever counters say.
#[test]
fn counters_beyond_all_numbers_leave_a_book_that_reads() {
    let rules = rules(
        "  - { name: a, signal: { kind: burn_rate, objective: 0.9, long: 1h, short: 5m, min_events: 1 }, above: 2 }\n",
    );
    let counting = |requests: f64, errors: f64| {
        let gauges = vec![("requests", requests), ("server_errors", errors)];
        Fleet { instances: vec![Instance { gauges, ..Instance::default() }], ..Fleet::default() }
    };
    let mut book = AlertBook::default();
    let windows = [(1e308, 0.0), (f64::MAX, f64::MAX), (2e307, 2e307), (2e307, 2e307), (10.0, 10.0), (10.0, 10.0)];
    for (minute, (requests, errors)) in (1..).zip(windows) {
        // `at` writes the book and reads it.
        at(&rules, &mut book, &counting(requests, errors), 60 * minute + 40);
    }
    assert_eq!(book, serde_json::from_value(serde_json::to_value(&book).expect("JSON")).expect("the book"));
}

/// Q1, A5.
#[test]
fn silences_hold_for_a_time_and_are_told() {
    let rules = rules("  - { name: a, signal: { kind: error_rate }, above: 0.05, labels: { team: core } }\n");
    let windows = [(60, 0.1), (70, 0.1), (80, 0.1), (90, 0.1), (100, 0.0)];
    #[rustfmt::skip]
    let cases: [(&str, (i64, i64), &[&str]); 5] = [
        ("{ label: team, is: core }, { label: agent, like: 'plan*' }", (70, 90),
            &["60 a: inactive -> firing", "70 a: firing -> firing by night", "90 a: firing -> firing", "100 a: firing -> resolved"]),
        ("{ label: team, is: core }", (0, 1_000),
            &["60 a: inactive -> firing by night", "100 a: firing -> resolved by night"]),
        ("{ label: team, is: core }, { label: severity, is_not: warning }", (0, 1_000),
            &["60 a: inactive -> firing", "100 a: firing -> resolved"]),
        ("{ label: region, is: '' }, { label: team, unlike: 'c?' }", (0, 65),
            &["60 a: inactive -> firing by night", "70 a: firing -> firing", "100 a: firing -> resolved"]),
        ("{ label: alertname, is: b }", (0, 1_000), &["60 a: inactive -> firing", "100 a: firing -> resolved"]),
    ];
    for (matchers, (from, until), want) in cases {
        let silence = silence(matchers, from, until);
        let muting = Muting { silences: vec![&silence], inhibitions: Vec::new() };
        assert_eq!(quietly(&rules, &muting, &windows), want, "{matchers}");
    }
}

/// Q2, Q3.
#[test]
fn inhibition_is_of_firing_alerts_and_never_of_itself() {
    let rules = rules(
        "  - { name: a, signal: { kind: error_rate }, above: 0.5, for: 10s, severity: critical, labels: { slo: x } }\n  \
         - { name: b, signal: { kind: error_rate }, above: 0.1, labels: { slo: x } }\n  \
         - { name: c, signal: { kind: error_rate }, above: 0.1, labels: { slo: y } }\n",
    );
    let windows = [(60, 0.2), (70, 0.6), (80, 0.6), (90, 0.2), (100, 0.0)];
    let both = [
        "60 b: inactive -> firing",
        "60 c: inactive -> firing",
        "70 a: inactive -> pending",
        "80 a: pending -> firing",
    ];
    let ends = ["100 b: firing -> resolved", "100 c: firing -> resolved"];
    let resolved = "90 a: firing -> resolved";
    #[rustfmt::skip]
    let cases: [(&str, Vec<&str>); 4] = [
        ("source: [{ label: severity, is: critical }], target: [{ label: severity, is: warning }], equal: [slo]",
            vec!["80 b: firing -> firing by a", resolved, "90 b: firing -> firing"]),
        ("source: [{ label: alertname, is: a }], target: [{ label: alertname, like: '?' }]",
            vec!["80 b: firing -> firing by a", "80 c: firing -> firing by a", resolved, "90 b: firing -> firing", "90 c: firing -> firing"]),
        // Both fit both sides: neither keeps the other quiet.
        ("source: [{ label: severity, like: '*' }], target: [{ label: severity, like: '*' }]", vec![resolved]),
        ("source: [{ label: alertname, is: d }], target: [{ label: alertname, is: b }]", vec![resolved]),
    ];
    for (spec, between) in cases {
        let text = format!(
            "apiVersion: tidegauge.io/v1\nkind: Inhibition\nmetadata: {{ name: i, version: 1 }}\nspec: {{ {spec} }}\n"
        );
        let rule = Inhibition::parse("i.yaml", &text).unwrap_or_else(|error| panic!("{error}")).remove(0);
        let muting = Muting { silences: Vec::new(), inhibitions: vec![&rule] };
        let want: Vec<&str> = both.into_iter().chain(between).chain(ends).collect();
        let mut seen = quietly(&rules, &muting, &windows);
        let mut wanted: Vec<String> = want.into_iter().map(str::to_owned).collect();
        seen.sort();
        wanted.sort();
        assert_eq!(seen, wanted, "{spec}");
    }
}
