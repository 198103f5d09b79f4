//! One partition of a topic: records, markers of transactions, and what a reader of committed records sees.

use super::{Epoch, ProducerId, Trouble};
use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// A record as a reader of committed records gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place.
    pub offset: i64,
    /// When it was stored.
    pub log_time: EventTime,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// Who sends, and the number by which a repetition is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) producer: ProducerId,
    pub(super) epoch: Epoch,
    pub(super) sequence: i64,
    pub(super) transactional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
    /// A marker: it takes an offset and is never handed out.
    Marker,
}

#[derive(Clone, Debug)]
struct Entry {
    log_time: EventTime,
    producer: Option<ProducerId>,
    fate: Fate,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What the partition remembers of a producer.
#[derive(Clone, Copy, Debug)]
struct Seen {
    epoch: Epoch,
    sequence: i64,
    offset: i64,
}

/// The log of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// First offset of each open transaction.
    open: BTreeMap<ProducerId, usize>,
    producers: BTreeMap<ProducerId, Seen>,
    /// What lies before was deleted; whoever checks a run may look at it all the same.
    start: i64,
}

impl Log {
    /// Stores a record, unless it is stored already; returns its offset.
    pub(super) fn append(
        &mut self,
        (key, value): (&[u8], &[u8]),
        stamp: Option<Stamp>,
        now: EventTime,
    ) -> Result<i64, Trouble> {
        let offset = self.end();
        if let Some(Stamp { producer, epoch, sequence, transactional }) = stamp {
            if let Some(seen) = self.producers.get(&producer) {
                if epoch < seen.epoch {
                    return Err(Trouble::Fatal);
                }
                if epoch == seen.epoch && sequence <= seen.sequence {
                    return Ok(seen.offset);
                }
            }
            self.producers.insert(producer, Seen { epoch, sequence, offset });
            if transactional {
                self.open.entry(producer).or_insert(self.entries.len());
            }
        }
        let fate = if stamp.is_some_and(|stamp| stamp.transactional) { Fate::Open } else { Fate::Committed };
        let producer = stamp.map(|stamp| stamp.producer);
        self.entries.push(Entry { log_time: now, producer, fate, key: key.to_vec(), value: value.to_vec() });
        Ok(offset)
    }

    /// Ends the producer's transaction here. Writers of an older epoch are refused from now on.
    pub(super) fn mark(&mut self, producer: ProducerId, epoch: Epoch, commit: bool, now: EventTime) {
        if let Some(first) = self.open.remove(&producer) {
            let fate = if commit { Fate::Committed } else { Fate::Aborted };
            let theirs = |entry: &&mut Entry| entry.producer == Some(producer) && entry.fate == Fate::Open;
            self.entries[first..].iter_mut().filter(theirs).for_each(|entry| entry.fate = fate);
        }
        let offset = self.end();
        let seen = self.producers.entry(producer).or_insert(Seen { epoch, sequence: -1, offset });
        if epoch > seen.epoch {
            *seen = Seen { epoch, sequence: -1, offset };
        }
        let (key, value) = (Vec::new(), Vec::new());
        self.entries.push(Entry { log_time: now, producer: Some(producer), fate: Fate::Marker, key, value });
    }

    pub(super) fn trim(&mut self, start: i64) {
        self.start = self.start.max(start);
    }

    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset of the next record.
    pub(super) fn end(&self) -> i64 {
        self.entries.len() as i64
    }

    /// Up to here the fate of every record is known.
    pub(super) fn last_stable(&self) -> i64 {
        self.open.values().min().map_or(self.end(), |&first| first as i64)
    }

    /// Up to `most` committed records from an offset on, and where to go on.
    pub(super) fn read(&self, from: i64, most: usize) -> (Vec<Record<'_>>, i64) {
        let stable = self.last_stable();
        let (mut records, mut next) = (Vec::new(), from);
        while next < stable && records.len() < most {
            let entry = &self.entries[next as usize];
            if entry.fate == Fate::Committed {
                let Entry { log_time, key, value, .. } = entry;
                records.push(Record { offset: next, log_time: *log_time, key, value });
            }
            next += 1;
        }
        (records, next)
    }
}
