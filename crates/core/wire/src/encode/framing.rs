//! What stands before an Avro datum, and Avro's primitive values as bytes.

/// What stands before an Avro datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `C3 01` and the schema's CRC-64-AVRO, little-endian: needs no registry.
    SingleObject,
    /// A zero byte and the schema's id in a registry, big-endian.
    Confluent(u32),
}

impl Framing {
    pub(crate) fn put(self, fingerprint: u64, out: &mut Vec<u8>) {
        match self {
            Self::SingleObject => {
                out.extend_from_slice(&[0xC3, 0x01]);
                out.extend_from_slice(&fingerprint.to_le_bytes());
            }
            Self::Confluent(id) => {
                out.push(0);
                out.extend_from_slice(&id.to_be_bytes());
            }
        }
    }
}

#[inline]
pub(crate) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[inline]
pub(crate) fn put_double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_bytes(text.as_bytes(), out);
}

#[inline]
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
    out.extend_from_slice(bytes);
}
