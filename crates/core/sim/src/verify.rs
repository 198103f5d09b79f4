//! Does the committed record equal what an undisturbed run would have written?
//!
//! - **R0** Each row of telemetry is in exactly one place: in the partials of its pane, or refused; and what is
//!   refused is what brute force refuses.

use crate::kafka::{At, Kafka, Record};
use crate::scenario::{Row, Scenario};
use crate::workers::topics;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_delivery::Guarantee;
use tidegauge_engine::journal;

/// What a reader of committed records sees of a partition.
#[must_use]
pub fn committed(kafka: &Kafka, topic: usize, partition: u32) -> Vec<Record<'_>> {
    kafka.read(At { topic, partition }, 0, usize::MAX).0
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// Rows of each pane, by telemetry partition, and the rows refused, all by brute force.
fn judged(scenario: &Scenario) -> (BTreeMap<(u32, i64), u64>, BTreeSet<(u32, i64)>) {
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

/// **R0**.
///
/// # Errors
///
/// The first row, or pane, that is not where it has to be.
pub fn every_row_is_somewhere(kafka: &Kafka, scenario: &Scenario, guarantee: Guarantee) -> Result<(), String> {
    let exactly = guarantee == Guarantee::ExactlyOnce;
    let (panes, refused) = judged(scenario);
    let mut found: BTreeMap<(u32, i64), u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for shuffle in 0..scenario.shuffle_partitions {
        for record in committed(kafka, topics::SHUFFLE, shuffle) {
            let record = journal::decode(record.value).map_err(|error| error.to_string())?;
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
    ensure(told == refused, || format!("refused {told:?}, by brute force {refused:?}"))
}
