//! What is measured besides instances, from a record's bytes to windows, findings and alerts.

use std::time::Duration;
use tidegauge_analytics::live::LiveConfig;
use tidegauge_analytics::tracker::Hold;
use tidegauge_engine::aggregator::OVERFLOW_INSTANCE;
use tidegauge_engine::journal::decode;
use tidegauge_engine::{
    Aggregator, AggregatorConfig, AggregatorInput, AggregatorOutput, Control, Decider, DeciderConfig, DeciderInput,
    DeciderOutput, Sums, WindowRule,
};
use tidegauge_model::{
    AlertState, EntityKey, EntityKind, EventTime, FindingKind, FindingState, SampleBatch, Severity, WindowSpec,
    WindowSummary,
};
use tidegauge_sim::scenario::changes;
use tidegauge_window::{SourceId, SourceRules};
use tidegauge_wire::{DecodeConfig, Decoder, RawRecord};

const START_S: i64 = 1_767_225_600;
const TOPIC: &str = "telemetry";
const SPEC: WindowSpec = WindowSpec { size: Duration::from_secs(60), slide: Duration::from_secs(60) };

/// Each record is its second after the start and what it says in JSON.
fn decoded(records: &[(i64, String)]) -> SampleBatch {
    let mut decoder = Decoder::new(DecodeConfig::default());
    for (offset, (second, rest)) in (0..).zip(records) {
        let micros = (START_S + second) * 1_000_000;
        let text = format!(r#"{{"event_time": {micros}, {rest}}}"#);
        let timestamp_ms = (START_S + second) * 1_000;
        let record = RawRecord { partition: 0, offset, timestamp_ms, key: None, value: Some(text.as_bytes()) };
        decoder.push(&record).expect("a record that is taken");
    }
    decoder.finish()
}

/// All that the records lead to, through the journal's bytes.
fn outputs(records: &[(i64, String)], instances_per_agent: usize, documents: &[String]) -> Vec<DeciderOutput> {
    let (pane, source) = (Duration::from_secs(10), SourceId { topic: TOPIC.into(), partition: 0 });
    let mut aggregator = Aggregator::new(AggregatorConfig {
        source,
        partitions: 1,
        shuffle_partitions: 1,
        pane,
        disorder: Duration::from_secs(5),
        allowed_lateness: Duration::from_secs(60),
        max_future: Duration::from_secs(60),
        instances_per_agent,
        sums: Sums::default(),
    });
    let rule = WindowRule { agent: true, instance: true, entity: true, ..WindowRule::unpublished(SPEC) };
    let hold = Hold { open_after: 2, close_after: 2 };
    let analytics = LiveConfig { window: SPEC.size, hold, ..LiveConfig::default() };
    let config = DeciderConfig {
        topics: vec![TOPIC.into()],
        rules: SourceRules::default(),
        pane,
        windows: vec![rule],
        analytics: Some(analytics),
        rollups: Vec::new(),
        sessions: None,
    };
    let mut decider = Decider::new(config, Control::beginning(changes(documents), [].into()));
    let batch = decoded(records);
    let journal = aggregator.step(AggregatorInput::Samples(&batch)).into_iter();
    let journal: Vec<AggregatorOutput> = journal.chain(aggregator.step(AggregatorInput::End)).collect();
    let mut said = Vec::new();
    for (offset, output) in (0..).zip(journal) {
        let AggregatorOutput::Journal { record, .. } = output else { panic!("{output:?}") };
        let (record, log_time) = (decode(&record).expect("a journal record"), EventTime::from_secs(START_S));
        said.extend(decider.step(DeciderInput { record, offset, log_time }));
    }
    said
}

fn windows(outputs: &[DeciderOutput]) -> Vec<&WindowSummary> {
    let each = outputs.iter().filter_map(|output| match output {
        DeciderOutput::Window(window) => Some(&**window),
        _ => None,
    });
    each.collect()
}

fn of<'w>(windows: &[&'w WindowSummary], agent: &str, entity: Option<&EntityKey>) -> Vec<&'w WindowSummary> {
    let is = |window: &&&WindowSummary| {
        window.target.agent.as_str() == agent && window.entity.as_ref() == entity && window.instance.is_none()
    };
    windows.iter().filter(is).copied().collect()
}

fn instance(second: i64, queue_depth: u32) -> (i64, String) {
    (second, format!(r#""agent_id": "orders", "instance_id": "i", "queue_depth": {queue_depth}"#))
}

fn database(second: i64, reporter: &str, used: u32) -> (i64, String) {
    let reporter = if reporter.is_empty() { String::new() } else { format!(r#""instance_id": "{reporter}", "#) };
    let rest = format!(
        r#""entity": "dependency", "entity_id": "orders-db", "agent_id": "orders", {reporter}"pool_connections_in_use": {used},
        "pool_connections_size": 100, "queue_depth": 900"#
    );
    (second, rest)
}

fn orders_db() -> EntityKey {
    EntityKey::new(EntityKind::Dependency, "orders-db")
}

/// An agent of one instance, its database by two reporters, what somebody says of the agent as a whole, and a cache of
/// nobody: each by itself.
#[test]
fn an_entity_is_windowed_by_itself() {
    let mut records = Vec::new();
    for second in (1..60).step_by(10) {
        records.push(instance(second, 3));
        records.push(database(second, "east", 40));
        records.push(database(second, "west", 60));
    }
    records.push((5, r#""entity": "agent", "agent_id": "orders", "queue_depth": 500"#.to_owned()));
    records.push((6, r#""entity": "dependency", "entity_id": "cache", "cache_hit_ratio": 0.9"#.to_owned()));
    let outputs = outputs(&records, 100, &[]);
    let windows = windows(&outputs);

    let agent = of(&windows, "orders", None)[0];
    assert_eq!((agent.samples, agent.gauges["queue_depth"].max, agent.instances_ready), (6, 3.0, Some(1)));
    assert_eq!(agent.completeness.instances_expected, 1);

    let database = of(&windows, "orders", Some(&orders_db()))[0];
    let pool = &database.gauges["pool_connections_in_use"];
    assert_eq!((database.samples, pool.count, pool.mean, pool.max), (12, 12, 50.0, 60.0));
    assert_eq!((database.instances_ready, database.instances_present), (None, None));
    let completeness = &database.completeness;
    assert_eq!((completeness.instances_expected, completeness.instances_reported), (2, 2), "who reports it");

    let whole = of(&windows, "orders", Some(&EntityKey::new(EntityKind::Agent, "")))[0];
    assert_eq!((whole.samples, whole.gauges["queue_depth"].max), (1, 500.0));
    let cache = of(&windows, "", Some(&EntityKey::new(EntityKind::Dependency, "cache")))[0];
    assert_eq!((cache.samples, cache.gauges["cache_hit_ratio"].mean), (1, 0.9));
    assert!(of(&windows, "", None).is_empty(), "nobody has no window");
    assert_eq!(windows.len(), 5, "one of each, and the instance's");
}

/// Two entities are kept of three, and those beyond count together; the agent's instances are not touched by it.
#[test]
fn entities_beyond_the_cap_count_together() {
    let shard =
        |id: &str| (1, format!(r#""entity": "shard", "entity_id": "{id}", "agent_id": "orders", "shard_items": 7"#));
    let records = [instance(1, 3), shard("a"), shard("b"), shard("c"), shard("d"), instance(2, 3)];
    let outputs = outputs(&records, 2, &[]);
    let windows = windows(&outputs);
    let samples = |id: &str| of(&windows, "orders", Some(&EntityKey::new(EntityKind::Shard, id)))[0].samples;
    assert_eq!((samples("a"), samples("b"), samples(OVERFLOW_INSTANCE)), (1, 1, 2));
    assert_eq!(of(&windows, "orders", None)[0].samples, 2);
}

/// A name that a producer chose does not open the cap: whoever reports is the one of many, what it is about is not.
#[test]
fn a_reporter_called_as_the_overflow_does_not_open_the_cap() {
    let shard = |number: usize| {
        let about = format!(r#""entity": "shard", "entity_id": "s{number:04}", "agent_id": "orders""#);
        (1, format!(r#"{about}, "instance_id": "{OVERFLOW_INSTANCE}", "shard_items": 7"#))
    };
    let records: Vec<_> = (0..1_000).map(shard).collect();
    let outputs = outputs(&records, 10, &[]);
    let windows = windows(&outputs);
    assert_eq!(windows.len(), 11, "ten of them, and one of the others");
    let beyond = of(&windows, "orders", Some(&EntityKey::new(EntityKind::Shard, OVERFLOW_INSTANCE)))[0];
    assert_eq!(beyond.samples, 990);
}

const RULES: &str = r#"
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: { name: databases, version: 1 }
spec:
  match: { agents: ["*"] }
  window: { size: 1m, slide: 1m }
  rules:
    - name: pool
      entity: { kind: dependency, name: orders-db }
      signal: { kind: metric, metric: pool_connections_in_use, statistic: max }
      above: 90
    - name: of-the-agent
      signal: { kind: metric, metric: pool_connections_in_use, statistic: max }
      above: 0
    - name: another
      entity: { kind: dependency, name: users-db }
      signal: { kind: metric, metric: pool_connections_in_use, statistic: max }
      above: 0
"#;

/// A pool that is full for three minutes of four: an alert of its agent that names it, and a finding about it. The agent
/// itself reports no pool, and a database of which nothing is reported is absent.
#[test]
fn alert_rules_and_findings_see_the_entities_of_their_agent() {
    let records: Vec<_> = (0..240)
        .step_by(10)
        .flat_map(|second| [instance(second, 1), database(second, "", if second < 180 { 95 } else { 40 })])
        .collect();
    let outputs = outputs(&records, 100, &[RULES.to_owned()]);
    let alert =
        |output: &DeciderOutput| if let DeciderOutput::Alert(alert) = output { Some(*alert.clone()) } else { None };
    let alerts: Vec<_> = outputs.iter().filter_map(alert).collect();
    let seen: Vec<_> =
        alerts.iter().map(|alert| (alert.rule.as_str(), alert.to, alert.at.as_secs() - START_S)).collect();
    assert_eq!(seen, [("pool", AlertState::Firing, 60), ("pool", AlertState::Resolved, 240)]);
    assert_eq!(alerts[0].summary, "default/orders: pool, 95 of dependency orders-db is above 90");
    let labels: Vec<_> = alerts[0].labels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(labels, [("entity_id", "orders-db"), ("entity_kind", "dependency")]);

    let finding = |output: &DeciderOutput| match output {
        DeciderOutput::Finding(finding) if finding.kind == FindingKind::DependencyBottleneck => Some(*finding.clone()),
        _ => None,
    };
    let findings: Vec<_> = outputs.iter().filter_map(finding).collect();
    assert_eq!(findings[0].entity.to_string(), "default/orders/dependency=orders-db");
    assert_eq!((findings[0].state, findings[0].severity), (FindingState::Open, Severity::Warning));
    assert_eq!(findings[0].onset, EventTime::from_secs(START_S));
    assert!(!findings[0].remedies.is_empty() && findings.iter().all(|each| each.entity == findings[0].entity));
}

/// An agent of which nothing is heard but its database has no window of its own, and nothing is decided on it.
#[test]
fn nothing_is_decided_on_an_agent_that_is_not_heard() {
    let policy = "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata: {name: p, version: 1}\nspec:\n  window: {size: 1m, \
                  slide: 1m}\n  objectives: [{signal: queue_depth, target: 20}]\n  min_instances: 2\n  max_instances: 40\n";
    let records: Vec<_> = (0..120).step_by(10).map(|second| database(second, "", 10)).collect();
    let outputs = outputs(&records, 100, &[policy.to_owned()]);
    assert!(outputs.iter().all(|output| matches!(output, DeciderOutput::Window(window) if window.entity.is_some())));
    assert_eq!(outputs.len(), 2);
}
