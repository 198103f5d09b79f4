//! Where a running process is asked: `POST /query`.
//!
//! ```text
//!  {"sql": "SELECT …", "format": "json"}  ─►  200 {"columns": […], "rows": [{…}], "is_cut": false}
//!                                             400 refused   415 not JSON   422 cut off   429 too many at a time
//! ```

use super::{Format, Keeping, QueryError, Recent, Request, Sandbox};
use crate::config::QueryConfig;
use crate::diagnostic::ProblemKind;
use crate::metrics;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tidegauge_sql::Limits;

/// Answers questions, so many at a time. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk {
    recent: Recent,
    limits: Limits,
    most_at_a_time: usize,
    running: Arc<AtomicUsize>,
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// There are more rows.
    pub is_cut: bool,
    /// Body.
    pub body: Vec<u8>,
}

/// A place at the desk, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    running: Arc<AtomicUsize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sql: String,
    #[serde(default)]
    format: Wanted,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    #[default]
    Json,
    Csv,
}

const JSON: &str = "application/json";

impl Desk {
    /// As configured; `None` if nobody is to be answered.
    #[must_use]
    pub fn of(config: &QueryConfig) -> Option<Self> {
        let recent = Recent::new(config.keep, config.keep_bytes);
        let running = Arc::default();
        let desk = Self { recent, limits: config.limits, most_at_a_time: config.concurrent, running };
        config.enabled.then_some(desk)
    }

    /// Where a partition hands over the windows that it publishes.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        self.recent.keeping()
    }

    /// A place, if one is free.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        let before = self.running.fetch_add(1, Ordering::Acquire);
        let seat = Seat { running: Arc::clone(&self.running) };
        (before < self.most_at_a_time).then_some(seat)
    }

    /// What is said to those for whom there is no place.
    #[must_use]
    pub fn busy(&self) -> Reply {
        metrics::QUERIES.count(&["busy"], 1);
        let message = format!("{} queries run already: ask again later", self.most_at_a_time);
        refusal(429, None, &message)
    }

    /// The reply to a question, which takes as long as that takes.
    #[must_use]
    pub fn reply(&self, _seat: &Seat, body: &[u8]) -> Reply {
        let asked: Asked = match serde_json::from_slice(body) {
            Ok(asked) => asked,
            Err(error) => {
                metrics::QUERIES.count(&["refused"], 1);
                let message = format!("expected {{\"sql\": \"SELECT …\", \"format\": \"json\" or \"csv\"}}: {error}");
                return refusal(400, Some(ProblemKind::QueryRefused), &message);
            }
        };
        let (format, content_type) = match asked.format {
            Wanted::Json => (Format::Document, JSON),
            Wanted::Csv => (Format::Csv, "text/csv; charset=utf-8"),
        };
        match self.ask(&Request::new(&asked.sql, format, &self.limits)) {
            Ok(answer) => {
                metrics::QUERIES.count(&["answered"], 1);
                Reply { status: 200, content_type, is_cut: answer.is_cut, body: answer.text }
            }
            Err(error) => {
                let (status, outcome) = match &error {
                    QueryError::Refused(_) => (400, "refused"),
                    QueryError::NotStarted(_) => (500, "failed"),
                    _ => (422, "cut_off"),
                };
                metrics::QUERIES.count(&[outcome], 1);
                refusal(status, error.failure().kind, &error.to_string())
            }
        }
    }

    fn ask(&self, request: &Request) -> Result<super::Answer, QueryError> {
        let mut sandbox = Sandbox::start(request)?;
        for window in self.recent.windows(Instant::now()) {
            if !sandbox.feed(&window) {
                break; // it has failed: what it says is told below
            }
        }
        sandbox.finish()
    }
}

/// What is said to those who do not say that they send JSON, which a web page of somebody else cannot say unasked.
#[must_use]
pub fn not_json() -> Reply {
    refusal(415, Some(ProblemKind::QueryRefused), "expected the header `content-type: application/json`")
}

fn refusal(status: u16, kind: Option<ProblemKind>, message: &str) -> Reply {
    let error = json!({ "error": { "code": kind.map(ProblemKind::code), "message": message } });
    Reply { status, content_type: JSON, is_cut: false, body: format!("{error}\n").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn desk(concurrent: usize) -> Desk {
        let limits = Limits::default();
        let config =
            QueryConfig { enabled: true, keep: Duration::from_secs(600), keep_bytes: 1 << 20, concurrent, limits };
        Desk::of(&config).expect("it is enabled")
    }

    #[test]
    fn nobody_is_answered_unless_it_is_enabled() {
        let enabled = QueryConfig {
            enabled: false,
            keep: Duration::from_secs(1),
            keep_bytes: 1,
            concurrent: 1,
            limits: Limits::default(),
        };
        assert!(Desk::of(&enabled).is_none());
    }

    #[test]
    fn there_are_so_many_places_and_one_that_is_left_is_free() {
        let desk = desk(2);
        let (first, second) = (desk.seat(), desk.seat());
        assert!(first.is_some() && second.is_some());
        assert!(desk.seat().is_none() && desk.seat().is_none());
        drop(first);
        assert!(desk.seat().is_some());
        let reply = desk.busy();
        assert_eq!(reply.status, 429);
    }

    #[test]
    fn what_is_no_question_is_refused_with_what_one_looks_like() {
        let desk = desk(1);
        for body in ["", "SELECT 1", "{}", "{\"sql\": 1}", "{\"sql\": \"SELECT 1\", \"limit\": 5}"] {
            let seat = desk.seat().expect("a place");
            let reply = desk.reply(&seat, body.as_bytes());
            let text = String::from_utf8(reply.body).unwrap();
            assert!(reply.status == 400 && text.contains("TG3001") && text.contains("expected {"), "{body}: {text}");
        }
    }
}
