//! Outputs and positions become durable together, or not at all.

use crate::support::{Broker, Member, at, commit, ignore, never, outbox, unique};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegauge_delivery::{Call, Guarantee, Outcome};
use tidegauge_kafka::delivery::Delivery;
use tidegauge_kafka::range::RangeReader;
use tidegauge_kafka::reader::{MAX_METADATA_BYTES, Reader, is_lasting};
use tidegauge_kafka::writer::{Record, Writer};

const BOTH: [Guarantee; 2] = [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];

fn delivery(broker: &Broker, guarantee: Guarantee, id: &str, watched: &[&str]) -> Delivery {
    let connection = broker.connection();
    let config = match guarantee {
        Guarantee::AtLeastOnce => connection.producer("out"),
        Guarantee::ExactlyOnce => connection.transactional("out", id),
    };
    Delivery::open(guarantee, &config, watched, crate::support::PATIENCE.into()).expect("a producer")
}

#[test]
fn outputs_positions_and_metadata_are_there_at_once_and_not_before() {
    let Some(broker) = Broker::find("outputs_positions_and_metadata_are_there_at_once_and_not_before") else { return };
    let metadata = "m".repeat(MAX_METADATA_BYTES);
    for guarantee in BOTH {
        let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"));
        let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
        let mut delivery = delivery(&broker, guarantee, &unique("id"), &[]);
        let (at, seen) = (at(&input, 0), RefCell::new(Vec::new()));
        let mut hook = |call| {
            let before_commit = [Call::Commit, Call::Positions].contains(&call) && guarantee == Guarantee::ExactlyOnce;
            let there = if before_commit { broker.committed_values(&output) } else { Vec::new() };
            seen.borrow_mut().push((call, there.len()));
        };
        let (outbox, positions) = (outbox(&["a", "b"]), |_: &Writer| vec![commit(&at, 7, &metadata)]);
        let outcome = delivery.burst(&member.reader, &[&outbox], &[&output], positions, &mut hook, &never);
        assert_eq!((outcome, delivery.last_error()), (Outcome::Committed, None), "{guarantee:?}");
        assert!(seen.borrow().iter().all(|(_, there)| *there == 0), "{guarantee:?}: {seen:?}");
        assert_eq!(broker.committed_values(&output), ["a", "b"], "{guarantee:?}");
        assert_eq!(broker.position(&group, &at), (Some(7), metadata.clone()), "{guarantee:?}");
    }
}

#[test]
fn k6_who_never_joined_commits_nothing() {
    let Some(broker) = Broker::find("k6_who_never_joined_commits_nothing") else { return };
    for guarantee in BOTH {
        let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"));
        let at = at(&input, 0);
        let mut delivery = delivery(&broker, guarantee, &unique("id"), &[]);
        let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
        let positions = |_: &Writer| vec![commit(&at, 7, "owner")];
        delivery.burst(&member.reader, &[], &[], positions, &mut ignore, &never);

        let stranger =
            Reader::subscribe(&broker.connection().consumer("stranger", &group), &[&input]).expect("a client");
        let (outbox, positions) = (outbox(&["a"]), |_: &Writer| vec![commit(&at, 1, "stranger")]);
        let outcome = delivery.burst(&stranger, &[&outbox], &[&output], positions, &mut ignore, &never);
        assert_eq!(outcome, Outcome::Kept, "{guarantee:?}");
        let error = delivery.last_error().expect("a reason").to_string();
        assert!(error.contains("generation"), "{guarantee:?}: {error}");
        assert!(stranger.commit(&[commit(&at, 1, "stranger")]).is_err(), "{guarantee:?}");
        assert_eq!(broker.position(&group, &at), (Some(7), "owner".into()), "{guarantee:?}");
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(broker.committed_values(&output), Vec::<String>::new());
            // What was kept is sent again, once.
            let positions = |_: &Writer| vec![commit(&at, 8, "owner")];
            let outcome = delivery.burst(&member.reader, &[&outbox], &[&output], positions, &mut ignore, &never);
            assert_eq!((outcome, broker.committed_values(&output)), (Outcome::Committed, vec!["a".to_owned()]));
        }
    }
}

#[test]
fn a_worker_that_dies_in_its_transaction_leaves_nothing_behind() {
    let Some(broker) = Broker::find("a_worker_that_dies_in_its_transaction_leaves_nothing_behind") else { return };
    let (input, output, group, id) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"), unique("id"));
    let at = at(&input, 0);
    let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
    member.reader.commit(&[commit(&at, 3, "before")]).expect("a commit");
    {
        let dying = broker.transactional(&id);
        dying.begin().expect("a transaction");
        dying.writer().send_outbox(&outbox(&["lost"]), &[&output]).expect("a place in the queue");
        dying.writer().flush().expect("a stored record");
        dying.positions(&member.reader, &[commit(&at, 9, "lost")]).expect("an answer");
    }
    assert_eq!(broker.values(&output, "read_uncommitted"), ["lost"], "it was there");
    // The coordinator gives no answer until the broker has ended the dead transaction.
    assert_eq!(broker.position(&group, &at), (Some(3), "before".into()));
    assert_eq!(broker.committed_values(&output), Vec::<String>::new());
}

#[test]
fn whoever_has_the_transactional_id_last_goes_on_and_the_other_is_built_anew() {
    let Some(broker) = Broker::find("whoever_has_the_transactional_id_last_goes_on_and_the_other_is_built_anew") else {
        return;
    };
    let (input, output, group, id) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"), unique("id"));
    let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
    let burst = |delivery: &mut Delivery, value| {
        let positions = |_: &Writer| vec![commit(&at(&input, 0), 1, "")];
        delivery.burst(&member.reader, &[&outbox(&[value])], &[&output], positions, &mut ignore, &never)
    };
    let mut old = delivery(&broker, Guarantee::ExactlyOnce, &id, &[]);
    assert_eq!(burst(&mut old, "a"), Outcome::Committed);
    let mut new = delivery(&broker, Guarantee::ExactlyOnce, &id, &[]);
    assert_eq!(burst(&mut old, "fenced"), Outcome::Rebuild);
    let error = old.last_error().expect("a reason");
    assert!(!is_lasting(error), "{error} is mended by building the worker anew");
    assert_eq!(burst(&mut new, "b"), Outcome::Committed);
    assert_eq!(broker.committed_values(&output), ["a", "b"]);
}

#[test]
fn a_watched_topic_tells_where_its_next_record_will_be() {
    let Some(broker) = Broker::find("a_watched_topic_tells_where_its_next_record_will_be") else { return };
    for guarantee in BOTH {
        let (input, state, group) = (broker.topic("in", 1), broker.topic("state", 1), unique("g"));
        let other = broker.topic("out", 1);
        let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
        let mut delivery = delivery(&broker, guarantee, &unique("id"), &[&state]);
        let mut last_seen = None;
        for count in 1..4 {
            let told = RefCell::new(None);
            let positions = |writer: &Writer| {
                assert_eq!(writer.stored_next(&other, 0), None, "nobody watches it");
                *told.borrow_mut() = writer.stored_next(&state, 0);
                vec![commit(&at(&input, 0), 1, "")]
            };
            let values: Vec<&str> = std::iter::repeat_n("x", count).collect();
            let (ours, others) = (outbox(&values), outbox(&["y"]));
            for (outbox, topic) in [(&ours, &state), (&others, &other)] {
                let positions = |writer: &Writer| positions(writer);
                let outcome = delivery.burst(&member.reader, &[outbox], &[topic], positions, &mut ignore, &never);
                assert_eq!(outcome, Outcome::Committed);
            }
            let next = told.into_inner().expect("records were stored");
            let mut ranges = RangeReader::new(&broker.connection().consumer("look", &group)).expect("a consumer");
            let mut seen = Vec::new();
            let each = |message: tidegauge_kafka::batch::Message<'_>| {
                seen.push(message.offset());
                ControlFlow::Continue(())
            };
            ranges.read(&state, 0, 0..next, crate::support::PATIENCE.into(), each).expect("the range");
            assert_eq!(seen.last().map(|offset| offset + 1), Some(next), "{guarantee:?}");
            assert!(last_seen < Some(next), "{guarantee:?}: it moves on");
            last_seen = Some(next);
        }
    }
}

#[test]
fn an_owner_of_nothing_has_nothing_to_say() {
    let Some(broker) = Broker::find("an_owner_of_nothing_has_nothing_to_say") else { return };
    let (input, output, group) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"));
    let reader = Reader::subscribe(&broker.connection().consumer("w0", &unique("g")), &[&input]).expect("a client");
    for guarantee in BOTH {
        let mut delivery = delivery(&broker, guarantee, &unique("id"), &[]);
        let mut no_call = |call| panic!("{call:?} was made");
        let outcome = delivery.burst(&reader, &[], &[], |_| Vec::new(), &mut no_call, &never);
        assert_eq!(outcome, Outcome::Committed);
    }
    // Outputs of nobody's partitions are a broken invariant.
    let member = Member::join(&broker, &group, &input, "w0", &[]).until_owned(1);
    let mut delivery = delivery(&broker, Guarantee::ExactlyOnce, &unique("id"), &[]);
    let burst = AssertUnwindSafe(|| {
        delivery.burst(&member.reader, &[&outbox(&["a"])], &[&output], |_| Vec::new(), &mut ignore, &never)
    });
    assert!(catch_unwind(burst).is_err());
}

#[test]
fn k5_what_was_not_stored_is_told_by_flush() {
    let Some(broker) = Broker::find("k5_what_was_not_stored_is_told_by_flush") else { return };
    let output = broker.topic("out", 1);
    let writer =
        Writer::new(broker.connection().producer("out").set("message.timeout.ms", "5000")).expect("a producer");
    let beyond = Record { topic: &output, partition: Some(5), value: Some(b"a"), ..Record::default() };
    let there = Record { partition: Some(0), ..beyond.clone() };
    // A partition that does not exist is refused at once, or after a while, depending on what the client knows yet.
    let refused = writer.send(&beyond).is_err() || writer.flush().is_err();
    assert!(refused);
    writer.send(&there).expect("a place in the queue");
    writer.flush().expect("a stored record");
}
