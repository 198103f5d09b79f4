//! The engine's rules by brute force: every row is kept, every window computed from scratch, every standing judged
//! anew from the whole history of marks. Slow, and short enough to be checked by reading.

use crate::scenario::{Row, Scenario, TOTAL};
use std::collections::BTreeMap;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::{LatePartial, Refusal, SourceRecord};
use tidegauge_model::{Attribute, EventTime, Position, Target, TimeRange, WindowSummary};
use tidegauge_window::Sketch;
use tidegauge_window::sketch::nearest_rank;

/// What the reference expects of one window.
#[derive(Clone, Debug)]
pub struct ExpectedWindow {
    target: String,
    instance: Option<String>,
    range: TimeRange,
    slide_us: i64,
    rows: Vec<Row>,
    /// What the totals of those rows have grown by, with event times.
    increases: Vec<(i64, f64)>,
}

/// A mark as it stood in the journal: log time, watermark, drained, ended.
type MarkSeen = (i64, Option<i64>, bool, bool);

/// The naive engine.
pub struct Reference {
    scenario: Scenario,
    watermarks: Vec<i64>,
    open: Vec<BTreeMap<i64, Vec<Row>>>,
    corrections: Vec<BTreeMap<i64, Vec<Row>>>,
    /// Rows of each partial that left, by (partition, pane, sequence).
    left: BTreeMap<(usize, i64, i64), Vec<Row>>,
    /// Rows that must be refused, by partition, in order.
    refusals: Vec<Vec<i64>>,
    shuffles: Vec<Shuffle>,
}

/// One journal partition.
#[derive(Default)]
struct Shuffle {
    marks: BTreeMap<usize, Vec<MarkSeen>>,
    /// Watermark at which a source was found too far behind.
    skewed_at: BTreeMap<usize, Option<i64>>,
    watermark: Option<i64>,
    closed: Option<i64>,
    /// Rows that count.
    rows: Vec<Kept>,
    late: Vec<(usize, i64, u64)>,
}

/// A row that counts.
struct Kept {
    pane: i64,
    partition: usize,
    /// It was there when its pane was closed.
    is_on_time: bool,
    row: Row,
}

impl Reference {
    /// Ready to watch.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let partitions = scenario.partitions.len();
        let shuffles = (0..scenario.shuffle_partitions).map(|_| Shuffle::default()).collect();
        Self {
            watermarks: vec![i64::MIN; partitions],
            open: vec![BTreeMap::new(); partitions],
            corrections: vec![BTreeMap::new(); partitions],
            left: BTreeMap::new(),
            refusals: vec![Vec::new(); partitions],
            shuffles,
            scenario,
        }
    }

    fn pane_us(&self) -> i64 {
        self.scenario.pane.as_micros() as i64
    }

    /// A batch that an Aggregator gets.
    pub fn feed(&mut self, partition: usize, rows: &[Row]) {
        let width = self.pane_us();
        let (disorder, lateness, future) = self.scenario.bounds;
        let (disorder, lateness) = (disorder.as_micros() as i64, lateness.as_micros() as i64);
        for row in rows {
            if row.at_us - row.ingest_us > future.as_micros() as i64 {
                self.refusals[partition].push(row.offset);
                continue;
            }
            let pane = row.at_us - row.at_us.rem_euclid(width);
            let watermark = self.watermarks[partition];
            if pane + width > watermark {
                self.open[partition].entry(pane).or_default().push(row.clone());
            } else if pane + width + lateness > watermark {
                self.corrections[partition].entry(pane).or_default().push(row.clone());
            } else {
                self.refusals[partition].push(row.offset);
            }
            self.watermarks[partition] = watermark.max(row.at_us - disorder);
        }
        self.close(partition, self.watermarks[partition]);
    }

    /// The partition's bounded run ends.
    pub fn end(&mut self, partition: usize) {
        let last = self.open[partition].keys().next_back().map_or(i64::MIN, |pane| pane + self.pane_us());
        self.watermarks[partition] = self.watermarks[partition].max(last);
        self.close(partition, i64::MAX);
        self.leave_corrections(partition);
    }

    fn close(&mut self, partition: usize, watermark: i64) {
        let width = self.pane_us();
        let closing: Vec<i64> =
            self.open[partition].keys().copied().filter(|pane| pane.saturating_add(width) <= watermark).collect();
        if closing.is_empty() {
            return;
        }
        self.leave_corrections(partition);
        for pane in closing {
            let rows = self.open[partition].remove(&pane).unwrap_or_default();
            self.left.insert((partition, pane, 0), rows);
        }
    }

    fn leave_corrections(&mut self, partition: usize) {
        for (pane, rows) in std::mem::take(&mut self.corrections[partition]) {
            let first = rows.iter().map(|row| row.offset).min().expect("a correction has rows");
            self.left.insert((partition, pane, first + 1), rows);
        }
    }

    /// An Aggregator refused a row: it must be the next that has to be refused.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn refused(&mut self, partition: usize, position: Position, refusal: Refusal) {
        assert_eq!(self.refusals[partition].first(), Some(&position.offset()), "{refusal:?}");
        self.refusals[partition].remove(0);
    }

    /// A Decider reported a partial as too late: it must be one that has to be.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn late(&mut self, late: &LatePartial) {
        let key = (late.source.partition as usize, late.pane.as_micros(), late.samples);
        let found = self.shuffles.iter_mut().find_map(|shuffle| {
            let at = shuffle.late.iter().position(|other| *other == key)?;
            Some(shuffle.late.remove(at))
        });
        assert!(found.is_some(), "reported late, but usable: {late:?}");
    }

    /// A record that a Decider gets; returns the windows that it must emit.
    pub fn journal(&mut self, shuffle: usize, record: &SourceRecord, log_time: EventTime) -> Vec<ExpectedWindow> {
        let partition = record.source.partition as usize;
        if let Some(partial) = &record.partial {
            let pane = partial.pane.as_micros();
            let all = &self.left[&(partition, pane, partial.sequence)];
            let count = self.scenario.shuffle_partitions;
            let here = |row: &&Row| shuffle_partition(&target(&row.agent).own_domain(), count) as usize == shuffle;
            let rows: Vec<Row> = all.iter().filter(here).cloned().collect();
            assert_eq!(rows.len() as u64, partial.samples, "rows of pane {pane} sequence {}", partial.sequence);
            let usable = self.is_usable(shuffle, pane);
            let shuffle = &mut self.shuffles[shuffle];
            let is_on_time = shuffle.closed.is_none_or(|closed| pane >= closed);
            if usable {
                shuffle.rows.extend(rows.into_iter().map(|row| Kept { pane, partition, is_on_time, row }));
            } else {
                shuffle.late.push((partition, pane, rows.len() as u64));
            }
        }
        if let Some(mark) = record.mark {
            let seen = (log_time.as_micros(), mark.watermark.map(EventTime::as_micros), mark.drained, mark.ended);
            self.shuffles[shuffle].marks.entry(partition).or_default().push(seen);
        }
        self.advance(shuffle, log_time.as_micros());
        self.close_windows(shuffle)
    }

    /// Whether a window that holds the pane is still to be emitted.
    fn is_usable(&self, shuffle: usize, pane: i64) -> bool {
        let Some(closed) = self.shuffles[shuffle].closed else { return true };
        self.scenario.windows.iter().any(|rule| {
            let (size, slide) = (rule.spec.size.as_micros() as i64, rule.spec.slide.as_micros() as i64);
            let last_end = pane + size - (pane + size).rem_euclid(slide);
            last_end > closed
        })
    }

    /// Judges every source by the whole history of its marks.
    fn advance(&mut self, shuffle: usize, now: i64) {
        let rules = self.scenario.rules;
        let us = |duration: std::time::Duration| duration.as_micros() as i64;
        let partitions = self.scenario.partitions.len();
        let this = &mut self.shuffles[shuffle];
        let best = |marks: &[MarkSeen]| marks.iter().filter_map(|mark| mark.1).max();
        let greatest = this.marks.values().filter_map(|marks| best(marks)).max();
        let mut least: Option<Option<i64>> = None;
        for (&partition, marks) in &this.marks {
            let (watermark, last) = (best(marks), marks[marks.len() - 1]);
            let silent = now - last.0;
            let drained = last.2 && silent < us(rules.drained_valid_for);
            // The first mark of the drained ones at the end that has had nothing new since.
            let had_before = |at: usize| best(&marks[..at]);
            let since = (0..marks.len())
                .rev()
                .take_while(|&at| marks[at].2)
                .find(|&at| at == 0 || !marks[at - 1].2 || marks[at].1 > had_before(at))
                .map(|at| marks[at].0);
            if this.skewed_at.get(&partition).is_some_and(|at| *at != watermark) {
                this.skewed_at.remove(&partition);
            }
            let behind = greatest
                .is_some_and(|greatest| watermark.is_some_and(|watermark| greatest - watermark > us(rules.max_skew)));
            if drained && behind {
                this.skewed_at.insert(partition, watermark);
            }
            let idle = drained && since.is_some_and(|since| now - since >= us(rules.idle_after));
            let out = last.3 || silent >= us(rules.stall_after) || idle || this.skewed_at.contains_key(&partition);
            if !out {
                least = Some(least.map_or(watermark, |other| other.min(watermark)));
            }
        }
        if this.marks.len() == partitions {
            this.watermark = this.watermark.max(least.flatten());
        }
    }

    fn close_windows(&mut self, shuffle: usize) -> Vec<ExpectedWindow> {
        let width = self.pane_us();
        let all_ended = {
            let marks = &self.shuffles[shuffle].marks;
            marks.len() == self.scenario.partitions.len() && marks.values().all(|m| m[m.len() - 1].3)
        };
        let longest = self.scenario.windows.iter().map(|rule| rule.spec.size.as_micros() as i64).max().unwrap_or(0);
        let this = &mut self.shuffles[shuffle];
        let last_row = this.rows.iter().map(|kept| kept.pane + width + longest).max();
        let limit = if all_ended { last_row.max(this.watermark) } else { this.watermark };
        let Some(limit) = limit else { return Vec::new() };
        let limit = limit - limit.rem_euclid(width);
        let before = this.closed.unwrap_or(i64::MIN);
        this.closed = Some(limit.max(before));
        let increases = increases(this.rows.iter().filter(|kept| kept.is_on_time && kept.pane < limit));
        let mut windows: Vec<ExpectedWindow> = Vec::new();
        for rule in &self.scenario.windows {
            let (size, slide) = (rule.spec.size.as_micros() as i64, rule.spec.slide.as_micros() as i64);
            let mut held: BTreeMap<(i64, String, Option<String>), Vec<&Kept>> = BTreeMap::new();
            for kept in &this.rows {
                let Kept { pane, row, .. } = kept;
                // Every aligned end in (pane, pane + size] of a window that holds the pane.
                let mut end = pane + slide - pane.rem_euclid(slide);
                while end <= pane + size {
                    if end > before && end <= limit {
                        let mut add = |instance| held.entry((end, row.agent.clone(), instance)).or_default().push(kept);
                        if rule.agent {
                            add(None);
                        }
                        if rule.instance {
                            add(Some(row.instance.clone()));
                        }
                    }
                    end += slide;
                }
            }
            windows.extend(held.into_iter().map(|((end, agent, instance), rows)| {
                ExpectedWindow {
                    target: format!("default/{agent}"),
                    instance,
                    range: TimeRange { start: EventTime::from_micros(end - size), end: EventTime::from_micros(end) },
                    slide_us: slide,
                    increases: rows
                        .iter()
                        .filter_map(|kept| Some((kept.row.at_us, *increases.get(&(kept.partition, kept.row.offset))?)))
                        .collect(),
                    rows: rows.into_iter().map(|kept| kept.row.clone()).collect(),
                }
            }));
        }
        windows.sort_by_key(|w| {
            (w.range.end, w.target.clone(), w.range.end.since(w.range.start), w.slide_us, w.instance.clone())
        });
        windows
    }

    /// Checks at the end that nothing expected was left out.
    ///
    /// # Panics
    ///
    /// If a row should have been refused, or a partial reported, and was not.
    pub fn finish(&self) {
        assert!(self.refusals.iter().all(Vec::is_empty), "rows not refused: {:?}", self.refusals);
        assert!(self.shuffles.iter().all(|shuffle| shuffle.late.is_empty()), "late partials not reported");
    }
}

/// By partition and offset, what the total of a row has grown by since the one before of its instance, or since its start.
fn increases<'r>(rows: impl Iterator<Item = &'r Kept>) -> BTreeMap<(usize, i64), f64> {
    let mut counters: BTreeMap<(&str, &str), Vec<&Kept>> = BTreeMap::new();
    for kept in rows.filter(|kept| kept.row.total().is_some()) {
        counters.entry((&kept.row.agent, &kept.row.instance)).or_default().push(kept);
    }
    let mut increases = BTreeMap::new();
    for readings in counters.values_mut() {
        readings.sort_by_key(|kept| (kept.row.at_us, kept.partition, kept.row.offset));
        let mut before: Option<(i64, f64, Option<i64>)> = None;
        for kept in readings {
            let (at, total) = (kept.row.at_us, kept.row.total().expect("rows with totals"));
            let (value, start) = (total.value, total.start.map(EventTime::as_micros));
            let since_start = start.filter(|start| at - start <= 300_000_000).map(|_| value);
            let moved = before.and_then(|(.., known)| Some(start? - known?)).unwrap_or(0);
            let increase = match before {
                Some(_) if moved < -1_000_000 => continue,
                Some((before_at, ..)) if moved <= 1_000_000 && at - before_at > 300_000_000 => None,
                Some((_, known, _)) if moved <= 1_000_000 => Some(if value < known { value } else { value - known }),
                _ => since_start,
            };
            before = Some((at, value, start));
            increases.extend(increase.map(|increase| ((kept.partition, kept.row.offset), increase)));
        }
    }
    increases
}

fn target(agent: &str) -> Target {
    Target { workspace: "default".into(), agent: agent.into(), region: None }
}

/// Compares windows one by one, in order: counts, least and greatest exactly, sums within 1e-9, variance within 1e-6,
/// percentiles within the stated error of the exact nearest rank.
///
/// # Panics
///
/// If they differ.
pub fn assert_equal(expected: &[ExpectedWindow], got: &[WindowSummary]) {
    let names = |windows: &[WindowSummary]| -> Vec<String> { windows.iter().map(describe).collect() };
    assert_eq!(expected.len(), got.len(), "windows: expected {expected:?}\ngot {:?}", names(got));
    for (want, got) in expected.iter().zip(got) {
        assert_eq!(
            (want.target.clone(), want.instance.clone(), want.range, want.slide_us),
            (
                got.target.to_string(),
                got.instance.as_ref().map(ToString::to_string),
                got.range,
                got.slide.as_micros() as i64
            )
        );
        assert_eq!(want.rows.len() as u64, got.samples, "{}", describe(got));
        let of_rows = |value: fn(&Row) -> Option<f64>| -> Vec<(i64, f64)> {
            want.rows.iter().filter_map(|row| Some((row.at_us, value(row)?))).collect()
        };
        check_gauge(got, "queue_depth", &of_rows(|row| row.queue_depth));
        check_gauge(got, "requests", &of_rows(|row| row.requests));
        check_gauge(got, TOTAL, &want.increases);
        check_latency(want, got);
        check_attributes(want, got);
    }
}

fn describe(window: &WindowSummary) -> String {
    format!("{} {:?} [{}, {})", window.target, window.instance, window.range.start, window.range.end)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-9)
}

/// Values with their event times.
fn check_gauge(got: &WindowSummary, name: &str, timed: &[(i64, f64)]) {
    let values: Vec<f64> = timed.iter().map(|(_, value)| *value).collect();
    let Some(gauge) = got.gauges.get(name) else { return assert!(values.is_empty(), "{name} of {}", describe(got)) };
    let count = values.len() as f64;
    let (sum, mean) = (values.iter().sum::<f64>(), values.iter().sum::<f64>() / count);
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    assert_eq!(gauge.count, values.len() as u64, "{name} of {}", describe(got));
    assert_eq!(gauge.min, values.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(gauge.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    assert!(close(gauge.sum, sum, 1e-9) && close(gauge.mean, mean, 1e-9), "{name} {gauge:?} sum {sum}");
    assert!((gauge.variance - variance).abs() <= 1e-6 * variance.max(1e-6), "{name} {gauge:?} variance {variance}");
    let latest = timed.iter().map(|(at, _)| *at).max();
    let last: Vec<f64> = timed.iter().filter(|(at, _)| Some(*at) == latest).map(|(_, value)| *value).collect();
    assert!(last.contains(&gauge.last), "{name} last {} of {last:?}", gauge.last);
}

/// An instance that says in the window where it runs has said so, and never has a version that is still to come. Which of
/// several versions it has where rows come late is up to the order in which they came.
fn check_attributes(want: &ExpectedWindow, got: &WindowSummary) {
    let text = |attribute| got.attributes.get(&attribute).map(ToString::to_string);
    if want.instance.is_none() {
        assert!(got.attributes.is_empty(), "{}", describe(got));
        return;
    }
    if let Some(region) = want.rows.iter().find_map(Row::region) {
        assert_eq!(text(Attribute::Region), Some(region), "{}", describe(got));
    }
    if let Some(newest) = want.rows.iter().filter_map(Row::version).max() {
        assert!(text(Attribute::Version).is_some_and(|version| version <= newest), "{}", describe(got));
    }
}

fn check_latency(want: &ExpectedWindow, got: &WindowSummary) {
    let mut values: Vec<f64> = want.rows.iter().filter_map(|row| row.response_time_ms).collect();
    let Some(latency) = got.latencies.get("response_time_ms") else { return assert!(values.is_empty()) };
    values.sort_by(f64::total_cmp);
    assert_eq!(latency.count, values.len() as u64);
    let quantiles = [
        (0.5, latency.p50),
        (0.75, latency.p75),
        (0.9, latency.p90),
        (0.95, latency.p95),
        (0.99, latency.p99),
        (0.999, latency.p999),
    ];
    for (q, value) in quantiles {
        let exact = values[nearest_rank(q, values.len() as u64) as usize - 1];
        assert!(close(value, exact, latency.relative_error + 1e-12), "p{q} {value} exact {exact}");
    }
    check_sketch(&values, got);
}

/// A sketch that a window carries is that of its values, however they were cut into panes.
fn check_sketch(values: &[f64], got: &WindowSummary) {
    let Some(carried) = got.sketches.get("response_time_ms") else { return };
    let mut exact = Sketch::default();
    values.iter().for_each(|&value| exact.insert(value));
    let carried = Sketch::from_bytes(carried.as_slice()).expect("a sketch of ours");
    assert_eq!(carried.buckets(), exact.buckets(), "{}", describe(got));
}
