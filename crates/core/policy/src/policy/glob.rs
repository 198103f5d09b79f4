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
}
