//! Which stretch of the log: what an operator says, and the offsets that it means in each partition.

use crate::exit::{Code, Failure};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use tidegauge_model::EventTime;

/// Where a stretch of the log begins or ends, as an operator says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// The first record from which a replay is possible.
    Beginning,
    /// Behind the last record that there is now.
    End,
    /// By the broker's time: the first record stored at or after it.
    At(EventTime),
    /// An offset for each partition; partitions that are not named are left out.
    Offsets(BTreeMap<i32, i64>),
}

const EXPECTED: &str = "expected a time such as 2026-01-01T12:00:00Z, offsets such as 0:1200,1:1150, beginning or end";

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b":,".contains(&byte)) {
            return offsets(text).map(Self::Offsets);
        }
        let time: Timestamp = text.parse().map_err(|_| EXPECTED.to_owned())?;
        Ok(Self::At(EventTime::from_micros(time.as_microsecond())))
    }
}

fn offsets(text: &str) -> Result<BTreeMap<i32, i64>, String> {
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let named = part
            .split_once(':')
            .and_then(|(partition, offset)| Some((partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?)));
        let (partition, offset) = named.ok_or_else(|| EXPECTED.to_owned())?;
        if offsets.insert(partition, offset).is_some() {
            return Err(format!("partition {partition} is named twice"));
        }
    }
    Ok(offsets)
}

/// What a log says of one of its partitions.
pub(super) trait Log {
    /// The first offset there is, and the one behind the last.
    fn bounds(&self, partition: i32) -> anyhow::Result<(i64, i64)>;

    /// The first offset stored at or after `at`; `None` if there is none yet.
    fn offset_at(&self, partition: i32, at: EventTime) -> anyhow::Result<Option<i64>>;
}

/// The stretch of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) partition: i32,
    /// The first offset that is still there.
    pub(super) first: i64,
    /// First offset whose outputs are wanted; `None`: the earliest that can be had.
    pub(super) from: Option<i64>,
    /// First offset that is not wanted any more.
    pub(super) to: i64,
}

/// The stretches that `from` and `to` mean in a log of so many partitions. Where `to` is before `from`, there is
/// nothing to do, and no stretch.
pub(super) fn spans(partitions: u32, from: &Point, to: &Point, log: &impl Log) -> anyhow::Result<Vec<Span>> {
    let mut spans = Vec::new();
    for partition in wanted(partitions, from, to)? {
        let (first, end) = log.bounds(partition)?;
        let behind = |at: EventTime| Ok::<_, anyhow::Error>(log.offset_at(partition, at)?.unwrap_or(end));
        let from = match from {
            Point::Beginning => None,
            Point::End => Some(end),
            Point::At(at) => Some(behind(*at)?),
            Point::Offsets(offsets) => Some(offsets[&partition]),
        };
        let to = match to {
            Point::Beginning => first,
            Point::End => end,
            Point::At(at) => behind(*at)?,
            Point::Offsets(offsets) => offsets[&partition].min(end),
        };
        if from.unwrap_or(first) < to {
            spans.push(Span { partition, first, from, to });
        }
    }
    Ok(spans)
}

/// The partitions that are meant.
fn wanted(partitions: u32, from: &Point, to: &Point) -> anyhow::Result<BTreeSet<i32>> {
    let all: BTreeSet<i32> = (0..partitions.cast_signed()).collect();
    let named = |point: &Point| match point {
        Point::Offsets(offsets) => Some(offsets.keys().copied().collect::<BTreeSet<i32>>()),
        _ => None,
    };
    let (from, to) = (named(from), named(to));
    if let (Some(from), Some(to)) = (&from, &to)
        && from != to
    {
        return Err(Failure::new(Code::Usage, "--from and --to name different partitions").into());
    }
    let wanted = from.or(to).unwrap_or_else(|| all.clone());
    match wanted.difference(&all).next() {
        None => Ok(wanted),
        Some(beyond) => {
            let message = format!("there is no partition {beyond}: the log has {partitions}, counted from 0");
            Err(Failure::new(Code::Usage, message).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_as_people_write_them() {
        let cases = [
            ("beginning", Some(Point::Beginning)),
            ("end", Some(Point::End)),
            ("2026-01-01T00:00:10Z", Some(Point::At(EventTime::from_secs(1_767_225_610)))),
            ("2026-01-01T01:00:10.5+01:00", Some(Point::At(EventTime::from_millis(1_767_225_610_500)))),
            ("0:1200,1:1150", Some(Point::Offsets(BTreeMap::from([(0, 1200), (1, 1150)])))),
            ("0:1,0:2", None),
            ("1200", None),
            ("0:", None),
            ("yesterday", None),
            ("2026-01-01", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Point>().ok(), want, "{text}");
        }
    }

    /// Two partitions, 10..100 and 0..50; a record each second from 1,000 s on.
    struct Two;

    impl Log for Two {
        fn bounds(&self, partition: i32) -> anyhow::Result<(i64, i64)> {
            Ok(if partition == 0 { (10, 100) } else { (0, 50) })
        }

        fn offset_at(&self, partition: i32, at: EventTime) -> anyhow::Result<Option<i64>> {
            let (first, end) = self.bounds(partition)?;
            let offset = first.max(at.as_secs() - 1_000);
            Ok((offset < end).then_some(offset))
        }
    }

    fn found(from: &str, to: &str) -> Vec<(i32, Option<i64>, i64)> {
        let spans = spans(2, &from.parse().unwrap(), &to.parse().unwrap(), &Two).unwrap();
        spans.into_iter().map(|span| (span.partition, span.from, span.to)).collect()
    }

    #[test]
    fn points_become_offsets() {
        let at = |seconds: i64| EventTime::from_secs(1_000 + seconds).to_string();
        let cases = [
            ("the whole log", found("beginning", "end"), vec![(0, None, 100), (1, None, 50)]),
            ("from a time", found(&at(40), "end"), vec![(0, Some(40), 100), (1, Some(40), 50)]),
            ("one log ends before it", found(&at(60), "end"), vec![(0, Some(60), 100)]),
            ("before a time", found("beginning", &at(20)), vec![(0, None, 20), (1, None, 20)]),
            ("one partition", found("1:7", "end"), vec![(1, Some(7), 50)]),
            ("not beyond the end", found("0:20", "0:1000"), vec![(0, Some(20), 100)]),
            ("nothing", found("end", "end"), vec![]),
        ];
        for (name, got, want) in cases {
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn partitions_that_do_not_fit_are_refused() {
        for (from, to) in [("0:1", "1:1"), ("2:1", "end")] {
            assert!(spans(2, &from.parse().unwrap(), &to.parse().unwrap(), &Two).is_err(), "{from} {to}");
        }
    }
}
