//! Standing decisions for KEDA, as an external scaler.
//!
//! ```text
//!  decisions.current ─► Standing ─► gRPC ◄─ KEDA ─► autoscaler ─► Deployment, StatefulSet, …
//!                          └─► Watch: was it asked for, are they there? ─► scaling events
//! ```
//!
//! KEDA asks; nothing is pushed but activity. Its autoscaler takes a metric of which one replica stands for 1, so that
//! the metric's value is the number of replicas. What has come of it KEDA does not tell: later decisions say how many
//! instances telemetry shows, and [`Watch`] goes by that.
//!
//! - **E1** A decision is answered with while it is valid. Otherwise there is an error, never a number: KEDA then does
//!   what the ScaledObject's `fallback` says, or nothing.
//! - **E2** Of one target the greatest generation stands, and of one generation what was decided last.
//! - **E3** Applied is said when telemetry shows what was wanted, and by nothing less.

mod service;
mod standing;
mod watch;

pub use service::{Scaler, serve};
pub use standing::{Seen, Standing, Unknown};
pub use watch::Watch;

/// Code that was generated from `proto/external_scaler.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod interface {
    tonic::include_proto!("externalscaler");
}
