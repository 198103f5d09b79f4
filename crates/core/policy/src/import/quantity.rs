//! Quantities of Kubernetes: `500m`, `1Gi`, `100k`, `1e3`.
//!
//! Source: Kubernetes API reference, `resource.Quantity`.

/// Suffixes and what they multiply by.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1_024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a quantity such as 100, 500m or 1Gi, found `{0}`")]
pub struct NotAQuantity(String);

/// The number that a quantity stands for.
///
/// # Errors
///
/// [`NotAQuantity`].
pub fn quantity(text: &str) -> Result<f64, NotAQuantity> {
    let wrong = || NotAQuantity(text.to_owned());
    let trimmed = text.trim();
    // `1E3` is a number with an exponent, `1E` three suffixes further than `1k`.
    if let Ok(number) = trimmed.parse::<f64>() {
        return if number.is_finite() { Ok(number) } else { Err(wrong()) };
    }
    let found = SUFFIXES.iter().find_map(|(suffix, factor)| Some((trimmed.strip_suffix(suffix)?, factor)));
    let (number, factor) = found.ok_or_else(wrong)?;
    let is_plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let number: f64 = number.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_kubernetes() {
        let cases = [
            ("100", 100.0),
            ("500m", 0.5),
            ("1Gi", 1_073_741_824.0),
            ("1.5k", 1_500.0),
            ("1e3", 1_000.0),
            ("1E3", 1_000.0),
            ("2E", 2e18),
            ("250u", 250e-6),
            ("-3", -3.0),
        ];
        for (text, want) in cases {
            let got = quantity(text).unwrap_or_else(|error| panic!("{error}"));
            assert!((got - want).abs() <= want.abs() * 1e-12, "{text}: {got}");
        }
        for text in ["", "m", "1g", "1 Gi", "inf", "1e3m", "ten"] {
            assert!(quantity(text).is_err(), "{text}");
        }
    }
}
