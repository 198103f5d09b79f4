//! Facts and steps, for people and as JSON.

use super::facts::{Facts, PartitionFacts, Stage};
use super::why::{self, Step, about};
use crate::terminal::{Cell, Tone, counted, table, toned};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tidegauge_model::EventTime;
use tidegauge_wire::{Encoding, Output as _};

/// Steps, a line each.
pub(super) fn steps(steps: &[Step], colours: bool) -> String {
    let line = |step: &Step| {
        let (sign, tone) = if step.holds { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        format!("{} {}: {}\n", toned(sign, tone, colours), step.what, step.detail)
    };
    steps.iter().map(line).collect()
}

/// All of it as one object.
pub(super) fn object(facts: &Facts, steps: Option<&[Step]>) -> anyhow::Result<Value> {
    let mut object = serde_json::to_value(facts)?;
    if let Some(decision) = &facts.standing {
        let mut published = Vec::new(); // As `tail decisions --output json` shows it.
        decision.encode(Encoding::Json, &mut published);
        object["standing"] = serde_json::from_slice(&published)?;
    }
    if let Some(steps) = steps {
        object["steps"] = json!(steps);
        object["answer"] = why::answer(steps).into();
    }
    Ok(object)
}

/// Both stages, the sources, and who holds the watermark back.
pub(super) fn overview(facts: &Facts, colours: bool) -> String {
    if !facts.missing_topics.is_empty() {
        let missing = facts.missing_topics.join(", ");
        return format!("Topics missing: {missing}. `tidegauge topics ensure` creates what is ours.\n");
    }
    let mut out = String::new();
    for (stage, reached) in [(&facts.aggregate, "WATERMARK"), (&facts.decide, "CLOSED THROUGH")] {
        let header = ["PARTITION", "END", "COMMITTED", "LAG", reached, "DELAY", "WORKER"];
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} ({})", stage.group, counted(stage.members, "member"));
        let _ = writeln!(out, "{}{}\n", table(&header, &rows(stage, facts.now), colours), stage.skew.text());
    }
    out + &sources(facts, colours)
}

fn rows(stage: &Stage, now: EventTime) -> Vec<Vec<Cell>> {
    let row = |at: &PartitionFacts| {
        let number = |offset: Option<i64>| offset.map_or("-".to_owned(), |offset| offset.to_string());
        let time = |time: Option<EventTime>| time.map_or("-".to_owned(), |time| time.to_string());
        let delay = at.reached.map(|reached| about(now.since(reached)).to_string());
        let owner = at.owner.clone().unwrap_or_else(|| "nobody".to_owned());
        vec![
            plain(at.name()),
            plain(at.end_offset.to_string()),
            plain(number(at.committed_offset)),
            (at.lag_records.to_string(), if at.lag_records > 0 { Tone::Warning } else { Tone::Plain }),
            plain(time(at.reached)),
            plain(delay.unwrap_or_else(|| "-".to_owned())),
            (owner, if at.owner.is_none() { Tone::Warning } else { Tone::Plain }),
        ]
    };
    stage.partitions.iter().map(row).collect()
}

fn sources(facts: &Facts, colours: bool) -> String {
    let Some(tail) = &facts.journal else { return String::new() };
    let Some((_, last)) = tail.stored else {
        return "The journal holds nothing yet.\n".to_owned();
    };
    let rows = tail.sources.iter().map(|source| {
        let tone = match source.standing {
            "skewed" | "stalled" => Tone::Bad,
            "idle" | "ended" => Tone::Faint,
            _ => Tone::Plain,
        };
        let watermark = source.watermark.map_or("-".to_owned(), |watermark| watermark.to_string());
        vec![plain(source.source.clone()), (source.standing.to_owned(), tone), plain(watermark)]
    });
    let mut out = format!(
        "Sources, by the last {} records of shuffle partition {}; the last was stored {} ago\n",
        tail.records,
        tail.partition,
        about(facts.now.since(last))
    );
    out += &table(&["SOURCE", "STANDING", "WATERMARK"], &rows.collect::<Vec<_>>(), colours);
    out.push('\n');
    let silent = tail.silent.join(", ");
    out += &match (&tail.slowest, tail.watermark) {
        _ if !silent.is_empty() => format!("No window closes before these have spoken: {silent}.\n"),
        (Some(source), Some(watermark)) => format!("{source} holds the watermark back, at {watermark}.\n"),
        (Some(source), None) => format!("{source} holds the watermark back: it counts and has had no sample.\n"),
        (None, Some(watermark)) => format!("No source counts; the watermark stands still at {watermark}.\n"),
        (None, None) => "No source counts, and there is no watermark.\n".to_owned(),
    };
    if let Some(heaviest) = &tail.heaviest {
        let _ = writeln!(
            out,
            "The heaviest agent of that shuffle partition is {}, with {:.0} % of its {} samples.",
            heaviest.target,
            heaviest.share * 100.0,
            heaviest.samples
        );
    }
    if tail.foreign > 0 {
        let _ = writeln!(out, "{} of those records are none of the journal's.", tail.foreign);
    }
    out
}

fn plain(text: String) -> Cell {
    (text, Tone::Plain)
}
