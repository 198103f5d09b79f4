//! Which partitions a group member has: the assignment as consumers of the classic protocol write it.
//!
//! Source: Apache Kafka, `ConsumerProtocolAssignment.json`: version (i16), then topics, each with its name and its
//! partitions (i32); numbers are big-endian, arrays and strings begin with their length (i32, i16).

use tidegauge_kafka::reader::TopicPartition;

/// Reads an assignment; `None` if it is something else.
pub(super) fn assignment(mut bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut found = Vec::new();
    let _version = i16::from_be_bytes(take(&mut bytes)?); // Later ones only append.
    for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
        let length = usize::try_from(i16::from_be_bytes(take(&mut bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let topic = std::str::from_utf8(name).ok()?;
        for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
            let partition = i32::from_be_bytes(take(&mut bytes)?);
            found.push(TopicPartition { topic: topic.to_owned(), partition });
        }
    }
    Some(found)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_reads_and_a_cut_one_is_none() {
        let mut bytes = vec![0, 3, 0, 0, 0, 1, 0, 2];
        bytes.extend_from_slice(b"ab");
        bytes.extend_from_slice(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        let at = |partition| TopicPartition { topic: "ab".into(), partition };
        assert_eq!(assignment(&bytes), Some(vec![at(0), at(7)]));
        for length in 0..bytes.len() - 4 {
            assert_eq!(assignment(&bytes[..length]), None, "{length} bytes");
        }
    }
}
