//! Why a telemetry record was refused: a fact about the input, counted by its code, copied to the dead letters.

use std::fmt;

/// Longest field name and message that a refusal carries; both may quote the input.
const FIELD_CHARS: usize = 200;
const MESSAGE_CHARS: usize = 400;

/// The kinds of refusal, in the words of the dead letters' header `tidegauge.error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectCode {
    /// No value, or a value of no bytes.
    Empty,
    /// Longer than `max_record_bytes`, or an id longer than 1,024 bytes.
    TooLarge,
    /// Bytes that are not what their framing says: truncated, trailing, invalid UTF-8, broken JSON, a field twice.
    Malformed,
    /// The writer's schema is not known, nor to be had.
    SchemaUnknown,
    /// The writer's schema is known, but a sample cannot be read from it.
    SchemaMismatch,
    /// A value of another type than its field has.
    WrongType,
    /// No `agent_id`, `instance_id` or `event_time`, or an empty one.
    MissingId,
    /// NaN or infinite.
    NotFinite,
    /// A counter or a latency below zero.
    NegativeCount,
    /// An event time before 2000 or from 2200 on: most often another unit than the declared one.
    EventTimeImplausible,
    /// An event time further ahead of the broker's than is allowed. Judged by the engine.
    EventTimeFuture,
    /// Well formed, and in the schema, but not taken by this version.
    UnsupportedYet,
}

impl RejectCode {
    /// Every code, in the order above.
    pub const ALL: [RejectCode; 12] = [
        Self::Empty,
        Self::TooLarge,
        Self::Malformed,
        Self::SchemaUnknown,
        Self::SchemaMismatch,
        Self::WrongType,
        Self::MissingId,
        Self::NotFinite,
        Self::NegativeCount,
        Self::EventTimeImplausible,
        Self::EventTimeFuture,
        Self::UnsupportedYet,
    ];

    /// The code as it stands in headers and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::SchemaUnknown => "schema_unknown",
            Self::SchemaMismatch => "schema_mismatch",
            Self::WrongType => "wrong_type",
            Self::MissingId => "missing_id",
            Self::NotFinite => "not_finite",
            Self::NegativeCount => "negative_count",
            Self::EventTimeImplausible => "event_time_implausible",
            Self::EventTimeFuture => "event_time_future",
            Self::UnsupportedYet => "unsupported_yet",
        }
    }
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refused record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}: {message}", field.as_ref().map(|f| format!(" in {f}")).unwrap_or_default())]
pub struct Rejected {
    /// What kind of refusal.
    pub code: RejectCode,
    /// The field as its producer names it, where one is to blame.
    pub field: Option<String>,
    /// One line for people.
    pub message: String,
}

impl Rejected {
    /// A refusal because of the whole record.
    #[must_use]
    pub fn record(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, field: None, message: shortened(message.into(), MESSAGE_CHARS) }
    }

    /// A refusal because of one field.
    #[must_use]
    pub fn field(code: RejectCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(shortened(field.into(), FIELD_CHARS)), ..Self::record(code, message) }
    }
}

/// Why [`crate::Decoder::push`] took no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    /// The schema of this registry id has not been given yet: register it, or say that it is not to be had, and push
    /// the same record again.
    #[error("the schema with id {0} is needed first")]
    NeedsSchema(u32),
    /// The record goes to the dead letters.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// A refusal on its way out of the hot path: one word wide, made only when something is wrong.
pub(crate) type Fault = Box<Rejected>;

#[cold]
#[inline(never)]
pub(crate) fn fault(code: RejectCode, field: &str, message: impl Into<String>) -> Fault {
    Box::new(Rejected::field(code, field, message))
}

fn shortened(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_quotes_the_input_in_measure() {
        let rejected = Rejected::field(RejectCode::WrongType, "é".repeat(10_000), "no number");
        assert_eq!(rejected.field.map(|field| field.chars().count()), Some(FIELD_CHARS + 1));
    }

    #[test]
    fn codes_are_distinct_words() {
        let words: std::collections::BTreeSet<_> = RejectCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), RejectCode::ALL.len());
    }
}
