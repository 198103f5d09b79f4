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

/// Who reports once a second is read to the end at nearly every mark, and is not idle: it has something new each time.
#[test]
fn a_slow_source_that_moves_is_not_idle() {
    let mut sources = Sources::new(["t".into()], SourceRules::default());
    for second in 0..120 {
        for partition in 0..2 {
            let silent = partition == 1 && second >= 60;
            let watermark = Some(EventTime::from_secs(if silent { 59 } else { second }));
            let progress = Progress { watermark, drained: true, ended: false };
            let id = SourceId { topic: "t".into(), partition };
            sources.mark(&id, 2, progress, EventTime::from_secs(second));
        }
        let standing =
            |partition: u32| sources.standings().find(|(id, ..)| id.partition == partition).map(|found| found.2);
        assert_eq!(standing(0), Some(Standing::Counted), "second {second}");
        // Its last news was at second 59: fifteen seconds later it is idle.
        let want = if second >= 74 { Standing::Idle } else { Standing::Counted };
        assert_eq!(standing(1), Some(want), "second {second}");
    }
}

/// A topic that is not read any more neither holds anybody back nor lowers completeness.
#[test]
fn sources_of_a_topic_that_is_gone_are_forgotten() {
    let mut sources = Sources::new(["a".into(), "b".into()], SourceRules::default());
    for topic in ["a", "b"] {
        let progress = Progress { watermark: Some(EventTime::from_secs(5)), drained: false, ended: false };
        sources.mark(&SourceId { topic: topic.into(), partition: 0 }, 1, progress, EventTime::from_secs(5));
    }
    let mut restored = Sources::restored(&sources.state(), ["a".into()], SourceRules::default());
    let progress = Progress { watermark: Some(EventTime::from_secs(100)), drained: false, ended: false };
    restored.mark(&SourceId { topic: "a".into(), partition: 0 }, 1, progress, EventTime::from_secs(100));
    assert_eq!((restored.watermark(), restored.ratio()), (Some(EventTime::from_secs(100)), 1.0));
}
