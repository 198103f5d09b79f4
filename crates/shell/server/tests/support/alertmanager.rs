//! A real Alertmanager: `scripts/parts/alertmanager`, with a data folder of its own.

use super::broker::skipped;
use super::prometheus::root;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// One that runs; stopped, and its data deleted, when dropped.
pub(crate) struct Alertmanager {
    pub(crate) url: String,
    folder: TempDir,
}

impl Alertmanager {
    /// Groups by agent, and posts what it notifies of to `webhook`. `None`: it is not built, and the test is skipped.
    pub(crate) fn start(test: &str, webhook: &str) -> Option<Self> {
        let installed = Command::new(root().join("scripts/parts/alertmanager")).arg("installed").output();
        if !installed.is_ok_and(|output| output.status.success()) {
            skipped(test, "no Alertmanager; scripts/parts/alertmanager install builds it");
            return None;
        }
        let mut own = Self { url: String::new(), folder: tempfile::tempdir().expect("a folder") };
        let output = own.script(&["up", "--port", "auto", "--webhook", webhook]).output().expect("the script");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "scripts/parts/alertmanager up: {}\n{said}", output.status);
        let answers = String::from_utf8_lossy(&output.stdout).into_owned();
        let url = answers.lines().find_map(|line| line.strip_prefix("URL="));
        url.expect("up says where it is").clone_into(&mut own.url);
        Some(own)
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("scripts/parts/alertmanager"));
        command.args(arguments).env("DATA_DIR", self.folder.path().join("alertmanager")).env_remove("PORT");
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.script(&["down"]).output();
    }
}
