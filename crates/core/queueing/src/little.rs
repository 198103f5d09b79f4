//! Little's law: what is there on average is what arrives per second, times how long it stays.

use crate::{QueueingError, nonnegative, positive};

/// Mean number of tasks in a system: `L = λ·W`. Of the queue alone if `mean_time_s` is the mean wait.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless both are finite and 0 or more.
///
/// Source: J. D. C. Little, "A proof for the queuing formula L = λW", *Oper. Res.* 9(3), 1961.
pub fn mean_in_system(arrival_per_s: f64, mean_time_s: f64) -> Result<f64, QueueingError> {
    Ok(nonnegative("arrival_per_s", arrival_per_s)? * nonnegative("mean_time_s", mean_time_s)?)
}

/// Mean time in a system, in seconds: `W = L/λ`.
///
/// # Errors
///
/// [`QueueingError::OutOfDomain`] unless `mean_in_system` is 0 or more and `arrival_per_s` above 0, both finite.
///
/// Source: as [`mean_in_system`].
pub fn mean_time_s(mean_in_system: f64, arrival_per_s: f64) -> Result<f64, QueueingError> {
    Ok(nonnegative("mean_in_system", mean_in_system)? / positive("arrival_per_s", arrival_per_s)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_a_second_for_half_a_second_are_twenty() {
        assert_eq!(mean_in_system(40.0, 0.5), Ok(20.0));
        assert_eq!(mean_time_s(20.0, 40.0), Ok(0.5));
        assert!(mean_time_s(20.0, 0.0).is_err(), "of nothing that arrives there is no mean stay");
        assert!(mean_in_system(f64::NAN, 0.5).is_err());
    }
}
