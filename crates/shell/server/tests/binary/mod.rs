//! The real binary, run in a folder of its own.

use std::path::Path;
use std::process::Command;

/// What a run of the binary came to.
pub(crate) struct Outcome {
    /// Its exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs `tidegauge` with `arguments` in `folder`, with no settings but those of `environment`.
pub(crate) fn tidegauge(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    let set = std::env::vars_os().map(|(name, _)| name);
    for name in set.filter(|name| name.to_string_lossy().starts_with("TIDEGAUGE")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).envs(environment.iter().copied());
    let output = command.output().expect("the binary was built for this test");
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
