//! Closed windows to findings.

pub mod elasticity;
pub mod events;
pub mod inference;
pub mod spec;
