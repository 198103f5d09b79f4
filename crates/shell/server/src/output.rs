//! Results for people and for programs: one value, shown as a table, as JSON or as YAML.
//!
//! - **O1** JSON and YAML say the same, under the same names; a table may say less.

use crate::terminal;
use clap::ValueEnum;
use serde::Serialize;

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    #[default]
    Table,
    /// One JSON object a line
    Json,
    /// YAML; more than one as documents
    Yaml,
}

impl Form {
    /// A result: `value`, or what `table` makes of it, which is told whether there are colours.
    ///
    /// # Errors
    ///
    /// If the value has no such form, which is a mistake of ours.
    pub fn text<V: Serialize>(self, value: &V, table: impl FnOnce(bool) -> String) -> anyhow::Result<String> {
        match self {
            Self::Table => Ok(table(terminal::has_colours())),
            Self::Json => Ok(serde_json::to_string(value)? + "\n"),
            Self::Yaml => yaml(value),
        }
    }
}

/// A YAML document, without a line that says where it begins.
///
/// # Errors
///
/// If the value has no such form.
pub fn yaml<V: Serialize>(value: &V) -> anyhow::Result<String> {
    let mut text = serde_saphyr::to_string(value)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn o1_yaml_says_what_json_says() {
        let value = json!({
            "texts": ["", "null", "true", "no", "10", "1e3", "2026-01-01T00:00:00Z", "a: b", "- x", "#", "é\n\"'", "~"],
            "numbers": [0, -1, 1.5, 1e300, 18_446_744_073_709_551_615_u64],
            "nothing": null, "empty": {}, "none": [], "nested": [{"a": [1, {"b": false}]}],
        });
        let text = yaml(&value).expect("YAML");
        let read: Value = serde_saphyr::from_str(&text).expect(&text);
        assert_eq!(read, value, "{text}");
        let again: Value = serde_json::from_str(&Form::Json.text(&value, |_| String::new()).unwrap()).unwrap();
        assert_eq!(again, value);
        assert_eq!(Form::Table.text(&value, |colours| format!("colours {colours}")).unwrap(), "colours false");
    }
}
