//! Adding up many sketches through one dense scratch that is kept from one sum to the next.

use super::{ErrorBefore, FINEST_SCALE, PackedSketch, Sketch};

/// Sum of sketches. Give it parts in any order; [`Self::take`] is what [`Sketch::merged`] of them would be.
///
/// The scratch is dense over the buckets seen so far and is never given back: one merger serves many sums.
#[derive(Clone, Debug)]
pub struct SketchMerger {
    scale: i8,
    zeros: u64,
    /// Counts of buckets `first..`; all zero outside `used`.
    counts: Vec<u64>,
    first: i32,
    /// Least and greatest bucket with a count.
    used: Option<(i32, i32)>,
    /// The buckets of a packed part.
    unpacked: Vec<(i32, u64)>,
    /// The greatest of the parts'.
    error_before: ErrorBefore,
}

impl Default for SketchMerger {
    fn default() -> Self {
        Self {
            scale: FINEST_SCALE,
            zeros: 0,
            counts: Vec::new(),
            first: 0,
            used: None,
            unpacked: Vec::new(),
            error_before: ErrorBefore::NONE,
        }
    }
}

impl SketchMerger {
    /// Adds all values of `part`.
    pub fn add(&mut self, part: &Sketch) {
        self.zeros += part.zeros;
        self.error_before = self.error_before.max(part.error_before);
        self.add_buckets(part.scale, &part.buckets);
    }

    /// Adds all values of `part`.
    pub fn add_packed(&mut self, part: PackedSketch<'_>) {
        let buckets = part.read();
        let scale = buckets.scale;
        self.zeros += buckets.zeros;
        self.error_before = self.error_before.max(buckets.error_before);
        let mut unpacked = std::mem::take(&mut self.unpacked);
        unpacked.clear();
        unpacked.extend(buckets.map(|bucket| bucket.expect("checked before")));
        self.add_buckets(scale, &unpacked);
        self.unpacked = unpacked;
    }

    fn add_buckets(&mut self, scale: i8, buckets: &[(i32, u64)]) {
        if scale < self.scale {
            let (_, so_far) = self.take_buckets();
            let shift = self.scale - scale;
            self.counts.clear();
            self.scale = scale;
            self.add_shifted(shift, &so_far);
        }
        self.add_shifted(scale - self.scale, buckets);
    }

    fn add_shifted(&mut self, shift: i8, buckets: &[(i32, u64)]) {
        let (Some(&(low, _)), Some(&(high, _))) = (buckets.first(), buckets.last()) else { return };
        let (low, high) = (low >> shift, high >> shift);
        let used = self.used.map_or((low, high), |(least, greatest)| (least.min(low), greatest.max(high)));
        self.make_room(used);
        self.used = Some(used);
        for &(index, count) in buckets {
            self.counts[((index >> shift) - self.first).unsigned_abs() as usize] += count;
        }
    }

    /// Makes the scratch reach over these buckets.
    fn make_room(&mut self, (low, high): (i32, i32)) {
        if self.counts.is_empty() {
            self.first = low;
        }
        if low < self.first {
            let before = (self.first - low).unsigned_abs() as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, before));
            self.first = low;
        }
        let length = (high - self.first).unsigned_abs() as usize + 1;
        if length > self.counts.len() {
            self.counts.resize(length, 0);
        }
    }

    /// Scale and buckets of the sum, leaving no count behind.
    fn take_buckets(&mut self) -> (i8, Vec<(i32, u64)>) {
        let Some((low, high)) = self.used.take() else { return (self.scale, Vec::new()) };
        let at = |index: i32| (index - self.first).unsigned_abs() as usize;
        let counts = &mut self.counts[at(low)..=at(high)];
        let mut buckets = Vec::with_capacity(counts.iter().filter(|&&count| count > 0).count());
        buckets.extend((low..).zip(counts.iter().copied()).filter(|&(_, count)| count > 0));
        counts.fill(0);
        (self.scale, buckets)
    }

    /// The sum, leaving nothing behind.
    #[must_use]
    pub fn take(&mut self) -> Sketch {
        let (scale, buckets) = self.take_buckets();
        if scale != FINEST_SCALE {
            // Another scale has other buckets: the scratch begins anew.
            self.counts.clear();
            self.scale = FINEST_SCALE;
        }
        let (zeros, error_before) = (std::mem::take(&mut self.zeros), std::mem::take(&mut self.error_before));
        let mut sum = Sketch { scale, zeros, buckets, error_before };
        sum.keep_bounded();
        sum
    }
}
