//! What an operator is told when something is wrong: a stable code, where it is, the line itself, and what to do.
//!
//! ```text
//!  tidegauge: tidegauge.yaml:2:9: time.pane: expected a duration with its unit, …, found `10` [TG1004]
//!    |
//!  2 |   pane: 10
//!    |         ^^
//!    = help: …
//! ```
//!
//! - **D1** The first line says all of it by itself, for logs and for `grep`; what follows is for people.
//! - **D2** A line that may hold a secret is not quoted.
//! - **D3** A code keeps its meaning; one that is not needed any more is not given again.

use crate::terminal::{Tone, toned};
use std::fmt;
use tidegauge_policy::error::Place;

macro_rules! codes {
    ($($name:ident $text:literal: $title:literal, $help:literal;)*) => {
        /// What kind of thing is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemKind { $(#[doc = $title] $name),* }

        impl ProblemKind {
            /// All there are, by code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its code, which stays the same from version to version.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it means, as a sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help),* }
            }
        }
    };
}

codes! {
    ConfigUnreadable "TG1001": "A configuration file was named and cannot be read.",
        "name one that is there with --config or TIDEGAUGE_CONFIG; `tidegauge generate config` prints one to begin with";
    NotYaml "TG1002": "The configuration, or a value given by a variable or a flag, is not YAML.",
        "look for a bracket, a quote or an indentation that is not closed at that place";
    UnknownKey "TG1003": "There is no such setting.",
        "`tidegauge generate config` prints every setting; a misspelt one would otherwise keep its default unnoticed";
    WrongValue "TG1004": "The value is of another kind than the setting takes.",
        "write what was expected; durations and sizes have units, and lists are in brackets or have a dash a line";
    MissingValue "TG1005": "A setting that has no default is missing.",
        "add it to the section that is named";
    OutOfBounds "TG1006": "The value is of the right kind, but out of its bounds, or contradicts another one.",
        "the message says which values are possible; docs/reference/configuration.md says what each setting is for";
    MissingFile "TG1007": "A file that the configuration refers to is not there or cannot be read.",
        "relative paths of the file are relative to it, those of variables and flags to the current folder";
    KafkaProperty "TG1008": "A setting under kafka.properties is reserved, unknown to librdkafka, or wrong.",
        "properties are librdkafka's, by its names (CONFIGURATION.md of librdkafka); reserved ones have a place of their own";
    WrongMapping "TG1009": "A mapping file says something that cannot be done.",
        "read examples/mappings/README.md, which explains mapping files";
    WrongDocument "TG1010": "A policy, or another document beside it, says something that cannot be done.",
        "examples/ has documents of each kind, and `tidegauge policy schema` the keys that each may have";
    UnknownWindow "TG1011": "A policy, a set of alert rules or a signal asks for windows that are not kept.",
        "add the window under `windows`, or take one that is there";
    NameTaken "TG1012": "Two policies, two sets of alert rules, two rules about the same agents or two signals have the same name.",
        "give each a name of its own";
    UnknownSignal "TG1013": "A policy or an alert rule names a signal that is not there, or that does not fit.",
        "signals of SQL are files under signals.paths; docs/howto-signals.md says how policies and rules name them";
    WrongSignal "TG1014": "The SELECT of a signal is refused.",
        "docs/howto-signals.md says which tables, columns and functions there are, and what a signal may cost";
    NoBroker "TG2001": "No Kafka broker answered.",
        "check that a broker runs at the address, which is kafka.bootstrap; `scripts/kafka up` starts one";
    LoginRefused "TG2002": "The broker refused the user or the password.",
        "check kafka.security.username, mechanism and the contents of password_file, and that the user exists at the broker";
    CertificateRefused "TG2003": "A certificate was refused, by us or by the broker.",
        "check that the broker's certificate is signed by an authority of kafka.security.ca_file, valid today, and made \
         for the host name in kafka.bootstrap";
    MissingTopic "TG2004": "A topic that has to be there is not.",
        "`tidegauge topics ensure` creates ours; --telemetry-partitions N those of telemetry too";
    QueryRefused "TG3001": "A query is not one SELECT over closed windows that may be run.",
        "the message says what to write instead; docs/reference/sql.md has the tables, their columns and the limits";
    QueryCutOff "TG3002": "A query came to a limit, or to a value that cannot be computed.",
        "filter or aggregate earlier, ask of less time, or raise the limit that the message names";
    NoHistory "TG4001": "There is no history, or the configuration does not say where.",
        "set history.url, and let `tidegauge history write` run; docs/howto-history.md has an example";
    HistoryUnreachable "TG4002": "The store that holds the history does not answer, or refuses.",
        "check history.url and history.s3, the credentials, and that the bucket is there; nothing is lost, since the history \
         goes on from its own position";
    HistoryTaken "TG4003": "Somebody else writes the same history.",
        "let one process write a history; this one may be started again when the other one has ended";
    HistoryDamaged "TG4004": "The history is of another topic, or what it says of itself does not fit together.",
        "a history belongs to one windows topic: give another topic another history.url";
}

impl ProblemKind {
    /// The problem of that code, in whatever case.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|problem| problem.code().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A line of a file, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    place: Place,
    line: String,
    /// In characters, at least one.
    width: usize,
}

/// The longest line that is quoted.
const LONGEST_QUOTE: usize = 160;

impl Quote {
    /// Quotes the line of `text` at `place`; `None` where there is no such line, or it is too long to look at, or may
    /// hold a secret (D2).
    #[must_use]
    pub fn of(text: &str, place: Place) -> Option<Self> {
        let line = text.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let from = usize::try_from(place.column).ok()?.checked_sub(1)?;
        if line.chars().count() > LONGEST_QUOTE || line.trim().is_empty() || is_secret(line) {
            return None;
        }
        let width = token(&line.chars().skip(from).collect::<String>());
        Some(Self { place, line: line.replace('\t', " "), width })
    }

    /// The line with a mark under the part that is meant; ends with a line break.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        let bar = toned("|", Tone::Faint, colours);
        let before = " ".repeat(usize::try_from(self.place.column).unwrap_or(1).saturating_sub(1));
        let mark = toned(&"^".repeat(self.width), Tone::Bad, colours);
        let number = toned(&number, Tone::Faint, colours);
        format!("{margin} {bar}\n{number} {bar} {}\n{margin} {bar} {before}{mark}\n", self.line)
    }
}

/// Length of the key or value that a text begins with, in characters.
fn token(text: &str) -> usize {
    let mut chars = text.chars();
    let length = match chars.next() {
        Some(quote @ ('"' | '\'')) => chars.position(|c| c == quote).map_or(1, |at| at + 2),
        Some('[' | '{') => 1,
        _ => {
            let end = [", ", ": ", "]", "}", " #", ":\n"].iter().filter_map(|end| text.find(end)).min();
            let word = text[..end.unwrap_or(text.len())].trim_end();
            word.strip_suffix([',', ':']).unwrap_or(word).chars().count()
        }
    };
    length.max(1)
}

/// Words in names of settings that hold secrets.
const SECRETS: [&str; 8] = ["password", "passwd", "secret", "token", "credential", "jaas", "key.pem", "private_key"];

/// Whether a setting of that name holds a secret, or a line may. Names of files that hold one are none.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace("password_file", "").replace("secret_access_key_file", "");
    SECRETS.iter().any(|secret| text.contains(secret)) || has_user_info(&text)
}

/// `https://user:password@host`.
fn has_user_info(text: &str) -> bool {
    let authorities = text.split("://").skip(1).filter_map(|rest| rest.split(['/', ' ', '"', '\'']).next());
    authorities.into_iter().any(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn d3_codes_are_all_different_and_in_order() {
        let codes: Vec<_> = ProblemKind::ALL.iter().map(|problem| problem.code()).collect();
        let sorted: BTreeSet<_> = codes.iter().copied().collect();
        assert_eq!(codes, sorted.into_iter().collect::<Vec<_>>());
        assert!(ProblemKind::ALL.iter().all(|problem| ProblemKind::of_code(problem.code()) == Some(*problem)));
        assert_eq!(ProblemKind::of_code("tg1003"), Some(ProblemKind::UnknownKey));
    }

    #[test]
    fn the_part_that_is_meant_is_marked() {
        let cases = [
            ("time: {pane: 10, disorder: 5s}", 14, "^^"),
            ("  pane: 10 # seconds", 9, "^^"),
            ("time: {pan: 10s}", 8, "^^^"),
            ("path: 'a b', x", 7, "^^^^^"),
            ("windows: [{size: 1m}]", 10, "^"),
            ("é: ü5", 4, "^^"),
        ];
        for (line, column, want) in cases {
            let quote = Quote::of(line, Place { line: 1, column }).expect(line);
            let marked = quote.render(false);
            let want = format!("  |\n1 | {line}\n  | {}{want}\n", " ".repeat(column as usize - 1));
            assert_eq!(marked, want, "{line}");
        }
    }

    #[test]
    fn d2_a_line_that_may_hold_a_secret_is_not_quoted() {
        for line in ["sasl.password: x", "url: https://me:x@host", "{ssl.key.pem: x}", "sasl.jaas.config: x"] {
            assert_eq!(Quote::of(line, Place { line: 1, column: 1 }), None, "{line}");
        }
        for line in ["password_file: pw", "url: https://host/a@b", "key_file: k.pem"] {
            assert!(Quote::of(line, Place { line: 1, column: 1 }).is_some(), "{line}");
        }
    }
}
