//! What an error of the API server means.

use super::Workload;
use crate::order::Outcome;
use std::error::Error as _;

/// Why a step was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Somebody else was faster: what was read is not so any more.
    Conflict(String),
    /// It may pass: silence, a server that is overloaded.
    Passes(String),
    /// It does not.
    Ends(Outcome),
}

pub(super) fn trouble(error: &kube::Error, workload: &Workload) -> Trouble {
    let kube::Error::Api(status) = error else {
        // What lies at the bottom says what it is: a certificate, a port that is closed.
        let cause = std::iter::successors(error.source(), |error| (*error).source()).last();
        return Trouble::Passes(cause.map_or_else(|| error.to_string(), ToString::to_string));
    };
    let said = format!("{workload}: {} ({})", status.message, status.code);
    match status.code {
        409 => Trouble::Conflict(status.message.clone()),
        408 | 425 | 429 | 500.. => Trouble::Passes(status.message.clone()),
        // A workload can be made, and a right be given, before the decision is said again.
        401 | 403 | 404 => Trouble::Ends(Outcome::Failed(said)),
        _ => Trouble::Ends(Outcome::Rejected(said)),
    }
}
