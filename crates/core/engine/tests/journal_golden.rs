//! J1: bytes that a released version wrote to the shuffle topic stay readable, partial panes and marks alike.
//!
//! `TIDEGAUGE_BLESS=1` writes the files anew: only before a release, never after.

#![allow(clippy::disallowed_methods, reason = "a test reads its golden files")]

use std::path::PathBuf;
use std::sync::Arc;
use tidegauge_engine::journal::{Mark, RowsBuilder, decode, encode};
use tidegauge_engine::{JournalRecord, Partial, PartialRow, SourceRecord};
use tidegauge_model::counter::{CounterPoint, Reading};
use tidegauge_model::heavy::KEPT_KEYS;
use tidegauge_model::{
    Attribute, Attributes, EntityKey, EntityKind, EventTime, InstanceState, Metric, Position, SpaceSaving,
};
use tidegauge_window::{Sketch, SourceId, Stats};

fn mark() -> SourceRecord {
    SourceRecord {
        source: SourceId { topic: "agents.telemetry.v1".into(), partition: 3 },
        partitions: 4,
        mark: Some(Mark { watermark: Some(EventTime::from_secs(1_767_225_625)), drained: true, ended: false }),
        partial: None,
    }
}

/// As it was when attributes, cumulative counters, sums over agents and other entities were not in the journal yet, or
/// with them.
fn partial(attributes: Option<&Arc<Attributes>>, counts: bool, sums: bool, entities: &[EntityKey]) -> SourceRecord {
    partial_with_keys(attributes, counts, sums, entities, None)
}

fn keys() -> Vec<u8> {
    let mut keys = SpaceSaving::new(KEPT_KEYS);
    keys.add("tenant-7", 1_500);
    keys.add("tenant-9", 200);
    keys.to_bytes()
}

/// The same as it is since journals carry keys.
fn partial_with_keys(
    attributes: Option<&Arc<Attributes>>,
    counts: bool,
    sums: bool,
    entities: &[EntityKey],
    keys: Option<&[u8]>,
) -> SourceRecord {
    let mut latencies = (Stats::default(), Sketch::default());
    let mut depth = Stats::default();
    for (offset, value) in [12.5, 250.0, 0.0].into_iter().enumerate() {
        let at = EventTime::from_secs(1_767_225_610 + offset as i64);
        latencies.0.add(value, at, Position::new(3, offset as i64));
        latencies.1.insert(value);
        depth.add(value / 2.0, at, Position::new(3, offset as i64));
    }
    let metrics = vec![Metric::named("queue_depth"), Metric::named("response_time_ms"), Metric::named("fan_rpm")];
    let mut rows = RowsBuilder::new(metrics);
    let row = |instance, state, attributes| PartialRow {
        workspace: if sums { "blue" } else { "default" },
        agent: "planner",
        entity: None,
        instance,
        samples: 3,
        at: (EventTime::from_secs(1_767_225_610), EventTime::from_secs(1_767_225_612)),
        last_position: Position::new(3, 2),
        state,
        ready_at: None,
        attributes,
        keys: None,
    };
    let reading = |secs, value, start: Option<i64>| CounterPoint {
        at: EventTime::from_secs(secs),
        position: Position::new(3, 2),
        reading: Reading { value, start: start.map(EventTime::from_secs) },
    };
    let readings = [
        (0, reading(1_767_225_610, 7.0, None)),
        (2, reading(1_767_225_610, 90.0, Some(1_767_225_000))),
        (2, reading(1_767_225_612, 130.5, Some(1_767_225_000))),
    ];
    let all = [(0, depth), (1, latencies.0), (2, depth)];
    for workspace in ["", "blue"].into_iter().filter(|_| sums) {
        let source = PartialRow { workspace, agent: "", ..row("agents.telemetry.v1/3", None, None) };
        rows.push(&source, all.into_iter(), [(1, &latencies.1)].into_iter(), std::iter::empty());
        let readings_of = PartialRow { samples: 0, instance: "blue/planner/planner-1", ..source };
        rows.push(&readings_of, std::iter::empty(), std::iter::empty(), readings.into_iter());
    }
    rows.push(
        &PartialRow { keys, ..row("planner-1", Some(InstanceState::Ready), attributes) },
        all.into_iter(),
        [(1, &latencies.1)].into_iter(),
        readings.into_iter().filter(|_| counts),
    );
    rows.push(&row("planner-2", None, None), [(0, depth)].into_iter(), std::iter::empty(), std::iter::empty());
    for entity in entities {
        let row = PartialRow { entity: Some(entity), ..row("", None, None) };
        rows.push(&row, [(0, depth)].into_iter(), std::iter::empty(), std::iter::empty());
    }
    let partial = Partial {
        pane: EventTime::from_secs(1_767_225_610),
        sequence: 0,
        chunk: 0,
        last: true,
        offsets: (0, 2),
        samples: rows.samples(),
        rows: rows.finish(),
    };
    SourceRecord { partial: Some(partial), ..mark() }
}

fn entities() -> [EntityKey; 2] {
    [EntityKey::new(EntityKind::Agent, ""), EntityKey::new(EntityKind::Dependency, "orders-db")]
}

#[test]
fn released_bytes_are_still_read() {
    let attributes = Arc::new(Attributes::from([(Attribute::Region, "eu".into()), (Attribute::Version, "1.4".into())]));
    let records = [
        ("mark.v1.bin", mark()),
        ("partial.v1.bin", partial(None, false, false, &[])),
        ("mark.v2.bin", mark()),
        ("partial.v2.bin", partial(Some(&attributes), false, false, &[])),
        ("partial.v3.bin", partial(Some(&attributes), true, false, &[])),
        ("mark.v4.bin", mark()),
        ("partial.v4.bin", partial(Some(&attributes), true, true, &entities())),
        ("partial.v5.bin", partial_with_keys(Some(&attributes), true, true, &entities(), Some(&keys()))),
    ];
    for (name, record) in records {
        let record = JournalRecord::Source(record);
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("TIDEGAUGE_BLESS").is_some() && name.contains(".v5.") {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(&file, encode(&record)).expect("a golden file");
        }
        let golden = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(decode(&golden).expect("a released record"), record, "{name}");
    }
}

/// Sums are of rows that are counted where their agents are.
#[test]
fn sums_count_no_rows_again() {
    let SourceRecord { partial: Some(without), .. } = partial(None, true, false, &[]) else { panic!("a partial") };
    let SourceRecord { partial: Some(with), .. } = partial(None, true, true, &[]) else { panic!("a partial") };
    assert_eq!((without.samples, with.samples, with.rows.samples()), (6, 6, 6));
    assert_eq!((without.rows.len(), with.rows.len()), (2, 6));
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let bytes = encode(&JournalRecord::Source(partial_with_keys(None, true, true, &entities(), Some(&keys()))));
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        drop(decode(&damaged));
    }
}
