//! `tidegauge actuate` on a real broker: decisions in, a receiver of webhooks, scaling events out; killed on the way.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::actuation::{self, decision, feedback, publish};
use support::broker::{Broker, unique};
use support::process::Deployment;
use tidegauge_model::{Decision, Mode, ScalingState};

const AGENTS: u64 = 6;

/// What a receiver that acts once for each id was asked: agent, generation, id.
type Acts = Arc<Mutex<Vec<(String, u64, String)>>>;

/// A receiver that takes a moment, and refuses what is older than what it has.
fn receiver() -> (String, Acts) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let acts = Acts::default();
    let shared = Arc::clone(&acts);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let acts = Arc::clone(&shared);
            std::thread::spawn(move || answer(stream, &acts));
        }
    });
    (url, acts)
}

fn answer(mut stream: TcpStream, acts: &Acts) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().expect("a length"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    std::thread::sleep(Duration::from_millis(10));
    let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let text = |field: &str| body[field].as_str().expect("a text").to_owned();
    let act = (text("agent_id"), body["generation"].as_u64()?, text("id"));
    let status = {
        let mut acts = acts.lock().expect("nobody panicked");
        let greatest = acts.iter().filter(|other| other.0 == act.0).map(|other| other.1).max();
        if greatest > Some(act.1) {
            "409 Conflict"
        } else {
            if !acts.contains(&act) {
                acts.push(act);
            }
            "200 OK"
        }
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()
}

fn deployment(broker: &Broker, url: &str) -> Deployment {
    let settings = format!("actuate: {{webhook: {{url: \"{url}\", retry_first: 20ms}}}}\n");
    let telemetry = unique("telemetry");
    broker.create_telemetry(&telemetry, 1, &[]);
    let deployment = Deployment::new(broker, &telemetry, &settings, &[]);
    deployment.succeed(&["topics", "ensure", "--scaling-events"]);
    deployment
}

#[test]
fn killed_at_any_moment_each_decision_is_carried_out_once_in_order_and_has_its_last_word() {
    let test = "killed_at_any_moment_each_decision_is_carried_out_once";
    let Some(broker) = Broker::find(test) else { return };
    let (url, acts) = receiver();
    let deployment = deployment(&broker, &url);
    let topic = deployment.topic("decisions");
    // A group without a position says nothing of what had expired.
    publish(&broker, &topic, &[decision(0, 1, Duration::ZERO)]);

    let generations = 2..=13_u64;
    for (round, generation) in generations.clone().enumerate() {
        let decisions: Vec<Decision> =
            (0..AGENTS).map(|agent| decision(agent, generation, Duration::from_secs(300))).collect();
        publish(&broker, &topic, &decisions);
        let mut process = deployment.start(&["actuate", "webhook"], &[]);
        // Not before it has joined and said something; later by a little more each time.
        let begin = std::time::Instant::now();
        while !process.log().contains("actuation") {
            assert!(begin.elapsed() < Duration::from_secs(60), "it carries nothing out\n{}", process.log());
            process.assert_runs();
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(3 * round as u64));
        process.kill();
    }
    deployment.succeed(&["actuate", "webhook", "--until-end"]);

    let attempts = feedback(&broker, &deployment.topic("scaling_events"));
    let mut ended: BTreeSet<String> = BTreeSet::new();
    for (id, events) in &attempts {
        let states: Vec<ScalingState> = events.iter().map(|event| event.state).collect();
        let (last, before) = states.split_last().expect("one at least");
        use ScalingState::{Accepted, Applied, Started, Superseded};
        assert!(matches!(last, Applied | Superseded), "{id}: {states:?}");
        assert!([&[][..], &[Accepted], &[Accepted, Started]].contains(&before), "{id}: {states:?}");
        ended.insert(events[0].decision_id.clone().expect("a decision"));
    }
    let all: BTreeSet<String> = (0..AGENTS)
        .flat_map(|agent| generations.clone().map(move |generation| format!("a{agent}g{generation}")))
        .collect();
    assert_eq!(ended, all, "each has its last word, and nobody speaks of what had expired before the first start");
    let acts = acts.lock().expect("the receiver");
    for agent in 0..AGENTS {
        let name = format!("agent-{agent}");
        let done: Vec<u64> = acts.iter().filter(|act| act.0 == name).map(|act| act.1).collect();
        assert!(done.windows(2).all(|pair| pair[0] < pair[1]), "{name}: once, and in order: {done:?}");
        assert_eq!(done.last(), Some(generations.end()), "{name}");
    }
    let superseded = attempts.values().filter(|events| events.iter().any(|one| one.state == ScalingState::Superseded));
    support::broker::say(&format!(
        "{} decisions, {} kills, {} carried out, {} superseded",
        all.len(),
        generations.clone().count(),
        acts.len(),
        superseded.count()
    ));

    // Everything is settled: the next life finds nothing to do, and nothing to say.
    let before = feedback(&broker, &deployment.topic("scaling_events")).values().map(Vec::len).sum::<usize>();
    deployment.succeed(&["actuate", "webhook", "--until-end"]);
    let after = feedback(&broker, &deployment.topic("scaling_events")).values().map(Vec::len).sum::<usize>();
    assert_eq!(after, before);
}

#[test]
fn a_dry_run_prints_what_would_be_done_once_and_publishes_nothing() {
    let Some(broker) = Broker::find("a_dry_run_prints_what_would_be_done_once") else { return };
    let deployment = deployment(&broker, "http://127.0.0.1:1/");
    let topic = deployment.topic("decisions");
    let long = Duration::from_secs(300);
    let mut shadow = decision(1, 5, long);
    shadow.mode = Mode::Shadow;
    publish(&broker, &topic, &[decision(0, 3, long), decision(0, 3, long), shadow, decision(1, 2, long)]);
    let said = deployment.succeed(&["actuate", "dry-run", "--until-end"]).stdout;
    let mut lines: Vec<&str> = said.lines().map(|line| line.split_once("  ").expect("a time").1).collect();
    lines.sort_unstable();
    let want = [
        "w/agent-0  generation 3  would go from 1 to 4 instances  because",
        "w/agent-1  generation 2  would go from 1 to 3 instances  because",
    ];
    assert_eq!(lines, want, "{said}");
    assert_eq!(deployment.succeed(&["actuate", "dry-run", "--until-end"]).stdout, "", "its group has come further");
    assert!(feedback(&broker, &deployment.topic("scaling_events")).is_empty());
}

/// The scaler over the topic: standing decisions of before it began, and those that come.
#[test]
fn keda_is_told_of_a_decision_within_a_second() {
    let Some(broker) = Broker::find("keda_is_told_of_a_decision_within_a_second") else { return };
    let deployment = deployment(&broker, "http://127.0.0.1:1/");
    let topic = deployment.topic("decisions_current");
    publish(&broker, &topic, &[decision(0, 3, Duration::from_secs(300))]);
    let mut process = deployment.start(&["actuate", "keda", "--listen", "127.0.0.1:0"], &[]);
    let address = actuation::keda_address(&mut process);
    // IsActive by hand: the map's entry `agent`, framed; the answer's field 1 is true.
    let ask = |agent: &str| {
        let value = agent.as_bytes();
        let mut entry = vec![0x0a, 5];
        entry.extend(b"agent");
        entry.extend([0x12, value.len() as u8]);
        entry.extend(value);
        let mut other = vec![0x0a, 9];
        other.extend(b"workspace");
        other.extend([0x12, 1, b'w']);
        let mut message = Vec::new();
        for part in [entry, other] {
            message.extend([0x1a, part.len() as u8]);
            message.extend(part);
        }
        let mut framed = vec![0, 0, 0, 0, message.len() as u8];
        framed.extend(message);
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--http2-prior-knowledge", "--max-time", "10", "--include", "--data-binary", "@-"])
            .args(["--header", "content-type: application/grpc", "--header", "te: trailers"])
            .arg(format!("http://{address}/externalscaler.ExternalScaler/IsActive"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = curl.spawn().expect("curl");
        child.stdin.take().expect("a pipe").write_all(&framed).expect("it reads");
        String::from_utf8_lossy(&child.wait_with_output().expect("it ends").stdout).to_lowercase()
    };
    let is_active = |said: &str| said.contains("grpc-status: 0") && said.contains("\u{8}\u{1}");
    let said = ask("agent-0");
    assert!(is_active(&said), "{said:?}");
    assert!(ask("agent-1").contains("grpc-status: 5"), "nothing was decided about it");
    publish(&broker, &topic, &[decision(1, 1, Duration::from_secs(300))]);
    std::thread::sleep(Duration::from_secs(1));
    let said = ask("agent-1");
    assert!(is_active(&said), "{said:?}");
    process.terminate();
}
