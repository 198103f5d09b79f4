//! Sliding windows in about three merges each, whatever their width.
//!
//! The axis of time is cut into blocks as long as a window. Every window is the end of one block and the beginning of
//! the next: of the one the sums from each pane to its end are kept, made once when the block is over; of the other the
//! sum so far, which grows pane by pane.
//!
//! ```text
//!  panes   ├─┼─┼─┼─┼─┼─┤├─┼─┼─┼─┼─┼─┤      blocks lie where the epoch puts them
//!  kept    ├───────────┤├─────┤            suffixes of the block that is over (each start), prefix of this one
//!              ├───────┤
//!                ├─────┤
//!  window      ├───────┤├─────┤            suffix + prefix
//! ```
//!
//! - **D7** What a window comes to depends on its cells and its place in time only: not on what was asked for before, nor
//!   on when the Decider began. Nothing is ever subtracted.
//!
//! Source: two stacks as in Tangwongsan, Hirzel, Schneider, Wu, "General Incremental Sliding-Window Aggregation",
//! PVLDB 8(7), 2015; blocks as in van Herk, Pattern Recognition Letters 13(7), 1992.

use super::cell::{Cell, Cells, Merger};
use tidegauge_model::{EventTime, TimeRange, WindowSpec};

/// Sums of one agent for windows of one width and slide.
#[derive(Debug)]
pub(super) struct Slide {
    spec: WindowSpec,
    /// Between the two blocks, once a window was asked for.
    boundary: Option<EventTime>,
    /// From this pane to the boundary; the latest pane first.
    suffixes: Vec<(EventTime, Cell)>,
    /// From the boundary to `prefix_end`.
    prefix: Option<Cell>,
    prefix_end: EventTime,
}

impl Slide {
    pub(super) fn new(spec: WindowSpec) -> Self {
        Self { spec, boundary: None, suffixes: Vec::new(), prefix: None, prefix_end: EventTime::MIN }
    }

    pub(super) fn spec(&self) -> WindowSpec {
        self.spec
    }

    /// The window that ends at `end`; ends are asked for in ascending order.
    pub(super) fn window(&mut self, end: EventTime, cells: &Cells, merger: &mut Merger) -> Option<Cell> {
        let range = TimeRange::ending_at(end, self.spec.size);
        let boundary = end.floor_to(self.spec.size);
        if self.boundary != Some(boundary) {
            self.boundary = Some(boundary);
            self.suffixes = self.suffixes_of(boundary, cells, merger);
            (self.prefix, self.prefix_end) = (None, boundary);
        }
        if self.prefix_end < end {
            let fresh = TimeRange { start: self.prefix_end, end };
            self.prefix.iter().chain(cells.within(fresh).map(|(_, cell)| cell)).for_each(|cell| merger.add(cell));
            (self.prefix, self.prefix_end) = (merger.take(), end);
        }
        while self.suffixes.last().is_some_and(|(pane, _)| *pane < range.start) {
            self.suffixes.pop();
        }
        merger.merged(self.suffixes.last().map(|(_, cell)| cell).into_iter().chain(&self.prefix))
    }

    /// From each pane with which a window begins to the end of its block.
    fn suffixes_of(&self, boundary: EventTime, cells: &Cells, merger: &mut Merger) -> Vec<(EventTime, Cell)> {
        let block = TimeRange::ending_at(boundary, self.spec.size);
        let mut suffixes: Vec<(EventTime, Cell)> = Vec::new();
        // Added up from the right: of panes between two starts only the sum is kept.
        let mut right: Option<Cell> = None;
        let mut cells = cells.within(block).rev().peekable();
        while let Some((pane, cell)) = cells.next() {
            let sum =
                merger.merged(std::iter::once(cell).chain(right.as_ref().or(suffixes.last().map(|(_, sum)| sum))));
            let sum = sum.expect("at least this cell");
            let start = pane.plus(self.spec.size).floor_to(self.spec.slide).minus(self.spec.size);
            let begins_window = cells.peek().is_none_or(|(before, _)| *before < start);
            if begins_window {
                right = None;
                suffixes.push((*pane, sum.packed()));
            } else {
                right = Some(sum);
            }
        }
        suffixes
    }

    /// The pane's cell has changed.
    pub(super) fn changed(&mut self, pane: EventTime) {
        if Some(pane) < self.boundary {
            self.boundary = None;
        } else if pane < self.prefix_end {
            (self.prefix, self.prefix_end) = (None, self.boundary.unwrap_or(EventTime::MIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use tidegauge_model::Position;
    use tidegauge_window::Stats;

    const PANE: Duration = Duration::from_secs(10);

    fn at(pane: i64) -> EventTime {
        EventTime::from_secs(1_000_000 + pane * 10)
    }

    /// A pane's cell; whole numbers, which add up exactly in any order.
    fn put(cells: &mut Cells, pane: i64, value: u16) {
        let mut stats = Stats::default();
        stats.add(f64::from(value), at(pane), Position::new(0, pane));
        cells.put(at(pane), Cell::of_stats(at(pane), vec![(0, stats)]));
    }

    fn naive(cells: &Cells, range: TimeRange) -> Option<(u64, f64, f64, f64)> {
        let merged = Merger::default().merged(cells.within(range).map(|(_, cell)| cell))?;
        Some(told(&merged))
    }

    fn told(cell: &Cell) -> (u64, f64, f64, f64) {
        let (_, stats) = cell.stats[0];
        (cell.samples, stats.sum, stats.min, stats.last)
    }

    proptest! {
        /// D7: equal to the cells merged anew, with gaps, late cells, and windows first asked for at any time.
        #[test]
        fn a_window_is_the_sum_of_its_cells(
            (panes, slide) in (1..40_i64).prop_flat_map(|panes| (Just(panes), 1..=panes)),
            values in prop::collection::vec(prop::option::weighted(0.8, 0..1_000_u16), 1..150),
            late in prop::collection::vec((0..150_i64, 0..1_000_u16), 0..20),
            asked_from in 0..100_i64,
        ) {
            let spec = WindowSpec { size: PANE * panes as u32, slide: PANE * slide as u32 };
            let (mut slide, mut cells, mut merger) = (Slide::new(spec), Cells::default(), Merger::default());
            for (pane, value) in (0..).zip(&values) {
                if let Some(value) = value {
                    put(&mut cells, pane, *value);
                    slide.changed(at(pane));
                }
                for &(_, value) in late.iter().filter(|(when, _)| *when == pane) {
                    let back = (pane - i64::from(value) % 50).max(0);
                    put(&mut cells, back, value);
                    slide.changed(at(back));
                }
                let end = at(pane + 1);
                if end.floor_to(spec.slide) == end && pane >= asked_from {
                    let got = slide.window(end, &cells, &mut merger).map(|cell| told(&cell));
                    prop_assert_eq!(got, naive(&cells, TimeRange::ending_at(end, spec.size)));
                }
            }
        }
    }

    #[test]
    fn a_window_takes_about_three_merges_whatever_its_width() {
        for panes in [6_i64, 30, 360] {
            let spec = WindowSpec { size: PANE * panes as u32, slide: PANE };
            let (mut slide, mut cells, mut merger) = (Slide::new(spec), Cells::default(), Merger::default());
            let windows = 4 * panes;
            for pane in 0..windows {
                put(&mut cells, pane, 1);
                slide.changed(at(pane));
                slide.window(at(pane + 1), &cells, &mut merger);
            }
            let added = merger.added as i64;
            assert!(added <= 6 * windows, "{added} cells were added up for {windows} windows of {panes} panes");
        }
    }
}
