//! Closed windows to findings.

pub mod breaking;
pub mod capacity;
pub mod elasticity;
pub mod events;
pub mod inference;
pub mod loadtest;
pub mod spec;
pub mod strategy;
pub mod usl;
