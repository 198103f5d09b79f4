//! Options of each command, and how their values are read: a file for each.

mod generate;
mod produce;
mod replay;
mod run;
mod state;
mod status;
mod tail;
mod topics;
mod validate;

pub use generate::{GenerateCommand, TelemetryArgs, TelemetryFormat};
pub use produce::{KeyField, ProduceArgs, ProduceFormat, Speed};
pub use replay::ReplayArgs;
pub use run::{Policies, RunArgs};
pub use state::{StateCommand, StateResetArgs, StateShowArgs};
pub use status::StatusArgs;
pub use tail::{From, TailArgs, TailOutput, TailWhat};
pub use topics::{EnsureArgs, TopicsCommand};
pub use validate::ValidateArgs;
