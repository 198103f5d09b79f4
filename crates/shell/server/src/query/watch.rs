//! How a query's process ends itself: by the clock, by the memory that it holds, and when whoever asked is gone.
//!
//! Operators count what they hold, but functions do not: `repeat('x', 1000000000)` is counted nowhere. So the process looks
//! at itself from a thread of its own, every few milliseconds, and exits where it is beyond a limit (U1).

use super::protocol::{OUT_OF_MEMORY, OUT_OF_TIME};
use std::io;
use std::os::unix::process::parent_id;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(3);
/// What the process holds besides the query: its functions, buffers, and the windows that are being read.
const OWN_MEMORY: u64 = 64 << 20;
/// Windows come without a pause of this length, or nobody sends any more. Readers give a silent broker up before, also one
/// that is silent twice in a row, and then it is they who say why there is no answer.
pub(super) const SILENCE: Duration = Duration::from_secs(300);

/// When the process ends itself, as long as this is there.
#[derive(Debug, Default)]
pub(super) struct Watch {
    deadline: Arc<Mutex<Option<Instant>>>,
}

impl Watch {
    /// Watches from now on.
    pub(super) fn start(memory: u64) -> io::Result<Self> {
        let watch = Self::default();
        let (seen, parent) = (Arc::downgrade(&watch.deadline), parent_id());
        thread::Builder::new().name("watch".into()).spawn(move || {
            loop {
                thread::sleep(LOOK);
                let Some(deadline) = seen.upgrade() else { return }; // the answer is given
                let deadline = *deadline.lock().unwrap_or_else(PoisonError::into_inner);
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    std::process::exit(i32::from(OUT_OF_TIME));
                }
                if parent_id() != parent {
                    std::process::exit(i32::from(OUT_OF_TIME)); // nobody waits for the answer any more
                }
                if held().is_some_and(|bytes| bytes > memory.saturating_add(OWN_MEMORY)) {
                    std::process::exit(i32::from(OUT_OF_MEMORY));
                }
            }
        })?;
        Ok(watch)
    }

    /// From now on it may take that long.
    pub(super) fn allow(&self, time: Duration) {
        self.set(Instant::now().checked_add(time));
    }

    /// From now on it waits for whoever asked, as long as they are there: they may have to find a broker first.
    pub(super) fn wait(&self) {
        self.set(None);
    }

    fn set(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// Until when it may take.
    #[cfg(test)]
    pub(super) fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory of this process that no file is behind, in bytes; unknown where there is no `/proc`.
fn held() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// Makes the kernel end this process before others, where memory runs out. Where it cannot be said, it is not.
pub(super) fn be_first_to_go() {
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_allocated_is_held() {
        let before = super::held().expect("a process knows of itself");
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = super::held().expect("a process knows of itself");
        assert!(after >= before + (60 << 20), "{before} {after}");
        drop(std::hint::black_box(block));
    }
}
