//! A count of instances over event time: right-continuous steps, kept in one canonical form.

use std::collections::BTreeMap;
use tidegauge_model::EventTime;

/// Why a list of points is no curve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurveError {
    /// There is no point.
    #[error("a curve needs at least one point")]
    Empty,
    /// A point does not lie after the one before it.
    #[error("point {index} at {at} does not lie after the one before it, at {before}")]
    NotAscending {
        /// Position of the point, from 0.
        index: usize,
        /// Its time.
        at: EventTime,
        /// The time of the point before.
        before: EventTime,
    },
}

/// A step function of instances: each point's count holds until the next point, the last one for ever. Points that
/// change nothing are dropped, so that equal functions are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    points: Vec<(EventTime, u32)>,
}

impl Curve {
    /// From points in strictly ascending order of time.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if there is no point, or with the first one that is out of order.
    pub fn new(points: impl IntoIterator<Item = (EventTime, u32)>) -> Result<Self, CurveError> {
        let mut kept: Vec<(EventTime, u32)> = Vec::new();
        let mut before = None;
        for (index, (at, count)) in points.into_iter().enumerate() {
            if let Some(before) = before.filter(|&before| at <= before) {
                return Err(CurveError::NotAscending { index, at, before });
            }
            before = Some(at);
            if kept.last().is_none_or(|&(_, last)| last != count) {
                kept.push((at, count));
            }
        }
        if kept.is_empty() { Err(CurveError::Empty) } else { Ok(Self { points: kept }) }
    }

    /// The same count from `from` on: no scaling.
    #[must_use]
    pub fn constant(from: EventTime, count: u32) -> Self {
        Self { points: vec![(from, count)] }
    }

    /// How many of the half-open intervals hold each instant from `from` on. A start that is absent lies before
    /// `from`, an end that is absent never comes; an interval that ends where or before it starts holds nothing.
    #[must_use]
    pub fn of_presence(
        from: EventTime,
        intervals: impl IntoIterator<Item = (Option<EventTime>, Option<EventTime>)>,
    ) -> Self {
        let mut changes: BTreeMap<EventTime, i64> = BTreeMap::from([(from, 0)]);
        for (start, end) in intervals {
            let start = start.map_or(from, |start| start.max(from));
            if end.is_some_and(|end| end <= start) {
                continue;
            }
            *changes.entry(start).or_default() += 1;
            if let Some(end) = end {
                *changes.entry(end).or_default() -= 1;
            }
        }
        let mut count = 0_i64;
        let mut points: Vec<(EventTime, u32)> = Vec::with_capacity(changes.len());
        for (at, change) in changes {
            count += change;
            let now = u32::try_from(count).unwrap_or(u32::MAX);
            if points.last().is_none_or(|&(_, last)| last != now) {
                points.push((at, now));
            }
        }
        Self { points }
    }

    /// The count at `at`, absent before the first point.
    #[must_use]
    pub fn at(&self, at: EventTime) -> Option<u32> {
        let after = self.points.partition_point(|&(since, _)| since <= at);
        after.checked_sub(1).map(|index| self.points[index].1)
    }

    /// The greatest count from `from` to `until`, both included; absent before the first point.
    #[must_use]
    pub fn greatest(&self, from: EventTime, until: EventTime) -> Option<u32> {
        let inside = self.points.iter().filter(|&&(at, _)| from < at && at <= until).map(|&(_, count)| count);
        self.at(from).map(|first| inside.fold(first, u32::max))
    }

    /// The first instant at which the curve says something.
    #[must_use]
    pub fn start(&self) -> EventTime {
        self.points[0].0
    }

    /// The points: those at which the count changes, the first one included, ascending.
    #[must_use]
    pub fn points(&self) -> &[(EventTime, u32)] {
        &self.points
    }

    /// The changes strictly inside `(after, before)`: when, from which count, to which.
    pub fn changes(&self, after: EventTime, before: EventTime) -> impl Iterator<Item = (EventTime, u32, u32)> {
        let pairs = self.points.windows(2).map(|pair| (pair[1].0, pair[0].1, pair[1].1));
        pairs.filter(move |&(at, ..)| after < at && at < before)
    }
}
