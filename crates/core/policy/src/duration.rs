//! Durations as people write them: `500ms`, `10s`, `5m`, `1h30m`, `2d`.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Units, the longest first: name and milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What is expected where a duration stands.
const EXPECTED: &str = "a duration with a unit, such as 500ms, 10s, 5m, 1h30m or 2d";

/// A duration in human form; whole numbers of d, h, m, s, ms, the longest unit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: {why}; expected {EXPECTED}")]
pub struct NotADuration {
    text: String,
    why: &'static str,
}

impl FromStr for HumanDuration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let fail = |why| NotADuration { text: text.to_owned(), why };
        let (mut rest, mut millis, mut shortest) = (text.trim(), 0_u64, u64::MAX);
        if rest.is_empty() {
            return Err(fail("it is empty"));
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| fail("a number has no unit"))?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| fail("it is not made of whole numbers and units"))?;
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| fail("a unit is unknown"))?;
            if *factor >= shortest {
                return Err(fail("units go from long to short, each once"));
            }
            let part = number.checked_mul(*factor).and_then(|part| millis.checked_add(part));
            millis = part.ok_or_else(|| fail("it is too long"))?;
            (rest, shortest) = (tail, *factor);
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for HumanDuration {
    /// The form that reads back as the same duration; below a millisecond it is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (name, factor) in UNITS {
            if millis >= factor {
                write!(f, "{}{name}", millis / factor)?;
                millis %= factor;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HumanDuration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_what_it_reads() {
        let cases =
            [("0s", 0), ("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h30m", 5_400_000), ("2d", 172_800_000)];
        for (text, millis) in cases {
            let duration = HumanDuration(Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(duration));
            assert_eq!(duration.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_ambiguous_and_says_what_is_expected() {
        for text in
            ["", "10", "10 s", "ten", "s", "1.5s", "10sec", "5min", "30m1h", "1s1s", "-5s", "99999999999999999d"]
        {
            let error = text.parse::<HumanDuration>().expect_err(text).to_string();
            assert!(error.contains("such as 500ms"), "{error}");
        }
    }
}
