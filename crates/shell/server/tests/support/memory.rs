//! How much memory a process has taken.

use super::process::Process;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often to look. The kernel keeps the peak; the process must not have ended.
const EVERY: Duration = Duration::from_millis(20);
/// A run that has not ended by then will not.
const PATIENCE: Duration = Duration::from_secs(900);

/// Waits for the end of a command that must succeed; returns the greatest resident set that it had, in bytes.
pub(crate) fn peak_of(mut process: Process) -> u64 {
    let (begin, mut peak) = (Instant::now(), 0);
    loop {
        peak = peak.max(resident_peak(process.id()).unwrap_or(0));
        if let Some(log) = process.succeeded() {
            assert!(peak > 0, "the process ended before anybody looked\n{log}");
            return peak;
        }
        assert!(begin.elapsed() < PATIENCE, "it has not ended after {PATIENCE:?}\n{}", process.log());
        sleep(EVERY);
    }
}

/// `VmHWM` of a process of this machine; `None` if it has ended, or where there is no /proc.
fn resident_peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}
