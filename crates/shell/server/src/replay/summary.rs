//! What a replay came to, in one form of [`Form`]: a line or a few for people, an object for programs.

use super::compare::Tally;
use super::kind::{KINDS, Kind};
use crate::commands;
use crate::output::Form;
use serde_json::{Map, Value, json};

/// What was replayed, and in what time.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// For people, without a full stop.
    pub(super) text: String,
    /// The same in figures.
    pub(super) figures: Value,
}

/// Prints what came of a replay: `text`, or `object` with the extent in it.
pub(super) fn print(form: Form, text: String, mut object: Value, extent: &Extent) -> anyhow::Result<()> {
    object["extent"] = extent.figures.clone();
    commands::print(&form.text(&object, |_| text)?)
}

/// Comparisons of the `kinds` by their names.
pub(super) fn tallies(kinds: &[Kind], tallies: &[Tally; KINDS]) -> Value {
    let entry = |kind: &Kind| {
        let Tally { equal, different, repeated, removed } = tallies[kind.number()];
        let figures = json!({ "equal": equal, "different": different, "repeated": repeated, "removed": removed });
        (kind.plural().to_owned(), figures)
    };
    kinds.iter().map(entry).collect::<Map<_, _>>().into()
}
