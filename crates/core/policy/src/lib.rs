//! Closed windows to recommendations, decisions and alerts.
//!
//! ```text
//!  YAML ─► document ─► Policy ──────┐                    ┌─► Decision
//!                  └─► AlertRules ─┐│                    │
//!  closed windows ─► Observation ──┴┴─► decide, evaluate ┴─► AlertTransition
//!                                        ▲          │
//!                                        └── state ◄┘
//! ```
//!
//! All of it is a function of its arguments: no clock, no IO, nothing that depends on the order of a hash. The rules for
//! ratios, stabilization and limits are those of the Kubernetes HPA v2 ([`hpa`]); invariants are numbered where they are
//! kept: H in [`hpa`], Y in [`policy`], P in [`decide`](mod@decide) and [`state`], A in [`alert`], G in [`signal`], X in
//! [`policy::trigger`], S in [`policy::safety`], O in [`policy::orders`], D in
//! [`policy::pid`], L in [`life`], F in [`life::effect`], R in [`regret`], N in [`forecast`], C in [`choice`], K in
//! [`quota`].
#![forbid(unsafe_code)]

pub mod alert;
pub mod choice;
pub mod condition;
pub mod decide;
pub mod document;
pub mod duration;
pub mod error;
pub mod forecast;
pub mod hpa;
pub mod identity;
pub mod import;
pub mod life;
pub mod lint;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod prospect;
pub mod quota;
pub mod reference;
pub mod regret;
pub mod signal;
pub mod state;
pub mod testing;
mod whole;
pub mod wish;

pub use alert::mute::{Inhibition, Muting, Silence};
pub use alert::rules::AlertRules;
pub use alert::{Alarmed, AlertBook, end_all, evaluate, evaluate_sets};
pub use decide::{Verdict, decide, decide_without};
pub use document::{Document, Written};
pub use duration::HumanDuration;
pub use error::PolicyError;
pub use life::{Feedback, LifeBook, Oddity};
pub use observe::Observation;
pub use policy::Policy;
pub use prospect::Prospect;
pub use quota::{Pool, QuotaUse, WorkspaceQuota};
pub use signal::{SignalFailure, SignalValue, SignalValues, SqlSignal};
pub use state::TargetState;
