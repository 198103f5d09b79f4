//! `policy`: files of policies tested, linted and imported by the real binary.

mod binary;

use binary::tidegauge;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/policies")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What `generate` prints passes, and says so with exit code 0.
#[test]
fn the_generated_policy_passes_its_generated_test() {
    let here = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(here.path().join("policies/tests")).expect("a folder");
    for (what, file) in [("policy", "policies/mine.yaml"), ("policy-test", "policies/tests/mine.test.yaml")] {
        let outcome = tidegauge(here.path(), &["generate", what], &[]);
        std::fs::write(here.path().join(file), outcome.stdout).expect("a file");
    }
    let outcome = tidegauge(here.path(), &["policy", "test", "policies/tests"], &[]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.ends_with("passed, 0 failed\n"), "{}", outcome.stdout);

    // One number more, and it fails with 1, in every format.
    let policy = std::fs::read_to_string(here.path().join("policies/mine.yaml")).expect("a file");
    let wrong = policy.replace("value: 50,", "value: 25,");
    assert_ne!(wrong, policy);
    std::fs::write(here.path().join("policies/mine.yaml"), wrong).expect("a file");
    let run = |format: &str| tidegauge(here.path(), &["policy", "test", "policies/tests", "--format", format], &[]);
    let (text, object, junit) = (run("text"), run("json"), run("junit"));
    assert_eq!([text.code, object.code, junit.code], [1, 1, 1]);
    assert!(text.stdout.contains("desired  ") && text.stdout.contains("expected 6"), "{}", text.stdout);
    assert!(text.stderr.contains("policy tests failed"), "{}", text.stderr);
    assert!(json(&object.stdout)["tests"][0]["failed"][0]["place"].is_string());
    assert!(junit.stdout.contains("<failure message="), "{}", junit.stdout);
}

#[test]
fn what_cannot_be_tested_is_named() {
    let here = tempfile::tempdir().expect("a folder");
    let outcome = tidegauge(here.path(), &["policy", "test", "none.yaml"], &[]);
    assert_eq!(outcome.code, 66, "{}", outcome.stderr);
    let file =
        "apiVersion: tidegauge.io/v1\nkind: PolicyTest\npolicies: [none.yaml]\ntests: [{ name: t, instance: 2 }]\n";
    std::fs::write(here.path().join("t.yaml"), file).expect("a file");
    let outcome = tidegauge(here.path(), &["policy", "test", "t.yaml"], &[]);
    assert_eq!(outcome.code, 78, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("t.yaml:4:20: tests[0].instance: unknown key"), "{}", outcome.stderr);
}

#[test]
fn warnings_have_place_code_and_advice_and_fail_where_that_was_said() {
    let guides = examples().join("guides");
    let file = guides.join("hpa-with-memory.yaml").display().to_string();
    let lint = |more: &[&str]| tidegauge(Path::new("."), &[&["policy", "lint", &file], more].concat(), &[]);
    let calm = lint(&[]);
    assert_eq!(calm.code, 0, "{}", calm.stderr);
    assert!(calm.stdout.contains("hpa-with-memory.yaml:15:7: PL05 memory-objective: "), "{}", calm.stdout);
    assert!(calm.stdout.ends_with("1 file, 1 warning\n"), "{}", calm.stdout);
    assert_eq!(lint(&["--deny"]).code, 1);
    assert_eq!(json(&lint(&["--output", "json"]).stdout)["warnings"][0]["code"], "PL05");
    let explained = tidegauge(Path::new("."), &["explain", "PL05"], &[]);
    assert!(explained.stdout.starts_with("PL05 memory-objective: "), "{}", explained.stdout);
    let here = tempfile::tempdir().expect("a folder");
    let validated = tidegauge(here.path(), &["validate", "--policy", &file], &[]);
    assert!(validated.stdout.contains("1 warning: `tidegauge policy lint FILE…`"), "{}", validated.stdout);
    let muting = examples().join("alerts-findings.yaml").display().to_string();
    let muted = tidegauge(here.path(), &["validate", "--set", &format!("alerts.path={muting}")], &[]).stdout;
    for (what, name) in [("silences", "database-move"), ("inhibitions", "silent-agent")] {
        let said = |line: &str| line.split_whitespace().eq(["ok", what, name]);
        assert!(muted.lines().any(said), "{muted}");
    }
}

/// The policy on standard output is one, and what was lost is told beside it.
#[test]
fn an_imported_hpa_is_a_policy_that_validates() {
    let here = tempfile::tempdir().expect("a folder");
    let manifest = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: web }\nspec:\n  \
                    scaleTargetRef: { name: web }\n  minReplicas: 0\n  maxReplicas: 9\n";
    std::fs::write(here.path().join("hpa.yaml"), manifest).expect("a file");
    let outcome = tidegauge(here.path(), &["policy", "import", "hpa.yaml"], &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("hpa.yaml:6:16: spec.minReplicas: 0 is kept"), "{}", outcome.stderr);
    std::fs::write(here.path().join("web.yaml"), &outcome.stdout).expect("a file");
    let validated = tidegauge(here.path(), &["validate", "--policy", "web.yaml"], &[]);
    assert_eq!(validated.code, 0, "{}{}", validated.stdout, validated.stderr);
}

#[test]
fn the_schemas_are_the_published_ones() {
    for (kind, arguments) in [
        ("policy", &[][..]),
        ("policy", &["policy"]),
        ("alerts", &["alerts"]),
        ("signal", &["signal"]),
        ("quota", &["quota"]),
    ] {
        let printed = tidegauge(Path::new("."), &[&["policy", "schema"], arguments].concat(), &[]).stdout;
        let published = examples().join(format!("../../schemas/{kind}.schema.json"));
        assert_eq!(printed, std::fs::read_to_string(published).expect("the schema"), "{kind}");
    }
}
