//! Schedules, worked by hand, and against the clock itself where it jumps.
#![allow(clippy::disallowed_methods, reason = "a test reads the examples")]

mod common;

use common::{Fleet, Instance, fleet, policy};
use jiff::Timestamp;
use proptest::prelude::*;
use tidegauge_model::{Decision, EventTime};
use tidegauge_policy::policy::Schedule;
use tidegauge_policy::reference::schedule::holds;
use tidegauge_policy::{Policy, TargetState};

fn at(text: &str) -> EventTime {
    let timestamp: Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    EventTime::from_micros(timestamp.as_microsecond())
}

fn schedule(cron: &str, zone: &str, lasts: &str) -> Schedule {
    let spec = format!(
        "preset: balanced\nschedules: [{{ name: s, cron: '{cron}', time_zone: {zone}, lasts: {lasts}, floor: 1 }}]"
    );
    policy(&spec).schedules.remove(0)
}

/// Berlin: +01:00, from 2024-03-31T01:00Z on +02:00 (02:00 to 03:00 is skipped), from 2024-10-27T01:00Z on +01:00 again
/// (02:00 to 03:00 comes twice).
#[test]
fn starts_worked_by_hand() {
    #[rustfmt::skip]
    let cases = [ // cron, zone, lasts, now, the start that holds
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-01-05T07:29:59Z", None),
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-01-05T07:30:00Z", Some("2024-01-05T07:30:00Z")),
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-01-05T17:29:59Z", Some("2024-01-05T07:30:00Z")),
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-01-05T17:30:00Z", None), // Z3
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-01-06T08:00:00Z", None), // a Saturday
        ("30 8 * * mon-fri", "Europe/Berlin", "10h", "2024-07-05T06:30:00Z", Some("2024-07-05T06:30:00Z")), // summer
        // Z2: half past two is skipped, and happens at two, which is three.
        ("30 2 * * *", "Europe/Berlin", "1h", "2024-03-31T00:59:59Z", None),
        ("30 2 * * *", "Europe/Berlin", "1h", "2024-03-31T01:00:00Z", Some("2024-03-31T01:00:00Z")),
        ("30 2 * * *", "Europe/Berlin", "1h", "2024-03-31T02:00:00Z", None),
        // Z1: half past two comes twice, at 00:30Z and 01:30Z, and counts the first time.
        ("30 2 * * *", "Europe/Berlin", "30m", "2024-10-27T00:30:00Z", Some("2024-10-27T00:30:00Z")),
        ("30 2 * * *", "Europe/Berlin", "30m", "2024-10-27T01:30:00Z", None),
        // Of all the quarters that come twice the last of the first time is the latest while they come again.
        ("*/15 2 * * *", "Europe/Berlin", "2h", "2024-10-27T01:10:00Z", Some("2024-10-27T00:45:00Z")),
        // Elapsed time: ten hours from ten in the evening end at nine in the morning, the clock having skipped one.
        ("0 22 * * sat", "Europe/Berlin", "10h", "2024-03-31T06:59:59Z", Some("2024-03-30T21:00:00Z")),
        ("0 22 * * sat", "Europe/Berlin", "10h", "2024-03-31T07:00:00Z", None),
        // Across midnight, months and years; and more than one start within what lasts.
        ("0 23 31 dec *", "UTC", "2h", "2025-01-01T00:59:59Z", Some("2024-12-31T23:00:00Z")),
        ("0 0 1 * *", "UTC", "31d", "2024-03-31T12:00:00Z", Some("2024-03-01T00:00:00Z")),
        ("0 * * * *", "UTC", "5h", "2024-03-31T12:34:00Z", Some("2024-03-31T12:00:00Z")),
        // Santiago skips midnight itself: 2024-09-08T04:00Z is one o'clock.
        ("0 0 8 9 *", "America/Santiago", "1h", "2024-09-08T04:00:00Z", Some("2024-09-08T04:00:00Z")),
        ("15 0 7 9 *", "Asia/Kathmandu", "1h", "2024-09-06T18:30:00Z", Some("2024-09-06T18:30:00Z")), // +05:45
    ];
    for (cron, zone, lasts, now, want) in cases {
        let schedule = schedule(cron, zone, lasts);
        assert_eq!(schedule.holds_since(at(now)), want.map(at), "{cron} {zone} {now}");
        assert_eq!(holds(&schedule, at(now)), want.is_some(), "the reference: {cron} {zone} {now}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a walk from minute to minute, within days of the days on which clocks jump.
    #[test]
    fn it_holds_when_the_clock_says_so(
        zone in prop::sample::select(vec![
            ("Europe/Berlin", "2024-03-31T01:00:00Z"), ("Europe/Berlin", "2024-10-27T01:00:00Z"),
            ("America/New_York", "2024-03-10T07:00:00Z"), ("America/New_York", "2024-11-03T06:00:00Z"),
            ("Australia/Lord_Howe", "2024-10-05T15:30:00Z"), ("Australia/Lord_Howe", "2024-04-06T15:00:00Z"),
            ("America/Santiago", "2024-09-08T04:00:00Z"), ("Asia/Kolkata", "2024-03-31T01:00:00Z"),
        ]),
        minute in prop::sample::select(vec!["*", "0", "30", "*/15", "7,45"]),
        hour in prop::sample::select(vec!["*", "0", "1-3", "2", "23"]),
        days in prop::sample::select(vec!["* * *", "* * sun", "* * sat,mon", "31 3 *", "*/5 * sun", "8 9 sun"]),
        lasts in prop::sample::select(vec!["1m", "20m", "1h", "7h", "26h"]),
        away_s in -130_000_i64..130_000,
    ) {
        let (name, jump) = zone;
        let schedule = schedule(&format!("{minute} {hour} {days}"), name, lasts);
        let now = EventTime::from_micros(at(jump).as_micros() + away_s * 1_000_000);
        let start = schedule.holds_since(now);
        prop_assert_eq!(start.is_some(), holds(&schedule, now), "{:?}", start);
        prop_assert!(start.is_none_or(|start| start <= now && now.since(start) < schedule.lasts));
    }
}

const AT_ONCE: &str = "objectives: [{ signal: cpu, target: 0.7 }]\nmax_instances: 40\n\
                       behavior: { scale_down: { stabilization_window: 0s } }\n";

/// Windows of these tests end on Tuesday, 2023-11-14, at 22:14:20 UTC.
fn decide(schedules: &str, fleet: &Fleet) -> Decision {
    let policy = policy(&format!("{AT_ONCE}schedules: [{schedules}]"));
    fleet.decide(&policy, &mut TargetState::default(), 60).decision
}

#[test]
fn floors_are_wishes_and_exact_ones_are_the_only_wish() {
    let floor =
        |instances: u32, lasts: &str| format!("{{ name: f, cron: '0 22 * * *', lasts: {lasts}, floor: {instances} }}");
    let exact = |instances: u32| format!("{{ name: e, cron: '0 22 * * *', lasts: 1h, exact: {instances} }}");
    let idle = Instance { gauges: vec![("queue_depth", 1.0)], ..Instance::default() };
    let without_cpu = Fleet { instances: vec![idle; 10], ..Fleet::default() };
    #[rustfmt::skip]
    let cases = [ // name, schedules, fleet, want
        ("a floor above what is there", floor(7, "1h"), fleet(4, 0.7), 7),
        ("a floor that the rate does not reach at once", floor(12, "1h"), fleet(4, 0.7), 8),
        ("a floor below what signals ask for: 0.95/0.7 · 4 = 5.4", floor(2, "1h"), fleet(4, 0.95), 6),
        ("a floor holds shrinking: 0.1/0.7 · 10 = 1.4", floor(5, "1h"), fleet(10, 0.1), 5),
        ("a floor that is over", floor(7, "14m"), fleet(4, 0.7), 4),
        ("the greater of two floors", format!("{}, {{ name: g, cron: '5 22 * * *', lasts: 1h, floor: 6 }}", floor(5, "1h")), fleet(4, 0.7), 6),
        ("a floor does not let shrink what nobody measures", floor(3, "1h"), without_cpu.clone(), 10),
        ("exactly, against load and anti-flap", exact(2), fleet(4, 0.95), 2),
        ("exactly, against a floor", format!("{}, {}", floor(9, "1h"), exact(3)), fleet(4, 0.7), 3),
        ("exactly, though nobody measures", exact(8), without_cpu, 8),
        ("exactly, within bounds", exact(60), fleet(30, 0.7), 40),
        ("not on thin data", exact(2), Fleet { completeness: Some(0.5), ..fleet(4, 0.95) }, 4),
        ("none there, none asked for", exact(2), Fleet::default(), 1),
    ];
    for (name, schedules, fleet, want) in cases {
        let decision = decide(&schedules, &fleet);
        assert_eq!(decision.desired_instances, want, "{name}: {}", decision.explanation);
    }
}

#[test]
fn the_explanation_says_which_schedule() {
    let evening = "{ name: evening, description: people come home, cron: '0 23 * * tue', time_zone: Europe/Berlin, lasts: 1h, floor: 12 }";
    let decision = decide(evening, &fleet(4, 0.7));
    assert_eq!(
        decision.explanation,
        "up 4 -> 8: evening asks for at least 12 (people come home), by 0 23 * * tue Europe/Berlin for 1h; limited from 12 \
         by the most of 4/15s and 100%/15s"
    );
    let reading = &decision.signals[1];
    assert_eq!((reading.name.as_str(), reading.value, reading.wish_instances), ("evening", Some(12.0), Some(12)));
    let night = decide("{ name: night, cron: '0 22 * * *', lasts: 8h, exact: 2 }", &fleet(4, 0.95));
    assert_eq!(night.explanation, "down 4 -> 2: night asks for exactly 2, by 0 22 * * * UTC for 8h");
    let over = decide("{ name: night, cron: '0 21 * * *', lasts: 1h, exact: 2 }", &fleet(4, 0.7));
    assert_eq!(over.signals.len(), 1, "what does not hold is not shown");
}

/// The same times written otherwise are the same policy; another zone is another.
#[test]
fn the_hash_is_of_what_is_meant() {
    let hash =
        |schedule: &str| policy(&format!("{AT_ONCE}schedules: [{{ name: s, lasts: 1h, floor: 3, {schedule} }}]")).hash;
    assert_eq!(hash("cron: '0,30 8 * * 1-5'"), hash("cron: '*/30 8 * * mon-fri', time_zone: UTC"));
    assert_eq!(hash("cron: '0 8 * * 0'"), hash("cron: '0 8 * * 7'"));
    assert_ne!(hash("cron: '0 8 * * 0'"), hash("cron: '0 8 * * 0', time_zone: Europe/Berlin"));
}

#[test]
fn the_example_of_office_hours() {
    let path = format!("{}/../../../examples/policies/office-hours.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("an example");
    let policy = Policy::parse(&path, &text).unwrap_or_else(|error| panic!("{error}")).remove(0);
    let holding = |now: &str| -> Vec<_> {
        let holds = |schedule: &&Schedule| schedule.holds_since(at(now)).is_some();
        policy.schedules.iter().filter(holds).map(|schedule| schedule.name.as_str()).collect()
    };
    assert_eq!(holding("2024-07-05T06:30:00Z"), ["office"]);
    assert_eq!(holding("2024-07-06T06:30:00Z"), Vec::<&str>::new());
    assert_eq!(holding("2025-12-01T17:29:00Z"), ["office"], "a Monday in winter");
    assert_eq!(holding("2025-12-01T18:00:00Z"), ["launch"]);
    // On Tuesday at 22:14 nothing holds: three is the least of the preset.
    let decision = fleet(3, 0.4).decide(&policy, &mut TargetState::default(), 60).decision;
    assert_eq!(decision.desired_instances, 3, "{}", decision.explanation);
}
