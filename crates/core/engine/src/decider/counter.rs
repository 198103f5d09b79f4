//! Differences of cumulative counters.
//!
//! A counter that only grows says how much there was since its start. What a pane is told is how much there was since the
//! reading before, which only a Decider can say: successive readings of an instance may come over different partitions.
//!
//! ```text
//!  readings   90 ──► 100 ──► 130 ─╳─► 20 ──► 25        a fall, or another start: counting began anew
//!  increase       10      30      20      5            each in the pane of its later reading
//! ```
//!
//! - **N1** Readings count in order of event time, pane after pane. One that comes after its pane was closed changes
//!   nothing: the difference to the next reading has counted what it would say.
//! - **N2** A counter is reset if it falls, or if it began more than a second later than before (whoever computes a start
//!   from an uptime is off by less). Then all that it says was since. What began earlier than what is known is over.
//! - **N3** The first reading of a counter says nothing by itself, nor does one after more than five minutes: how much there
//!   was is known, not when. One that began within these five minutes counts from its start.
//! - **N4** What is remembered of a counter is its last reading, for as long as N3 needs it. It is in checkpoints, and as of
//!   their base too, so that a restore takes the same differences again.

use super::cell::MetricNumbers;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::counter::{CounterPoint, Reading};
use tidegauge_model::{EventTime, InstanceId, Metric, Position};
use tidegauge_window::Stats;

/// Readings further apart have no difference (N3).
pub(super) const LONGEST_GAP: Duration = Duration::from_secs(300);
/// Starts that are no further apart are the same (N2).
const SAME_START: Duration = Duration::from_secs(1);

/// The cumulative counters of an agent's instances.
#[derive(Debug, Default)]
pub(super) struct Counters {
    last: BTreeMap<(InstanceId, u16), CounterPoint>,
    /// Readings of the pane that closes.
    waiting: Vec<((InstanceId, u16), CounterPoint)>,
}

/// A last reading, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptReading {
    pub(crate) instance: InstanceId,
    pub(crate) metric: String,
    pub(crate) at: EventTime,
    pub(crate) position: u64,
    pub(crate) value: f64,
    pub(crate) start: Option<EventTime>,
}

impl KeptReading {
    pub(super) fn of(instance: &InstanceId, metric: &Metric, point: &CounterPoint) -> Self {
        Self {
            instance: instance.clone(),
            metric: metric.name().to_owned(),
            at: point.at,
            position: point.position.0,
            value: point.reading.value,
            start: point.reading.start,
        }
    }
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    /// There was so much more.
    Increase(f64),
    /// Where counting goes on from.
    Begins,
    /// Nothing: it is older than what is known.
    Over,
}

fn says(before: Option<&CounterPoint>, point: &CounterPoint) -> Says {
    let began_lately = point.reading.start.filter(|start| point.at.since(*start) <= LONGEST_GAP);
    let since_start = began_lately.map_or(Says::Begins, |_| Says::Increase(point.reading.value));
    let Some(before) = before else { return since_start };
    if let (Some(start), Some(known)) = (point.reading.start, before.reading.start) {
        if known.since(start) > SAME_START {
            return Says::Over;
        }
        if start.since(known) > SAME_START {
            return since_start;
        }
    }
    if point.at.since(before.at) > LONGEST_GAP {
        return Says::Begins;
    }
    let (value, known) = (point.reading.value, before.reading.value);
    Says::Increase(if value < known { value } else { value - known })
}

impl Counters {
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Takes a reading of the pane that closes.
    pub(super) fn wait(&mut self, instance: &str, metric: u16, point: CounterPoint) {
        self.waiting.push(((InstanceId::from(instance), metric), point));
    }

    /// What the readings that wait come to, by instance, ascending.
    pub(super) fn differences(&mut self) -> Vec<(InstanceId, Vec<(u16, Stats)>)> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by(|(a, one), (b, other)| (a, one.at, one.position).cmp(&(b, other.at, other.position)));
        let mut all: Vec<(InstanceId, Vec<(u16, Stats)>)> = Vec::new();
        for (key, point) in waiting {
            let said = says(self.last.get(&key), &point);
            if let Says::Increase(increase) = said {
                stats_of(&mut all, &key).add(increase, point.at, point.position);
            }
            if said != Says::Over {
                self.last.insert(key, point);
            }
        }
        all
    }

    pub(super) fn forget_before(&mut self, horizon: EventTime) {
        self.last.retain(|_, point| point.at >= horizon);
    }

    pub(super) fn kept(&self, metrics: &MetricNumbers) -> Vec<KeptReading> {
        let kept = self
            .last
            .iter()
            .map(|((instance, metric), point)| KeptReading::of(instance, metrics.metric(*metric), point));
        let mut kept: Vec<_> = kept.collect();
        // Numbers of metrics are those of a life.
        kept.sort_by(|one, other| (&one.instance, &one.metric).cmp(&(&other.instance, &other.metric)));
        kept
    }

    pub(super) fn restored(kept: &[KeptReading], metrics: &mut MetricNumbers) -> Self {
        let last = kept.iter().filter_map(|kept| {
            let metric = metrics.number(&Metric::named(&kept.metric))?;
            let reading = Reading { value: kept.value, start: kept.start };
            let point = CounterPoint { at: kept.at, position: Position(kept.position), reading };
            Some(((kept.instance.clone(), metric), point))
        });
        Self { last: last.collect(), waiting: Vec::new() }
    }
}

/// Of the instance and metric that the last ones were of, or new ones: they come in order.
fn stats_of<'a>(
    all: &'a mut Vec<(InstanceId, Vec<(u16, Stats)>)>,
    (instance, metric): &(InstanceId, u16),
) -> &'a mut Stats {
    if all.last().is_none_or(|(last, _)| last != instance) {
        all.push((instance.clone(), Vec::new()));
    }
    let own = &mut all.last_mut().expect("it was pushed").1;
    if own.last().is_none_or(|(last, _)| last != metric) {
        own.push((*metric, Stats::default()));
    }
    &mut own.last_mut().expect("it was pushed").1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(secs: i64, value: f64, start: Option<i64>) -> CounterPoint {
        let reading = Reading { value, start: start.map(EventTime::from_secs) };
        CounterPoint { at: EventTime::from_secs(secs), position: Position::new(0, secs), reading }
    }

    /// What each reading after the first says.
    fn increases(points: &[CounterPoint]) -> Vec<Option<f64>> {
        let mut counters = Counters::default();
        let one = |point: &CounterPoint| {
            counters.wait("i", 3, *point);
            counters.differences().first().map(|(_, stats)| stats[0].1.sum)
        };
        points.iter().map(one).collect()
    }

    #[test]
    fn differences_worked_by_hand() {
        let (none, some) = (None::<i64>, Some(0));
        let cases = [
            (
                "growth",
                vec![(10, 90.0, none), (20, 100.0, none), (30, 130.0, none)],
                vec![None, Some(10.0), Some(30.0)],
            ),
            (
                "a fall is a reset",
                vec![(10, 130.0, none), (20, 20.0, none), (30, 25.0, none)],
                vec![None, Some(20.0), Some(5.0)],
            ),
            ("nothing happened", vec![(10, 7.0, none), (20, 7.0, none)], vec![None, Some(0.0)]),
            ("a reset that does not fall", vec![(10, 5.0, some), (20, 9.0, Some(12))], vec![Some(5.0), Some(9.0)]),
            ("starts a second apart are one", vec![(10, 5.0, some), (20, 9.0, Some(1))], vec![Some(5.0), Some(4.0)]),
            (
                "what began before is over",
                vec![(20, 2.0, Some(12)), (21, 900.0, some), (22, 3.0, Some(12))],
                vec![Some(2.0), None, Some(1.0)],
            ),
            (
                "one of both says its start: falls count",
                vec![(10, 5.0, none), (20, 4.0, Some(-900))],
                vec![None, Some(4.0)],
            ),
            ("five minutes are near", vec![(0, 1.0, none), (300, 5.0, none)], vec![None, Some(4.0)]),
            ("more are not", vec![(0, 1.0, none), (301, 5.0, none), (302, 6.0, none)], vec![None, None, Some(1.0)]),
            ("the first of one that runs", vec![(301, 5.0, some)], vec![None]),
            ("the first of one that began", vec![(300, 5.0, some)], vec![Some(5.0)]),
        ];
        for (name, points, want) in cases {
            let points: Vec<_> = points.into_iter().map(|(at, value, start)| point(at, value, start)).collect();
            assert_eq!(increases(&points), want, "{name}");
        }
    }

    proptest! {
        /// Whatever the order in which the readings of a pane come, and however often: as much as the counter grew.
        #[test]
        fn increases_add_up(
            steps in prop::collection::vec((1..60_i64, 0..1_000_u32), 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let (mut at, mut total) = (0, 0.0);
            let grown = steps.iter().map(|&(gap, more)| {
                (at, total) = (at + gap, total + f64::from(more));
                point(at, total, None)
            });
            let points: Vec<_> = grown.collect();
            let mut counters = Counters::default();
            for again in order.iter().map(|index| *index.get(&points)).chain(points.iter().rev().copied()) {
                counters.wait("i", 0, again);
            }
            let sum: f64 = counters.differences().iter().flat_map(|(_, stats)| stats).map(|(_, stats)| stats.sum).sum();
            prop_assert_eq!(sum, total - points[0].reading.value);
            let mut metrics = MetricNumbers::default();
            metrics.number(&Metric::named("requests"));
            let kept = counters.kept(&metrics);
            prop_assert_eq!(Counters::restored(&kept, &mut metrics).kept(&metrics), kept);
        }
    }
}
