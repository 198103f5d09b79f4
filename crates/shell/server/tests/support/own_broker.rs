//! A broker that belongs to one test, which may stop it: `scripts/kafka` with a data folder of its own.

use super::broker::Broker;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Stopped, and its data deleted, when dropped.
pub(crate) struct OwnBroker {
    pub(crate) broker: Broker,
    folder: TempDir,
}

impl OwnBroker {
    /// A fresh one, with settings of Kafka's besides those that all test brokers have. `None` where tests are to run
    /// without brokers, which is said aloud.
    pub(crate) fn start(test: &str, settings: &[&str]) -> Option<Self> {
        Broker::find(test)?;
        let folder = tempfile::tempdir().expect("a folder");
        let mut own = Self { broker: Broker { address: String::new() }, folder };
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let answers = own.script(&[&["up", "--port", "auto"], settings.as_slice()].concat());
        let address = answers.lines().find_map(|line| line.strip_prefix("BOOTSTRAP="));
        address.expect("up says where the broker is").clone_into(&mut own.broker.address);
        Some(own)
    }

    /// Stops it as an operator would; its data stay.
    pub(crate) fn stop(&self) {
        self.script(&["down"]);
    }

    /// Starts it again where it was, and waits until it answers.
    pub(crate) fn start_again(&self) {
        self.script(&["up"]);
    }

    fn script(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("scripts/kafka");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/kafka {arguments:?}: {}\n{said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/kafka"));
        command.args(arguments).env("DATA_DIR", self.folder.path().join("kafka"));
        for name in ["PORT", "NODES", "SECURE"] {
            command.env_remove(name);
        }
        command
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = self.command(&["clean"]).output();
    }
}
