//! Who has which partitions of a group, as its coordinator says, and who has to do something about those of nobody.
//!
//! A rebalance of cooperative members takes two rounds: in the first those who have too much give it up, in the second
//! others get it. A static member that dies between the two and comes back is given what it had, and no second round
//! comes: what it had given up belongs to nobody until the group changes for another reason, and no member is told.
//!
//! - **K13** Of members that see the same, one and only one leaves to join anew: the one that has least.

use crate::position::TopicPartition;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use std::collections::BTreeSet;
use std::time::Duration;

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its `client.id`.
    pub client_id: String,
    /// What it was given.
    pub partitions: Vec<TopicPartition>,
}

/// Partitions that no member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unowned {
    /// Which.
    pub partitions: BTreeSet<TopicPartition>,
    /// The `client.id` of the member whose leaving costs least.
    pub leaves: String,
}

/// The members of a group; `None` while a rebalance goes on.
///
/// # Errors
///
/// If a broker does not answer within `wait`.
pub fn members<C: ConsumerContext>(
    client: &impl Consumer<C>,
    group: &str,
    wait: Duration,
) -> KafkaResult<Option<Vec<Member>>> {
    let found = client.fetch_group_list(Some(group), wait)?;
    let Some(group) = found.groups().iter().find(|group| group.state() == "Stable") else { return Ok(None) };
    let members = group.members().iter().map(|member| Member {
        client_id: member.client_id().to_owned(),
        partitions: assigned(member.assignment().unwrap_or_default()).unwrap_or_default(),
    });
    Ok(Some(members.collect()))
}

/// Those of `partitions` that none of the members has.
#[must_use]
pub fn unowned(members: &[Member], partitions: impl IntoIterator<Item = TopicPartition>) -> Option<Unowned> {
    let owned: BTreeSet<_> = members.iter().flat_map(|member| &member.partitions).collect();
    let partitions: BTreeSet<_> = partitions.into_iter().filter(|partition| !owned.contains(partition)).collect();
    let leaves = members.iter().min_by_key(|member| (member.partitions.len(), &member.client_id))?;
    (!partitions.is_empty()).then(|| Unowned { partitions, leaves: leaves.client_id.clone() })
}

/// The partitions of an assignment of the classic protocol: version, topics with partitions, user data.
/// `None` if it is cut off.
fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut rest = bytes.get(2..)?;
    let number = |rest: &mut &[u8]| {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        Some(i32::from_be_bytes(*head))
    };
    let mut partitions = Vec::new();
    for _ in 0..number(&mut rest)? {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let (name, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let topic = std::str::from_utf8(name).ok()?;
        rest = tail;
        for _ in 0..number(&mut rest)? {
            partitions.push(TopicPartition { topic: topic.to_owned(), partition: number(&mut rest)? });
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition }
    }

    fn member(client_id: &str, partitions: &[i32]) -> Member {
        Member { client_id: client_id.into(), partitions: partitions.iter().copied().map(at).collect() }
    }

    #[test]
    fn an_assignment_is_read_as_the_protocol_has_it() {
        // Version 1, two topics: "t" with 0 and 258, "uv" with 3; four bytes of user data.
        let bytes = b"\0\x01\0\0\0\x02\0\x01t\0\0\0\x02\0\0\0\0\0\0\x01\x02\0\x02uv\0\0\0\x01\0\0\0\x03\0\0\0\0";
        let want = vec![at(0), at(258), TopicPartition { topic: "uv".into(), partition: 3 }];
        assert_eq!(assigned(bytes), Some(want));
        assert_eq!(assigned(&bytes[..bytes.len() - 5]), None);
        assert_eq!(assigned(b""), None, "a member that waits for its share");
    }

    #[test]
    fn who_has_least_leaves() {
        let members = [member("a-0", &[0, 1]), member("b-1", &[2]), member("b-0", &[3])];
        assert_eq!(unowned(&members, (0..4).map(at)), None);
        let found = unowned(&members, (0..6).map(at)).expect("two belong to nobody");
        assert_eq!(found, Unowned { partitions: [at(4), at(5)].into(), leaves: "b-0".into() });
        assert_eq!(unowned(&[], [at(0)]), None, "nobody is there to leave");
    }
}
