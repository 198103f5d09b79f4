//! When event time advances: hand-worked cases of marks and silence.

use tidegauge_model::EventTime;
use tidegauge_window::{Progress, SourceId, SourceRules, Sources, Standing};

fn source(partition: u32) -> SourceId {
    SourceId { topic: "t".into(), partition }
}

fn at(secs: i64) -> EventTime {
    EventTime::from_secs(secs)
}

/// A mark: log second, partition, watermark, drained.
type Mark = (i64, u32, Option<i64>, bool);

/// Two partitions after these marks.
fn after(marks: &[Mark], now: i64) -> Sources {
    let mut sources = Sources::new(["t".into()], SourceRules::default());
    for &(log, partition, watermark, drained) in marks {
        let progress = Progress { watermark: watermark.map(at), drained, ended: false };
        sources.mark(&source(partition), 2, progress, at(log));
    }
    sources.advance(at(now));
    sources
}

#[test]
fn the_least_watermark_counts_once_all_have_spoken() {
    let w = |secs| Some(at(secs));
    type Case = (&'static str, Vec<Mark>, i64, Option<EventTime>, f64);
    let cases: [Case; 9] = [
        ("one has not spoken", vec![(0, 0, Some(100), false)], 1, None, 1.0),
        ("the least of both", vec![(0, 0, Some(100), false), (0, 1, Some(90), false)], 1, w(90), 1.0),
        ("never back", vec![(0, 0, Some(100), false), (0, 1, Some(90), false), (1, 1, Some(80), false)], 2, w(90), 1.0),
        ("an empty one holds all back", vec![(0, 0, Some(100), false), (0, 1, None, true)], 1, None, 1.0),
        (
            "until it is idle after 15 s, which is no loss",
            vec![(0, 0, Some(100), false), (0, 1, None, true), (8, 1, None, true), (16, 1, None, true)],
            16,
            w(100),
            1.0,
        ),
        (
            "drained counts only while its mark is fresh",
            vec![(0, 1, Some(50), true), (0, 0, Some(100), false), (16, 0, Some(100), false)],
            16,
            w(50),
            1.0,
        ),
        (
            "stalled after 60 s without a mark, which is a loss",
            vec![(0, 1, Some(50), false), (0, 0, Some(100), false), (60, 0, Some(110), false)],
            60,
            w(110),
            0.5,
        ),
        (
            "drained and more than 5 min behind: excluded, a loss",
            vec![(0, 0, Some(1_000), false), (0, 1, Some(600), true)],
            0,
            w(1_000),
            0.5,
        ),
        (
            "far behind but not drained: waited for",
            vec![(0, 0, Some(1_000), false), (0, 1, Some(600), false)],
            0,
            w(600),
            1.0,
        ),
    ];
    for (name, marks, now, watermark, ratio) in cases {
        let sources = after(&marks, now);
        assert_eq!(sources.watermark(), watermark, "{name}");
        assert_eq!(sources.ratio(), ratio, "{name}");
    }
}

#[test]
fn an_excluded_source_counts_again_when_it_moves() {
    let marks = vec![(0, 0, Some(1_000), false), (0, 1, Some(600), true), (1, 1, Some(950), false)];
    let sources = after(&marks, 1);
    assert!(sources.standings().all(|(_, _, standing)| standing == Standing::Counted));
    assert_eq!(sources.watermark(), Some(at(1_000)), "what was promised stands");
    assert_eq!(sources.slowest(), Some(&source(1)));
}

#[test]
fn when_all_are_idle_the_watermark_stands_still() {
    let idle = |log| [(log, 0, Some(100), true), (log, 1, Some(90), true)];
    let marks: Vec<_> = [0, 8, 16].into_iter().flat_map(idle).collect();
    let sources = after(&marks, 16);
    assert!(sources.standings().all(|(_, _, standing)| standing == Standing::Idle));
    assert_eq!(sources.watermark(), Some(at(90)));
}
