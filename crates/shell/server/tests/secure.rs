//! TLS and SCRAM to a real broker, with certificates made here: with the right ones a whole run decides, and every wrong
//! one is a clear error within seconds, for every command that asks a broker.

mod support;

use std::path::Path;
use support::broker::{skipped, unique};
use support::certificates::{Authority, Valid};
use support::own_broker::OwnBroker;
use support::process::Deployment;

const USER: &str = "tidegauge";
const PASSWORD: &str = "the-password-of-this-test";
const WRONG_PASSWORD: &str = "another-password-of-this-test";

/// How a client comes to the secure listener.
#[derive(Clone)]
struct Way {
    bootstrap: String,
    ca_file: String,
    password_file: String,
}

impl Way {
    fn flags(&self) -> Vec<String> {
        let set = [
            ("kafka.security.protocol", "sasl_ssl"),
            ("kafka.security.mechanism", "SCRAM-SHA-256"),
            ("kafka.security.username", USER),
            ("kafka.security.ca_file", &self.ca_file),
            ("kafka.security.password_file", &self.password_file),
            // A name of this host may have an address that the broker does not listen on.
            ("kafka.properties.broker.address.family", "v4"),
        ];
        let set = set.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
        ["--bootstrap".to_owned(), self.bootstrap.clone()].into_iter().chain(set).collect()
    }

    /// Runs a command this way: its exit code, standard output and standard error, none of which holds a password.
    fn execute(&self, deployment: &Deployment, arguments: &[&str]) -> (Option<i32>, String, String) {
        let flags = self.flags();
        let arguments: Vec<&str> = arguments.iter().copied().chain(flags.iter().map(String::as_str)).collect();
        let (status, finished) = deployment.execute(&arguments);
        for secret in [PASSWORD, WRONG_PASSWORD] {
            let said = [&finished.stdout, &finished.stderr].iter().any(|text| text.contains(secret));
            assert!(!said, "{arguments:?}: a password was printed\n{}{}", finished.stdout, finished.stderr);
        }
        (status.code(), finished.stdout, finished.stderr)
    }

    fn succeed(&self, deployment: &Deployment, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.execute(deployment, arguments);
        assert_eq!(code, Some(0), "{arguments:?}\n{stdout}{stderr}");
        stdout
    }
}

#[test]
fn tls_and_scram_let_the_right_ones_in_and_nobody_else() {
    let name = "TLS and SCRAM";
    let folder = tempfile::tempdir().expect("a folder");
    let authorities = ["authority", "another"].map(|name| Authority::new(&folder.path().join(name)));
    let [Some(authority), Some(another)] = authorities else {
        assert!(std::env::var("TIDEGAUGE_REQUIRE_PARTS").as_deref() != Ok("1"), "openssl is required here");
        return skipped(name, "there is no openssl");
    };
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let authority_file = authority.certificate();
    let Some(own) = OwnBroker::start_secure(name, &authority_file, &authority.broker(Valid::Now), PASSWORD) else {
        return;
    };
    let address = own.secure_address();
    let right = Way {
        bootstrap: address.clone(),
        ca_file: authority_file.display().to_string(),
        password_file: write("password", &format!("{PASSWORD}\n")),
    };
    let deployment = decides(&own, &right);

    let port = address.rsplit_once(':').expect("host:port").1;
    let wrong_ones = [
        ("a wrong password", Way { password_file: write("wrong", WRONG_PASSWORD), ..right.clone() }, "TG2002"),
        (
            "an unknown authority",
            Way { ca_file: another.certificate().display().to_string(), ..right.clone() },
            "TG2003",
        ),
        ("another host name", Way { bootstrap: format!("localhost:{port}"), ..right.clone() }, "TG2003"),
    ];
    let commands: [&[&str]; 4] = [
        &["run", "--until-end"],
        &["validate", "--online"],
        &["tail", "decisions"],
        &["topics", "ensure", "--dry-run"],
    ];
    for (what, way, code) in &wrong_ones {
        std::thread::scope(|scope| {
            for command in commands {
                let deployment = &deployment;
                scope.spawn(move || refused(deployment, what, way, command, code));
            }
        });
    }
    own.replace_certificate(&authority.broker(Valid::Long));
    refused(&deployment, "an expired certificate", &right, &["run", "--until-end"], "TG2003");

    // What can be told without the broker is told at once, and is the configuration's fault.
    let no_certificate = Way { ca_file: write("no.crt", "nothing of the kind"), ..right.clone() };
    let no_password = Way { password_file: "absent".to_owned(), ..right.clone() };
    for (what, way, key) in
        [("no certificate", &no_certificate, "kafka"), ("no password", &no_password, "kafka.security.password_file")]
    {
        let (code, _, stderr) = way.execute(&deployment, &["run"]);
        assert_eq!(code, Some(78), "{what}\n{stderr}");
        assert!(stderr.contains(key), "{what}\n{stderr}");
    }
}

/// Telemetry in, decisions out, and every command on the way, all through the secure listener.
fn decides(own: &OwnBroker, way: &Way) -> Deployment {
    let telemetry = unique("secure.telemetry");
    own.broker.create_telemetry(&telemetry, 2, &[]);
    let deployment = Deployment::new(
        &own.broker,
        &telemetry,
        "policies: {paths: [policy.yaml]}\n",
        &[("policy.yaml", include_str!("../../../../examples/policies/hpa-cpu-memory.yaml"))],
    );
    let fleet = way.succeed(&deployment, &["generate", "telemetry", "--agents", "1", "--seconds", "900"]);
    let fleet = deployment.write("fleet.jsonl", &fleet).display().to_string();
    way.succeed(&deployment, &["produce", "--jsonl", &fleet]);
    way.succeed(&deployment, &["validate", "--online"]);
    way.succeed(&deployment, &["run", "--until-end"]);
    let decisions = way.succeed(&deployment, &["tail", "decisions", "--from", "beginning", "--output", "json"]);
    assert!(decisions.lines().count() > 1, "nothing was decided: {decisions}");
    let status = way.succeed(&deployment, &["status", "--target", "default/agent-0"]);
    assert!(status.contains("✓ policy: "), "{status}");
    way.succeed(&deployment, &["replay", "--verify"]);
    deployment
}

/// A command that ends by itself with 69, says the code, and what to do.
fn refused(deployment: &Deployment, what: &str, way: &Way, command: &[&str], code: &str) {
    let (exit, stdout, stderr) = way.execute(deployment, command);
    assert_eq!(exit, Some(69), "{what}, {command:?}\n{stdout}{stderr}");
    let last = stderr.lines().skip_while(|line| !line.starts_with("tidegauge: ")).collect::<Vec<_>>();
    let [message, help] = last[..] else { panic!("{what}, {command:?}: expected a message and help\n{stderr}") };
    assert!(message.ends_with(&format!("[{code}]")), "{what}, {command:?}: {message}");
    assert!(message.contains(&way.bootstrap) && !message.contains("answered"), "{what}, {command:?}: {message}");
    assert!(help.trim_start().starts_with("= help: "), "{what}, {command:?}: {help}");
}

/// The listener that `scripts/kafka up --secure` makes for everybody.
#[test]
fn the_script_s_own_secure_listener_lets_its_user_in() {
    let setting = |name: &str| std::env::var(format!("TIDEGAUGE_TEST_KAFKA_{name}")).ok().filter(|it| !it.is_empty());
    let (Some(bootstrap), Some(ca_file), Some(password_file)) =
        (setting("SASL"), setting("CA"), setting("PASSWORD_FILE"))
    else {
        assert!(std::env::var("TIDEGAUGE_REQUIRE_PARTS").as_deref() != Ok("1"), "a secure listener is required here");
        return skipped(
            "the secure listener",
            "needs a broker of `scripts/kafka up --secure`; scripts/test starts one",
        );
    };
    assert!(Path::new(&ca_file).is_file());
    let flags = Way { bootstrap, ca_file, password_file }.flags();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegauge"));
    let output = command.args(["topics", "ensure", "--dry-run", "--telemetry-partitions", "1"]).args(flags).output();
    let output = output.expect("the binary");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
