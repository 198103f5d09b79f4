//! Load tests that can be tried: five courses of load [002], against a fleet that queues, slows down and drops.
//!
//! | scenario | loads, in shares of what the fleet can serve |
//! | --- | --- |
//! | normal | up to 0.5 and back |
//! | peak | up to 0.9 and back |
//! | stress | in six steps to 1.5 |
//! | spike | 0.3, for a tenth of the time 1.2, 0.3 again |
//! | soak | 0.7 all the time |

use super::{AgentSpec, Day, Fleet, FleetSpec, LoadCurve};
use std::time::Duration;
use tidegauge_model::{Attribute, EventTime, Target};
use tidegauge_wire::SampleRow;

/// A course of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the guide's words; the module says what they are")]
pub enum Scenario {
    Normal,
    Peak,
    Stress,
    Spike,
    Soak,
}

impl Scenario {
    /// (part of the test at whose end the level ends, load as a share of what the fleet can serve).
    const fn levels(self) -> &'static [(f64, f64)] {
        match self {
            Self::Normal => &[(0.2, 0.3), (0.4, 0.4), (0.6, 0.5), (0.8, 0.4), (1.0, 0.3)],
            Self::Peak => &[(0.2, 0.5), (0.4, 0.7), (0.6, 0.9), (0.8, 0.7), (1.0, 0.5)],
            Self::Stress => {
                &[(1.0 / 6.0, 0.25), (2.0 / 6.0, 0.5), (0.5, 0.75), (4.0 / 6.0, 1.0), (5.0 / 6.0, 1.25), (1.0, 1.5)]
            }
            Self::Spike => &[(0.45, 0.3), (0.55, 1.2), (1.0, 0.3)],
            Self::Soak => &[(1.0, 0.7)],
        }
    }

    /// The name, as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Peak => "peak",
            Self::Stress => "stress",
            Self::Spike => "spike",
            Self::Soak => "soak",
        }
    }

    /// The load at a part of the test, from 0 at its begin to 1 at its end, as a share of what the fleet can serve.
    #[must_use]
    pub fn load_at(self, part: f64) -> f64 {
        let levels = self.levels();
        levels.iter().find(|(until, _)| part < *until).or(levels.last()).map_or(0.0, |(_, load)| *load)
    }
}

/// A load test of several agents at once.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadTest {
    /// Its course.
    pub scenario: Scenario,
    /// What its samples name as `run_id`.
    pub run_id: String,
    /// How many agents.
    pub agents: u32,
    /// How many instances each of them has.
    pub instances: u32,
    /// When it begins.
    pub start: EventTime,
    /// How long it takes.
    pub length: Duration,
    /// Between two samples of an instance, above 0.
    pub interval: Duration,
    /// Where all that looks random comes from.
    pub seed: u64,
}

/// Requests per second that an instance of a load test can serve.
pub const SERVED_PER_S: f64 = 100.0;

impl LoadTest {
    /// Its samples, in the order of event time.
    pub fn rows(self) -> impl Iterator<Item = SampleRow> {
        let steps = (self.length.as_micros() / self.interval.as_micros().max(1)) as u32;
        let mut fleet = Fleet::new(self.fleet(), self.start);
        (0..steps).flat_map(move |step| {
            let now = self.start.plus(self.interval * (step + 1));
            let load = self.scenario.load_at(f64::from(step) / f64::from(steps));
            (0..self.agents as usize).for_each(|agent| fleet.burst(agent, load, now.plus(self.interval)));
            let mut rows = fleet.step(now, self.interval).rows;
            for row in &mut rows {
                row.attributes.insert(Attribute::RunId.name().to_owned(), self.run_id.clone());
            }
            rows
        })
    }

    /// A fleet of which all it can serve is asked, so that a factor of the load is a share of that.
    fn fleet(&self) -> FleetSpec {
        let most = SERVED_PER_S * f64::from(self.instances);
        let load = LoadCurve { night_per_s: most, day_per_s: most, from_hour: 8.0, to_hour: 20.0, ramp_hours: 1.0 };
        let agent = |number: u32| AgentSpec {
            target: Target { workspace: "default".into(), agent: format!("agent-{number}").into(), region: None },
            instances: self.instances,
            max_instances: self.instances,
            service_per_s: SERVED_PER_S,
            service_ms: 20.0,
            queue_limit: 500,
            start_up: Duration::from_secs(30),
            repair_after: Duration::from_secs(30),
            load,
        };
        let day = Day { began_at: self.start, first_hour: 0.0, length: Duration::from_hours(24) };
        FleetSpec { seed: self.seed, agents: (0..self.agents).map(agent).collect(), day }
    }
}
