//! Closed windows to findings.

pub mod spec;
