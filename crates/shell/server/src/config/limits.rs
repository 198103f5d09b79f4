//! Bounds, and what contradicts what.

use super::check::Checker;
use super::raw::{QuerySection, RawConfig, RollupSection, SessionsSection, TimeSection, TopicsSection, WindowSection};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegauge_model::Level;
use tidegauge_policy::HumanDuration;

const SHORTEST_PANE: Duration = Duration::from_millis(100);
const LONGEST_PANE: Duration = Duration::from_secs(3_600);
/// Of a window: each one costs memory and time.
const MOST_PANES: u128 = 10_000;
/// Of a roll-up or a session: whoever asks of more asks the history.
const LONGEST_SUM: Duration = Duration::from_hours(31 * 24);
/// Workers send a mark at least every 5 s: one may be lost.
const SHORTEST_STALL: Duration = Duration::from_secs(10);
const SHORTEST_IDLE: Duration = Duration::from_secs(1);
const RECORD_BYTES: std::ops::RangeInclusive<u64> = 1024..=16 << 20;
const MOST_PARTITIONS: u32 = 1024;
const MOST_WORKERS: u32 = 256;
const MOST_BATCH: u32 = 100_000;
const COMMIT_INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(1);
const SNAPSHOT_INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const LEAST_MEMORY: u64 = 128 << 20;
const QUERY_KEEP: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
const QUERY_TIME: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const LEAST_KEPT: u64 = 1 << 20;
const LEAST_QUERY_MEMORY: u64 = 16 << 20;
const MOST_QUERIES: u32 = 64;
const MOST_ROWS: u32 = 1_000_000;

pub(super) fn check(raw: &RawConfig, checker: &mut Checker) {
    topics(&raw.topics, checker);
    time(&raw.time, checker);
    windows(raw, checker);
    rollups(raw, checker);
    sessions(&raw.sessions, raw.time.pane, checker);
    ingest(raw, checker);
    workers(raw, checker);
    query(&raw.query, checker);
}

fn topics(topics: &TopicsSection, checker: &mut Checker) {
    checker.require(!topics.telemetry.is_empty(), "topics.telemetry", || "expected at least one topic".into());
    checker.require((1..=MOST_PARTITIONS).contains(&topics.shuffle_partitions), "topics.shuffle_partitions", || {
        format!("expected 1 to {MOST_PARTITIONS}, found {}", topics.shuffle_partitions)
    });
    let replication = topics.replication_factor;
    let is_count = replication == -1 || (1..=i32::from(i16::MAX)).contains(&replication);
    checker.require(is_count, "topics.replication_factor", || {
        format!("expected 1 or more, or -1 for the broker's default, found {replication}")
    });
    let mut seen = BTreeSet::new();
    for (key, topic) in named(topics) {
        checker.require(is_topic(topic), &key, || {
            format!("expected up to 249 letters, digits, dots, underscores and hyphens, found `{topic}`")
        });
        checker
            .require(seen.insert(topic), &key, || format!("expected a topic of its own, but {topic} is named twice"));
    }
}

fn named(topics: &TopicsSection) -> impl Iterator<Item = (String, &str)> {
    let telemetry = topics.telemetry.iter().enumerate();
    let telemetry = telemetry.map(|(index, topic)| (format!("topics.telemetry[{index}]"), topic.as_str()));
    let own = [
        ("shuffle", &topics.shuffle),
        ("windows", &topics.windows),
        ("decisions", &topics.decisions),
        ("decisions_current", &topics.decisions_current),
        ("alerts", &topics.alerts),
        ("findings", &topics.findings),
        ("late", &topics.late),
        ("dead_letters", &topics.dead_letters),
        ("state", &topics.state),
        ("scaling_events", &topics.scaling_events),
    ];
    telemetry.chain(own.map(|(key, topic)| (format!("topics.{key}"), topic.as_str())))
}

fn is_topic(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.chars().all(fits)
}

fn time(time: &TimeSection, checker: &mut Checker) {
    let pane = time.pane;
    let text = HumanDuration(pane);
    checker.require((SHORTEST_PANE..=LONGEST_PANE).contains(&pane), "time.pane", || {
        format!("expected 100ms to 1h, found {text}")
    });
    checker.require(pane.subsec_nanos().is_multiple_of(1_000_000), "time.pane", || {
        format!("expected whole milliseconds, found {text}")
    });
    if time.max_skew < pane {
        let skew = HumanDuration(time.max_skew);
        let message = format!("expected max_skew to be at least the pane of {text}, found {skew}");
        checker.note_between(&["time.max_skew", "time.pane"], message);
    }
    checker.require(time.idle_after >= SHORTEST_IDLE, "time.idle_after", || {
        format!("expected at least 1s, found {}", HumanDuration(time.idle_after))
    });
    checker.require(time.stall_after >= SHORTEST_STALL, "time.stall_after", || {
        format!("expected at least 10s, since workers speak every 5s, found {}", HumanDuration(time.stall_after))
    });
}

fn windows(raw: &RawConfig, checker: &mut Checker) {
    checker.require(!raw.windows.is_empty(), "windows", || "expected at least one window".into());
    let mut seen = BTreeSet::new();
    for (index, window) in raw.windows.iter().enumerate() {
        let key = format!("windows[{index}]");
        shape(window, &key, raw.time.pane, checker);
        let kind = (window.size, window.slide.unwrap_or(window.size));
        checker.require(seen.insert(kind), &key, || "expected each pair of size and slide once".into());
        checker.require(!window.levels.is_empty(), &format!("{key}.levels"), || {
            "expected agent, region, instance or entity, or several".into()
        });
        let are_published = window.sketches.iter().all(|level| window.levels.contains(level));
        checker.require(are_published, &format!("{key}.sketches"), || {
            format!("expected levels that {key}.levels has too: sketches travel in windows that are published")
        });
        let horizon = raw.topics.replay_horizon;
        if window.size + raw.time.allowed_lateness >= horizon {
            let message = format!(
                "expected to be longer than every window with its allowed lateness, {} here, found {}",
                HumanDuration(window.size + raw.time.allowed_lateness),
                HumanDuration(horizon)
            );
            checker.note("topics.replay_horizon", message);
        }
    }
}

fn shape(window: &WindowSection, key: &str, pane: Duration, checker: &mut Checker) {
    if pane.is_zero() || window.size.is_zero() || window.slide.is_some_and(|slide| slide.is_zero()) {
        return checker.note(key, "expected a size, a slide and a pane longer than 0s");
    }
    let slide = window.slide.unwrap_or(window.size);
    let is_multiple = |of: Duration, by: Duration| of.as_nanos().is_multiple_of(by.as_nanos());
    let (size_text, slide_text) = (HumanDuration(window.size), HumanDuration(slide));
    checker.require(is_multiple(window.size, pane), &format!("{key}.size"), || {
        format!("expected a multiple of time.pane, which is {}, found {size_text}", HumanDuration(pane))
    });
    checker.require(is_multiple(slide, pane), &format!("{key}.slide"), || {
        format!("expected a multiple of time.pane, which is {}, found {slide_text}", HumanDuration(pane))
    });
    checker.require(is_multiple(window.size, slide), &format!("{key}.slide"), || {
        format!("expected to divide the size of {size_text}, found {slide_text}")
    });
    checker.require(window.size.as_nanos() / pane.as_nanos() <= MOST_PANES, &format!("{key}.size"), || {
        format!("expected at most {MOST_PANES} panes, found {size_text} in panes of {}", HumanDuration(pane))
    });
}

fn rollups(raw: &RawConfig, checker: &mut Checker) {
    let mut seen = BTreeSet::new();
    for (index, rollup) in raw.rollups.iter().enumerate() {
        let key = format!("rollups[{index}]");
        shape_of_rollup(rollup, &key, raw.time.pane, checker);
        let text = HumanDuration(rollup.size);
        checker.require(seen.insert(rollup.size), &key, || "expected each size once".into());
        let is_window = |window: &WindowSection| (window.size, window.slide.unwrap_or(window.size));
        let is_taken = raw.windows.iter().any(|window| is_window(window) == (rollup.size, rollup.size));
        checker.require(!is_taken, &format!("{key}.size"), || {
            format!("expected a size that `windows` has no tumbling window of, found {text}")
        });
    }
}

fn shape_of_rollup(rollup: &RollupSection, key: &str, pane: Duration, checker: &mut Checker) {
    if pane.is_zero() || rollup.size.is_zero() || rollup.early.is_some_and(|early| early.is_zero()) {
        return checker.note(key, "expected a size, an early and a pane longer than 0s");
    }
    let is_multiple = |of: Duration, by: Duration| of.as_nanos().is_multiple_of(by.as_nanos());
    let [size_text, pane_text] = [rollup.size, pane].map(HumanDuration);
    checker.require(is_multiple(rollup.size, pane), &format!("{key}.size"), || {
        format!("expected a multiple of time.pane, which is {pane_text}, found {size_text}")
    });
    checker.require(rollup.size <= LONGEST_SUM, &format!("{key}.size"), || {
        format!("expected at most {}, found {size_text}", HumanDuration(LONGEST_SUM))
    });
    let Some(early) = rollup.early else { return };
    let (key, text) = (format!("{key}.early"), HumanDuration(early));
    checker.require(is_multiple(early, pane), &key, || {
        format!("expected a multiple of time.pane, which is {pane_text}, found {text}")
    });
    checker.require(early < rollup.size && is_multiple(rollup.size, early), &key, || {
        format!("expected to divide the size of {size_text}, and to be shorter, found {text}")
    });
}

fn sessions(sessions: &SessionsSection, pane: Duration, checker: &mut Checker) {
    let Some(gap) = sessions.gap else {
        return; // there are none, and nobody asks how long they would be
    };
    if pane.is_zero() || gap.is_zero() || sessions.longest.is_zero() {
        return checker.note("sessions", "expected a gap, a longest and a pane longer than 0s");
    }
    for (key, length) in [("sessions.gap", gap), ("sessions.longest", sessions.longest)] {
        checker.require(length.as_nanos().is_multiple_of(pane.as_nanos()), key, || {
            let [pane, found] = [pane, length].map(HumanDuration);
            format!("expected a multiple of time.pane, which is {pane}, found {found}")
        });
        checker.require(length <= LONGEST_SUM, key, || {
            let [most, found] = [LONGEST_SUM, length].map(HumanDuration);
            format!("expected at most {most}, found {found}")
        });
    }
    let is_one = |level: &Level| matches!(level, Level::Agent | Level::Instance);
    let has_windows = !sessions.levels.is_empty() && sessions.levels.iter().all(is_one);
    checker.require(has_windows, "sessions.levels", || "expected agent, instance, or both".into());
}

fn ingest(raw: &RawConfig, checker: &mut Checker) {
    let ingest = &raw.ingest;
    checker.require(RECORD_BYTES.contains(&ingest.max_record_bytes.0), "ingest.max_record_bytes", || {
        format!("expected 1 KiB to 16 MiB, found {} bytes", ingest.max_record_bytes.0)
    });
    checker.require(ingest.instances_per_agent > 0, "ingest.instances_per_agent", || "expected 1 or more".into());
    let level = ingest.saturation_level;
    checker.require(level > 0.0 && level <= 1.0, "ingest.saturation_level", || {
        format!("expected a ratio above 0, at most 1, found {level}")
    });
}

fn workers(raw: &RawConfig, checker: &mut Checker) {
    let workers = &raw.workers;
    for (key, count) in [("workers.aggregate", workers.aggregate), ("workers.decide", workers.decide)] {
        checker.require(count <= MOST_WORKERS, key, || format!("expected at most {MOST_WORKERS}, found {count}"));
    }
    checker.require((1..=MOST_BATCH).contains(&workers.batch), "workers.batch", || {
        format!("expected 1 to {MOST_BATCH}, found {}", workers.batch)
    });
    for (key, range, value) in [
        ("workers.commit_interval", COMMIT_INTERVAL, workers.commit_interval),
        ("workers.snapshot_interval", SNAPSHOT_INTERVAL, workers.snapshot_interval),
    ] {
        checker.require(range.contains(&value), key, || {
            let [least, most, found] = [*range.start(), *range.end(), value].map(HumanDuration);
            format!("expected {least} to {most}, found {found}")
        });
    }
    checker.require(workers.memory_limit.0 >= LEAST_MEMORY, "workers.memory_limit", || {
        format!("expected 128 MiB or more, found {} bytes", workers.memory_limit.0)
    });
    if workers.aggregate + workers.decide == 0 {
        checker.note_between(&["workers.aggregate", "workers.decide"], "expected at least one worker of either stage");
    }
}

fn query(query: &QuerySection, checker: &mut Checker) {
    for (key, range, value) in [("query.keep", QUERY_KEEP, query.keep), ("query.max_time", QUERY_TIME, query.max_time)]
    {
        checker.require(range.contains(&value), key, || {
            let [least, most, found] = [*range.start(), *range.end(), value].map(HumanDuration);
            format!("expected {least} to {most}, found {found}")
        });
    }
    checker.require(query.keep_memory.0 >= LEAST_KEPT, "query.keep_memory", || {
        format!("expected 1 MiB or more, found {} bytes", query.keep_memory.0)
    });
    checker.require(query.max_memory.0 >= LEAST_QUERY_MEMORY, "query.max_memory", || {
        format!("expected 16 MiB or more, found {} bytes", query.max_memory.0)
    });
    for (key, most, value) in
        [("query.concurrent", MOST_QUERIES, query.concurrent), ("query.max_rows", MOST_ROWS, query.max_rows)]
    {
        checker.require((1..=most).contains(&value), key, || format!("expected 1 to {most}, found {value}"));
    }
}
