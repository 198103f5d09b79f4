//! Bytes to model and back: telemetry in, windows, decisions and alerts out. No sockets, no clock, no files.
//!
//! ```text
//!  payload ─► decode ─► SampleBatch             WindowSummary ─┐
//!    │  (Avro plan, JSON; mapping, derive)      Decision       ├─► encode ─► Avro or JSON ─► decode back
//!    └─► Rejected ─► deadletter (headers)       AlertTransition┘
//!
//!  schemas/*.avsc ─► schema (text, fingerprints) ─► evolve (may this edit be released?)
//! ```
//!
//! - **I1** A payload becomes one row or one [`Rejected`]; a refused one leaves nothing behind. (`decode`)
//! - **I2** No bytes make a decoder panic, recurse without bound or allocate beyond its limits. (`decode`, `encode`)
//! - **I3** What is read depends on the payload, the writer's schema and the mapping alone: not on the batch, not on
//!   what was read before. (`decode`)
//! - **I4** Whatever was ever released is still read. (`evolve`, `schemas/released/`)
//!
//! Schemas are compiled in. Where they come from otherwise (a registry, a file) is the shell's business: a decoder
//! that meets an id for the first time says [`Undecoded::NeedsSchema`] and is given the schema before the next try.

pub mod cloudevents;
pub mod deadletter;
pub mod decode;
pub mod encode;
pub mod evolve;
pub mod mapping;
pub mod sample_row;
pub mod schema;

mod derive;
mod reject;
mod time_text;

pub use deadletter::DeadLetter;
pub use decode::{DecodeConfig, Decoder, Format, KeyNames, KeySecret, RawRecord, Warnings};
pub use encode::{Encoding, Framing, Output};
pub use mapping::{CsvPlan, Mapping, MappingError};
pub use reject::{RejectCode, Rejected, Undecoded};
pub use sample_row::{SampleEncoder, SampleRow};
pub use schema::SchemaError;
