//! What the position of a partition has to remember, in its metadata.

use tidegauge_kafka::reader::Commit;

/// What the metadata of our positions begins with.
const FORM: &str = "notify/1";

/// Up to where all was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// The offset after the last record of which all is told.
    pub(super) done: i64,
}

impl Memory {
    pub(super) fn metadata(self) -> String {
        format!("{FORM} done={}", self.done)
    }

    /// That of a position; of one that somebody else has set, that nothing behind it was told.
    pub(super) fn of(commit: &Commit, position: i64) -> Self {
        let done = commit.metadata.strip_prefix(FORM).and_then(|text| text.trim().strip_prefix("done=")?.parse().ok());
        Self { done: done.unwrap_or(position).max(position) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegauge_kafka::reader::TopicPartition;

    #[test]
    fn a_position_says_what_was_told_and_one_of_somebody_else_that_nothing_was() {
        let of = |metadata: &str| {
            let partition = TopicPartition { topic: "t".into(), partition: 0 };
            Memory::of(&Commit { partition, offset: Some(4), metadata: metadata.to_owned() }, 4).done
        };
        assert_eq!(Memory { done: 70 }.metadata(), "notify/1 done=70");
        let cases =
            [("notify/1 done=70", 70), ("notify/1 done=2", 4), ("", 4), ("somebody else's", 4), ("notify/1 done=x", 4)];
        for (metadata, want) in cases {
            assert_eq!(of(metadata), want, "{metadata}");
        }
    }
}
