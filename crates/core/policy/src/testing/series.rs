//! Series notation, as in the unit tests of Prometheus' rules.
//!
//! ```text
//!  0.5          one value                    0.5x3       the value and three more: 0.5 0.5 0.5 0.5
//!  5+1x3        5 6 7 8                      5-1x3       5 4 3 2
//!  _            no value                     _x3         three times no value
//! ```
//!
//! Beyond its end a series keeps its last value, as far as the test goes.
//!
//! Source: Prometheus, "Unit testing for rules", `input_series`.

use std::time::Duration;

/// Most values of one series: a week at ten seconds.
const MAX_VALUES: usize = 60_480;

/// Values one after the other; `None` where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Series(Vec<Option<f64>>);

/// Why a text is no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` is no part of a series: {why}; expected values such as `0.5`, `0.5x30`, `5+1x20`, `_x3`")]
pub struct WrongSeries {
    part: String,
    why: &'static str,
}

impl Series {
    /// Reads the notation.
    ///
    /// # Errors
    ///
    /// [`WrongSeries`], with the first part that is not understood.
    pub fn parse(text: &str) -> Result<Self, WrongSeries> {
        let mut values = Vec::new();
        for part in text.split_whitespace() {
            let wrong = |why| WrongSeries { part: part.to_owned(), why };
            let more = part_of(part).map_err(wrong)?;
            if values.len() + more.len() > MAX_VALUES {
                return Err(wrong("the series would have more than 60480 values"));
            }
            values.extend(more);
        }
        match values.is_empty() {
            true => Err(WrongSeries { part: text.to_owned(), why: "it is empty" }),
            false => Ok(Self(values)),
        }
    }

    /// One value for all time.
    #[must_use]
    pub fn constant(value: f64) -> Self {
        Self(vec![Some(value)])
    }

    /// The value that holds so long after the start, with values so far apart; the last one holds on.
    #[must_use]
    pub fn at(&self, after: Duration, interval: Duration) -> Option<f64> {
        let index = after.as_micros() / interval.as_micros().max(1);
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(self.0.len() - 1);
        self.0[index]
    }

    /// The values in their order.
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.0.iter().copied()
    }

    /// When its last value begins.
    #[must_use]
    pub fn lasts(&self, interval: Duration) -> Duration {
        interval.saturating_mul(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }
}

fn part_of(part: &str) -> Result<Vec<Option<f64>>, &'static str> {
    let (value, times) = match part.rsplit_once('x') {
        None => (part, None),
        Some((value, times)) => (value, Some(times)),
    };
    let times = times.map(|times| times.parse::<usize>().map_err(|_| "what follows `x` is no whole number"));
    let times = times.transpose()?;
    if times.is_some_and(|times| times > MAX_VALUES) {
        return Err("the series would have more than 60480 values");
    }
    if value == "_" {
        return Ok(vec![None; times.unwrap_or(1)]);
    }
    let (first, step) = match sign_of_step(value) {
        None => (value, None),
        Some(at) => (&value[..at], Some(&value[at..])),
    };
    let first = number(first)?;
    let step = step.map(number).transpose()?;
    match (step, times) {
        (Some(_), None) => Err("a step needs `x` and how many times"),
        (step, times) => {
            let value = |index: usize| Some(first + step.unwrap_or(0.0) * index as f64);
            Ok((0..=times.unwrap_or(0)).map(value).collect())
        }
    }
}

/// Where `+1` begins in `5+1`; neither a sign in front nor that of an exponent.
fn sign_of_step(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len()).find(|&at| matches!(bytes[at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'))
}

fn number(text: &str) -> Result<f64, &'static str> {
    let number: f64 = text.parse().map_err(|_| "it is no number")?;
    if number.is_finite() { Ok(number) } else { Err("it is not finite") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_that_of_prometheus() {
        let none = f64::NAN;
        let cases: [(&str, &[f64]); 8] = [
            ("1", &[1.0]),
            ("1x4", &[1.0, 1.0, 1.0, 1.0, 1.0]),
            ("-2+4x3", &[-2.0, 2.0, 6.0, 10.0]),
            ("1-2x4", &[1.0, -1.0, -3.0, -5.0, -7.0]),
            ("_x3", &[none, none, none]),
            ("1 _ 2x1", &[1.0, none, 2.0, 2.0]),
            ("1e-1+1e+0x1", &[0.1, 1.1]),
            ("0x0", &[0.0]),
        ];
        for (text, want) in cases {
            let series = Series::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let want: Vec<_> = want.iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
            assert_eq!(series.values().collect::<Vec<_>>(), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases = [
            ("1 x3", "`x3` is no part of a series: it is no number"),
            ("5+1", "`5+1` is no part of a series: a step needs `x`"),
            ("1x-1", "`1x-1` is no part of a series: what follows `x`"),
            ("infx3", "`infx3` is no part of a series: it is not finite"),
            ("1x70000", "`1x70000` is no part of a series: the series would have more"),
            (" ", "it is empty"),
        ];
        for (text, want) in cases {
            let message = Series::parse(text).expect_err(text).to_string();
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn the_last_value_holds_on() {
        let (series, interval) = (Series::parse("1 2 3").expect("a series"), Duration::from_secs(10));
        let at = |secs| series.at(Duration::from_secs(secs), interval);
        assert_eq!([at(0), at(9), at(10), at(25), at(99)], [Some(1.0), Some(1.0), Some(2.0), Some(3.0), Some(3.0)]);
        assert_eq!(series.lasts(interval), Duration::from_secs(20));
    }
}
