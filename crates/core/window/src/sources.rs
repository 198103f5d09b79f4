//! Watermarks of sources, and the overall one: how far event time has advanced as far as the journal tells.
//!
//! A watermark `w` is a promise: no sample still to come on time belongs to a pane that ends at or before `w`. A
//! *source* is a telemetry partition; its marks arrive in the journal with its watermark and whether it was read to
//! its end. Panes close on the least watermark of the sources that count, and on nothing else.
//!
//! ```text
//!             ┌ no mark for stall_after ─► stalled ┐
//!  counted ───┤                                    ├─► counted again when it moves (a mark, or a new watermark)
//!             ├ drained, far behind ─────► skewed ─┤
//!             ├ drained for idle_after ──► idle ───┤      stalled and skewed sources lower completeness;
//!             └ its bounded run ended ───► ended ──┘      idle and ended ones do not
//! ```
//!
//! - **W1** A source's watermark never moves backwards, nor does the overall one.
//! - **W2** The overall watermark is the least over counted sources; it stands still while none is counted.
//! - **W3** There is none before every partition of every topic has spoken.
//!
//! Deliberately absent: timers. Silence is noticed by the log's own time (`LogAppendTime` of the journal), so a replay
//! notices it at the same place.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegauge_model::EventTime;

/// A partition of a telemetry topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
}

/// When a source stops counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRules {
    /// A drained source this far behind the greatest watermark is excluded until it moves.
    pub max_skew: Duration,
    /// A source that has been drained for this long (log time), with nothing new meanwhile, is idle.
    pub idle_after: Duration,
    /// A source without a mark for this long (log time) is excluded until it speaks.
    pub stall_after: Duration,
    /// `drained` is believed only while its mark is younger than this (log time): after a crash the last mark may say
    /// drained while the partition has filled.
    pub drained_valid_for: Duration,
}

impl Default for SourceRules {
    fn default() -> Self {
        Self {
            max_skew: Duration::from_secs(300),
            idle_after: Duration::from_secs(15),
            stall_after: Duration::from_secs(60),
            drained_valid_for: Duration::from_secs(10),
        }
    }
}

/// What a source said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its watermark; `None` before its first sample.
    pub watermark: Option<EventTime>,
    /// It was read to its end.
    pub drained: bool,
    /// It belongs to a bounded run that has read all it was to read.
    pub ended: bool,
}

/// Why a source is not counted, or that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// In the minimum.
    Counted,
    /// Drained for long enough: an empty partition is no loss.
    Idle,
    /// Its bounded run ended: no loss.
    Ended,
    /// Drained and too far behind the others: a loss.
    Skewed,
    /// Silent for too long: a loss.
    Stalled,
}

#[derive(Clone, Debug)]
struct Source {
    progress: Progress,
    spoke_at: EventTime,
    drained_since: Option<EventTime>,
    /// The watermark at which it was found too far behind: it stays out until it has moved.
    skewed_at: Option<Option<EventTime>>,
    standing: Standing,
}

/// All sources of one journal partition.
#[derive(Clone, Debug)]
pub struct Sources {
    rules: SourceRules,
    /// Partitions of each topic, as first announced; 0 until the topic's first mark.
    topics: BTreeMap<Arc<str>, u32>,
    sources: BTreeMap<SourceId, Source>,
    watermark: Option<EventTime>,
}

/// All that [`Sources`] remember, as plain data. Standings are not in it: they are judged anew at every step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesState {
    watermark: Option<EventTime>,
    topics: Vec<(String, u32)>,
    sources: Vec<SourceState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SourceState {
    topic: String,
    partition: u32,
    watermark: Option<EventTime>,
    drained: bool,
    ended: bool,
    spoke_at: EventTime,
    drained_since: Option<EventTime>,
    is_skewed: bool,
    skewed_at: Option<EventTime>,
}

impl Sources {
    /// What there is to remember, for [`Self::restored`].
    #[must_use]
    pub fn state(&self) -> SourcesState {
        let source = |(id, source): (&SourceId, &Source)| SourceState {
            topic: id.topic.to_string(),
            partition: id.partition,
            watermark: source.progress.watermark,
            drained: source.progress.drained,
            ended: source.progress.ended,
            spoke_at: source.spoke_at,
            drained_since: source.drained_since,
            is_skewed: source.skewed_at.is_some(),
            skewed_at: source.skewed_at.flatten(),
        };
        SourcesState {
            watermark: self.watermark,
            topics: self.topics.iter().map(|(topic, &count)| (topic.to_string(), count)).collect(),
            sources: self.sources.iter().map(source).collect(),
        }
    }

    /// As they were when `state` was taken. Topics that it does not know are waited for too; those that are not read any
    /// more are forgotten.
    #[must_use]
    pub fn restored(state: &SourcesState, topics: impl IntoIterator<Item = Arc<str>>, rules: SourceRules) -> Self {
        let mut restored = Self::new(topics, rules);
        for (topic, count) in &state.topics {
            restored.topics.entry(topic.as_str().into()).and_modify(|kept| *kept = *count);
        }
        restored.watermark = state.watermark;
        let is_read = |kept: &&SourceState| restored.topics.contains_key(kept.topic.as_str());
        let kept: Vec<&SourceState> = state.sources.iter().filter(is_read).collect();
        for kept in kept {
            let id = SourceId { topic: kept.topic.as_str().into(), partition: kept.partition };
            let source = Source {
                progress: Progress { watermark: kept.watermark, drained: kept.drained, ended: kept.ended },
                spoke_at: kept.spoke_at,
                drained_since: kept.drained_since,
                skewed_at: kept.is_skewed.then_some(kept.skewed_at),
                standing: Standing::Counted,
            };
            restored.sources.insert(id, source);
        }
        restored
    }

    /// The watermark that a source has stated.
    #[must_use]
    pub fn watermark_of(&self, id: &SourceId) -> Option<EventTime> {
        self.sources.get(id)?.progress.watermark
    }

    /// Waits for every partition of every topic of `topics`.
    #[must_use]
    pub fn new(topics: impl IntoIterator<Item = Arc<str>>, rules: SourceRules) -> Self {
        let topics = topics.into_iter().map(|topic| (topic, 0)).collect();
        Self { rules, topics, sources: BTreeMap::new(), watermark: None }
    }

    /// Takes note of a mark that the journal stored at `log_time`. `partitions` is the topic's count as the source
    /// knows it. Marks of topics that are not waited for count from their first.
    pub fn mark(&mut self, id: &SourceId, partitions: u32, progress: Progress, log_time: EventTime) {
        self.topics.entry(id.topic.clone()).and_modify(|count| *count = (*count).max(partitions)).or_insert(partitions);
        let source = self.sources.entry(id.clone()).or_insert_with(|| Source {
            progress,
            spoke_at: log_time,
            drained_since: None,
            skewed_at: None,
            standing: Standing::Counted,
        });
        // Who is slow and always read to the end is not idle: idle is who has nothing new.
        let moved = progress.watermark > source.progress.watermark;
        let drained_since = source.drained_since.filter(|_| !moved).unwrap_or(log_time);
        source.drained_since = progress.drained.then_some(drained_since);
        // W1: a restarted reader may say less than it said before.
        source.progress = Progress { watermark: progress.watermark.max(source.progress.watermark), ..progress };
        source.spoke_at = source.spoke_at.max(log_time);
        self.advance(log_time);
    }

    /// Judges every source at `log_time` and moves the overall watermark.
    pub fn advance(&mut self, log_time: EventTime) {
        let greatest = self.sources.values().filter_map(|source| source.progress.watermark).max();
        for source in self.sources.values_mut() {
            source.judge(&self.rules, greatest, log_time);
        }
        let least = self.all_have_spoken().then(|| self.counted().map(|source| source.progress.watermark).min());
        // `None` of a counted source (it never had a sample) holds all back: `None` is least.
        self.watermark = self.watermark.max(least.flatten().flatten());
    }

    fn counted(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().filter(|source| source.standing == Standing::Counted)
    }

    fn all_have_spoken(&self) -> bool {
        self.topics.iter().all(|(topic, &partitions)| {
            let id = |partition| SourceId { topic: topic.clone(), partition };
            partitions > 0 && (0..partitions).all(|partition| self.sources.contains_key(&id(partition)))
        })
    }

    /// The overall watermark; `None` until every source has spoken and one has had samples.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark
    }

    /// Whether every source ended its bounded run: nothing more will come, all windows can close.
    #[must_use]
    pub fn all_ended(&self) -> bool {
        self.all_have_spoken() && self.sources.values().all(|source| source.standing == Standing::Ended)
    }

    /// Counted sources ÷ sources that should be (idle and ended ones are no loss); 1 if none should.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let lost = self.sources.values().filter(|s| matches!(s.standing, Standing::Skewed | Standing::Stalled)).count();
        let counted = self.counted().count();
        if counted + lost == 0 { 1.0 } else { counted as f64 / (counted + lost) as f64 }
    }

    /// Every source with its watermark and standing, in order.
    pub fn standings(&self) -> impl Iterator<Item = (&SourceId, Option<EventTime>, Standing)> {
        self.sources.iter().map(|(id, source)| (id, source.progress.watermark, source.standing))
    }

    /// The source that holds the overall watermark back: the counted one with the least watermark.
    #[must_use]
    pub fn slowest(&self) -> Option<&SourceId> {
        let counted = self.sources.iter().filter(|(_, source)| source.standing == Standing::Counted);
        counted.min_by_key(|(id, source)| (source.progress.watermark, *id)).map(|(id, _)| id)
    }
}

impl Source {
    fn judge(&mut self, rules: &SourceRules, greatest: Option<EventTime>, log_time: EventTime) {
        let silent_for = log_time.since(self.spoke_at);
        let drained_since = self.drained_since.filter(|_| silent_for < rules.drained_valid_for);
        if self.skewed_at.is_some_and(|at| at != self.progress.watermark) {
            self.skewed_at = None;
        }
        // An empty partition is behind nobody: it holds all back until it is idle, and is no loss then.
        let behind =
            greatest.zip(self.progress.watermark).is_some_and(|(greatest, own)| greatest.since(own) > rules.max_skew);
        if drained_since.is_some() && behind {
            self.skewed_at = Some(self.progress.watermark);
        }
        self.standing = if self.progress.ended {
            Standing::Ended
        } else if silent_for >= rules.stall_after {
            Standing::Stalled
        } else if drained_since.is_some_and(|since| log_time.since(since) >= rules.idle_after) {
            Standing::Idle
        } else if self.skewed_at.is_some() {
            Standing::Skewed
        } else {
            Standing::Counted
        };
    }
}
