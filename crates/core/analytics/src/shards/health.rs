//! Health of a coordinator by its probes: down after `fall` failures in a row, up after `rise` successes in a row. A
//! probe that answers after `timeout` has failed.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a coordinator changes its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthRule {
    /// Time between probes; the shell's to keep. Default 10 s.
    pub interval: Duration,
    /// Time after which a probe has failed. Default 5 s.
    pub timeout: Duration,
    /// Failures in a row until it is down. Default 5.
    pub fall: u32,
    /// Successes in a row until it is up. Default 2.
    pub rise: u32,
}

impl Default for HealthRule {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: Duration::from_secs(5), fall: 5, rise: 2 }
    }
}

/// What a probe said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// It answered that it is well, after this long.
    Answered(Duration),
    /// It answered otherwise, or not at all.
    Failed,
}

/// Whether it is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Yes.
    Up,
    /// No.
    Down,
}

/// A coordinator's health, and how far it is from changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeState {
    /// Now.
    pub health: Health,
    /// Probes in a row that said otherwise.
    pub against: u32,
}

impl Default for ProbeState {
    /// Up, as a coordinator is taken to be until its probes say otherwise.
    fn default() -> Self {
        Self { health: Health::Up, against: 0 }
    }
}

impl ProbeState {
    /// The state after one more probe.
    #[must_use]
    pub fn after(self, probe: ProbeResult, rule: &HealthRule) -> Self {
        let is_well = matches!(probe, ProbeResult::Answered(after) if after <= rule.timeout);
        let (agrees, needed, other) = match self.health {
            Health::Up => (is_well, rule.fall, Health::Down),
            Health::Down => (!is_well, rule.rise, Health::Up),
        };
        match self.against + 1 {
            _ if agrees => Self { against: 0, ..self },
            against if against >= needed => Self { health: other, against: 0 },
            against => Self { against, ..self },
        }
    }
}
