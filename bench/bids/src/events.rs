//! Events of Nexmark: people register, auctions open, bids are made. A function of the seed and the number of events.
//!
//! Of every 50 events the first is a person, three are auctions, 46 are bids. Half of the bids go to a hot auction, one
//! of the newest hundred; three quarters are made by a hot bidder. Prices are log-uniform from 100 to 100,000,000.
//!
//! Source: P. Tucker et al., "NEXMark – A Benchmark for Queries over Data Streams", 2008; proportions, ids and hot
//! ratios as Apache Beam's generator has them by default.

use std::fmt::Write;

/// 2026-01-01T00:00:00Z
pub const BASE_MS: i64 = 1_767_225_600_000;
pub const EVENTS_PER_S: u64 = 10_000;
const ROUND: u64 = 50;
const AUCTIONS: u64 = 3;
const FIRST_ID: u64 = 1_000;
/// Ids of what is hot are multiples of this.
const HOT: u64 = 100;
const ACTIVE_PEOPLE: u64 = 1_000;
const OPEN_AUCTIONS: u64 = 100;
/// Bids may be for auctions, and by people, that are still to come: so many.
const LEAD: u64 = 10;
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

pub struct Bid {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub at_ms: i64,
}

pub enum Event {
    Person { id: u64, at_ms: i64 },
    Auction { id: u64, seller: u64, at_ms: i64 },
    Bid(Bid),
}

/// Splitmix64.
pub struct Rng(pub u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The `number`-th event.
pub fn event(number: u64, rng: &mut Rng) -> Event {
    let at_ms = BASE_MS + (number * 1_000 / EVENTS_PER_S) as i64;
    match number % ROUND {
        0 => Event::Person { id: FIRST_ID + newest_person(number), at_ms },
        1..=AUCTIONS => Event::Auction { id: FIRST_ID + newest_auction(number), seller: bidder(number, rng), at_ms },
        _ => {
            let price = libm::round(libm::pow(10.0, rng.unit() * 6.0) * 100.0) as u64;
            Event::Bid(Bid { auction: auction(number, rng), bidder: bidder(number, rng), price, at_ms })
        }
    }
}

fn newest_person(number: u64) -> u64 {
    number / ROUND
}

fn newest_auction(number: u64) -> u64 {
    let (round, place) = (number / ROUND, number % ROUND);
    match place {
        0 => (round * AUCTIONS).saturating_sub(1),
        _ => round * AUCTIONS + place.min(AUCTIONS) - 1,
    }
}

fn auction(number: u64, rng: &mut Rng) -> u64 {
    let newest = newest_auction(number);
    let base0 = if rng.below(2) > 0 {
        newest / HOT * HOT
    } else {
        let oldest = newest.saturating_sub(OPEN_AUCTIONS);
        oldest + rng.below(newest - oldest + 1 + LEAD)
    };
    FIRST_ID + base0
}

fn bidder(number: u64, rng: &mut Rng) -> u64 {
    let newest = newest_person(number);
    let base0 = if rng.below(4) > 0 {
        newest / HOT * HOT + 1
    } else {
        let active = (newest + 1).min(ACTIVE_PEOPLE);
        newest + 1 - active + rng.below(active + LEAD)
    };
    FIRST_ID + base0
}

/// A JSON object with `event_type` and, of `person`, `auction` and `bid`, the one that it is.
pub fn write_json(out: &mut String, event: &Event, rng: &mut Rng) {
    match event {
        Event::Person { id, at_ms } => {
            let (state, card) = (STATES[rng.below(6) as usize], rng.next());
            write!(
                out,
                r#"{{"event_type":0,"person":{{"id":{id},"name":"person-{id}","emailAddress":"{id}@example.org","creditCard":"{card:020}","city":"city-{}","state":"{state}","dateTime":{at_ms},"extra":"{}"}},"auction":null,"bid":null}}"#,
                card % 100,
                extra(rng, 70)
            )
        }
        Event::Auction { id, seller, at_ms } => write!(
            out,
            r#"{{"event_type":1,"person":null,"auction":{{"id":{id},"itemName":"item-{id}","description":"{}","initialBid":{},"reserve":{},"dateTime":{at_ms},"expires":{},"seller":{seller},"category":{},"extra":"{}"}},"bid":null}}"#,
            extra(rng, 100),
            100 + rng.below(900),
            1_000 + rng.below(9_000),
            at_ms + 10_000,
            10 + rng.below(5),
            extra(rng, 200)
        ),
        Event::Bid(Bid { auction, bidder, price, at_ms }) => {
            let pick = rng.below(8);
            let channel =
                HOT_CHANNELS.get(pick as usize).map_or_else(|| format!("channel-{}", rng.below(10_000)), |c| (*c).into());
            write!(
                out,
                r#"{{"event_type":2,"person":null,"auction":null,"bid":{{"auction":{auction},"bidder":{bidder},"price":{price},"channel":"{channel}","url":"https://www.nexmark.example/{pick}/item.htm?query=1","dateTime":{at_ms},"extra":"{}"}}}}"#,
                extra(rng, 36)
            )
        }
    }
    .expect("a string takes all");
}

/// Letters of no meaning that make a record as long as it is in the field.
fn extra(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + rng.below(26) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_bids_are_for_what_is_open() {
        let mut rng = Rng(1);
        let (mut people, mut auctions, mut bids) = (0, 0, 0);
        for number in 0..100_000 {
            match event(number, &mut rng) {
                Event::Person { id, .. } => {
                    assert_eq!(id, FIRST_ID + people);
                    people += 1;
                }
                Event::Auction { id, .. } => {
                    assert_eq!(id, FIRST_ID + auctions);
                    auctions += 1;
                }
                Event::Bid(bid) => {
                    bids += 1;
                    assert!(bid.auction < FIRST_ID + auctions + LEAD && bid.auction + 200 > FIRST_ID + auctions);
                    assert!((100..=100_000_000).contains(&bid.price), "{}", bid.price);
                }
            }
        }
        assert_eq!((people, auctions, bids), (2_000, 6_000, 92_000));
    }
}
