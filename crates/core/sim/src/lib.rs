//! Seeded fleets and faults, and a naive reference of the engine to hold it against.
//!
//! ```text
//!  seed ─► Scenario (fleet, faults) ─► Drive: Aggregators ─► journal ─► Deciders ─► windows
//!              │     └───────────────► Reference: the same rules, by brute force ─► windows   equal?
//!              │
//!              └► Cluster: workers that die and come back ─► Kafka in memory ─► what readers of committed records see
//!                 Weather (what goes wrong), Sabotage (rules broken on purpose)     verify: as if undisturbed?
//! ```
//!
//! A simulation is a function of its seed, so a failing one replays. The reference keeps every row and computes each
//! window from scratch; it shares no code with the engine but the journal's format. What the two do for the machines,
//! the cluster does for delivery: the commit state machine, restores, and the rules that hold them together.
//!
//! The fleets of scenarios are rows that are known beforehand. A [`plant`] is a fleet that answers: it is scaled by what
//! is decided about it.
//!
//! - **S1** Equal seeds, equal bytes.
//! - **S2** The invariants of the engine hold after every step ([`drive::Drive::check`]).

pub mod cluster;
pub mod drive;
pub mod feedback;
pub mod kafka;
pub mod plant;
pub mod reference;
pub mod rng;
pub mod sabotage;
pub mod scenario;
pub mod verify;
pub mod workers;

pub use cluster::{Cluster, Weather};
pub use drive::Drive;
pub use plant::{Fleet, FleetSpec};
pub use reference::Reference;
pub use rng::Rng;
pub use scenario::{Row, Scenario};
