//! When records were appended that were read and are not counted yet.

use crate::health::Health;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Runs of equal times, in milliseconds since the epoch by the broker's clock: a broker stamps a batch with one time.
#[derive(Debug, Default)]
pub(super) struct Appended(Vec<(i64, u64)>);

impl Appended {
    /// One more record.
    pub(super) fn push(&mut self, appended_ms: i64) {
        match self.0.last_mut() {
            Some((last, count)) if *last == appended_ms => *count += 1,
            _ => self.0.push((appended_ms, 1)),
        }
    }

    /// They are counted now: says how long that took.
    pub(super) fn counted(&mut self, health: &Health) {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        for (appended_ms, count) in self.0.drain(..) {
            // The broker's clock may be ahead of ours.
            let delay = Duration::from_millis(u64::try_from(now_ms.saturating_sub(appended_ms)).unwrap_or(0));
            health.ingested(delay, count);
        }
    }

    /// Forgets them: an earlier life has counted them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_counted_once_and_none_that_was_forgotten() {
        let health = Health::new(&[("aggregate", 1)]);
        let counted = || {
            let text = health.gauges();
            let line = text.lines().find_map(|line| line.strip_prefix("tidegauge_ingest_delay_seconds_count "));
            line.expect("it is there from the beginning").parse::<u64>().expect("a number")
        };
        let mut appended = Appended::default();
        appended.push(1);
        appended.clear();
        [5, 5, 5, 7, 5, i64::MAX].into_iter().for_each(|at| appended.push(at));
        assert_eq!(appended.0, [(5, 3), (7, 1), (5, 1), (i64::MAX, 1)]);
        appended.counted(&health);
        appended.counted(&health);
        assert_eq!(counted(), 6);
    }
}
