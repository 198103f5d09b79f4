//! A broker that belongs to one test, which may stop it: `scripts/kafka` with a data folder of its own.

use super::broker::Broker;
use std::path::{Path, PathBuf};
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

    /// A fresh one with a second listener that takes TLS and SCRAM-SHA-256 only: with that certificate, and a user
    /// `tidegauge` with that password.
    pub(crate) fn start_secure(test: &str, authority: &Path, certificate: &str, password: &str) -> Option<Self> {
        Broker::find(test)?;
        let folder = tempfile::tempdir().expect("a folder");
        let mut own = Self { broker: Broker { address: String::new() }, folder };
        std::fs::create_dir_all(own.secure()).expect("a folder");
        let authority = std::fs::read(authority).expect("a certificate");
        // The script makes only what is not there, and takes the last of these for the sign that all are.
        for (file, bytes) in [
            ("ca.crt", &authority[..]),
            ("broker.pem", certificate.as_bytes()),
            ("password", password.as_bytes()),
            ("client.properties", b"# the test has clients of its own\n"),
        ] {
            std::fs::write(own.secure().join(file), bytes).expect("a file");
        }
        own.broker.address = own.up_secure("BOOTSTRAP=");
        Some(own)
    }

    /// Where the listener with TLS and SCRAM is.
    pub(crate) fn secure_address(&self) -> String {
        self.up_secure("SASL_BOOTSTRAP=")
    }

    /// Stops it, and starts it again with another certificate.
    pub(crate) fn replace_certificate(&self, certificate: &str) {
        self.stop();
        std::fs::write(self.secure().join("broker.pem"), certificate).expect("a file");
        self.up_secure("BOOTSTRAP=");
    }

    fn secure(&self) -> PathBuf {
        self.folder.path().join("kafka/secure")
    }

    /// Starts it, if it does not run, and returns the answer that begins so.
    fn up_secure(&self, answer: &str) -> String {
        let answers = self.script(&["up", "--port", "auto", "--secure"]);
        let line = answers.lines().find_map(|line| line.strip_prefix(answer));
        line.expect("up says where the broker is").to_owned()
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
