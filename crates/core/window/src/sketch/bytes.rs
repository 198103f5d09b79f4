//! A sketch in bytes: `scale` (one byte), zeros, bucket count, then per bucket the step from the index before (zigzag)
//! and its count; all numbers LEB128. If it holds values of others' buckets, bit 6 of the first byte, which no scale sets
//! or clears alone, is turned, and their error in millionths follows it.

use super::{ErrorBefore, FINEST_SCALE, MAX_BUCKETS, Sketch};

/// The bit of the first byte that says that an error follows.
const HAS_ERROR: u8 = 0x40;

/// Why bytes are not a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sketch: {0}")]
pub struct SketchBytesError(&'static str);

/// A sketch that stays in the bytes in which it came: a third of the memory of an open one, for those that are kept and
/// seldom read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedSketch<'a>(&'a [u8]);

impl<'a> PackedSketch<'a> {
    /// Takes bytes that [`Sketch::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`SketchBytesError`] as [`Sketch::from_bytes`] has it.
    pub fn new(bytes: &'a [u8]) -> Result<Self, SketchBytesError> {
        Buckets::of(bytes)?.try_for_each(|bucket| bucket.map(drop))?;
        Ok(Self(bytes))
    }

    /// Takes bytes that [`Self::new`] took before. Whoever reads others panics.
    #[must_use]
    pub fn checked_before(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn read(self) -> Buckets<'a> {
        Buckets::of(self.0).expect("checked before")
    }
}

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
        if self.error_before == ErrorBefore::NONE {
            out.push(self.scale.cast_unsigned());
        } else {
            out.push(self.scale.cast_unsigned() ^ HAS_ERROR);
            write_varint(out, self.error_before.0.into());
        }
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
        let mut read = Buckets::of(bytes)?;
        let (scale, zeros, error_before) = (read.scale, read.zeros, read.error_before);
        let mut buckets = Vec::with_capacity(read.left);
        for bucket in &mut read {
            buckets.push(bucket?);
        }
        Ok(Self { scale, zeros, buckets, error_before })
    }
}

/// The buckets of a sketch in bytes, ascending; the last item is an error if the bytes are no sketch.
pub(super) struct Buckets<'a> {
    pub(super) scale: i8,
    pub(super) zeros: u64,
    pub(super) error_before: ErrorBefore,
    left: usize,
    index: Option<i32>,
    rest: &'a [u8],
}

impl<'a> Buckets<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, SketchBytesError> {
        let (&scale, mut rest) = bytes.split_first().ok_or(SketchBytesError("empty"))?;
        let is_scale = |byte: u8| (-10..=FINEST_SCALE).contains(&byte.cast_signed());
        let (scale, has_error) = if is_scale(scale) { (scale, false) } else { (scale ^ HAS_ERROR, true) };
        if !is_scale(scale) {
            return Err(SketchBytesError("scale out of range"));
        }
        let scale = scale.cast_signed();
        let error_before = if has_error { read_error(&mut rest)? } else { ErrorBefore::NONE };
        let zeros = read_varint(&mut rest)?;
        let left = read_varint(&mut rest)? as usize;
        if left > MAX_BUCKETS {
            return Err(SketchBytesError("too many buckets"));
        }
        if left == 0 && !rest.is_empty() {
            return Err(SketchBytesError("trailing bytes"));
        }
        Ok(Self { scale, zeros, error_before, left, index: None, rest })
    }

    fn bucket(&mut self) -> Result<(i32, u64), SketchBytesError> {
        let zigzag = u32::try_from(read_varint(&mut self.rest)?).map_err(|_| SketchBytesError("index out of range"))?;
        let step = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        if self.index.is_some() && step <= 0 {
            return Err(SketchBytesError("indices do not ascend"));
        }
        let index = self.index.unwrap_or(0).checked_add(step).ok_or(SketchBytesError("index out of range"))?;
        self.index = Some(index);
        let count = read_varint(&mut self.rest)?;
        if count == 0 {
            return Err(SketchBytesError("empty bucket"));
        }
        if self.left == 1 && !self.rest.is_empty() {
            return Err(SketchBytesError("trailing bytes"));
        }
        Ok((index, count))
    }
}

impl Iterator for Buckets<'_> {
    type Item = Result<(i32, u64), SketchBytesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let bucket = self.bucket();
        self.left = if bucket.is_ok() { self.left - 1 } else { 0 };
        Some(bucket)
    }
}

fn read_error(bytes: &mut &[u8]) -> Result<ErrorBefore, SketchBytesError> {
    let millionths = u32::try_from(read_varint(bytes)?).ok().filter(|millionths| (1..=1_000_000).contains(millionths));
    millionths.map(ErrorBefore).ok_or(SketchBytesError("error out of range"))
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn read_varint(bytes: &mut &[u8]) -> Result<u64, SketchBytesError> {
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            Ok(byte.into())
        }
        _ => read_long_varint(bytes),
    }
}

fn read_long_varint(bytes: &mut &[u8]) -> Result<u64, SketchBytesError> {
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
