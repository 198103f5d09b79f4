//! What an instance uses of a resource, and the size that would fit: a histogram in which old usage counts less.
//!
//! Buckets grow by a twentieth, so that a percentile is at most 5 % too high; a sample of one half-life ago counts
//! half.
//!
//! Source: the recommender of Kubernetes' Vertical Pod Autoscaler (percentiles, margin, widening by the length of
//! history).

use crate::absent::{Absent, Measured};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Usage of one resource with older samples counting less: exponential buckets, weights halved every half-life.
///
/// Weights grow with time from a fixed reference instead of shrinking towards the present, so that two histograms with
/// one reference add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageHistogram {
    /// Width of the first bucket, in the unit of usage.
    first: f64,
    half_life: Duration,
    reference: Option<EventTime>,
    weights: BTreeMap<u32, f64>,
    samples: u64,
    span: Option<(EventTime, EventTime)>,
}

/// Ratio of the widths of neighbouring buckets: a percentile is at most 5 % too high.
const GROWTH: f64 = 1.05;
/// Half-lives after which the reference moves, so that weights stay numbers.
const REBASE: f64 = 100.0;
const DAY: f64 = 86_400.0;

/// What should be requested for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeRecommendation {
    /// Request this: the 90th percentile and 15 % more.
    pub target: f64,
    /// Less than this is too little: the median and 15 % more, lowered while history is short.
    pub lower: f64,
    /// More than this is waste: the 95th percentile and 15 % more, raised while history is short.
    pub upper: f64,
    /// Days of history, which is what the bounds are widened by.
    pub days: f64,
}

impl UsageHistogram {
    /// An empty one. `first`: width of the first bucket (0.01 cores, 10 MB); `half_life`: after which a sample counts
    /// half.
    #[must_use]
    pub fn new(first: f64, half_life: Duration) -> Self {
        Self { first, half_life, reference: None, weights: BTreeMap::new(), samples: 0, span: None }
    }

    /// Adds a usage, not negative; others are left out.
    pub fn add(&mut self, at: EventTime, usage: f64) {
        if !(usage.is_finite() && usage >= 0.0) {
            return;
        }
        self.rebase(at);
        let weight = self.weight(at);
        *self.weights.entry(self.bucket(usage)).or_default() += weight;
        self.samples += 1;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    fn half_lives(&self, from: EventTime, to: EventTime) -> f64 {
        (to.as_micros() - from.as_micros()) as f64 / (self.half_life.as_secs_f64() * 1e6)
    }

    fn weight(&self, at: EventTime) -> f64 {
        self.reference.map_or(1.0, |reference| self.half_lives(reference, at).exp2())
    }

    /// Moves the reference to a later day where weights would grow out of range. Days, so that halves agree on it.
    fn rebase(&mut self, at: EventTime) {
        let day = at.floor_to(Duration::from_secs(86_400));
        let Some(reference) = self.reference else {
            self.reference = Some(day);
            return;
        };
        if self.half_lives(reference, at) > REBASE {
            self.rebase_to(day);
        }
    }

    fn rebase_to(&mut self, reference: EventTime) {
        if let Some(before) = self.reference {
            let factor = (-self.half_lives(before, reference)).exp2();
            self.weights.values_mut().for_each(|weight| *weight *= factor);
            self.weights.retain(|_, weight| *weight > 0.0);
        }
        self.reference = Some(reference);
    }

    /// Adds another histogram of equal buckets and half-life.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        if let (Some(a), Some(b)) = (self.reference, other.reference) {
            self.rebase_to(a.max(b));
            other.rebase_to(a.max(b));
        }
        self.reference = self.reference.or(other.reference);
        for (bucket, weight) in other.weights {
            *self.weights.entry(bucket).or_default() += weight;
        }
        self.samples += other.samples;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// Bucket `i` begins at first·(1.05^i − 1)/0.05.
    fn bucket(&self, usage: f64) -> u32 {
        let index = (usage * (GROWTH - 1.0) / self.first).ln_1p() / GROWTH.ln();
        // The end of a bucket belongs to the next one, whatever the logarithm's last bit.
        (index + 1e-9).floor() as u32
    }

    /// The end of the bucket in which the share `q` of the weight is reached.
    ///
    /// # Errors
    ///
    /// [`Absent::TooFew`] without samples.
    pub fn quantile(&self, q: f64) -> Measured {
        let all: f64 = self.weights.values().sum();
        let mut reached = 0.0;
        for (bucket, weight) in &self.weights {
            reached += weight;
            if reached >= q * all * (1.0 - 1e-12) {
                let end = self.first * (GROWTH.powf(f64::from(*bucket) + 1.0) - 1.0) / (GROWTH - 1.0);
                return crate::absent::finite(end);
            }
        }
        Err(Absent::TooFew)
    }

    /// What to request, with bounds that are wide while history is short.
    ///
    /// # Errors
    ///
    /// [`Absent::TooFew`] without samples.
    pub fn recommend(&self) -> Measured<SizeRecommendation> {
        const MARGIN: f64 = 1.15;
        let (first, last) = self.span.ok_or(Absent::TooFew)?;
        // A sample a minute makes a day of 1,440; sparse ones are less history than their span.
        let days = (last.since(first).as_secs_f64() / DAY).min(self.samples as f64 / 1_440.0).max(1.0 / 1_440.0);
        Ok(SizeRecommendation {
            target: self.quantile(0.9)? * MARGIN,
            lower: self.quantile(0.5)? * MARGIN * (1.0 + 0.001 / days).powi(-2),
            upper: self.quantile(0.95)? * MARGIN * (1.0 + 1.0 / days),
            days,
        })
    }
}
