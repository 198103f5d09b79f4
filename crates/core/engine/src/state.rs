//! The state of a Decider, as a value and as records of the state topic.
//!
//! ```text
//!  Checkpoint ─► encode ─► a round of records ─► state topic ─► StateReader ─► Checkpoint
//!                          head · target · target · … · roll-up · session · …
//! ```
//!
//! A round is written at once, in the transaction of the outputs that led to it. Each record names its round (the
//! journal offset at which the checkpoint was taken), its place in it, and how many there are; a checksum covers all of
//! it. So a record that is missing, cut or changed is noticed and named, and none is ever half believed.
//!
//! - **T1** What [`encode`] wrote, [`StateReader`] gives back, whole or not at all.
//! - **T2** A round of another layout is refused, whatever it holds: it is not guessed at.
//! - **T3** A round of a place that a position has not reached is of no use to who goes on there: a Decider that began
//!   with it would leave out what lies between.
//!
//! The layout's fingerprint is that of the names and types of all fields, found by looking at a value that has all of
//! them: who adds a field changes it without thinking of it. It does not cover configuration.

mod bytes;
mod reader;
mod sample;

pub use bytes::{StateRecord, encode};
pub use reader::{StateError, StateReader};
pub use sample::layout_fingerprint;

use crate::decider::{Base, KeptBeyond, KeptInstance, KeptReading, KeptRollup, KeptSession, KeptTold, TargetControl};
use crate::journal::ControlChange;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_analytics::live::AgentMemory;
use tidegauge_model::{EntityKey, EventTime, InstanceId, Level, Target};
use tidegauge_policy::AlertBook;

/// Version of the state's layout: raised when a change of meaning does not show in the layout.
pub const STATE_VERSION: u32 = 1;

/// All that a Decider remembers and the journal cannot give back, as of one place of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The first journal offset that had not been read.
    pub next_offset: i64,
    pub(crate) base: Base,
    /// Width of a pane.
    pub(crate) pane: Duration,
    pub(crate) closed_through: Option<EventTime>,
    pub(crate) cells_from: Option<EventTime>,
    pub(crate) last_pane: Option<EventTime>,
    pub(crate) documents: Vec<ControlChange>,
    pub(crate) generations: BTreeMap<(Target, String), u64>,
    pub(crate) agents: BTreeMap<Target, KeptAgent>,
    pub(crate) beyond: KeptBeyond,
}

/// What is remembered of an agent besides its cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeptAgent {
    pub(crate) control: TargetControl,
    pub(crate) last_at: Option<EventTime>,
    pub(crate) findings: AgentMemory,
    pub(crate) instances: BTreeMap<InstanceId, KeptInstance>,
    /// The last readings of cumulative counters, and what they were at the base.
    pub(crate) readings: Vec<KeptReading>,
    pub(crate) base_readings: Vec<KeptReading>,
    /// What windows said that may be revised.
    pub(crate) told: Vec<KeptTold>,
    /// Its other entities than instances; these have neither control state nor entities of their own.
    pub(crate) entities: BTreeMap<EntityKey, KeptAgent>,
}

impl KeptAgent {
    /// Itself and its other entities.
    fn each(&self) -> impl Iterator<Item = (Option<&EntityKey>, &Self)> {
        std::iter::once((None, self)).chain(self.entities.iter().map(|(key, entity)| (Some(key), entity)))
    }
}

impl Checkpoint {
    /// What cumulative counters read at the base, of whoever has any.
    pub(crate) fn base_readings(&self) -> BTreeMap<(Target, Option<EntityKey>), Vec<KeptReading>> {
        let all = self.agents.iter().flat_map(|(target, agent)| {
            agent.each().map(move |(entity, kept)| ((target.clone(), entity.cloned()), kept.base_readings.clone()))
        });
        all.filter(|(_, readings)| !readings.is_empty()).collect()
    }

    /// Journal offset from which a restored Decider has to be given records.
    #[must_use]
    pub fn replay_from(&self) -> i64 {
        self.base.replay_from
    }

    /// How far windows had been emitted.
    #[must_use]
    pub fn closed_through(&self) -> Option<EventTime> {
        self.closed_through
    }

    /// Width of the panes that it was taken with.
    #[must_use]
    pub fn pane(&self) -> Duration {
        self.pane
    }

    /// The policies and sets of alert rules that held, those that were taken away too.
    #[must_use]
    pub fn documents(&self) -> &[ControlChange] {
        &self.documents
    }

    /// The agents that it knows, and workspaces and the fleet.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = &Target> {
        self.agents.keys()
    }

    /// How many instances it knows.
    #[must_use]
    pub fn instances(&self) -> usize {
        let agents = self.agents.iter().filter(|(target, _)| !target.is_sum());
        agents.map(|(_, agent)| agent.instances.len()).sum()
    }

    /// How many alerts are pending or fire.
    #[must_use]
    pub fn open_alerts(&self) -> usize {
        self.agents.values().flat_map(|agent| agent.control.alerts.values()).map(AlertBook::len).sum()
    }

    /// Whether something is about to become a finding.
    #[must_use]
    pub fn has_onsets(&self) -> bool {
        self.agents.values().flat_map(KeptAgent::each).any(|(_, each)| each.findings.has_onsets())
    }

    /// How many findings are open.
    #[must_use]
    pub fn open_findings(&self) -> usize {
        self.agents.values().flat_map(KeptAgent::each).map(|(_, each)| each.findings.open_findings()).sum()
    }
}

/// The first record of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    base: Base,
    pane_us: u64,
    closed_through: Option<EventTime>,
    cells_from: Option<EventTime>,
    last_pane: Option<EventTime>,
    documents: Vec<ControlChange>,
    generations: Vec<(Target, String, u64)>,
    /// Size and slide in microseconds, level, and since when it is followed.
    rollups: Vec<(u64, u64, Level, Option<EventTime>)>,
}

/// The other records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Target(Box<TargetPart>),
    Rollup(RollupPart),
    Session(SessionPart),
}

/// An open session of a target, which may be forgotten by now, or of one of its instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionPart {
    target: Target,
    open: KeptSession,
}

/// An open window of a target, which may be forgotten by now. Each has a record of its own, since sketches are long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollupPart {
    target: Target,
    open: KeptRollup,
}

/// A target or another entity of it, or more of its instances or readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetPart {
    target: Target,
    entity: Option<EntityKey>,
    control: TargetControl,
    last_at: Option<EventTime>,
    findings: AgentMemory,
    instances: BTreeMap<InstanceId, KeptInstance>,
    readings: Vec<KeptReading>,
    base_readings: Vec<KeptReading>,
    told: Vec<KeptTold>,
}
