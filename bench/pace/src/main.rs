//! Sends telemetry at a given rate, measured now, and watches when the windows of it become visible.
//!
//! ```text
//!  samples of now ─► TOPIC ─► (engine) ─► OUT_TOPIC ─► rows, as a read_committed consumer gets them
//!       └─ when the broker appended the record that closes a window ─────────┴─► delay of each row
//! ```
//!
//! A window closes when every partition has a record at or beyond its end and the disorder; the delay of its rows is
//! counted from the append of the last of these records, by the broker's clock, so that fetching it is in the delay.
//! TOPIC has the broker's timestamps (`TIMESTAMPS=append load topic`); all clocks are of this machine.
//!
//! The records of each stretch of ten seconds are counted as they are sent: the rows of a window have to add up to them.
//!
//! BOOTSTRAP, TOPIC, OUT_TOPIC, FORMAT, JOBS, INSTANCES, AGENTS, SEED as ever; RATE (records a second), SECONDS,
//! DISORDER_S (60), and the windows that `check` knows, by whole tens of seconds.

mod report;
mod send;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ends of windows are multiples of this.
const STEP_MS: i64 = 10_000;
/// What is not visible by then is missing.
const PATIENCE: Duration = Duration::from_secs(15);

fn main() {
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || watch::rows(&env("OUT_TOPIC", "out"), &stop))
    };
    let sent = send::all(&env("TOPIC", "telemetry"));
    std::thread::sleep(PATIENCE);
    stop.store(true, Ordering::Release);
    let rows = watcher.join().expect("the watcher");
    let report = report::of(&sent, &rows, &report::jobs());
    report.lines.iter().for_each(|line| println!("{line}"));
    println!("{}", if report.problems.is_empty() { "OK" } else { "FAIL" });
    report.problems.iter().take(10).for_each(|problem| println!("problem: {problem}"));
    std::process::exit(i32::from(!report.problems.is_empty()));
}

fn env(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn number(name: &str, default: &str) -> i64 {
    env(name, default).parse().unwrap_or_else(|_| panic!("{name} is not a whole number"))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}
