//! Changes of control: a policy, a set of alert rules, a signal of SQL, a silence, an inhibition rule or a quota, as
//! written, or that it is no more.

use super::JournalError;
use super::bytes::single_object_prefix;
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What a change of control is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlKind {
    /// A policy.
    Policy,
    /// A set of alert rules.
    AlertRules,
    /// A signal of SQL.
    Signal,
    /// What keeps alerts quiet for a time.
    Silence,
    /// Which alerts keep which others quiet.
    Inhibition,
    /// How many instances several agents may have together.
    Quota,
}

/// One document, from the place of this record in the journal on.
///
/// Versions order the changes of one name: what is not newer than what holds changes nothing, so that two processes
/// with different files do not take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// What it is.
    pub kind: ControlKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Hash of its meaning, as the document states it.
    pub hash: String,
    /// The document, YAML; `None`: it is no more, and comes back with a higher version only.
    pub document: Option<String>,
}

/// Serializes as `schemas/control.avsc` says.
#[derive(Serialize, Deserialize)]
#[serde(rename = "ControlChange")]
struct Record {
    kind: ControlKind,
    name: String,
    version: i64,
    hash: String,
    document: Option<String>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::parse_str(include_str!("../../../../../schemas/control.avsc")).expect("the journal's own schema")
});

static PREFIX: LazyLock<[u8; 10]> = LazyLock::new(|| single_object_prefix(&SCHEMA));

/// Of builds that knew no signals: what follows it reads the same, since new kinds come last.
const PREFIX_WITHOUT_SIGNALS: [u8; 10] = [0xC3, 0x01, 0xD2, 0x23, 0xB0, 0xF5, 0x92, 0xF2, 0xCE, 0x38];
/// Of builds that knew no quotas.
const PREFIX_WITHOUT_QUOTAS: [u8; 10] = [0xC3, 0x01, 0x49, 0xF4, 0xAE, 0x14, 0x76, 0xF8, 0x4C, 0x0C];
/// Of builds that knew no silences and no inhibition.
const PREFIX_WITHOUT_MUTING: [u8; 10] = [0xC3, 0x01, 0x12, 0x32, 0xA8, 0x6C, 0x0B, 0x72, 0x8E, 0x8A];

pub(super) fn encode(change: &ControlChange) -> Vec<u8> {
    let ControlChange { kind, name, version, hash, document } = change.clone();
    let record = Record { kind, name, version: i64::from(version), hash, document };
    let mut out = PREFIX.to_vec();
    let writer = GenericDatumWriter::builder(&SCHEMA).build().expect("the journal's own schema");
    writer.write_ser(&mut out, &record).expect("the record has the shape of its schema");
    out
}

/// `None` if the bytes are no change of control.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<ControlChange, JournalError>> {
    let before = [&PREFIX_WITHOUT_QUOTAS, &PREFIX_WITHOUT_MUTING, &PREFIX_WITHOUT_SIGNALS];
    let known = [PREFIX.as_slice()].into_iter().chain(before.map(<[u8; 10]>::as_slice));
    let rest = known.into_iter().find_map(|prefix| bytes.strip_prefix(prefix))?;
    let checked = |Record { kind, name, version, hash, document }: Record| {
        let version = u32::try_from(version).map_err(|_| JournalError::Version { name: name.clone(), version })?;
        Ok(ControlChange { kind, name, version, hash, document })
    };
    Some(read(rest).map_err(|error| JournalError::Header(Box::new(error))).and_then(checked))
}

fn read(mut bytes: &[u8]) -> Result<Record, apache_avro::Error> {
    GenericDatumReader::builder(&SCHEMA).build()?.read_deser(&mut bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{JournalRecord, decode, encode};
    use super::*;

    #[test]
    fn j1_a_change_reads_back_as_it_was_written() {
        for document in [None, Some("kind: Policy\n".to_owned())] {
            let (kind, name, hash) = (ControlKind::AlertRules, "é".to_owned(), "00ff".to_owned());
            let change = JournalRecord::Control(ControlChange { kind, name, version: u32::MAX, hash, document });
            assert_eq!(decode(&encode(&change)).expect("our own bytes"), change);
        }
    }

    #[test]
    fn j1_changes_of_builds_that_knew_fewer_kinds_are_read() {
        let muting = r#","silence","inhibition","quota""#;
        let cases = [
            (PREFIX_WITHOUT_SIGNALS, r#","signal","silence","inhibition","quota""#, ControlKind::AlertRules),
            (PREFIX_WITHOUT_MUTING, muting, ControlKind::Signal),
            (PREFIX_WITHOUT_QUOTAS, r#","quota""#, ControlKind::Inhibition),
        ];
        for (prefix, later, kind) in cases {
            let schema = SCHEMA.canonical_form().replace(later, "");
            let schema = Schema::parse_str(&schema).expect("the schema as it was");
            assert_eq!(single_object_prefix(&schema), prefix);
            let (name, hash) = ("r".to_owned(), "00ff".to_owned());
            let change = JournalRecord::Control(ControlChange { kind, name, version: 2, hash, document: None });
            let mut bytes = encode(&change);
            bytes[..10].copy_from_slice(&prefix);
            assert_eq!(decode(&bytes).expect("their bytes"), change);
        }
    }
}
