//! Sessions as sets of rows: what belongs together is found by trying each pair.

use super::{ExpectedWindow, Kept, Shuffle};
use std::collections::BTreeMap;
use tidegauge_engine::SessionRule;
use tidegauge_model::{Edition, EventTime, Target, TimeRange, time::micros};

/// An open session of an agent, or of an instance.
pub(super) struct Session {
    of: (Target, Option<String>),
    start: i64,
    end: i64,
    rows: Vec<Kept>,
}

/// Whether rows of a pane that ended there and has closed are used.
pub(super) fn is_usable(rule: &SessionRule, pane_end: i64, closed: i64) -> bool {
    pane_end + micros(rule.lateness) > closed
}

/// The same, and the pane has closed.
pub(super) fn takes_correction(rule: &SessionRule, pane_end: i64, closed: Option<i64>) -> bool {
    closed.is_some_and(|closed| pane_end <= closed && is_usable(rule, pane_end, closed))
}

/// Rows of a pane, each with its entities.
pub(super) fn join_rows(open: &mut Vec<Session>, rule: &SessionRule, (start, end): (i64, i64), rows: &[Kept]) {
    let mut entities: BTreeMap<(Target, Option<String>), Vec<Kept>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.entity.is_none() && !row.target.is_sum()) {
        let of_instance = rule.instance.then(|| Some(row.instance.clone()));
        for instance in of_instance.into_iter().chain(rule.agent.then_some(None)) {
            entities.entry((row.target.clone(), instance)).or_default().push(row.clone());
        }
    }
    for (of, rows) in entities {
        join(open, rule, Session { of, start, end, rows });
    }
}

/// With the one that it is in, or with the one before and the one after, where they are near and all fits.
fn join(open: &mut Vec<Session>, rule: &SessionRule, mut new: Session) {
    let own = |session: &Session, new: &Session| session.of == new.of;
    let inside = open.iter().position(|other| own(other, &new) && other.start <= new.start && new.end <= other.end);
    if let Some(at) = inside {
        open[at].rows.append(&mut new.rows);
        return;
    }
    let (gap, longest) = (micros(rule.gap), micros(rule.longest));
    let before = (0..open.len()).filter(|&at| own(&open[at], &new) && open[at].end <= new.start);
    let before = before.max_by_key(|&at| open[at].start);
    if let Some(at) = before.filter(|&at| new.start - open[at].end < gap && new.end - open[at].start <= longest) {
        let mut other = open.remove(at);
        other.rows.append(&mut new.rows);
        new = Session { end: new.end, ..other };
    }
    let after = (0..open.len()).filter(|&at| own(&open[at], &new) && open[at].start >= new.end);
    let after = after.min_by_key(|&at| open[at].start);
    if let Some(at) = after.filter(|&at| open[at].start - new.end < gap && open[at].end - new.start <= longest) {
        let mut other = open.remove(at);
        new.rows.append(&mut other.rows);
        new.end = other.end;
    }
    open.push(new);
}

/// Those that close after `before`, up to `limit`, pane by pane.
pub(super) fn closed(
    shuffle: &mut Shuffle,
    rule: &SessionRule,
    width: i64,
    (before, limit): (i64, i64),
) -> Vec<ExpectedWindow> {
    let Some(first) = shuffle.rows.iter().map(|kept| kept.pane).min() else { return Vec::new() };
    let (mut windows, mut at) = (Vec::new(), before.max(first) + width);
    while at <= limit {
        let rows: Vec<Kept> = shuffle.rows.iter().filter(|kept| kept.pane == at - width).cloned().collect();
        join_rows(&mut shuffle.sessions, rule, (at - width, at), &rows);
        let is_over = |session: &mut Session| session.end + micros(rule.gap) + micros(rule.lateness) <= at;
        windows.extend(shuffle.sessions.extract_if(.., is_over).map(|session| ExpectedWindow {
            target: session.of.0,
            instance: session.of.1,
            entity: None,
            range: TimeRange { start: EventTime::from_micros(session.start), end: EventTime::from_micros(session.end) },
            slide_us: 0,
            edition: Edition::ONLY,
            said_at: EventTime::from_micros(at),
            with_regions: false,
            rows: session.rows,
        }));
        at += width;
    }
    windows
}
