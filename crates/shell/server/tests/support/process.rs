//! The real binary with a configuration of its own, its topics, and what became of it.

use super::broker::{Broker, unique};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A command that has not ended by then is killed, and the test fails.
const LONGEST: Duration = Duration::from_secs(300);

/// One installation: a configuration file, a consumer group, and output topics that nobody else has.
pub(crate) struct Deployment {
    name: String,
    folder: TempDir,
}

/// What a command that ended well said.
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Deployment {
    /// Writes the configuration, `settings` (whole sections of YAML) after what every test needs, beside `files` (name
    /// and text) that it refers to, and creates the topics.
    pub(crate) fn new(broker: &Broker, telemetry: &str, settings: &str, files: &[(&str, &str)]) -> Self {
        let deployment = Self { name: unique("e2e"), folder: tempfile::tempdir().expect("a folder") };
        for (file, text) in files {
            deployment.write(file, text);
        }
        deployment.write("tidegauge.yaml", &(deployment.base(&broker.address, telemetry) + settings));
        deployment.succeed(&["topics", "ensure"]);
        deployment
    }

    fn base(&self, broker: &str, telemetry: &str) -> String {
        let topics =
            ["shuffle", "windows", "decisions", "decisions_current", "alerts", "late", "dead_letters", "state"];
        let topics: String = topics.iter().map(|what| format!("  {what}: {}\n", self.topic(what))).collect();
        format!(
            "node: {{id: {name}}}\n\
             kafka:\n  bootstrap: [\"{broker}\"]\n  group: {name}\n  startup_timeout: 30s\n  \
             properties: {{compression.type: lz4}}\n\
             topics:\n  telemetry: [{telemetry}]\n{topics}",
            name = self.name
        )
    }

    /// The name of the topic that the configuration has under `topics.<what>`.
    pub(crate) fn topic(&self, what: &str) -> String {
        format!("{}.{}", self.name, what.replace('_', "-"))
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(file);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Runs a command to its end: it must exit with 0, and nothing may have panicked on the way.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Finished {
        let (status, finished) = self.execute(arguments);
        let Finished { stderr, .. } = &finished;
        assert!(status.success(), "tidegauge {arguments:?}: {status}\n{}", end_of(stderr));
        assert!(!stderr.contains("panicked"), "tidegauge {arguments:?} panicked\n{}", end_of(stderr));
        finished
    }

    fn execute(&self, arguments: &[&str]) -> (ExitStatus, Finished) {
        // Files, since a pipe that nobody empties would stop the process.
        let label = unique(arguments[0]);
        let (out, err) =
            (self.folder.path().join(format!("{label}.out")), self.folder.path().join(format!("{label}.err")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDEGAUGE")) {
            command.env_remove(name);
        }
        command
            .arg("--config")
            .arg(self.folder.path().join("tidegauge.yaml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        let mut child = command.spawn().expect("the binary starts");
        let status = wait(&mut child);
        let finished = Finished { stdout: text_of(&out), stderr: text_of(&err) };
        let status = status.unwrap_or_else(|| {
            panic!("tidegauge {arguments:?} has not ended after {LONGEST:?}\n{}", end_of(&finished.stderr))
        });
        (status, finished)
    }
}

/// The exit status; `None` if the process had to be killed.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < LONGEST {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
