//! Latencies that telemetry hands over in one piece: a list, or a histogram that its producer has made.

/// Latencies of one row, in milliseconds. Whoever makes one keeps to what its fields say.
#[derive(Clone, Debug, PartialEq)]
pub enum Supplied {
    /// Single values, finite and not negative.
    Values(Vec<f64>),
    /// Base-2 exponential histogram, as OpenTelemetry's.
    Exponential(ExponentialHistogram),
    /// A histogram with given bounds.
    Explicit(ExplicitHistogram),
}

/// Bucket `i` holds values in `(b^i, b^(i+1)]` with `b = 2^(2^-scale)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialHistogram {
    /// Resolution, -10 to 20.
    pub scale: i8,
    /// Values in the zero bucket.
    pub zero_count: u64,
    /// Index of the first of `counts`.
    pub offset: i32,
    /// Values per bucket, from `offset` upwards; every bucket's bounds are finite normal numbers.
    pub counts: Vec<u64>,
    /// What its producer says of all values.
    pub totals: Totals,
}

/// Bucket `i` holds values in `(bounds[i - 1], bounds[i]]`; the first begins at zero, the last has no end.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplicitHistogram {
    /// Upper bounds of all buckets but the last: ascending, finite, above zero.
    pub bounds: Vec<f64>,
    /// Values per bucket, one more than `bounds`.
    pub counts: Vec<u64>,
    /// What its producer says of all values.
    pub totals: Totals,
}

/// Sum, least and greatest value where the producer says them: finite, not negative, `min <= max`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields are what their names say")]
pub struct Totals {
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}
