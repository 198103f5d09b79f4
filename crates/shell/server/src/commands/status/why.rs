//! Why a target has no decision: what has to be in place for one, in the order in which it depends on one another.

use super::facts::{Facts, PartitionFacts, Stage};
use super::tail::Tail;
use crate::terminal::counted;
use serde::Serialize;
use std::time::Duration;
use tidegauge_kafka::client::Unavailable;
use tidegauge_model::{Action, Decision, EventTime, Mode, Target};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{HumanDuration, Policy};

/// A stage whose next record is older than this is behind: it commits every 5 s at the latest.
const BEHIND: Duration = Duration::from_secs(30);

/// An agent that is silent for this long, of event time, is no longer decided about.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

/// One thing that has to be in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// What.
    pub(super) what: &'static str,
    /// Whether it is.
    pub(super) holds: bool,
    /// How it is: a sentence without its full stop.
    pub(super) detail: String,
}

fn good(what: &'static str, detail: String) -> Step {
    Step { what, holds: true, detail }
}

fn bad(what: &'static str, detail: String) -> Step {
    Step { what, holds: false, detail }
}

/// The only step there is without a broker.
pub(super) fn no_broker(error: &Unavailable) -> Step {
    bad("broker", error.to_string())
}

/// All steps for a target; those that nothing can be said of are left out.
pub(super) fn chain(policies: &[Policy], facts: &Facts, target: &Target) -> Vec<Step> {
    let cluster = facts.cluster.as_deref().unwrap_or("without an id");
    let mut steps =
        vec![good("broker", format!("cluster {cluster} answers, {}", counted(facts.brokers, "broker"))), topics(facts)];
    if !facts.missing_topics.is_empty() {
        return steps;
    }
    steps.extend([telemetry(facts), committed(&facts.aggregate), reading(&facts.aggregate, facts.now)]);
    if let Some(tail) = &facts.journal {
        steps.extend([sources(tail, facts.now), watermark(tail, facts.now), target_rows(tail, target)]);
    }
    if let Some(partition) = facts.journal_partition() {
        steps.push(decider(&facts.decide, partition, facts.now));
    }
    let policy = applicable(policies, target).into_iter().find(|policy| policy.mode == Mode::Live);
    steps.push(covered(policies, policy, target));
    // The tail may begin after the first row, but then there has been a decision.
    if facts.standing.is_none()
        && let Some((policy, (first, _))) = policy.zip(facts.journal.as_ref().and_then(|tail| tail.target_panes))
    {
        steps.push(window(policy, first, facts.journal_partition()));
    }
    steps.push(standing(facts, target));
    steps
}

/// The answer, as a sentence.
pub(super) fn answer(steps: &[Step]) -> String {
    match steps.iter().find(|step| !step.holds) {
        Some(step) => format!("No decision to act on, because of the {}: {}.", step.what, step.detail),
        None => format!("There is a decision: {}.", steps.last().map_or("", |step| step.detail.as_str())),
    }
}

fn topics(facts: &Facts) -> Step {
    match facts.missing_topics.as_slice() {
        [] => good("topics", "all there".to_owned()),
        missing => {
            bad("topics", format!("{} missing; `tidegauge topics ensure` creates what is ours", missing.join(", ")))
        }
    }
}

fn telemetry(facts: &Facts) -> Step {
    let partitions = &facts.aggregate.partitions;
    let records: i64 = partitions.iter().map(|at| at.end_offset - at.first_offset).sum();
    if records > 0 {
        return good(
            "telemetry",
            format!("{} in {}", counted(records, "record"), counted(partitions.len(), "partition")),
        );
    }
    let ever = partitions.iter().any(|at| at.end_offset > 0);
    let why = if ever { "they were deleted by the topic's retention" } else { "nobody has written any" };
    bad("telemetry", format!("no telemetry topic holds a record: {why}"))
}

fn committed(stage: &Stage) -> Step {
    let never = stage.partitions.iter().filter(|at| at.committed_offset.is_none() && !at.is_empty());
    let never: Vec<_> = never.map(PartitionFacts::name).collect();
    if never.is_empty() {
        return good("first stage", format!("group {} has committed its positions", stage.group));
    }
    let group = &stage.group;
    let members = stage.members;
    bad(
        "first stage",
        format!("group {group} ({}) has committed nothing for {}", counted(members, "member"), never.join(", ")),
    )
}

fn reading(stage: &Stage, now: EventTime) -> Step {
    let what = "lag of the first stage";
    behind(stage, stage.furthest_behind(), now).map_or_else(
        || good(what, counted(stage.partitions.iter().map(|at| at.lag_records).sum::<i64>(), "record") + " to read"),
        |detail| bad(what, detail),
    )
}

/// How a stage is behind, if it is: what is left may also be no more than markers of transactions.
fn behind(stage: &Stage, partition: Option<&PartitionFacts>, now: EventTime) -> Option<String> {
    let at = partition.filter(|at| at.lag_records > 0)?;
    let age = now.since(stage.oldest_unread?);
    let (name, lag, group) = (at.name(), at.lag_records, &stage.group);
    if stage.members == 0 {
        return Some(format!("{lag} records of {name} wait and group {group} has no members: is `tidegauge run` up"));
    }
    (age > BEHIND).then(|| format!("{name} is {lag} records behind, the next of them {} old", about(age)))
}

fn sources(tail: &Tail, now: EventTime) -> Step {
    let what = "sources";
    let Some((_, last)) = tail.stored else {
        return bad(what, format!("shuffle partition {} is empty: the first stage has sent no mark", tail.partition));
    };
    if tail.silent.is_empty() {
        let age = now.since(last);
        // Marks come every 5 s as long as somebody works; a bounded run that ended is silent with good reason.
        let quiet = if age > BEHIND { format!(", and nothing for {}", about(age)) } else { String::new() };
        return good(what, format!("all {} have spoken in the journal{quiet}", tail.sources.len()));
    }
    let (silent, records) = (tail.silent.join(", "), tail.records);
    bad(what, format!("no mark of {silent} in the last {records} records of the journal: no window closes before"))
}

fn watermark(tail: &Tail, now: EventTime) -> Step {
    let what = "watermark";
    let slowest = tail.slowest.as_deref();
    let lost: Vec<_> = tail.sources.iter().filter(|source| ["skewed", "stalled"].contains(&source.standing)).collect();
    let lost: String =
        lost.iter().map(|source| format!("; {} is {} and not waited for", source.source, source.standing)).collect();
    match tail.watermark {
        Some(watermark) => {
            let by = slowest.map_or_else(
                || "; no source counts, so event time stands still".to_owned(),
                |source| format!(", held back by {source}"),
            );
            good(what, format!("{watermark}, {} ago{by}{lost}", about(now.since(watermark))))
        }
        None => {
            let by = slowest.map_or_else(String::new, |source| format!(": {source} counts and has had no sample"));
            bad(what, format!("there is none{by}{lost}"))
        }
    }
}

fn target_rows(tail: &Tail, target: &Target) -> Step {
    let what = "telemetry of the target";
    if let (Some((_, last)), Some(watermark)) = (tail.target_panes, tail.watermark)
        && watermark.since(last) > FORGOTTEN
    {
        return bad(what, format!("{target} fell silent at {last}, and the watermark is at {watermark}"));
    }
    match (tail.target_panes, tail.stored) {
        (Some((first, last)), _) => good(what, format!("in panes from {first} to {last}, of the journal's tail")),
        (None, Some((since, _))) => bad(
            what,
            format!(
                "no sample of {target} among the last {} records of its shuffle partition {}, since {since}: does it \
                 report under that workspace and agent",
                tail.records, tail.partition
            ),
        ),
        (None, None) => {
            bad(what, format!("shuffle partition {}, where {target} belongs, holds nothing", tail.partition))
        }
    }
}

fn decider(stage: &Stage, at: &PartitionFacts, now: EventTime) -> Step {
    let what = "second stage";
    if at.committed_offset.is_none() {
        let (group, name, members) = (&stage.group, at.name(), stage.members);
        return bad(what, format!("group {group} ({}) has committed nothing for {name}", counted(members, "member")));
    }
    match (behind(stage, Some(at), now), at.reached) {
        (Some(detail), _) => bad(what, detail),
        (None, Some(closed)) => good(
            what,
            format!("{} is closed through {closed}, {} to read", at.name(), counted(at.lag_records, "record")),
        ),
        (None, None) => bad(what, format!("{} has closed no window yet", at.name())),
    }
}

fn covered(policies: &[Policy], policy: Option<&Policy>, target: &Target) -> Step {
    let what = "policy";
    if let Some(policy) = policy {
        let (size, slide) = (HumanDuration(policy.window.size), HumanDuration(policy.window.slide));
        return good(what, format!("{} version {}, windows of {size} by {slide}", policy.name, policy.version));
    }
    let shadows = applicable(policies, target).len();
    let detail = match (policies.len(), shadows) {
        (0, _) => "none holds, and none is given: `tidegauge run --policy` puts one into force".to_owned(),
        (count, 0) => format!("none of {count} covers {target}: see spec.match of each"),
        (_, shadows) => format!("{shadows} cover {target}, all of them shadows: nobody acts on those"),
    };
    bad(what, detail)
}

/// The first window that can hold the target's first row must have closed.
fn window(policy: &Policy, first_pane: EventTime, at: Option<&PartitionFacts>) -> Step {
    let what = "window";
    let closes = first_pane.floor_to(policy.window.slide).plus(policy.window.slide);
    match at.and_then(|at| at.reached) {
        Some(closed) if closed >= closes => good(what, format!("the first one with its telemetry closed at {closes}")),
        Some(closed) => bad(what, format!("the first one closes at {closes} and event time has come to {closed}")),
        None => bad(what, format!("the first one closes at {closes} and none has closed yet")),
    }
}

fn standing(facts: &Facts, target: &Target) -> Step {
    let what = "standing decision";
    let Some(decision) = &facts.standing else {
        return bad(what, format!("none of {target} was published"));
    };
    let text = described(decision, facts.now);
    match facts.now < decision.expires_at {
        true => good(what, format!("{text}, expires {}", decision.expires_at)),
        false => bad(what, format!("{text}, expired {}", decision.expires_at)),
    }
}

fn described(decision: &Decision, now: EventTime) -> String {
    let action = match decision.action {
        Action::ScaleUp => "scale up",
        Action::ScaleDown => "scale down",
        Action::Hold => "hold",
    };
    format!(
        "generation {}, {} instances ({action}: {}), decided {} ago",
        decision.generation,
        decision.desired_instances,
        decision.explanation,
        about(now.since(decision.decided_at))
    )
}

/// A duration as precise as one can use: seconds below an hour, minutes below a day, hours beyond.
pub(crate) fn about(duration: Duration) -> HumanDuration {
    let grain = match duration.as_secs() {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    HumanDuration(Duration::from_secs(duration.as_secs() / grain * grain))
}

#[cfg(test)]
mod tests;
