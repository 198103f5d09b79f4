//! Closed windows to findings.

pub mod inference;
pub mod spec;
