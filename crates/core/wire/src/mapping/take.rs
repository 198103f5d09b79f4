//! Parts of a text: an agent's name out of an instance's, for example.

/// Which part of a text is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    All,
    First(usize),
    Last(usize),
    /// Up to the first occurrence; all of it if there is none.
    Before(String),
    /// Up to the last occurrence; all of it if there is none.
    BeforeLast(String),
    /// From behind the first occurrence; all of it if there is none.
    After(String),
}

/// What can be written, for messages.
pub(super) const FORMS: &str = "`first N chars`, `last N chars`, `before TEXT`, `before last TEXT` or `after TEXT`";

impl Take {
    /// Reads one of [`FORMS`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let chars = |number: &str| number.parse::<usize>().ok().filter(|chars| *chars > 0);
        match words.as_slice() {
            ["first", number, "chars" | "char"] => chars(number).map(Self::First),
            ["last", number, "chars" | "char"] => chars(number).map(Self::Last),
            ["before", "last", separator] => Some(Self::BeforeLast((*separator).to_owned())),
            ["before", separator] => Some(Self::Before((*separator).to_owned())),
            ["after", separator] => Some(Self::After((*separator).to_owned())),
            _ => None,
        }
    }

    /// The part of `text`.
    #[inline]
    pub(crate) fn of<'t>(&self, text: &'t str) -> &'t str {
        match self {
            Self::All => text,
            Self::First(chars) => text.char_indices().nth(*chars).map_or(text, |(end, _)| &text[..end]),
            Self::Last(chars) => text.char_indices().nth_back(chars - 1).map_or(text, |(start, _)| &text[start..]),
            Self::Before(separator) => text.split_once(separator.as_str()).map_or(text, |(before, _)| before),
            Self::BeforeLast(separator) => text.rsplit_once(separator.as_str()).map_or(text, |(before, _)| before),
            Self::After(separator) => text.split_once(separator.as_str()).map_or(text, |(_, after)| after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_written() {
        let cases = [
            ("first 1 chars", "00800b6d2cab", Some("0")),
            ("first 3 chars", "éàü!", Some("éàü")),
            ("first 9 chars", "abc", Some("abc")),
            ("last 2 chars", "abc", Some("bc")),
            ("last 9 chars", "abc", Some("abc")),
            ("before -", "planner-7d9f-x2", Some("planner")),
            ("before last -", "planner-7d9f-x2", Some("planner-7d9f")),
            ("after /", "eu/planner", Some("planner")),
            ("after /", "planner", Some("planner")),
            ("first 0 chars", "abc", None),
            ("first chars", "abc", None),
            ("middle 3 chars", "abc", None),
        ];
        for (form, text, want) in cases {
            assert_eq!(Take::parse(form).as_ref().map(|take| take.of(text)), want, "{form} of {text}");
        }
    }
}
