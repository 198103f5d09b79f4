//! Actuators: consumers of decisions that change a fleet, and say what became of each; notifiers: consumers of alerts.
//!
//! ```text
//!  decisions ─► Book ─► Crew ─► Adapter: DryRun, Webhook, Kubernetes ─► the outside
//!               │  ▲      └── reports ─┐
//!               │  └───────────────────┘
//!               └─► scaling events, and the position that follows from them (Ledger)
//! ```
//!
//! [`book`] and [`ledger`] are functions of their input: they decide what to do and what to say. Adapters do it.
//! Reading the topic, publishing and committing is their caller's.
//!
//! [`notify`] is the same for alerts: it tells people, by Alertmanager or a webhook.
//!
//! [`keda`] is none of these: it is asked, and answers with the standing decision.

pub mod adapter;
pub mod book;
pub mod dry_run;
pub mod keda;
pub mod kubernetes;
pub mod ledger;
pub mod notify;
pub mod order;
pub mod webhook;
