//! Granules: stretches of time that no window of instances cuts.
//!
//! Windows of 5 minutes that slide by a minute begin and end on whole minutes. What an instance did in the panes of a
//! minute is not asked for pane by pane any more once the minute is over: its cells become one.
//!
//! ```text
//!  panes      ├─┼─┼─┼─┼─┼─┤├─┼─┼─┼─┼─┼─┤├─┼─┼─        10 s
//!  kept       ├───────────┤├───────────┤├─┼─┼─        a cell each: granules that are over, panes of the present one
//!  windows                 ├─────── 5 min ──────►     begin with a granule
//! ```
//!
//! - **D8** A granule's cell is the sum of its panes' in their order, made when the granule is over and the windows that
//!   end with it were emitted. What comes later for one of its panes adds to it after what is in it.
//! - **D9** A window that begins within a granule is not emitted by instance: the granule is older than what asks for it.

use std::time::Duration;
use tidegauge_model::time::micros;
use tidegauge_model::{EventTime, TimeRange, WindowSpec};

/// Successive granules of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    /// Where the first of them begins; it may be shorter than the width.
    from: EventTime,
    to: EventTime,
    width: Duration,
}

/// The granules that are over, oldest first.
#[derive(Debug, Default)]
pub(super) struct Granules(Vec<Stretch>);

/// The greatest width whose multiples are all bounds of these windows: that of a pane, if there are none.
pub(super) fn width(windows: impl Iterator<Item = WindowSpec>, pane: Duration) -> Duration {
    let divisor = windows.flat_map(|spec| [micros(spec.size), micros(spec.slide)]).fold(0, greatest_common_divisor);
    if divisor == 0 { pane } else { Duration::from_micros(divisor.unsigned_abs()) }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The first whole multiple of `width` from `at` on.
pub(super) fn ceiling(at: EventTime, width: Duration) -> EventTime {
    let floor = at.floor_to(width);
    if floor < at { floor.plus(width) } else { at }
}

impl Granules {
    /// Ends the granule that ends at `end`, if one of this width does, and says how far it reaches.
    pub(super) fn close(&mut self, end: EventTime, width: Duration) -> Option<TimeRange> {
        if end.floor_to(width) != end {
            return None;
        }
        let start = end.minus(width);
        if let Some(last) = self.0.last_mut().filter(|last| last.width == width && last.to >= start) {
            last.to = end;
            return Some(TimeRange { start: start.max(last.from), end });
        }
        let from = self.make_way(start);
        self.0.push(Stretch { from, to: end, width });
        Some(TimeRange { start: from, end })
    }

    /// Where a granule of another width that should begin at `start` does begin: those that it holds are part of it, one
    /// that it would cut stays.
    fn make_way(&mut self, start: EventTime) -> EventTime {
        while self.0.last().is_some_and(|last| last.from >= start) {
            self.0.pop();
        }
        match self.0.last_mut() {
            Some(last) if last.to > start && last.cuts(start) => last.to,
            Some(last) => {
                last.to = last.to.min(start);
                start
            }
            None => start,
        }
    }

    /// Where the granule begins that holds this pane, if it is over, and how wide its kind is.
    pub(super) fn holding(&self, pane: EventTime) -> Option<(EventTime, Duration)> {
        let stretch = self.0.iter().rev().find(|stretch| stretch.from <= pane && pane < stretch.to)?;
        Some((pane.floor_to(stretch.width).max(stretch.from), stretch.width))
    }

    /// Whether `at` lies within one of them, not between two.
    pub(super) fn cut(&self, at: EventTime) -> bool {
        self.0.iter().any(|stretch| stretch.cuts(at))
    }

    pub(super) fn forget_before(&mut self, horizon: EventTime) {
        self.0.retain(|stretch| stretch.to > horizon);
    }
}

impl Stretch {
    fn cuts(&self, at: EventTime) -> bool {
        self.from < at && at < self.to && at.floor_to(self.width) != at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(secs: i64) -> EventTime {
        EventTime::from_secs(secs)
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_width_divides_sizes_and_slides() {
        let spec = |size, slide| WindowSpec { size: secs(size), slide: secs(slide) };
        let cases = [
            (vec![], 10),
            (vec![spec(60, 60)], 60),
            (vec![spec(300, 60)], 60),
            (vec![spec(300, 10)], 10),
            (vec![spec(300, 60), spec(120, 40)], 20),
            (vec![spec(90, 60)], 30),
        ];
        for (windows, want) in cases {
            assert_eq!(width(windows.iter().copied(), secs(10)), secs(want), "{windows:?}");
        }
        assert_eq!((ceiling(at(61), secs(60)), ceiling(at(60), secs(60))), (at(120), at(60)));
    }

    /// D9: a finer width does not cut what is over, a coarser one takes it in.
    #[test]
    fn widths_may_change() {
        let mut granules = Granules::default();
        assert_eq!(granules.close(at(50), secs(60)), None, "not at its end");
        assert_eq!(granules.close(at(60), secs(60)), Some(TimeRange { start: at(0), end: at(60) }));
        assert_eq!(granules.close(at(80), secs(40)), Some(TimeRange { start: at(60), end: at(80) }), "40 is within");
        assert!(granules.cut(at(40)) && !granules.cut(at(60)) && !granules.cut(at(80)) && granules.cut(at(70)));
        assert_eq!(granules.holding(at(50)), Some((at(0), secs(60))));
        assert_eq!(granules.holding(at(70)), Some((at(60), secs(40))));
        assert_eq!(granules.holding(at(80)), None);
        assert_eq!(granules.close(at(120), secs(120)), Some(TimeRange { start: at(0), end: at(120) }));
        assert_eq!(granules.holding(at(70)), Some((at(0), secs(120))));
        granules.forget_before(at(120));
        assert_eq!(granules.holding(at(70)), None);
    }

    proptest! {
        /// Against a list of single granules, each with its own bounds.
        #[test]
        fn granules_are_disjoint_and_found(widths in prop::collection::vec(1..7_u64, 1..60)) {
            let (mut granules, mut naive) = (Granules::default(), BTreeMap::<i64, i64>::new());
            for (pane, width) in (1..).zip(widths) {
                let end = pane * 10;
                let Some(range) = granules.close(at(end), secs(width * 10)) else { continue };
                prop_assert_eq!(range.end, at(end));
                let start = range.start.as_secs();
                naive.retain(|&from, _| from < start);
                prop_assert!(naive.values().all(|&to| to <= start), "{} cuts {:?}", start, naive);
                naive.insert(start, end);
                for pane in (0..=end).step_by(10) {
                    let holds = naive.iter().find(|(from, to)| **from <= pane && pane < **to);
                    prop_assert_eq!(granules.holding(at(pane)).map(|(start, _)| start), holds.map(|(from, _)| at(*from)));
                    prop_assert_eq!(granules.cut(at(pane)), holds.is_some_and(|(from, _)| *from < pane));
                }
            }
        }
    }
}
