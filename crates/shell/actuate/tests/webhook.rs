//! The webhook against a server on a socket that checks signatures, remembers ids, and is out of order at times.

mod common;

use common::decision;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_actuate::adapter::Crew;
use tidegauge_actuate::order::{Order, Outcome, Report};
use tidegauge_actuate::webhook::{Key, Webhook, WebhookConfig};
use tidegauge_model::EventTime;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime::from_micros(i64::try_from(since.as_micros()).expect("before 294247"))
}

/// A request that was answered.
#[derive(Clone, Debug)]
struct Seen {
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map_or("", |(_, value)| value)
    }

    /// As a receiver does it: by id, time and body.
    fn is_signed(&self) -> bool {
        let key = Key::parse(SECRET).expect("a secret");
        let signature = self.header("webhook-signature");
        let age = now().as_secs() - self.header("webhook-timestamp").parse::<i64>().unwrap_or_default();
        age.abs() <= 300
            && key.verifies(self.header("webhook-id"), self.header("webhook-timestamp"), &self.body, signature)
    }
}

#[derive(Default)]
struct Receiver {
    /// What to answer next: a status and a body. Nothing: the connection is closed without an answer. When all are
    /// said, 200.
    answers: VecDeque<Option<(u16, &'static str)>>,
    seen: Vec<Seen>,
    /// Ids that were carried out.
    done: Vec<String>,
}

/// Serves on a free port for the rest of the test.
fn serve(answers: Vec<Option<(u16, &'static str)>>) -> (String, Arc<Mutex<Receiver>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/scale", listener.local_addr().expect("an address"));
    let receiver = Arc::new(Mutex::new(Receiver { answers: answers.into(), ..Receiver::default() }));
    let shared = Arc::clone(&receiver);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.expect("a connection"), &shared);
        }
    });
    (url, receiver)
}

fn answer(mut stream: TcpStream, receiver: &Mutex<Receiver>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    });
    let Some(_) = lines.next() else { return };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let seen = Seen { headers, body: String::from_utf8(body).expect("text") };
    let mut receiver = receiver.lock().expect("one that has not panicked");
    let id = seen.header("idempotency-key").to_owned();
    let reply = match receiver.answers.pop_front() {
        _ if !seen.is_signed() => Some((401, "wrong signature")),
        Some(reply) => reply,
        None => Some((200, "")),
    };
    receiver.seen.push(seen);
    let Some((status, text)) = reply else { return };
    if status < 300 && !receiver.done.contains(&id) {
        receiver.done.push(id);
    }
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\nlocation: /x\r\n\r\n{text}");
    drop(stream.write_all(head.as_bytes()));
}

fn crew(url: String, secret: &str) -> Crew {
    let config = WebhookConfig {
        url,
        key: Some(Key::parse(secret).expect("a secret")),
        timeout: Duration::from_secs(5),
        retry_first: Duration::from_millis(10),
        retry_most: Duration::from_millis(40),
    };
    Crew::new(Arc::new(Webhook::new(config, now).expect("a client"))).expect("a thread")
}

/// An order that is valid for so long from now.
fn order(id: &str, valid: Duration) -> Order {
    let mut decision = decision(3, 2, 5, 0..1);
    (decision.not_before, decision.expires_at) = (now(), now().plus(valid));
    Order { id: id.to_owned(), decision, resumed: false }
}

/// Carries an order out; all that was told.
fn carry_out(crew: &mut Crew, order: Order) -> Vec<Report> {
    let begin = Instant::now();
    let mut told = Vec::new();
    crew.begin(order);
    while !told.iter().any(|report| matches!(report, Report::Ended(_))) {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not end: {told:?}");
        told.extend(crew.reports(Duration::from_millis(50)).into_iter().map(|told| told.report));
    }
    told
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_order_is_posted_once_and_signed() {
    let (url, receiver) = serve(vec![]);
    let told = carry_out(&mut crew(url, SECRET), order("d3@5/webhook", LONG));
    assert_eq!(told, [Report::Started { before: 2 }, Report::Ended(Outcome::Applied(5))]);
    let receiver = receiver.lock().expect("the receiver");
    let [seen] = receiver.seen.as_slice() else { panic!("{:?}", receiver.seen) };
    assert!(seen.is_signed());
    assert_eq!((seen.header("webhook-id"), seen.header("idempotency-key")), ("d3@5/webhook", "d3@5/webhook"));
    assert_eq!(seen.header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
    assert_eq!((&body["agent_id"], &body["generation"]), (&"planner".into(), &3.into()));
    assert_eq!((&body["desired_instances"], &body["action"]), (&5.into(), &"scale_up".into()));
    assert_eq!(body["id"], "d3@5/webhook");
}

/// W1: a receiver that remembers ids acts once, however often it is asked.
#[test]
fn w1_tries_have_one_id_and_a_replay_acts_once() {
    let (url, receiver) = serve(vec![Some((503, "busy")), None, Some((429, "later"))]);
    let mut crew = crew(url, SECRET);
    let told = carry_out(&mut crew, order("d3@5/webhook", LONG));
    assert_eq!(told, [Report::Started { before: 2 }, Report::Ended(Outcome::Applied(5))]);
    carry_out(&mut crew, order("d3@5/webhook", LONG)); // as after a restart
    let receiver = receiver.lock().expect("the receiver");
    assert_eq!(receiver.seen.len(), 5, "three that failed, the one that worked, the replay");
    assert!(receiver.seen.iter().all(|seen| seen.header("webhook-id") == "d3@5/webhook" && seen.is_signed()));
    assert_eq!(receiver.done, ["d3@5/webhook"]);
}

#[test]
fn what_the_receiver_says_is_what_came_of_it() {
    let cases = [
        (409, "generation 9 is here", Outcome::Superseded("409 Conflict: generation 9 is here".into())),
        (410, "", Outcome::Expired("410 Gone".into())),
        (422, "no such agent", Outcome::Rejected("422 Unprocessable Entity: no such agent".into())),
        (302, "", Outcome::Rejected("302 Found".into())),
        (200, r#"{"instances": 4}"#, Outcome::Partial(4, "the receiver has 4 instances, not 5".into())),
    ];
    for (status, text, want) in cases {
        let (url, receiver) = serve(vec![Some((status, text))]);
        let told = carry_out(&mut crew(url, SECRET), order("a", LONG));
        assert_eq!(told.last(), Some(&Report::Ended(want)), "{status}");
        assert_eq!(receiver.lock().expect("the receiver").seen.len(), 1, "{status} is not tried again");
    }
}

#[test]
fn a_wrong_secret_is_refused_for_good() {
    let (url, _) = serve(vec![]);
    let told = carry_out(&mut crew(url, "another secret of enough bytes"), order("a", LONG));
    let Some(Report::Ended(Outcome::Rejected(why))) = told.last() else { panic!("{told:?}") };
    assert_eq!(why, "401 Unauthorized: wrong signature");
}

#[test]
fn w2_it_is_tried_until_it_expires_and_not_longer() {
    let (url, receiver) = serve(vec![Some((503, "")); 10_000]);
    let (begin, valid) = (Instant::now(), Duration::from_millis(300));
    let told = carry_out(&mut crew(url, SECRET), order("a", valid));
    assert!(begin.elapsed() >= Duration::from_millis(250), "it gave up early");
    let Some(Report::Ended(Outcome::Failed(why))) = told.last() else { panic!("{told:?}") };
    assert!(why.starts_with("503 Service Unavailable; tried until "), "{why}");
    let tried = receiver.lock().expect("the receiver").seen.len();
    assert!((3..=30).contains(&tried), "{tried} tries with pauses of 10 ms, then 20, then 40");

    let (url, receiver) = serve(vec![]);
    let told = carry_out(&mut crew(url, SECRET), order("a", Duration::ZERO));
    assert!(matches!(told.as_slice(), [Report::Ended(Outcome::Expired(_))]), "{told:?}");
    assert_eq!(receiver.lock().expect("the receiver").seen.len(), 0, "nothing is sent when it is too late");
}

#[test]
fn nobody_who_listens_is_a_failure_that_says_so_without_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("http://user:hunter2@{closed}/");
    let told = carry_out(&mut crew(url, SECRET), order("a", Duration::from_millis(100)));
    let Some(Report::Ended(Outcome::Failed(why))) = told.last() else { panic!("{told:?}") };
    assert!(why.contains("no answer") && !why.contains("hunter2"), "W3: {why}");
}
