//! `tidegauge notify` on a real broker: alerts in; a real Alertmanager, or a receiver of webhooks; killed on the way.

mod support;

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::alertmanager::Alertmanager;
use support::broker::{Broker, say, unique};
use support::http;
use support::process::{Deployment, Process};
use tidegauge_kafka::writer::Record;
use tidegauge_model::{AlertState, AlertTransition, EventTime, Importance, Severity};
use tidegauge_wire::{Encoding, Framing, Output as _};

/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Several reposts, and several intervals of a group.
const QUIET: Duration = Duration::from_secs(5);

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime::from_micros(i64::try_from(since.as_micros()).expect("before 294247"))
}

/// `started_at` is what makes two episodes of one alert two.
fn alert(agent: &str, rule: &str, to: AlertState, started_at: EventTime) -> AlertTransition {
    AlertTransition {
        fingerprint: format!("{agent}-{rule}"),
        rule: rule.to_owned(),
        target: tidegauge_model::Target { workspace: "w".into(), agent: agent.into(), region: None },
        instance: None,
        finding: None,
        severity: Severity::Critical,
        importance: Importance::High,
        from: AlertState::Pending,
        to,
        no_data: false,
        value: Some(0.9),
        threshold: 0.8,
        started_at,
        at: now(),
        completeness: 1.0,
        summary: format!("{rule} of {agent}"),
        labels: [("team".to_owned(), "core".to_owned())].into(),
        annotations: [].into(),
        runbook_url: Some(format!("https://example.com/{rule}")),
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
    }
}

fn publish(broker: &Broker, topic: &str, alerts: &[AlertTransition]) {
    let writer = broker.writer();
    for alert in alerts {
        let (mut value, key) = (Vec::new(), alert.target.to_string());
        alert.encode(Encoding::Avro(Framing::SingleObject), &mut value);
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        writer.send(&Record { topic, key, value, ..Record::default() }).expect("a record");
    }
    writer.flush().expect("all are stored");
}

/// What a receiver of webhooks was sent: header `webhook-id` and body.
type Sent = Arc<Mutex<Vec<(String, Value)>>>;

fn receiver() -> (String, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let sent = Sent::default();
    let shared = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sent = Arc::clone(&shared);
            std::thread::spawn(move || take(stream, &sent));
        }
    });
    (url, sent)
}

fn take(mut stream: TcpStream, sent: &Sent) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut length, mut id) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().expect("a length"),
            "webhook-id" => value.clone_into(&mut id),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    sent.lock().expect("nobody panicked").push((id, serde_json::from_slice(&body).ok()?));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}

/// `agent-0 firing: cpu memory` for each notification, in their order.
fn told(sent: &Sent) -> Vec<String> {
    let sent = sent.lock().expect("nobody panicked");
    let line = |(_, body): &(String, Value)| {
        let alerts = body["alerts"].as_array().expect("alerts");
        let mut names: Vec<String> = alerts
            .iter()
            .map(|alert| {
                format!(
                    "{} {}",
                    alert["labels"]["alertname"].as_str().expect("a name"),
                    alert["status"].as_str().expect("a status")
                )
            })
            .collect();
        names.sort();
        format!("{}: {}", body["groupLabels"]["agent"].as_str().expect("an agent"), names.join(", "))
    };
    sent.iter().map(line).collect()
}

/// Waits until exactly these notifications have come, each once, in whatever order; then for a while whether more do.
fn settles(sent: &Sent, process: &mut Process, want: &[&str]) {
    let begin = Instant::now();
    while told(sent).len() < want.len() {
        assert!(begin.elapsed() < PATIENCE, "told {:?}, wanted {want:?}\n{}", told(sent), process.log());
        process.assert_runs();
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(QUIET);
    let (mut seen, mut want) = (told(sent), want.to_vec());
    seen.sort();
    want.sort_unstable();
    assert_eq!(seen, want, "{}", process.log());
}

fn deployment(broker: &Broker, settings: &str) -> Deployment {
    let telemetry = unique("telemetry");
    broker.create_telemetry(&telemetry, 1, &[]);
    Deployment::new(broker, &telemetry, settings, &[])
}

/// Fires, groups, resolves once, in a real Alertmanager; killed and started again, nothing is told twice.
#[test]
fn a_real_alertmanager_groups_and_resolves_once_whatever_is_killed() {
    use AlertState::{Firing, Resolved};
    let test = "a_real_alertmanager_groups_and_resolves_once";
    let Some(broker) = Broker::find(test) else { return };
    let (webhook, sent) = receiver();
    let Some(alertmanager) = Alertmanager::start(test, &webhook) else { return };
    // The second one is away all the time.
    let urls = format!("[\"{}\", \"http://127.0.0.1:1\"]", alertmanager.url);
    let settings =
        format!("notify: {{alertmanager: {{urls: {urls}, repost: 1s, resolve_after: 20s, retry_first: 50ms}}}}\n");
    let deployment = deployment(&broker, &settings);
    let topic = deployment.topic("alerts");
    let begin = now();
    let quiet = AlertTransition { silenced_by: vec!["night".into()], ..alert("agent-2", "cpu", Firing, begin) };
    // Over before anybody was there to be told.
    publish(&broker, &topic, &[alert("agent-3", "cpu", Firing, begin), alert("agent-3", "cpu", Resolved, begin)]);
    publish(
        &broker,
        &topic,
        &[
            alert("agent-0", "cpu", Firing, begin),
            alert("agent-0", "memory", Firing, begin),
            alert("agent-1", "cpu", Firing, begin),
            quiet,
        ],
    );
    let start = || deployment.start(&["notify", "alertmanager"], &[]);
    let fires = ["agent-0: cpu firing, memory firing", "agent-1: cpu firing"];
    let mut process = start();
    settles(&sent, &mut process, &fires);

    process.kill();
    let mut process = start();
    settles(&sent, &mut process, &fires);

    // The end of one is told while it is away, that of the other while it runs.
    process.kill();
    publish(&broker, &topic, &[alert("agent-1", "cpu", Resolved, begin)]);
    let mut process = start();
    let ended = [&fires[..], &["agent-1: cpu resolved"]].concat();
    settles(&sent, &mut process, &ended);
    publish(&broker, &topic, &[alert("agent-0", "cpu", Resolved, begin), alert("agent-0", "memory", Resolved, begin)]);
    let ended = [&ended[..], &["agent-0: cpu resolved, memory resolved"]].concat();
    settles(&sent, &mut process, &ended);
    process.kill();
    let mut process = start();
    settles(&sent, &mut process, &ended);
    process.terminate();
    say("4 notifications of 2 groups, 3 kills, a restart after each: none twice");
}

/// Groups and signatures of our own webhook; killed and started again, nothing is told twice.
#[test]
fn a_webhook_is_sent_groups_once() {
    use AlertState::{Firing, Resolved};
    let Some(broker) = Broker::find("a_webhook_is_sent_groups_once") else { return };
    let (url, sent) = receiver();
    let webhook =
        format!("url: \"{url}\", retry_first: 20ms, group_by: [agent], group_wait: 500ms, group_interval: 1s");
    let settings = format!("notify: {{listen: \"127.0.0.1:0\", webhook: {{{webhook}}}}}\n");
    let deployment = deployment(&broker, &settings);
    let topic = deployment.topic("alerts");
    let begin = now();
    publish(&broker, &topic, &[alert("agent-0", "cpu", Firing, begin), alert("agent-0", "memory", Firing, begin)]);
    let start = || deployment.start(&["notify", "webhook"], &[]);
    let mut process = start();
    let fires = ["agent-0: cpu firing, memory firing"];
    settles(&sent, &mut process, &fires);
    process.kill();
    publish(&broker, &topic, &[alert("agent-0", "cpu", Resolved, begin)]);
    let mut process = start();
    let one_left = [&fires[..], &["agent-0: cpu resolved, memory firing"]].concat();
    settles(&sent, &mut process, &one_left);
    process.terminate();
    let mut process = start();
    settles(&sent, &mut process, &one_left);
    let nothing = Record { topic: &topic, key: Some(b"nobody"), value: Some(b"nothing"), ..Record::default() };
    let writer = broker.writer();
    writer.send(&nothing).and_then(|()| writer.flush()).expect("it is stored");
    publish(&broker, &topic, &[alert("agent-0", "memory", Resolved, begin)]);
    let all = [&one_left[..], &["agent-0: memory resolved"]].concat();
    settles(&sent, &mut process, &all);
    let address = http::address(&mut process);
    assert_eq!(http::get(address, "/readyz").0, 200);
    process.wait_until("what it did is counted", || {
        let metrics = http::get(address, "/metrics").1;
        let says = |line: &str| metrics.lines().any(|said| said == line);
        says("tidegauge_notifications_total{notifier=\"webhook\",outcome=\"taken\"} 1")
            && says("tidegauge_notify_unreadable_total{notifier=\"webhook\"} 1")
    });
    process.terminate();
    let sent = sent.lock().expect("nobody panicked");
    let mut ids: Vec<&str> = sent.iter().map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each notification has its id");
    let first = &sent[0].1["alerts"][0];
    assert_eq!(first["annotations"]["runbook_url"], "https://example.com/cpu");
    assert_eq!(first["labels"]["importance"], "high");
    assert_eq!(first["id"], format!("agent-0-cpu:{}:firing", begin.as_micros()));
}
