//! What is to be forecast, and what a forecast may do.
//!
//! The load that a policy already watches is forecast as a total: that of an objective is its value times the ready
//! instances, which an autoscaled fleet does not flatten; that of a demand is the count it asks for. Divided by what one
//! instance may have, it is a count. The count at the start-up lead time has to be started now; the count at the lookahead
//! is not to be given back meanwhile. Both only raise: a forecast takes away nothing.

use crate::forecast::{Expert, Setting};
use serde::{Serialize, Serializer};
use std::time::Duration;

/// A prediction, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The objective or demand whose load is forecast.
    pub of: String,
    /// Who may be asked; of several the one that was right most.
    #[serde(serialize_with = "names")]
    pub model: Vec<Expert>,
    /// How long an instance takes to start.
    pub lead_time: Duration,
    /// How far ahead nothing is given back that will be needed.
    pub lookahead: Duration,
    /// The share of what may come that the count is to be enough for; 0.5 to 0.99.
    pub quantile: f64,
    /// A forecast counts if at least this share of what came stayed below what such forecasts said; at most `quantile`.
    pub confidence: f64,
    /// Slices whose means are learnt from.
    pub step: Duration,
}

impl Prediction {
    /// How it is forecast, where one instance may have so much.
    #[must_use]
    pub fn setting(&self, unit: f64) -> Setting<'_> {
        Setting { step: self.step, experts: &self.model, quantile: self.quantile, unit }
    }
}

fn names<S: Serializer>(experts: &[Expert], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(experts.iter().map(|expert| expert.name()))
}
