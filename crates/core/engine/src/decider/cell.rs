//! A cell: what is known of one instance, or of one agent, in one pane; and the ring of them.

use crate::journal::PartialRow;
use std::collections::{BTreeMap, VecDeque};
use tidegauge_model::{EventTime, Metric, TimeRange};
use tidegauge_window::{Sketch, Stats};

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
    pub(super) sketches: Vec<(u16, Sketch)>,
}

impl Cell {
    /// From one row of a partial.
    pub(super) fn of_row<'a>(
        row: &PartialRow<'_>,
        stats: impl Iterator<Item = (u16, Stats)>,
        sketches: impl Iterator<Item = (u16, &'a [u8])>,
    ) -> Self {
        let read = |bytes| Sketch::from_bytes(bytes).expect("a sketch that an Aggregator wrote");
        let mut cell = Self {
            samples: u64::from(row.samples),
            first_at: row.at.0,
            last_at: row.at.1,
            stats: stats.collect(),
            sketches: sketches.map(|(metric, bytes)| (metric, read(bytes))).collect(),
        };
        cell.stats.sort_unstable_by_key(|&(metric, _)| metric);
        cell.sketches.sort_unstable_by_key(|&(metric, _)| metric);
        cell
    }

    /// All of `cells` as one, merged in their order; `None` of none.
    pub(super) fn merged<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Option<Self> {
        let cells: Vec<&Cell> = cells.into_iter().collect();
        let (first, rest) = cells.split_first()?;
        if rest.is_empty() {
            return Some((*first).clone());
        }
        let (mut stats, mut with_sketch) = (first.stats.clone(), Vec::new());
        rest.iter().for_each(|cell| merge_stats(&mut stats, &cell.stats));
        with_sketch.extend(cells.iter().flat_map(|cell| cell.sketches.iter().map(|&(metric, _)| metric)));
        with_sketch.sort_unstable();
        with_sketch.dedup();
        let merged = |metric: u16| (metric, Sketch::merged(cells.iter().filter_map(|cell| cell.sketch(metric))));
        Some(Self {
            samples: cells.iter().map(|cell| cell.samples).sum(),
            first_at: cells.iter().map(|cell| cell.first_at).min()?,
            last_at: cells.iter().map(|cell| cell.last_at).max()?,
            stats,
            sketches: with_sketch.into_iter().map(merged).collect(),
        })
    }

    /// The sketch of a metric, if there is one.
    pub(super) fn sketch(&self, metric: u16) -> Option<&Sketch> {
        self.sketches.iter().find(|&&(number, _)| number == metric).map(|(_, sketch)| sketch)
    }
}

/// Adds what comes later; both ascend by metric. Nearly always the metrics are the same.
fn merge_stats(into: &mut Vec<(u16, Stats)>, later: &[(u16, Stats)]) {
    let mut at = 0;
    for &(metric, values) in later {
        while into.get(at).is_some_and(|&(number, _)| number < metric) {
            at += 1;
        }
        match into.get_mut(at) {
            Some((number, own)) if *number == metric => own.merge(&values),
            _ => into.insert(at, (metric, values)),
        }
        at += 1;
    }
}

/// Cells of successive panes, oldest first; panes without rows have none.
#[derive(Debug, Default)]
pub(super) struct Cells(VecDeque<(EventTime, Cell)>);

impl Cells {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    pub(super) fn add(&mut self, pane: EventTime, cell: Cell) {
        let cell = match self.at(pane) {
            Some(before) => Cell::merged([before, &cell]).expect("two cells"),
            None => cell,
        };
        self.put(pane, cell);
    }

    /// The cells of a window as one.
    pub(super) fn within(&self, range: TimeRange) -> Option<Cell> {
        let start = self.0.partition_point(|(pane, _)| *pane < range.start);
        let end = self.0.partition_point(|(pane, _)| *pane < range.end);
        Cell::merged(self.0.range(start..end).map(|(_, cell)| cell))
    }

    pub(super) fn forget_before(&mut self, horizon: EventTime) {
        while self.0.front().is_some_and(|(pane, _)| *pane < horizon) {
            self.0.pop_front();
        }
    }
}
