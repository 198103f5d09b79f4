//! Why a number is not there.

use serde::{Deserialize, Serialize};

/// Why a measure could not be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Absent {
    /// Telemetry did not report what it is made of.
    #[error("not reported")]
    NotReported,
    /// There is no instance that counts.
    #[error("no instance")]
    NoInstances,
    /// One instance has no peers.
    #[error("one instance has no peers")]
    OneInstance,
    /// Every load is zero.
    #[error("no load")]
    NoLoad,
    /// Nothing was requested, so there is nothing to divide by.
    #[error("no requests")]
    NoRequests,
    /// Another ratio whose denominator is zero.
    #[error("denominator is zero")]
    ZeroDenominator,
    /// Fewer values than the statistic needs.
    #[error("too few values")]
    TooFew,
    /// The values span less time than the rate that they would be brought to.
    #[error("too short a time")]
    TooShort,
    /// A value is negative, not a number, or infinite.
    #[error("value out of domain")]
    OutOfDomain,
    /// The values do not vary, so that nothing can be fitted.
    #[error("no variation to fit")]
    NoVariation,
    /// The fitted line goes the wrong way: more load, less use.
    #[error("use does not grow with load")]
    NotIncreasing,
    /// The measured range does not reach the level in question, and extrapolation was not asked for.
    #[error("level not reached")]
    NotReached,
    /// Nobody scaled.
    #[error("no scaling event")]
    NoEvents,
    /// What it compares against was not given.
    #[error("no objective given")]
    NoObjective,
    /// It has to be given, and was not: a price, a catalogue, a curve.
    #[error("not given")]
    NotGiven,
    /// No supply is enough: capacity is zero.
    #[error("no capacity")]
    NoCapacity,
}

/// A measure, or why there is none.
pub type Measured<T = f64> = Result<T, Absent>;

/// `numerator / denominator` where that is a finite number.
///
/// # Errors
///
/// [`Absent::ZeroDenominator`]; [`Absent::OutOfDomain`] where an operand or the result is not finite.
pub fn ratio(numerator: f64, denominator: f64) -> Measured {
    if denominator == 0.0 {
        return Err(Absent::ZeroDenominator);
    }
    finite(numerator / denominator)
}

/// `value`, where it is a finite number.
///
/// # Errors
///
/// [`Absent::OutOfDomain`].
pub fn finite(value: f64) -> Measured {
    if value.is_finite() { Ok(value) } else { Err(Absent::OutOfDomain) }
}
