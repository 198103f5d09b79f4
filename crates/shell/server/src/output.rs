//! Results for people and for programs: one value, shown as a table, as JSON, as YAML, or as CSV.
//!
//! - **O1** JSON and YAML say the same, under the same names; a table may say less.
//! - **O2** CSV has every value of the JSON, under its path of names.

use crate::terminal;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

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

/// How the results of analyses are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ResultForm {
    /// For people
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// CSV with a header line
    Csv,
}

impl ResultForm {
    /// A result, as [`Form::text`] has it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn text<V: Serialize>(self, value: &V, table: impl FnOnce(bool) -> String) -> anyhow::Result<String> {
        match self {
            Self::Table => Form::Table.text(value, table),
            Self::Json => Form::Json.text(value, table),
            Self::Yaml => Form::Yaml.text(value, table),
            Self::Csv => csv_of(&serde_json::to_value(value)?),
        }
    }
}

/// A list as a line for each of its items; anything else as a line for each of its values.
///
/// # Errors
///
/// None in practice: it is written into memory.
pub fn csv_of(value: &Value) -> anyhow::Result<String> {
    let Value::Array(items) = value else {
        let mut values = Vec::new();
        flatten(value, "", &mut values);
        let rows = values.into_iter().map(|(path, text)| vec![path, text]);
        return csv_lines(&["name", "value"], rows);
    };
    let items: Vec<Vec<(String, String)>> = items
        .iter()
        .map(|item| {
            let mut values = Vec::new();
            flatten(item, "", &mut values);
            values
        })
        .collect();
    let mut header: Vec<&str> = Vec::new();
    for (path, _) in items.iter().flatten() {
        if !header.contains(&path.as_str()) {
            header.push(path);
        }
    }
    if header.is_empty() {
        return Ok(String::new());
    }
    let text = |item: &[(String, String)], path: &str| {
        item.iter().find(|(other, _)| other == path).map_or_else(String::new, |(_, text)| text.clone())
    };
    let rows = items.iter().map(|item| header.iter().map(|path| text(item, path)).collect());
    csv_lines(&header, rows)
}

/// CSV of these lines.
///
/// # Errors
///
/// None in practice: it is written into memory.
pub fn csv_lines(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut bytes);
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    writer.flush()?;
    drop(writer);
    Ok(String::from_utf8(bytes)?)
}

/// Every value that is no container, under its path of names; what is null, or empty, is an empty text.
fn flatten(value: &Value, path: &str, into: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, field)| flatten(field, &below(name), into));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| flatten(item, &below(&at.to_string()), into));
        }
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        Value::Null | Value::Object(_) | Value::Array(_) => into.push((path.to_owned(), String::new())),
        other => into.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// **O2**: the second item lacks `a`, the first lacks `b.1`.
    #[test]
    fn o2_csv_has_every_value_under_its_path() {
        let list = json!([{"a": 1, "b": ["x"]}, {"b": ["y, \"z\"", null], "c": {"d": true}}]);
        assert_eq!(csv_of(&list).unwrap(), "a,b.0,b.1,c.d\n1,x,,\n,\"y, \"\"z\"\"\",,true\n");
        let one = json!({"a": {"b": 1.5}, "empty": [], "none": null});
        assert_eq!(csv_of(&one).unwrap(), "name,value\na.b,1.5\nempty,\nnone,\n");
        assert_eq!(csv_of(&json!([])).unwrap(), "");
    }

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
