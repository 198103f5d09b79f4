//! Queueing formulas: how long tasks wait for one of several alike servers, and how many servers keep that short.
//!
//! ```text
//!  arrivals λ ──► ▢▢▢▢ waiting ──► ○ ○ ○ … c servers, each busy s seconds per task ──► done
//!                 W: waiting time                S: service time          W + S: response time
//!
//!  Demand (λ, s, variability) ─► Queue (… with c servers): utilization, P(W > t), P(W + S > t), means
//!                             └► staffing: the least c that meets an objective
//! ```
//!
//! Exact for Poisson arrivals and exponential service (M/M/c); with other variability the waiting time is scaled as
//! Allen and Cunneen do, and the service time is the simplest distribution of the same mean and variation.
//!
//! - **Q1** Probabilities are in `[0, 1]`, and nothing that comes out is NaN or infinite.
//! - **Q2** One more server never makes anybody wait longer.
//! - **Q3** Stable for hundreds of thousands of servers: only quotients below 1 are carried on, never factorials.
//! - **Q4** Where demand is not below capacity there is no answer, rather than an infinite one.
//!
//! Deliberately absent: abandonment, priorities, networks of queues, finite waiting rooms.
//!
//! Source: L. Kleinrock, *Queueing Systems*, vol. 1, 1975; A. O. Allen, *Probability, Statistics and Queueing Theory*,
//! 2nd ed., 1990, §5.2 and §5.3; W. Whitt, "Approximating a point process by a renewal process", *Oper. Res.* 30(1), 1982.
#![forbid(unsafe_code)]

mod demand;
mod erlang;
mod little;
mod queue;
mod service;
pub mod staffing;

pub use demand::Demand;
pub use erlang::{erlang_b, erlang_c};
pub use little::{mean_in_system, mean_time_s};
pub use queue::Queue;

use std::ops::RangeInclusive;

/// Why a formula has no answer.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueingError {
    /// An argument for which the formula is not defined.
    #[error("{name} is {value}; expected {expected}")]
    OutOfDomain {
        /// Which argument.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// As much work arrives as can be done, or more: the queue would grow without end (**Q4**).
    #[error("{servers} servers cannot keep up with {offered:.2} servers' work")]
    Unstable {
        /// How many there are.
        servers: u32,
        /// The work that arrives, in servers that it keeps busy.
        offered: f64,
    },
    /// No number of servers is enough, since serving alone takes longer too often.
    #[error("serving alone takes longer than that in {share:.4} of all cases, however many servers there are")]
    Unreachable {
        /// The share of tasks that are late without any waiting.
        share: f64,
    },
    /// More servers would be needed than are allowed.
    #[error("more than {max_servers} servers would be needed")]
    TooMany {
        /// The bound.
        max_servers: u32,
    },
}

/// An argument that must be a finite number, 0 or more.
fn nonnegative(name: &'static str, value: f64) -> Result<f64, QueueingError> {
    let fits = value.is_finite() && value >= 0.0;
    if fits { Ok(value) } else { Err(QueueingError::OutOfDomain { name, value, expected: "a number, 0 or more" }) }
}

/// An argument that must be a finite number above 0.
fn positive(name: &'static str, value: f64) -> Result<f64, QueueingError> {
    let fits = value.is_finite() && value > 0.0;
    if fits { Ok(value) } else { Err(QueueingError::OutOfDomain { name, value, expected: "a number above 0" }) }
}

/// An argument within bounds, beyond which results would leave the range of numbers (**Q1**).
fn within(
    name: &'static str,
    value: f64,
    bounds: RangeInclusive<f64>,
    expected: &'static str,
) -> Result<f64, QueueingError> {
    if bounds.contains(&value) { Ok(value) } else { Err(QueueingError::OutOfDomain { name, value, expected }) }
}

/// A probability strictly between 0 and 1.
fn open_share(name: &'static str, value: f64) -> Result<f64, QueueingError> {
    let fits = value > 0.0 && value < 1.0;
    if fits { Ok(value) } else { Err(QueueingError::OutOfDomain { name, value, expected: "above 0 and below 1" }) }
}
