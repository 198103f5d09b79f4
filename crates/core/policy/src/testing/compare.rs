//! Expected beside seen.

use super::expect::{AlertExpectation, DecisionExpectation, Span, When};
use super::run::Moment;
use serde::Serialize;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_model::{AlertState, AlertTransition, Constraint, FindingKind, ReasonCode};

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

/// An expectation that did not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Key path of the expectation.
    pub path: String,
    /// Who: a policy or a rule.
    pub who: String,
    /// So long after the start; the first time of several.
    pub after: Duration,
    /// How many windows of the stretch differ, where it was one.
    pub of_windows: Option<(usize, usize)>,
    /// What is not as expected.
    pub differences: Vec<Difference>,
    /// The decision's own words.
    pub explanation: Option<String>,
}

/// How the decisions of the policy differ from the expectation; `moments` are all of that policy, in their order.
pub(super) fn decisions(expectation: &DecisionExpectation, who: &str, moments: &[&Moment]) -> Vec<Failed> {
    let span = expectation.when.span();
    let within: Vec<_> = moments.iter().filter(|moment| is_within(moment.after, span)).collect();
    let failed = |after, of_windows, differences, explanation| Failed {
        path: expectation.path.clone(),
        who: who.to_owned(),
        after,
        of_windows,
        differences,
        explanation,
    };
    let differing: Vec<_> = within
        .iter()
        .map(|moment| (moment, differences(expectation, moment)))
        .filter(|(_, differences)| !differences.is_empty())
        .collect();
    let count = differing.len();
    let first = differing.into_iter().next().map(|(moment, differences)| {
        let of_windows = matches!(expectation.when, When::Throughout(_)).then_some((count, within.len()));
        failed(moment.after, of_windows, differences, Some(moment.decision.explanation.clone()))
    });
    let changes = expectation.changes.as_ref().and_then(|expected| {
        let desired: Vec<_> = within.iter().map(|moment| moment.decision.desired_instances).collect();
        let seen = desired.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let fits = u32::try_from(seen).is_ok_and(|seen| expected.contains(&seen));
        (!fits).then(|| {
            let difference =
                Difference { what: "changes".to_owned(), expected: stretch(expected), seen: course(seen, &desired) };
            failed(span.from, None, vec![difference], None)
        })
    });
    first.into_iter().chain(changes).collect()
}

fn is_within(after: Duration, span: Span) -> bool {
    (span.from..=span.to).contains(&after)
}

fn differences(expectation: &DecisionExpectation, moment: &Moment) -> Vec<Difference> {
    let decision = &moment.decision;
    let mut found = Vec::new();
    let mut note = |what: &str, expected: String, seen: String| {
        found.push(Difference { what: what.to_owned(), expected, seen });
    };
    if let Some(desired) = expectation.desired.as_ref().filter(|desired| !desired.contains(&decision.desired_instances))
    {
        note("desired", stretch(desired), decision.desired_instances.to_string());
    }
    if let Some(action) = expectation.action.filter(|action| *action != decision.action) {
        note("action", word(&action), word(&decision.action));
    }
    if let Some(reason) = expectation.reason.filter(|reason| decision.reasons.first() != Some(reason)) {
        note("reason", word(&reason), decision.reasons.first().map_or_else(|| "none".to_owned(), word));
    }
    if let Some(bound_by) = &expectation.bound_by {
        let seen: Vec<ReasonCode> = decision.constraints.iter().map(|constraint| constraint.reason).collect();
        if seen != *bound_by {
            let expected: Vec<_> = bound_by.iter().map(word).collect();
            let seen: Vec<_> = decision.constraints.iter().map(constraint).collect();
            note("bound_by", list(&expected), list(&seen));
        }
    }
    for (name, expected) in &expectation.wishes {
        let seen = decision.signals.iter().find(|reading| reading.name == *name);
        if seen.map(|reading| reading.wish_instances) != Some(*expected) {
            let shown = |wish: Option<u32>| wish.map_or_else(|| "no answer".to_owned(), |wish| wish.to_string());
            let seen = seen.map_or_else(|| "no such signal".to_owned(), |reading| shown(reading.wish_instances));
            note(&format!("wishes.{name}"), shown(*expected), seen);
        }
    }
    for (name, expected) in &expectation.values {
        let seen = decision.signals.iter().find(|reading| reading.name == *name);
        if !seen.is_some_and(|reading| is_near(*expected, reading.value)) {
            let shown = |value: Option<f64>| value.map_or_else(|| "no value".to_owned(), number);
            let seen = seen.map_or_else(|| "no such signal".to_owned(), |reading| shown(reading.value));
            note(&format!("values.{name}"), shown(*expected), seen);
        }
    }
    if let Some(words) = expectation.says.as_ref().filter(|words| !decision.explanation.contains(words.as_str())) {
        note("says", format!("… {words} …"), decision.explanation.clone());
    }
    if let Some(published) = expectation.published.filter(|published| *published != moment.published) {
        note("published", published.to_string(), moment.published.to_string());
    }
    found
}

/// How an alert differs, given all that was told.
pub(super) fn alert(expectation: &AlertExpectation, told: &[(Duration, AlertTransition)]) -> Option<Failed> {
    let AlertExpectation { path, at, rule, instance, finding, state, silenced_by, inhibited_by, says } = expectation;
    let is_it = |told: &AlertTransition| {
        let of_kind = |kind: &FindingKind| told.finding.as_ref().is_some_and(|found| found.kind == kind.name());
        told.rule == *rule && told.instance == *instance && finding.as_ref().is_none_or(of_kind)
    };
    let last = told.iter().rfind(|(after, told)| after <= at && is_it(told));
    let seen = last.map_or(AlertState::Inactive, |(after, told)| match told.to {
        AlertState::Resolved if after < at => AlertState::Inactive,
        state => state,
    });
    let mut differences = Vec::new();
    let mut note = |what: &str, expected: String, seen: String| {
        if expected != seen {
            differences.push(Difference { what: what.to_owned(), expected, seen });
        }
    };
    note("state", word(state), word(&seen));
    let last = last.map(|(_, told)| told);
    if let Some(expected) = silenced_by {
        note("silenced_by", list(expected), list(last.map_or(&[][..], |told| &told.silenced_by)));
    }
    if let Some(expected) = inhibited_by {
        let prints = last.map_or(&[][..], |told| &told.inhibited_by);
        let rule_of = |print: &String| told.iter().find(|(_, told)| told.fingerprint == *print);
        let mut rules: Vec<String> = prints.iter().filter_map(rule_of).map(|(_, told)| told.rule.clone()).collect();
        rules.sort();
        note("inhibited_by", list(expected), list(&rules));
    }
    if let Some(words) = says {
        let summary = last.map_or("nothing", |told| told.summary.as_str());
        if !summary.contains(words.as_str()) {
            note("says", format!("… {words} …"), summary.to_owned());
        }
    }
    let who = match instance {
        Some(instance) => format!("{rule} of {instance}"),
        None => rule.clone(),
    };
    let failed = Failed { path: path.clone(), who, after: *at, of_windows: None, differences, explanation: None };
    (!failed.differences.is_empty()).then_some(failed)
}

/// Equal to six digits.
fn is_near(expected: Option<f64>, seen: Option<f64>) -> bool {
    match (expected, seen) {
        (Some(expected), Some(seen)) => (expected - seen).abs() <= 5e-7 * expected.abs().max(seen.abs()),
        (expected, seen) => expected.is_none() && seen.is_none(),
    }
}

fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// The word that stands in records.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn stretch(range: &RangeInclusive<u32>) -> String {
    match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}..{}", range.start(), range.end()),
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn constraint(constraint: &Constraint) -> String {
    let Constraint { reason, from_instances, to_instances, detail } = constraint;
    format!("{} ({from_instances} -> {to_instances}: {detail})", word(reason))
}

/// `3: 4 -> 6 -> 4 -> 6`; the middle of a long one is left out.
fn course(changes: usize, desired: &[u32]) -> String {
    let mut values = desired.to_vec();
    values.dedup();
    let shown = |values: &[u32]| values.iter().map(u32::to_string).collect::<Vec<_>>().join(" -> ");
    match values.len() {
        0..=12 => format!("{changes}: {}", shown(&values)),
        len => format!("{changes}: {} -> … -> {}", shown(&values[..8]), shown(&values[len - 3..])),
    }
}
