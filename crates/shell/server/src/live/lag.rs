//! The lag of consumer groups, as telemetry: measured now and then, and written to a telemetry topic.
//!
//! ```text
//!  brokers ─► GroupLag ─► Look ─► sample ─► telemetry topic ─► read again with all other telemetry
//! ```
//!
//! - **G1** What is decided by lag is decided by records of the log, so that a restart and a replay find it there. A
//!   measurement is used by nobody before it is one.
//! - **G2** One process of the group measures: the one that has the first partition of the first telemetry topic. While
//!   that moves, two may for a moment: both write gauges of the same row, of which either is right.
//! - **G3** What is not known is not written: of a group without a position, or a topic that is gone, there is no sample,
//!   and a policy sees that nothing is there.

use super::shared::Shared;
use crate::actuate::now;
use crate::config::{IngestFormat, LagConfig};
use crate::metrics::LAG_LOOKS;
use anyhow::Context as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tidegauge_kafka::client::Connection;
use tidegauge_kafka::lag::{GroupLag, LagError, Look};
use tidegauge_kafka::patience::Patience;
use tidegauge_kafka::reader::TopicPartition;
use tidegauge_kafka::writer::{Record, Writer};
use tidegauge_model::metric::{
    CONSUMER_ARRIVALS_PER_S, CONSUMER_LAG_RECORDS, CONSUMER_LAG_SECONDS, CONSUMER_READS_PER_S, MetricId, QUEUE_DEPTH,
};
use tidegauge_model::{EventTime, InstanceState, Metric, time};
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

/// How often it is looked whether a measurement is due.
const TICK: Duration = Duration::from_millis(50);
/// How long the brokers may take to answer one question.
const ANSWER: Duration = Duration::from_secs(10);

/// Measures for the rest of the process's life. A run with an end measures nothing: it reads what was.
pub(super) fn watch(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let config = &shared.config;
    if config.lag.is_empty() || shared.until_end {
        return Ok(());
    }
    let connection = &config.kafka.connection;
    let mut sources = config.lag.iter().map(|lag| Source::new(lag, connection)).collect::<anyhow::Result<Vec<_>>>()?;
    let desk = Desk { writer: Writer::new(&connection.producer("lag"))?, encoder: SampleEncoder::new() };
    let shared = Arc::clone(shared);
    let measure = move || {
        let first = TopicPartition { topic: shared.config.topics.telemetry[0].clone(), partition: 0 };
        while !shared.stopping() {
            let is_ours = shared.health.has("aggregate", &first);
            for source in &mut sources {
                if is_ours {
                    source.measure_if_due(&desk, &shared);
                } else {
                    source.before = None;
                }
            }
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().name("lag".to_owned()).spawn(measure).map(drop).context("starting a thread")
}

/// Where samples go.
struct Desk {
    writer: Writer,
    encoder: SampleEncoder,
}

/// One configured group.
struct Source {
    config: LagConfig,
    group: GroupLag,
    due_at: EventTime,
    before: Option<(EventTime, Look)>,
    /// What the last look came to, which is told when it changes.
    outcome: &'static str,
}

impl Source {
    fn new(config: &LagConfig, connection: &Connection) -> anyhow::Result<Self> {
        let group = GroupLag::new(connection, &config.group, config.topic.as_deref())?;
        Ok(Self { config: config.clone(), group, due_at: now(), before: None, outcome: "" })
    }

    fn measure_if_due(&mut self, desk: &Desk, shared: &Shared) {
        let at = now();
        if at < self.due_at {
            return;
        }
        self.due_at = next_after(at, self.config.every);
        let patience = Patience::until(ANSWER, shared.stop_flag());
        let written = self.measure(at, patience).and_then(|row| Ok(desk.write(&row, &self.config.into, shared)?));
        if !shared.stopping() {
            self.told(written);
        }
    }

    fn measure(&mut self, at: EventTime, patience: Patience<'_>) -> Result<SampleRow, LagError> {
        let look = self.group.look(patience)?;
        let oldest_ms = self.group.oldest_unread_ms(&look, at.as_millis(), patience)?;
        let before = self.before.take();
        let row = sample(&self.config, at, &look, oldest_ms, before.as_ref());
        self.before = Some((at, look));
        Ok(row)
    }

    fn told(&mut self, result: Result<(), LagError>) {
        let outcome = match &result {
            Ok(()) => "measured",
            Err(LagError::NoTopic(_)) => "no_topic",
            Err(LagError::NoPosition(_)) => "no_position",
            Err(_) => "failed",
        };
        LAG_LOOKS.count(&[outcome], 1);
        if self.outcome == outcome {
            return;
        }
        self.outcome = outcome;
        let LagConfig { group, agent, .. } = &self.config;
        match result {
            Ok(()) => tracing::info!(group, agent, "its lag is measured"),
            Err(error) => tracing::warn!(group, agent, %error, "its lag is not known; looked for again"),
        }
    }
}

impl Desk {
    fn write(&self, row: &SampleRow, topic: &str, shared: &Shared) -> Result<(), rdkafka::error::KafkaError> {
        let mut value = Vec::new();
        match shared.config.ingest.format {
            IngestFormat::Json => row.encode_json(&mut value),
            _ => self.encoder.encode(row, Framing::SingleObject, &mut value),
        }
        let (key, value) = (Some(row.agent.as_bytes()), Some(value.as_slice()));
        self.writer.send(&Record { topic, key, value, ..Record::default() })?;
        self.writer.flush()
    }
}

/// The next whole multiple of `every` since 1970: who takes over goes on in the same rhythm.
fn next_after(at: EventTime, every: Duration) -> EventTime {
    let every = time::micros(every).max(1);
    EventTime::from_micros((at.as_micros().div_euclid(every) + 1) * every)
}

/// A row of the agent's, of something that does none of its work: as an instance that has stopped it is counted neither
/// among those that are ready, nor among those that should report.
fn sample(
    config: &LagConfig,
    at: EventTime,
    look: &Look,
    oldest_ms: Option<i64>,
    before: Option<&(EventTime, Look)>,
) -> SampleRow {
    let unread = look.unread() as f64;
    let age_s = oldest_ms.map(|oldest| (at.as_millis() - oldest).max(0) as f64 / 1e3);
    let progress = before.map(|(then, earlier)| (at.since(*then).as_secs_f64(), look.since(earlier)));
    let per_s = |records: Option<u64>, seconds: f64| records.filter(|_| seconds > 0.0).map(|n| n as f64 / seconds);
    let values: [(MetricId, Option<f64>); 5] = [
        (QUEUE_DEPTH, Some(unread)),
        (CONSUMER_LAG_RECORDS, Some(unread)),
        // Of records without timestamps no age is known.
        (CONSUMER_LAG_SECONDS, age_s.or_else(|| (look.unread() == 0).then_some(0.0))),
        (CONSUMER_ARRIVALS_PER_S, progress.and_then(|(seconds, progress)| per_s(progress.appended, seconds))),
        (CONSUMER_READS_PER_S, progress.and_then(|(seconds, progress)| per_s(progress.read, seconds))),
    ];
    let metrics = values.into_iter().filter_map(|(id, value)| Some((Metric::BuiltIn(id), value?)));
    SampleRow {
        event_time: at,
        workspace: config.workspace.clone(),
        agent: config.agent.clone(),
        instance: row_name(config),
        entity: None,
        region: None,
        state: Some(InstanceState::Stopped),
        ready_at: None,
        attributes: std::collections::BTreeMap::new(),
        metrics: metrics.collect(),
        counters: Vec::new(),
        top_keys: Vec::new(),
    }
}

/// What the row is called among the agent's instances.
fn row_name(config: &LagConfig) -> String {
    match &config.topic {
        Some(topic) => format!("lag:{}:{topic}", config.group),
        None => format!("lag:{}", config.group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_kafka::lag::Standing;

    fn config(topic: Option<&str>) -> LagConfig {
        LagConfig {
            group: "orders".into(),
            topic: topic.map(str::to_owned),
            agent: "worker".into(),
            workspace: "w".into(),
            every: Duration::from_secs(10),
            into: "telemetry".into(),
        }
    }

    fn look(next: i64, position: i64) -> Look {
        let at = TopicPartition { topic: "t".into(), partition: 0 };
        Look([(at, Standing { first: 0, next, position: Some(position) })].into())
    }

    fn values(row: &SampleRow) -> Vec<(&str, f64)> {
        row.metrics.iter().map(|(metric, value)| (metric.name(), *value)).collect()
    }

    #[test]
    fn a_sample_has_what_is_known_and_nothing_else() {
        let at = EventTime::from_secs(1_000);
        let first = sample(&config(None), at, &look(500, 300), Some(at.as_millis() - 12_500), None);
        let known = [("queue_depth", 200.0), ("consumer_lag_records", 200.0), ("consumer_lag_seconds", 12.5)];
        assert_eq!((values(&first), first.instance.as_str()), (known.to_vec(), "lag:orders"));
        assert_eq!(first.state, Some(InstanceState::Stopped), "nobody counts it among the ready ones");

        let earlier = (at.minus(Duration::from_secs(10)), look(400, 290));
        let second = sample(&config(Some("t")), at, &look(500, 500), None, Some(&earlier));
        let known = [
            ("queue_depth", 0.0),
            ("consumer_lag_records", 0.0),
            ("consumer_lag_seconds", 0.0),
            ("consumer_arrivals_per_s", 10.0),
            ("consumer_reads_per_s", 21.0),
        ];
        assert_eq!((values(&second), second.instance.as_str()), (known.to_vec(), "lag:orders:t"));

        let timeless = sample(&config(None), at, &look(5, 3), None, Some(&(at, look(1, 1))));
        assert_eq!(
            values(&timeless),
            [("queue_depth", 2.0), ("consumer_lag_records", 2.0)],
            "no age, and no time passed"
        );
    }

    #[test]
    fn whoever_takes_over_keeps_the_rhythm() {
        let every = Duration::from_secs(10);
        for (at_ms, want_s) in [(0, 10), (9_999, 10), (10_000, 20), (10_001, 20)] {
            let next = next_after(EventTime::from_micros(at_ms * 1_000), every);
            assert_eq!(next, EventTime::from_secs(want_s), "{at_ms}");
        }
    }
}
