//! From records of the state topic to checkpoints.

use super::bytes::Envelope;
use super::sample::LAYOUT;
use super::{Checkpoint, Head, KeptAgent, Part, RollupPart, STATE_VERSION, SessionPart, TargetPart};
use crate::decider::{KeptBeyond, KeptRollups};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::WindowSpec;

/// Why a round cannot be used. Offsets are those of the state topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes are something else, or were cut.
    #[error("the record at offset {offset} is not a state record, or was cut ({bytes} bytes)")]
    Foreign {
        /// Where.
        offset: i64,
        /// How long.
        bytes: usize,
    },
    /// Something of it was changed.
    #[error("the record at offset {offset} was damaged: its checksum is another")]
    Checksum {
        /// Where.
        offset: i64,
    },
    /// Another version of tidegauge wrote it.
    #[error(
        "the record at offset {offset} has layout {found_layout:016x} of state version {found}; this build reads \
         layout {expected_layout:016x} of version {expected}"
    )]
    OtherLayout {
        /// Where.
        offset: i64,
        /// Its version.
        found: i32,
        /// Its layout.
        found_layout: u64,
        /// The version that is read here.
        expected: u32,
        /// The layout that is read here.
        expected_layout: u64,
    },
    /// The envelope is whole and what is in it makes no sense.
    #[error("the record at offset {offset} does not read: {why}")]
    Body {
        /// Where.
        offset: i64,
        /// What is wrong.
        why: String,
    },
    /// Records of the round are not there.
    #[error("the round of journal offset {round} is not whole: {found} of {records} records, without number {first}")]
    Missing {
        /// Which round.
        round: i64,
        /// How many records it has.
        records: i32,
        /// How many were there.
        found: usize,
        /// The first that was not.
        first: i32,
    },
    /// There are rounds, all of them of places that the one who asks has not reached.
    #[error("all rounds that are there are too late: the first is of journal offset {round}, beyond {until}")]
    TooLate {
        /// The first of them.
        round: i64,
        /// How far the journal was read.
        until: i64,
    },
    /// There is no round at all.
    #[error("there is no state record")]
    Nothing,
}

/// Puts rounds together. Records of several rounds may be mixed: without transactions, two owners may have written for
/// a while, and the one that was not the owner any more may even have come further.
#[derive(Debug, Default)]
pub struct StateReader {
    rounds: BTreeMap<i64, Round>,
    until: Option<i64>,
    /// The first round beyond that.
    too_late: Option<i64>,
}

#[derive(Debug, Default)]
struct Round {
    records: i32,
    bodies: BTreeMap<i32, (i64, String)>,
}

impl StateReader {
    /// For who goes on at this journal offset: rounds beyond it are passed over (T3).
    #[must_use]
    pub fn until(next_offset: i64) -> Self {
        Self { until: Some(next_offset), ..Self::default() }
    }

    /// Takes the next record. A round that is complete with it comes back as a checkpoint, and earlier ones are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`StateError`], if the record cannot be used.
    pub fn push(&mut self, offset: i64, bytes: &[u8]) -> Result<Option<Checkpoint>, StateError> {
        let envelope = Envelope::from_bytes(bytes).ok_or(StateError::Foreign { offset, bytes: bytes.len() })?;
        if envelope.crc32 != envelope.checksum() {
            return Err(StateError::Checksum { offset });
        }
        let number = envelope.round;
        if self.until.is_some_and(|until| number > until) {
            self.too_late = Some(self.too_late.map_or(number, |first| first.min(number)));
            return Ok(None); // T3
        }
        let (found, found_layout) = (envelope.version, envelope.layout.cast_unsigned());
        if found != STATE_VERSION.cast_signed() || found_layout != *LAYOUT {
            let (expected, expected_layout) = (STATE_VERSION, *LAYOUT);
            return Err(StateError::OtherLayout { offset, found, found_layout, expected, expected_layout }); // T2
        }
        let round = self.rounds.entry(number).or_default();
        round.records = envelope.records;
        round.bodies.insert(envelope.place, (offset, envelope.body));
        if round.bodies.len() as i64 != i64::from(round.records) {
            return Ok(None);
        }
        let later = self.rounds.split_off(&(number + 1));
        let round = std::mem::replace(&mut self.rounds, later).remove(&number).expect("just completed");
        round.checkpoint(number).map(Some)
    }

    /// Why there is no checkpoint, when all records were pushed and none came back.
    #[must_use]
    pub fn incomplete(&self) -> StateError {
        let Some((&round, parts)) = self.rounds.last_key_value() else {
            let too_late = self.too_late.zip(self.until);
            return too_late.map_or(StateError::Nothing, |(round, until)| StateError::TooLate { round, until });
        };
        let first = (0..parts.records).find(|place| !parts.bodies.contains_key(place)).unwrap_or(0);
        StateError::Missing { round, records: parts.records, found: parts.bodies.len(), first }
    }
}

impl Round {
    /// T1.
    fn checkpoint(self, next_offset: i64) -> Result<Checkpoint, StateError> {
        let mut parts = self.bodies.into_values();
        let (offset, head) = parts.next().ok_or(StateError::Nothing)?;
        let Head { base, pane_us, closed_through, cells_from, last_pane, documents, generations, rollups } =
            read(offset, &head)?;
        let spec = |size_us, slide_us| {
            let [size, slide] = [size_us, slide_us].map(Duration::from_micros);
            WindowSpec { size, slide }
        };
        let kinds = rollups.into_iter().map(|(size, slide, level, since)| ((spec(size, slide), level), since));
        let since = kinds.collect();
        let rollups = KeptRollups { since, open: BTreeMap::new() };
        let mut beyond = KeptBeyond { rollups, sessions: BTreeMap::new() };
        let mut agents: BTreeMap<_, KeptAgent> = BTreeMap::new();
        for (offset, body) in parts {
            match read(offset, &body)? {
                Part::Target(part) => {
                    let TargetPart {
                        target,
                        entity,
                        control,
                        last_at,
                        findings,
                        instances,
                        readings,
                        base_readings,
                        told,
                    } = *part;
                    let first = || KeptAgent { control, last_at, findings, told, ..KeptAgent::default() };
                    let agent = match entity {
                        None => agents.entry(target).or_insert_with(first),
                        Some(key) => agents.entry(target).or_default().entities.entry(key).or_insert_with(first),
                    };
                    agent.instances.extend(instances);
                    agent.readings.extend(readings);
                    agent.base_readings.extend(base_readings);
                }
                Part::Rollup(RollupPart { target, open }) => {
                    beyond.rollups.open.entry(target).or_default().push(open);
                }
                Part::Session(SessionPart { target, open }) => beyond.sessions.entry(target).or_default().push(open),
            }
        }
        let generations = generations.into_iter().map(|(target, policy, number)| ((target, policy), number)).collect();
        let pane = Duration::from_micros(pane_us);
        Ok(Checkpoint {
            next_offset,
            base,
            pane,
            closed_through,
            cells_from,
            last_pane,
            documents,
            generations,
            agents,
            beyond,
        })
    }
}

fn read<'a, T: serde::Deserialize<'a>>(offset: i64, body: &'a str) -> Result<T, StateError> {
    serde_json::from_str(body).map_err(|error| StateError::Body { offset, why: error.to_string() })
}
