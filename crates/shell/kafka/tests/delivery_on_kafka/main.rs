//! What the crate promises of transactions, positions, ranges and membership, against a real broker.
//!
//! Every wait has an end, and none is an assertion about speed.

mod membership;
mod ranges;
mod support;
mod transactions;
