//! What tests against a real broker share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod broker;
pub(crate) mod decided;
pub(crate) mod delivery;
pub(crate) mod exact;
pub(crate) mod fleet;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod sequence;
