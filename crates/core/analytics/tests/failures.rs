//! Failures: stretches and their pattern by hand, properties against a naive reading, degenerate cases.

mod common;

use common::minute;
use proptest::prelude::*;
use tidegauge_analytics::Absent;
use tidegauge_analytics::failures::{ErrorWindow, FailurePattern, failures};

/// Minutes with these error rates, in percent, and loads; a negative rate is not known.
fn windows(of: &[(f64, f64)]) -> Vec<ErrorWindow> {
    let window = |(number, &(percent, load)): (i64, &(f64, f64))| ErrorWindow {
        window: minute(number),
        error_rate: (percent >= 0.0).then_some(percent / 100.0),
        load_per_instance: Some(load),
    };
    (0..).zip(of).map(window).collect()
}

/// `n` minutes of which those of `fail` fail, at a load of 10 each.
fn failing(n: usize, fail: &[usize]) -> Vec<(f64, f64)> {
    (0..n).map(|at| (if fail.contains(&at) { 10.0 } else { 0.0 }, 10.0)).collect()
}

#[test]
fn stretches_and_patterns_worked_by_hand() {
    let under_load: Vec<(f64, f64)> = (0..20)
        .map(|at| (if at % 3 == 0 { 10.0 } else { 0.0 }, if at % 3 == 0 { 90.0 } else { 40.0 + f64::from(at) }))
        .collect();
    let cases = [
        // name, windows, stretches as (windows, open), mean and greatest recovery, pattern
        ("none", failing(5, &[]), vec![], Err(Absent::NoEvents), FailurePattern::None),
        (
            "at the level is not above it",
            vec![(5.0, 1.0), (5.0, 1.0), (4.0, 1.0)],
            vec![],
            Err(Absent::NoEvents),
            FailurePattern::None,
        ),
        (
            "two stretches",
            failing(12, &[1, 2, 6]),
            vec![(2, false), (1, false)],
            Ok((90.0, 120.0)),
            FailurePattern::Sporadic,
        ),
        (
            "it has not ended",
            failing(9, &[2, 7, 8]),
            vec![(1, false), (2, true)],
            Ok((60.0, 60.0)),
            FailurePattern::Sporadic,
        ),
        ("always", failing(4, &[0, 1, 2, 3]), vec![(4, true)], Err(Absent::NoEvents), FailurePattern::Constant),
        (
            "every fifth minute",
            failing(20, &[1, 6, 11, 16]),
            vec![(1, false); 4],
            Ok((60.0, 60.0)),
            FailurePattern::Periodic,
        ),
        ("when it is busy", under_load, vec![(1, false); 7], Ok((60.0, 60.0)), FailurePattern::UnderLoad),
        // The second is not known: it neither ends the stretch nor is in it, so that this lasts for three minutes.
        (
            "a gap in the middle",
            vec![(9.0, 1.0), (-1.0, 1.0), (9.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)],
            vec![(2, false)],
            Ok((180.0, 180.0)),
            FailurePattern::Sporadic,
        ),
    ];
    for (name, of, stretches, recovery, pattern) in cases {
        let found = failures(&windows(&of), 0.05).expect("rates");
        let got: Vec<(u32, bool)> = found.stretches.iter().map(|each| (each.windows, each.open)).collect();
        let rounded = found.recovery_s().map(|(mean, most)| (mean.round(), most));
        assert_eq!((got, rounded, found.pattern), (stretches, recovery, pattern), "{name}");
    }
    let two = failures(&windows(&failing(12, &[1, 2, 6])), 0.05).expect("rates");
    assert_eq!((two.between_s(), two.share(), two.open()), (Ok(180.0), Ok(0.25), 0));
    assert_eq!(two.stretches[0].worst, 0.1);
}

#[test]
fn nothing_known_is_no_failure() {
    assert_eq!(failures(&[], 0.05), Err(Absent::NotReported));
    assert_eq!(failures(&windows(&[(-1.0, 1.0)]), 0.05), Err(Absent::NotReported));
    let odd = [ErrorWindow { window: minute(0), error_rate: Some(f64::NAN), load_per_instance: None }];
    assert_eq!(failures(&odd, 0.05), Err(Absent::NotReported));
}

proptest! {
    /// **FP1** to **FP3**, against a count window by window.
    #[test]
    fn stretches_hold_the_failing_windows(percents in prop::collection::vec(prop_oneof![Just(-1.0), 0.0..10.0_f64], 1..40)) {
        let of = windows(&percents.iter().map(|percent| (*percent, 1.0)).collect::<Vec<_>>());
        let Ok(found) = failures(&of, 0.05) else {
            prop_assert!(percents.iter().all(|percent| *percent < 0.0));
            return Ok(());
        };
        let known: Vec<bool> = percents.iter().filter(|p| **p >= 0.0).map(|percent| *percent > 5.0).collect();
        let failing = known.iter().filter(|fails| **fails).count() as u32;
        prop_assert_eq!(found.windows, (known.len() as u32, failing));
        prop_assert_eq!(found.stretches.iter().map(|each| each.windows).sum::<u32>(), failing);
        let onsets = (0..known.len()).filter(|&at| known[at] && (at == 0 || !known[at - 1])).count();
        prop_assert_eq!(found.stretches.len(), onsets);
        prop_assert!(found.stretches.windows(2).all(|pair| pair[0].end <= pair[1].start && !pair[0].open));
        prop_assert_eq!(found.open() == 1, known.last() == Some(&true));
    }
}
