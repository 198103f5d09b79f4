//! The broker in memory behaves as the real one where it matters.

use super::*;

const OUT: At = At { topic: 0, partition: 0 };
const OTHER: At = At { topic: 0, partition: 1 };

fn calm() -> Kafka {
    Kafka::new(&[2], &[2], Rates::default(), 1)
}

fn values(kafka: &Kafka, at: At) -> Vec<&[u8]> {
    kafka.read(at, 0, 100).0.into_iter().map(|record| record.value).collect()
}

fn position(offset: i64) -> BTreeMap<u32, Committed> {
    BTreeMap::from([(0, Committed { offset, metadata: "m".to_owned() })])
}

/// Lets markers land until nothing is ending any more.
fn land_all(kafka: &mut Kafka) {
    (0..50).for_each(|_| kafka.land_marker());
}

fn open(kafka: &mut Kafka, id: &str, values: &[&[u8]]) -> Producer {
    let mut producer = Producer::init(kafka, Some(id)).expect("no trouble");
    producer.begin(kafka).expect("no trouble");
    values.iter().for_each(|value| producer.send(OUT, b"", value));
    while producer.flush(kafka).is_err() {}
    producer
}

#[test]
fn k1_a_reader_waits_for_the_marker_and_skips_what_was_aborted() {
    let mut kafka = calm();
    let mut first = open(&mut kafka, "first", &[b"a"]);
    let mut second = open(&mut kafka, "second", &[b"b", b"c"]);
    kafka.append(OUT, b"", b"plain");
    assert_eq!((values(&kafka, OUT).len(), kafka.last_stable(OUT), kafka.end(OUT)), (0, 0, 4));
    second.commit(&mut kafka).expect("no trouble");
    land_all(&mut kafka);
    assert!(values(&kafka, OUT).is_empty(), "the first transaction holds back what is behind it");
    first.abort(&mut kafka).expect("no trouble");
    land_all(&mut kafka);
    assert_eq!(values(&kafka, OUT), [b"b".as_slice(), b"c", b"plain"]);
    assert_eq!(kafka.end(OUT), 6, "markers take offsets");
}

#[test]
fn k1_markers_land_one_by_one() {
    let mut kafka = calm();
    let mut producer = open(&mut kafka, "id", &[b"a"]);
    producer.send(OTHER, b"", b"b");
    producer.flush(&mut kafka).expect("no trouble");
    producer.commit(&mut kafka).expect("no trouble");
    assert_eq!(producer.begin(&mut kafka), Err(Trouble::Again), "the one before is still ending");
    kafka.land_marker();
    assert_eq!(values(&kafka, OUT).len() + values(&kafka, OTHER).len(), 1);
    kafka.land_marker();
    assert_eq!(values(&kafka, OUT).len() + values(&kafka, OTHER).len(), 2);
    assert_eq!(producer.begin(&mut kafka), Ok(()));
}

#[test]
fn k2_what_is_repeated_is_done_once() {
    let rates = Rates { lost_reply: 0.5, ..Rates::default() };
    for seed in 0..20 {
        let mut kafka = Kafka::new(&[2], &[2], rates, seed);
        let mut producer = loop {
            if let Ok(producer) = Producer::init(&mut kafka, Some("id")) {
                break producer;
            }
        };
        while producer.begin(&mut kafka).is_err() {}
        [b"a", b"b", b"c"].iter().for_each(|value| producer.send(OUT, b"", *value));
        while producer.flush(&mut kafka).is_err() {}
        while producer.commit(&mut kafka).is_err() {
            land_all(&mut kafka);
        }
        land_all(&mut kafka);
        assert_eq!(values(&kafka, OUT), [b"a", b"b", b"c"], "seed {seed}");
        assert_eq!(producer.stored(OUT), Some(3));
    }
}

#[test]
fn a_new_life_fences_the_old_one_and_aborts_its_transaction() {
    let mut kafka = calm();
    let mut old = open(&mut kafka, "id", &[b"old"]);
    assert_eq!(Producer::init(&mut kafka, Some("id")).err(), Some(Trouble::Again), "the old one is being aborted");
    land_all(&mut kafka);
    let mut new = open(&mut kafka, "id", &[b"new"]);
    old.send(OUT, b"", b"zombie");
    assert_eq!(old.flush(&mut kafka), Err(Trouble::Fatal));
    assert_eq!(old.commit(&mut kafka), Err(Trouble::Fatal));
    new.commit(&mut kafka).expect("no trouble");
    land_all(&mut kafka);
    assert_eq!(values(&kafka, OUT), [b"new"]);
}

#[test]
fn k3_positions_are_checked_for_membership_and_generation_only() {
    let mut kafka = calm();
    let one = kafka.join(0, "one").expect("no trouble");
    let mut producer = open(&mut kafka, "id", &[]);
    let mut tell = |kafka: &mut Kafka, member: &Member, generation| {
        producer.send_offsets(kafka, 0, (member, generation), &position(1))
    };
    assert_eq!(tell(&mut kafka, &one, 1), Ok(()));
    let two = kafka.join(0, "two").expect("no trouble");
    assert_eq!(tell(&mut kafka, &one, 1), Err(Trouble::Refused), "a generation that has passed");
    assert_eq!((tell(&mut kafka, &one, 2), tell(&mut kafka, &two, 2)), (Ok(()), Ok(())), "whoever owns the partition");
    kafka.leave(0, &two);
    assert_eq!(tell(&mut kafka, &two, 3), Err(Trouble::Refused));
    assert_eq!(tell(&mut kafka, &two, NO_GENERATION), Ok(()), "believed unchecked");
    assert_eq!(kafka.commit_offsets(0, (&two, NO_GENERATION), &position(1)), Err(Trouble::Refused));
}

#[test]
fn k4_positions_are_told_when_they_are_certain() {
    let mut kafka = calm();
    let member = kafka.join(0, "one").expect("no trouble");
    assert_eq!(kafka.committed(0, 0), Ok(None));
    let mut producer = open(&mut kafka, "id", &[b"a"]);
    producer.send_offsets(&mut kafka, 0, (&member, 1), &position(7)).expect("no trouble");
    assert_eq!(kafka.committed(0, 0), Err(Trouble::Again));
    assert_eq!(kafka.committed(0, 1), Ok(None), "of another partition they are");
    producer.abort(&mut kafka).expect("no trouble");
    land_all(&mut kafka);
    assert_eq!(kafka.committed(0, 0), Ok(None));
    kafka.commit_offsets(0, (&member, 1), &position(3)).expect("no trouble");
    kafka.commit_offsets(0, (&member, 1), &position(2)).expect("no trouble");
    assert_eq!(kafka.committed(0, 0).map(|committed| committed.map(|c| c.offset)), Ok(Some(2)));
    assert_eq!(kafka.moved_back().len(), 1, "seen, and left to whoever checks");
}

#[test]
fn a_member_that_comes_back_under_its_name_disturbs_nobody() {
    let mut kafka = calm();
    let one = kafka.join(0, "one").expect("no trouble");
    let two = kafka.join(0, "two").expect("no trouble");
    let before = kafka.view(0, &two);
    let again = kafka.join(0, "one").expect("no trouble");
    assert_eq!((kafka.view(0, &one), kafka.view(0, &two)), (None, before), "the earlier life is fenced");
    assert_eq!(kafka.view(0, &again).map(|(generation, _)| generation), Some(2));
    kafka.pass(SESSION_TIMEOUT_MS + 1);
    assert_eq!((kafka.view(0, &again), kafka.view(0, &two)), (None, None), "both were silent");
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let mut kafka = calm();
    let mut producer = open(&mut kafka, "id", &[b"a"]);
    kafka.pass(TRANSACTION_TIMEOUT_MS + 1);
    land_all(&mut kafka);
    assert_eq!(producer.commit(&mut kafka), Err(Trouble::Fatal));
    assert!(values(&kafka, OUT).is_empty() && kafka.last_stable(OUT) == kafka.end(OUT));
}
