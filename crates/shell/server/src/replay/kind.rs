//! The kinds of outputs, where they stand, and which headers say how they came to be.

use crate::config::TopicsConfig;
use crate::live::CAUSE_HEADERS;
use tidegauge_engine::DeciderOutput;

/// How many kinds there are.
pub(super) const KINDS: usize = 5;

/// A kind of output of a Decider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Window,
    Decision,
    Alert,
    Finding,
    Late,
}

impl Kind {
    pub(super) const ALL: [Kind; KINDS] = [Self::Window, Self::Decision, Self::Alert, Self::Finding, Self::Late];

    /// Its place in tables of all kinds.
    pub(super) const fn number(self) -> usize {
        self as usize
    }

    /// What many of it are called; also the name of its file, and the last part of its scratch topic.
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Window => "windows",
            Self::Decision => "decisions",
            Self::Alert => "alerts",
            Self::Finding => "findings",
            Self::Late => "late",
        }
    }

    /// The topic of that kind.
    pub(super) fn topic(self, topics: &TopicsConfig) -> &str {
        match self {
            Self::Window => &topics.windows,
            Self::Decision => &topics.decisions,
            Self::Alert => &topics.alerts,
            Self::Finding => &topics.findings,
            Self::Late => &topics.late,
        }
    }

    /// The kind whose topic that is. The compacted copy of decisions is none: it repeats them.
    pub(super) fn of_topic(topics: &TopicsConfig, topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.topic(topics) == topic)
    }

    pub(super) const fn of(output: &DeciderOutput) -> Self {
        match output {
            DeciderOutput::Window(_) => Self::Window,
            DeciderOutput::Decision(_) => Self::Decision,
            DeciderOutput::Alert(_) => Self::Alert,
            DeciderOutput::Finding(_) => Self::Finding,
            DeciderOutput::Late(_) => Self::Late,
        }
    }
}

/// Which journal record led to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Provenance {
    /// Whether a header is part of it, and so may differ between two runs that are equal.
    pub(super) fn is_named(header: &str) -> bool {
        CAUSE_HEADERS.contains(&header)
    }

    /// As the headers of a record say; `None` if they do not.
    pub(super) fn of<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Option<Self> {
        let (mut partition, mut offset) = (None, None);
        for (name, value) in headers {
            let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
            match CAUSE_HEADERS.iter().position(|header| *header == name) {
                Some(0) => partition = number().and_then(|number| i32::try_from(number).ok()),
                Some(_) => offset = number(),
                None => {}
            }
        }
        Some(Self { partition: partition?, offset: offset? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_is_read_from_headers_or_not_at_all() {
        let of =
            |headers: &[(&str, &str)]| Provenance::of(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let whole = [("ce_id", "x"), ("tidegauge.cause.partition", "3"), ("tidegauge.cause.offset", "17")];
        assert_eq!(of(&whole), Some(Provenance { partition: 3, offset: 17 }));
        assert_eq!(of(&whole[..2]), None);
        assert_eq!(of(&[("tidegauge.cause.partition", "x"), ("tidegauge.cause.offset", "17")]), None);
    }
}
