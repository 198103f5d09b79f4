//! The engine's rules by brute force: every row is kept, every window computed from scratch, every standing judged
//! anew from the whole history of marks. Slow, and short enough to be checked by reading.

mod compare;
mod sessions;

pub use compare::assert_equal;

use crate::scenario::{Row, Scenario};
use sessions::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_engine::{LatePartial, Refusal, RollupRule, SourceRecord, Sums};
use tidegauge_model::time::micros;
use tidegauge_model::{Edition, EntityKey, EventTime, Level, Position, Target, TimeRange};

/// What the reference expects of one window.
#[derive(Clone, Debug)]
pub struct ExpectedWindow {
    target: Target,
    instance: Option<String>,
    entity: Option<EntityKey>,
    range: TimeRange,
    slide_us: i64,
    edition: Edition,
    /// When it is said.
    said_at: EventTime,
    /// Regions have windows of this kind.
    with_regions: bool,
    rows: Vec<Kept>,
}

/// A mark as it stood in the journal: log time, watermark, drained, ended.
type MarkSeen = (i64, Option<i64>, bool, bool);

/// Target, other entity, end, and size and slide of a window.
type WindowPlace = (Target, Option<EntityKey>, i64, (i64, i64));

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
    /// Rows in the last early result, by size, target and start.
    early: BTreeMap<(i64, Target, i64), usize>,
    /// Of which pane, target, other entity and instance rows came after it had closed, since the last mark.
    corrected: Vec<(i64, Target, Option<EntityKey>, String)>,
    /// Revisions so far.
    revisions: BTreeMap<WindowPlace, u32>,
    /// That are open.
    sessions: Vec<Session>,
    late: Vec<(usize, i64, u64)>,
}

/// A window that is said again: its end, target, size and slide, other entity, and instance.
type RevisedKey = (i64, Target, (i64, i64), Option<EntityKey>, Option<String>);

/// A row that counts.
#[derive(Clone, Debug)]
struct Kept {
    /// For whom: an agent, a workspace, the fleet; of another entity whose it is.
    target: Target,
    pane: i64,
    partition: usize,
    /// It was there when its pane was closed.
    is_on_time: bool,
    /// What its total has grown by, once its pane has closed.
    increase: Option<f64>,
    row: Row,
}

impl Deref for Kept {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
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
            let here = |target: &Target| shuffle_partition(&target.own_domain(), count) as usize == shuffle;
            let sums = self.scenario.sums();
            let rows = all.iter().flat_map(|row| row.targets(sums).map(move |target| (target, row.clone())));
            let rows: Vec<(Target, Row)> = rows.filter(|(target, _)| here(target)).collect();
            let samples = rows.iter().filter(|(target, row)| !row.is_added_to(target)).count() as u64;
            assert_eq!(samples, partial.samples, "rows of pane {pane} sequence {}", partial.sequence);
            let usable = self.is_usable(shuffle, pane);
            let (rule, width) = (self.scenario.sessions, self.pane_us());
            let shuffle = &mut self.shuffles[shuffle];
            let is_on_time = shuffle.closed.is_none_or(|closed| pane >= closed);
            let kept = |(target, row)| Kept { target, pane, partition, is_on_time, increase: None, row };
            let rows: Vec<Kept> = rows.into_iter().map(kept).collect();
            if let Some(rule) = rule.filter(|rule| sessions::takes_correction(rule, pane + width, shuffle.closed)) {
                sessions::join_rows(&mut shuffle.sessions, &rule, (pane, pane + width), &rows);
            }
            if usable && !is_on_time {
                let whose = |kept: &Kept| (pane, kept.target.clone(), kept.entity.clone(), kept.instance.clone());
                shuffle.corrected.extend(rows.iter().map(whose));
            }
            if usable {
                shuffle.rows.extend(rows);
            } else {
                shuffle.late.push((partition, pane, samples));
            }
        }
        let mut windows = if record.mark.is_some() { self.revised(shuffle) } else { Vec::new() };
        if let Some(mark) = record.mark {
            let seen = (log_time.as_micros(), mark.watermark.map(EventTime::as_micros), mark.drained, mark.ended);
            self.shuffles[shuffle].marks.entry(partition).or_default().push(seen);
        }
        self.advance(shuffle, log_time.as_micros());
        windows.extend(self.close_windows(shuffle));
        windows
    }

    /// The windows that had closed before rows came for one of their panes, and not too long before.
    fn revised(&mut self, shuffle: usize) -> Vec<ExpectedWindow> {
        let this = &mut self.shuffles[shuffle];
        let corrected = std::mem::take(&mut this.corrected);
        let Some(closed) = this.closed else { return Vec::new() };
        let mut held: BTreeMap<RevisedKey, Vec<Kept>> = BTreeMap::new();
        for rule in &self.scenario.windows {
            let Some(revisions) = rule.revisions else { continue };
            let (size, slide) = (micros(rule.spec.size), micros(rule.spec.slide));
            for (pane, target, entity, instance) in &corrected {
                let first = pane + slide - pane.rem_euclid(slide);
                let ends = (first..=pane + size).step_by(slide as usize);
                for end in ends.filter(|end| *end <= closed && end + micros(revisions) > closed) {
                    let of_target = this.rows.iter().filter(|kept| kept.target == *target && kept.entity == *entity);
                    let of_window: Vec<&Kept> =
                        of_target.filter(|kept| (end - size..end).contains(&kept.pane)).collect();
                    let key = |instance: Option<String>| (end, target.clone(), (size, slide), entity.clone(), instance);
                    let is_of_instance = entity.is_none();
                    let is_whole = if is_of_instance { wants(rule.agent, rule.sums, target) } else { rule.entity };
                    if is_whole {
                        held.insert(key(None), of_window.iter().map(|kept| (*kept).clone()).collect());
                    }
                    if rule.instance && is_of_instance && !target.is_sum() {
                        let own = of_window.iter().filter(|kept| kept.instance == *instance);
                        held.insert(key(Some(instance.clone())), own.map(|kept| (*kept).clone()).collect());
                    }
                }
            }
        }
        let number = |(end, target, kind, entity, _): &RevisedKey| (target.clone(), entity.clone(), *end, *kind);
        let numbers: BTreeSet<_> = held.keys().map(number).collect();
        numbers.into_iter().for_each(|number| *this.revisions.entry(number).or_default() += 1);
        let windows = held.into_iter().map(|((end, target, kind, entity, instance), rows)| ExpectedWindow {
            instance,
            range: TimeRange { start: EventTime::from_micros(end - kind.0), end: EventTime::from_micros(end) },
            slide_us: kind.1,
            edition: Edition {
                early_through: None,
                revision: this.revisions[&(target.clone(), entity.clone(), end, kind)],
                is_revised: true,
            },
            entity,
            target,
            said_at: EventTime::from_micros(end),
            with_regions: false,
            rows,
        });
        windows.collect()
    }

    /// Whether a window that holds the pane is still to be emitted.
    fn is_usable(&self, shuffle: usize, pane: i64) -> bool {
        let Some(closed) = self.shuffles[shuffle].closed else { return true };
        if pane >= closed
            || self.scenario.sessions.is_some_and(|rule| sessions::is_usable(&rule, pane + self.pane_us(), closed))
        {
            return true;
        }
        let kinds = self.scenario.windows.iter().map(|rule| (rule.spec, rule.revisions.unwrap_or_default()));
        kinds.chain(self.scenario.rollups.iter().map(|rule| (rule.spec(), Duration::ZERO))).any(|(spec, revisions)| {
            let (size, slide) = (micros(spec.size), micros(spec.slide));
            let last_end = pane + size - (pane + size).rem_euclid(slide);
            last_end + micros(revisions) > closed
        })
    }

    /// Judges every source by the whole history of its marks.
    fn advance(&mut self, shuffle: usize, now: i64) {
        let rules = self.scenario.rules;
        let us = |duration: Duration| duration.as_micros() as i64;
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
        for kept in &mut this.rows {
            kept.increase = increases.get(&(kept.target.clone(), kept.partition, kept.row.offset)).copied();
        }
        let mut windows: Vec<ExpectedWindow> = Vec::new();
        for rule in &self.scenario.windows {
            let (size, slide) = (rule.spec.size.as_micros() as i64, rule.spec.slide.as_micros() as i64);
            let mut held: BTreeMap<_, Vec<&Kept>> = BTreeMap::new();
            for kept in &this.rows {
                let Kept { pane, row, target, .. } = kept;
                // Every aligned end in (pane, pane + size] of a window that holds the pane.
                let mut end = pane + slide - pane.rem_euclid(slide);
                while end <= pane + size {
                    if end > before && end <= limit {
                        let mut add = |instance| {
                            let key = (end, target.clone(), row.entity.clone(), instance);
                            held.entry(key).or_default().push(kept);
                        };
                        if row.entity.is_some() {
                            if rule.entity {
                                add(None);
                            }
                        } else {
                            if wants(rule.agent, rule.sums, target) {
                                add(None);
                            }
                            if rule.instance && !target.is_sum() {
                                add(Some(row.instance.clone()));
                            }
                        }
                    }
                    end += slide;
                }
            }
            windows.extend(held.into_iter().map(|((end, target, entity, instance), rows)| ExpectedWindow {
                target,
                instance,
                entity,
                range: TimeRange { start: EventTime::from_micros(end - size), end: EventTime::from_micros(end) },
                slide_us: slide,
                edition: Edition::ONLY,
                said_at: EventTime::from_micros(end),
                with_regions: rule.region,
                rows: rows.into_iter().cloned().collect(),
            }));
        }
        for rule in &self.scenario.rollups {
            windows.extend(rollups(this, rule, width, (before, limit)));
        }
        if let Some(rule) = self.scenario.sessions {
            windows.extend(sessions::closed(this, &rule, width, (before, limit)));
        }
        // Sessions last, of one entity as they lie in time.
        windows.sort_by_key(|w| {
            let (is_session, length) = (w.slide_us == 0, w.range.end.since(w.range.start));
            let (kind, start) =
                if is_session { (None, Some(w.range.start)) } else { (Some((length, w.slide_us)), None) };
            (w.said_at, is_session, w.target.clone(), kind, w.entity.clone(), w.instance.clone(), start)
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

/// By target, partition and offset, what the total of a row has grown by since the one before of its instance, or of its
/// entity and who reports it, or since its start.
fn increases<'r>(rows: impl Iterator<Item = &'r Kept>) -> BTreeMap<(Target, usize, i64), f64> {
    let mut counters: BTreeMap<_, Vec<&Kept>> = BTreeMap::new();
    for kept in rows.filter(|kept| kept.row.total().is_some()) {
        let Row { agent, entity, instance, .. } = &kept.row;
        counters.entry((&kept.target, agent, entity, instance)).or_default().push(kept);
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
            increases
                .extend(increase.map(|increase| ((kept.target.clone(), kept.partition, kept.row.offset), increase)));
        }
    }
    increases
}

/// What a kind of roll-up says after `before`, up to `limit`: at every early moment what is new, at the end what there is.
fn rollups(shuffle: &mut Shuffle, rule: &RollupRule, width: i64, (before, limit): (i64, i64)) -> Vec<ExpectedWindow> {
    let (size, slide) = (micros(rule.size), micros(rule.slide));
    let step = rule.early.map_or(slide, micros);
    let rows = || shuffle.rows.iter().filter(|kept| kept.entity.is_none());
    let Some(first) = rows().map(|kept| kept.pane).min() else { return Vec::new() };
    let from = before.max(first);
    let (mut at, mut windows) = (from - from.rem_euclid(step) + step, Vec::new());
    while at <= limit {
        // One that slides says nothing early: at each of its steps a window ends.
        let start = if slide < size { at - size } else { at - width - (at - width).rem_euclid(size) };
        let mut held: BTreeMap<Target, Vec<Kept>> = BTreeMap::new();
        for kept in rows().filter(|kept| (start..at).contains(&kept.pane)) {
            assert!(kept.pane + width <= at);
            held.entry(kept.target.clone()).or_default().push(kept.clone());
        }
        held.retain(|target, _| wants(rule.agent, rule.sums, target));
        let is_final = at == start + size;
        for (target, rows) in held {
            let known = shuffle.early.insert((size, target.clone(), start), rows.len());
            if !is_final && known == Some(rows.len()) {
                continue;
            }
            windows.push(ExpectedWindow {
                target,
                instance: None,
                entity: None,
                range: TimeRange { start: EventTime::from_micros(start), end: EventTime::from_micros(start + size) },
                slide_us: slide,
                edition: Edition {
                    early_through: (!is_final).then(|| EventTime::from_micros(at)),
                    revision: if rule.early.is_some() { ((at - start) / step - 1) as u32 } else { 0 },
                    is_revised: false,
                },
                said_at: EventTime::from_micros(at),
                with_regions: false,
                rows,
            });
        }
        at += step;
    }
    windows
}

/// Whether a kind of windows has one of this target.
fn wants(agent: bool, sums: Sums, target: &Target) -> bool {
    match target.level() {
        Level::Workspace => sums.workspace,
        Level::Fleet => sums.fleet,
        Level::Agent | Level::Region | Level::Instance | Level::Entity => agent,
    }
}
