//! Whether copies in other regions are as fresh as the agent's consistency model says.

use crate::absent::{Absent, Measured};
use crate::tracker::{Indication, Strength, evidence};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidegauge_model::{Confidence, DistributionSummary, Entity, FindingKind, Region, Severity, Target};

/// What readers may see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Every read sees the last write: copies never lag behind an answer.
    Strong,
    /// At most this old.
    Bounded {
        /// How old.
        bound: Duration,
    },
    /// Some time later; judged against the time between two synchronizations.
    Eventual,
}

/// What is measured between regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replication<'a> {
    /// The model.
    pub consistency: Consistency,
    /// Ages of copies.
    pub lag: &'a DistributionSummary,
    /// Time between two synchronizations.
    pub sync_interval: Option<Duration>,
    /// Bytes that went between regions in the window.
    pub transferred_bytes: Option<f64>,
    /// Price of a gigabyte (10⁹ bytes) between regions.
    pub price_per_gb: Option<f64>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicationVerdict {
    /// p99 of the lag.
    pub lag_p99_ms: f64,
    /// What it may be.
    pub allowed_ms: Measured,
    /// Whether the p99 is within it.
    pub holds: Measured<bool>,
    /// Gigabytes that went between regions.
    pub data_transfer_gb: Measured,
    /// What they cost.
    pub transfer_cost: Measured,
}

/// Copies are judged by their p99, not their mean: a model is a promise. Eventual ones may lag three synchronizations.
#[must_use]
pub fn replication(of: &Replication<'_>) -> ReplicationVerdict {
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    let allowed_ms = match of.consistency {
        Consistency::Strong => Ok(0.0),
        Consistency::Bounded { bound } => Ok(ms(bound)),
        Consistency::Eventual => of.sync_interval.map(|interval| 3.0 * ms(interval)).ok_or(Absent::NoObjective),
    };
    let gigabytes =
        of.transferred_bytes.map(|bytes| bytes / 1e9).ok_or(Absent::NotReported).and_then(crate::absent::finite);
    ReplicationVerdict {
        lag_p99_ms: of.lag.p99,
        allowed_ms,
        holds: allowed_ms.map(|allowed| of.lag.p99 <= allowed),
        data_transfer_gb: gigabytes,
        transfer_cost: gigabytes.and_then(|gb| crate::absent::finite(gb * of.price_per_gb.ok_or(Absent::NoObjective)?)),
    }
}

/// A copy that is older than its model allows, as an indication about its region.
#[must_use]
pub fn lag_indication(
    target: &Target,
    region: &Region,
    found: &ReplicationVerdict,
    completeness: f64,
) -> Option<Indication> {
    let allowed = found.allowed_ms.ok().filter(|_| found.holds == Ok(false))?;
    Some(Indication {
        kind: FindingKind::ReplicationLag,
        entity: Entity::Region { target: target.clone(), region: region.clone() },
        strength: Strength::Enter,
        severity: Severity::Critical,
        value: found.lag_p99_ms,
        unit: "ms".into(),
        evidence: evidence(&[("allowed", Some(allowed), "ms"), ("data_transfer", found.data_transfer_gb.ok(), "GB")]),
        confidence: Confidence { value: completeness, meaning: "completeness of the window".into() },
        causes: Vec::new(),
        remedies: vec![
            "write less, or in batches".into(),
            "a faster link, or a larger replica".into(),
            "read what must be fresh from the primary".into(),
        ],
        summary: format!("the copy in {region} lags {:.0} ms, {allowed:.0} ms are allowed", found.lag_p99_ms),
    })
}
