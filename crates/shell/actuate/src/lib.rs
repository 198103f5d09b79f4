//! Actuators: consumers of decisions that change a fleet, and say what became of each.
