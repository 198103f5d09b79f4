//! Cron expressions: five fields, minute, hour, day of month, month, day of week.
//!
//! Each is `*`, a number, a name (`jan`, `mon`), a range `9-17`, any of these with a step `*/15`, or a list of them with
//! commas. Sunday is 0 or 7. If both days are restricted, either will do, as in every cron since Vixie's.
//!
//! Source: P. Vixie, crontab(5); IEEE Std 1003.1, *crontab*.

use crate::error::nearest;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

/// A checked expression: of each field the set of its values, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    either_day: bool,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCron {
    /// What was expected and what was found.
    pub message: String,
    /// The nearest name, where one was meant.
    pub nearest: Option<String>,
}

struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of week", least: 0, most: 7, names: &WEEKDAYS },
];

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// [`NotCron`] with the field and the word that is wrong; also if no day of any year fits.
    pub fn parse(text: &str) -> Result<Self, NotCron> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            let message = format!(
                "expected five fields (minute, hour, day of month, month, day of week) such as `30 8 * * mon-fri`, found {}",
                words.len()
            );
            return Err(NotCron { message, nearest: None });
        };
        let weekdays = FIELDS[4].parse(weekday)?;
        let cron = Self {
            text: words.join(" "),
            minutes: FIELDS[0].parse(minute)?,
            hours: FIELDS[1].parse(hour)?,
            days: FIELDS[2].parse(day)?,
            months: FIELDS[3].parse(month)?,
            weekdays: weekdays | (weekdays >> 7 & 1),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let longest = |month: u32| [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize];
        let exists = (1..=12).any(|month| has(cron.months, month) && cron.days & ((2 << longest(month)) - 1) != 0);
        if exists || cron.either_day {
            Ok(cron)
        } else {
            let message = format!("expected a day that exists, found day {day} of month {month}");
            Err(NotCron { message, nearest: None })
        }
    }

    /// Whether any start can be on that day.
    #[must_use]
    pub fn matches_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day().unsigned_abs().into());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset().unsigned_abs().into());
        has(self.months, date.month().unsigned_abs().into())
            && if self.either_day { day || weekday } else { day && weekday }
    }

    /// Hours and minutes of a day that matches, the latest first.
    pub fn times_descending(&self) -> impl Iterator<Item = (i8, i8)> + use<> {
        let (hours, minutes) = (self.hours, self.minutes);
        let of = |set: u64, most: i8| (0..=most).rev().filter(move |value| has(set, value.unsigned_abs().into()));
        of(hours, 23).flat_map(move |hour| of(minutes, 59).map(move |minute| (hour, minute)))
    }

    /// Its starts within so many days from midnight of `first` on, as minutes of civil time, ascending.
    pub fn civil_minutes(&self, first: Date, days: i64) -> impl Iterator<Item = i64> {
        let day = move |number: i64| Some((number, first.checked_add(jiff::Span::new().days(number)).ok()?));
        let days = (0..days).filter_map(day).filter(|(_, day)| self.matches_day(*day));
        days.flat_map(|(number, _)| {
            let mut times: Vec<_> = self.times_descending().collect();
            times.reverse();
            times.into_iter().map(move |(hour, minute)| (number * 24 + i64::from(hour)) * 60 + i64::from(minute))
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Equal sets are one meaning, however they are written.
impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.minutes, self.hours, self.days, self.months, self.weekdays & 0x7f, self.either_day).serialize(serializer)
    }
}

fn has(set: u64, value: u32) -> bool {
    set >> value & 1 == 1
}

impl Field {
    fn parse(&self, text: &str) -> Result<u64, NotCron> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    /// `*`, `5`, `5-9`, `mon-fri`, each perhaps with `/step`.
    fn part(&self, part: &str) -> Result<u64, NotCron> {
        let (range, step) = match part.split_once('/') {
            None => (part, 1),
            Some((range, step)) => match step.parse::<u32>() {
                Ok(step) if (1..=self.most).contains(&step) => (range, step),
                _ => return Err(self.wrong(&format!("a step from 1 to {}", self.most), step)),
            },
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if part.contains('/') => (self.value(range)?, self.most),
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return Err(self.wrong("a range from the smaller to the greater", range));
        }
        Ok((first..=last).step_by(step as usize).fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, word: &str) -> Result<u32, NotCron> {
        let lower = word.to_ascii_lowercase();
        if let Some(index) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.least + u32::try_from(index).unwrap_or_default());
        }
        match word.parse() {
            Ok(value) if (self.least..=self.most).contains(&value) => Ok(value),
            _ => {
                let wrong = self.wrong(&format!("{} to {}", self.least, self.most), word);
                Err(NotCron { nearest: nearest(&lower, self.names.iter().copied()), ..wrong })
            }
        }
    }

    fn wrong(&self, expected: &str, found: &str) -> NotCron {
        NotCron { message: format!("expected {expected} as {}, found `{found}`", self.name), nearest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn fields_worked_by_hand() {
        #[rustfmt::skip]
        let cases = [ // expression, day, matches it, first and last time of a day, how many
            ("30 8 * * mon-fri", date(2024, 3, 29), true, (8, 30), (8, 30), 1), // a Friday
            ("30 8 * * mon-fri", date(2024, 3, 30), false, (8, 30), (8, 30), 1),
            ("*/20 9-10 * * *", date(2024, 3, 30), true, (9, 0), (10, 40), 6),
            ("5/25 0 * * *", date(2024, 3, 30), true, (0, 5), (0, 55), 3),
            ("0 0,12 1 * *", date(2024, 3, 1), true, (0, 0), (12, 0), 2),
            ("0 0 1 * mon", date(2024, 3, 4), true, (0, 0), (0, 0), 1),  // either: a Monday
            ("0 0 1 * mon", date(2024, 3, 1), true, (0, 0), (0, 0), 1),  // either: the first
            ("0 0 1 * mon", date(2024, 3, 5), false, (0, 0), (0, 0), 1),
            ("0 0 */2 * mon", date(2024, 3, 4), false, (0, 0), (0, 0), 1), // `*/2` is no restriction of its own: both
            ("0 0 * * 7", date(2024, 3, 31), true, (0, 0), (0, 0), 1),
            ("0 0 * * SUN", date(2024, 3, 31), true, (0, 0), (0, 0), 1),
            ("0 0 29 feb *", date(2024, 2, 29), true, (0, 0), (0, 0), 1),
            ("0 0 * 4-6 *", date(2024, 3, 31), false, (0, 0), (0, 0), 1),
        ];
        for (text, day, matches, first, last, count) in cases {
            let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{text}: {}", error.message));
            assert_eq!(cron.matches_day(day), matches, "{text} {day}");
            let times: Vec<_> = cron.times_descending().collect();
            assert_eq!((times.last(), times.first(), times.len()), (Some(&first), Some(&last), count), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        #[rustfmt::skip]
        let cases = [
            ("30 8 * *", "expected five fields (minute, hour, day of month, month, day of week) such as `30 8 * * mon-fri`, found 4", None),
            ("60 8 * * *", "expected 0 to 59 as minute, found `60`", None),
            ("0 8 0 * *", "expected 1 to 31 as day of month, found `0`", None),
            ("0 8 * * mun", "expected 0 to 7 as day of week, found `mun`", Some("mon")),
            ("0 8 * * fri-mon", "expected a range from the smaller to the greater as day of week, found `fri-mon`", None),
            ("*/0 8 * * *", "expected a step from 1 to 59 as minute, found `0`", None),
            ("0 8, * * *", "expected 0 to 23 as hour, found ``", None),
            ("0 8 30 feb *", "expected a day that exists, found day 30 of month feb", None),
        ];
        for (text, message, nearest) in cases {
            let error = Cron::parse(text).expect_err(text);
            assert_eq!((error.message.as_str(), error.nearest.as_deref()), (message, nearest), "{text}");
        }
    }
}
