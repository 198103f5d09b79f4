//! Exit codes, so that scripts and supervisors can tell what went wrong: those of sysexits, and 1 for a check that
//! did not pass.

use crate::config::ConfigError;
use crate::diagnostic::ProblemKind;
use crate::terminal::{self, Tone, toned};
use std::process::ExitCode;
use tidegauge_kafka::admin::AdminError;
use tidegauge_kafka::client::{Unavailable, Why};

/// What an exit code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// A verification ran and failed.
    VerificationFailed = 1,
    /// The command was used wrongly.
    Usage = 64,
    /// The input data is wrong.
    Data = 65,
    /// An input file is not there or cannot be read.
    NoInput = 66,
    /// A service that is needed does not answer.
    Unavailable = 69,
    /// tidegauge itself failed.
    Internal = 70,
    /// The configuration or a policy is wrong.
    Config = 78,
    /// Ctrl-C before a check was done: it neither passed nor failed.
    Interrupted = 130,
}

/// An error that says with which code to exit.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What kind of thing it was, where that has a code of its own.
    pub kind: Option<ProblemKind>,
}

impl Failure {
    /// An error with that code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: None }
    }

    /// The same, of that kind.
    #[must_use]
    pub fn of_kind(self, kind: ProblemKind) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

/// The code for an error: that of the outermost cause that has one.
#[must_use]
pub fn code_of(error: &anyhow::Error) -> Code {
    let codes = error.chain().filter_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            Some(failure.code)
        } else if cause.is::<ConfigError>() {
            Some(Code::Config)
        } else if cause.is::<Unavailable>() || cause.is::<AdminError>() {
            Some(Code::Unavailable)
        } else {
            None
        }
    });
    codes.into_iter().next().unwrap_or(Code::Internal)
}

/// Whether the reader of our output has gone away, as `head` does: no failure.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What kind of thing went wrong, where that has a code of its own and was not told already.
fn kind_of(error: &anyhow::Error) -> Option<ProblemKind> {
    error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.kind;
        }
        cause.downcast_ref::<Unavailable>().map(|unavailable| match unavailable.why() {
            Why::NoAnswer => ProblemKind::NoBroker,
            Why::Login => ProblemKind::LoginRefused,
            Why::Certificate => ProblemKind::CertificateRefused,
        })
    })
}

/// The error with its causes, its code, and what to do about it.
fn told(error: &anyhow::Error, colours: bool) -> String {
    let config = error.chain().find_map(|cause| cause.downcast_ref::<ConfigError>());
    match (config, kind_of(error)) {
        (Some(config), _) => config.render(colours),
        (None, Some(kind)) => {
            format!("{error:#} [{kind}]\n  = {} {}\n", toned("help:", Tone::Good, colours), kind.help())
        }
        (None, None) => format!("{error:#}\n"),
    }
}

/// Prints the error with its causes, and gives the code to exit with.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let colours = terminal::has_colours_on(&std::io::stderr());
    eprint!("{} {}", toned("tidegauge:", Tone::Bad, colours), told(error, colours));
    ExitCode::from(code_of(error) as u8)
}

/// Prints help where it was asked for, else what is wrong with the command line.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told if this fails.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(Code::Usage as u8) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_that_has_a_code_decides_however_deep_it_is() {
        let wrapped = |failure: Failure| Err::<(), _>(failure).context("while sending").unwrap_err();
        assert_eq!(code_of(&wrapped(Failure::new(Code::Data, "row 3"))), Code::Data);
        assert_eq!(code_of(&anyhow::anyhow!("no code at all")), Code::Internal);
        let unavailable = Unavailable { bootstrap: "b".into(), waited: std::time::Duration::ZERO, problem: "p".into() };
        assert_eq!(code_of(&anyhow::Error::new(unavailable)), Code::Unavailable);
    }
}
