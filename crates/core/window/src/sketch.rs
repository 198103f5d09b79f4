//! A sketch of non-negative values: base-2 exponential histogram with sparse integer counts.
//!
//! Bucket `i` at scale `s` holds `(b^i, b^(i+1)]` with `b = 2^(2^-s)`. At scale 6 an answer is within
//! `(b − 1)/(b + 1)` = 0.542 % of the exact nearest-rank value. A merge adds integers, so it is exact whatever the
//! order. Where more than [`MAX_BUCKETS`] buckets would be needed the scale drops by one (buckets merge in pairs) and
//! [`Sketch::relative_error`] says so. The buckets are those of OpenTelemetry's exponential histogram, index by index.
//!
//! - **W4** `merge` is commutative and associative, bit for bit.
//! - **W6** `quantile` is within `relative_error` of the exact nearest-rank value.
//!
//! Source: OpenTelemetry specification, "ExponentialHistogram"; Masson, Rim, Lee, "DDSketch", PVLDB 12(12), 2019.

mod bytes;
mod groups;
mod index;
mod merger;

pub use bytes::{PackedSketch, SketchBytesError};
pub use groups::SketchGroups;
pub(crate) use groups::external;
pub(crate) use index::index_at_finest_scale;
pub use merger::SketchMerger;

/// The scale that every sketch starts with.
pub const FINEST_SCALE: i8 = 6;
/// Most buckets of a sketch before its scale drops: 32 doublings at the finest scale.
pub const MAX_BUCKETS: usize = 2_048;

/// Mergeable digest of non-negative values. See the module's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    scale: i8,
    /// Values equal to zero or below the least normal number.
    zeros: u64,
    /// (index, count > 0), ascending by index.
    buckets: Vec<(i32, u64)>,
    /// How far from its bucket a value may have been that came in a histogram of others' bounds.
    error_before: ErrorBefore,
}

/// A relative error in millionths, at most 1: comparable bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct ErrorBefore(u32);

impl ErrorBefore {
    const NONE: Self = Self(0);
    const MILLIONTHS: f64 = 1e6;

    /// Rounded up: a stated error is a bound.
    fn of(error: f64) -> Self {
        Self((error.clamp(0.0, 1.0) * Self::MILLIONTHS).ceil() as u32)
    }

    fn ratio(self) -> f64 {
        f64::from(self.0) / Self::MILLIONTHS
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self { scale: FINEST_SCALE, zeros: 0, buckets: Vec::new(), error_before: ErrorBefore::NONE }
    }
}

impl Sketch {
    /// Adds one value.
    ///
    /// # Panics
    ///
    /// If `value` is negative or not finite: the decoder refuses such values.
    pub fn insert(&mut self, value: f64) {
        assert!(value >= 0.0 && value.is_finite(), "a sketch takes finite values >= 0, not {value}");
        match index_at_finest_scale(value) {
            None => self.zeros += 1,
            Some(index) => self.add_to_bucket(index >> (FINEST_SCALE - self.scale), 1),
        }
        self.keep_bounded();
    }

    fn add_to_bucket(&mut self, index: i32, count: u64) {
        match self.buckets.binary_search_by_key(&index, |&(i, _)| i) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (index, count)),
        }
    }

    /// From buckets at the finest scale in ascending order, equal indices allowed.
    fn from_sorted(zeros: u64, indices: impl Iterator<Item = (i32, u64)>) -> Self {
        let mut buckets: Vec<(i32, u64)> = Vec::with_capacity(indices.size_hint().0.min(64));
        for (index, count) in indices {
            match buckets.last_mut() {
                Some(last) if last.0 == index => last.1 += count,
                _ => buckets.push((index, count)),
            }
        }
        let mut sketch = Self { scale: FINEST_SCALE, zeros, buckets, error_before: ErrorBefore::NONE };
        sketch.keep_bounded();
        sketch
    }

    /// The buckets of an exponential histogram: bucket `offset + i` at `scale` has `counts[i]` values. Finer ones than
    /// a sketch has merge, coarser ones stay as coarse.
    #[must_use]
    pub fn from_exponential(scale: i8, zeros: u64, offset: i32, counts: &[u64]) -> Self {
        let (shift, scale) = ((scale - FINEST_SCALE).max(0), scale.min(FINEST_SCALE));
        let indices = (offset..).map(|index| index >> shift).zip(counts.iter().copied());
        Self { scale, ..Self::from_sorted(zeros, indices.filter(|(_, count)| *count > 0)) }.bounded()
    }

    /// From numbers that stand for so many values each, ascending; each value is within `error` of its number.
    pub(crate) fn from_middles(middles: impl Iterator<Item = (f64, u64)>, error: f64) -> Self {
        let (mut zeros, mut indices) = (0, Vec::new());
        for (middle, count) in middles {
            match index_at_finest_scale(middle) {
                None => zeros += count,
                Some(index) => indices.push((index, count)),
            }
        }
        Self { error_before: ErrorBefore::of(error), ..Self::from_sorted(zeros, indices.into_iter()) }
    }

    fn bounded(mut self) -> Self {
        self.keep_bounded();
        self
    }

    /// Adds all values of `other`; exact.
    pub fn merge(&mut self, other: &Sketch) {
        *self = Self::merged([&*self, other]);
    }

    /// The sketch of all values of all `parts`; exact, whatever their order.
    #[must_use]
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Sketch>) -> Self {
        let mut merger = SketchMerger::default();
        parts.into_iter().for_each(|part| merger.add(part));
        merger.take()
    }

    /// Halves the resolution until the buckets fit.
    fn keep_bounded(&mut self) {
        while self.buckets.len() > MAX_BUCKETS {
            self.scale -= 1;
            let finer = std::mem::take(&mut self.buckets);
            for (index, count) in finer {
                match self.buckets.last_mut() {
                    Some(last) if last.0 == index >> 1 => last.1 += count,
                    _ => self.buckets.push((index >> 1, count)),
                }
            }
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.buckets.is_empty()
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.zeros + self.buckets.iter().map(|&(_, count)| count).sum::<u64>()
    }

    /// The resolution: `2^scale` buckets per doubling.
    #[must_use]
    pub fn scale(&self) -> i8 {
        self.scale
    }

    /// Values in the zero bucket, and `(index, count)` of the others in ascending order.
    #[must_use]
    pub fn buckets(&self) -> (u64, &[(i32, u64)]) {
        (self.zeros, &self.buckets)
    }

    /// Bound of the relative error of [`Self::quantile`]: that of the present scale, and of values that came in buckets
    /// of others that of those; at most 1, which says that nothing is known.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        let base = index::base(self.scale);
        let own = (base - 1.0) / (base + 1.0);
        if self.error_before == ErrorBefore::NONE {
            return own;
        }
        ((1.0 + own) * (1.0 + self.error_before.ratio()) - 1.0).min(1.0)
    }

    /// Lower bound, middle and upper bound of bucket `index` at the present scale.
    pub(crate) fn bounds(&self, index: i32) -> [f64; 3] {
        let bound = |index| index::lower_bound(index, self.scale);
        [bound(index), index::midpoint(index, self.scale), bound(index + 1)]
    }

    /// The value of rank `⌈q · count⌉` (nearest rank; at least the first), within [`Self::relative_error`].
    ///
    /// `q` is cut to 0..=1. `None` if there is no value.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles([q]).map(|[value]| value)
    }

    /// As [`Self::quantile`], several at once: the buckets are read once. `qs` ascend.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, qs: [f64; N]) -> Option<[f64; N]> {
        debug_assert!(qs.is_sorted());
        let count = self.count();
        if count == 0 {
            return None;
        }
        let (mut seen, mut value, mut buckets) = (self.zeros, 0.0, self.buckets.iter());
        Some(qs.map(|q| {
            let rank = nearest_rank(q, count);
            while seen < rank {
                let &(index, count) = buckets.next().expect("a rank is at most the count");
                seen += count;
                if rank <= seen {
                    value = index::midpoint(index, self.scale);
                }
            }
            value
        }))
    }

    /// Share of values above `threshold`, as far as buckets can tell: the bucket that holds the threshold is divided
    /// in proportion. `None` if there is no value.
    #[must_use]
    pub fn fraction_over(&self, threshold: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        if threshold < 0.0 {
            return Some(1.0);
        }
        let over = self.buckets.iter().fold(0.0, |over, &(index, count)| {
            let (lower, upper) = (index::lower_bound(index, self.scale), index::lower_bound(index + 1, self.scale));
            let share = ((upper - threshold) / (upper - lower)).clamp(0.0, 1.0);
            over + share * count as f64
        });
        Some(over / count as f64)
    }

    /// Bytes of memory that the sketch holds besides itself.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.buckets.capacity() * size_of::<(i32, u64)>()
    }
}

/// Rank `⌈q · count⌉` within `1..=count`.
///
/// `q · count` is rounded to the nearest double first; where the decimal `q` is not a double, as 0.95, its product can
/// come out just above a whole number, and is taken for that number.
#[must_use]
pub fn nearest_rank(q: f64, count: u64) -> u64 {
    let product = q.clamp(0.0, 1.0) * count as f64;
    let nearest = product.round();
    let rank = if (product - nearest).abs() <= nearest * 1e-12 { nearest } else { product.ceil() };
    (rank as u64).clamp(1, count)
}
