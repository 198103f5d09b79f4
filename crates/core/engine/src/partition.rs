//! Which shuffle partition a domain lives in: murmur2 of its UTF-8, as Kafka's own default partitioner does it.

use tidegauge_model::Domain;

/// The shuffle partition of `domain` among `partitions`.
///
/// # Panics
///
/// If `partitions` is 0.
#[must_use]
pub fn shuffle_partition(domain: &Domain, partitions: u32) -> u32 {
    (murmur2(domain.as_str().as_bytes()) & 0x7fff_ffff) % partitions
}

/// MurmurHash2, 32 bits, with the seed of Kafka's Java client.
///
/// Source: A. Appleby, MurmurHash2; `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (at, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Apache Kafka's own test of `Utils.murmur2`.
    #[test]
    fn hashes_as_kafka_does() {
        let cases: [(&str, i32); 4] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("abc", 479_470_107),
        ];
        for (text, want) in cases {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), want, "{text}");
        }
    }
}
