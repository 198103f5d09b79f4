//! What the queries have to find, by brute force, and what an engine found.

use crate::events::{Bid, Event, Rng, event};
use crate::{MARKER, PARTITIONS, env, number};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One row of the output topic.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    start: i64,
    end: i64,
    count: u64,
    price_min: f64,
    price_max: f64,
    price_sum: f64,
    price_mean: f64,
}

/// How a query groups bids.
#[derive(Clone, Copy)]
pub struct Query {
    pub size_ms: i64,
    pub slide_ms: i64,
    /// By auction, or all of them together.
    pub by_auction: bool,
}

impl Query {
    pub fn from_env() -> Query {
        let seconds = |name: &str| 1_000 * number(name) as i64;
        Query { size_ms: seconds("SIZE_S"), slide_ms: seconds("SLIDE_S"), by_auction: env("LEVEL") == "instance" }
    }

    fn starts(&self, at_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let Query { size_ms, slide_ms, .. } = *self;
        let last = at_ms.div_euclid(slide_ms) * slide_ms;
        (0..size_ms / slide_ms).map(move |back| last - back * slide_ms)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    count: u64,
    min: u64,
    max: u64,
    sum: u64,
}

impl Group {
    fn add(&mut self, price: u64) {
        self.min = if self.count == 0 { price } else { self.min.min(price) };
        self.max = self.max.max(price);
        self.sum += price;
        self.count += 1;
    }

    /// Prices are whole numbers whose sums a double holds exactly; only the mean is rounded.
    fn is(&self, row: &Row) -> bool {
        let mean = self.sum as f64 / self.count as f64;
        (self.count, self.min as f64, self.max as f64, self.sum as f64)
            == (row.count, row.price_min, row.price_max, row.price_sum)
            && (row.price_mean - mean).abs() <= 1e-9 * mean
    }
}

type Truth = BTreeMap<(String, i64), Group>;

fn truth(query: Query, events: u64, seed: u64) -> Truth {
    let (mut truth, mut rng) = (Truth::new(), Rng(seed));
    for number in 0..events {
        let Event::Bid(Bid { auction, price, at_ms, .. }) = event(number, &mut rng) else { continue };
        let id = if query.by_auction { auction.to_string() } else { crate::ALL.to_owned() };
        for start in query.starts(at_ms) {
            truth.entry((id.clone(), start)).or_default().add(price);
        }
    }
    truth
}

/// Prints a verdict; whether all rows are right.
pub fn check() -> bool {
    let query = Query::from_env();
    let truth = truth(query, number("RECORDS"), number("SEED"));
    let (mut seen, mut extra, mut duplicate, mut wrong) = (BTreeSet::new(), 0, 0, 0);
    for_each_row(|row| {
        if row.id == MARKER {
            extra += 1;
        } else if !seen.insert((row.id.clone(), row.start)) {
            duplicate += 1;
        } else if let Some(group) = truth.get(&(row.id.clone(), row.start)) {
            wrong += u64::from(!group.is(&row) || row.end - row.start != query.size_ms);
        } else {
            extra += 1;
        }
    });
    let missing = truth.keys().filter(|key| !seen.contains(*key)).count();
    let late = env("LATE");
    let is_right = missing == 0 && extra == 0 && duplicate == 0 && wrong == 0 && late == "0" && !truth.is_empty();
    println!(
        "{} rows_a={} missing={missing} extra={extra} duplicate={duplicate} wrong={wrong} late={late}/0",
        if is_right { "OK" } else { "FAIL" },
        seen.len(),
    );
    is_right
}

fn for_each_row(mut handle: impl FnMut(Row)) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", env("BOOTSTRAP"))
        .set("group.id", "bids")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .expect("consumer");
    let (topic, mut list) = (env("OUT_TOPIC"), TopicPartitionList::new());
    for p in 0..PARTITIONS {
        list.add_partition_offset(&topic, p, Offset::Beginning).expect("offset");
    }
    consumer.assign(&list).expect("assign");
    let mut ended = BTreeSet::new();
    while ended.len() < PARTITIONS as usize {
        match consumer.poll(Duration::from_secs(1)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(p))) => drop(ended.insert(p)),
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(message)) => {
                handle(serde_json::from_slice(message.payload().expect("a row")).expect("a row in JSON"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bid_is_in_every_window_that_holds_it() {
        let hop = Query { size_ms: 10_000, slide_ms: 2_000, by_auction: true };
        let starts: Vec<i64> = hop.starts(10_000).collect();
        assert_eq!(starts, [10_000, 8_000, 6_000, 4_000, 2_000]);
        let truth = truth(Query { size_ms: 10_000, slide_ms: 10_000, by_auction: false }, 50_000, 1);
        assert_eq!(truth.values().map(|group| group.count).sum::<u64>(), 46_000);
        assert_eq!(truth.len(), 1, "50,000 events are five seconds");
    }
}
