//! A store that speaks S3's protocol: `scripts/parts/s3`, with a data folder of its own.

use super::broker::skipped;
use super::prometheus::root;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// One that runs; stopped, and what was in it gone, when dropped.
pub(crate) struct S3 {
    pub(crate) url: String,
    folder: TempDir,
}

impl S3 {
    /// With that bucket. Where `TIDEGAUGE_TEST_S3` does not say that it is installed the test is skipped, aloud; where
    /// `TIDEGAUGE_REQUIRE_PARTS` is 1 that is a failure.
    pub(crate) fn start(test: &str, bucket: &str) -> Option<Self> {
        if std::env::var_os("TIDEGAUGE_TEST_S3").is_none() {
            let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").is_ok_and(|value| value == "1");
            assert!(!required, "{test} needs an S3: scripts/parts/s3 install, then TIDEGAUGE_TEST_S3=its folder");
            skipped(test, "no S3; scripts/parts/s3 install, then TIDEGAUGE_TEST_S3=its folder, as scripts/test does");
            return None;
        }
        let mut own = Self { url: String::new(), folder: tempfile::tempdir().expect("a folder") };
        let output = own.script(&["up", "--port", "auto", bucket]).output().expect("scripts/parts/s3");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "scripts/parts/s3 up: {}\n{said}", output.status);
        let answers = String::from_utf8_lossy(&output.stdout).into_owned();
        let url = answers.lines().find_map(|line| line.strip_prefix("URL="));
        url.expect("up says where it is").clone_into(&mut own.url);
        Some(own)
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("scripts/parts/s3"));
        command.args(arguments).env("DATA_DIR", self.folder.path().join("s3")).env_remove("PORT");
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.script(&["down"]).output();
    }
}
