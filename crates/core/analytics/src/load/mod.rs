//! How an agent's load lies on its instances.
//!
//! ```text
//!  windows, facts ─► Fleet ─┬─► balance, noise floor ─► imbalance     ┐
//!                           ├─► pattern                               ├─► LoadReport, indications
//!                           ├─► hotspots ─► causes ─► remedies        │
//!                           ├─► underutilized, idle                   │
//!                           └─► optimal ─► strategies, ordered plan   ┘
//! ```
//!
//! Load is the agent's bottleneck signal ÷ the instance's capacity, over the instances that are ready. An instance
//! without a sample of the signal has no load: it is counted as unmeasured and left out of every measure.

pub mod affinity;
pub mod balance;
pub mod causes;
pub mod fleet;
pub mod geographic;
pub mod hotspot;
pub mod idle;
pub mod latency;
pub mod optimal;
pub mod optimize;
pub mod pattern;
pub mod report;
pub mod temporal;

pub use balance::{Balance, Noise, NoiseFloor, balance};
pub use fleet::{Fleet, InstanceFacts, InstanceLoad, Signal};
pub use hotspot::{Hotspot, HotspotRule, hotspots};
pub use report::{LoadConfig, LoadMemory, LoadReport, LoadShown, analyze, shown};
pub use tidegauge_model::{HeavyKey, SpaceSaving};
