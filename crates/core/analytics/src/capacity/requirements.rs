//! What agents and their coordinators need [003].

use crate::shards::coordinators_needed;
use serde::Serialize;

/// What one of something needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PerUnit {
    /// Memory in MB.
    pub memory_mb: f64,
    /// CPU in cores.
    pub cpu_cores: f64,
    /// I/O in MB/s.
    pub io_mb_per_s: f64,
}

impl PerUnit {
    /// The guide's agent: 25 MB, 0.1 cores, 1 MB/s.
    pub const AGENT: Self = Self { memory_mb: 25.0, cpu_cores: 0.1, io_mb_per_s: 1.0 };
    /// The guide's coordinator of ten agents: 500 MB, 1 core, 10 MB/s.
    pub const COORDINATOR: Self = Self { memory_mb: 500.0, cpu_cores: 1.0, io_mb_per_s: 10.0 };
}

/// What all of them need.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Requirement {
    /// Agents.
    pub agents: u32,
    /// Coordinators.
    pub coordinators: u32,
    /// Their sum.
    pub total: PerUnit,
}

/// What `agents` and their coordinators need together; absent for 0 agents per coordinator.
#[must_use]
pub fn requirement(agents: u32, per_coordinator: u32, agent: PerUnit, coordinator: PerUnit) -> Option<Requirement> {
    let coordinators = coordinators_needed(agents.into(), per_coordinator.into()).ok()?;
    let coordinators = u32::try_from(coordinators).ok()?; // not more than agents
    let sum =
        |pick: fn(&PerUnit) -> f64| f64::from(agents) * pick(&agent) + f64::from(coordinators) * pick(&coordinator);
    let total = PerUnit {
        memory_mb: sum(|p| p.memory_mb),
        cpu_cores: sum(|p| p.cpu_cores),
        io_mb_per_s: sum(|p| p.io_mb_per_s),
    };
    Some(Requirement { agents, coordinators, total })
}
