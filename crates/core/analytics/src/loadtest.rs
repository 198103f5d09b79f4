//! Load tests: from levels of load with what was measured at each, to a test record.
//!
//! ```text
//!  telemetry with a run_id ─► observed ─┐
//!  levels ─► little (bad ones out) ─► breaking points ─► failure mode ─► record: metrics at shares of the load,
//!              │                                                                  peaks, cost, score, recommendations
//!  two runs ─► compare          many runs ─► series (change points) ─► cause
//! ```
//!
//! - **LT1** A level that breaks Little's law is excluded from every result and named with its arithmetic.
//! - **LT2** Metrics at a share of the load lie between the levels around it, and say that they are interpolated.
//! - **LT3** The performance score lies in [0, 100].
//! - **LT4** No levels give a record without results, not an error; NaN and infinity never come out.
//! - **LT5** Runs drawn from the same distribution are called different about as often as the chosen p says.
//!
//! Source: seed documents 000 §1.2 and §5.1, 002, 003; series after D. Matteson, N. James, "A
//! Nonparametric Approach for Multiple Change Point Analysis", JASA 109(505), 2014.

pub mod cause;
pub mod compare;
mod failure;
mod kind;
mod level;
mod little;
mod observed;
mod recommend;
mod record;
mod score;
pub mod series;

pub use failure::{FailureMode, Resource, SATURATED, classify};
pub use kind::TestType;
pub use level::{Bucket, Level, LoadUnit, Measured, join_levels};
pub use little::{LITTLE_TOLERANCE, LittleViolation, exclude_by_little};
pub use observed::{ObservedRun, Observer};
pub use recommend::{Recommendation, recommend};
pub use record::{At, Identity, TestConfig, TestRecord, TestRun, TestStatus, analyze, at_load};
pub use score::{performance_score, success_rate, within_slo};
