//! What librdkafka can do and the safe client cannot: the only place of the workspace with `unsafe`.
//!
//! ```text
//!  batch   many messages of one partition at a call    half the cost of polling one by one, and fetching is most of
//!                                                      what a record costs
//!  group   the generation of a group member            a broker takes a commit of generation −1 without a question:
//!                                                      who never joined would overwrite a live group's positions;
//!                                                      and where a partition ends, as the last fetch had it
//! ```
//!
//! Each block says why it is sound; the rest of the crate sees slices and numbers.

#![allow(unsafe_code, reason = "calls that the safe client does not have; see the header for what is promised")]

pub mod batch;
pub(crate) mod group;
