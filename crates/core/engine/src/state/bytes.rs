//! A round in bytes: an Avro envelope (`schemas/state.avsc`) around a part of the state in JSON, which people can read
//! when they must.

use super::sample::LAYOUT;
use super::{Checkpoint, Head, KeptAgent, Part, RollupPart, STATE_VERSION, SessionPart, TargetPart};
use crate::decider::KeptBeyond;
use crate::journal::single_object_prefix;
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use tidegauge_model::{EntityKey, Target};

/// Instances or readings of one record: it stays far below what a broker takes.
const INSTANCES: usize = 1_000;

/// One record of the state topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    /// The domain, or nothing for the head of a round.
    pub key: String,
    /// The bytes.
    pub value: Vec<u8>,
}

/// Serializes as `schemas/state.avsc` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "StateRecord")]
pub(super) struct Envelope {
    pub(super) version: i32,
    pub(super) layout: i64,
    pub(super) round: i64,
    pub(super) place: i32,
    pub(super) records: i32,
    pub(super) body: String,
    pub(super) crc32: i64,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::parse_str(include_str!("../../../../../schemas/state.avsc")).expect("the state's own schema")
});

static PREFIX: LazyLock<[u8; 10]> = LazyLock::new(|| single_object_prefix(&SCHEMA));

/// The records of a round, in the order in which they are written.
#[must_use]
pub fn encode(checkpoint: &Checkpoint) -> Vec<StateRecord> {
    let mut bodies = vec![(String::new(), json(&head_of(checkpoint)))];
    for (target, agent) in &checkpoint.agents {
        let key = target.own_domain().to_string();
        let parts = agent.each().flat_map(|(entity, kept)| parts_of(target, entity, kept));
        bodies.extend(parts.map(|part| (key.clone(), json(&Part::Target(Box::new(part))))));
    }
    let KeptBeyond { rollups, sessions } = &checkpoint.beyond;
    for (target, open) in rollups.open.iter().flat_map(|(target, open)| open.iter().map(move |open| (target, open))) {
        let part = RollupPart { target: target.clone(), open: open.clone() };
        bodies.push((target.own_domain().to_string(), json(&Part::Rollup(part))));
    }
    for (target, open) in sessions.iter().flat_map(|(target, open)| open.iter().map(move |open| (target, open))) {
        let part = SessionPart { target: target.clone(), open: open.clone() };
        bodies.push((target.own_domain().to_string(), json(&Part::Session(part))));
    }
    let records = bodies.len() as i32;
    let envelope = |(place, (key, body)): (usize, (String, String))| {
        let envelope = Envelope {
            version: STATE_VERSION.cast_signed(),
            layout: LAYOUT.cast_signed(),
            round: checkpoint.next_offset,
            place: place as i32,
            records,
            body,
            crc32: 0,
        };
        StateRecord { key, value: envelope.sealed().to_bytes() }
    };
    bodies.into_iter().enumerate().map(envelope).collect()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

fn head_of(checkpoint: &Checkpoint) -> Head {
    let generation = |((target, policy), generation): (&(_, String), &u64)| {
        let target: &Target = target;
        (target.clone(), policy.clone(), *generation)
    };
    Head {
        base: checkpoint.base.clone(),
        pane_us: checkpoint.pane.as_micros() as u64,
        closed_through: checkpoint.closed_through,
        cells_from: checkpoint.cells_from,
        last_pane: checkpoint.last_pane,
        documents: checkpoint.documents.clone(),
        generations: checkpoint.generations.iter().map(generation).collect(),
        rollups: checkpoint
            .beyond
            .rollups
            .since
            .iter()
            .map(|((spec, level), since)| (spec.size.as_micros() as u64, spec.slide.as_micros() as u64, *level, *since))
            .collect(),
    }
}

/// At least one part; the first has all but further instances and readings.
fn parts_of(target: &Target, entity: Option<&EntityKey>, agent: &KeptAgent) -> Vec<TargetPart> {
    let all: Vec<_> = agent.instances.iter().collect();
    let mut chunks: Vec<&[_]> = all.chunks(INSTANCES).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let part = |(place, chunk): (usize, &[(&_, &_)])| TargetPart {
        target: target.clone(),
        entity: entity.cloned(),
        control: if place == 0 { agent.control.clone() } else { Default::default() },
        last_at: agent.last_at,
        findings: if place == 0 { agent.findings.clone() } else { Default::default() },
        instances: chunk.iter().map(|&(id, state): &(&_, &_)| (Clone::clone(id), Clone::clone(state))).collect(),
        readings: Vec::new(),
        base_readings: Vec::new(),
        told: if place == 0 { agent.told.clone() } else { Vec::new() },
    };
    let mut parts: Vec<TargetPart> = chunks.into_iter().enumerate().map(part).collect();
    let more = || TargetPart {
        target: target.clone(),
        entity: entity.cloned(),
        control: Default::default(),
        last_at: agent.last_at,
        findings: Default::default(),
        instances: Default::default(),
        readings: Vec::new(),
        base_readings: Vec::new(),
        told: Vec::new(),
    };
    let (mut readings, mut at_base) = (agent.readings.chunks(INSTANCES), agent.base_readings.chunks(INSTANCES));
    parts[0].readings = readings.next().unwrap_or_default().to_vec();
    parts[0].base_readings = at_base.next().unwrap_or_default().to_vec();
    parts.extend(readings.map(|chunk| TargetPart { readings: chunk.to_vec(), ..more() }));
    parts.extend(at_base.map(|chunk| TargetPart { base_readings: chunk.to_vec(), ..more() }));
    parts
}

impl Envelope {
    /// CRC-32 of everything but itself.
    pub(super) fn checksum(&self) -> i64 {
        let mut crc = crc32fast::Hasher::new();
        for number in [i64::from(self.version), self.layout, self.round, self.place.into(), self.records.into()] {
            crc.update(&number.to_le_bytes());
        }
        crc.update(self.body.as_bytes());
        i64::from(crc.finalize())
    }

    pub(super) fn sealed(mut self) -> Self {
        self.crc32 = self.checksum();
        self
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = PREFIX.to_vec();
        let writer = GenericDatumWriter::builder(&SCHEMA).build().expect("the state's own schema");
        writer.write_ser(&mut out, self).expect("the envelope has the shape of its schema");
        out
    }

    /// `None` if the bytes are something else, or cut.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(PREFIX.as_slice())?;
        let envelope = GenericDatumReader::builder(&SCHEMA).build().ok()?.read_deser(&mut rest).ok()?;
        rest.is_empty().then_some(envelope)
    }
}
