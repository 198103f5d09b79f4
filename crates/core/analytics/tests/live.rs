//! What a run makes of windows: news and nothing else, memory that is bounded and survives being written.

mod common;

use common::{Rng, Window};
use std::time::Duration;
use tidegauge_analytics::live::{AgentMemory, Analyzed, Closed, LiveConfig, PAST_WINDOWS};
use tidegauge_model::{
    Attribute, CauseCode, Entity, FindingKind, FindingState, InstanceId, Severity, TimeRange, WindowSummary,
};

/// The agent's window `number` and those of instances a, b, c, ... with these utilizations of CPU.
fn windows(number: i64, loads: &[f64]) -> (WindowSummary, Vec<WindowSummary>) {
    let mean = loads.iter().sum::<f64>() / loads.len() as f64;
    let agent = Window::agent(number).ready(loads.len() as u32).gauge("cpu_utilization_of_limit", mean).0;
    let instance = |(load, name): (&f64, char)| {
        Window::instance(number, &name.to_string()).gauge("cpu_utilization_of_limit", *load).0
    };
    (agent, loads.iter().zip('a'..).map(instance).collect())
}

fn step(
    memory: &mut AgentMemory,
    (agent, instances): &(WindowSummary, Vec<WindowSummary>),
    silent: &[InstanceId],
    config: &LiveConfig,
) -> Analyzed {
    let instances: Vec<&WindowSummary> = instances.iter().collect();
    memory.step(&Closed { agent, instances: &instances, silent }, config)
}

fn told(analyzed: &Analyzed) -> Vec<(FindingKind, FindingState, Severity)> {
    analyzed.findings.iter().map(|finding| (finding.kind, finding.state, finding.severity)).collect()
}

/// **F2**, by hand: `a` is hot at 0.88 (a warning), at 0.95 (critical: 0.9 and more), and calm again.
#[test]
fn f2_onset_change_and_end_are_told_once_each() {
    use FindingKind::Hotspot;
    use FindingState::{Ended, Ongoing, Open};
    use Severity::{Critical, Warning};
    let config = LiveConfig { repeat_after: Duration::from_mins(7), ..LiveConfig::default() };
    let cases = [
        // window, load of a, what is told of the hot instance
        (0, 0.88, None),
        (1, 0.88, None),
        (2, 0.88, Some((Open, Warning))), // the third in a row
        (3, 0.88, None),
        (4, 0.95, Some((Ongoing, Critical))), // worse: at once
        (5, 0.88, None),
        (6, 0.88, Some((Ongoing, Warning))), // less bad for as long as an end takes
        (7, 0.95, Some((Ongoing, Critical))),
        (8, 0.88, None),
        (9, 0.95, None), // less bad for one window only
        (10, 0.95, None),
        (11, 0.95, None),
        (12, 0.95, None),
        (13, 0.95, None),
        (14, 0.95, Some((Ongoing, Critical))), // seven minutes since it was told
        (15, 0.5, None),
        (16, 0.5, Some((Ended, Critical))),
        (17, 0.5, None),
    ];
    let mut memory = AgentMemory::default();
    for (number, load, want) in cases {
        let analyzed = step(&mut memory, &windows(number, &[load, 0.5, 0.5, 0.51, 0.5]), &[], &config);
        let of_it: Vec<_> = told(&analyzed).into_iter().filter(|(kind, ..)| *kind == Hotspot).collect();
        let want: Vec<_> = want.map(|(state, severity)| (Hotspot, state, severity)).into_iter().collect();
        assert_eq!(of_it, want, "window {number}");
        let open: u32 = analyzed.measures.open.iter().filter(|((kind, _), _)| *kind == Hotspot).map(|(_, n)| n).sum();
        assert_eq!(open, u32::from((2..16).contains(&number)), "window {number}");
    }
}

/// **F3**: of 30 idle instances 10 are followed, and the same ones go on being followed.
#[test]
fn f3_findings_are_bounded_and_the_first_are_kept() {
    let config = LiveConfig { max_findings: 10, ..LiveConfig::default() };
    let mut memory = AgentMemory::default();
    let mut opened = Vec::new();
    for number in 0..6 {
        let agent = Window::agent(number).ready(30).gauge("requests", 0.0).0;
        // From window 3 on further ones are idle that come first by name.
        let first = if number < 3 { 20 } else { 0 };
        let ids = (first..50).map(|at| Window::instance(number, &format!("i-{at:02}")).gauge("requests", 0.0).0);
        let analyzed = step(&mut memory, &(agent, ids.collect()), &[], &config);
        assert_eq!(analyzed.left_out, if number < 3 { 20 } else { 40 });
        opened.extend(analyzed.findings);
    }
    assert_eq!(opened.len(), 10, "{opened:?}");
    assert!(opened.iter().all(|finding| finding.state == FindingState::Open && finding.kind == FindingKind::Idle));
    let is_of_the_first =
        |entity: &Entity| matches!(entity, Entity::Instance { instance, .. } if instance.as_str() >= "i-20");
    assert!(opened.iter().all(|finding| is_of_the_first(&finding.entity)));
    assert_eq!(memory.open_findings(), 10);
}

/// **F4**, and silence: what is not heard of neither ends nor opens.
#[test]
fn f4_what_is_not_known_changes_nothing() {
    let config = LiveConfig::default();
    let hot = |number| windows(number, &[0.95, 0.5, 0.5, 0.51, 0.5]);
    let mut memory = AgentMemory::default();
    let opened: Vec<_> = (0..3).flat_map(|number| told(&step(&mut memory, &hot(number), &[], &config))).collect();
    assert!(opened.iter().any(|(kind, state, _)| (*kind, *state) == (FindingKind::Hotspot, FindingState::Open)));
    for number in 3..9 {
        // Either the hot instance is silent, or most of everything is.
        let (mut agent, mut instances) = windows(number, &[0.5, 0.5, 0.5, 0.51, 0.5]);
        let silent: Vec<InstanceId> = if number % 2 == 0 {
            agent.completeness.ratio = 0.4;
            Vec::new()
        } else {
            instances.retain(|window| window.instance.as_ref().is_some_and(|id| id.as_str() != "a"));
            vec!["a".into()]
        };
        let analyzed = step(&mut memory, &(agent, instances), &silent, &config);
        assert!(analyzed.findings.is_empty(), "window {number}: {:?}", told(&analyzed));
    }
    let analyzed = step(&mut memory, &hot(9), &[], &config);
    assert!(analyzed.findings.is_empty(), "it still lasts: nothing is new");
    let window = TimeRange { start: common::minute(70).start, end: common::minute(70).end };
    let ended = memory.end_all(window);
    assert!(ended.iter().all(|finding| finding.state == FindingState::Ended && finding.window == window));
    assert_eq!(ended.len(), opened.len());
    assert!(memory.is_empty());
}

/// What became worse is compared with what was usual, and is usual once that is too old; a new version is its cause.
#[test]
fn a_lasting_change_is_a_finding_until_it_is_usual() {
    let config = LiveConfig::default();
    let mut memory = AgentMemory::default();
    let mut course = Vec::new();
    for number in 0..240 {
        let (time_ms, version) = if number < 120 { (50.0, "1.0") } else { (150.0, "1.1") };
        let (mut agent, mut instances) = windows(number, &[0.5, 0.5]);
        agent.latencies = Window::agent(number).latency("response_time_ms", time_ms).0.latencies;
        for window in &mut instances {
            window.attributes.insert(Attribute::Version, version.into());
        }
        let analyzed = step(&mut memory, &(agent, instances), &[], &config);
        course.extend(analyzed.findings.into_iter().map(|finding| (number, finding)));
    }
    let [(opened, first), (ended, last)] = &course[..] else { panic!("{course:#?}") };
    assert_eq!((first.kind, first.state), (FindingKind::Degradation, FindingState::Open));
    assert_eq!((*opened, last.state), (122, FindingState::Ended), "the third in a row");
    assert!(first.causes.iter().any(|cause| cause.code == CauseCode::ConfigurationChange), "{:?}", first.causes);
    // Of 24 windows in an hour the eighth from the last that were usual is 40 minutes old by then.
    assert!((150..175).contains(ended), "{ended}");
}

/// Capacity is learnt from windows whose load differs: half busy at 50 requests per second and instance, full at 100. At
/// 0.8 an instance serves 80: 300 in all need 4 of 6.
#[test]
fn measures_are_those_worked_by_hand() {
    let config = LiveConfig::default();
    let mut memory = AgentMemory::default();
    let mut last = None;
    for number in 0..12 {
        let each = if number % 2 == 0 { 40.0 } else { 50.0 };
        let (agent, mut instances) = windows(number, &[each / 100.0; 6]);
        let agent = Window(agent).gauge("requests", 6.0 * each * 60.0).gauge("compute_cost_per_hour", 0.36);
        let agent = agent.saturated("cpu", 0.25, false).0;
        for window in &mut instances {
            *window = Window(window.clone()).gauge("requests", each * 60.0).gauge("compute_cost_per_hour", 0.36).0;
        }
        last = Some(step(&mut memory, &(agent, instances), &[], &config).measures);
    }
    let measures = last.expect("twelve windows");
    let near = |value: f64, want: f64| assert!((value - want).abs() < 1e-9 * want, "{value} is not {want}");
    near(measures.capacity_per_instance_per_s.expect("a line"), 80.0);
    near(measures.utilization_efficiency.expect("demand"), 4.0 / 6.0);
    // 6 · 0.36 an hour over 300 a second.
    near(measures.cost_per_request.expect("known"), 6.0 * 0.36 / 3_600.0 / 300.0);
    near(measures.balance.expect("six").score, 100.0);
    assert_eq!(measures.hotspots, Ok(0));
    assert_eq!(measures.saturation.get("cpu"), Some(&0.25));
}

/// **F1**: written and read again at any window, it goes on as if it had not been. And it stays small.
#[test]
fn f1_memory_survives_being_written_and_is_bounded() {
    let config = LiveConfig { repeat_after: Duration::from_mins(3), ..LiveConfig::default() };
    let mut rng = Rng(7);
    let (mut memory, mut copy) = (AgentMemory::default(), AgentMemory::default());
    let (mut said, mut greatest) = (0, 0);
    for number in 0..400 {
        let loads: Vec<f64> =
            (0..8).map(|at| if at == number / 40 % 8 { 0.95 } else { 0.4 + 0.1 * rng.unit() }).collect();
        let (agent, instances) = windows(number, &loads);
        let time_ms = 50.0 * (1.0 + rng.unit()) * if number / 30 % 2 == 0 { 1.0 } else { 3.0 };
        let agent = Window(agent).latency("response_time_ms", time_ms).gauge("requests_per_s", 100.0 * rng.unit()).0;
        let closed = (agent, instances);
        let (one, two) = (step(&mut memory, &closed, &[], &config), step(&mut copy, &closed, &[], &config));
        assert_eq!(one, two, "window {number}");
        let written = serde_json::to_string(&copy).expect("plain data");
        greatest = greatest.max(written.len());
        copy = serde_json::from_str(&written).expect("what was written");
        assert_eq!(copy, memory, "window {number}");
        said += one.findings.len();
    }
    assert!(said > 20, "{said}");
    assert!(greatest < 20_000, "{greatest} bytes with {PAST_WINDOWS} earlier windows");
}
