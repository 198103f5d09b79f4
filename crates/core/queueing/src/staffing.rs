//! How many servers: exactly, by trying one after the other, and by the square-root rule.
//!
//! - **Q5** The exact answer meets the objective, and one server fewer does not or cannot keep up.

use crate::service::ServiceTime;
use crate::{Demand, Queue, QueueingError, erlang, nonnegative, open_share};

/// What is to be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The time before a task is begun.
    Waiting,
    /// The time until it is done.
    Response,
}

/// An objective: at most the share `late` of all tasks takes longer than `within_s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slo {
    of: Of,
    within_s: f64,
    late: f64,
}

impl Slo {
    /// - `within_s`: seconds, finite, 0 or more.
    /// - `late`: share of tasks that may take longer, above 0 and below 1.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`].
    pub fn new(of: Of, within_s: f64, late: f64) -> Result<Self, QueueingError> {
        Ok(Self { of, within_s: nonnegative("within_s", within_s)?, late: open_share("late", late)? })
    }

    /// Whether a queue meets it.
    #[must_use]
    pub fn is_met(&self, queue: &Queue) -> bool {
        self.late_share(queue) <= self.late
    }

    /// The share of a queue's tasks that takes longer.
    #[must_use]
    pub fn late_share(&self, queue: &Queue) -> f64 {
        match self.of {
            Of::Waiting => queue.wait_share_over(self.within_s),
            Of::Response => queue.response_share_over(self.within_s),
        }
    }

    /// What no number of servers can undercut: the share of tasks whose service alone is too long.
    fn least_late(&self, demand: &Demand) -> f64 {
        match self.of {
            Of::Waiting => 0.0,
            Of::Response => ServiceTime::of(demand.service_time_s(), demand.service_cv()).exceeds(self.within_s),
        }
    }
}

/// The least number of servers, from 1 to `max_servers`, that meets `slo`. `O(servers)`, no allocation.
///
/// # Errors
///
/// [`QueueingError::Unreachable`] if serving alone is too slow too often; [`QueueingError::TooMany`] above `max_servers`.
pub fn least_servers(demand: Demand, slo: Slo, max_servers: u32) -> Result<u32, QueueingError> {
    let share = slo.least_late(&demand);
    if share > slo.late {
        return Err(QueueingError::Unreachable { share });
    }
    let offered = demand.offered();
    let mut blocked = 1.0;
    for servers in 1..=max_servers {
        blocked = erlang::one_more(blocked, servers, offered);
        if offered < f64::from(servers) {
            let waiting = erlang::waits(blocked, servers, offered);
            if slo.is_met(&Queue::waiting_with(demand, servers, waiting)) {
                return Ok(servers);
            }
        }
    }
    Err(QueueingError::TooMany { max_servers })
}

/// The square-root rule: `ceil(A + β·√A)`, so that spare servers grow with the root of the load. At least one above `A`.
///
/// - `offered`: erlangs, finite, 0 or more.
/// - `beta`: quality of service, above 0; 1 lets about a fifth of all tasks wait ([`delay_at`]).
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`]; [`QueueingError::TooMany`] beyond the range of a count.
///
/// Source: S. Halfin, W. Whitt, "Heavy-traffic limits for queues with many exponential servers", *Oper. Res.* 29(3), 1981.
pub fn square_root(offered: f64, beta: f64) -> Result<u32, QueueingError> {
    let (offered, beta) = (nonnegative("offered", offered)?, crate::positive("beta", beta)?);
    let servers = (offered + beta * offered.sqrt()).ceil().max(offered.floor() + 1.0);
    if servers <= f64::from(u32::MAX) {
        Ok(servers as u32)
    } else {
        Err(QueueingError::TooMany { max_servers: u32::MAX })
    }
}

/// The share of tasks that wait under the square-root rule in the limit of many servers:
/// `1 / (1 + β·Φ(β)/φ(β))`, of the normal distribution.
///
/// `Φ/φ = 1/(2φ) + β + β³/3 + β⁵/15 + …`, all terms positive.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless `beta` is finite and above 0.
///
/// Source: as [`square_root`].
pub fn delay_at(beta: f64) -> Result<f64, QueueingError> {
    let beta = crate::positive("beta", beta)?;
    if beta > 37.0 {
        return Ok(0.0); // φ(β) is below 1e-297, and so is the answer
    }
    let density = (-beta * beta / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (mut term, mut sum, mut odd) = (beta, 0.0, 1.0);
    while term > sum * f64::EPSILON {
        sum += term;
        odd += 2.0;
        term *= beta * beta / odd;
    }
    Ok(1.0 / (1.0 + beta * (0.5 / density + sum)))
}

/// The `β` at which the share `waiting` of all tasks waits in the limit of many servers: [`delay_at`], the other way.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless `waiting` is above 0 and below 1.
pub fn beta_for(waiting: f64) -> Result<f64, QueueingError> {
    let waiting = open_share("waiting", waiting)?;
    let (mut low, mut high) = (f64::MIN_POSITIVE, 38.0);
    // 60 halvings of 38 are below the distance of neighbouring numbers near 1.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let side = if delay_at(middle)? > waiting { &mut low } else { &mut high };
        *side = middle;
    }
    Ok(high)
}
