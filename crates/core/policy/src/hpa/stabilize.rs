//! Stabilization: of the recommendations of a while, the one that changes least.

use std::time::Duration;
use tidegauge_model::EventTime;

/// What was recommended, and when, before stabilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Recommendation {
    /// When.
    pub at: EventTime,
    /// How many.
    pub replicas: i32,
}

/// **H3**: whether `at` lies in the window of that length that ends now.
#[must_use]
pub fn within(window: Duration, now: EventTime, at: EventTime) -> bool {
    at > now.minus(window)
}

/// `current`, moved only as far as every recommendation of the respective window agrees: up to the least of the last
/// `up_window`, down to the greatest of the last `down_window`, both including `desired`.
#[must_use]
pub fn stabilize(
    history: &[Recommendation],
    now: EventTime,
    current: i32,
    desired: i32,
    up_window: Duration,
    down_window: Duration,
) -> i32 {
    let of_the_last =
        |window| history.iter().filter(move |past| within(window, now, past.at)).map(|past| past.replicas);
    let at_least = of_the_last(up_window).fold(desired, i32::min);
    let at_most = of_the_last(down_window).fold(desired, i32::max);
    current.max(at_least).min(at_most)
}

/// The same for an autoscaler without `behavior`: the greatest recommendation of the last `down_window`.
#[must_use]
pub fn stabilize_without_behavior(
    history: &[Recommendation],
    now: EventTime,
    desired: i32,
    down_window: Duration,
) -> i32 {
    history.iter().filter(|past| within(down_window, now, past.at)).map(|past| past.replicas).fold(desired, i32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Going down waits 300 s, and the size at the start counts. Going up does not wait.
    #[test]
    fn scale_down_waits_for_the_stabilization_window() {
        #[rustfmt::skip]
        let cases = [ // name, current, history of (seconds, recommended), the last of it now, want
            ("after a start nothing is pulled down", 12, vec![(0, 12), (0, 8)],              12),
            ("one second before the edge it holds",  12, vec![(0, 12), (299, 8)],            12),
            ("at the edge it has expired",           12, vec![(0, 12), (300, 8)],             8),
            ("the highest of the window counts",     12, vec![(0, 12), (100, 10), (310, 8)], 10),
            ("going up does not wait",                8, vec![(0, 8), (60, 15)],             15),
        ];
        for (name, current, history, want) in cases {
            let history: Vec<_> = history
                .into_iter()
                .map(|(at, replicas)| Recommendation { at: EventTime::from_secs(at), replicas })
                .collect();
            let now = history[history.len() - 1];
            let (up, down) = (Duration::ZERO, Duration::from_mins(5));
            let got = stabilize(&history, now.at, current, now.replicas, up, down);
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn scale_up_waits_for_its_own_window() {
        let history = [Recommendation { at: EventTime::from_secs(0), replicas: 9 }];
        let got = |now, down| {
            stabilize(&history, EventTime::from_secs(now), 8, 15, Duration::from_mins(1), Duration::from_secs(down))
        };
        assert_eq!(got(59, 0), 9);
        assert_eq!(got(60, 0), 15);
    }
}
