//! What an operator, Kubernetes and Prometheus ask a running process for, over HTTP.
//!
//! | path | answers |
//! | --- | --- |
//! | `/livez` | 200, or 503 if the loop of a worker does not turn: restart the process |
//! | `/readyz` | 200, or 503 with a reason a line; `?verbose` lists what was checked |
//! | `/metrics` | Prometheus' text format |
//! | `/status` | all that is known, as JSON |
//! | `POST /query` | SQL over the windows of the recent past, where `query.enabled` says so |
//!
//! One thread with a runtime of its own, apart from the workers: it answers however stuck they are, and nothing that is
//! asked costs them more than a lock for microseconds; a query runs in a process of its own. It only reads; there is nothing to protect but the names of
//! topics, so it has no passwords, and listens only where it is told to.

use crate::exit::{Code, Failure};
use crate::health::Health;
use crate::metrics;
use crate::query::desk::{self, Reply};
use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

/// Prometheus' text format, version 0.0.4.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Whether rows were left out of an answer.
const CUT: HeaderName = HeaderName::from_static("tidegauge-is-cut");
/// Longest question.
const MOST_BODY: usize = 1 << 20;
/// Histograms are put into their buckets this often, if nobody asks: until then each value is kept.
const UPKEEP: Duration = Duration::from_secs(5);

const INDEX: &str = "\
tidegauge

/livez            is the process alive
/readyz           is it ready, and if not, why; ?verbose lists every check
/metrics          for Prometheus
/status           all of it, as JSON
/query            POST a JSON object with a SELECT as its sql, where query.enabled is set
";

#[derive(Clone)]
struct Pages {
    health: Health,
    recorder: &'static PrometheusHandle,
}

/// Answers at `listen`, which stands under `key`, for the rest of the process's life; returns the address, which with port
/// 0 is news. To be called before workers start: what was counted before is lost.
///
/// # Errors
///
/// [`Failure`] with [`Code::Config`] if the address cannot be listened on.
pub fn serve(key: &str, listen: SocketAddr, health: Health) -> anyhow::Result<SocketAddr> {
    let taken = |error| Failure::new(Code::Config, format!("{key}: cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).map_err(taken)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let recorder = metrics::recorder()?;
    health.begin_counters();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pages = router(Pages { health, recorder });
    let answer = move || {
        let result = runtime.block_on(async {
            tokio::spawn(async {
                let mut ticks = tokio::time::interval(UPKEEP);
                loop {
                    ticks.tick().await;
                    recorder.run_upkeep();
                }
            });
            axum::serve(tokio::net::TcpListener::from_std(listener)?, pages).await
        });
        if let Err(error) = result {
            tracing::error!(%error, "nobody is answered over HTTP any more");
        }
    };
    thread::Builder::new().name("http".into()).spawn(answer).context("starting the HTTP thread")?;
    tracing::info!(%addr, "listening: /livez /readyz /metrics /status");
    Ok(addr)
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route("/status", get(status))
        .route("/query", post(query))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(pages)
}

async fn livez(State(pages): State<Pages>) -> Response {
    lines(&pages.health.silent(Instant::now()))
}

async fn readyz(State(pages): State<Pages>, RawQuery(query): RawQuery) -> Response {
    let checks = pages.health.checks(Instant::now());
    let problems: Vec<_> = checks.iter().filter_map(|check| check.problem.clone()).collect();
    if !query.is_some_and(|query| query.split('&').any(|word| word.split('=').next() == Some("verbose"))) {
        return lines(&problems);
    }
    let mut text = String::new();
    for check in &checks {
        // Writing to a string cannot fail.
        let _ = match &check.problem {
            None => writeln!(text, "[+] {}", check.what),
            Some(problem) => writeln!(text, "[-] {}: {problem}", check.what),
        };
    }
    text.push_str(if problems.is_empty() { "ready\n" } else { "not ready\n" });
    (code(problems.is_empty()), text).into_response()
}

async fn metrics_text(State(pages): State<Pages>) -> Response {
    let text = pages.recorder.render() + &pages.health.gauges();
    ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}

async fn status(State(pages): State<Pages>) -> Response {
    match serde_json::to_string_pretty(&pages.health.status()) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn query(State(pages): State<Pages>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(desk) = pages.health.desk().cloned() else {
        return (StatusCode::NOT_FOUND, "query.enabled is not set\n").into_response();
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return replied(desk::not_json());
    }
    let Some(seat) = desk.seat() else {
        return ([(header::RETRY_AFTER, "1")], replied(desk.busy())).into_response();
    };
    // On a thread of its own: the pages above answer meanwhile.
    match tokio::task::spawn_blocking(move || desk.reply(&seat, &body)).await {
        Ok(reply) => replied(reply),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn replied(reply: Reply) -> Response {
    let Reply { status, content_type, is_cut, body } = reply;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_cut = if is_cut { "true" } else { "false" };
    (status, [(header::CONTENT_TYPE, content_type), (CUT, is_cut)], body).into_response()
}

/// 200 `ok`, or 503 and a problem a line.
fn lines(problems: &[String]) -> Response {
    let text = if problems.is_empty() { "ok".to_owned() } else { problems.join("\n") };
    (code(problems.is_empty()), text + "\n").into_response()
}

const fn code(is_good: bool) -> StatusCode {
    if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write as _};
    use std::net::TcpStream;

    /// Status line, content type and body of a request over TCP.
    fn ask(addr: SocketAddr, path: &str) -> (String, String, String) {
        let mut stream = TcpStream::connect(addr).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (head.lines().next().unwrap_or_default().to_owned(), kind.to_owned(), body.to_owned())
    }

    #[test]
    fn every_page_answers_over_tcp() {
        let health = Health::new(&[("decide", 1)]);
        let addr =
            serve("http.listen", "127.0.0.1:0".parse().expect("an address"), health.clone()).expect("a free port");
        let page = |path| ask(addr, path);

        assert_eq!(page("/livez").2, "ok\n");
        let (line, _, body) = page("/readyz");
        assert_eq!((line.as_str(), body.as_str()), ("HTTP/1.1 503 Service Unavailable", "decide-0 has not started\n"));
        let verbose = page("/readyz?verbose").2;
        assert!(verbose.contains("[+] memory\n") && verbose.contains("[-] decide-0 is a member: "), "{verbose}");

        health.worker("decide", 0).assigned(1);
        health.worker("decide", 0).committed(Duration::from_millis(3), 7, 700);
        assert_eq!(page("/readyz"), ("HTTP/1.1 200 OK".into(), "text/plain; charset=utf-8".into(), "ok\n".into()));
        assert!(page("/readyz?verbose").2.ends_with("ready\n"));

        let (_, kind, text) = page("/metrics");
        assert_eq!(kind, METRICS_TYPE);
        for line in [
            "tidegauge_ready 1",
            "# TYPE tidegauge_transactions_total counter",
            "tidegauge_transactions_total{stage=\"decide\",outcome=\"committed\"} 1",
            "tidegauge_committed_records_total{stage=\"decide\"} 7",
            "tidegauge_commit_duration_seconds_bucket{stage=\"decide\",le=\"0.005\"} 1",
            "tidegauge_dead_letters_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }

        let (_, kind, body) = page("/status");
        assert_eq!(kind, "application/json");
        let status: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(status["workers"][0]["phase"], "running");
        assert!(page("/").2.contains("/readyz") && page("/other").0.contains("404"));
    }

    #[test]
    fn an_address_that_is_taken_is_an_error_of_the_configuration() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = other.local_addr().expect("its address");
        let error = serve("http.listen", listen, Health::new(&[])).unwrap_err();
        assert_eq!(crate::exit::code_of(&error), Code::Config);
        assert!(error.to_string().contains("http.listen"), "{error}");
    }
}
