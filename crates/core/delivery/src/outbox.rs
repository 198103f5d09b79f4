//! Outputs that wait for their commit, in one allocation.

use std::ops::Range;

/// Outputs of one partition, in order, until the commit that carries its position has succeeded.
///
/// Keys, values and headers lie one after the other in one buffer: an output costs no allocation of its own.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<(Span, Span)>,
}

type Span = Range<usize>;

#[derive(Clone, Debug)]
struct Entry {
    topic: usize,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    key: Option<Span>,
    value: Option<Span>,
    headers: Span,
}

/// One output as it waits. `topic` is a number of the caller's, such as a place in its list of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputRef<'a> {
    /// Which topic.
    pub topic: usize,
    /// Which partition of it; `None` leaves it to the key.
    pub partition: Option<i32>,
    /// Timestamp in milliseconds; `None` leaves it to the client.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

impl Outbox {
    /// Puts an output behind the others.
    pub fn push<'h>(&mut self, output: OutputRef<'_>, headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) {
        let first = self.headers.len();
        for (name, value) in headers {
            let (name, value) = (self.store(name.as_bytes()), self.store(value));
            self.headers.push((name, value));
        }
        let OutputRef { topic, partition, timestamp_ms, key, value } = output;
        let (key, value) = (key.map(|key| self.store(key)), value.map(|value| self.store(value)));
        let headers = first..self.headers.len();
        self.entries.push(Entry { topic, partition, timestamp_ms, key, value, headers });
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The outputs, in order, each with its headers.
    pub fn iter(&self) -> impl Iterator<Item = (OutputRef<'_>, impl Iterator<Item = (&str, &[u8])>)> {
        let at = |span: &Span| &self.bytes[span.clone()];
        self.entries.iter().map(move |entry| {
            let output = OutputRef {
                topic: entry.topic,
                partition: entry.partition,
                timestamp_ms: entry.timestamp_ms,
                key: entry.key.as_ref().map(at),
                value: entry.value.as_ref().map(at),
            };
            let headers = self.headers[entry.headers.clone()].iter();
            let text = |span: &Span| std::str::from_utf8(&self.bytes[span.clone()]).expect("stored from a str");
            (output, headers.map(move |(name, value)| (text(name), &self.bytes[value.clone()])))
        })
    }

    /// How many outputs wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, values and headers that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all of them: they are durable, or somebody else's. Keeps its memory, unless a burst was unusually large.
    pub fn clear(&mut self) {
        const KEPT_BYTES: usize = 4 << 20;
        self.entries.clear();
        self.headers.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_out_as_they_went_in_until_they_are_forgotten() {
        let mut outbox = Outbox::default();
        let first = OutputRef { topic: 3, key: Some(b"k"), value: Some(b"value"), ..OutputRef::default() };
        let second = OutputRef { partition: Some(7), timestamp_ms: Some(-1), ..OutputRef::default() };
        for _ in 0..2 {
            outbox.push(first, [("a", &b"1"[..]), ("b", b"")]);
            outbox.push(second, []);
            let seen: Vec<_> = outbox.iter().map(|(output, headers)| (output, headers.collect::<Vec<_>>())).collect();
            assert_eq!(seen, [(first, vec![("a", &b"1"[..]), ("b", b"")]), (second, vec![])]);
            assert_eq!((outbox.len(), outbox.bytes()), (2, 9));
            outbox.clear();
            assert!(outbox.is_empty() && outbox.iter().next().is_none());
        }
    }
}
