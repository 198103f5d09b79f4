//! What the tests against a real broker share: a fleet, runs of the binary, and what to hold its outputs against.
//!
//! ```text
//!  fleet ─► delivery ─► broker ─► process (topics ensure, produce, run, tail) ─► broker ─┬─► exact: windows
//!  rows     order, fates  telemetry topic                              output topics     ├─► decided: decisions, alerts
//!                                                                                        └─► sequence: two runs equal
//! ```
//!
//! Where things are disturbed, `feeder` sends telemetry meanwhile, `kills` says how to die next, `progress` and `tail`
//! look at what is committed, and `spans` tells when control state is live.
//!
//! Nothing here knows how the engine works: expectations are computed from the rows that were sent, by brute force.
//! Every wait has an end, and none is an assertion about speed.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod actuation;
pub(crate) mod alertmanager;
pub(crate) mod broker;
pub(crate) mod bulk;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod compare;
pub(crate) mod control_plane;
pub(crate) mod decided;
pub(crate) mod delivery;
pub(crate) mod exact;
pub(crate) mod feeder;
pub(crate) mod fleet;
pub(crate) mod http;
pub(crate) mod kills;
pub(crate) mod memory;
pub(crate) mod own_broker;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod prometheus;
pub(crate) mod replayed;
pub(crate) mod rounds;
pub(crate) mod run;
pub(crate) mod s3;
pub(crate) mod sequence;
pub(crate) mod spans;
pub(crate) mod tail;
pub(crate) mod windows;
