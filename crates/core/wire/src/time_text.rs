//! RFC 3339 text to event time. The other way is `EventTime`'s `Display`.

use tidegauge_model::EventTime;

/// Reads `2026-01-01T00:00:00.25Z`, an offset instead of `Z`, a space instead of `T`; digits beyond µs are cut off.
pub(crate) fn parse_rfc3339(text: &str) -> Option<EventTime> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    matches!(text.as_bytes()[10], b'T' | b't' | b' ').then_some(())?;
    let days = days_from_civil(number(date, 0..4)?, number(date, 5..7)?, number(date, 8..10)?)?;
    (date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-').then_some(())?;

    let time = rest.get(..8)?;
    (time.as_bytes()[2] == b':' && time.as_bytes()[5] == b':').then_some(())?;
    let (hour, minute, second) = (number(time, 0..2)?, number(time, 3..5)?, number(time, 6..8)?);
    (hour < 24 && minute < 60 && second < 61).then_some(())?;

    let (micros, zone) = fraction(rest.get(8..)?)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(zone)?;
    Some(EventTime::from_micros(seconds * 1_000_000 + micros))
}

/// Microseconds of a leading `.123`, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let micros: i64 = format!("{:0<6}", &digits[..length.min(6)]).parse().ok()?;
    (length > 0).then_some((micros, &digits[length..]))
}

fn offset_seconds(zone: &str) -> Option<i64> {
    match zone.as_bytes() {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(zone, 1..3)?, number(zone, 4..6)?);
            let seconds = hours * 3_600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn number(text: &str, range: std::ops::Range<usize>) -> Option<i64> {
    let digits = text.get(range)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013 (`days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    (1..=length).contains(&day).then_some(())?;
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_and_programs_write() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29 00:00:00.5Z", Some(951_782_400_500_000)),
            ("2026-01-01T01:00:00.123456789+01:00", Some(1_767_225_600_123_456)),
            ("2025-12-31T23:30:00-00:30", Some(1_767_225_600_000_000)),
            ("2026-02-29T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01", None),
            ("2026-01-01T00:00:00.Z", None),
            ("２026-01-01T00:00:00Z", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_rfc3339(text).map(EventTime::as_micros), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_event_time_prints(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let at = EventTime::from_micros(micros);
            prop_assert_eq!(parse_rfc3339(&at.to_string()), Some(at));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
