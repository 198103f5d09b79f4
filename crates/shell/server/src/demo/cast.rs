//! Who is in the demo, and what happens to them.

use std::time::Duration;
use tidegauge_model::{EventTime, Target};
use tidegauge_sim::plant::{AgentSpec, Day, FleetSpec, LoadCurve};

/// The hour at which the demo begins.
const FIRST_HOUR: f64 = 6.0;
/// How long a day takes unless the demo ends before.
const DAY_S: u32 = 120;

/// An agent of the demo.
struct Role {
    name: &'static str,
    /// Requests a second by night and by day.
    load: (f64, f64),
    /// The hours of the day's load.
    hours: (f64, f64),
}

/// In the order of their names. An instance serves 50 requests a second.
const CAST: [Role; 4] = [
    Role { name: "coder", load: (35.0, 220.0), hours: (11.0, 17.0) },
    Role { name: "planner", load: (40.0, 260.0), hours: (9.0, 15.0) },
    Role { name: "retriever", load: (30.0, 170.0), hours: (10.0, 16.0) },
    Role { name: "summarizer", load: (75.0, 75.0), hours: (9.0, 17.0) },
];

/// Whether the agent's load swings enough that it has to be scaled.
pub(super) fn is_bursty(name: &str) -> bool {
    CAST.iter().any(|role| role.name == name && role.load.1 > 2.0 * role.load.0)
}

/// How long a day takes: whole days until the end, so that it ends in the calm before the morning.
pub(super) fn day_length(seconds: Option<u32>) -> Duration {
    let Some(seconds) = seconds else { return Duration::from_secs(DAY_S.into()) };
    let days = (f64::from(seconds) / f64::from(DAY_S)).round().max(1.0);
    Duration::from_secs_f64(f64::from(seconds) / days)
}

/// The fleet at the beginning.
pub(super) fn fleet(seed: u64, began_at: EventTime, day: Duration) -> FleetSpec {
    let agent = |role: &Role| AgentSpec {
        target: Target { workspace: "default".into(), agent: role.name.into(), region: None },
        instances: 3,
        max_instances: 20,
        service_per_s: 50.0,
        service_ms: 60.0,
        queue_limit: 150,
        start_up: Duration::from_millis(2_500),
        repair_after: Duration::from_secs(5),
        load: LoadCurve {
            night_per_s: role.load.0,
            day_per_s: role.load.1,
            from_hour: role.hours.0,
            to_hour: role.hours.1,
            ramp_hours: 2.0,
        },
    };
    let day = Day { began_at, first_hour: FIRST_HOUR, length: day };
    FleetSpec { seed, agents: CAST.iter().map(agent).collect(), day }
}

/// Something that happens to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// One instance of an agent gets more than its share.
    Hotspot(usize),
    /// One instance of an agent fails.
    Failure(usize),
    /// An agent is asked three times as much.
    Burst(usize),
    /// Records that nobody can read, one that is from the future and one that comes too late.
    BadRecords,
}

/// At which hour of each day what happens. Numbers are places in [`CAST`].
const SCRIPT: [(f64, Happening); 5] = [
    (10.5, Happening::BadRecords),
    (12.0, Happening::Failure(1)),
    (13.0, Happening::Hotspot(0)),
    (14.0, Happening::Burst(2)),
    (20.0, Happening::BadRecords),
];

/// What is still to happen.
pub(super) struct Script {
    next: usize,
    began_at: EventTime,
    day: Duration,
}

impl Script {
    pub(super) fn new(began_at: EventTime, day: Duration) -> Self {
        Self { next: 0, began_at, day }
    }

    /// What has come due since the last call.
    pub(super) fn due(&mut self, now: EventTime) -> Vec<Happening> {
        let mut due = Vec::new();
        loop {
            let (hour, happening) = SCRIPT[self.next % SCRIPT.len()];
            let days = (self.next / SCRIPT.len()) as f64 + (hour - FIRST_HOUR) / 24.0;
            if self.began_at.plus(self.day.mul_f64(days)) > now {
                return due;
            }
            due.push(happening);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_as_a_day_does() {
        let cases = [(None, 120.0), (Some(75), 75.0), (Some(120), 120.0), (Some(200), 100.0), (Some(600), 120.0)];
        for (seconds, want) in cases {
            assert!((day_length(seconds).as_secs_f64() - want).abs() < 1e-9, "{seconds:?}");
        }
    }

    #[test]
    fn the_script_is_played_once_a_day() {
        let at = EventTime::from_secs;
        let mut script = Script::new(at(0), Duration::from_secs(240)); // ten seconds an hour
        assert_eq!(script.due(at(44)), []);
        assert_eq!(script.due(at(45)), [Happening::BadRecords]);
        assert_eq!(script.due(at(60)), [Happening::Failure(1)]);
        assert_eq!(script.due(at(240)).len(), 3);
        assert_eq!(script.due(at(285)), [Happening::BadRecords]);
    }

    #[test]
    fn names_are_in_order() {
        assert!(CAST.is_sorted_by_key(|role| role.name));
        assert!(is_bursty("planner") && !is_bursty("summarizer") && !is_bursty("nobody"));
    }
}
