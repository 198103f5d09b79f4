//! Avro's primitive values out of bytes. No read goes past the end, overflows or trusts a length.

/// What is left of a payload.
pub(crate) struct Cursor<'p> {
    bytes: &'p [u8],
}

/// What bytes are not, in words for a refusal.
pub(crate) type Flaw = &'static str;

const TRUNCATED: Flaw = "the bytes end within it";
const OVERLONG: Flaw = "a variable-length number of more than 64 bits";

impl<'p> Cursor<'p> {
    pub(crate) fn new(bytes: &'p [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// One byte; `None` at the end.
    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    /// Passes over zero bytes, at most `limit` of them, and says how many there were.
    #[inline]
    pub(crate) fn zeros(&mut self, limit: usize) -> usize {
        let limit = limit.min(self.bytes.len());
        let mut zeros = 0;
        while let Some(word) = self.bytes[zeros..limit].first_chunk() {
            let word = u64::from_le_bytes(*word);
            zeros += (word.trailing_zeros() / 8) as usize;
            if word != 0 {
                self.bytes = &self.bytes[zeros..];
                return zeros;
            }
        }
        zeros += self.bytes[zeros..limit].iter().take_while(|byte| **byte == 0).count();
        self.bytes = &self.bytes[zeros..];
        zeros
    }

    /// A zigzag number of variable length: an Avro long, and every length and index.
    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64, Flaw> {
        let [first, rest @ ..] = self.bytes else {
            return Err(TRUNCATED);
        };
        if *first < 0x80 {
            self.bytes = rest;
            return Ok(zigzag(u64::from(*first)));
        }
        self.longer_long()
    }

    #[inline(never)]
    fn longer_long(&mut self) -> Result<i64, Flaw> {
        let mut value = 0;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                return Err(OVERLONG);
            }
            value |= u64::from(byte & 0x7F) << (7 * index);
            if *byte < 0x80 {
                self.bytes = &self.bytes[index + 1..];
                return Ok(zigzag(value));
            }
        }
        Err(if self.bytes.len() < 10 { TRUNCATED } else { OVERLONG })
    }

    pub(crate) fn int(&mut self) -> Result<i64, Flaw> {
        self.long().and_then(
            |value| {
                if i32::try_from(value).is_ok() { Ok(value) } else { Err("an int beyond 32 bits") }
            },
        )
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Flaw> {
        match self.fixed(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err("a boolean that is neither 0 nor 1"),
        }
    }

    #[inline]
    pub(crate) fn double(&mut self) -> Result<f64, Flaw> {
        let (value, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(f64::from_le_bytes(*value))
    }

    pub(crate) fn float(&mut self) -> Result<f64, Flaw> {
        let (value, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(f64::from(f32::from_le_bytes(*value)))
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'p [u8], Flaw> {
        let length = usize::try_from(self.long()?).map_err(|_| "a negative length")?;
        self.fixed(length)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'p str, Flaw> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text that is not UTF-8")
    }

    #[inline]
    pub(crate) fn fixed(&mut self, length: usize) -> Result<&'p [u8], Flaw> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// An index of a union or an enum with that many members.
    #[inline]
    pub(crate) fn index(&mut self, members: usize) -> Result<usize, Flaw> {
        let index = usize::try_from(self.long()?).ok().filter(|index| *index < members);
        index.ok_or("an index beyond the members of its type")
    }

    /// The number of items in the next block of an array or a map, and where it must end if that is told; 0 items end
    /// the array. Items of at least one byte cannot be more than the bytes that are left.
    pub(crate) fn block(&mut self, items_have_bytes: bool) -> Result<(u64, Option<usize>), Flaw> {
        let count = self.long()?;
        let mut end = None;
        if count < 0 {
            let size = usize::try_from(self.long()?).ok().filter(|size| *size <= self.remaining());
            end = Some(self.remaining() - size.ok_or("a block beyond the end")?);
        }
        let items = count.unsigned_abs();
        if items_have_bytes && items > self.remaining() as u64 {
            return Err("a block with more items than bytes are left");
        }
        Ok((items, end))
    }
}

#[inline]
fn zigzag(value: u64) -> i64 {
    ((value >> 1) ^ (value & 1).wrapping_neg()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_they_say() {
        let cases: [(&[u8], Result<i64, Flaw>); 9] = [
            (&[0x00], Ok(0)),
            (&[0x01], Ok(-1)),
            (&[0x80, 0x01], Ok(64)),
            (&[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], Ok(i64::MAX)),
            (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], Ok(i64::MIN)),
            (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], Err(OVERLONG)),
            (&[0x80; 11], Err(OVERLONG)),
            (&[0x80; 9], Err(TRUNCATED)),
            (&[], Err(TRUNCATED)),
        ];
        for (bytes, want) in cases {
            assert_eq!(Cursor::new(bytes).long(), want, "{bytes:x?}");
        }
    }

    #[test]
    fn zeros_are_counted_up_to_the_limit() {
        for length in 0..40 {
            for zeros in 0..=length {
                let bytes: Vec<u8> = (0..length).map(|at| u8::from(at == zeros)).collect();
                for limit in 0..44 {
                    let mut cursor = Cursor::new(&bytes);
                    let want = bytes.iter().take(limit).take_while(|byte| **byte == 0).count();
                    assert_eq!((cursor.zeros(limit), cursor.remaining()), (want, length - want));
                }
            }
        }
    }

    #[test]
    fn lengths_are_not_trusted() {
        assert_eq!(Cursor::new(&[0x02]).bytes(), Err(TRUNCATED));
        assert_eq!(Cursor::new(&[0x01]).bytes(), Err("a negative length"));
        assert_eq!(Cursor::new(&[0x04]).index(2), Err("an index beyond the members of its type"));
        assert!(Cursor::new(&[0x7E, 0x00]).block(true).is_err());
        assert_eq!(Cursor::new(&[0x7E, 0x00]).block(false), Ok((63, None)));
        assert_eq!(Cursor::new(&[0x03, 0x02, 0x00]).block(true).map_err(|_| ()), Err(()));
        assert_eq!(Cursor::new(&[0x01, 0x02, 0x00]).block(true), Ok((1, Some(0))));
        assert_eq!(Cursor::new(&[2]).boolean(), Err("a boolean that is neither 0 nor 1"));
    }
}
