//! A cell: what is known of one instance, or of one agent, in one pane; the ring of them; and how cells add up.

use crate::journal::{PartialRows, RowsReader};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidegauge_model::{EventTime, Metric, SpaceSaving, TimeRange};
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

    /// By number.
    pub(super) fn all(&self) -> &[Metric] {
        &self.metrics
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
    sketches: Vec<(u16, CellSketch)>,
    /// Of those of its samples that name any.
    pub(super) keys: Option<Box<SpaceSaving>>,
}

/// The sketch of a cell that is kept stays in bytes: a fifth of the memory of an open one.
#[derive(Clone, Debug)]
enum CellSketch {
    Open(Sketch),
    Packed(Box<[u8]>),
}

impl Cell {
    #[cfg(test)]
    pub(super) fn of_stats(at: EventTime, stats: Vec<(u16, Stats)>) -> Self {
        Self { samples: 1, first_at: at, last_at: at, stats, sketches: Vec::new(), keys: None }
    }

    /// By metric number, ascending.
    ///
    /// # Panics
    ///
    /// If the cell was packed.
    pub(super) fn sketches(&self) -> impl Iterator<Item = (u16, &Sketch)> {
        self.sketches.iter().map(|(metric, sketch)| match sketch {
            CellSketch::Open(sketch) => (*metric, sketch),
            CellSketch::Packed(_) => unreachable!("a sum that was just made"),
        })
    }

    /// The cell as it is kept.
    pub(super) fn packed(mut self) -> Self {
        for (_, sketch) in &mut self.sketches {
            if let CellSketch::Open(open) = sketch {
                *sketch = CellSketch::Packed(open.to_bytes().into());
            }
        }
        self
    }

    /// Statistics and sketches ascend by metric number.
    pub(super) fn of(
        samples: u64,
        (first_at, last_at): (EventTime, EventTime),
        stats: Vec<(u16, Stats)>,
        sketches: Vec<(u16, Sketch)>,
        keys: Option<SpaceSaving>,
    ) -> Self {
        let sketches = sketches.into_iter().map(|(metric, sketch)| (metric, CellSketch::Open(sketch))).collect();
        Self { samples, first_at, last_at, stats, sketches, keys: keys.map(Box::new) }
    }

    /// The sketch of a metric, if there is one.
    ///
    /// # Panics
    ///
    /// If the cell was packed.
    pub(super) fn sketch(&self, metric: u16) -> Option<&Sketch> {
        self.sketches().find(|(number, _)| *number == metric).map(|(_, sketch)| sketch)
    }

    /// Takes the sketch of a metric, if there is one.
    pub(super) fn take_sketch(&mut self, metric: u16) -> Option<Sketch> {
        let (_, sketch) = self.sketches.iter_mut().find(|(number, _)| *number == metric)?;
        Some(match sketch {
            CellSketch::Open(sketch) => std::mem::take(sketch),
            CellSketch::Packed(bytes) => Sketch::from_bytes(bytes).expect("our own bytes"),
        })
    }
}

/// The rows of a partial as they came, their metrics numbered.
#[derive(Debug)]
pub(super) struct Rows {
    reader: RowsReader,
    /// By the metric's place in the partial.
    numbers: Vec<Option<u16>>,
}

impl Rows {
    pub(super) fn of(rows: &PartialRows, metrics: &mut MetricNumbers) -> Self {
        Self { reader: rows.reader(), numbers: rows.metrics().iter().map(|metric| metrics.number(metric)).collect() }
    }

    /// Rows that were made here: all of their metrics have numbers.
    pub(super) fn numbered(rows: &PartialRows, metrics: &MetricNumbers) -> Self {
        let number = |metric: &Metric| metrics.numbers.get(metric).copied();
        Self { reader: rows.reader(), numbers: rows.metrics().iter().map(number).collect() }
    }

    pub(super) fn reader(&self) -> &RowsReader {
        &self.reader
    }

    pub(super) fn number(&self, place: u16) -> Option<u16> {
        self.numbers[usize::from(place)]
    }
}

/// What is known of one instance in one pane. There are many, each is read a few times, and nearly all come in one row:
/// that stays where it came.
#[derive(Debug)]
pub(super) enum InstanceCell {
    Row(Arc<Rows>, u32),
    Sum(Box<Cell>),
}

impl InstanceCell {
    pub(super) fn is_sum(&self) -> bool {
        matches!(self, Self::Sum(_))
    }

    /// Samples, first and last event time.
    pub(super) fn extent(&self) -> (u64, EventTime, EventTime) {
        match self {
            Self::Row(rows, at) => {
                let (first, last) = rows.reader.span(*at as usize);
                (rows.reader.samples(*at as usize).into(), first, last)
            }
            Self::Sum(cell) => (cell.samples, cell.first_at, cell.last_at),
        }
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
    keys: Option<Box<SpaceSaving>>,
    /// Cells added up in all.
    #[cfg(test)]
    pub(super) added: usize,
}

impl Merger {
    pub(super) fn add(&mut self, cell: &Cell) {
        self.extend((cell.samples, cell.first_at, cell.last_at));
        for (metric, values) in &cell.stats {
            self.add_stats(*metric, values);
        }
        for (metric, sketch) in &cell.sketches {
            match sketch {
                CellSketch::Open(sketch) => self.sketch(*metric).add(sketch),
                CellSketch::Packed(bytes) => self.sketch(*metric).add_packed(PackedSketch::checked_before(bytes)),
            }
        }
        if let Some(keys) = &cell.keys {
            self.add_keys(Cow::Borrowed(keys));
        }
    }

    fn add_keys(&mut self, keys: Cow<'_, SpaceSaving>) {
        self.keys = Some(Box::new(match &self.keys {
            None => keys.into_owned(),
            Some(so_far) => so_far.merged(&keys),
        }));
    }

    pub(super) fn add_instance(&mut self, cell: &InstanceCell) {
        match cell {
            InstanceCell::Row(rows, at) => self.add_row(rows, *at as usize),
            InstanceCell::Sum(cell) => self.add(cell),
        }
    }

    /// Metrics that have no number are left out.
    pub(super) fn add_row(&mut self, rows: &Rows, at: usize) {
        let (first, last) = rows.reader.span(at);
        self.extend((rows.reader.samples(at).into(), first, last));
        for (place, values) in rows.reader.stats(at) {
            if let Some(metric) = rows.number(place) {
                self.add_stats(metric, &values);
            }
        }
        for (place, sketch) in rows.reader.sketches(at) {
            if let Some(metric) = rows.number(place) {
                self.sketch(metric).add_packed(sketch);
            }
        }
        if let Some(keys) = rows.reader.keys(at) {
            self.add_keys(Cow::Owned(keys));
        }
    }

    fn extend(&mut self, (samples, first_at, last_at): (u64, EventTime, EventTime)) {
        #[cfg(test)]
        {
            self.added += 1;
        }
        self.sum = Some(match self.sum {
            None => (samples, first_at, last_at),
            Some((sum, first, last)) => (sum + samples, first.min(first_at), last.max(last_at)),
        });
    }

    pub(super) fn add_stats(&mut self, metric: u16, values: &Stats) {
        let own = slot(&mut self.stats, metric);
        if own.count == 0 {
            self.with_stats.push(metric);
        }
        own.merge(values);
    }

    fn sketch(&mut self, metric: u16) -> &mut SketchMerger {
        if !self.with_sketch.contains(&metric) {
            self.with_sketch.push(metric);
        }
        slot(&mut self.sketches, metric)
    }

    /// The sum, leaving nothing behind; `None` of no cells.
    pub(super) fn take(&mut self) -> Option<Cell> {
        let (samples, first_at, last_at) = self.sum.take()?;
        self.with_stats.sort_unstable();
        self.with_sketch.sort_unstable();
        let stats =
            self.with_stats.iter().map(|&metric| (metric, std::mem::take(&mut self.stats[usize::from(metric)])));
        let stats = stats.collect();
        let sketch = |&metric: &u16| (metric, CellSketch::Open(self.sketches[usize::from(metric)].take()));
        let sketches = self.with_sketch.iter().map(sketch).collect();
        self.with_stats.clear();
        self.with_sketch.clear();
        Some(Cell { samples, first_at, last_at, stats, sketches, keys: self.keys.take() })
    }

    /// All of `cells` as one, merged in their order; `None` of none.
    pub(super) fn merged<'a>(&mut self, cells: impl IntoIterator<Item = &'a Cell>) -> Option<Cell> {
        cells.into_iter().for_each(|cell| self.add(cell));
        self.take()
    }
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
#[derive(Debug)]
pub(super) struct Cells<C = Cell>(VecDeque<(EventTime, C)>);

impl<C> Default for Cells<C> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<C> Cells<C> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn at(&self, pane: EventTime) -> Option<&C> {
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
    pub(super) fn put(&mut self, pane: EventTime, cell: C) {
        match self.place(pane) {
            Ok(at) => self.0[at].1 = cell,
            Err(at) => self.0.insert(at, (pane, cell)),
        }
    }

    /// Puts one cell, at the beginning of a stretch of time, in the place of all that are there.
    pub(super) fn replace(&mut self, range: TimeRange, cell: C) {
        let start = self.0.partition_point(|(pane, _)| *pane < range.start);
        let end = self.0.partition_point(|(pane, _)| *pane < range.end);
        drop(self.0.drain(start..end));
        self.0.insert(start, (range.start, cell));
    }

    /// The cells of a stretch of time, oldest first.
    pub(super) fn within(&self, range: TimeRange) -> impl DoubleEndedIterator<Item = &(EventTime, C)> {
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

impl Cells<InstanceCell> {
    /// Adds statistics to the cell of a pane that has rows.
    pub(super) fn add_stats(&mut self, pane: EventTime, stats: &[(u16, Stats)], merger: &mut Merger) {
        self.at(pane).into_iter().for_each(|cell| merger.add_instance(cell));
        stats.iter().for_each(|(metric, values)| merger.add_stats(*metric, values));
        let sum = merger.take().expect("the rows that they came in");
        self.put(pane, InstanceCell::Sum(Box::new(sum.packed())));
    }

    /// Adds to the pane's cell a row that comes after it.
    pub(super) fn add(&mut self, pane: EventTime, rows: &Arc<Rows>, row: usize, merger: &mut Merger) {
        let cell = match self.at(pane) {
            None => InstanceCell::Row(Arc::clone(rows), row as u32),
            Some(before) => {
                merger.add_instance(before);
                merger.add_row(rows, row);
                InstanceCell::Sum(Box::new(merger.take().expect("two cells").packed()))
            }
        };
        self.put(pane, cell);
    }
}
