//! `explain`: what a code of an error message means, and what to do; or how a decision came about.

mod decision;
mod life;

pub use decision::run as decision;

use crate::cli::ExplainArgs;
use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone};
use serde_json::{Value, json};
use tidegauge_policy::lint::LintCode;

/// Runs the command.
///
/// # Errors
///
/// If there is no such code, with [`Code::Usage`], or standard output fails.
pub fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let Some(code) = &args.what else {
        let lints = LintCode::ALL.iter().copied().map(of_lint);
        let all: Vec<_> = ProblemKind::ALL.iter().copied().map(object).chain(lints).collect();
        return super::print(&args.output.text(&all, list)?);
    };
    if let Some(lint) = LintCode::named(code) {
        let text = |_| format!("{} {}: {}\n", lint.code(), lint.name(), lint.title());
        return super::print(&args.output.text(&of_lint(lint), text)?);
    }
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

fn of_lint(lint: LintCode) -> Value {
    json!({ "code": lint.code(), "meaning": lint.title(), "help": "`tidegauge policy lint` says what to write instead" })
}

fn object(kind: ProblemKind) -> Value {
    json!({ "code": kind.code(), "meaning": kind.title(), "help": kind.help() })
}

fn list(colours: bool) -> String {
    let row = |words: [&str; 2]| words.map(|text| (text.to_owned(), Tone::Plain)).into();
    let problems = ProblemKind::ALL.iter().map(|kind| row([kind.code(), kind.title()]));
    let lints = LintCode::ALL.iter().map(|lint| row([lint.code(), lint.title()]));
    terminal::table(&["CODE", "MEANING"], &problems.chain(lints).collect::<Vec<_>>(), colours)
}
