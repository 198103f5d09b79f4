//! The three presets: thresholds of CPU, and bounds.
//!
//! A preset is the ratio kind: the objective is `√(up · down)`, and nothing changes between the thresholds. Neither the
//! objective nor the load is rounded: the HPA cuts utilization to a whole percent because its objective is one, while a
//! preset's objective is not (`√(0.7 · 0.3) = 45.8 %`), and a cut load would move its thresholds (70.9 % would not be
//! over 70 %).

use serde::Deserialize;

/// Ready-made thresholds and bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Fast but expensive: up over 60 %, down under 30 %, 3 to 20 instances.
    Aggressive,
    /// Slow but cheap: up over 80 %, down under 20 %, 2 to 10 instances.
    Conservative,
    /// Recommended: up over 70 %, down under 30 %, 3 to 15 instances.
    Balanced,
}

/// What a preset stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PresetValues {
    /// Load above which it grows, 0 to 1.
    pub up: f64,
    /// Load below which it shrinks, 0 to 1.
    pub down: f64,
    /// Least instances.
    pub min_instances: u32,
    /// Most instances.
    pub max_instances: u32,
}

impl Preset {
    /// As it is written in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aggressive => "aggressive",
            Self::Conservative => "conservative",
            Self::Balanced => "balanced",
        }
    }

    /// Thresholds and bounds.
    #[must_use]
    pub const fn values(self) -> PresetValues {
        let (up, down, min_instances, max_instances) = match self {
            Self::Aggressive => (0.60, 0.30, 3, 20),
            Self::Conservative => (0.80, 0.20, 2, 10),
            Self::Balanced => (0.70, 0.30, 3, 15),
        };
        PresetValues { up, down, min_instances, max_instances }
    }
}
