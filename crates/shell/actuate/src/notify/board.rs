//! The alerts of one partition: which fire, what of them was told, and what a restart has to know.
//!
//! ```text
//!  read      F1 F2 R2 F3 | F4 R1        F: fires, R: resolved
//!  told      F1 F2 R2 F3 |              done: behind F3
//!            ▲ position                 F1 fires still as far as was told: a restart reads it again, silently
//! ```
//!
//! - **N1** An episode is one alert from firing to resolved. Of each are told at most: that it fires, and once that it is
//!   resolved; of one that was never told to fire, nothing.
//! - **N2** An alert that is kept quiet is not told to fire; once it was told, its end is told whether quiet or not.
//! - **N3** Everything before `done` was told, but for the episodes that are `untold`: they were to be told for a while, and
//!   kept quiet before anybody was. What a restart reads again before `done` is known, and not told again.
//! - **N4** The labels of an episode are those of its first record: to Alertmanager other labels are another alert.
//! - **N5** The position is not behind the first record of an episode that is not over, or not told.

use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{AlertState, AlertTransition};

/// The alerts of one partition.
#[derive(Debug)]
pub struct Board {
    /// By fingerprint.
    episodes: BTreeMap<String, Episode>,
    /// The offset after the last record that was read.
    next: i64,
    /// The first records of episodes that were not told by lives before this one (N3).
    untold_before: BTreeSet<i64>,
}

/// One alert from firing to resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What it said last.
    pub alert: AlertTransition,
    /// All its labels (**N4**).
    pub labels: BTreeMap<String, String>,
    /// Offset of its first record.
    began: i64,
    /// Offset of the record that is to be told.
    changed: i64,
    /// It was to be heard once at least.
    was_heard: bool,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Firing,
}

impl Board {
    /// Nothing was read yet, and `next` is what will be read first.
    #[must_use]
    pub const fn new(next: i64) -> Self {
        Self::resume(next, BTreeSet::new())
    }

    /// Goes on at a position that was committed with these [`Self::untold`].
    #[must_use]
    pub const fn resume(next: i64, untold: BTreeSet<i64>) -> Self {
        Self { episodes: BTreeMap::new(), next, untold_before: untold }
    }

    /// A record of before `done` (**N3**): what it says was told, or was not to be.
    pub fn remember(&mut self, offset: i64, alert: AlertTransition) {
        self.read(offset, Some(alert));
        let due = self.due().filter(|episode| !self.untold_before.contains(&episode.began));
        let told: Vec<String> = due.map(|episode| episode.alert.fingerprint.clone()).collect();
        for fingerprint in told {
            self.told(&fingerprint);
        }
    }

    /// A record was read; `None`: there is no alert in it.
    pub fn read(&mut self, offset: i64, alert: Option<AlertTransition>) {
        self.next = self.next.max(offset + 1);
        let Some(alert) = alert else { return };
        match alert.to {
            AlertState::Firing => self.fires(offset, alert),
            AlertState::Resolved => self.ends(offset, alert),
            AlertState::Pending | AlertState::Inactive => {}
        }
    }

    fn fires(&mut self, offset: i64, alert: AlertTransition) {
        match self.episodes.get_mut(&alert.fingerprint) {
            Some(known) if known.alert.started_at == alert.started_at && known.is_firing() => {
                known.changed = offset;
                known.was_heard |= alert.is_heard();
                known.alert = alert;
            }
            _ => {
                // One whose end was not told yet and that begins anew goes on.
                let before = self.episodes.get(&alert.fingerprint).map_or(Told::Nothing, |known| known.told);
                let (labels, was_heard) = (alert.all_labels(), alert.is_heard());
                let episode = Episode { labels, began: offset, changed: offset, was_heard, told: before, alert };
                self.episodes.insert(episode.alert.fingerprint.clone(), episode);
            }
        }
    }

    fn ends(&mut self, offset: i64, alert: AlertTransition) {
        let Some(known) = self.episodes.get_mut(&alert.fingerprint) else { return };
        if known.told == Told::Nothing {
            self.episodes.remove(&alert.fingerprint); // N1
            return;
        }
        // Of an end that is said again the first record is the one to be told.
        if known.is_firing() {
            known.changed = offset;
            known.alert = alert;
        }
    }

    /// Nothing more of before `next` is to be read.
    pub fn read_to(&mut self, next: i64) {
        self.next = self.next.max(next);
    }

    /// Nobody was told anything: what fires now is news.
    pub fn forget_what_was_told(&mut self) {
        self.episodes.values_mut().for_each(|episode| episode.told = Told::Nothing);
    }

    /// What is to be told, by fingerprint.
    pub fn due(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.values().filter(|episode| episode.is_due())
    }

    /// What fires and was told, by fingerprint.
    pub fn firing(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.values().filter(|episode| episode.is_firing() && episode.told == Told::Firing)
    }

    /// What is due of that alert was told. Without such an alert nothing happens.
    pub fn told(&mut self, fingerprint: &str) {
        match self.episodes.get_mut(fingerprint) {
            Some(episode) if episode.is_firing() => episode.told = Told::Firing,
            _ => drop(self.episodes.remove(fingerprint)),
        }
    }

    /// The offset after the last record that was read.
    #[must_use]
    pub const fn next(&self) -> i64 {
        self.next
    }

    /// Everything before it was told (**N3**).
    #[must_use]
    pub fn done(&self) -> i64 {
        self.due().map(|episode| episode.changed).min().unwrap_or(self.next)
    }

    /// Of the episodes before `done` that were not told, though they were to be once, the first records (**N3**).
    pub fn untold(&self) -> impl Iterator<Item = i64> {
        let untold = |episode: &&Episode| episode.is_firing() && episode.told == Told::Nothing && episode.was_heard;
        let done = self.done();
        self.episodes.values().filter(untold).map(|episode| episode.began).filter(move |began| *began < done)
    }

    /// Where a restart has to begin (**N5**).
    #[must_use]
    pub fn position(&self) -> i64 {
        self.episodes.values().map(|episode| episode.began).min().unwrap_or(self.next)
    }
}

impl Episode {
    /// Whether it goes on.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.alert.to == AlertState::Firing
    }

    /// Its texts for people, by name.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let AlertTransition { annotations, summary, runbook_url, .. } = &self.alert;
        let mut texts = annotations.clone();
        texts.insert("summary".to_owned(), summary.clone());
        texts.extend(runbook_url.iter().map(|link| ("runbook_url".to_owned(), link.clone())));
        texts
    }

    /// The same each time that this is told: alert, start of the episode, where it stands.
    #[must_use]
    pub fn id(&self) -> String {
        let state = if self.is_firing() { "firing" } else { "resolved" };
        format!("{}:{}:{state}", self.alert.fingerprint, self.alert.started_at.as_micros())
    }

    fn is_due(&self) -> bool {
        match (self.is_firing(), self.told) {
            (true, Told::Nothing) => self.alert.is_heard(), // N2
            (false, Told::Firing) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::tests::alert;
    use super::*;
    use AlertState::{Firing, Resolved};

    fn due(board: &Board) -> Vec<String> {
        board.due().map(|episode| format!("{} {:?}", episode.alert.fingerprint, episode.alert.to)).collect()
    }

    #[test]
    fn n1_an_episode_is_told_to_fire_and_once_to_be_resolved() {
        let mut board = Board::new(0);
        board.read(0, Some(alert("a", 10, AlertState::Pending)));
        assert_eq!((due(&board), board.position()), (vec![], 1));
        board.read(1, Some(alert("a", 10, Firing)));
        assert_eq!(due(&board), ["a Firing"]);
        board.told("a");
        board.read(2, Some(alert("a", 10, Firing)));
        assert_eq!((due(&board), board.firing().count()), (vec![], 1));
        board.read(3, Some(alert("a", 10, Resolved)));
        assert_eq!((due(&board), board.firing().count()), (vec!["a Resolved".to_owned()], 0));
        board.told("a");
        board.read(4, Some(alert("a", 10, Resolved)));
        assert_eq!((due(&board), board.position(), board.done()), (vec![], 5, 5));
        // One that ended before anybody was told.
        board.read(5, Some(alert("b", 20, Firing)));
        board.read(6, Some(alert("b", 20, Resolved)));
        assert_eq!(due(&board), Vec::<String>::new());
    }

    #[test]
    fn n2_what_is_kept_quiet_is_not_told_until_it_is_heard() {
        let quiet = |state| AlertTransition { silenced_by: vec!["night".into()], ..alert("a", 10, state) };
        let mut board = Board::new(0);
        board.read(0, Some(quiet(Firing)));
        assert_eq!((due(&board), board.position(), board.done()), (vec![], 0, 1));
        board.read(1, Some(alert("a", 10, Firing)));
        assert_eq!(due(&board), ["a Firing"]);
        board.told("a");
        board.read(2, Some(quiet(Firing)));
        board.read(3, Some(quiet(Resolved)));
        assert_eq!(due(&board), ["a Resolved"]);
        // Quiet from its beginning to its end.
        board.read(4, Some(AlertTransition { fingerprint: "b".into(), ..quiet(Firing) }));
        board.read(5, Some(AlertTransition { fingerprint: "b".into(), ..quiet(Resolved) }));
        assert_eq!(due(&board), ["a Resolved"]);
    }

    /// N3, N5: killed after any record and any telling, a restart tells what was not told, and nothing else.
    #[test]
    fn a_restart_goes_on_where_it_was() {
        let topic = [
            alert("a", 10, Firing),
            alert("b", 20, Firing),
            alert("b", 20, Resolved),
            alert("c", 30, Firing),
            alert("b", 40, Firing),
            alert("a", 10, Resolved),
            alert("b", 40, Resolved),
        ];
        for killed_at in 0..=topic.len() {
            for tells_last in [true, false] {
                let (mut board, mut told) = (Board::new(0), Vec::new());
                let tell = |board: &mut Board, told: &mut Vec<String>| {
                    let ids: Vec<_> =
                        board.due().map(|episode| (episode.alert.fingerprint.clone(), episode.id())).collect();
                    for (fingerprint, id) in ids {
                        board.told(&fingerprint);
                        told.push(id);
                    }
                };
                for (offset, record) in (0..).zip(&topic[..killed_at]) {
                    board.read(offset, Some(record.clone()));
                    if tells_last || usize::try_from(offset).expect("small") + 1 < killed_at {
                        tell(&mut board, &mut told);
                    }
                }
                let (position, done) = (board.position(), board.done());
                assert!(position <= done, "{position} {done}");
                let mut board = Board::new(position);
                for (offset, record) in (0..).zip(&topic) {
                    match offset {
                        _ if offset < position => {}
                        _ if offset < done => board.remember(offset, record.clone()),
                        _ => {
                            board.read(offset, Some(record.clone()));
                            tell(&mut board, &mut told);
                        }
                    }
                }
                let mut once = told.clone();
                once.sort();
                once.dedup();
                assert_eq!((once.len(), told.len()), (7, 7), "killed after {killed_at}: {told:?}");
            }
        }
    }

    /// N2, N3: what is silenced before anybody was told is not taken to be told by a restart. What was told before it was
    /// silenced, is.
    #[test]
    fn a_restart_knows_what_was_silenced_before_anybody_was_told() {
        let quiet =
            |fingerprint, state| AlertTransition { silenced_by: vec!["night".into()], ..alert(fingerprint, 10, state) };
        let topic = [
            alert("told", 10, Firing),
            alert("untold", 10, Firing),
            alert("untold", 10, Firing), // no data, say
            quiet("told", Firing),
            quiet("untold", Firing),
            alert("other", 10, Firing),
        ];
        let mut board = Board::new(0);
        for (offset, record) in (0..).zip(topic.clone()) {
            board.read(offset, Some(record));
            if [0, 5].contains(&offset) {
                board.told(if offset == 0 { "told" } else { "other" });
            }
        }
        let restarted = |board: &Board| {
            let (position, done) = (board.position(), board.done());
            let mut next = Board::resume(position, board.untold().collect());
            for (offset, record) in (0..).zip(topic.clone()).filter(|(offset, _)| (position..done).contains(offset)) {
                next.remember(offset, record);
            }
            next.read_to(done);
            next
        };
        let fires = |board: &Board| board.firing().map(|episode| episode.alert.fingerprint.clone()).collect::<Vec<_>>();
        for _ in 0..3 {
            board = restarted(&board);
            assert_eq!((fires(&board), due(&board)), (vec!["other".into(), "told".into()], vec![]));
        }
        board.read(6, Some(quiet("told", Resolved)));
        assert_eq!(due(&board), ["told Resolved"], "N2");
        board.told("told");
        board.read(7, Some(alert("untold", 10, Firing)));
        assert_eq!(due(&board), ["untold Firing"], "it is heard again");
    }

    #[test]
    fn n4_labels_are_those_of_the_first_record() {
        let mut board = Board::new(0);
        board.read(0, Some(alert("a", 10, Firing)));
        board.told("a");
        let severity = tidegauge_model::Severity::Info;
        board.read(1, Some(AlertTransition { severity, ..alert("a", 10, Resolved) }));
        let episode = board.due().next().expect("resolved");
        assert_eq!(episode.labels["severity"], "critical");
    }
}
