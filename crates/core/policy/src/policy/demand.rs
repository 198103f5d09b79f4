//! Demands: work that arrives, and how many instances it keeps busy. Beside objectives, which compare and scale in
//! proportion, a demand computes the count itself.

use super::formula::Formula;
use super::objective::Statistic;
use serde::Serialize;
use std::time::Duration;
use tidegauge_queueing::staffing;

/// A kind of work, as checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// Its name, unique among objectives and demands of its policy.
    pub name: String,
    /// How it is computed.
    pub kind: DemandKind,
}

/// How a demand is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DemandKind {
    /// A backlog to be worked off.
    Lag(Lag),
    /// Waiting or response times, by queueing theory.
    Queueing(Queueing),
}

/// `n = ceil((λ + lag/catch_up) / (μ·ρ))`: what arrives is kept up with, and what waits is gone after `catch_up`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lag {
    /// Items that wait, over all instances.
    pub waiting: Quantity,
    /// `λ`: items that arrive per second, over all instances.
    pub arrivals_per_s: Quantity,
    /// `μ`: items that one busy instance serves per second.
    pub served_per_s: Quantity,
    /// How long working off what waits may take; above zero.
    pub catch_up: Duration,
    /// `ρ`: the share of time that instances shall be busy, above 0, at most 1.
    pub utilization: f64,
}

/// The least number of instances at which few enough tasks are late. Source: [`tidegauge_queueing`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queueing {
    /// `λ`: tasks that arrive per second, over all instances.
    pub arrivals_per_s: Quantity,
    /// How long one task takes alone.
    pub service_time: ServiceTime,
    /// Coefficient of variation of service times; `None` takes it from the metric of the service time.
    pub service_cv: Option<f64>,
    /// Coefficient of variation of the times between arrivals; 1 for arrivals that know nothing of one another.
    pub arrival_cv: f64,
    /// Tasks that one instance serves at once, at least 1.
    pub concurrency: u32,
    /// What is to be short.
    pub of: TimeOf,
    /// How short.
    pub within: Duration,
    /// The share of tasks that may take longer; above 0, below 1.
    pub late: f64,
}

/// What a queueing objective is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeOf {
    /// The time before a task is begun.
    Waiting,
    /// The time until it is done.
    #[default]
    Response,
}

impl TimeOf {
    /// The same in the words of queueing theory.
    #[must_use]
    pub const fn staffing(self) -> staffing::Of {
        match self {
            Self::Waiting => staffing::Of::Waiting,
            Self::Response => staffing::Of::Response,
        }
    }
}

/// A number that is stated, measured, or computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// By the operator.
    Stated(f64),
    /// By instances.
    Measured {
        /// The metric.
        metric: String,
        /// Over the window of each.
        statistic: Statistic,
    },
    /// From metrics.
    Computed {
        /// What the formula is called.
        #[serde(skip)]
        name: String,
        /// What is computed; below 0 it is taken for 0.
        formula: Formula,
    },
}

/// A service time that is stated, or measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTime {
    /// By the operator.
    Stated(Duration),
    /// Over all samples of the agent.
    Measured {
        /// The metric.
        metric: String,
        /// Of it in a second: 1000 of a metric in milliseconds.
        per_s: u32,
    },
}
