//! Cumulative counters: what a counter that only grows read at one instant.

use crate::sample::Position;
use crate::time::EventTime;

/// What telemetry says of a counter that was not turned into differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Its value, counted since `start`: finite, not negative.
    pub value: f64,
    /// When counting began, where the producer says it: another start is a reset. Without it a fall is one.
    pub start: Option<EventTime>,
}

/// A reading, and when and where it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterPoint {
    /// Event time of its row.
    pub at: EventTime,
    /// Place of its row in the telemetry topic.
    pub position: Position,
    /// What was read.
    pub reading: Reading,
}
