//! Messages of one partition, many at a call: `rd_kafka_consume_batch_queue`, which the safe client does not have.
//!
//! - **K1** A queue is destroyed before its consumer: [`crate::reader::Reader`] and [`crate::range::RangeReader`] own
//!   both, queues first.
//! - **K2** A message is destroyed once, when its [`Batch`] is dropped; slices cannot outlive the batch.
//! - **K3** A partition's queue is split off before the partition is assigned and kept for the consumer's life.

use rdkafka::bindings as rd;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use std::ffi::{CStr, CString, c_void};
use std::ptr;

/// The messages of one partition, apart from the consumer's own queue.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    queue: *mut rd::rd_kafka_queue_t,
    buffer: Vec<*mut rd::rd_kafka_message_t>,
}

// SAFETY: librdkafka's queues may be used from any thread; this one is owned, and used through `&mut`.
unsafe impl Send for PartitionQueue {}

impl PartitionQueue {
    /// Splits `partition` of `topic` off; `None` if the client does not know it.
    pub(crate) fn split<C: ClientContext + ConsumerContext>(
        consumer: &BaseConsumer<C>,
        topic: &str,
        partition: i32,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives as long as the consumer; the name is copied. The queue that comes back is ours
        // until destroyed, and forwarding it to nowhere is what splits it.
        let queue = unsafe {
            let queue = rd::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition);
            if queue.is_null() {
                return None;
            }
            rd::rd_kafka_queue_forward(queue, ptr::null_mut());
            queue
        };
        Some(Self { queue, buffer: Vec::new() })
    }

    /// Takes up to `most` messages that are there, without waiting.
    pub(crate) fn take(&mut self, most: usize) -> Batch<'_> {
        self.buffer.clear();
        self.buffer.resize(most, ptr::null_mut());
        // SAFETY: the queue is ours; the call fills the first `count` places with messages that are ours.
        let count = unsafe { rd::rd_kafka_consume_batch_queue(self.queue, 0, self.buffer.as_mut_ptr(), most) };
        self.buffer.truncate(usize::try_from(count).unwrap_or(0));
        Batch { messages: &self.buffer }
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once, before the consumer (K1).
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

/// Messages of one partition, in log order. Some may be events ([`Message::error`]).
#[derive(Debug)]
pub struct Batch<'q> {
    messages: &'q [*mut rd::rd_kafka_message_t],
}

impl Batch<'_> {
    /// Number of messages and events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing was there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages and events, in log order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Message<'_>> + ExactSizeIterator {
        // SAFETY: each is a live message of ours until the batch is dropped (K2).
        self.messages.iter().map(|&message| Message { raw: unsafe { &*message } })
    }

    /// The message at `offset`, if it is here.
    #[must_use]
    pub fn at_offset(&self, offset: i64) -> Option<Message<'_>> {
        let is_it = |message: &Message<'_>| message.error().is_none() && message.offset() == offset;
        // SAFETY: as in `iter`.
        let place = self.messages.partition_point(|&message| unsafe { (*message).offset } < offset);
        let nearly_always = self.iter().nth(place).filter(is_it);
        // Events have offsets too, and only messages are in order.
        nearly_always.or_else(|| self.iter().find(is_it))
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for &message in self.messages {
            // SAFETY: ours, and destroyed nowhere else (K2).
            unsafe { rd::rd_kafka_message_destroy(message) }
        }
    }
}

/// One message, or an event in its place.
#[derive(Clone, Copy)]
pub struct Message<'b> {
    raw: &'b rd::rd_kafka_message_t,
}

/// What stands in a message's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The partition was read to its end, which is this message's offset.
    EndOfPartition,
    /// Something else went wrong; librdkafka retries it.
    Trouble(rd::rd_kafka_resp_err_t),
}

impl<'b> Message<'b> {
    /// `None` for a message.
    #[must_use]
    pub fn error(&self) -> Option<Event> {
        match self.raw.err {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Some(Event::EndOfPartition),
            other => Some(Event::Trouble(other)),
        }
    }

    /// Its offset, or that of the partition's end.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// The broker's timestamp in milliseconds since the epoch (of whichever type the topic has); 0 if there is none.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        // SAFETY: a live message; a null type is allowed.
        let timestamp = unsafe { rd::rd_kafka_message_timestamp(self.raw, ptr::null_mut()) };
        timestamp.max(0)
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&'b [u8]> {
        slice(self.raw.key, self.raw.key_len)
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> Option<&'b [u8]> {
        slice(self.raw.payload, self.raw.len)
    }

    /// Its headers, copied.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut list = ptr::null_mut();
        let mut headers = Vec::new();
        // SAFETY: the header list belongs to the message; names are C strings and values slices within it, all alive
        // while the message is. Both are copied at once.
        unsafe {
            let none = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
            if rd::rd_kafka_message_headers(self.raw, &raw mut list) != none {
                return headers;
            }
            for at in 0.. {
                let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
                let found = rd::rd_kafka_header_get_all(list, at, &raw mut name, &raw mut value, &raw mut length);
                if found != none {
                    break;
                }
                let name = CStr::from_ptr(name).to_string_lossy().into_owned();
                headers.push((name, slice(value, length).map(<[u8]>::to_vec)));
            }
        }
        headers
    }
}

fn slice<'b>(start: *const c_void, length: usize) -> Option<&'b [u8]> {
    // SAFETY: librdkafka says that `length` bytes are there, for as long as the message is; callers tie the lifetime
    // to the batch.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}
