//! Groups of alerts to an HTTP endpoint of the operator's, in the words of Alertmanager's webhook (version 4), signed.
//!
//! - **W1** Every try of a notification carries the same id, and each alert in it one of its own: alert, start of the
//!   episode, state. A receiver that remembers ids acts once, after a restart too. What is repeated because it goes on has
//!   another id each time: it is to be heard again.
//! - **W2** What is refused for what it says (3xx, 4xx) is not posted for ever: that is logged, and counts as told.

use super::board::{Board, Episode};
use super::groups::{GroupConfig, Groups, Notification};
use super::{Notifier, Posts};
use crate::webhook::{WebhookConfig, reply, signed_headers};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Posts groups of alerts.
pub struct AlertWebhook {
    config: WebhookConfig,
    client: reqwest::blocking::Client,
    groups: Groups,
    /// Nothing is sent before then, after a try that has to be repeated.
    retry_at: Option<EventTime>,
    pause: Duration,
}

/// What is posted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    group_key: String,
    status: &'static str,
    receiver: &'static str,
    group_labels: &'a BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    alerts: Vec<PostedAlert<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostedAlert<'a> {
    id: String,
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    /// Of one that fires, the year 1, as Alertmanager writes it.
    ends_at: String,
    fingerprint: &'a str,
    value: Option<f64>,
}

impl AlertWebhook {
    /// A notifier that posts to the address of `config`.
    ///
    /// # Errors
    ///
    /// If no client can be made: no TLS on this system.
    pub fn new(config: WebhookConfig, groups: GroupConfig) -> Result<Self, reqwest::Error> {
        // A redirect would carry a signed notification elsewhere.
        let client = reqwest::blocking::Client::builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { pause: config.retry_first, config, client, groups: Groups::new(groups), retry_at: None })
    }

    /// Whether it was taken, or refused for good.
    /// Whether it was taken, and not refused for good; an error is worth another try.
    fn post(&self, notification: &Notification, now: EventTime) -> Result<bool, String> {
        let body = serde_json::to_string(&Body::of(notification)).expect("texts and numbers");
        let mut request = self.client.post(&self.config.url);
        for (name, value) in signed_headers(self.config.key.as_ref(), &id(notification), &body, now) {
            request = request.header(name, value);
        }
        match request.body(body).send() {
            Ok(response) if response.status().is_success() => Ok(true),
            Ok(response) if reply::is_worth_another_try(response.status()) => Err(response.status().to_string()),
            Ok(response) => {
                tracing::error!(status = %response.status(), "the webhook refuses a notification");
                Ok(false)
            }
            Err(error) => Err(reply::trouble(&error)),
        }
    }
}

impl Notifier for AlertWebhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn turn(&mut self, boards: &mut [&mut Board], now: EventTime) -> Posts {
        let mut posts = Posts::default();
        if self.retry_at.is_some_and(|at| now < at) {
            return posts;
        }
        for notification in self.groups.due(boards, now) {
            match self.post(&notification, now) {
                Ok(true) => posts.taken += 1,
                Ok(false) => posts.refused += 1,
                Err(why) => {
                    tracing::warn!(why, "the webhook is tried again");
                    self.retry_at = Some(now.plus(self.pause));
                    self.pause = (self.pause * 2).min(self.config.retry_most);
                    posts.failed += 1;
                    return posts;
                }
            }
            (self.retry_at, self.pause) = (None, self.config.retry_first);
            self.groups.told(&notification, boards, now);
        }
        posts
    }
}

/// **W1**.
fn id(notification: &Notification) -> String {
    let mut digest = Sha256::new();
    for (name, value) in &notification.labels {
        digest.update(format!("{name}\0{value}\0"));
    }
    for episode in &notification.alerts {
        digest.update(episode.id());
    }
    // Not for news: after a crash nobody knows when that was told, and it has to have the same id again.
    if let Some(told_at) = notification.told_at {
        digest.update(format!("\0{}", told_at.as_micros()));
    }
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn status(is_firing: bool) -> &'static str {
    if is_firing { "firing" } else { "resolved" }
}

impl<'a> Body<'a> {
    fn of(notification: &'a Notification) -> Self {
        let Notification { labels, alerts, .. } = notification;
        let mut common_labels = alerts.first().map(|first| first.labels.clone()).unwrap_or_default();
        common_labels.retain(|name, value| alerts.iter().all(|other| other.labels.get(name) == Some(value)));
        Self {
            version: "4",
            group_key: labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(","),
            status: status(alerts.iter().any(Episode::is_firing)),
            receiver: "tidegauge",
            group_labels: labels,
            common_labels,
            alerts: alerts.iter().map(PostedAlert::of).collect(),
        }
    }
}

impl<'a> PostedAlert<'a> {
    fn of(episode: &'a Episode) -> Self {
        let alert = &episode.alert;
        let ends_at = if episode.is_firing() { "0001-01-01T00:00:00Z".to_owned() } else { alert.at.to_string() };
        Self {
            id: episode.id(),
            status: status(episode.is_firing()),
            labels: &episode.labels,
            annotations: episode.annotations(),
            starts_at: alert.started_at.to_string(),
            ends_at,
            fingerprint: &alert.fingerprint,
            value: alert.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::tests::alert;
    use super::*;
    use tidegauge_model::AlertState::Firing;

    fn groups() -> Groups {
        let (wait, hour) = (Duration::from_secs(10), Duration::from_hours(1));
        Groups::new(GroupConfig { group_by: Vec::new(), group_wait: wait, group_interval: wait, repeat_interval: hour })
    }

    /// The id of what is to be told at that second.
    fn due(groups: &mut Groups, board: &mut Board, second: i64) -> (String, Notification) {
        let mut due = groups.due(&[board], EventTime::from_secs(second));
        assert_eq!(due.len(), 1, "at {second}");
        (id(&due[0]), due.remove(0))
    }

    #[test]
    fn w1_each_try_has_the_same_id_and_what_is_repeated_another() {
        let (mut groups, mut board) = (groups(), Board::new(0));
        board.read(0, Some(alert("a", 0, Firing)));
        assert_eq!(groups.due(&[&mut board], EventTime::from_secs(0)), []);
        let mut ids = Vec::new();
        for second in [10, 3_700, 7_400] {
            let (first, _) = due(&mut groups, &mut board, second);
            let (again, notification) = due(&mut groups, &mut board, second + 5);
            assert_eq!(first, again, "two tries at {second}");
            groups.told(&notification, &mut [&mut board], EventTime::from_secs(second + 5));
            ids.push(first);
        }
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");

        // What died after the first and before it had noted that.
        let (mut groups, mut board) = (self::groups(), Board::new(0));
        board.read(0, Some(alert("a", 0, Firing)));
        assert_eq!(groups.due(&[&mut board], EventTime::from_secs(100)), []);
        assert_eq!(due(&mut groups, &mut board, 110).0, ids[0], "after a restart it is the same");
    }
}
