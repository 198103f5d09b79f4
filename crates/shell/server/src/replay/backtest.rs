//! `--policy`: other policies over the same log, held beside what was decided then.

use super::log::{Headers, LogReader};
use super::sink::{Cause, Sink};
use crate::config::Config;
use crate::terminal::{self, Tone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tidegauge_engine::DeciderOutput;
use tidegauge_kafka::admin::FoundTopic;
use tidegauge_model::{Decision, EventTime, Mode};
use tidegauge_wire::Output as _;

use super::kind::Provenance;
use super::recorded::Causes;

/// Decisions of one target under one policy: when, and how many instances.
type Course = Vec<(EventTime, u32)>;
/// Courses by target, then by policy.
type Courses = BTreeMap<String, BTreeMap<String, Course>>;

/// What other policies have decided so far.
#[derive(Default)]
pub(super) struct Backtest {
    replayed: Mutex<Courses>,
}

impl Backtest {
    /// The sink of one shuffle partition.
    pub(super) fn partition(&self) -> Decisions<'_> {
        Decisions { of: self, courses: Courses::default() }
    }

    /// Both sides, a line for each target and policy.
    pub(super) fn lines(
        &self,
        config: &Config,
        found: &BTreeMap<String, FoundTopic>,
        causes: &Causes,
    ) -> anyhow::Result<Vec<Line>> {
        let recorded = recorded(config, found, causes)?;
        let replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        let targets: std::collections::BTreeSet<&String> = recorded.keys().chain(replayed.keys()).collect();
        for target in targets {
            let of = |side: &'static str, courses: Option<&BTreeMap<String, Course>>| {
                let courses = courses.into_iter().flatten();
                courses.map(move |(policy, course)| (side, policy.clone(), course.clone())).collect::<Vec<_>>()
            };
            let sides = [of("recorded", recorded.get(target)), of("backtest", replayed.get(target))].concat();
            let end = sides.iter().filter_map(|(_, _, course)| course.last()).map(|(at, _)| *at).max();
            lines.extend(sides.into_iter().map(|(side, policy, course)| {
                let figures = Figures::of(&course, end);
                Line { target: target.clone(), side, policy, figures }
            }));
        }
        Ok(lines)
    }
}

/// How one policy decided about one target: then, or in the backtest.
pub(super) struct Line {
    target: String,
    side: &'static str,
    policy: String,
    figures: Figures,
}

pub(super) fn table(lines: &[Line]) -> String {
    let rows = lines.iter().map(|Line { target, side, policy, figures }| {
        let names = [target.clone(), (*side).to_owned(), policy.clone()];
        names.into_iter().chain(figures.cells()).map(|text| (text, Tone::Plain)).collect()
    });
    let header = ["TARGET", "DECIDED", "POLICY", "CHANGES", "MIN", "MAX", "MEAN"];
    terminal::table(&header, &rows.collect::<Vec<_>>(), terminal::has_colours())
}

pub(super) fn objects(lines: &[Line]) -> Vec<Value> {
    let object = |Line { target, side, policy, figures: Figures { changes, bounds, mean } }: &Line| {
        json!({
            "target": target, "decided": side, "policy": policy, "changes": changes,
            "min": bounds.map(|(min, _)| min), "max": bounds.map(|(_, max)| max), "mean": mean,
        })
    };
    lines.iter().map(object).collect()
}

/// Live decisions of the same stretch, as they were recorded.
fn recorded(config: &Config, found: &BTreeMap<String, FoundTopic>, causes: &Causes) -> anyhow::Result<Courses> {
    let topic = &config.topics.decisions;
    let mut reader = LogReader::new(&config.kafka, "replay-recorded")?;
    let mut courses = Courses::default();
    for partition in 0..found.get(topic).map_or(0, |topic| topic.partitions).cast_signed() {
        let end = reader.end(topic, partition)?;
        let (first, _) = reader.bounds(topic, partition)?;
        reader.read(topic, partition, first..end, |row| {
            let Some(cause) = Provenance::of(Headers::of(row).iter()) else { return Ok(()) };
            if causes.get(&cause.partition).is_some_and(|causes| causes.contains(&cause.offset)) {
                match Decision::decode(row.value().unwrap_or_default()) {
                    Ok(decision) if decision.mode == Mode::Live => add(&mut courses, &decision),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(topic, partition, offset = row.offset(), %error, "passed over"),
                }
            }
            Ok(())
        })?;
    }
    Ok(courses)
}

fn add(courses: &mut Courses, decision: &Decision) {
    let policies = courses.entry(decision.target.to_string()).or_default();
    let course = policies.entry(format!("{} v{}", decision.policy, decision.policy_version)).or_default();
    course.push((decision.decided_at, decision.desired_instances));
}

/// Decisions of one shuffle partition.
pub(super) struct Decisions<'b> {
    of: &'b Backtest,
    courses: Courses,
}

impl Sink for Decisions<'_> {
    fn take(&mut self, _: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        for output in outputs {
            if let DeciderOutput::Decision(decision) = output {
                add(&mut self.courses, decision);
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        // A target lives in one shuffle partition.
        self.of.replayed.lock().unwrap_or_else(PoisonError::into_inner).extend(self.courses);
        Ok(())
    }
}

/// A course in figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    changes: usize,
    bounds: Option<(u32, u32)>,
    mean: Option<f64>,
}

impl Figures {
    /// Until `end`, which is no earlier than its last decision.
    fn of(course: &[(EventTime, u32)], end: Option<EventTime>) -> Self {
        let desired = || course.iter().map(|(_, desired)| *desired);
        let changes = desired().zip(desired().skip(1)).filter(|(before, after)| before != after).count();
        let until = course.iter().skip(1).map(|(at, _)| *at).chain(end);
        let weights = course.iter().zip(until).map(|((at, desired), until)| (until.since(*at).as_secs_f64(), *desired));
        let (time, sum) = weights
            .fold((0.0, 0.0), |(time, sum), (weight, desired)| (time + weight, sum + weight * f64::from(desired)));
        let last = course.last().map(|(_, desired)| f64::from(*desired));
        Self {
            changes,
            bounds: desired().min().zip(desired().max()),
            mean: if time > 0.0 { Some(sum / time) } else { last },
        }
    }

    fn cells(self) -> [String; 4] {
        let bound = |of: fn((u32, u32)) -> u32| self.bounds.map_or("-".to_owned(), |bounds| of(bounds).to_string());
        let mean = self.mean.map_or("-".to_owned(), |mean| format!("{mean:.2}"));
        [self.changes.to_string(), bound(|(min, _)| min), bound(|(_, max)| max), mean]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_weighted_by_how_long_it_stood() {
        let at = |seconds: i64, desired: u32| (EventTime::from_secs(seconds), desired);
        let end = Some(EventTime::from_secs(100));
        let cases = [
            ("4 for a minute, 8 for 40 s", vec![at(0, 4), at(60, 8)], "1 4 8 5.60"),
            ("renewed without a change", vec![at(0, 4), at(50, 4)], "0 4 4 4.00"),
            ("one decision at the end", vec![at(100, 7)], "0 7 7 7.00"),
            ("nothing decided", vec![], "0 - - -"),
        ];
        for (name, course, want) in cases {
            assert_eq!(Figures::of(&course, end).cells().join(" "), want, "{name}");
        }
    }
}
