//! Texts of rules with names in braces: `{target}: {value} is over {threshold}`.
//!
//! - **N1** A value that is put in is not read again: an agent called `{value}` stays called so.

use crate::error::{Problem, nearest};
use std::collections::BTreeMap;

/// The names that a text may have in braces, beside `labels.NAME`.
const NAMES: [&str; 14] = [
    "rule",
    "target",
    "workspace",
    "agent",
    "region",
    "instance",
    "value",
    "threshold",
    "severity",
    "importance",
    "finding",
    "entity",
    "horizon",
    "time_to_breach",
];

/// What begins the name of a label.
pub(super) const LABEL: &str = "labels.";

/// Refuses a text with a name that nothing is put in for.
pub(super) fn check(text: &str, labels: &BTreeMap<String, String>, path: &str) -> Result<(), Problem> {
    let is_known = |name: &str| match name.strip_prefix(LABEL) {
        Some(label) => labels.contains_key(label),
        None => NAMES.contains(&name),
    };
    let Some(unknown) = pieces(text).find_map(|piece| match piece {
        Piece::Name(name) if !is_known(name) => Some(name),
        _ => None,
    }) else {
        return Ok(());
    };
    let list = NAMES.map(|name| format!("{{{name}}}")).join(", ");
    let message = format!("unknown name {{{unknown}}}; expected one of {list}, {{labels.NAME}} of the rule's own");
    Err(Problem { nearest: nearest(unknown, NAMES), ..Problem::at(path, message) })
}

/// The text with what `value_of` gives for each name.
pub(super) fn render(text: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let each = pieces(text).map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Name(name) => value_of(name).unwrap_or_default(),
    });
    each.collect()
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Braces around anything but a name are text.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = name_at_start(rest) {
            rest = &rest[name.len() + 2..];
            return Some(Piece::Name(name));
        }
        let starts = rest.char_indices().skip(1).find(|&(at, _)| name_at_start(&rest[at..]).is_some());
        let (before, after) = rest.split_at(starts.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(Piece::Text(before))
    })
}

fn name_at_start(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        render(text, |name| match name {
            "agent" => Some("{value}".to_owned()),
            "value" => Some("0.5".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn n1_names_are_put_in_once() {
        let cases = [
            ("", ""),
            ("plain {", "plain {"),
            ("{agent}: {value}{value}", "{value}: 0.50.5"),
            ("{{value}}", "{0.5}"),
            ("{region}é{value", "é{value"),
            ("{not a name} {}", "{not a name} {}"),
        ];
        for (text, want) in cases {
            assert_eq!(rendered(text), want, "{text}");
        }
    }

    #[test]
    fn a_name_that_nothing_is_put_in_for_is_refused() {
        let labels = [("team".to_owned(), "core".to_owned())].into();
        assert_eq!(check("{agent} of {labels.team}, 100 %", &labels, "p"), Ok(()));
        let problem = check("{vlaue}", &labels, "p").expect_err("no such name");
        assert_eq!((problem.path.as_str(), problem.nearest.as_deref()), ("p", Some("value")));
        assert!(check("{labels.tema}", &labels, "p").is_err());
    }
}
