//! Alerts to Alertmanager, as Prometheus sends them: `POST /api/v2/alerts`.
//!
//! - **M1** Each alert that fires is posted again every `repost`, with an end that is `resolve_after` ahead: should nobody
//!   post any more, Alertmanager takes it to be over then. To Alertmanager that is the same alert, and no news.
//! - **M2** Something was told once one of several Alertmanagers has taken it. One that was away gets all that fires, and
//!   what has ended meanwhile, when it is back.
//! - **M3** What is refused for what it says (4xx) is not posted for ever: that is logged.

use super::board::{Board, Episode};
use super::{Notifier, Posts};
use crate::webhook::reply;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::EventTime;

/// Most alerts of one request.
const BATCH: usize = 500;

/// Where to, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertmanagerConfig {
    /// Addresses without the path of the API; all of them are told.
    pub urls: Vec<String>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// What fires is posted again this often.
    pub repost: Duration,
    /// When Alertmanager takes an alert to be over that nobody posts any more.
    pub resolve_after: Duration,
    /// The pause after a first request that has to be repeated; doubled each time.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_most: Duration,
}

/// Posts alerts.
pub struct Alertmanager {
    config: AlertmanagerConfig,
    client: reqwest::blocking::Client,
    peers: Vec<Peer>,
    reposted_at: Option<EventTime>,
}

/// One Alertmanager.
struct Peer {
    url: String,
    /// What it does not know yet has to wait until then; `None`: it knows all that was told.
    retry_at: Option<EventTime>,
    pause: Duration,
    /// What ended and it was not told, by fingerprint, with when that was to be told.
    missed: BTreeMap<String, (EventTime, Posted)>,
}

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    Refused(String),
    Again(String),
}

/// An alert as the API has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
}

impl Alertmanager {
    /// A notifier for those of `config`.
    ///
    /// # Errors
    ///
    /// If no client can be made: no TLS on this system.
    pub fn new(config: AlertmanagerConfig) -> Result<Self, reqwest::Error> {
        let client = reqwest::blocking::Client::builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let peer = |url: &String| Peer {
            url: format!("{}/api/v2/alerts", url.trim_end_matches('/')),
            retry_at: None,
            pause: config.retry_first,
            missed: BTreeMap::new(),
        };
        let peers = config.urls.iter().map(peer).collect();
        Ok(Self { client, peers, reposted_at: None, config })
    }

    /// Sends news to every peer that is not being waited for, and to the others all that they lack once they are due.
    /// Whether one has taken the news, and what came of each post.
    fn send(&mut self, news: &[Posted], firing: &[Posted], now: EventTime) -> (bool, Posts) {
        let (client, config) = (&self.client, &self.config);
        std::thread::scope(|scope| {
            let sent: Vec<_> = self
                .peers
                .iter_mut()
                .map(|peer| scope.spawn(move || peer.send(client, config, news, firing, now)))
                .collect();
            let taken =
                sent.into_iter().map(|sent| sent.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            taken.fold((false, Posts::default()), |(any, mut posts), (taken, of_peer)| {
                posts += of_peer;
                (any | taken, posts)
            })
        })
    }
}

impl Notifier for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn turn(&mut self, boards: &mut [&mut Board], now: EventTime) -> Posts {
        if self.peers.iter().all(|peer| peer.has_to_wait(now)) {
            return Posts::default();
        }
        let resolve_after = self.config.resolve_after;
        let due: Vec<Episode> = boards.iter().flat_map(|board| board.due().cloned()).collect();
        let is_time = self.reposted_at.is_none_or(|at| now.since(at) >= self.config.repost);
        let is_back = self.peers.iter().any(|peer| peer.retry_at.is_some_and(|at| at <= now));
        if due.is_empty() && !is_time && !is_back {
            return Posts::default();
        }
        let firing: Vec<Posted> = boards
            .iter()
            .flat_map(|board| board.firing().map(|episode| Posted::of(episode, now, resolve_after)))
            .collect();
        let news = due.iter().map(|episode| Posted::of(episode, now, resolve_after));
        // M1: from time to time everybody gets all that fires.
        let reposted = if is_time { firing.clone() } else { Vec::new() };
        let (is_taken, posts) = self.send(&reposted.into_iter().chain(news).collect::<Vec<_>>(), &firing, now);
        if is_time && is_taken {
            self.reposted_at = Some(now);
        }
        if is_taken {
            self.note_missed(&due, now);
            for board in boards {
                due.iter().for_each(|episode| board.told(&episode.alert.fingerprint));
            }
        }
        posts
    }
}

impl Alertmanager {
    /// M2: ends that a peer was not told are kept until it is back, or has taken them for granted.
    fn note_missed(&mut self, due: &[Episode], now: EventTime) {
        let resolve_after = self.config.resolve_after;
        for peer in self.peers.iter_mut().filter(|peer| peer.retry_at.is_some()) {
            peer.missed.retain(|_, (at, _)| now.since(*at) < resolve_after);
            for episode in due {
                let fingerprint = episode.alert.fingerprint.clone();
                match episode.is_firing() {
                    true => peer.missed.remove(&fingerprint),
                    false => peer.missed.insert(fingerprint, (now, Posted::of(episode, now, resolve_after))),
                };
            }
        }
    }
}

impl Peer {
    fn has_to_wait(&self, now: EventTime) -> bool {
        self.retry_at.is_some_and(|at| now < at)
    }

    /// Whether it has taken the news, and what came of each post.
    fn send(
        &mut self,
        client: &reqwest::blocking::Client,
        config: &AlertmanagerConfig,
        news: &[Posted],
        firing: &[Posted],
        now: EventTime,
    ) -> (bool, Posts) {
        let mut posts = Posts::default();
        if self.has_to_wait(now) {
            return (false, posts);
        }
        let catches_up = self.retry_at.is_some();
        let missed: Vec<Posted> = self.missed.values().map(|(_, posted)| posted.clone()).collect();
        let before: &[Posted] = if catches_up { firing } else { &[] };
        let all: Vec<Posted> = before.iter().chain(&missed).chain(news).cloned().collect();
        for batch in all.chunks(BATCH) {
            match self.post(client, batch) {
                Answer::Taken => posts.taken += 1,
                Answer::Refused(why) => {
                    posts.refused += 1;
                    tracing::error!(url = self.url, why, "Alertmanager refuses alerts");
                }
                Answer::Again(why) => {
                    posts.failed += 1;
                    tracing::warn!(url = self.url, why, "Alertmanager is tried again");
                    self.retry_at = Some(now.plus(self.pause));
                    self.pause = (self.pause * 2).min(config.retry_most);
                    return (false, posts);
                }
            }
        }
        (self.retry_at, self.pause) = (None, config.retry_first);
        self.missed.clear();
        (true, posts)
    }

    fn post(&self, client: &reqwest::blocking::Client, alerts: &[Posted]) -> Answer {
        let body = serde_json::to_string(alerts).expect("texts");
        let request = client.post(&self.url).header("content-type", "application/json").body(body);
        match request.send() {
            Ok(response) if response.status().is_success() => Answer::Taken,
            Ok(response) => {
                let status = response.status();
                let said: String = response.text().unwrap_or_default().chars().take(200).collect();
                let why = format!("{status}: {}", said.trim());
                if reply::is_worth_another_try(status) { Answer::Again(why) } else { Answer::Refused(why) }
            }
            Err(error) => Answer::Again(reply::trouble(&error)),
        }
    }
}

impl Posted {
    fn of(episode: &Episode, now: EventTime, resolve_after: Duration) -> Self {
        let alert = &episode.alert;
        // Event time may run ahead of the clock; an end that is still to come would be no end.
        let ends_at = if episode.is_firing() { now.plus(resolve_after) } else { alert.at.min(now) };
        Self {
            labels: episode.labels.clone(),
            annotations: episode.annotations(),
            starts_at: alert.started_at.min(ends_at).to_string(),
            ends_at: ends_at.to_string(),
        }
    }
}
