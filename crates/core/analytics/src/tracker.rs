//! From what each window shows to findings that open, last and end.
//!
//! ```text
//!            enter × k              below × m
//!  nothing ─────────────► open ──────────────► ended
//!     ▲  stay, below │     │ ▲ enter, stay
//!     └──────────────┘     └─┘
//! ```
//!
//! `enter` is at or above the level that opens, `stay` between that and the lower one that keeps open. An entity about
//! which a window can say nothing is *unjudged*: neither its run nor its end advances.
//!
//! - **T1** An episode opens only after `open_after` windows in a row at `enter`, and its onset is the start of the
//!   first.
//! - **T2** It ends only after `close_after` windows in a row below `stay`, and is then forgotten.
//! - **T3** A window that ends at or before the last one seen changes nothing.
//! - **T4** What comes out is ordered by key, and a function of the windows alone.
//! - **T5** A tracker that was written and read again goes on as if it had not been.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{
    Cause, Confidence, Entity, EventTime, Evidence, Finding, FindingKind, FindingState, Severity, Text, TimeRange,
    finding_id,
};

/// How long something has to hold, and to be away, in windows; 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Windows in a row at the entry level before it opens.
    pub open_after: u32,
    /// Windows in a row below the level that keeps it open before it ends.
    pub close_after: u32,
}

impl Default for Hold {
    fn default() -> Self {
        Self { open_after: 3, close_after: 2 }
    }
}

/// How strong a window's indication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Keeps open what is open.
    Stay,
    /// Opens.
    Enter,
}

/// What became of an episode in this window.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K, V> {
    /// Of what.
    pub key: K,
    /// When it began.
    pub onset: EventTime,
    /// Where it stands now.
    pub state: FindingState,
    /// What the window shows; of an ended one, what the last window that showed anything did.
    pub shown: V,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Episode<V> {
    onset: EventTime,
    run: u32,
    clear: u32,
    open: bool,
    shown: V,
}

/// Episodes of several keys, open and about to open. Serialized as a list: a key need not be a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Ord + Serialize, V: Serialize",
    deserialize = "K: Ord + Deserialize<'de>, V: Deserialize<'de>"
))]
pub struct Episodes<K, V> {
    last: EventTime,
    #[serde(with = "entries")]
    of: BTreeMap<K, Episode<V>>,
}

/// A map as a list of its entries, ascending by key.
mod entries {
    use super::BTreeMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Ord + Deserialize<'de>,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<K, V> Default for Episodes<K, V> {
    fn default() -> Self {
        Self { last: EventTime::MIN, of: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Episodes<K, V> {
    /// Takes in what a window shows, and says what changed. Keys of `unjudged` that are not shown stay as they are.
    pub fn step(
        &mut self,
        window: TimeRange,
        hold: impl Fn(&K) -> Hold,
        shown: BTreeMap<K, (Strength, V)>,
        unjudged: &BTreeSet<K>,
    ) -> Vec<Change<K, V>> {
        if window.end <= self.last {
            return Vec::new();
        }
        self.last = window.end;
        let mut changes = Vec::new();
        let quiet: Vec<K> = self.of.keys().filter(|key| !shown.contains_key(key)).cloned().collect();
        for key in quiet.into_iter().filter(|key| !unjudged.contains(key)) {
            changes.extend(self.is_below(key, &hold));
        }
        for (key, (strength, value)) in shown {
            changes.extend(self.is_shown(key, window, strength, value, &hold));
        }
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        changes
    }

    fn is_below(&mut self, key: K, hold: impl Fn(&K) -> Hold) -> Option<Change<K, V>> {
        let episode = self.of.get_mut(&key)?;
        episode.clear += 1;
        if episode.open && episode.clear < hold(&key).close_after {
            return None;
        }
        let episode = self.of.remove(&key)?;
        let Episode { onset, open, shown, .. } = episode;
        open.then_some(Change { key, onset, state: FindingState::Ended, shown })
    }

    fn is_shown(
        &mut self,
        key: K,
        window: TimeRange,
        strength: Strength,
        value: V,
        hold: impl Fn(&K) -> Hold,
    ) -> Option<Change<K, V>> {
        let is_open = self.of.get(&key).is_some_and(|episode| episode.open);
        if !is_open && strength == Strength::Stay {
            self.of.remove(&key);
            return None;
        }
        let start = || Episode { onset: window.start, run: 0, clear: 0, open: false, shown: value.clone() };
        let episode = self.of.entry(key.clone()).or_insert_with(start);
        (episode.run, episode.clear) = (episode.run.saturating_add(1), 0);
        episode.shown = value.clone();
        let state = match episode.open {
            true => FindingState::Ongoing,
            false if episode.run >= hold(&key).open_after => FindingState::Open,
            false => return None,
        };
        episode.open = true;
        Some(Change { key, onset: episode.onset, state, shown: value })
    }

    /// Ends all that is open, as of `at`, and forgets what was about to open.
    pub fn end_all(&mut self, at: EventTime) -> Vec<Change<K, V>> {
        self.last = self.last.max(at);
        let all = std::mem::take(&mut self.of).into_iter();
        let ended = |(key, Episode { onset, open, shown, .. })| {
            open.then_some(Change { key, onset, state: FindingState::Ended, shown })
        };
        all.filter_map(ended).collect()
    }

    /// When the episode of `key` began, if it is open or about to open.
    #[must_use]
    pub fn onset(&self, key: &K) -> Option<EventTime> {
        self.of.get(key).map(|episode| episode.onset)
    }

    /// Whether an episode of `key` is open.
    #[must_use]
    pub fn is_open(&self, key: &K) -> bool {
        self.of.get(key).is_some_and(|episode| episode.open)
    }

    /// Episodes kept, open and about to open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// What one window shows of one entity: a finding that has not been held yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indication {
    /// What it says.
    pub kind: FindingKind,
    /// Of whom.
    pub entity: Entity,
    /// Whether it opens, or only keeps open.
    pub strength: Strength,
    /// How bad it is.
    pub severity: Severity,
    /// The number that made it one, finite.
    pub value: f64,
    /// Its unit.
    pub unit: Text,
    /// What it rests on, the most telling first.
    pub evidence: Vec<Evidence>,
    /// How sure it is.
    pub confidence: Confidence,
    /// What may be behind it, the strongest first.
    pub causes: Vec<Cause>,
    /// What to do, in the order to try it.
    pub remedies: Vec<Text>,
    /// One line for people.
    pub summary: String,
}

/// One named number; not finite ones are left out, since evidence is numbers.
#[must_use]
pub fn evidence(numbers: &[(&'static str, Option<f64>, &'static str)]) -> Vec<Evidence> {
    let finite = numbers.iter().filter_map(|&(name, value, unit)| {
        let value = value.filter(|value| value.is_finite())?;
        Some(Evidence { name: name.into(), value, unit: unit.into() })
    });
    finite.collect()
}

/// Open findings, and those about to open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracker {
    episodes: Episodes<(FindingKind, Entity), Indication>,
}

/// What a window says, as a tracker takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The window.
    pub window: TimeRange,
    /// Its completeness, 0 to 1.
    pub completeness: f64,
    /// What it shows; of two of one kind and entity, the later counts.
    pub indications: Vec<Indication>,
    /// Entities about which it can say nothing: their findings stay as they are.
    pub unjudged: BTreeSet<Entity>,
}

impl Tracker {
    /// Takes in a window; `hold` says how long a finding of a kind has to hold. Returns the findings that are open in
    /// this window or ended with it, by kind, then entity.
    pub fn step(&mut self, shown: Shown, hold: impl Fn(FindingKind) -> Hold) -> Vec<Finding> {
        let Shown { window, completeness, indications, unjudged } = shown;
        let unjudged: BTreeSet<_> =
            self.episodes.of.keys().filter(|(_, entity)| unjudged.contains(entity)).cloned().collect();
        let by_key: BTreeMap<_, _> =
            indications.into_iter().map(|each| ((each.kind, each.entity.clone()), (each.strength, each))).collect();
        let changes = self.episodes.step(window, |(kind, _)| hold(*kind), by_key, &unjudged);
        changes.into_iter().map(|change| finding(change, window, completeness)).collect()
    }

    /// Ends all findings with `window`, since nobody will look any more: the agent is gone, or is not analysed.
    pub fn end_all(&mut self, window: TimeRange) -> Vec<Finding> {
        let changes = self.episodes.end_all(window.end);
        changes.into_iter().map(|change| finding(change, window, 0.0)).collect()
    }

    /// The findings that are open, as of `end`, each as the last window that showed it did; by kind, then entity.
    #[must_use]
    pub fn open(&self, end: EventTime) -> Vec<Finding> {
        let open = self.episodes.of.iter().filter(|(_, episode)| episode.open);
        let ongoing = open.map(|(key, Episode { onset, shown, .. })| {
            let (key, onset, shown) = (key.clone(), *onset, shown.clone());
            finding(Change { key, onset, state: FindingState::Ongoing, shown }, TimeRange { start: onset, end }, 1.0)
        });
        ongoing.collect()
    }

    /// Whether a finding of that kind and entity is open.
    #[must_use]
    pub fn is_open(&self, kind: FindingKind, entity: &Entity) -> bool {
        self.episodes.is_open(&(kind, entity.clone()))
    }

    /// When a finding of that kind and entity began, if it is open or about to open.
    #[must_use]
    pub fn onset(&self, kind: FindingKind, entity: &Entity) -> Option<EventTime> {
        self.episodes.onset(&(kind, entity.clone()))
    }

    /// Findings open or about to open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.episodes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }
}

fn finding(change: Change<(FindingKind, Entity), Indication>, window: TimeRange, completeness: f64) -> Finding {
    let Change { key: (kind, entity), onset, state, shown } = change;
    Finding {
        id: finding_id(kind, &entity, onset),
        kind,
        entity,
        onset,
        window,
        state,
        severity: shown.severity,
        value: shown.value,
        unit: shown.unit,
        evidence: shown.evidence,
        confidence: shown.confidence,
        causes: shown.causes,
        remedies: shown.remedies,
        completeness,
        summary: shown.summary,
    }
}
