//! The lag of a consumer group, measured by `tidegauge run` on a real broker: it is telemetry like any other, and a
//! policy acts on it.

mod support;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::broker::{Broker, unique};
use support::process::{Deployment, Process};
use tidegauge_kafka::writer::Record;
use tidegauge_model::{Decision, EventTime, InstanceState, Metric, WindowSummary};
use tidegauge_wire::{Framing, SampleEncoder, SampleRow};

const PATIENCE: Duration = Duration::from_secs(60);
/// Consumers that report, whatever is decided.
const CONSUMERS: u32 = 2;

/// 100 records are worked off in 10 s by who reads 1 a second: ten of them.
const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: lag, version: 1}
spec:
  match: {agents: [reader]}
  window: {size: 2s, slide: 2s}
  demands:
    - name: lag
      lag: {waiting: {metric: consumer_lag_records, statistic: last}, arrivals_per_s: 0, served_per_s: 1, catch_up: 10s, utilization: 1}
  min_instances: 1
  max_instances: 50
  behavior:
    scale_up: {stabilization_window: 0s, policies: [{type: instances, value: 50, period: 1s}]}
    scale_down: {stabilization_window: 0s, policies: [{type: instances, value: 50, period: 1s}]}
";

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime::from_micros(i64::try_from(since.as_micros()).expect("before 294247"))
}

/// A topic with work, a group that reads it, an agent whose instances are its members, and tidegauge.
struct Setup {
    broker: Broker,
    deployment: Deployment,
    work: String,
    group: String,
    _reports: Reports,
}

/// Telemetry of the consumers, twice a second until it is dropped.
struct Reports {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reports {
    fn to(broker: &Broker, topic: &str) -> Self {
        let (writer, topic, stop) = (broker.writer(), topic.to_owned(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&stop);
        let report = move || {
            let encoder = SampleEncoder::new();
            while !told.load(Ordering::Acquire) {
                for number in 0..CONSUMERS {
                    let row = SampleRow {
                        event_time: now(),
                        workspace: "default".into(),
                        agent: "reader".into(),
                        instance: format!("reader-{number}"),
                        entity: None,
                        region: None,
                        state: Some(InstanceState::Ready),
                        ready_at: None,
                        attributes: [].into(),
                        metrics: vec![(Metric::named("cpu_utilization_of_limit"), 0.5)],
                        counters: Vec::new(),
                        top_keys: Vec::new(),
                    };
                    let mut value = Vec::new();
                    encoder.encode(&row, Framing::SingleObject, &mut value);
                    let record = Record { topic: &topic, value: Some(&value), ..Record::default() };
                    writer.send(&record).expect("a record");
                }
                writer.flush().expect("it is stored");
                sleep(Duration::from_millis(500));
            }
        };
        Self { stop, thread: Some(std::thread::spawn(report)) }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Setup {
    fn new(broker: Broker) -> Self {
        let (work, group, telemetry) = (unique("work"), unique("readers"), unique("telemetry"));
        broker.create_telemetry(&work, 2, &[]);
        broker.create_telemetry(&telemetry, 1, &[]);
        let settings = format!(
            "time: {{pane: 1s, disorder: 500ms, idle_after: 1s}}\n\
             windows: [{{size: 2s, slide: 2s}}]\n\
             policies: {{paths: [lag.yaml]}}\n\
             lag:\n\
             \x20 - {{group: {group}, agent: reader, every: 1s}}\n\
             \x20 - {{group: {group}-other, topic: {work}, agent: ghost, every: 1s}}\n"
        );
        let deployment = Deployment::new(&broker, &telemetry, &settings, &[("lag.yaml", POLICY)]);
        let reports = Reports::to(&broker, &telemetry);
        Self { broker, deployment, work, group, _reports: reports }
    }

    fn append(&self, partition: i32, records: u32) {
        let writer = self.broker.writer();
        for number in 0..records {
            let value = number.to_string();
            let (topic, partition, value) = (self.work.as_str(), Some(partition), Some(value.as_bytes()));
            writer.send(&Record { topic, partition, value, ..Record::default() }).expect("a record");
        }
        writer.flush().expect("they are stored");
    }

    /// The group has read up to there.
    fn read_to(&self, positions: &[(i32, i64)]) {
        let mut list = TopicPartitionList::new();
        for &(partition, offset) in positions {
            list.add_partition_offset(&self.work, partition, Offset::Offset(offset)).expect("an offset");
        }
        let consumer = self.broker.consumer(&self.group, "read_committed");
        consumer.commit(&list, CommitMode::Sync).expect("a commit");
    }

    fn windows(&self) -> Vec<WindowSummary> {
        let records = self.broker.records(&self.deployment.topic("windows"));
        records.iter().map(|record| decoded(record.value.as_deref())).collect()
    }

    /// Windows of the row that the lag is, oldest first.
    fn lags(&self) -> Vec<WindowSummary> {
        let is_lag =
            |window: &WindowSummary| window.instance.as_ref().is_some_and(|id| id.as_str().starts_with("lag:"));
        let mut lags: Vec<_> = self.windows().into_iter().filter(is_lag).collect();
        lags.sort_by_key(|window| window.range.end);
        lags
    }

    fn desired(&self) -> Option<Decision> {
        let records = self.broker.records(&self.deployment.topic("decisions"));
        let decisions = records.iter().map(|record| decoded::<Decision>(record.value.as_deref()));
        decisions.max_by_key(|decision| decision.decided_at)
    }

    /// Waits until the last decision wants so many.
    fn wait_for(&self, process: &mut Process, desired: u32) -> Decision {
        let begin = Instant::now();
        loop {
            let decision = self.desired();
            if let Some(decision) = decision.as_ref().filter(|decision| decision.desired_instances == desired) {
                return decision.clone();
            }
            process.assert_runs();
            let lags: Vec<_> = self.lags().iter().filter_map(|window| last(window, "consumer_lag_records")).collect();
            assert!(begin.elapsed() < PATIENCE, "not {desired}: {decision:?}, lags {lags:?}\n{}", process.log());
            sleep(Duration::from_millis(300));
        }
    }

    fn delete_work(&self) {
        let mut settings = rdkafka::ClientConfig::new();
        let admin: AdminClient<DefaultClientContext> =
            settings.set("bootstrap.servers", &self.broker.address).create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let deleted = runtime.block_on(admin.delete_topics(&[&self.work], &AdminOptions::new())).expect("an answer");
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    }
}

fn decoded<T: tidegauge_wire::Output>(value: Option<&[u8]>) -> T {
    T::decode(value.expect("a value")).expect("one of ours")
}

fn last(window: &WindowSummary, metric: &str) -> Option<f64> {
    window.gauges.get(metric).map(|gauge| gauge.last)
}

fn wait_until(what: &str, process: &mut Process, mut holds: impl FnMut(&str) -> bool) {
    let begin = Instant::now();
    while !holds(&process.log()) {
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "not {what}\n{}", process.log());
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_lag_that_grows_is_worked_off_and_what_is_not_known_is_not_made_up() {
    let Some(broker) = Broker::find("a_lag_that_grows_is_worked_off") else { return };
    let setup = Setup::new(broker);
    setup.append(0, 100);
    setup.append(1, 50);
    setup.read_to(&[(0, 60), (1, 50)]);
    let mut process = setup.deployment.start(&["run"], &[]);
    let log = |process: &mut Process, text: &str| wait_until(text, process, |log| log.contains(text));
    log(&mut process, "its lag is measured");

    let decision = setup.wait_for(&mut process, 4);
    assert_eq!(decision.current_instances, CONSUMERS, "the lag itself is no consumer");
    assert!((decision.completeness - 1.0).abs() < 1e-9, "and nobody misses it: {}", decision.completeness);
    setup.append(1, 60);
    setup.wait_for(&mut process, 10);
    setup.broker.add_partitions(&setup.work, 4);
    setup.append(3, 100);
    setup.wait_for(&mut process, 20); // 40 + 60 + 100, of which the last was never read
    setup.read_to(&[(0, 100), (1, 110), (3, 100)]);
    setup.wait_for(&mut process, 1);

    let lags = setup.lags();
    let of = |metric: &str| lags.iter().filter_map(|window| last(window, metric)).collect::<Vec<_>>();
    assert!(of("consumer_lag_records").contains(&200.0) && of("queue_depth").contains(&200.0), "{lags:?}");
    assert_eq!(of("consumer_lag_seconds").last(), Some(&0.0));
    let ages: Vec<_> = lags
        .iter()
        .map(|window| (last(window, "consumer_lag_records"), last(window, "consumer_lag_seconds")))
        .collect();
    assert!(ages.iter().any(|(_, age)| age.is_some_and(|age| age >= 1.0)), "{ages:?}");
    // Of rates the last in a window is often that of a moment at which nothing came.
    let greatest =
        |metric: &str| lags.iter().filter_map(|window| Some(window.gauges.get(metric)?.max)).fold(0.0, f64::max);
    assert!(greatest("consumer_arrivals_per_s") > 0.0 && greatest("consumer_reads_per_s") > 0.0, "{lags:?}");

    // A group that never read anything, and then a topic that is gone.
    log(&mut process, "-other has no position");
    assert!(setup.windows().iter().all(|window| window.target.agent.as_str() != "ghost"), "nothing is known of it");
    setup.delete_work();
    log(&mut process, &format!("there is no topic {}", setup.work));
    log(&mut process, &format!("group {} has no position", setup.group));
    let before = setup.lags().len();
    sleep(Duration::from_secs(4));
    assert!(setup.lags().len() <= before + 2, "nothing is measured any more");
    process.terminate();

    // What was decided rests on the log: a replay finds it.
    let replayed = setup.deployment.succeed(&["replay", "--verify"]).stdout;
    assert!(replayed.starts_with("equal: "), "{replayed}");
}

#[test]
fn one_process_measures_and_another_takes_over() {
    let Some(broker) = Broker::find("one_process_measures_and_another_takes_over") else { return };
    let setup = Setup::new(broker);
    setup.append(0, 100);
    setup.read_to(&[(0, 60)]);
    let mut first = setup.deployment.start(&["run"], &[("TIDEGAUGE__NODE__ID", "first")]);
    wait_until("measured", &mut first, |log| log.contains("its lag is measured"));
    let mut second = setup.deployment.start(&["run"], &[("TIDEGAUGE__NODE__ID", "second")]);
    setup.wait_for(&mut second, 4);
    let measures = |process: &Process| process.log().contains("its lag is measured");
    let (measuring, mut other) = if measures(&second) { (second, first) } else { (first, second) };
    measuring.kill();
    setup.append(0, 60);
    setup.wait_for(&mut other, 10);
    assert!(measures(&other));
    other.terminate();
}
