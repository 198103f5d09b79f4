//! Decisions to an HTTP endpoint of the operator's: signed, once by its key, tried again until it expires.
//!
//! ```text
//!  order ─► body (JSON) ─► signature ─► POST ─► 2xx applied │ 409 superseded │ 410 expired │ other 3xx, 4xx rejected
//!                              ▲                 408, 425, 429, 5xx, no answer ──┐
//!                              └────── a new timestamp, after a pause ◄──────────┘ until expires_at: failed
//! ```
//!
//! - **W1** Every try of an order carries the same id, so that a receiver that remembers ids acts once.
//! - **W2** Nothing is sent from `expires_at` on.
//! - **W3** The secret is in no message and no log.
//!
//! The signature is that of Standard Webhooks 1.0.0 (standardwebhooks.com), for which there are libraries to check it.

mod body;
pub(crate) mod reply;
mod signature;

pub use signature::{Key, KeyError};

use crate::adapter::{Adapter, Tell};
use crate::order::{Order, Outcome};
use futures::future::BoxFuture;
use reply::Reply;
use std::time::Duration;
use tidegauge_model::{EventTime, Target};

/// Where to, and how patiently.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The address.
    pub url: String,
    /// What requests are signed with; without one they are not.
    pub key: Option<Key>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// The pause after a first try that has to be repeated; doubled each time.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_most: Duration,
}

/// Posts decisions.
pub struct Webhook {
    config: WebhookConfig,
    client: reqwest::Client,
    now: fn() -> EventTime,
}

impl Webhook {
    /// An actuator that posts to the address of `config`. `now` is the wall clock.
    ///
    /// # Errors
    ///
    /// If no client can be made: no TLS on this system.
    pub fn new(config: WebhookConfig, now: fn() -> EventTime) -> Result<Self, reqwest::Error> {
        // A redirect would carry a signed order elsewhere.
        let client = reqwest::Client::builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { config, client, now })
    }

    async fn post_until_answered(&self, order: &Order, tell: &Tell) -> Outcome {
        let body = body::of(order);
        let expires_at = order.decision.expires_at;
        let mut pause = self.config.retry_first;
        let mut last: Option<String> = None;
        loop {
            let now = (self.now)();
            if now >= expires_at {
                return match last {
                    Some(why) => Outcome::Failed(format!("{why}; tried until {expires_at}")),
                    None if order.resumed => {
                        Outcome::Expired("a restart came between, and it is not known whether it was delivered".into())
                    }
                    None => Outcome::Expired(format!("it was valid until {expires_at}")),
                };
            }
            if last.is_none() {
                tell.started(order.decision.current_instances);
            }
            let left = expires_at.since(now);
            match self.post(order, &body, now, left).await {
                Reply::Ended(outcome) => return outcome,
                Reply::Again { why, after } => {
                    tracing::warn!(target = %order.decision.target, id = order.id, why, "the webhook is tried again");
                    last = Some(why);
                    tokio::time::sleep(after.unwrap_or(pause).min(left)).await;
                    pause = (pause * 2).min(self.config.retry_most);
                }
            }
        }
    }

    async fn post(&self, order: &Order, body: &str, now: EventTime, left: Duration) -> Reply {
        let mut request = self.client.post(&self.config.url).timeout(self.config.timeout.min(left));
        for (name, value) in signed_headers(self.config.key.as_ref(), &order.id, body, now) {
            request = request.header(name, value);
        }
        match request.body(body.to_owned()).send().await {
            Ok(response) => reply::of(response, order.decision.desired_instances).await,
            Err(error) => Reply::Again { why: reply::trouble(&error), after: None },
        }
    }
}

/// The headers of a request with that id and JSON body, sent now.
pub(crate) fn signed_headers(
    key: Option<&Key>,
    id: &str,
    body: &str,
    now: EventTime,
) -> impl Iterator<Item = (&'static str, String)> {
    let timestamp = now.as_secs().to_string();
    let signature = key.map(|key| ("webhook-signature", key.sign(id, &timestamp, body)));
    let plain = [
        ("content-type", "application/json".to_owned()),
        ("idempotency-key", id.to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
    ];
    plain.into_iter().chain(signature)
}

impl Adapter for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn covers(&self, _: &Target) -> bool {
        true
    }

    fn carry_out<'a>(&'a self, order: &'a Order, tell: &'a Tell) -> BoxFuture<'a, Outcome> {
        Box::pin(self.post_until_answered(order, tell))
    }
}
