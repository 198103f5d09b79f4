//! How long to wait for an answer, and whether anybody still wants it.

use crate::trouble::may_pass;
use rdkafka::error::{KafkaError, KafkaResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The client cannot be interrupted in a question: asked for so long at a time, whoever gives up is heard in between. The
/// first wait, and the longest: twice as long after each that was too short, since an answer that needs longer than one
/// wait would never be heard.
const AT_A_TIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));
/// The pause before a question is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// For how long an answer is waited for, unless the one who waits gives up before.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    most: Duration,
    given_up: Option<&'a AtomicBool>,
}

impl<'a> Patience<'a> {
    /// Waits for at most `most`, and no longer than until `given_up` is set.
    #[must_use]
    pub fn until(most: Duration, given_up: &'a AtomicBool) -> Self {
        Self { most, given_up: Some(given_up) }
    }

    /// The longest wait.
    #[must_use]
    pub fn most(&self) -> Duration {
        self.most
    }

    /// Whether nobody wants an answer any more.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.given_up.is_some_and(|given_up| given_up.load(Ordering::Acquire))
    }

    /// Asks until there is an answer, or an error that does not pass. `question` is told how long to wait for it.
    ///
    /// # Errors
    ///
    /// The last one when the time has run out, one that does not pass, and [`KafkaError::Canceled`] if the caller gave
    /// up.
    pub fn ask<T>(&self, mut question: impl FnMut(Duration) -> KafkaResult<T>) -> KafkaResult<T> {
        let since = Instant::now();
        let mut at_a_time = AT_A_TIME.0;
        loop {
            if self.has_given_up() {
                return Err(KafkaError::Canceled);
            }
            let left = self.most.saturating_sub(since.elapsed());
            match question(left.clamp(PAUSE, at_a_time)) {
                Err(error) if may_pass(&error) && since.elapsed() < self.most => std::thread::sleep(PAUSE),
                answer => return answer,
            }
            at_a_time = (at_a_time * 2).min(AT_A_TIME.1);
        }
    }
}

impl From<Duration> for Patience<'_> {
    /// Waits that long, and does not give up.
    fn from(most: Duration) -> Self {
        Self { most, given_up: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::error::RDKafkaErrorCode as Code;

    const PASSES: KafkaError = KafkaError::OffsetFetch(Code::UnstableOffsetCommit);

    #[test]
    fn a_question_is_asked_again_while_the_error_may_pass() {
        let timed_out = Err(KafkaError::OffsetFetch(Code::OperationTimedOut));
        let mut answers = vec![Ok(7), Err(PASSES), timed_out.clone(), timed_out];
        let mut waits = Vec::new();
        let answer = Patience::from(Duration::from_secs(60)).ask(|wait| {
            waits.push(wait.as_secs());
            answers.pop().expect("a question too many")
        });
        assert_eq!((answer, waits), (Ok(7), vec![1, 2, 4, 4]), "longer each time, up to the longest");
    }

    #[test]
    fn an_error_that_does_not_pass_ends_it() {
        let refused = KafkaError::OffsetFetch(Code::GroupAuthorizationFailed);
        let answer: KafkaResult<()> = Patience::from(Duration::from_secs(60)).ask(|_| Err(refused.clone()));
        assert_eq!(answer, Err(refused));
    }

    #[test]
    fn time_runs_out_and_the_last_question_is_a_short_one() {
        let mut last = None;
        let answer: KafkaResult<()> = Patience::from(Duration::ZERO).ask(|wait| {
            assert_eq!(last.replace(wait), None, "asked again without time");
            Err(PASSES)
        });
        assert_eq!((answer, last), (Err(PASSES), Some(PAUSE)));
    }

    #[test]
    fn whoever_gives_up_is_not_kept_waiting() {
        let (given_up, mut asked) = (AtomicBool::new(false), 0);
        let answer: KafkaResult<()> = Patience::until(Duration::from_secs(60), &given_up).ask(|_| {
            asked += 1;
            given_up.store(asked == 2, Ordering::Release);
            Err(PASSES)
        });
        assert_eq!((answer, asked), (Err(KafkaError::Canceled), 2));
    }
}
