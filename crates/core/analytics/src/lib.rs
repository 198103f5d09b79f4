//! Closed windows to findings.

pub mod events;
pub mod inference;
pub mod spec;
