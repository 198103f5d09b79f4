//! A producer as its owner sees it: what was handed over waits here until the broker has said that it is stored.

use super::{At, Committed, Epoch, Kafka, Member, Participant, ProducerId, Stamp, Trouble};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

struct Waiting {
    key: Vec<u8>,
    value: Vec<u8>,
    sequence: i64,
}

/// A producer's life, from `init` to a crash or a fatal error.
pub struct Producer {
    /// Its transactional id; `None` for one without transactions.
    id: Option<String>,
    producer: ProducerId,
    epoch: Epoch,
    /// By partition: those of one keep their order, those of several do not.
    waiting: BTreeMap<At, VecDeque<Waiting>>,
    sequences: BTreeMap<At, i64>,
    /// Partitions that the open transaction has reached.
    reached: BTreeSet<At>,
    /// The open transaction has reached anything at all.
    touched: bool,
    /// The offset behind the last record of this burst, by partition.
    stored: BTreeMap<At, i64>,
}

impl Producer {
    /// A producer's new life.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`], also while the transaction of an earlier life is being aborted.
    pub fn init(kafka: &mut Kafka, id: Option<&str>) -> Result<Self, Trouble> {
        let (producer, epoch) = kafka.call(false, |kafka| match id {
            Some(id) => kafka.transactions.init(id, &mut kafka.last_producer, &mut kafka.rng),
            None => {
                kafka.last_producer += 1;
                Ok((kafka.last_producer, 0))
            }
        })?;
        Ok(Self {
            id: id.map(str::to_owned),
            producer,
            epoch,
            waiting: BTreeMap::new(),
            sequences: BTreeMap::new(),
            reached: BTreeSet::new(),
            touched: false,
            stored: BTreeMap::new(),
        })
    }

    /// Opens a transaction.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`] while the one before is still ending; [`Trouble::Fatal`] if fenced.
    pub fn begin(&mut self, kafka: &mut Kafka) -> Result<(), Trouble> {
        (self.touched, self.reached) = (false, BTreeSet::new());
        let (id, epoch) = (self.id.as_deref().unwrap_or_default(), self.epoch);
        kafka.call(true, |kafka| kafka.transactions.may_begin(id, epoch))
    }

    /// Hands a record over.
    pub fn send(&mut self, at: At, key: &[u8], value: &[u8]) {
        let sequence = self.sequences.entry(at).or_insert(0);
        let record = Waiting { key: key.to_vec(), value: value.to_vec(), sequence: *sequence };
        self.waiting.entry(at).or_default().push_back(record);
        *sequence += 1;
    }

    /// Gets some of what was handed over stored; done when nothing waits.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`] while something waits; [`Trouble::Refused`] if a record will not be stored.
    pub fn flush(&mut self, kafka: &mut Kafka) -> Result<(), Trouble> {
        let mut patience = kafka.rng.range(1, 40);
        while !self.waiting.is_empty() {
            if patience == 0 {
                return Err(Trouble::Again);
            }
            patience -= 1;
            let place = kafka.rng.range(0, self.waiting.len() as i64) as usize;
            let Some((&at, records)) = self.waiting.iter().nth(place) else { break };
            let Some(first) = records.front() else { break };
            let (producer, epoch) = (self.producer, self.epoch);
            if let Some(id) = self.id.as_deref().filter(|_| !self.reached.contains(&at)) {
                self.touched = true;
                let add =
                    |kafka: &mut Kafka| kafka.transactions.add(id, epoch, Participant::Partition(at), kafka.now_ms);
                kafka.call(true, add)?;
                self.reached.insert(at);
            }
            let stamp = Stamp { producer, epoch, sequence: first.sequence, transactional: self.id.is_some() };
            let store = |kafka: &mut Kafka| {
                let now = kafka.now();
                kafka.log_mut(at).append((&first.key, &first.value), Some(stamp), now)
            };
            let offset = kafka.call(true, store)?;
            self.stored.insert(at, offset + 1);
            if let Some(records) = self.waiting.get_mut(&at) {
                records.pop_front();
            }
            self.waiting.retain(|_, records| !records.is_empty());
        }
        Ok(())
    }

    /// Forgets where records were stored: a new burst begins.
    pub fn forget_stored(&mut self) {
        self.stored.clear();
    }

    /// The offset behind the last record of this burst in a partition.
    #[must_use]
    pub fn stored(&self, at: At) -> Option<i64> {
        self.stored.get(&at).copied()
    }

    /// Positions that take effect with the transaction. None at all does silently nothing, as the real client does.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] for one who is no member, or of another generation; [`Trouble::Fatal`] if fenced.
    pub fn send_offsets(
        &mut self,
        kafka: &mut Kafka,
        group: usize,
        (member, generation): (&Member, i32),
        positions: &BTreeMap<u32, Committed>,
    ) -> Result<(), Trouble> {
        if positions.is_empty() {
            return Ok(());
        }
        self.touched = true;
        let (id, epoch, producer) = (self.id.as_deref().unwrap_or_default(), self.epoch, self.producer);
        kafka.call(true, |kafka| {
            kafka.transactions.add(id, epoch, Participant::Group(group), kafka.now_ms)?;
            kafka.groups[group].offsets_in_transaction(producer, member, generation, positions)
        })
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`] if nobody knows; [`Trouble::Fatal`] if fenced.
    pub fn commit(&mut self, kafka: &mut Kafka) -> Result<(), Trouble> {
        self.end(kafka, true)
    }

    /// Aborts; what waits is forgotten.
    ///
    /// # Errors
    ///
    /// [`Trouble::Again`] if nobody knows; [`Trouble::Fatal`] if fenced.
    pub fn abort(&mut self, kafka: &mut Kafka) -> Result<(), Trouble> {
        self.waiting.clear();
        self.end(kafka, false)
    }

    /// Forgets what waits, where there is no transaction to abort.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    fn end(&mut self, kafka: &mut Kafka, commit: bool) -> Result<(), Trouble> {
        if !self.touched {
            return Ok(());
        }
        let (id, epoch) = (self.id.as_deref().unwrap_or_default(), self.epoch);
        kafka.call(commit, |kafka| kafka.transactions.end(id, epoch, commit, &mut kafka.rng))
    }
}
