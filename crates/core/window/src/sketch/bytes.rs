//! A sketch in bytes: `scale` (one byte), zeros, bucket count, then per bucket the step from the index before (zigzag)
//! and its count; all numbers LEB128.

use super::{FINEST_SCALE, MAX_BUCKETS, Sketch};

/// Why bytes are not a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sketch: {0}")]
pub struct SketchBytesError(&'static str);

impl Sketch {
    /// The sketch in bytes, for [`Self::from_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 3 * self.buckets.len());
        self.append_bytes(&mut out);
        out
    }

    /// Appends what [`Self::to_bytes`] returns.
    pub fn append_bytes(&self, out: &mut Vec<u8>) {
        out.push(self.scale.cast_unsigned());
        write_varint(out, self.zeros);
        write_varint(out, self.buckets.len() as u64);
        let mut before = 0;
        for &(index, count) in &self.buckets {
            let step = index.wrapping_sub(before);
            write_varint(out, u64::from((step << 1 ^ step >> 31).cast_unsigned()));
            write_varint(out, count);
            before = index;
        }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`SketchBytesError`] if the bytes end early, go on, or break an invariant of a sketch.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SketchBytesError> {
        let (&scale, mut rest) = bytes.split_first().ok_or(SketchBytesError("empty"))?;
        let scale = scale.cast_signed();
        if !(-10..=FINEST_SCALE).contains(&scale) {
            return Err(SketchBytesError("scale out of range"));
        }
        let zeros = read_varint(&mut rest)?;
        let length = read_varint(&mut rest)? as usize;
        if length > MAX_BUCKETS {
            return Err(SketchBytesError("too many buckets"));
        }
        let mut buckets = Vec::with_capacity(length);
        let mut index = 0_i32;
        for at in 0..length {
            let zigzag = u32::try_from(read_varint(&mut rest)?).map_err(|_| SketchBytesError("index out of range"))?;
            let step = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            if at > 0 && step <= 0 {
                return Err(SketchBytesError("indices do not ascend"));
            }
            index = index.checked_add(step).ok_or(SketchBytesError("index out of range"))?;
            let count = read_varint(&mut rest)?;
            if count == 0 {
                return Err(SketchBytesError("empty bucket"));
            }
            buckets.push((index, count));
        }
        if rest.is_empty() { Ok(Self { scale, zeros, buckets }) } else { Err(SketchBytesError("trailing bytes")) }
    }
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Result<u64, SketchBytesError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(SketchBytesError("ends early"))?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(SketchBytesError("number too long"))
}
