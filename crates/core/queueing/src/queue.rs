//! Demand that meets a number of servers.

use crate::service::ServiceTime;
use crate::{Demand, QueueingError, erlang, nonnegative, open_share};

/// One queue before several alike servers, in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    demand: Demand,
    servers: u32,
    waiting: f64,
}

impl Queue {
    /// `demand` at so many servers.
    ///
    /// # Errors
    ///
    /// [`QueueingError::Unstable`] unless the demand is below what they can do.
    pub fn new(demand: Demand, servers: u32) -> Result<Self, QueueingError> {
        Ok(Self::waiting_with(demand, servers, erlang::erlang_c(servers, demand.offered())?))
    }

    /// With `C` known; `demand` is below `servers`.
    pub(crate) fn waiting_with(demand: Demand, servers: u32, waiting: f64) -> Self {
        Self { demand, servers, waiting }
    }

    /// Busy share of the servers, 0 to 1: `ρ = A/c`.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.demand.offered() / f64::from(self.servers)
    }

    /// `P(W > 0)`, Erlang's C; 0 where neither arrivals nor service vary, since nobody waits then.
    #[must_use]
    pub fn waiting_probability(&self) -> f64 {
        if self.demand.variability() > 0.0 { self.waiting } else { 0.0 }
    }

    /// `P(W > t) = C·e^{−(cμ − λ)·t / v}`, `v` the variability of Allen and Cunneen, whose mean wait this tail has.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`] unless `t_s` is finite and 0 or more.
    pub fn wait_exceeds(&self, t_s: f64) -> Result<f64, QueueingError> {
        nonnegative("t_s", t_s).map(|t_s| self.wait_share_over(t_s))
    }

    /// `P(W + S > t)`: the response time, waiting and service together.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`] unless `t_s` is finite and 0 or more.
    pub fn response_exceeds(&self, t_s: f64) -> Result<f64, QueueingError> {
        nonnegative("t_s", t_s).map(|t_s| self.response_share_over(t_s))
    }

    pub(crate) fn wait_share_over(&self, t_s: f64) -> f64 {
        let waiting = self.waiting_probability();
        if waiting > 0.0 { waiting * (-self.rate_per_s() * t_s).exp() } else { 0.0 }
    }

    pub(crate) fn response_share_over(&self, t_s: f64) -> f64 {
        let service = ServiceTime::of(self.demand.service_time_s(), self.demand.service_cv());
        service.after_wait(t_s, self.waiting_probability(), self.rate_per_s())
    }

    /// Mean wait in seconds: `C·v / (cμ − λ)`.
    #[must_use]
    pub fn mean_wait_s(&self) -> f64 {
        if self.waiting_probability() > 0.0 { self.waiting / self.rate_per_s() } else { 0.0 }
    }

    /// Mean response time in seconds.
    #[must_use]
    pub fn mean_response_s(&self) -> f64 {
        self.mean_wait_s() + self.demand.service_time_s()
    }

    /// Mean number of waiting tasks, by Little's law.
    #[must_use]
    pub fn mean_waiting(&self) -> f64 {
        self.demand.arrival_per_s() * self.mean_wait_s()
    }

    /// The wait in seconds that the share `quantile` of all tasks does not exceed; 0 where so many do not wait at all.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`] unless `quantile` is above 0 and below 1.
    pub fn wait_quantile_s(&self, quantile: f64) -> Result<f64, QueueingError> {
        let late = 1.0 - open_share("quantile", quantile)?;
        let waiting = self.waiting_probability();
        Ok(if waiting > late { (waiting / late).ln() / self.rate_per_s() } else { 0.0 })
    }

    /// At which the tail of the wait falls, per second: `(cμ − λ)/v`; the greatest number where nothing varies.
    fn rate_per_s(&self) -> f64 {
        let spare = f64::from(self.servers) - self.demand.offered();
        (spare / self.demand.service_time_s() / self.demand.variability()).min(f64::MAX)
    }
}
