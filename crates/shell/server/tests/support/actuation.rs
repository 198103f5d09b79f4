//! Decisions as `run` would publish them, and what actuators say.

use super::broker::Broker;
use super::process::Process;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_kafka::writer::Record;
use tidegauge_model::{Action, Decision, EventTime, Mode, ScalingAction, ScalingEvent, ScalingState, TimeRange};
use tidegauge_wire::{Encoding, Framing, Output as _};

/// The wall clock.
pub(crate) fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime::from_micros(i64::try_from(since.as_micros()).expect("before 294247"))
}

/// A live decision about `agent-N` of the workspace `w`, for one instance more than its generation.
pub(crate) fn decision(agent: u64, generation: u64, valid: Duration) -> Decision {
    let at = now();
    Decision {
        id: format!("a{agent}g{generation}"),
        target: tidegauge_model::Target { workspace: "w".into(), agent: format!("agent-{agent}").into(), region: None },
        generation,
        policy: "p".into(),
        policy_version: 1,
        policy_hash: "f00d".into(),
        mode: Mode::Live,
        action: Action::ScaleUp,
        current_instances: 1,
        desired_instances: u32::try_from(generation).expect("small") + 1,
        unlimited_desired_instances: 1,
        min_instances: 0,
        max_instances: 100,
        reasons: Vec::new(),
        signals: Vec::new(),
        constraints: Vec::new(),
        binding: None,
        counterfactual: None,
        alternatives: Vec::new(),
        factors: Vec::new(),
        choice: None,
        recommendation: None,
        requests: Vec::new(),
        regret: None,
        completeness: 1.0,
        confidence: Some(1.0),
        explanation: "because".into(),
        window: TimeRange { start: at.minus(Duration::from_secs(10)), end: at },
        decided_at: at,
        first_decided_at: at,
        not_before: at,
        expires_at: at.plus(valid),
    }
}

/// Puts decisions into a topic.
pub(crate) fn publish(broker: &Broker, topic: &str, decisions: &[Decision]) {
    let writer = broker.writer();
    for decision in decisions {
        let (mut value, key) = (Vec::new(), decision.target.to_string());
        decision.encode(Encoding::Avro(Framing::SingleObject), &mut value);
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        writer.send(&Record { topic, key, value, ..Record::default() }).expect("a record");
    }
    writer.flush().expect("all are stored");
}

/// Says this, in order: an actuator's events are keyed by target, or partitions would mix them up.
pub(crate) fn tell(broker: &Broker, topic: &str, events: &[ScalingEvent], encoding: Encoding) {
    let writer = broker.writer();
    for event in events {
        let (mut value, key) = (Vec::new(), event.target.to_string());
        event.encode(encoding, &mut value);
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        writer.send(&Record { topic, key, value, ..Record::default() }).expect("a record");
    }
    writer.flush().expect("all are stored");
}

/// What was said of each attempt, in order.
pub(crate) fn feedback(broker: &Broker, topic: &str) -> BTreeMap<String, Vec<ScalingEvent>> {
    let mut attempts: BTreeMap<String, Vec<ScalingEvent>> = BTreeMap::new();
    for record in broker.records(topic) {
        let event = ScalingEvent::decode(&record.value.expect("a value")).expect("a scaling event");
        attempts.entry(event.id.clone()).or_default().push(event);
    }
    attempts
}

/// Where `actuate keda` answers, as its log says.
pub(crate) fn keda_address(process: &mut Process) -> SocketAddr {
    let begin = Instant::now();
    loop {
        let log = process.log();
        let of_line = |line: &str| {
            let from = line.find("127.0.0.1:")?;
            let is_part = |c: &char| c.is_ascii_digit() || ".:".contains(*c);
            line[from..].chars().take_while(is_part).collect::<String>().parse().ok()
        };
        if let Some(address) = log.lines().filter(|line| line.contains("answering KEDA")).find_map(of_line) {
            return address;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not answer\n{log}");
        process.assert_runs();
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What an actuator says of a decision, `after` so many seconds.
pub(crate) fn event(decision: &Decision, state: ScalingState, after: u64) -> ScalingEvent {
    ScalingEvent {
        id: format!("of-{}", decision.id),
        decision_id: Some(decision.id.clone()),
        generation: Some(decision.generation),
        target: decision.target.clone(),
        trigger_type: Some("decision".to_owned()),
        trigger_metric: None,
        trigger_value: None,
        action: ScalingAction::ScaleUp,
        instances_before: Some(decision.current_instances),
        instances_after: Some(decision.desired_instances),
        state,
        state_at: decision.decided_at.plus(Duration::from_secs(after)),
        accepted_at: None,
        started_at: None,
        completed_at: None,
        success: None,
        error: (state == ScalingState::Failed).then(|| "no room".to_owned()),
        actuator: Some("test".to_owned()),
    }
}
