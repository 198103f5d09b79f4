//! What tidegauge needs of Kafka: connections, waiting for a broker, topics and their settings.
//!
//! The only crate of the hot path that opens a socket. It turns the operator's words into settings of librdkafka, and
//! trouble outside into typed errors; what a record means is `wire`'s business, what follows from it the engine's.
//!
//! ```text
//!  Connection ──► settings of a consumer, a producer, an admin client ──► librdkafka ──► broker
//!                                                                             │
//!                                                              ClientLog ◄────┘ log lines, rate limited
//!
//!  Delivery ──► Writer │ TransactionalWriter       outputs, with the positions that they follow from
//!     └───────► Reader                             a group member: partitions come and go
//!               RangeReader                        a stretch of one partition, without a group
//!               GroupLag                           how far a group of others is behind, without joining it
//! ```
//!
//! - **K1** Every client has its own `client.id`, and every setting that correctness rests on is set explicitly
//!   ([`client::Connection`]); what an operator adds cannot override those.
//! - **K2** No topic is created or altered in passing: only [`admin::Admin::create`] creates, and nothing alters.
//! - **K3** A broker that is away is waited for, for a stated time, and then it is an error of its own
//!   ([`client::Unavailable`]), not a hang.
//! - **K4** Secrets are never printed: [`client::Secret`] has no readable `Debug`.
//! - **K5** A flush succeeds only if everything is stored ([`writer`]).
//! - **K6** Who is no member of its group commits nothing. **K7** A position is committed with its metadata, whole or
//!   not at all. **K8** No message is passed over ([`reader`]).
//! - **K9** A commit that timed out is asked for again ([`transaction`]); **K10** what an error leaves open, the broker
//!   is asked for by a worker that is built anew ([`delivery`]).
//! - **K11** A range was read when its end was reached, which may be a marker; **K12** a beginning that is gone is an
//!   error ([`range`]). **K13** Of members that see partitions of nobody, one leaves to join anew ([`members`]).
//!   **K14** Who is asked about does not notice; **K15** what a look costs is bounded ([`lag`]).

pub mod admin;
pub mod client;
pub mod delivery;
pub mod lag;
pub mod log;
pub mod members;
mod native;
pub mod patience;
mod position;
pub mod range;
pub mod reader;
pub mod registry;
mod startup;
pub mod transaction;
mod trouble;
pub mod writer;

pub use native::batch;
