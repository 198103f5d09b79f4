//! TLS and SCRAM to a real broker: the right password gets in, a wrong one and an unknown authority do not.
//!
//! Needs the second listener of `scripts/kafka up --secure`; `scripts/test` exports where it is.

use std::path::Path;
use std::process::{Command, Output};

fn setting(name: &str) -> Option<String> {
    std::env::var(format!("TIDEGAUGE_TEST_KAFKA_{name}")).ok().filter(|value| !value.is_empty())
}

fn validate(folder: &Path, ca: &str, password_file: &str) -> Output {
    let (bootstrap, user) = (setting("SASL").expect("a listener"), setting("USER").expect("a user"));
    let config = folder.join("tidegauge.yaml");
    let text = format!(
        "kafka:\n  bootstrap: [\"{bootstrap}\"]\n  startup_timeout: 5s\n  security:\n    protocol: sasl_ssl\n    \
         mechanism: SCRAM-SHA-256\n    ca_file: {ca}\n    username: {user}\n    password_file: {password_file}\n"
    );
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    command
        .args(["topics", "ensure", "--dry-run", "--telemetry-partitions", "1", "--config"])
        .arg(config)
        .output()
        .expect("the binary")
}

#[test]
fn tls_and_scram_let_the_right_password_in_and_nothing_else() {
    let (Some(ca), Some(password_file)) = (setting("CA"), setting("PASSWORD_FILE")) else {
        assert!(std::env::var_os("TIDEGAUGE_REQUIRE_PARTS").is_none(), "no secure listener, which is required here");
        eprintln!("SKIPPED: TLS and SCRAM need a broker of `scripts/kafka up --secure`; scripts/test starts one");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let right = validate(folder.path(), &ca, &password_file);
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));

    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "not the password").expect("a file");
    let refused = validate(folder.path(), &ca, &wrong.display().to_string());
    assert_eq!(refused.status.code(), Some(69), "{}", String::from_utf8_lossy(&refused.stderr));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(!text.contains("not the password"), "the password was printed: {text}");
}
