//! T1–T3: a round of state comes back whole or not at all, and whatever was done to it is named.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test tells what it saw")]

use tidegauge_engine::state::{self, StateError, StateReader};
use tidegauge_engine::{Checkpoint, Control, ControlChange, Decider, DeciderInput, RollupRule, SessionRule, journal};
use tidegauge_policy::Written;
use tidegauge_sim::{Drive, Scenario};

/// State offset of the first record.
const BEGIN: i64 = 100;

const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: queue, version: 7}
spec:
  window: {size: 1m, slide: 10s}
  objectives: [{metric: queue_depth, type: average_value, target: 20}]
  min_instances: 1
  max_instances: 40
";

/// Checkpoints of a Decider after a third and after two thirds of a journal.
fn checkpoints() -> [Checkpoint; 2] {
    let scenario = Scenario::new(17);
    let (pane, lateness) = (scenario.pane, scenario.bounds.1);
    let sessions = SessionRule { gap: pane * 3, longest: pane * 1_000, lateness, agent: true, instance: false };
    let rollups = vec![RollupRule::tumbling(pane * 1_000)];
    let scenario = Scenario { rollups, sessions: Some(sessions), ..scenario };
    let mut drive = Drive::new(scenario.clone());
    drive.run(17, None);
    let entries = drive.journal.iter().max_by_key(|entries| entries.len()).expect("a partition");
    let document = ControlChange::of(&Written::parse("test", POLICY).unwrap_or_else(|error| panic!("{error}"))[0]);
    let mut decider = Decider::new(scenario.decider(), Control::beginning([document], [].into()));
    let mut taken = Vec::new();
    for (offset, (log_time, bytes)) in entries.iter().enumerate() {
        let record = journal::decode(bytes).expect("a record of ours");
        decider.step(DeciderInput { record, offset: offset as i64, log_time: *log_time });
        if [entries.len() / 3, entries.len() * 2 / 3].contains(&offset) {
            taken.push(decider.checkpoint(offset as i64 + 1).expect("it is whole"));
        }
    }
    taken.try_into().expect("two of them")
}

fn records(checkpoint: &Checkpoint) -> Vec<Vec<u8>> {
    state::encode(checkpoint).into_iter().map(|record| record.value).collect()
}

/// The last checkpoint that `reader` makes of the records.
fn read(mut reader: StateReader, records: &[Vec<u8>]) -> Result<Checkpoint, StateError> {
    let mut found = None;
    for (offset, record) in (BEGIN..).zip(records) {
        found = reader.push(offset, record)?.or(found);
    }
    found.ok_or_else(|| reader.incomplete())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|stretch| stretch == text.as_bytes())
}

fn read_all(records: &[Vec<u8>]) -> Result<Checkpoint, StateError> {
    read(StateReader::default(), records)
}

#[test]
fn t1_a_round_comes_back_whole_in_any_order_and_says_what_is_in_it() {
    for checkpoint in checkpoints() {
        let mut records = records(&checkpoint);
        assert_eq!(read_all(&records), Ok(checkpoint.clone()));
        records.reverse();
        assert_eq!(read_all(&records), Ok(checkpoint.clone()));
        let documents: Vec<_> = checkpoint.documents().iter().map(|held| (held.name.as_str(), held.version)).collect();
        assert_eq!(documents, [("queue", 7)]);
        let of_kind = |kind: &str| records.iter().filter(|record| contains(record, kind)).count();
        let open = of_kind("{\"rollup\":") + of_kind("{\"session\":");
        let of_entities = of_kind("null},\"entity\":{\"kind\":");
        assert_eq!(checkpoint.targets().len(), records.len() - 1 - open - of_entities);
        assert!(of_kind("{\"rollup\":") > 0 && of_kind("{\"session\":") > 0, "windows beyond panes are open");
        assert!(checkpoint.instances() >= checkpoint.targets().filter(|target| !target.is_sum()).count());
    }
}

#[test]
fn t1_every_flipped_bit_and_every_cut_is_noticed_and_named() {
    let [checkpoint, _] = checkpoints();
    let (whole, mut kinds) = (records(&checkpoint), (0, 0));
    for (place, offset) in (0..whole.len()).zip(BEGIN..) {
        for bit in 0..whole[place].len() * 8 {
            let mut records = whole.clone();
            records[place][bit / 8] ^= 1 << (bit % 8);
            match read_all(&records) {
                Err(StateError::Checksum { offset: named }) if named == offset => kinds.0 += 1,
                Err(StateError::Foreign { offset: named, .. }) if named == offset => kinds.1 += 1,
                other => panic!("record {place}, bit {bit}: {other:?}"),
            }
        }
        for length in 0..whole[place].len() {
            let mut records = whole.clone();
            records[place].truncate(length);
            assert_eq!(read_all(&records), Err(StateError::Foreign { offset, bytes: length }));
        }
    }
    assert!(kinds.0 > 1_000 && kinds.1 > 100, "{kinds:?}");
}

#[test]
fn t1_every_record_that_is_missing_is_named() {
    let [checkpoint, _] = checkpoints();
    let whole = records(&checkpoint);
    for place in 0..whole.len() {
        let mut records = whole.clone();
        records.remove(place);
        let (round, found) = (checkpoint.next_offset, records.len());
        let missing = StateError::Missing { round, records: whole.len() as i32, found, first: place as i32 };
        assert_eq!(read_all(&records), Err(missing));
    }
    assert_eq!(read_all(&[]), Err(StateError::Nothing));
}

/// Without transactions, one who was not the owner any more may have written a later round among the owner's records.
#[test]
fn t3_a_round_beyond_the_position_is_passed_over() {
    let [earlier, later] = checkpoints();
    let (own, other) = (records(&earlier), records(&later));
    let until = |next_offset| StateReader::until(next_offset);
    let (first, rest) = own.split_at(1);
    for mixed in [[&own[..], &other].concat(), [&other[..], &own].concat(), [first, &other, rest].concat()] {
        assert_eq!(read(until(earlier.next_offset), &mixed), Ok(earlier.clone()));
        assert_eq!(read(until(later.next_offset - 1), &mixed), Ok(earlier.clone()));
    }
    assert_eq!(read(until(later.next_offset), &[&own[..], &other].concat()), Ok(later.clone()));
    let (round, until_offset) = (later.next_offset, earlier.next_offset);
    let too_late = Err(StateError::TooLate { round, until: until_offset });
    assert_eq!(read(until(earlier.next_offset), &other), too_late);
    // Of the owner's own round a record is missing: that is what is said.
    let missing = read(until(earlier.next_offset), &[&other[..], rest].concat());
    assert!(matches!(missing, Err(StateError::Missing { first: 0, .. })), "{missing:?}");
}
