//! The fleet that can be scaled: what holds whatever is done to it, and what an actuator says.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{EventTime, InstanceState, Metric, ScalingEvent, ScalingState, Target, metric};
use tidegauge_sim::plant::{AgentSpec, AgentStatus, Day, Fleet, FleetSpec, LoadCurve, Step};
use tidegauge_wire::{Encoding, Framing, Output, SampleEncoder, SampleRow};

const START: EventTime = EventTime::from_secs(1_767_225_600);
const TICK: Duration = Duration::from_millis(500);
const MOST: u32 = 8;

fn target(agent: usize) -> Target {
    Target { workspace: "default".into(), agent: format!("agent-{agent}").into(), region: None }
}

fn spec(agent: usize, per_s: f64) -> AgentSpec {
    AgentSpec {
        target: target(agent),
        instances: 3,
        max_instances: MOST,
        service_per_s: 50.0,
        service_ms: 40.0,
        queue_limit: 200,
        start_up: Duration::from_secs(3),
        repair_after: Duration::from_secs(5),
        load: LoadCurve { night_per_s: per_s, day_per_s: per_s, from_hour: 9.0, to_hour: 17.0, ramp_hours: 3.0 },
    }
}

/// Two agents whose load does not change by itself.
fn fleet(seed: u64, per_s: f64) -> Fleet {
    let day = Day { began_at: START, first_hour: 5.0, length: Duration::from_secs(120) };
    Fleet::new(FleetSpec { seed, agents: vec![spec(0, per_s), spec(1, per_s)], day }, START)
}

/// A fleet, and how often it has ticked.
struct Driven {
    fleet: Fleet,
    ticks: u32,
    events: Vec<ScalingEvent>,
    rows: Vec<SampleRow>,
}

impl Driven {
    fn new(seed: u64, per_s: f64) -> Self {
        Self { fleet: fleet(seed, per_s), ticks: 0, events: Vec::new(), rows: Vec::new() }
    }

    fn now(&self) -> EventTime {
        START.plus(TICK * self.ticks)
    }

    fn tick(&mut self, times: u32) -> Step {
        let mut last = Step::default();
        for _ in 0..times {
            self.ticks += 1;
            last = self.fleet.step(self.now(), TICK);
            self.events.extend(last.events.clone());
            self.rows.extend(last.rows.clone());
        }
        last
    }

    fn scale(&mut self, desired: u32, generation: u64) -> Vec<ScalingState> {
        let (now, decision) = (self.now(), format!("decision-{generation}"));
        let events = self.fleet.scale(&target(0), desired, &decision, generation, now);
        self.events.extend(events.clone());
        events.into_iter().map(|event| event.state).collect()
    }

    fn status(&self) -> AgentStatus {
        self.fleet.status(self.now()).swap_remove(0)
    }

    /// Whatever was sent and said, as bytes.
    fn bytes(&self) -> Vec<u8> {
        let (encoder, mut bytes) = (SampleEncoder::new(), Vec::new());
        self.rows.iter().for_each(|row| encoder.encode(row, Framing::SingleObject, &mut bytes));
        self.events.iter().for_each(|event| event.encode(Encoding::Avro(Framing::SingleObject), &mut bytes));
        bytes
    }
}

/// Something that happens to a fleet.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Ticks(u32),
    Scale { desired: u32, generation: u64 },
    Burst(f64),
    Hotspot(f64),
    Kill,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (1_u32..20).prop_map(Happening::Ticks),
        3 => (0_u32..12, 0_u64..30).prop_map(|(desired, generation)| Happening::Scale { desired, generation }),
        1 => (0.0..5.0_f64).prop_map(Happening::Burst),
        1 => (1.0..9.0_f64).prop_map(Happening::Hotspot),
        1 => Just(Happening::Kill),
    ]
}

fn run(seed: u64, per_s: f64, happenings: &[Happening]) -> Driven {
    let mut driven = Driven::new(seed, per_s);
    for happening in happenings {
        let (now, before) = (driven.now(), driven.status());
        let until = now.plus(Duration::from_secs(4));
        match *happening {
            Happening::Ticks(times) => drop(driven.tick(times)),
            Happening::Scale { desired, generation } => drop(driven.scale(desired, generation)),
            Happening::Burst(factor) => driven.fleet.burst(0, factor, until),
            Happening::Hotspot(weight) => drop(driven.fleet.hotspot(0, weight, until)),
            Happening::Kill => drop(driven.fleet.kill(0, now)),
        }
        driven.tick(1);
        let status = driven.status();
        let work = status.work;
        assert_eq!(work.arrived, work.served + work.queued + work.dropped, "Q1: {status:?}");
        assert_eq!(status.wanted, status.starting + status.ready + status.failed, "Q2: {status:?}");
        assert!(status.wanted <= MOST, "Q2: {status:?}");
        assert!(status.generation >= before.generation, "Q3: {status:?} after {before:?}");
    }
    driven
}

proptest! {
    #[test]
    fn q1_q2_q3_hold_whatever_happens(
        seed: u64, per_s in 0.0..600.0_f64, happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        run(seed, per_s, &happenings);
    }

    #[test]
    fn q4_each_accepted_order_has_one_end(
        seed: u64, happenings in proptest::collection::vec(happening(), 1..60),
    ) {
        let mut driven = run(seed, 100.0, &happenings);
        driven.tick(200);
        let mut states: BTreeMap<&str, Vec<ScalingState>> = BTreeMap::new();
        driven.events.iter().for_each(|event| states.entry(&event.id).or_default().push(event.state));
        for (id, states) in states {
            let ends = states.iter().filter(|state| state.is_final()).count();
            prop_assert!(ends == 1 && states[states.len() - 1].is_final(), "{id}: {states:?}");
            prop_assert!(states.len() == 1 || states[0] == ScalingState::Accepted, "{id}: {states:?}");
        }
    }

    #[test]
    fn q5_equal_seeds_and_calls_give_equal_bytes(
        seed: u64, happenings in proptest::collection::vec(happening(), 1..30),
    ) {
        let bytes = |seed| run(seed, 200.0, &happenings).bytes();
        prop_assert_eq!(bytes(seed), bytes(seed));
        prop_assert_ne!(bytes(seed), bytes(seed.wrapping_add(1)));
    }
}

#[test]
fn an_order_is_accepted_started_and_applied_once_its_instances_are_ready() {
    let mut driven = Driven::new(1, 100.0);
    assert_eq!(driven.scale(5, 1), [ScalingState::Accepted]);
    let step = driven.tick(1);
    assert_eq!(step.events[0].state, ScalingState::Started);
    assert_eq!((driven.status().ready, driven.status().starting), (3, 2));
    let states = |step: &Step| -> Vec<_> {
        step.rows.iter().filter(|row| row.agent == "agent-0").filter_map(|row| row.state).collect()
    };
    assert_eq!(states(&step)[3..], [InstanceState::Starting; 2], "those that start say so");
    driven.tick(5);
    assert_eq!(driven.status().ready, 3, "half a second before the end of the start-up");
    let step = driven.tick(1);
    assert_eq!((driven.status().ready, driven.status().is_scaling), (5, false));
    let [applied] = &step.events[..] else { panic!("{:?}", step.events) };
    assert_eq!((applied.state, applied.success), (ScalingState::Applied, Some(true)));
    assert_eq!((applied.instances_before, applied.instances_after), (Some(3), Some(5)));
    assert_eq!(applied.decision_id.as_deref(), Some("decision-1"));
}

#[test]
fn fences_by_generation() {
    use ScalingState::{Accepted, Rejected, Superseded};
    let mut driven = Driven::new(1, 100.0);
    let cases: [(&str, u32, u64, &[ScalingState], u32); 6] = [
        // name, desired, generation, what is said, wanted then
        ("the first", 5, 3, &[Accepted], 5),
        ("the same again says nothing", 5, 3, &[], 5),
        ("an equal generation changes nothing", 7, 3, &[], 5),
        ("an older one is refused", 1, 2, &[Rejected], 5),
        ("a newer one takes the place of one that is not done", 4, 4, &[Superseded, Accepted], 4),
        ("what is there already needs nothing but the one before to end", 4, 9, &[Superseded, Accepted], 4),
    ];
    for (name, desired, generation, want, wanted) in cases {
        assert_eq!(driven.scale(desired, generation), want, "{name}");
        assert_eq!(driven.status().wanted, wanted, "{name}");
    }
    let stranger = Target { workspace: "other".into(), ..target(0) };
    let events = driven.fleet.scale(&stranger, 5, "d", 1, START);
    assert_eq!((events[0].state, events[0].error.as_deref()), (Rejected, Some("no such agent")));
}

#[test]
fn there_is_never_more_than_there_is_room_for() {
    let mut driven = Driven::new(1, 100.0);
    driven.scale(20, 1);
    driven.tick(20);
    let last = driven.events.last().expect("it was scaled");
    assert_eq!((last.state, last.success, last.instances_after), (ScalingState::Partial, Some(false), Some(MOST)));
    assert_eq!(last.error.as_deref(), Some("there is room for 8, not for 20"));
    assert_eq!(driven.status().ready, MOST);
}

#[test]
fn those_that_go_serve_what_they_have_and_say_that_they_stopped() {
    let mut driven = Driven::new(1, 400.0);
    driven.tick(4);
    assert!(driven.status().work.queued > 0, "three instances cannot serve 400 requests a second");
    driven.scale(1, 1);
    driven.tick(1);
    assert_eq!((driven.status().ready, driven.status().leaving), (1, 2));
    driven.tick(20);
    assert_eq!((driven.status().ready, driven.status().leaving), (1, 0));
    let stopped = driven.rows.iter().filter(|row| row.state == Some(InstanceState::Stopped));
    let names: Vec<_> = stopped.map(|row| row.instance.as_str()).collect();
    assert_eq!(names, ["agent-0-1", "agent-0-2"], "the youngest, once each");
    assert!(driven.events.iter().any(|event| event.state == ScalingState::Applied));
}

#[test]
fn a_failed_instance_is_silent_and_another_takes_its_place() {
    let mut driven = Driven::new(1, 100.0);
    driven.tick(2);
    assert_eq!(driven.fleet.kill(0, driven.now()).as_deref(), Some("agent-0-0"));
    let silent = driven.tick(1);
    assert!(!silent.rows.iter().any(|row| row.instance == "agent-0-0"));
    assert_eq!((driven.status().ready, driven.status().failed), (2, 1));
    driven.tick(9);
    assert_eq!((driven.status().starting, driven.status().failed), (1, 0), "after five seconds");
    driven.tick(6);
    assert_eq!(driven.status().ready, 3);
    assert!(driven.rows.iter().any(|row| row.instance == "agent-0-3"), "under a name of its own");
}

#[test]
fn bursts_and_hotspots_come_and_go() {
    let cpu = |step: &Step, instance: &str| {
        let row = step.rows.iter().find(|row| row.instance == instance).expect("a row");
        let used = row.metrics.iter().find(|(m, _)| *m == Metric::BuiltIn(metric::CPU_USED_CORES)).expect("reported");
        used.1 / 2.0
    };
    let mut driven = Driven::new(1, 60.0);
    let until = driven.now().plus(Duration::from_secs(5));
    let calm = cpu(&driven.tick(1), "agent-0-0");
    driven.fleet.burst(0, 2.0, until);
    let busy = cpu(&driven.tick(1), "agent-0-0");
    assert!(calm < 0.5 && busy > 0.7, "{calm} {busy}");
    driven.tick(10);
    let until = driven.now().plus(Duration::from_secs(5));
    assert_eq!(driven.fleet.hotspot(0, 4.0, until).as_deref(), Some("agent-0-0"));
    let step = driven.tick(1);
    let (hot, cool) = (cpu(&step, "agent-0-0"), cpu(&step, "agent-0-1"));
    assert!(hot > 0.7 && cool < 0.3, "{hot} {cool}");
    driven.tick(10);
    let step = driven.tick(1);
    let (hot, cool) = (cpu(&step, "agent-0-0"), cpu(&step, "agent-0-1"));
    assert!((hot - cool).abs() < 0.1, "{hot} {cool}");
}

/// Rows are native telemetry: a decoder takes them, and reads them back equal.
#[test]
fn rows_are_telemetry() {
    let mut driven = Driven::new(1, 100.0);
    driven.tick(3);
    let mut decoder = tidegauge_wire::Decoder::new(tidegauge_wire::DecodeConfig::default());
    for row in &driven.rows {
        let mut bytes = Vec::new();
        SampleEncoder::new().encode(row, Framing::SingleObject, &mut bytes);
        assert_eq!(decoder.row(&bytes).expect("a sample"), *row);
    }
}
