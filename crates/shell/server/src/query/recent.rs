//! The windows of the recent past that this process published, as bytes: what `POST /query` is asked of.
//!
//! - **N1** What is kept was committed.
//! - **N2** What is kept is bounded, by age and by bytes; the oldest goes first.
//! - **N3** Publishing a window costs a copy of its bytes, and a lock for as long as it takes to hand over a burst of them.

use crate::metrics;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a window costs besides its bytes.
const OVERHEAD: usize = 64;

/// What is kept. Clones share it.
#[derive(Clone, Debug)]
pub struct Recent {
    keep: Duration,
    most_bytes: usize,
    shared: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    windows: VecDeque<(Instant, Arc<[u8]>)>,
    bytes: usize,
}

/// Windows of one partition that are not committed yet.
#[derive(Debug)]
pub struct Keeping {
    recent: Recent,
    waiting: Vec<Arc<[u8]>>,
}

impl Recent {
    /// Keeps windows for so long, and so many bytes of them.
    #[must_use]
    pub fn new(keep: Duration, most_bytes: usize) -> Self {
        Self { keep, most_bytes, shared: Arc::default() }
    }

    /// Where a partition hands over what it publishes.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        Keeping { recent: self.clone(), waiting: Vec::new() }
    }

    /// All that is kept, the oldest first. Shares the bytes.
    #[must_use]
    pub fn windows(&self, now: Instant) -> Vec<Arc<[u8]>> {
        let mut kept = self.kept();
        self.forget(&mut kept, now);
        kept.windows.iter().map(|(_, window)| Arc::clone(window)).collect()
    }

    fn add(&self, now: Instant, windows: &mut Vec<Arc<[u8]>>) {
        if windows.is_empty() {
            return;
        }
        let mut kept = self.kept();
        kept.bytes += windows.iter().map(|window| window.len() + OVERHEAD).sum::<usize>();
        kept.windows.extend(windows.drain(..).map(|window| (now, window)));
        self.forget(&mut kept, now);
    }

    /// **N2**
    fn forget(&self, kept: &mut Kept, now: Instant) {
        while let Some((at, window)) = kept.windows.front() {
            let is_old = now.saturating_duration_since(*at) > self.keep;
            if !is_old && kept.bytes <= self.most_bytes {
                break;
            }
            if !is_old {
                metrics::QUERY_FORGOTTEN_WINDOWS.count(&[], 1);
            }
            kept.bytes -= window.len() + OVERHEAD;
            kept.windows.pop_front();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Bytes for people's questions: what a panicking worker left behind is as good as any.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeping {
    /// Takes note of a window that is published; nobody is told before it is committed (N1).
    pub fn take(&mut self, window: &[u8]) {
        self.waiting.push(window.into());
    }

    /// All that was taken note of is committed.
    pub fn committed(&mut self, now: Instant) {
        self.recent.add(now, &mut self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_kept_until_it_is_old_or_there_is_too_much() {
        let recent = Recent::new(Duration::from_secs(60), 3 * (10 + OVERHEAD));
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let held = |at: u32| recent.windows(start + second * at).iter().map(|window| window[0]).collect::<Vec<_>>();
        let (mut one, mut other) = (recent.keeping(), recent.keeping());
        one.take(&[1; 10]);
        other.take(&[2; 10]);
        assert!(held(0).is_empty(), "N1: nothing is committed");
        other.committed(start);
        one.committed(start + second);
        assert_eq!(held(1), [2, 1]);
        one.take(&[3; 10]);
        one.take(&[4; 10]);
        one.committed(start + second * 2);
        assert_eq!(held(2), [1, 3, 4], "N2: three of them fit");
        assert_eq!(held(61), [1, 3, 4]);
        assert_eq!(held(62), [3, 4]);
        assert!(held(63).is_empty(), "N2: older than a minute");
    }
}
