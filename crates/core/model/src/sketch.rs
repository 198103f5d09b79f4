//! A sketch on its way: bytes that crate `window` packs and reads, and nobody else has to understand.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Write};
use std::sync::Arc;

/// The distribution of one latency in one window, packed. Sketches of windows, agents and regions merge into the sketch
/// of all of them, which percentiles do not.
///
/// Formats that people read hold it as hexadecimal digits, others as bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SketchBytes(Arc<[u8]>);

impl SketchBytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SketchBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for SketchBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SketchBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SketchBytes({self})")
    }
}

impl Serialize for SketchBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        let mut digits = String::with_capacity(2 * self.0.len());
        write!(digits, "{self}").map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for SketchBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Digits)
        } else {
            deserializer.deserialize_byte_buf(Bytes)
        }
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = SketchBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sketch as hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, digits: &str) -> Result<SketchBytes, E> {
        bytes_of(digits).map(SketchBytes::from).ok_or_else(|| E::invalid_value(de::Unexpected::Str(digits), &self))
    }
}

/// Pairs of digits as bytes; `None` where there is anything else.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(value(high)? << 4 | value(low)?)).collect()
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = SketchBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sketch's bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<SketchBytes, E> {
        Ok(SketchBytes(bytes.into()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<SketchBytes, E> {
        Ok(SketchBytes::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::bytes_of;

    #[test]
    fn digits_are_pairs() {
        assert_eq!(bytes_of(""), Some(vec![]));
        assert_eq!(bytes_of("00ffA1"), Some(vec![0x00, 0xff, 0xa1]));
        for wrong in ["0", "0x", "+1", "é"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
