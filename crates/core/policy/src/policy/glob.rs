//! Patterns of names: `*` stands for any run of characters, `?` for any one.

use serde::Serialize;

/// A pattern; everything but `*` and `?` stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// The pattern written so.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether the whole of `name` fits. `O(pattern · name)`, no allocation: on a mismatch the last `*` takes one more.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        let mut last_star = None;
        loop {
            let name_ahead = rest.clone();
            match (pattern.next(), rest.next()) {
                (Some('*'), _) => {
                    last_star = Some((pattern.clone(), name_ahead.clone()));
                    rest = name_ahead;
                }
                (Some(wanted), Some(c)) if wanted == '?' || wanted == c => {}
                (None, None) => return true,
                _ => {
                    let Some((after_star, mut from)) = last_star.take() else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (after_star.clone(), from.clone());
                    last_star = Some((after_star, from));
                }
            }
        }
    }

    /// Whether there can be a name that fits both. `O(pattern · pattern)`: for each two rests of them, the shorter ones first,
    /// whether those meet.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let theirs: Vec<char> = other.0.chars().collect();
        // Of the row before: where nothing of ours is left, stars alone may be left of theirs.
        let mut below: Vec<bool> = (0..=theirs.len()).map(|at| theirs[at..].iter().all(|c| *c == '*')).collect();
        for ours in self.0.chars().rev() {
            let mut row = vec![ours == '*' && below[theirs.len()]; theirs.len() + 1];
            for (at, their) in theirs.iter().enumerate().rev() {
                let is_same = ours == '?' || *their == '?' || ours == *their;
                row[at] = match (ours, their) {
                    ('*', _) | (_, '*') => below[at] || row[at + 1],
                    _ => is_same && below[at + 1],
                };
            }
            below = row;
        }
        below[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_take_any_run_and_question_marks_one() {
        let cases = [
            ("*", "", true),
            ("*", "anything", true),
            ("planner", "planner", true),
            ("planner", "planner-2", false),
            ("planner-*", "planner-2", true),
            ("planner-*", "planner", false),
            ("*-gpu", "a-gpu-gpu", true),
            ("*-gpu", "a-gpu-cpu", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("sh?rd", "shärd", true),
            ("?", "", false),
            ("a**b", "ab", true),
        ];
        for (pattern, name, want) in cases {
            assert_eq!(Glob::new(pattern).matches(name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn two_patterns_meet_where_one_name_fits_both() {
        let cases = [
            ("*", "planner", true),
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("planner", "writer", false),
            ("planner-*", "*-eu", true),
            ("planner-*", "writer-*", false),
            ("a*b", "a?c", false),
            ("a*b", "a?c*b", true),
            ("*a", "a*", true),
            ("a?", "?b", true),
            ("a?", "*", true),
            ("??", "a", false),
            ("a*", "a", true),
            ("**", "?", true),
        ];
        for (one, other, want) in cases {
            let (one, other) = (Glob::new(one), Glob::new(other));
            assert_eq!((one.meets(&other), other.meets(&one)), (want, want), "{one:?} {other:?}");
        }
    }
}
