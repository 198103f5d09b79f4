//! Commands that need no broker, from the real binary: the configuration in effect, what is said of mistakes, completions,
//! man pages, and the forms of results.

mod binary;

use binary::tidegauge;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

fn folder(configuration: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("tidegauge.yaml"), configuration).expect("a temporary file");
    folder
}

/// Standard output of a command that exits with 0.
fn shown(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let outcome = tidegauge(folder, arguments, environment);
    assert_eq!(outcome.code, 0, "{arguments:?}: {}", outcome.stderr);
    outcome.stdout
}

#[test]
fn an_error_says_code_place_line_and_what_to_do() {
    let cases = [
        (
            "time:\n  pane: 10\n",
            "\
tidegauge: tidegauge.yaml:2:9: time.pane: expected a duration with its unit, such as 500ms, 10s, 5m, 1h30m or 7d, \
found `10` [TG1004]
  |
2 |   pane: 10
  |         ^^
  = help: write what was expected; durations and sizes have units, and lists are in brackets or have a dash a line
",
        ),
        (
            "# mine\ntime: {pan: 10s}\n",
            "\
tidegauge: tidegauge.yaml:2:8: time.pan: unknown key; did you mean `time.pane`? [TG1003]
  |
2 | time: {pan: 10s}
  |        ^^^
  = help: `tidegauge generate config` prints every setting; a misspelt one would otherwise keep its default unnoticed
",
        ),
    ];
    for (configuration, want) in cases {
        let here = folder(configuration);
        let outcome = tidegauge(here.path(), &["validate"], &[]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (78, want));
    }
}

/// In the file, a variable and a flag: wrong where they stand, and not repeated.
#[test]
fn a_secret_is_in_no_message() {
    let wrong = "kafka: {properties: {sasl.password: hunter2}}\ntime: {pane: 10}\n";
    let variable = ("TIDEGAUGE__KAFKA__PROPERTIES__SSL_KEY_PASSWORD", "hunter2");
    for arguments in [&["validate"][..], &["validate", "--set", "time.pane=10s"], &["config", "show", "--origin"]] {
        let outcome = tidegauge(folder(wrong).path(), arguments, &[variable]);
        assert_eq!(outcome.code, 78, "{arguments:?} {}", outcome.stdout);
        let said = outcome.stdout + &outcome.stderr;
        assert!(!said.contains("hunter2"), "{said}");
    }
    let right = "kafka: {properties: {ssl.key.password: hunter2}}\n";
    let said = shown(folder(right).path(), &["config", "show", "--origin"], &[]);
    let line = said.lines().find(|line| line.starts_with("kafka.properties.ssl.key.password ")).expect("its line");
    assert_eq!(line.split_whitespace().nth(1), Some("********"));
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_configuration_in_effect_says_where_each_value_comes_from() {
    let here = folder("time:\n  pane: 20s\nwindows:\n  - size: 1m\n    slide: 20s\nworkers: {batch: 7}\n");
    let arguments = ["config", "show", "--origin", "--bootstrap", "a:1,b:2", "--set", "workers.batch=8"];
    let environment = [("TIDEGAUGE__TIME__DISORDER", "7s")];
    let text = shown(here.path(), &arguments, &environment);
    let line = |key: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(key));
        line.unwrap_or_default().split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let cases = [
        ("time.pane", "20s tidegauge.yaml:2"),
        ("time.disorder", "7s environment variable TIDEGAUGE__TIME__DISORDER"),
        ("time.max_skew", "5m default"),
        ("windows[0].slide", "20s tidegauge.yaml:5"),
        ("windows[0].levels", "[agent, instance, entity] default"),
        ("kafka.bootstrap", "[a:1, b:2] flag --bootstrap"),
        ("workers.batch", "8 flag --set workers.batch"),
        ("ingest.mapping", "- default"),
    ];
    for (key, want) in cases {
        assert_eq!(line(key), want, "{key} in\n{text}");
    }
    let json = shown(here.path(), &[&arguments[..], &["--output", "json"]].concat(), &environment);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["workers.batch"], serde_json::json!({"value": 8, "origin": "flag --set workers.batch"}));
}

/// What is shown as YAML is a configuration that means the same; and the same in JSON.
#[test]
fn a_shown_configuration_reads_back() {
    let here = folder("time: {pane: 500ms}\nkafka: {properties: {linger.ms: 3}}\nwindows: [{size: 1m, slide: 30s}]\n");
    let environment = [("TIDEGAUGE__WORKERS__MEMORY_LIMIT", "1500 MB")];
    let first = shown(here.path(), &["config", "show", "--output", "yaml"], &environment);
    let copy = here.path().join("copy.yaml");
    std::fs::write(&copy, &first).expect("a temporary file");
    let copy = copy.display().to_string();
    let again = shown(here.path(), &["config", "show", "--output", "yaml", "--config", &copy], &[]);
    assert_eq!(again, first);
    assert!(first.contains("memory_limit: 1500000000 B"), "{first}");
    let json = shown(here.path(), &["config", "show", "--output", "json"], &environment);
    let (json, yaml): (Value, Value) =
        (serde_json::from_str(&json).expect("JSON"), serde_saphyr::from_str(&first).expect("YAML"));
    assert_eq!(json, yaml);
}

#[test]
fn results_have_the_same_content_in_every_form() {
    let here = folder("{}");
    let form = |form| shown(here.path(), &["validate", "--output", form], &[]);
    let json: Value = serde_json::from_str(&form("json")).expect("JSON");
    let yaml: Value = serde_saphyr::from_str(&form("yaml")).expect("YAML");
    assert_eq!(json, yaml);
    let table = form("table");
    for check in json["checks"].as_array().expect("checks") {
        let line = table.lines().find(|line| line.contains(check["check"].as_str().unwrap_or_default()));
        assert!(line.is_some_and(|line| line.starts_with(check["verdict"].as_str().unwrap_or_default())), "{table}");
    }
}

#[test]
fn codes_are_explained() {
    let here = folder("{}");
    let one = shown(here.path(), &["explain", "tg1003"], &[]);
    assert!(one.starts_with("TG1003: There is no such setting.\nWhat to do: "), "{one}");
    assert!(shown(here.path(), &["explain"], &[]).contains("\nTG2001  No Kafka broker answered."));
    assert_eq!(tidegauge(here.path(), &["explain", "TG9"], &[]).code, 64);
}

/// Each script names every command; bash, where it is there, takes the script and completes by it.
#[test]
fn completions_know_every_command() {
    let here = folder("{}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shown(here.path(), &["completions", shell], &[]);
        for command in ["run", "validate", "config", "replay", "completions"] {
            assert!(script.contains(command), "{shell}: no {command}");
        }
        std::fs::write(here.path().join(shell), script).expect("a temporary file");
    }
    let probe = "source ./bash; COMP_WORDS=(tidegauge sta); COMP_CWORD=1; _tidegauge tidegauge sta tidegauge; \
                 echo \"${COMPREPLY[@]}\"";
    match std::process::Command::new("bash").args(["-c", probe]).current_dir(here.path()).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "status state\n", "{output:?}"),
        Err(error) => eprintln!("SKIPPED: completing in bash: {error}"),
    }
}

#[test]
fn man_pages_are_one_for_each_command() {
    let here = folder("{}");
    assert!(shown(here.path(), &["man"], &[]).contains(".TH tidegauge 1"));
    shown(here.path(), &["man", "--out", "man/man1"], &[]);
    let entries = std::fs::read_dir(here.path().join("man/man1")).expect("the folder");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("a file").file_name().into_string().unwrap()).collect();
    names.sort();
    for page in ["tidegauge.1", "tidegauge-run.1", "tidegauge-config-show.1", "tidegauge-state-reset.1"] {
        assert!(names.iter().any(|name| name == page), "no {page} in {names:?}");
    }
    let page = std::fs::read_to_string(here.path().join("man/man1/tidegauge-state-reset.1")).expect("a page");
    assert!(page.contains("Every process of the group must have ended"), "{page}");
}

/// A terminal is needed for colours: `script` makes one.
#[test]
fn colours_are_for_terminals_and_not_where_no_color_is_set() {
    let here = folder("time: {pane: 10}");
    let binary = env!("CARGO_BIN_EXE_tidegauge");
    let on_a_terminal = |no_color: &str| {
        let mut command = std::process::Command::new("script");
        let line = format!("{binary} validate");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(here.path())
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm");
        command.output()
    };
    let Ok(coloured) = on_a_terminal("") else {
        let required = std::env::var("TIDEGAUGE_REQUIRE_PARTS").as_deref() == Ok("1");
        assert!(!required, "`script` of util-linux is required here");
        eprintln!("SKIPPED: colours on a terminal: there is no `script`, of util-linux");
        return;
    };
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text(&coloured).contains("\x1b[31m^^"), "{}", text(&coloured));
    let plain = on_a_terminal("1").expect("`script`, again");
    assert!(text(&plain).contains("^^") && !text(&plain).contains('\x1b'), "{}", text(&plain));
}
