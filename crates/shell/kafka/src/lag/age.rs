//! When a record was appended, found without reading it: from which offset on records are as young as some time.
//!
//! ```text
//!  now-256s      now-64s         now-16s now-4s now-1s        is there a record at or before ours that is as young?
//!     yes           no              no     no     no          four times as old each time, until there is
//!      └──── ? ─────┘                                         then by halves, until it is near enough
//! ```
//!
//! - **G1** What comes out is never younger than the record, and older by a sixteenth of its age or by a second at most,
//!   where timestamps of a partition rise. Where they do not, it is the youngest of those up to the record.

use std::ops::ControlFlow;

/// The first guess, in milliseconds; nearer than this nobody asks.
const NEAR_MS: i64 = 1_000;
/// How many times older each guess is than the one before.
const STEP: i64 = 4;
/// An answer is good enough where it is off by one part in so many of the age.
const PARTS: i64 = 16;
/// Sixteen guesses reach 1970, and four halves make three quarters of an age less than a sixteenth.
pub(super) const MOST_QUESTIONS: usize = 24;

/// What is known of one record: it is older than `after`, and at least as young as `from`.
#[derive(Clone, Copy, Debug)]
struct Between {
    offset: i64,
    from: Option<i64>,
    after: i64,
    /// Nothing in the partition is as young as 1970: its records have no timestamps.
    is_timeless: bool,
}

impl Between {
    /// The next time to ask about; `None`: it is near enough.
    fn guess(&self, now_ms: i64) -> Option<i64> {
        match self.from {
            _ if self.is_timeless => None,
            None => Some((now_ms - ((now_ms - self.after) * STEP).max(NEAR_MS)).max(0)),
            Some(from) if self.after - from <= NEAR_MS.max((now_ms - from) / PARTS) => None,
            Some(from) => Some(from + (self.after - from) / 2),
        }
    }

    fn learn(&mut self, time_ms: i64, first_as_young: Option<i64>) {
        match first_as_young {
            Some(first) if first <= self.offset => self.from = Some(time_ms),
            _ if time_ms == 0 => self.is_timeless = true,
            _ => self.after = time_ms,
        }
    }
}

/// When the records at `offsets` were appended, each in a partition of its own. `first_as_young` answers for the
/// partitions of these indexes: the offset of the first record that is not older than the time, if there is one.
pub(super) fn appended_at<E>(
    offsets: &[i64],
    now_ms: i64,
    mut first_as_young: impl FnMut(&[(usize, i64)]) -> Result<Vec<Option<i64>>, E>,
) -> Result<Vec<Option<i64>>, E> {
    let unknown = |&offset: &i64| Between { offset, from: None, after: now_ms, is_timeless: false };
    let mut all: Vec<Between> = offsets.iter().map(unknown).collect();
    for _ in 0..MOST_QUESTIONS {
        if ask(&mut all, now_ms, &mut first_as_young)?.is_break() {
            break;
        }
    }
    Ok(all.into_iter().map(|between| between.from).collect())
}

fn ask<E>(
    all: &mut [Between],
    now_ms: i64,
    first_as_young: &mut impl FnMut(&[(usize, i64)]) -> Result<Vec<Option<i64>>, E>,
) -> Result<ControlFlow<()>, E> {
    let guess = |(index, between): (usize, &Between)| Some((index, between.guess(now_ms)?));
    let questions: Vec<(usize, i64)> = all.iter().enumerate().filter_map(guess).collect();
    if questions.is_empty() {
        return Ok(ControlFlow::Break(()));
    }
    let answers = first_as_young(&questions)?;
    for (&(index, time_ms), answer) in questions.iter().zip(answers) {
        all[index].learn(time_ms, answer);
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    const NOW: i64 = 1_800_000_000_000;

    /// A broker with these partitions, each the timestamps of its records; and how often it was asked.
    fn found(partitions: &[Vec<i64>], offsets: &[i64]) -> (Vec<Option<i64>>, usize) {
        let mut asked = 0;
        let answer = appended_at(offsets, NOW, |times| {
            asked += 1;
            let first = |&(index, time): &(usize, i64)| {
                let timestamps: &Vec<i64> = &partitions[index];
                timestamps.iter().position(|&timestamp| timestamp >= time).map(|offset| offset as i64)
            };
            Ok::<_, Infallible>(times.iter().map(first).collect())
        });
        let Ok(answer) = answer;
        (answer, asked)
    }

    proptest! {
        #[test]
        fn g1_it_is_never_younger_and_a_little_older_at_most(
            ages in prop::collection::vec(prop::collection::vec(0..2_000_000_000_i64, 1..20), 1..5),
            pick in any::<prop::sample::Index>(),
        ) {
            let partitions: Vec<Vec<i64>> = ages.into_iter().map(|ages| {
                let mut timestamps: Vec<i64> = ages.into_iter().map(|age| NOW - age).collect();
                timestamps.sort_unstable();
                timestamps
            }).collect();
            let offsets: Vec<i64> = partitions.iter().map(|all| pick.index(all.len()) as i64).collect();
            let (answers, asked) = found(&partitions, &offsets);
            prop_assert!(asked < MOST_QUESTIONS, "{asked} questions");
            for ((timestamps, &offset), answer) in partitions.iter().zip(&offsets).zip(answers) {
                let (truth, answer) = (timestamps[offset as usize], answer.expect("it has a timestamp"));
                let off = truth - answer;
                prop_assert!(off >= 0 && off <= NEAR_MS.max((NOW - answer) / PARTS), "{answer} for {truth}");
            }
        }
    }

    #[test]
    fn few_questions_are_asked_and_the_oldest_there_is_ends_them() {
        // name, timestamp, least and greatest answer, questions
        let cases = [
            ("just now", NOW, NOW - 1_000, NOW, 1),
            ("a minute ago", NOW - 60_000, NOW - 64_000, NOW - 60_000, 9),
            ("from tomorrow", NOW + 86_400_000, NOW - 1_000, NOW, 1),
            ("of 1970", 1, 0, 1, 20),
        ];
        for (name, timestamp, least, greatest, questions) in cases {
            let (answer, asked) = found(&[vec![timestamp]], &[0]);
            let answer = answer[0].expect(name);
            assert!((least..=greatest).contains(&answer), "{name}: {answer}");
            assert!(asked <= questions, "{name}: {asked} questions");
        }
        assert_eq!(found(&[vec![-1]], &[0]).0, [None], "records without timestamps");
        assert_eq!(found(&[], &[]), (vec![], 0), "nobody is asked about nothing");
    }
}
