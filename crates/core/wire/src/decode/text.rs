//! A text column under construction: one run of bytes and the end of each text in it.

use arrow::array::StringArray;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

pub(super) struct TextColumn {
    /// Where each text begins, and at last where the next one would.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl TextColumn {
    pub(super) fn new() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.push_end();
    }

    /// Appends empty texts, which stand for none, up to `rows`.
    pub(super) fn pad_to(&mut self, rows: usize) {
        while self.len() < rows {
            self.push_end();
        }
    }

    #[inline]
    fn push_end(&mut self) {
        self.offsets.push(i32::try_from(self.bytes.len()).expect("a batch is finished long before 2 GiB of ids"));
    }

    /// The text of `row`; `None` if it has none.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let (start, end) = (*self.offsets.get(row)?, *self.offsets.get(row + 1)?);
        let bytes = &self.bytes[start.unsigned_abs() as usize..end.unsigned_abs() as usize];
        std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(self.offsets.last().map_or(0, |end| end.unsigned_abs() as usize));
    }

    pub(super) fn take(&mut self) -> StringArray {
        self.take_with(None)
    }

    /// The texts of `rows` rows with null for the empty ones; `None` if all are empty.
    pub(super) fn take_sparse(&mut self, rows: usize) -> Option<StringArray> {
        if self.bytes.is_empty() {
            self.truncate(0);
            return None;
        }
        self.pad_to(rows);
        let nulls = NullBuffer::from_iter(self.offsets.windows(2).map(|pair| pair[0] < pair[1]));
        Some(self.take_with(Some(nulls)))
    }

    fn take_with(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        let offsets = std::mem::replace(&mut self.offsets, offsets);
        let fresh = Vec::with_capacity(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, fresh);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        StringArray::new(offsets, Buffer::from_vec(bytes), nulls)
    }
}
