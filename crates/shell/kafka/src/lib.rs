//! What tidegauge needs of Kafka: connections, waiting for a broker, topics and their settings.
//!
//! The only crate of the hot path that opens a socket. It turns the operator's words into settings of librdkafka, and
//! trouble outside into typed errors; what a record means is `wire`'s business, what follows from it the engine's.
//!
//! ```text
//!  Connection ──► settings of a consumer, a producer, an admin client ──► librdkafka ──► broker
//!                                                                             │
//!                                                              ClientLog ◄────┘ log lines, rate limited
//! ```
//!
//! - **K1** Every client has its own `client.id`, and every setting that correctness rests on is set explicitly
//!   ([`client::Connection`]); what an operator adds cannot override those.
//! - **K2** No topic is created or altered in passing: only [`admin::Admin::create`] creates, and nothing alters.
//! - **K3** A broker that is away is waited for, for a stated time, and then it is an error of its own
//!   ([`client::Unavailable`]), not a hang.
//! - **K4** Secrets are never printed: [`client::Secret`] has no readable `Debug`.

pub mod admin;
pub mod client;
pub mod delivery;
pub mod log;
mod native;
mod position;
pub mod range;
pub mod reader;
pub mod registry;
mod startup;
pub mod transaction;
mod trouble;
pub mod writer;

pub use native::batch;
