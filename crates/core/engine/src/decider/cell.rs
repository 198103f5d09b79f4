//! A cell: what is known of one instance, or of one agent, in one pane; the ring of them; and how cells add up.

use crate::journal::PartialRow;
use std::collections::{BTreeMap, VecDeque};
use tidegauge_model::{EventTime, Metric, TimeRange};
use tidegauge_window::{PackedSketch, Sketch, SketchMerger, Stats};

/// Metrics numbered in order of appearance. The numbers never leave the Decider.
#[derive(Debug, Default)]
pub(super) struct MetricNumbers {
    numbers: BTreeMap<Metric, u16>,
    metrics: Vec<Metric>,
}

impl MetricNumbers {
    /// The metric's number; `None` once there are too many, which takes more sources than their caps allow for.
    pub(super) fn number(&mut self, metric: &Metric) -> Option<u16> {
        if let Some(&number) = self.numbers.get(metric) {
            return Some(number);
        }
        let number = u16::try_from(self.metrics.len()).ok()?;
        self.numbers.insert(metric.clone(), number);
        self.metrics.push(metric.clone());
        Some(number)
    }

    pub(super) fn metric(&self, number: u16) -> &Metric {
        &self.metrics[usize::from(number)]
    }
}

/// Samples of one pane, or of several merged.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) samples: u64,
    pub(super) first_at: EventTime,
    pub(super) last_at: EventTime,
    /// By metric number, ascending.
    pub(super) stats: Vec<(u16, Stats)>,
    /// By metric number, ascending.
    sketches: Vec<(u16, Digest)>,
}

/// A sketch of a cell. Those that came in a row stay packed: they are many, and read a few times.
#[derive(Clone, Debug)]
enum Digest {
    Packed(PackedSketch),
    Open(Sketch),
}

impl Cell {
    /// From one row of a partial.
    pub(super) fn of_row(
        row: &PartialRow<'_>,
        stats: impl Iterator<Item = (u16, Stats)>,
        sketches: impl Iterator<Item = (u16, PackedSketch)>,
    ) -> Self {
        let mut cell = Self {
            samples: u64::from(row.samples),
            first_at: row.at.0,
            last_at: row.at.1,
            stats: exactly(stats),
            sketches: exactly(sketches.map(|(metric, sketch)| (metric, Digest::Packed(sketch)))),
        };
        cell.stats.sort_unstable_by_key(|&(metric, _)| metric);
        cell.sketches.sort_unstable_by_key(|&(metric, _)| metric);
        cell
    }

    #[cfg(test)]
    pub(super) fn of_stats(at: EventTime, stats: Vec<(u16, Stats)>) -> Self {
        Self { samples: 1, first_at: at, last_at: at, stats, sketches: Vec::new() }
    }

    /// Takes the sketch of a metric, if there is one.
    pub(super) fn take_sketch(&mut self, metric: u16) -> Option<Sketch> {
        let (_, digest) = self.sketches.iter_mut().find(|(number, _)| *number == metric)?;
        Some(match digest {
            Digest::Packed(packed) => packed.open(),
            Digest::Open(sketch) => std::mem::take(sketch),
        })
    }
}

/// Adds up cells, in the order in which they are given. Its scratch is kept: one merger serves a whole Decider.
#[derive(Debug, Default)]
pub(super) struct Merger {
    /// Samples, first and last event time so far.
    sum: Option<(u64, EventTime, EventTime)>,
    /// By metric number; of those in `with_stats`.
    stats: Vec<Stats>,
    with_stats: Vec<u16>,
    /// By metric number; of those in `with_sketch`.
    sketches: Vec<SketchMerger>,
    with_sketch: Vec<u16>,
    /// Cells added up in all.
    #[cfg(test)]
    pub(super) added: usize,
}

impl Merger {
    pub(super) fn add(&mut self, cell: &Cell) {
        #[cfg(test)]
        {
            self.added += 1;
        }
        let Cell { samples, first_at, last_at, stats, sketches } = cell;
        self.sum = Some(match self.sum {
            None => (*samples, *first_at, *last_at),
            Some((sum, first, last)) => (sum + samples, first.min(*first_at), last.max(*last_at)),
        });
        for (metric, values) in stats {
            let own = slot(&mut self.stats, *metric);
            if own.count == 0 {
                self.with_stats.push(*metric);
            }
            own.merge(values);
        }
        for (metric, digest) in sketches {
            if !self.with_sketch.contains(metric) {
                self.with_sketch.push(*metric);
            }
            let own = slot(&mut self.sketches, *metric);
            match digest {
                Digest::Packed(packed) => own.add_packed(packed),
                Digest::Open(sketch) => own.add(sketch),
            }
        }
    }

    /// The sum, leaving nothing behind; `None` of no cells.
    pub(super) fn take(&mut self) -> Option<Cell> {
        let (samples, first_at, last_at) = self.sum.take()?;
        self.with_stats.sort_unstable();
        self.with_sketch.sort_unstable();
        let stats =
            self.with_stats.iter().map(|&metric| (metric, std::mem::take(&mut self.stats[usize::from(metric)])));
        let stats = stats.collect();
        let sketch = |&metric: &u16| (metric, Digest::Open(self.sketches[usize::from(metric)].take()));
        let sketches = self.with_sketch.iter().map(sketch).collect();
        self.with_stats.clear();
        self.with_sketch.clear();
        Some(Cell { samples, first_at, last_at, stats, sketches })
    }

    /// All of `cells` as one, merged in their order; `None` of none.
    pub(super) fn merged<'a>(&mut self, cells: impl IntoIterator<Item = &'a Cell>) -> Option<Cell> {
        cells.into_iter().for_each(|cell| self.add(cell));
        self.take()
    }
}

/// A list without room to spare: there are many of them, and they do not grow.
fn exactly<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::with_capacity(items.size_hint().1.unwrap_or(0));
    list.extend(items);
    list
}

/// The metric's place in a list that grows as metrics appear.
fn slot<T: Default>(list: &mut Vec<T>, metric: u16) -> &mut T {
    let at = usize::from(metric);
    if at >= list.len() {
        list.resize_with(at + 1, T::default);
    }
    &mut list[at]
}

/// Cells of successive panes, oldest first; panes without rows have none.
#[derive(Debug, Default)]
pub(super) struct Cells(VecDeque<(EventTime, Cell)>);

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn at(&self, pane: EventTime) -> Option<&Cell> {
        Some(&self.0[self.place(pane).ok()?].1)
    }

    /// Where the pane's cell is, or would be. Nearly always the last one is asked for.
    fn place(&self, pane: EventTime) -> Result<usize, usize> {
        match self.0.back() {
            None => Err(0),
            Some((last, _)) if *last == pane => Ok(self.0.len() - 1),
            Some((last, _)) if *last < pane => Err(self.0.len()),
            Some(_) => self.0.binary_search_by_key(&pane, |(start, _)| *start),
        }
    }

    /// Replaces the pane's cell.
    pub(super) fn put(&mut self, pane: EventTime, cell: Cell) {
        match self.place(pane) {
            Ok(at) => self.0[at].1 = cell,
            Err(at) => self.0.insert(at, (pane, cell)),
        }
    }

    /// Adds to the pane's cell what comes after it.
    pub(super) fn add(&mut self, pane: EventTime, cell: Cell, merger: &mut Merger) {
        let cell = match self.at(pane) {
            Some(before) => merger.merged([before, &cell]).expect("two cells"),
            None => cell,
        };
        self.put(pane, cell);
    }

    /// The cells of a stretch of time, oldest first.
    pub(super) fn within(&self, range: TimeRange) -> impl DoubleEndedIterator<Item = &(EventTime, Cell)> {
        let start = self.0.partition_point(|(pane, _)| *pane < range.start);
        let end = self.0.partition_point(|(pane, _)| *pane < range.end);
        self.0.range(start..end.max(start))
    }

    pub(super) fn forget_before(&mut self, horizon: EventTime) {
        while self.0.front().is_some_and(|(pane, _)| *pane < horizon) {
            self.0.pop_front();
        }
    }
}
