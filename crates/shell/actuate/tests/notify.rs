//! The notifier for Alertmanager against servers on sockets that are away and refuse at times.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegauge_actuate::notify::Notifier as _;
use tidegauge_actuate::notify::alertmanager::{Alertmanager, AlertmanagerConfig};
use tidegauge_actuate::notify::board::Board;
use tidegauge_model::{AlertState, AlertTransition, EventTime, Importance, Severity, Target};

#[derive(Default)]
struct Server {
    /// What it answers.
    status: u16,
    /// Labels `alertname`, and whether that is the end of it, of each alert of each request it has taken.
    taken: Vec<Vec<String>>,
}

fn serve(status: u16) -> (String, Arc<Mutex<Server>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = Arc::new(Mutex::new(Server { status, taken: Vec::new() }));
    let shared = Arc::clone(&server);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(stream, &shared);
        }
    });
    (url, server)
}

fn answer(mut stream: TcpStream, server: &Mutex<Server>) -> Option<()> {
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
    let alerts: Vec<Value> = serde_json::from_slice(&body).ok()?;
    let mut server = server.lock().expect("nobody panicked");
    if server.status == 200 {
        let word = |alert: &Value| {
            let ends = alert["endsAt"].as_str().expect("a time");
            let is_over = ends <= "2026-01-01T01:00:00Z";
            format!("{}{}", alert["labels"]["alertname"].as_str().expect("a name"), if is_over { " over" } else { "" })
        };
        server.taken.push(alerts.iter().map(word).collect());
    }
    let head = format!("HTTP/1.1 {} said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", server.status);
    stream.write_all(head.as_bytes()).ok()
}

const HOUR: i64 = 1_767_225_600 + 3_600;

fn at(seconds: i64) -> EventTime {
    EventTime::from_secs(HOUR + seconds)
}

fn alert(rule: &str, to: AlertState) -> AlertTransition {
    AlertTransition {
        fingerprint: rule.to_owned(),
        rule: rule.to_owned(),
        target: Target { workspace: "w".into(), agent: "a".into(), region: None },
        instance: None,
        finding: None,
        severity: Severity::Warning,
        importance: Importance::Normal,
        from: AlertState::Pending,
        to,
        no_data: false,
        value: None,
        threshold: 0.0,
        started_at: at(-60),
        at: at(-1),
        completeness: 1.0,
        summary: String::new(),
        labels: [].into(),
        annotations: [].into(),
        runbook_url: None,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
    }
}

fn notifier(urls: &[&str]) -> Alertmanager {
    let config = AlertmanagerConfig {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        timeout: Duration::from_secs(5),
        repost: Duration::from_secs(60),
        resolve_after: Duration::from_secs(300),
        retry_first: Duration::from_secs(1),
        retry_most: Duration::from_secs(4),
    };
    Alertmanager::new(config).expect("a client")
}

fn taken(server: &Mutex<Server>) -> Vec<String> {
    server.lock().expect("nobody panicked").taken.iter().map(|alerts| alerts.join(", ")).collect()
}

#[test]
fn m1_what_fires_is_posted_from_time_to_time_and_its_end_once() {
    let (url, server) = serve(200);
    let (mut notifier, mut board) = (notifier(&[&url]), Board::new(0));
    board.read(0, Some(alert("cpu", AlertState::Firing)));
    for second in 0..130 {
        notifier.turn(&mut [&mut board], at(second));
    }
    assert_eq!(taken(&server), ["cpu", "cpu", "cpu"], "at once, and after one and two minutes");
    board.read(1, Some(alert("cpu", AlertState::Resolved)));
    for second in 130..400 {
        notifier.turn(&mut [&mut board], at(second));
    }
    let words: Vec<String> = taken(&server).into_iter().filter(|word| !word.is_empty()).collect();
    assert_eq!(words, ["cpu", "cpu", "cpu", "cpu over"]);
    assert_eq!((board.position(), board.done()), (2, 2));
}

#[test]
fn m2_one_that_was_away_gets_all_that_fires_and_what_has_ended() {
    let (here, first) = serve(200);
    let (away, second) = serve(503);
    let (mut notifier, mut board) = (notifier(&[&here, &away]), Board::new(0));
    board.read(0, Some(alert("cpu", AlertState::Firing)));
    board.read(1, Some(alert("memory", AlertState::Firing)));
    notifier.turn(&mut [&mut board], at(0));
    assert_eq!(board.done(), 2, "one has taken it");
    board.read(2, Some(alert("cpu", AlertState::Resolved)));
    notifier.turn(&mut [&mut board], at(2));
    assert_eq!(taken(&first), ["cpu, memory", "cpu over"]);
    second.lock().expect("nobody panicked").status = 200;
    for seconds in 3..20 {
        notifier.turn(&mut [&mut board], at(seconds));
    }
    assert_eq!(taken(&second), ["memory, cpu over"]);
    assert_eq!(taken(&first).len(), 2, "nothing that it has already: {:?}", taken(&first));
}

#[test]
fn m3_nobody_there_is_waited_for_and_a_refusal_is_final() {
    let (url, server) = serve(503);
    let (mut notifier, mut board) = (notifier(&[&url]), Board::new(0));
    board.read(0, Some(alert("cpu", AlertState::Firing)));
    for seconds in 0..10 {
        notifier.turn(&mut [&mut board], at(seconds));
    }
    assert_eq!((board.position(), board.done()), (0, 0));
    server.lock().expect("nobody panicked").status = 400;
    for seconds in 10..20 {
        notifier.turn(&mut [&mut board], at(seconds));
    }
    assert_eq!(board.done(), 1, "Alertmanager will not take it, however often");
}
