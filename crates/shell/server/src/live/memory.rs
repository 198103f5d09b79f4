//! How much memory the process takes, and whether that is close to its limit.
//!
//! What grows without bound while the rest stands still is telemetry that is ahead: its panes wait for partitions that
//! are behind. So close to the limit, workers leave partitions unread that are ahead of their others
//! ([`super::worker`]); the one that is furthest behind is always read, which makes room.

use super::shared::Shared;
use anyhow::Context as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(20);
/// Shares of the limit: from the first on memory is short, until it is below the second. The rest is for what is under
/// way when memory becomes short: what clients have fetched ahead and are sending, batches, the panes of one more batch.
const SHORT: f64 = 0.75;
const ROOM: f64 = 0.65;

/// Watches for the rest of the process's life. Where there is no `/proc`, memory is not measured, and never short.
pub(super) fn watch(shared: &Arc<Shared>) -> anyhow::Result<()> {
    let Some(_) = resident_bytes() else {
        tracing::warn!("this system does not tell how much memory a process takes: workers.memory_limit is not kept");
        return Ok(());
    };
    let shared = Arc::clone(shared);
    let watcher = thread::Builder::new().name("memory".to_owned()).spawn(move || {
        let limit = shared.config.workers.memory_limit;
        let mut is_short = false;
        while !shared.stopping() {
            let bytes = resident_bytes().unwrap_or(0);
            let share = bytes as f64 / limit as f64;
            let was_short = is_short;
            is_short = share >= if was_short { ROOM } else { SHORT };
            if is_short && !was_short {
                tracing::warn!(bytes, limit, "memory is short: partitions that are ahead are not read for a while");
            }
            shared.set_memory_is_short(is_short);
            shared.health.memory(bytes, limit);
            thread::sleep(LOOK);
        }
    });
    watcher.map(drop).context("starting a thread")
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
