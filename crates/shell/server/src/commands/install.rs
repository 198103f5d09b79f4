//! `completions` and `man`: what a package puts beside the binary, made from the command line itself.

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::exit::{Code, Failure};
use clap::CommandFactory as _;

/// Prints completions for a shell.
///
/// # Errors
///
/// If standard output does not take them.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidegauge", &mut script);
    super::print(&String::from_utf8(script)?)
}

/// Prints the man page of tidegauge, or writes one for each command to a folder, which is made.
///
/// # Errors
///
/// If they cannot be written.
pub fn man(args: &ManArgs) -> anyhow::Result<()> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return super::print(&String::from_utf8(page)?);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        let message = format!("expected a folder for man pages: {}: {error}", folder.display());
        Failure::new(Code::NoInput, message).into()
    })
}
