//! Texts of a known width: names, numbers with their unit, times.

use ratatui::text::Span;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "–";

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `text` in at most `columns`: without control characters, and with `…` where it was cut.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let clean: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if width(&clean) <= columns {
        return clean;
    }
    let mut fitted = String::new();
    for letter in clean.chars() {
        let longer = format!("{fitted}{letter}");
        if width(&longer) + 1 > columns {
            break;
        }
        fitted = longer;
    }
    if columns > 0 {
        fitted.truncate(fitted.trim_end().len());
        fitted.push('…');
    }
    fitted
}

/// `text` in exactly `columns`, on the left of them.
pub(super) fn left(text: &str, columns: usize) -> String {
    let fitted = fit(text, columns);
    let blanks = columns - width(&fitted);
    fitted + &" ".repeat(blanks)
}

/// `text` in exactly `columns`, on the right of them.
pub(super) fn right(text: &str, columns: usize) -> String {
    let fitted = fit(text, columns);
    " ".repeat(columns - width(&fitted)) + &fitted
}

/// A number in at most five columns: `7`, `980`, `1.2k`, `45k`, `1.2M`.
pub(super) fn number(value: f64) -> String {
    let scaled = |value: f64, unit: &str| {
        let digits = usize::from(value < 9.95);
        format!("{value:.digits$}{unit}")
    };
    match value {
        _ if !value.is_finite() || value < 0.0 => UNKNOWN.to_owned(),
        _ if value < 999.5 => format!("{value:.0}"),
        _ if value < 999.5e3 => scaled(value / 1e3, "k"),
        _ if value < 999.5e6 => scaled(value / 1e6, "M"),
        _ if value < 999.5e9 => scaled(value / 1e9, "G"),
        _ => ">999G".to_owned(),
    }
}

/// A share in at most five columns: `0.7` is `70%`.
pub(super) fn percent(share: f64) -> String {
    match share {
        _ if !share.is_finite() || share < 0.0 => UNKNOWN.to_owned(),
        _ if share > 9.99 => ">999%".to_owned(),
        _ => format!("{:.0}%", share * 100.0),
    }
}

/// A time in milliseconds in at most six columns: `7 ms`, `420 ms`, `1.2 s`, `45 s`.
pub(super) fn milliseconds(value: f64) -> String {
    match value {
        _ if !value.is_finite() || value < 0.0 => UNKNOWN.to_owned(),
        _ if value < 999.5 => format!("{value:.0} ms"),
        _ if value < 9_950.0 => format!("{:.1} s", value / 1e3),
        _ if value < 999_500.0 => format!("{:.0} s", value / 1e3),
        _ => ">999 s".to_owned(),
    }
}

/// Seconds since the demo began, as a clock of minutes: `2:05`.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// An hour of the day: `14:20`.
pub(super) fn hour(hour: f64) -> String {
    let minutes = (hour.rem_euclid(24.0) * 60.0) as u64;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// How far back something goes: `60 s`, `2 min`.
pub(super) fn span(seconds: usize) -> String {
    if seconds < 100 { format!("{seconds} s") } else { format!("{:.0} min", seconds as f64 / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width() {
        let cases = [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (1_234.0, "1.2k"),
            (9_960.0, "10k"),
            (999_400.0, "999k"),
            (999_600.0, "1.0M"),
            (3e9, "3.0G"),
            (1e300, ">999G"),
            (f64::NAN, "–"),
            (-1.0, "–"),
        ];
        for (value, want) in cases {
            assert_eq!(number(value), want, "{value}");
        }
        for (value, want) in [(0.7, "70%"), (1.0, "100%"), (50.0, ">999%"), (f64::NAN, "–")] {
            assert_eq!(percent(value), want, "{value}");
        }
        for (value, want) in [(7.0, "7 ms"), (1_234.0, "1.2 s"), (45_000.0, "45 s"), (1e9, ">999 s")] {
            assert_eq!(milliseconds(value), want, "{value}");
        }
    }

    #[test]
    fn texts_are_cut_to_their_columns() {
        let cases = [
            ("planner", 10, "planner"),
            ("planner", 7, "planner"),
            ("planner", 4, "pla…"),
            ("a b c", 3, "a…"),
            ("名前です", 5, "名前…"),
            ("tab\there\x1b[31m", 20, "tab here [31m"),
            ("planner", 0, ""),
        ];
        for (text, columns, want) in cases {
            assert_eq!(fit(text, columns), want, "{text:?} in {columns}");
            assert_eq!(width(&left(text, columns)), columns, "{text:?} on the left of {columns}");
            assert_eq!(width(&right(text, columns)), columns, "{text:?} on the right of {columns}");
        }
    }

    #[test]
    fn times_are_read_as_clocks() {
        assert_eq!((clock(125.9), clock(-1.0), clock(3_600.0)), ("2:05".into(), "0:00".into(), "60:00".into()));
        assert_eq!((hour(14.34), hour(24.0), hour(23.999)), ("14:20".into(), "00:00".into(), "23:59".into()));
        assert_eq!((span(64), span(120)), ("64 s".into(), "2 min".into()));
    }
}
