//! Options of each command, and how their values are read: a file for each.

mod actuate;
mod analyze;
mod capacity;
mod config;
mod demo;
mod elasticity;
mod generate;
mod history;
mod install;
mod loadtest;
mod notify;
mod plan;
mod policy;
mod produce;
mod query;
mod replay;
mod run;
mod state;
mod status;
mod strategy;
mod tail;
mod topics;
mod validate;

pub use actuate::{ActuateCommand, DryRunArgs, KedaArgs, KubernetesArgs, Until, WebhookArgs};
pub use analyze::{ReportArgs, ReportForm};
pub use capacity::{CapacityArgs, NamedTotal};
pub use config::{ConfigCommand, ConfigShowArgs};
pub use demo::DemoArgs;
pub use elasticity::ElasticityArgs;
pub use generate::{GenerateCommand, TelemetryArgs, TelemetryFormat};
pub use history::{HistoryCommand, HistoryCompactArgs, HistoryStatusArgs, HistoryWriteArgs};
pub use install::{CompletionsArgs, ExplainArgs, ManArgs};
pub use loadtest::{AnalyzeArgs, LoadColumn, LoadtestCommand, SeriesArgs};
pub use notify::{AlertWebhookArgs, AlertmanagerArgs, NotifyCommand};
pub use plan::PlanArgs;
pub use policy::{
    PolicyCommand, PolicyImportArgs, PolicyLintArgs, PolicySchemaArgs, PolicyTestArgs, SchemaKind, TestFormat,
};
pub use produce::{KeyField, ProduceArgs, ProduceFormat, Speed};
pub use query::QueryArgs;
pub use replay::ReplayArgs;
pub use run::{Policies, RunArgs};
pub use state::{StateCommand, StateResetArgs, StateShowArgs};
pub use status::StatusArgs;
pub use strategy::StrategyArgs;
pub use tail::{From, TailArgs, TailWhat};
pub use topics::{EnsureArgs, RepartitionArgs, TopicsCommand};
pub use validate::ValidateArgs;
