//! Numbers as people read them: with as many digits as tell something, and with their unit.

/// A number of a unit; `ratio` is shown in percent.
#[must_use]
pub fn number(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{} %", digits(100.0 * value)),
        "" => digits(value),
        "%" => format!("{} %", digits(value)),
        "s" => duration(value),
        "per s" => format!("{}/s", digits(value)),
        "per min" => format!("{}/min", digits(value)),
        "of 100" | "of 1" => digits(value),
        _ => format!("{} {unit}", digits(value)),
    }
}

/// Three or four digits that count; thousands apart.
fn digits(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if value == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e15).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => {
            let places = 2 - size.log10().floor() as i32;
            format!("{value:.*}", places.clamp(0, 8) as usize)
        }
    };
    let text = if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    thousands(&text)
}

fn thousands(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let whole = rest.split(['.', 'e']).next().unwrap_or_default();
    if whole.len() < 5 {
        return text.to_owned();
    }
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{}", &rest[whole.len()..])
}

fn duration(seconds: f64) -> String {
    match seconds.abs() {
        s if s < 1.0 && s > 0.0 => format!("{} ms", digits(seconds * 1_000.0)),
        s if s < 120.0 => format!("{} s", digits(seconds)),
        s if s < 7_200.0 => format!("{} min", digits(seconds / 60.0)),
        s if s < 172_800.0 => format!("{} h", digits(seconds / 3_600.0)),
        _ => format!("{} d", digits(seconds / 86_400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let cases = [
            (0.0, "", "0"),
            (0.104_177, "ratio", "10.4 %"),
            (1.0, "ratio", "100 %"),
            (0.000_123_4, "", "0.000123"),
            (0.000_012, "", "1.20e-5"),
            (1_234.5, "ms", "1234 ms"),
            (123_456_789.0, "", "123,456,789"),
            (-12_345.0, "", "-12,345"),
            (9.999, "per s", "10/s"),
            (2.5, "per s", "2.5/s"),
            (90.0, "s", "90 s"),
            (600.0, "s", "10 min"),
            (0.25, "s", "250 ms"),
            (86_400.0, "s", "24 h"),
            (75.0, "of 100", "75"),
        ];
        for (value, unit, want) in cases {
            assert_eq!(number(value, unit), want, "{value} {unit}");
        }
    }
}
