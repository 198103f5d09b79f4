//! The demo as a user runs it: what it exits with, how Ctrl-C ends it, and its view on a terminal, which tmux plays.

mod binary;
mod tmux;

use binary::tidegauge;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tmux::Terminal;

/// How long the demo takes here: a whole day of its fleet.
const SECONDS: &str = "75";
/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(120);

const AGENTS: [&str; 4] = ["coder", "planner", "retriever", "summarizer"];

#[test]
fn agents_are_scaled_up_and_down_and_it_exits_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = tidegauge(folder.path(), &["demo", "--no-tty", "--seconds", SECONDS], &[]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let (_, summary) = outcome.stdout.split_once("summary after ").expect("a summary");
    let words: Vec<Vec<&str>> = summary.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    let agents: Vec<&str> = words.iter().map(|words| words[0]).collect();
    assert_eq!(agents, AGENTS, "{summary}");
    assert!(words.iter().all(|words| words.last() == Some(&"well")), "{summary}");
    for told in ["burst: ", "hotspot: ", "failure: ", "bad records: ", "could not be read", "  done "] {
        assert!(outcome.stdout.contains(told), "`{told}` is not in\n{}", outcome.stdout);
    }
}

#[test]
fn nobody_obeys_and_it_exits_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = tidegauge(folder.path(), &["demo", "--no-tty", "--no-actuate", "--seconds", SECONDS], &[]);
    assert_eq!(outcome.code, 1, "{}\n{}", outcome.stdout, outcome.stderr);
    for agent in &AGENTS[..3] {
        assert!(outcome.stderr.contains(&format!("{agent} was never scaled up")), "{}", outcome.stderr);
    }
    assert!(outcome.stdout.contains("  up   3 → "), "decided, and yet not obeyed\n{}", outcome.stdout);
}

/// A demo without a terminal.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegauge"));
        command.args(["demo", "--no-tty"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, out }
    }

    fn wait_for_line(&mut self, with: &str) {
        let mut line = String::new();
        while !line.contains(with) {
            line.clear();
            let read = self.out.read_line(&mut line).expect("text");
            assert!(read > 0, "it ended before it said `{with}`");
        }
    }

    fn signal(&self, signal: &str) {
        assert!(kill(signal, &self.child.id().to_string()), "a child of ours");
    }

    /// All that it still says, and how it ended.
    fn end(mut self) -> (String, ExitStatus) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("a child of ours"))
    }
}

fn kill(signal: &str, process: &str) -> bool {
    Command::new("kill").args([signal, process]).status().is_ok_and(|status| status.success())
}

#[test]
fn ctrl_c_ends_it_at_any_moment() {
    // arguments, after which line, exit code
    let cases: [(&[&str], &str, i32); 3] =
        [(&[], "a day in", 0), (&[], "req/s", 0), (&["--seconds", "600"], "req/s", 130)];
    for (arguments, after, code) in cases {
        let mut demo = Demo::start(arguments);
        demo.wait_for_line(after);
        demo.signal("-INT");
        let (rest, status) = demo.end();
        assert_eq!(status.code(), Some(code), "{arguments:?} after `{after}`\n{rest}");
        assert!(rest.contains("summary after "), "{arguments:?} after `{after}`\n{rest}");
    }
}

/// How the viewer leaves.
enum Leave {
    Key(&'static str),
    Signal(&'static str),
}

#[test]
fn the_view_is_driven_by_keys_and_leaves_the_terminal_whole() {
    if !Terminal::is_installed("the_view_is_driven_by_keys_and_leaves_the_terminal_whole") {
        return;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| drive(80, 24, &Leave::Key("q")));
        scope.spawn(|| drive(200, 50, &Leave::Key("C-c")));
        scope.spawn(|| drive(120, 40, &Leave::Signal("-TERM")));
    });
}

/// What stands on the screen whatever the fleet does.
fn fixed(width: u16) -> &'static [&'static str] {
    match width {
        80 => &[
            " tidegauge demo   day ",
            "load rises",
            "LOAD req/s     UTILIZATION     p95 RESPONSE    INSTANCES",
            "── decisions that changed something, the newest first ─",
            "── alerts: ",
            " ↑↓ agent  b burst  k kill  a actuation off  p next preset  ? help  q quit",
        ],
        _ => &[
            " tidegauge demo      time of day ",
            "load rises",
            "LOAD req/s",
            "INSTANCES",
            "── decisions that changed something, the newest first ─",
            "── alerts: ",
            "q quit",
        ],
    }
}

fn drive(width: u16, height: u16, leave: &Leave) {
    let terminal = Terminal::open(width, height);
    let folder = terminal.folder().to_owned();
    terminal.type_line(&format!(
        "stty -a > before; sh -c 'echo $$ > pid; exec \"{}\" demo'; echo $? > code; stty -a > after; touch ended",
        env!("CARGO_BIN_EXE_tidegauge")
    ));

    let screen = terminal.wait_for("a decision that was carried out", |screen| screen.contains(" applied "));
    for part in fixed(width) {
        assert!(screen.contains(part), "`{part}` is not on\n{screen}");
    }
    let places: Vec<_> = AGENTS.iter().map(|agent| screen.find(agent)).collect();
    assert!(places.iter().all(Option::is_some), "{screen}");
    assert_eq!(terminal.ask("#{alternate_on} #{cursor_flag}"), "1 0", "its own screen, and no cursor");

    let steps = [
        ("Down", "▸ planner"),
        ("b", "burst: planner is asked 3 times as much"),
        ("k", "failure: planner-"),
        ("p", "preset aggressive"),
        ("a", "actuation OFF"),
        ("?", "what you see, and what you can do"),
    ];
    for (key, then) in steps {
        terminal.press(key);
        terminal.wait_for(then, |screen| screen.contains(then));
    }
    terminal.press("Escape");
    terminal.wait_for("the help closed", |screen| !screen.contains("what you see, and what you can do"));

    match leave {
        Leave::Key(key) => terminal.press(key),
        Leave::Signal(signal) => assert!(kill(signal, read(&folder, "pid").trim()), "a child of ours"),
    }
    let screen = terminal.wait_for("the end", |_| folder.join("ended").exists());
    assert_eq!(read(&folder, "code").trim(), "0", "{screen}");
    assert_eq!(read(&folder, "after"), read(&folder, "before"), "the terminal's settings");
    assert_eq!(terminal.ask("#{alternate_on} #{cursor_flag}"), "0 1", "the screen as it was, and a cursor");
    let screen = terminal.wait_for("the summary", |screen| screen.contains("summary after "));
    assert!(!screen.contains("panicked") && !screen.contains("ERROR"), "{screen}");
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Asks again and again until there is an answer.
fn wait<T>(what: &str, ask: impl Fn() -> Result<T, String>) -> T {
    let since = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if since.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}\n{last}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
