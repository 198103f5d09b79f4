//! A real Prometheus, and promtool: `scripts/parts/prometheus`, with a data folder of its own.

use super::broker::skipped;
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What it has not seen by then it will not see.
const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Runs promtool in `deploy/prometheus`; fails with what it says if it refuses.
pub(crate) fn promtool(test: &str, arguments: &[&str], input: &str) {
    let Some(program) = program("promtool", test) else { return };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root().join("deploy/prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("promtool reads its input");
    let output = child.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}\n{said}\n{input}");
}

/// A program of Prometheus: of the folder that `TIDEGAUGE_TEST_PROMETHEUS` names, else of the PATH. Without it the test
/// is skipped, aloud; where `TIDEGAUGE_REQUIRE_PARTS` is 1 that is a failure.
pub(crate) fn program(name: &str, test: &str) -> Option<PathBuf> {
    let of_parts = std::env::var_os("TIDEGAUGE_TEST_PROMETHEUS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_path = std::env::split_paths(&path);
    let found = of_parts.into_iter().chain(of_path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "{test} needs {name}: scripts/parts/prometheus install, then TIDEGAUGE_TEST_PROMETHEUS=its folder"
        );
        skipped(test, &format!("no {name}; set TIDEGAUGE_TEST_PROMETHEUS to its folder, as scripts/test does"));
    }
    found
}

/// One that runs; stopped, and its data deleted, when dropped.
pub(crate) struct Prometheus {
    url: String,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` every second and evaluates the rules of this repository. `None`: the test is skipped.
    pub(crate) fn start(test: &str, target: SocketAddr) -> Option<Self> {
        let programs = program("prometheus", test)?.parent().expect("a folder").to_owned();
        let mut own = Self { url: String::new(), folder: tempfile::tempdir().expect("a folder") };
        let output = own
            .script(&["up", "--port", "auto", "--rules"])
            .arg(root().join("deploy/prometheus/alerts.yaml"))
            .arg(target.to_string())
            .env("PATH", with_folder(&programs))
            .output()
            .expect("scripts/parts/prometheus");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "scripts/parts/prometheus up: {}\n{said}", output.status);
        let answers = String::from_utf8_lossy(&output.stdout).into_owned();
        let url = answers.lines().find_map(|line| line.strip_prefix("URL="));
        url.expect("up says where it is").clone_into(&mut own.url);
        Some(own)
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("scripts/parts/prometheus"));
        command.args(arguments).env("DATA_DIR", self.folder.path().join("prometheus")).env_remove("PORT");
        command.stdin(Stdio::null());
        command
    }

    /// What its HTTP API answers: `data`, or why it refuses.
    pub(crate) fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "10", "--get"]);
        for (name, value) in query {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = command.arg(format!("{}{path}", self.url)).output().expect("curl");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// The values of an expression, now.
    pub(crate) fn values(&self, expression: &str) -> Result<Vec<f64>, String> {
        let data = self.ask("/api/v1/query", &[("query", expression)])?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str().and_then(|text| text.parse().ok());
        Ok(series.iter().filter_map(value).collect())
    }

    /// Waits until an expression has a value that is not 0.
    pub(crate) fn wait_for(&self, expression: &str) {
        let begin = Instant::now();
        while !self.values(expression).is_ok_and(|values| values.iter().any(|value| *value != 0.0)) {
            assert!(begin.elapsed() < PATIENCE, "{expression} is still {:?}", self.values(expression));
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.script(&["down"]).output();
    }
}

fn with_folder(first: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(first.to_owned()).chain(std::env::split_paths(&path))).expect("a path")
}
