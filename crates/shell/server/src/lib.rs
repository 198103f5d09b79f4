//! The `tidegauge` server: command line, configuration, workers and the commands around them.
//!
//! ```text
//!  command line ─► config ─► live (workers: kafka ⇄ engine)        run
//!                    │
//!                    ├─► commands::validate, topics, status, tail  look and prepare
//!                    ├─► commands::query ─► query                   SQL over closed windows
//!                    ├─► commands::history ─► history              closed windows in Parquet
//!                    ├─► commands::actuate ─► actuate              decisions carried out, and what came of each
//!                    ├─► commands::notify ─► notify                people told of alerts
//!                    └─► commands::produce, generate               feed
//!  files of numbers ─► sheet ─► commands::elasticity, loadtest, capacity, strategy ─► analytics
//!  telemetry of a file or the topics ─► report (the engine's machines) ─► analytics ─► table, JSON, YAML, HTML
//! ```
//!
//! The shell owns sockets, clocks and threads and decides nothing: what a record means is `wire`'s, what follows from
//! it the engine's.
//!
//! - **S1** Every exit code says what kind of trouble it was ([`exit::Code`]).
//! - **S2** Standard output carries results only; logs, progress and errors go to standard error.

pub mod actuate;
pub mod cli;
pub mod commands;
pub mod config;
pub mod connect;
pub mod demo;
mod desks;
pub mod diagnostic;
pub mod exit;
pub mod fleet;
pub mod health;
pub mod history;
pub mod http;
pub mod live;
pub mod metrics;
pub mod notify;
pub mod output;
pub mod query;
pub mod reference;
pub mod replay;
pub mod report;
pub mod results;
pub mod sheet;
pub mod telemetry;
pub mod terminal;
pub mod topics;
pub mod trace;
