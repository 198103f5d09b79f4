//! What arrives, how long it takes, and how much both vary.

use crate::{QueueingError, within};

/// Work that arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    arrival_per_s: f64,
    service_time_s: f64,
    arrival_cv: f64,
    service_cv: f64,
}

impl Demand {
    /// Poisson arrivals and exponential service: both coefficients of variation are 1.
    ///
    /// - `arrival_per_s`: tasks that arrive per second, 0 to 1e15.
    /// - `service_time_s`: mean seconds of one server per task, 1e-9 to 1e9.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`].
    pub fn new(arrival_per_s: f64, service_time_s: f64) -> Result<Self, QueueingError> {
        Ok(Self {
            arrival_per_s: within("arrival_per_s", arrival_per_s, 0.0..=1e15, "0 to 1e15")?,
            service_time_s: within("service_time_s", service_time_s, 1e-9..=1e9, "1e-9 to 1e9")?,
            arrival_cv: 1.0,
            service_cv: 1.0,
        })
    }

    /// The same with other coefficients of variation (standard deviation ÷ mean) of the times between arrivals and of
    /// service times, each 0 to 1000. 0 is clockwork.
    ///
    /// # Errors
    ///
    /// [`QueueingError::OutOfDomain`].
    pub fn with_variation(self, arrival_cv: f64, service_cv: f64) -> Result<Self, QueueingError> {
        let cv = |name, value| within(name, value, 0.0..=1e3, "0 to 1000");
        Ok(Self { arrival_cv: cv("arrival_cv", arrival_cv)?, service_cv: cv("service_cv", service_cv)?, ..self })
    }

    /// Tasks that arrive per second.
    #[must_use]
    pub fn arrival_per_s(&self) -> f64 {
        self.arrival_per_s
    }

    /// Mean seconds of a server per task.
    #[must_use]
    pub fn service_time_s(&self) -> f64 {
        self.service_time_s
    }

    /// Coefficient of variation of service times.
    #[must_use]
    pub fn service_cv(&self) -> f64 {
        self.service_cv
    }

    /// Servers that it keeps busy, in erlangs: `A = λ·s`.
    #[must_use]
    pub fn offered(&self) -> f64 {
        self.arrival_per_s * self.service_time_s
    }

    /// Allen–Cunneen: how much longer the mean wait is than in M/M/c, `(c_a² + c_s²)/2`.
    #[must_use]
    pub fn variability(&self) -> f64 {
        (self.arrival_cv * self.arrival_cv + self.service_cv * self.service_cv) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlangs_and_variability() {
        let demand = Demand::new(40.0, 0.25).expect("in its domain");
        assert_eq!((demand.offered(), demand.variability()), (10.0, 1.0));
        assert_eq!(demand.with_variation(1.0, 2.0).map(|demand| demand.variability()), Ok(2.5));
        assert_eq!(demand.with_variation(1.0, 0.0).map(|demand| demand.variability()), Ok(0.5), "M/D/c: half the wait");
    }

    #[test]
    fn what_is_no_demand() {
        for (arrival, service) in [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, f64::INFINITY)] {
            assert!(Demand::new(arrival, service).is_err(), "{arrival} {service}");
        }
        let demand = Demand::new(1.0, 1.0).expect("in its domain");
        assert!(demand.with_variation(-0.1, 1.0).is_err());
        let message = demand.with_variation(1.0, f64::NAN).expect_err("NaN").to_string();
        assert_eq!(message, "service_cv is NaN; expected 0 to 1000");
    }
}
