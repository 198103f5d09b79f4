//! What an answer means.

use crate::order::Outcome;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::time::Duration;

/// Most of an answer that is read, and of its text that is told.
const MOST_READ: usize = 64 << 10;
const MOST_TOLD: usize = 200;

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Ended(Outcome),
    /// To be tried again, for this reason; not before `after`, where the receiver says so.
    Again {
        why: String,
        after: Option<Duration>,
    },
}

/// What a receiver may say of an order that it has carried out.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    /// Instances that there are, or will be, if not as many as were wanted.
    instances: Option<u32>,
}

pub(super) async fn of(mut response: Response, desired: u32) -> Reply {
    let status = response.status();
    let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_READ {
            break;
        }
    }
    judge(status, after.map(Duration::from_secs), &body, desired)
}

fn judge(status: StatusCode, after: Option<Duration>, body: &[u8], desired: u32) -> Reply {
    let why = || told(status, body);
    let outcome = match status.as_u16() {
        200..=299 => match serde_json::from_slice::<Answer>(body).unwrap_or_default().instances {
            Some(instances) if instances != desired => {
                Outcome::Partial(instances, format!("the receiver has {instances} instances, not {desired}"))
            }
            _ => Outcome::Applied(desired),
        },
        409 => Outcome::Superseded(why()),
        410 => Outcome::Expired(why()),
        _ if is_worth_another_try(status) => return Reply::Again { why: why(), after },
        _ => Outcome::Rejected(why()),
    };
    Reply::Ended(outcome)
}

/// Whether it is for a while only that it was not taken.
pub(crate) fn is_worth_another_try(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..)
}

fn told(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(MOST_TOLD).collect();
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

/// Why there was no answer, without the address, which may hold a password.
pub(crate) fn trouble(error: &reqwest::Error) -> String {
    let cause = std::iter::successors(error.source(), |error| (*error).source()).last();
    match cause {
        _ if error.is_timeout() => "no answer in time".to_owned(),
        Some(cause) => format!("no answer: {cause}"),
        None => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_one_thing() {
        let text = |status: &str| format!("{status}: no");
        let again =
            |why: &str, after: Option<u64>| Reply::Again { why: text(why), after: after.map(Duration::from_secs) };
        let cases = [
            (200, None, "no", Reply::Ended(Outcome::Applied(5))),
            (202, None, r#"{"instances": 5}"#, Reply::Ended(Outcome::Applied(5))),
            (
                200,
                None,
                r#"{"instances": 4}"#,
                Reply::Ended(Outcome::Partial(4, "the receiver has 4 instances, not 5".into())),
            ),
            (409, None, "no", Reply::Ended(Outcome::Superseded(text("409 Conflict")))),
            (410, None, "no", Reply::Ended(Outcome::Expired(text("410 Gone")))),
            (400, None, "no", Reply::Ended(Outcome::Rejected(text("400 Bad Request")))),
            (302, None, "no", Reply::Ended(Outcome::Rejected(text("302 Found")))),
            (429, Some(7), "no", again("429 Too Many Requests", Some(7))),
            (408, None, "no", again("408 Request Timeout", None)),
            (503, None, "no", again("503 Service Unavailable", None)),
        ];
        for (status, after, body, want) in cases {
            let code = StatusCode::from_u16(status).expect("a status");
            assert_eq!(judge(code, after.map(Duration::from_secs), body.as_bytes(), 5), want, "{status} {body}");
        }
    }
}
