//! A test's aid: the process kills itself at a place that a test names.
//!
//! `TIDEGAUGE_TEST_CRASH=decide.flushed:3` ends the process, as SIGKILL does, when the third burst of a Decider worker
//! has flushed. Places within a transaction are `<stage>.begin`, `.sent`, `.flushed`, `.offsets`; after it,
//! `<stage>.committed`; within a restore, `restore.state` and `restore.replay`; between the rounds of a rebalance,
//! `<stage>.revoked`. Kills at random times hardly ever meet
//! these moments.

use std::sync::atomic::{AtomicU64, Ordering};
use tidegauge_delivery::Call;

/// The environment variable.
pub(crate) const VARIABLE: &str = "TIDEGAUGE_TEST_CRASH";

/// Where to end, and after how many times.
#[derive(Debug)]
pub(crate) struct Crash {
    place: String,
    left: AtomicU64,
}

impl Crash {
    /// As the environment says; nothing where it says nothing.
    pub(crate) fn from_environment() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        let (place, times) = text.rsplit_once(':')?;
        tracing::warn!("{VARIABLE}={text}: this process will kill itself");
        Some(Self { place: place.to_owned(), left: AtomicU64::new(times.parse().ok()?) })
    }

    /// This place is passed.
    pub(crate) fn pass(&self, place: &str) {
        if self.place == place && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
        }
    }

    /// A burst is about to make this call: what came before it is done.
    pub(crate) fn before(&self, stage: &str, call: Call) {
        let place = match call {
            Call::Send => "begin",
            Call::Flush => "sent",
            Call::Positions => "flushed",
            Call::Commit => "offsets",
            Call::Begin | Call::CheckMembership | Call::Abort => return,
        };
        self.pass(&format!("{stage}.{place}"));
    }
}
