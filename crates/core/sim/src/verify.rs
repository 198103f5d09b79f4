//! Does the committed record equal what an undisturbed run would have written?
//!
//! - **R1** Windows, decisions, alerts and findings are those that one undisturbed Decider makes of the committed journal, byte for
//!   byte, in their order, each once.
//! - **R2** With no row corrected and no source excluded, they are those of an undisturbed run of the same telemetry.
//! - **R0** Each row of telemetry is in exactly one place: in the partials of its pane, or refused; and what is
//!   refused is what brute force refuses.

use crate::kafka::{At, Kafka, Record};
use crate::scenario::{Row, Scenario, changes};
use crate::workers::decide::{generation_of, record_of};
use crate::workers::topics;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_delivery::Guarantee;
use tidegauge_engine::{Control, Decider, DeciderInput, JournalRecord, journal};

/// What a reader of committed records sees of a partition.
#[must_use]
pub fn committed(kafka: &Kafka, topic: usize, partition: u32) -> Vec<Record<'_>> {
    kafka.read(At { topic, partition }, 0, usize::MAX).0
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// How many, by telemetry partition and start of the pane.
type RowsOfPanes = BTreeMap<(u32, i64), u64>;

/// Rows of each pane, by telemetry partition, and the rows refused, all by brute force.
fn judged(scenario: &Scenario) -> (RowsOfPanes, BTreeSet<(u32, i64)>) {
    let (mut panes, mut refused) = (BTreeMap::new(), BTreeSet::new());
    let (disorder, lateness, future) = scenario.bounds;
    let us = |duration: std::time::Duration| duration.as_micros() as i64;
    for (partition, rows) in (0..).zip(&scenario.partitions) {
        let mut watermark = i64::MIN;
        for Row { offset, at_us, ingest_us, .. } in rows {
            let pane = at_us - at_us.rem_euclid(us(scenario.pane));
            if at_us - ingest_us > us(future) {
                refused.insert((partition, *offset));
                continue;
            }
            if pane + us(scenario.pane) + us(lateness) > watermark {
                *panes.entry((partition, pane)).or_default() += 1;
            } else {
                refused.insert((partition, *offset));
            }
            watermark = watermark.max(at_us - us(disorder));
        }
    }
    (panes, refused)
}

/// **R0**; returns how many corrections there were.
///
/// # Errors
///
/// The first row, or pane, that is not where it has to be.
pub fn every_row_is_somewhere(kafka: &Kafka, scenario: &Scenario, guarantee: Guarantee) -> Result<u64, String> {
    let exactly = guarantee == Guarantee::ExactlyOnce;
    let (panes, refused) = judged(scenario);
    let mut found = RowsOfPanes::new();
    let mut seen = BTreeSet::new();
    for shuffle in 0..scenario.shuffle_partitions {
        for record in committed(kafka, topics::SHUFFLE, shuffle) {
            let record = journal::decode(record.value).map_err(|error| error.to_string())?;
            let JournalRecord::Source(record) = record else { continue };
            let Some(partial) = record.partial else { continue };
            let (source, pane) = (record.source.partition, partial.pane.as_micros());
            let first = seen.insert((shuffle, source, pane, partial.sequence, partial.chunk));
            ensure(first || !exactly, || format!("sent twice: source {source} pane {pane} #{}", partial.sequence))?;
            *found.entry((source, pane)).or_default() += partial.samples;
        }
    }
    for (at, &rows) in &panes {
        let there = found.remove(at).unwrap_or_default();
        let fits = if exactly { there == rows } else { there >= rows };
        ensure(fits, || format!("{there} rows of {rows} in (source, pane) {at:?}"))?;
    }
    ensure(found.is_empty(), || format!("rows from nowhere: {found:?}"))?;
    let mut told = BTreeSet::new();
    for source in 0..scenario.partitions.len() as u32 {
        for record in committed(kafka, topics::LATE, source) {
            let offset = i64::from_le_bytes(record.value.try_into().map_err(|_| "not an offset")?);
            let first = told.insert((source, offset));
            ensure(first || !exactly, || format!("row {offset} of source {source} refused twice"))?;
        }
    }
    ensure(told == refused, || format!("refused {told:?}, by brute force {refused:?}"))?;
    Ok(seen.iter().filter(|(_, _, _, sequence, _)| *sequence > 0).count() as u64)
}

/// Outputs of a shuffle partition, by topic, in order.
pub type Outputs = BTreeMap<usize, Vec<Vec<u8>>>;

/// Topics of outputs, and what is in them.
pub const OUTPUTS: [(usize, &str); 5] = [
    (topics::WINDOWS, "windows"),
    (topics::DECISIONS, "decisions"),
    (topics::ALERTS, "alerts"),
    (topics::FINDINGS, "findings"),
    (topics::LATE_PARTIALS, "late partials"),
];

/// What was published from a shuffle partition.
#[must_use]
pub fn published(kafka: &Kafka, shuffle: u32) -> Outputs {
    let values = |topic| committed(kafka, topic, shuffle).into_iter().map(|record| record.value.to_vec()).collect();
    OUTPUTS.into_iter().map(|(topic, _)| (topic, values(topic))).collect()
}

/// What one Decider makes of the committed journal. Rows in its partials are all accounted for.
fn decided(kafka: &Kafka, scenario: &Scenario, shuffle: u32) -> Result<Outputs, String> {
    let control = Control::beginning(changes(&scenario.documents), BTreeMap::new());
    let mut decider = Decider::new(scenario.decider(), control);
    let mut outputs: Outputs = OUTPUTS.into_iter().map(|(topic, _)| (topic, Vec::new())).collect();
    for Record { offset, log_time, value, .. } in committed(kafka, topics::SHUFFLE, shuffle) {
        let record = journal::decode(value).map_err(|error| error.to_string())?;
        for output in decider.step(DeciderInput { record, offset, log_time }) {
            let (topic, _, value) = record_of(&output);
            outputs.entry(topic).or_default().push(value);
        }
    }
    let counts = decider.counts();
    let somewhere = counts.merged + counts.too_late + counts.replayed;
    ensure(counts.samples == somewhere && decider.pending_samples() == 0, || {
        format!("rows are left over: {counts:?}")
    })?;
    Ok(outputs)
}

/// **R1**; returns how many outputs of each kind there were. Without transactions what was published before may come again, exactly as it was.
///
/// # Errors
///
/// The first output that is another.
pub fn outputs_are_those_of_the_journal(
    kafka: &Kafka,
    scenario: &Scenario,
    guarantee: Guarantee,
) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut counts = BTreeMap::new();
    for shuffle in 0..scenario.shuffle_partitions {
        let (mut want, mut got) = (decided(kafka, scenario, shuffle)?, published(kafka, shuffle));
        if guarantee == Guarantee::AtLeastOnce {
            want.values_mut().chain(got.values_mut()).for_each(without_repeats);
        }
        equal(&want, &got).map_err(|problem| format!("partition {shuffle}: {problem}"))?;
        for (topic, kind) in OUTPUTS {
            *counts.entry(kind).or_default() += want[&topic].len() as u64;
        }
    }
    Ok(counts)
}

fn without_repeats(values: &mut Vec<Vec<u8>>) {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

/// Whether two runs have published the same.
///
/// # Errors
///
/// The first output that is another.
pub fn equal(want: &Outputs, got: &Outputs) -> Result<(), String> {
    for (topic, want) in want {
        let got = got.get(topic).map_or(&[][..], Vec::as_slice);
        let other = want.iter().zip(got).position(|(want, got)| want != got);
        let at = other.or_else(|| (want.len() != got.len()).then_some(want.len().min(got.len())));
        let text =
            |values: &[Vec<u8>], at| values.get(at).map(|value: &Vec<u8>| String::from_utf8_lossy(value).into_owned());
        if let Some(at) = at {
            let (want_text, got_text) = (text(want, at), text(got, at));
            let counts = (want.len(), got.len());
            let kind = OUTPUTS.iter().find(|(number, _)| number == topic).map_or("?", |(_, kind)| kind);
            return Err(format!("{kind}: number {at} of {counts:?} is {got_text:?}, and should be {want_text:?}"));
        }
    }
    Ok(())
}

/// Generations of a target never fall; positions never move back. What comes again exactly as it was does not count.
///
/// # Errors
///
/// The first that does.
pub fn nothing_moves_back(kafka: &Kafka, scenario: &Scenario, guarantee: Guarantee) -> Result<(), String> {
    let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for shuffle in 0..scenario.shuffle_partitions {
        for record in committed(kafka, topics::DECISIONS, shuffle) {
            let (key, generation) = generation_of(record.key, record.value).ok_or("not a decision")?;
            if !seen.insert(record.value) && guarantee == Guarantee::AtLeastOnce {
                continue;
            }
            let before = last.insert(key, generation).unwrap_or_default();
            ensure(before <= generation, || format!("generation {generation} after {before}"))?;
        }
    }
    kafka.moved_back().first().map_or(Ok(()), |problem| Err(format!("moved back: {problem}")))
}
