//! A terminal that a program takes part in: a session of tmux, on a server of its own.

use super::wait;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A terminal with a shell. Its server ends when it is dropped.
pub(crate) struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Without tmux a test is skipped, aloud; where `TIDEGAUGE_REQUIRE_PARTS` is 1 that is a failure.
    pub(crate) fn is_installed(test: &str) -> bool {
        if Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success()) {
            return true;
        }
        let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").is_ok_and(|value| value == "1");
        assert!(!required, "{test} needs tmux, and TIDEGAUGE_REQUIRE_PARTS is 1");
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: tmux is not installed");
        false
    }

    /// A shell on a terminal of this size, in a folder of its own.
    pub(crate) fn open(width: u16, height: u16) -> Self {
        let terminal = Self { folder: tempfile::tempdir().expect("a folder") };
        let (width, height) = (width.to_string(), height.to_string());
        let folder = terminal.folder().to_str().expect("a folder's name is text");
        let shell = "env -u NO_COLOR PS1='$ ' LC_ALL=C.UTF-8 sh";
        terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, "-c", folder, shell]);
        // No line of the terminal goes to tmux itself.
        terminal.tmux(&["set-option", "-g", "status", "off"]);
        wait("the terminal's size", || match terminal.ask("#{pane_width} #{pane_height}") {
            size if size == format!("{width} {height}") => Ok(()),
            size => Err(size),
        });
        terminal
    }

    /// The shell's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Types a line and ends it.
    pub(crate) fn type_line(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Presses a key, by tmux's name of it.
    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// What tmux knows of the terminal.
    pub(crate) fn ask(&self, what: &str) -> String {
        self.tmux(&["display-message", "-p", what]).trim_end().to_owned()
    }

    /// The screen once it is as it is wanted.
    pub(crate) fn wait_for(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        wait(what, || match self.tmux(&["capture-pane", "-p"]) {
            screen if is(&screen) => Ok(screen),
            screen => Err(screen),
        })
    }

    /// Nothing of the user's: a server of its own without their settings.
    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder().join("tmux")).args(["-u", "-f", "/dev/null"]).args(arguments);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDEGAUGE")) {
            command.env_remove(name);
        }
        let output = command.env_remove("TMUX").output().expect("tmux is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let socket = self.folder().join("tmux");
        let _ = Command::new("tmux").arg("-S").arg(socket).arg("kill-server").output(); // it is gone, or it goes
    }
}
