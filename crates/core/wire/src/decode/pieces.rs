//! Latencies that a record hands over in one piece: what its fields say, put together at its end.
//!
//! - **H1** A histogram is taken whole or refused: counts that are not whole numbers, bounds that do not ascend, buckets
//!   beyond the numbers there are, and totals that contradict the counts are refused with their field.

use crate::reject::{Fault, RejectCode, fault};
use tidegauge_model::NamedKeys;
use tidegauge_model::supplied::{ExplicitHistogram, ExponentialHistogram, Supplied, Totals};

/// Most values of a list, and most buckets of a histogram.
const MAX_VALUES: usize = 65_536;
/// The finest and the coarsest resolution that are taken.
const SCALES: std::ops::RangeInclusive<i64> = -10..=20;
/// Powers of two whose doubles are normal.
const EXPONENTS: std::ops::RangeInclusive<i64> = -1_022..=1_022;
/// Most values that one record can stand for.
const MAX_COUNT: f64 = 4_294_967_295.0;

/// Shares of one load may add up to a little more than all of it, since they were rounded.
const MOST_SHARES: f64 = 1.01;
/// The field that holds the heaviest keys.
pub(crate) const KEYS: &str = "top_keys";

/// A number within a list or a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// One of `response_times_ms`.
    Value,
    /// A field of the exponential histogram.
    Exponential(Part),
    /// A field of the histogram with given bounds.
    Explicit(Part),
    /// The share of one of `top_keys`.
    KeyShare,
}

/// A field of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Scale,
    Zeros,
    Offset,
    Bound,
    Bucket,
    Count,
    Sum,
    Min,
    Max,
}

/// What a record has said so far.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    values: Vec<f64>,
    exponential: Said,
    explicit: Said,
    keys: Vec<Box<str>>,
    shares: Vec<f64>,
    any: bool,
}

#[derive(Debug, Default)]
struct Said {
    any: bool,
    scale: Option<f64>,
    zeros: Option<f64>,
    offset: Option<f64>,
    bounds: Vec<f64>,
    buckets: Vec<f64>,
    count: Option<f64>,
    totals: Totals,
}

impl Pieces {
    pub(super) fn put(&mut self, piece: Piece, value: f64, field: &str) -> Result<(), Fault> {
        self.any = true;
        let (said, part) = match piece {
            Piece::Value => {
                check_latency(value, field)?;
                return push(&mut self.values, value, field);
            }
            Piece::KeyShare => {
                check_share(value, field)?;
                return push(&mut self.shares, value, field);
            }
            Piece::Exponential(part) => (&mut self.exponential, part),
            Piece::Explicit(part) => (&mut self.explicit, part),
        };
        said.any = true;
        let slot = match part {
            Part::Scale => &mut said.scale,
            Part::Zeros => &mut said.zeros,
            Part::Offset => &mut said.offset,
            Part::Count => &mut said.count,
            Part::Sum => &mut said.totals.sum,
            Part::Min => &mut said.totals.min,
            Part::Max => &mut said.totals.max,
            Part::Bound => return push(&mut said.bounds, value, field),
            Part::Bucket => return push(&mut said.buckets, value, field),
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(super::columns::twice(field)),
        }
    }

    /// The name of one of `top_keys`.
    pub(super) fn key(&mut self, key: &str, field: &str) -> Result<(), Fault> {
        self.any = true;
        push(&mut self.keys, key.into(), field)
    }

    /// Ends one of them: it has a name and a share, each once.
    pub(super) fn end_key(&mut self) -> Result<(), Fault> {
        let (named, weighed) = (self.keys.len(), self.shares.len());
        if named == weighed { Ok(()) } else { Err(wrong(KEYS, "a key has one name and one weight")) }
    }

    /// The heaviest keys, if the record names any.
    pub(super) fn take_keys(&mut self) -> Result<Option<NamedKeys>, Fault> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let (keys, shares) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.shares));
        let sum: f64 = shares.iter().sum();
        if sum > MOST_SHARES {
            return Err(wrong(KEYS, &format!("the weights add up to {sum}: they are shares of one load")));
        }
        Ok(Some(NamedKeys::of(keys.into_iter().zip(shares).collect())))
    }

    pub(super) fn clear(&mut self) {
        if self.any {
            *self = Self::default();
        }
    }

    /// Everything of the record that has values; nothing is left behind.
    pub(super) fn take(&mut self) -> Result<Vec<Supplied>, Fault> {
        if !self.any {
            return Ok(Vec::new());
        }
        let Self { values, exponential, explicit, .. } = std::mem::take(self); // keys were taken before
        let values = (!values.is_empty()).then_some(Supplied::Values(values));
        let exponential = exponential.any.then(|| exponential.exponential()).transpose()?;
        let explicit = explicit.any.then(|| explicit.explicit()).transpose()?;
        Ok(values.into_iter().chain(exponential).chain(explicit).collect())
    }
}

impl Said {
    fn exponential(self) -> Result<Supplied, Fault> {
        let name = "response_time_exponential_histogram";
        let field = |part: &str| format!("{name}.{part}");
        let scale = whole(self.scale, &field("scale"))?;
        let scale = i8::try_from(scale).ok().filter(|scale| SCALES.contains(&i64::from(*scale)));
        let scale = scale.ok_or_else(|| wrong(&field("scale"), "it is not between -10 and 20"))?;
        let offset = whole(self.offset, &field("positive_offset"))?;
        let zero_count = self.zeros.map_or(Ok(0), |zeros| count_of(zeros, &field("zero_count")))?;
        let counts = counts_of(&self.buckets, &field("positive_counts"))?;
        let exponent = |index: i64| if scale >= 0 { index >> scale } else { index << -scale };
        let reaches = |index: i64| EXPONENTS.contains(&exponent(index));
        let offset = i32::try_from(offset).ok().filter(|&first| {
            let first = i64::from(first);
            counts.is_empty() || (reaches(first) && reaches(first + counts.len() as i64))
        });
        let offset = offset.ok_or_else(|| wrong(&field("positive_offset"), "its buckets go beyond 64-bit numbers"))?;
        let totals = self.totals(zero_count + counts.iter().sum::<u64>(), name)?;
        Ok(Supplied::Exponential(ExponentialHistogram { scale, zero_count, offset, counts, totals }))
    }

    fn explicit(self) -> Result<Supplied, Fault> {
        let name = "response_time_explicit_histogram";
        let field = |part: &str| format!("{name}.{part}");
        let counts = counts_of(&self.buckets, &field("counts"))?;
        if counts.len() != self.bounds.len() + 1 {
            let message = format!("{} counts for {} bounds: it has one more", counts.len(), self.bounds.len());
            return Err(wrong(&field("counts"), &message));
        }
        self.bounds.iter().try_for_each(|&bound| check_latency(bound, &field("bounds_ms")))?;
        if !self.bounds.windows(2).all(|pair| pair[0] < pair[1])
            || self.bounds.first().is_some_and(|&first| first <= 0.0)
        {
            return Err(wrong(&field("bounds_ms"), "they do not ascend from above zero"));
        }
        let totals = self.totals(counts.iter().sum(), name)?;
        Ok(Supplied::Explicit(ExplicitHistogram { bounds: self.bounds, counts, totals }))
    }

    fn totals(&self, count: u64, name: &str) -> Result<Totals, Fault> {
        let field = |part: &str| format!("{name}.{part}");
        let Totals { sum, min, max } = self.totals;
        for (value, part) in [(sum, "sum_ms"), (min, "min_ms"), (max, "max_ms")] {
            value.map_or(Ok(()), |value| check_latency(value, &field(part)))?;
        }
        if let Some(said) = self.count
            && count_of(said, &field("count"))? != count
        {
            return Err(wrong(&field("count"), &format!("{said} values, and {count} in its buckets")));
        }
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(wrong(&field("min_ms"), "the least value is above the greatest"));
        }
        Ok(self.totals)
    }
}

fn push<T>(values: &mut Vec<T>, value: T, field: &str) -> Result<(), Fault> {
    if values.len() == MAX_VALUES {
        return Err(fault(RejectCode::TooLarge, field, format!("more than {MAX_VALUES} values")));
    }
    values.push(value);
    Ok(())
}

fn check_share(value: f64, field: &str) -> Result<(), Fault> {
    check_latency(value, field)?;
    if value <= MOST_SHARES { Ok(()) } else { Err(wrong(field, &format!("{value} is no share: it is above 1"))) }
}

fn check_latency(value: f64, field: &str) -> Result<(), Fault> {
    if !value.is_finite() {
        return Err(fault(RejectCode::NotFinite, field, format!("{value} is not a number to count with")));
    }
    if value < 0.0 {
        return Err(fault(RejectCode::NegativeCount, field, format!("{value} is below zero")));
    }
    Ok(())
}

fn whole(value: Option<f64>, field: &str) -> Result<i64, Fault> {
    let value = value.ok_or_else(|| wrong(field, "it is missing"))?;
    let fits = value.fract() == 0.0 && value.abs() <= MAX_COUNT;
    if fits { Ok(value as i64) } else { Err(wrong(field, &format!("{value} is not a whole number of 32 bits"))) }
}

fn count_of(value: f64, field: &str) -> Result<u64, Fault> {
    check_latency(value, field)?;
    Ok(whole(Some(value), field)?.unsigned_abs())
}

/// The counts of buckets, whose sum is not beyond what a record can stand for.
fn counts_of(buckets: &[f64], field: &str) -> Result<Vec<u64>, Fault> {
    if buckets.iter().sum::<f64>() > MAX_COUNT {
        return Err(fault(RejectCode::TooLarge, field, format!("more than {MAX_COUNT} values")));
    }
    buckets.iter().map(|&count| count_of(count, field)).collect()
}

#[cold]
fn wrong(field: &str, message: &str) -> Fault {
    fault(RejectCode::Malformed, field, message)
}
