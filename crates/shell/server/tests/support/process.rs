//! The real binary with a configuration of its own, its topics, and what became of it.

use super::broker::{Broker, unique};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A command that has not ended by then is killed, and the test fails.
const LONGEST: Duration = Duration::from_secs(300);
/// What a process is waited for to do; what has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let topics = [
            "shuffle",
            "windows",
            "decisions",
            "decisions_current",
            "alerts",
            "findings",
            "late",
            "dead_letters",
            "state",
            "scaling_events",
        ];
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
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
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

    /// Runs a command to its end, whatever that is.
    pub(crate) fn execute(&self, arguments: &[&str]) -> (ExitStatus, Finished) {
        let mut process = self.start(arguments, &[]);
        let status = process.wait(LONGEST);
        let finished = Finished { stdout: text_of(&process.out), stderr: process.log() };
        let status = status.unwrap_or_else(|| {
            panic!("tidegauge {arguments:?} has not ended after {LONGEST:?}\n{}", end_of(&finished.stderr))
        });
        (status, finished)
    }

    /// Starts a command, with `environment` besides the caller's. Ended when dropped, by its own id.
    pub(crate) fn start(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
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
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        let child = command.spawn().expect("the binary starts");
        Process { child, out, err, arguments: arguments.join(" ") }
    }

    /// The consumer group of a stage, `aggregate` or `decide`.
    pub(crate) fn group(&self, stage: &str) -> String {
        format!("{}-{stage}", self.name)
    }
}

/// A command that runs.
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    arguments: String,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard error so far.
    pub(crate) fn log(&self) -> String {
        text_of(&self.err)
    }

    /// Fails the test if the process has ended by itself.
    pub(crate) fn assert_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child of ours") {
            panic!("tidegauge {} has ended: {status}\n{}", self.arguments, end_of(&self.log()));
        }
    }

    /// Whether it has ended, however.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// Its log, once it has ended; it must have exited with 0.
    pub(crate) fn succeeded(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a child of ours")?;
        let log = self.log();
        assert!(status.success(), "tidegauge {}: {status}\n{}", self.arguments, end_of(&log));
        self.assert_no_panic();
        Some(log)
    }

    /// Asks it to read policies and alert rules again.
    pub(crate) fn hang_up(&self) {
        let kill = Command::new("kill").args(["-HUP", &self.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "a child of ours");
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.assert_runs();
        self.child.kill().expect("a child of ours");
        let status = self.child.wait().expect("a child of ours");
        assert!(status.signal().is_some(), "tidegauge {}: killed, and yet {status}", self.arguments);
        self.assert_no_panic();
    }

    /// Waits until it has killed itself, as it was told by `TIDEGAUGE_TEST_CRASH`.
    pub(crate) fn wait_for_crash(mut self, patience: Duration) {
        let status = self.wait(patience);
        let log = self.log();
        let status = status.unwrap_or_else(|| {
            panic!("tidegauge {} has not reached its end within {patience:?}\n{}", self.arguments, end_of(&log))
        });
        assert!(status.signal().is_some(), "tidegauge {}: {status}\n{}", self.arguments, end_of(&log));
        self.assert_no_panic();
    }

    /// Waits until something is so, while it runs.
    pub(crate) fn wait_until(&mut self, what: &str, done: impl Fn() -> bool) {
        let begin = Instant::now();
        while !done() {
            self.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a line of its log has all of these parts.
    pub(crate) fn wait_for_line(&mut self, parts: &[&str]) {
        let err = self.err.clone();
        self.wait_until(&format!("a line with {parts:?}"), || {
            text_of(&err).lines().any(|line| parts.iter().all(|part| line.contains(part)))
        });
    }

    /// Asks it to stop: it must exit with 0. Returns how long that took.
    pub(crate) fn terminate(mut self) -> Duration {
        self.assert_runs();
        let begin = Instant::now();
        let kill = Command::new("kill").arg(self.id().to_string()).status();
        assert!(kill.is_ok_and(|status| status.success()), "a child of ours");
        let status = self.wait(LONGEST);
        let log = self.log();
        assert!(status.is_some_and(|status| status.success()), "SIGTERM: {status:?}\n{}", end_of(&log));
        self.assert_no_panic();
        begin.elapsed()
    }

    /// The exit status; `None` if it runs after `patience`, and was killed.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }

    fn assert_no_panic(&self) {
        let log = self.log();
        assert!(!log.contains("panicked"), "tidegauge {} panicked\n{}", self.arguments, end_of(&log));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
