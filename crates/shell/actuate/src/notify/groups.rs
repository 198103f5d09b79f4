//! Alerts that belong together, told together: what the webhook posts, and when.
//!
//! ```text
//!  first alert ── group_wait ──► told ── at least group_interval ──► told, if anything changed
//!                                     └─ repeat_interval ──────────► told again, while anything fires
//! ```
//!
//! - **G1** A group is told no sooner than `group_wait` after its first alert, and no sooner than `group_interval` after it
//!   was told.
//! - **G2** What is told holds every alert of the group that fires, and those that are resolved since it was told.
//! - **G3** After a restart `repeat_interval` begins anew: nothing is repeated because of it.
//!
//! Source: Alertmanager's grouping.

use super::board::{Board, Episode};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::EventTime;

/// How alerts are gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Labels whose values make a group; a label that an alert does not have is empty.
    pub group_by: Vec<String>,
    /// How long the first alert of a group waits for others.
    pub group_wait: Duration,
    /// Least time between two notifications of a group.
    pub group_interval: Duration,
    /// What goes on firing is told again after this long.
    pub repeat_interval: Duration,
}

/// When the groups were told, and when they will be.
#[derive(Debug)]
pub struct Groups {
    config: GroupConfig,
    of: BTreeMap<GroupLabels, Timer>,
}

/// The labels that a group has in common.
pub type GroupLabels = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, Default)]
struct Timer {
    /// Since when there is something to be told.
    waiting_since: Option<EventTime>,
    told_at: Option<EventTime>,
}

/// What is to be told of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What they have in common.
    pub labels: GroupLabels,
    /// All that fire, and those that are resolved since the last time; by fingerprint.
    pub alerts: Vec<Episode>,
    /// When the same was told before, or taken to be known; `None`: there is news in it.
    pub told_at: Option<EventTime>,
}

impl Groups {
    /// No group is known yet.
    #[must_use]
    pub const fn new(config: GroupConfig) -> Self {
        Self { config, of: BTreeMap::new() }
    }

    /// What is to be told now, by group.
    pub fn due(&mut self, boards: &[&mut Board], now: EventTime) -> Vec<Notification> {
        let mut changed: BTreeSet<GroupLabels> = BTreeSet::new();
        let mut members: BTreeMap<GroupLabels, BTreeMap<String, Episode>> = BTreeMap::new();
        for board in boards {
            changed.extend(board.due().map(|episode| self.labels(episode)));
            for episode in board.due().chain(board.firing()) {
                let group = members.entry(self.labels(episode)).or_default();
                group.insert(episode.alert.fingerprint.clone(), episode.clone());
            }
        }
        self.of.retain(|labels, _| members.contains_key(labels));
        let mut notifications = Vec::new();
        for (labels, alerts) in members {
            // A group that is all told already was so before a restart (G3).
            let known_since = if changed.contains(&labels) { None } else { Some(now) };
            let timer = self.of.entry(labels.clone()).or_insert(Timer { waiting_since: None, told_at: known_since });
            let has_changed = changed.contains(&labels);
            if timer.is_due(has_changed, alerts.values(), &self.config, now) {
                let told_at = timer.told_at.filter(|_| !has_changed);
                notifications.push(Notification { labels, alerts: alerts.into_values().collect(), told_at });
            }
        }
        notifications
    }

    /// It was told.
    pub fn told(&mut self, notification: &Notification, boards: &mut [&mut Board], now: EventTime) {
        let timer = Timer { waiting_since: None, told_at: Some(now) };
        self.of.insert(notification.labels.clone(), timer);
        for board in boards {
            notification.alerts.iter().for_each(|episode| board.told(&episode.alert.fingerprint));
        }
    }

    fn labels(&self, episode: &Episode) -> GroupLabels {
        let value = |name: &String| (name.clone(), episode.labels.get(name).cloned().unwrap_or_default());
        self.config.group_by.iter().map(value).collect()
    }
}

impl Timer {
    /// G1; and again, if somebody is to hear it.
    fn is_due<'a>(
        &mut self,
        has_changed: bool,
        mut alerts: impl Iterator<Item = &'a Episode>,
        config: &GroupConfig,
        now: EventTime,
    ) -> bool {
        if !has_changed {
            self.waiting_since = None;
            let is_heard = alerts.any(|episode| episode.is_firing() && episode.alert.is_heard());
            return is_heard && self.told_at.is_some_and(|told_at| now.since(told_at) >= config.repeat_interval);
        }
        let waiting_since = *self.waiting_since.get_or_insert(now);
        match self.told_at {
            None => now >= waiting_since.plus(config.group_wait),
            Some(told_at) => now >= told_at.plus(config.group_interval),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tidegauge_model::{AlertState, AlertTransition, Importance, Severity, Target};

    pub(in crate::notify) fn alert(fingerprint: &str, started_s: i64, to: AlertState) -> AlertTransition {
        AlertTransition {
            fingerprint: fingerprint.to_owned(),
            rule: format!("rule_{fingerprint}"),
            target: Target { workspace: "w".into(), agent: "planner".into(), region: None },
            instance: None,
            finding: None,
            severity: Severity::Critical,
            importance: Importance::Normal,
            from: AlertState::Firing,
            to,
            no_data: false,
            value: Some(0.5),
            threshold: 0.25,
            started_at: EventTime::from_secs(started_s),
            at: EventTime::from_secs(started_s + 60),
            completeness: 1.0,
            summary: "too much".to_owned(),
            labels: [("team".to_owned(), "core".to_owned())].into(),
            annotations: [].into(),
            runbook_url: Some("https://example.com/book".to_owned()),
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
        }
    }

    fn groups() -> Groups {
        let seconds = Duration::from_secs;
        Groups::new(GroupConfig {
            group_by: vec!["agent".to_owned()],
            group_wait: seconds(10),
            group_interval: seconds(60),
            repeat_interval: seconds(3_600),
        })
    }

    /// `10: a firing, b firing` for each notification.
    fn tell(groups: &mut Groups, board: &mut Board, at_s: i64) -> Vec<String> {
        let now = EventTime::from_secs(at_s);
        let due = groups.due(&[&mut *board], now);
        let each = due.iter().map(|notification| {
            groups.told(notification, &mut [&mut *board], now);
            let alerts: Vec<_> = notification
                .alerts
                .iter()
                .map(|episode| {
                    format!("{} {}", episode.alert.fingerprint, if episode.is_firing() { "fires" } else { "ended" })
                })
                .collect();
            format!("{at_s}: {}", alerts.join(", "))
        });
        each.collect()
    }

    #[test]
    fn g1_g2_what_belongs_together_is_told_together() {
        use AlertState::{Firing, Resolved};
        let (mut groups, mut board, mut told) = (groups(), Board::new(0), Vec::new());
        let records = [
            (0, alert("a", 0, Firing)),
            (5, alert("b", 0, Firing)),
            (20, alert("c", 0, Firing)),
            (30, alert("a", 0, Resolved)),
            (200, alert("b", 0, Resolved)),
            (210, alert("c", 0, Resolved)),
        ];
        let mut records = (0..).zip(records).peekable();
        for at_s in 0..=4_000 {
            while let Some((offset, (_, record))) = records.next_if(|(_, (at, _))| *at <= at_s) {
                board.read(offset, Some(record));
            }
            told.extend(tell(&mut groups, &mut board, at_s));
        }
        let want = ["10: a fires, b fires", "70: a ended, b fires, c fires", "200: b ended, c fires", "260: c ended"];
        assert_eq!(told, want);
        assert_eq!(board.position(), 6);
    }

    #[test]
    fn g3_what_goes_on_is_repeated_and_a_restart_repeats_nothing() {
        let (mut groups, mut board) = (groups(), Board::new(0));
        board.remember(0, alert("a", 0, AlertState::Firing));
        let told: Vec<String> = (100..8_000).flat_map(|at_s| tell(&mut groups, &mut board, at_s)).collect();
        assert_eq!(told, ["3700: a fires", "7300: a fires"]);
    }
}
