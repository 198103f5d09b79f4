//! Closed windows to findings.
//!
//! ```text
//!  agent window, its instances' windows, facts about them ──► measures ──► indications ──► (tracker) ──► findings
//! ```
//!
//! A measure is a number with its reason when it is absent; an indication is what one window shows; a finding is an
//! indication that held for long enough. Everything is a function of its arguments: memory is passed in and comes out.
//!
//! - **A1** A measure that cannot be computed is absent with its reason ([`Absent`]); nothing is ever NaN or infinite.
//! - **A2** No measure depends on the order in which instances are given, nor on the unit of a load.
//! - **A3** An absent sample is never counted as zero.

pub mod absent;
pub mod bottleneck;
pub mod breaking;
pub mod capacity;
pub mod cost;
pub mod coverage;
pub mod degradation;
pub mod demand;
pub mod diagnosis;
pub mod elasticity;
pub mod events;
pub mod failures;
pub mod inference;
pub mod live;
pub mod load;
pub mod loadtest;
pub mod record;
pub mod regions;
pub mod report;
pub mod saturation;
pub mod shards;
pub mod spec;
pub mod stats;
pub mod strategy;
pub mod tracker;
pub mod usl;
pub mod window;

pub use absent::{Absent, Measured};
