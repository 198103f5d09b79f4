//! Who leaves, who stays, and who has lost its partitions without knowing.

use crate::support::{Broker, Member, PATIENCE, at, commit, ignore, never, outbox, poll_until, unique};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};
use tidegauge_delivery::{Guarantee, Outcome};
use tidegauge_kafka::delivery::Delivery;
use tidegauge_kafka::reader::Rebalance;
use tidegauge_kafka::writer::{Record, Writer};

/// Longer than any wait here: what happens sooner does not wait for a session to run out.
const LONG_SESSION: &[(&str, &str)] = &[("session.timeout.ms", "60000")];

#[test]
fn a_dropped_member_keeps_its_place_and_a_closed_one_hands_over() {
    let Some(broker) = Broker::find("a_dropped_member_keeps_its_place_and_a_closed_one_hands_over") else { return };
    let (topic, group) = (broker.topic("in", 4), unique("g"));
    let mut first = Member::join(&broker, &group, &topic, "w0", LONG_SESSION).until_owned(4);
    let mut other = Member::join(&broker, &group, &topic, "w1", LONG_SESSION);
    poll_until(&mut [&mut first, &mut other], |members| members.iter().all(|member| member.owned.len() == 2));

    let (before, seen) = (first.owned.clone(), other.rebalances.len());
    drop(first);
    let mut again = Member::join(&broker, &group, &topic, "w0", LONG_SESSION);
    poll_until(&mut [&mut again, &mut other], |members| members[0].owned.len() == 2);
    for _ in 0..200 {
        again.poll();
        other.poll();
    }
    assert_eq!(again.owned, before, "whoever comes back has the same partitions");
    assert_eq!(other.rebalances.len(), seen, "and nobody else notices: {:?}", other.rebalances);
    assert!(again.reader.is_member() && other.reader.is_member());

    again.reader.close();
    poll_until(&mut [&mut other], |members| members[0].owned.len() == 4);
}

#[test]
fn a_lost_assignment_is_told_as_such_and_nothing_is_committed_for_it() {
    let Some(broker) = Broker::find("a_lost_assignment_is_told_as_such_and_nothing_is_committed_for_it") else {
        return;
    };
    let (topic, output, group) = (broker.topic("in", 1), broker.topic("out", 1), unique("g"));
    let partition = at(&topic, 0);
    // A member that does not poll for too long loses everything.
    let mut member = Member::join(&broker, &group, &topic, "w0", &[("max.poll.interval.ms", "6000")]).until_owned(1);
    member.reader.commit(&[commit(&partition, 1, "before")]).expect("a commit");
    let since = Instant::now();
    while !member.reader.assignment_lost() {
        assert!(since.elapsed() < PATIENCE, "the assignment is still there");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!member.reader.is_member());
    assert!(member.reader.commit(&[commit(&partition, 2, "after")]).is_err());
    let config = broker.connection().transactional("out", &unique("id"));
    let mut delivery = Delivery::open(Guarantee::ExactlyOnce, &config, &[], PATIENCE.into()).expect("a producer");
    let positions = |_: &Writer| vec![commit(&partition, 2, "after")];
    let outcome = delivery.burst(&member.reader, &[&outbox(&["a"])], &[&output], positions, &mut ignore, &never);
    assert_eq!(outcome, Outcome::Kept);
    assert_eq!(broker.position(&group, &partition), (Some(1), "before".into()));

    // It is told, and joins again.
    poll_until(&mut [&mut member], |members| members[0].rebalances.len() == 3);
    let lost = Rebalance::Revoked { partitions: vec![partition.clone()], lost: true };
    let given = Rebalance::Assigned(vec![partition]);
    assert_eq!(member.rebalances, [given.clone(), lost, given]);
}

#[test]
fn a_paused_partition_comes_whole() {
    let Some(broker) = Broker::find("a_paused_partition_comes_whole") else { return };
    const COUNT: i64 = 3000;
    let (topic, group) = (broker.topic("in", 1), unique("g"));
    let writer = Writer::new(&broker.connection().producer("out")).expect("a producer");
    for _ in 0..COUNT {
        let record = Record { topic: &topic, partition: Some(0), value: Some(b"x"), ..Record::default() };
        writer.send(&record).expect("a place in the queue");
    }
    writer.flush().expect("stored records");

    let mut member = Member::join(&broker, &group, &topic, "w0", &[]).until_owned(1);
    let partition = at(&topic, 0);
    let (mut next, mut paused, since) = (0, BTreeSet::new(), Instant::now());
    while next < COUNT {
        assert!(since.elapsed() < PATIENCE, "{next} of {COUNT} came");
        member.poll();
        let batch = member.reader.take(&partition, 100);
        let offsets: Vec<i64> = batch.iter().filter(|m| m.error().is_none()).map(|m| m.offset()).collect();
        drop(batch);
        assert!(offsets.iter().copied().eq(next..next + offsets.len() as i64), "{next}: {offsets:?}");
        next += offsets.len() as i64;
        if !offsets.is_empty() && next % 500 == 0 && paused.insert(next) {
            member.reader.pause(std::slice::from_ref(&partition)).expect("a pause");
            for _ in 0..20 {
                member.poll();
            }
            let silent = member.reader.take(&partition, 100).is_empty();
            assert!(silent, "nothing comes while it is paused");
            member.reader.resume(std::slice::from_ref(&partition)).expect("an end of it");
        }
    }
    assert!(!paused.is_empty());
}
