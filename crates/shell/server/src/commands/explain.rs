//! `explain`: what a code of an error message means, and what to do.

use crate::cli::ExplainArgs;
use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone};
use serde_json::{Value, json};

/// Runs the command.
///
/// # Errors
///
/// If there is no such code, with [`Code::Usage`], or standard output fails.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let Some(code) = &args.code else {
        let all: Vec<_> = ProblemKind::ALL.iter().copied().map(object).collect();
        return super::print(&args.output.text(&all, list)?);
    };
    let kind = ProblemKind::of_code(code).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!("expected a code such as TG1003, found `{code}`; `tidegauge explain` lists all"),
        )
    })?;
    super::print(
        &args.output.text(&object(kind), |_| format!("{kind}: {}\nWhat to do: {}.\n", kind.title(), kind.help()))?,
    )
}

fn object(kind: ProblemKind) -> Value {
    json!({ "code": kind.code(), "meaning": kind.title(), "help": kind.help() })
}

fn list(colours: bool) -> String {
    let row = |kind: &ProblemKind| [kind.code(), kind.title()].map(|text| (text.to_owned(), Tone::Plain)).into();
    terminal::table(&["CODE", "MEANING"], &ProblemKind::ALL.iter().map(row).collect::<Vec<_>>(), colours)
}
