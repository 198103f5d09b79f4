//! SQL over closed windows, as people ask it: `tidegauge query` and `POST /query`.
//!
//! ```text
//!  windows topic ─┐                     ┌─ a process of its own ──────────────────┐
//!                 ├─► Sandbox ══ pipe ══╡ check, plan │ rows │ evaluate, write out ╞══ pipe ══► answer
//!  Recent, of run ┤    │                └──────────── Watch: time, memory ────────┘
//!  history, rows ─┘    └─ ends it when it does not end itself
//! ```
//!
//! Each query runs in a process of its own, the same binary once more: whatever SQL makes of memory, time or a stack, it is
//! that process's, and ends with it. See docs/decisions/0017-queries-in-a-process-of-their-own.md.
//!
//! - **U1** No query outlives its limits: the process watches itself, and whoever started it ends it otherwise.
//! - **U2** Nothing of the caller's is in it: no environment, no files, no sockets, no configuration.
//! - **U3** Decisions do not wait for queries: windows are handed over as the bytes that were published.

pub mod desk;
pub mod protocol;
mod recent;
pub mod rows;
mod sandbox;
mod shown;
mod watch;
pub mod worker;

pub use desk::Desk;
pub use protocol::{Format, Request};
pub use recent::{Keeping, Recent};
pub use rows::frame;
pub use sandbox::{Answer, QueryError, Sandbox};
