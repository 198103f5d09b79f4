//! What a process says of itself over HTTP.

use super::process::Process;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An address that was not logged by then will not be.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

/// The address on which a process with `http.listen: 127.0.0.1:0` serves, as its log says.
pub(crate) fn address(process: &mut Process) -> SocketAddr {
    let begin = Instant::now();
    loop {
        let of_line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            if !line.get("message")?.as_str()?.starts_with("listening") {
                return None;
            }
            line.get("addr")?.as_str()?.parse().ok()
        };
        if let Some(address) = process.log().lines().find_map(of_line) {
            return address;
        }
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "no line says where it listens\n{}", process.log());
        sleep(Duration::from_millis(20));
    }
}

/// The status and the body that `GET path` answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// The status and the body that `POST path` answers to JSON.
pub(crate) fn post(address: SocketAddr, path: &str, json: &str) -> (u16, String) {
    let length = json.len();
    ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        ),
    )
}

fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // What is too long may be refused before all of it is sent.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Asks `/readyz` until it answers `status`; returns what it said then.
pub(crate) fn wait_for_readiness(process: &mut Process, address: SocketAddr, status: u16) -> String {
    let begin = Instant::now();
    loop {
        let (answered, body) = get(address, "/readyz");
        if answered == status {
            return body;
        }
        process.assert_runs();
        assert!(begin.elapsed() < PATIENCE, "/readyz still answers {answered}: {body}");
        sleep(Duration::from_millis(100));
    }
}
