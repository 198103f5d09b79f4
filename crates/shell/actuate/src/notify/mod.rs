//! Notifiers: consumers of alerts that tell Alertmanager, or post to an address.
//!
//! ```text
//!  alerts ─► Board ─┬─ each change ───────────────────────────► Alertmanager, all of them
//!     ▲             └─ Groups: waits, gathers, repeats ───────► webhook, signed
//!     └── position and `done`: what a restart reads again, and from where on it is news
//! ```
//!
//! [`board`] and [`groups`] are functions of their input. [`alertmanager`] and [`webhook`] send.

pub mod alertmanager;
pub mod board;
pub mod groups;
pub mod webhook;

use board::Board;
use tidegauge_model::EventTime;

/// Tells what is to be told.
pub trait Notifier {
    /// The word that is added to the consumer group.
    fn name(&self) -> &'static str;

    /// Does what is due at `now`, and marks on the boards what was told. Returns soon if nothing is.
    fn turn(&mut self, boards: &mut [&mut Board], now: EventTime) -> Posts;
}

/// How many posts a turn made, by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posts {
    /// They were taken.
    pub taken: u64,
    /// They are refused for good.
    pub refused: u64,
    /// They are tried again.
    pub failed: u64,
}

impl std::ops::AddAssign for Posts {
    fn add_assign(&mut self, other: Self) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}
