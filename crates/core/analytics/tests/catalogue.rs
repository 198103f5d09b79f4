//! `docs/catalogue.md` says what there is: each module, item and test that a row names exists; what a row calls built has a
//! test; what it calls not built says with what it comes, or why it does not. Nothing is unmapped.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "this test reads the repository")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// One row of a table with four columns.
struct Row {
    line: usize,
    asked: String,
    measure: String,
    module: String,
    test: String,
}

fn rows(text: &str) -> Vec<Row> {
    let of = |(line, text): (usize, &str)| {
        let cells: Vec<&str> = text.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [asked, measure, module, test] = cells[..] else { return None };
        let is_row = module != "module" && !asked.starts_with("---");
        is_row.then(|| Row {
            line: line + 1,
            asked: asked.to_owned(),
            measure: measure.to_owned(),
            module: module.to_owned(),
            test: test.to_owned(),
        })
    };
    text.lines().enumerate().filter_map(of).collect()
}

/// How far a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// All of it is there.
    Built,
    /// Some of it is; the rest says why not.
    Part,
    /// It belongs to another part of the product, which is named.
    Other,
    /// It is left out, for a reason.
    LeftOut,
}

/// The parts of the product that rows may point to, as in the document's list of them.
const PARTS: [&str; 7] =
    ["forecasts", "anomalies", "alerts", "interfaces", "carrying out", "telemetry", "other systems"];

/// Words with which a row says that something is missing.
const MISSING: [&str; 3] = ["not built", "Not built", "no measure"];

/// How far a row is, or what it fails to say: what is missing has to be followed by "(with PART)" or by "because".
fn state_of(row: &Row) -> Result<State, String> {
    let is_missing = MISSING.iter().any(|words| row.measure.contains(words));
    if !is_missing {
        return Ok(State::Built);
    }
    let parts: Vec<&str> = row
        .measure
        .match_indices("(with ")
        .filter_map(|(at, words)| row.measure[at + words.len()..].split(')').next())
        .collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        return Err(format!("line {}: there is no part called {unknown}", row.line));
    }
    if parts.is_empty() && !row.measure.contains("because ") {
        return Err(format!("line {}: {} is missing, and not with what it comes or why not", row.line, row.asked));
    }
    let is_wholly_missing = MISSING.iter().any(|words| row.measure.starts_with(words));
    Ok(match (is_wholly_missing, parts.is_empty()) {
        (false, _) => State::Part,
        (true, false) => State::Other,
        (true, true) => State::LeftOut,
    })
}

/// What stands between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let keep = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => return true,
            _ => {}
        }
        false
    };
    text.chars().filter(keep).collect()
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        match path.extension() {
            Some(extension) if extension == "rs" => found.push(path),
            None if path.is_dir() => found.extend(sources(&path)),
            _ => {}
        }
    }
    found
}

fn source_of(name: &str) -> Option<PathBuf> {
    let root = repository().join("crates");
    ["core", "shell"].iter().map(|side| root.join(side).join(name).join("src")).find(|path| path.is_dir())
}

/// The files of a module such as `load::hotspot` or `policy::decide`, and the items that are left to be found in them.
fn module(name: &str) -> (Vec<PathBuf>, Vec<String>) {
    let mut parts: Vec<&str> = name.split("::").collect();
    let mut at = match source_of(parts[0]) {
        Some(of_crate) => {
            parts.remove(0);
            of_crate
        }
        None => source_of("analytics").expect("this crate"),
    };
    let mut files = sources(&at);
    while let Some(part) = parts.first() {
        let (file, folder) = (at.join(format!("{part}.rs")), at.join(part));
        if !file.is_file() && !folder.is_dir() {
            break;
        }
        files = sources(&folder);
        files.extend(Some(file).filter(|file| file.is_file()));
        at = folder;
        parts.remove(0);
    }
    (files, parts.into_iter().map(str::to_owned).collect())
}

fn is_word(text: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    text.match_indices(word)
        .any(|(at, _)| boundary(text[..at].chars().next_back()) && boundary(text[at + word.len()..].chars().next()))
}

/// Whether `item` is defined in one of the files: a type, a function, a constant, a field or a variant.
fn defines(files: &[PathBuf], item: &str) -> bool {
    const KINDS: [&str; 7] = ["fn ", "struct ", "enum ", "const ", "static ", "type ", "trait "];
    let is_definition = |line: &str| {
        let line = line.trim_start();
        let after = line.trim_start_matches("pub ");
        let is_member =
            after.strip_prefix(item).is_some_and(|rest| rest.trim_start().starts_with([':', '(', ',', '{', '=']));
        is_member || (is_word(line, item) && KINDS.iter().any(|kind| line.contains(&format!("{kind}{item}"))))
    };
    files.iter().any(|file| fs::read_to_string(file).expect("a source").lines().any(is_definition))
}

/// Test files by name: `tests/spread.rs`, or the folder of one in several files; each with its crate.
fn tests() -> BTreeMap<String, Vec<(String, PathBuf)>> {
    let mut found: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for file in sources(&repository().join("crates")) {
        let parts: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let Some(at) = parts.iter().rposition(|part| part == "tests") else { continue };
        if at == 0 || parts.len() <= at + 1 || parts[at - 1] == "src" {
            continue;
        }
        let name = parts[at + 1].trim_end_matches(".rs").to_owned();
        found.entry(name).or_default().push((parts[at - 1].clone(), file));
    }
    found
}

fn has_test(files: &[PathBuf], name: &str) -> bool {
    let (start, is_open) = name.split_once('…').map_or((name, false), |(start, _)| (start, true));
    files.iter().any(|file| {
        let text = fs::read_to_string(file).expect("a source");
        let wanted = format!("fn {start}");
        text.match_indices(&wanted).any(|(at, _)| is_open || text[at + wanted.len()..].starts_with('('))
    })
}

/// What is wrong with a row's modules; and their files.
fn check_modules(row: &Row, wrong: &mut Vec<String>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for name in code(&without_parentheses(&row.module)) {
        if name.contains('/') || name.ends_with(".avsc") {
            let places = [repository().join(name), repository().join("schemas").join(name)];
            if !places.iter().any(|place| place.exists()) {
                wrong.push(format!("line {}: {name} is not there", row.line));
            }
            continue;
        }
        let (files, items) = module(name);
        for item in items {
            if !defines(&files, &item) {
                wrong.push(format!("line {}: {name}: nothing there is called {item}", row.line));
            }
        }
        all.extend(files);
    }
    all
}

/// What is wrong with a row's tests. `inherited` is where the row before looked, for a row that says "same".
fn check_tests(row: &Row, modules: &[PathBuf], inherited: &mut Option<Vec<PathBuf>>, wrong: &mut Vec<String>) {
    let known = tests();
    let mut place: Option<Vec<PathBuf>> = None;
    for part in without_parentheses(&row.test).split(';').map(str::trim) {
        let (head, rest) = part.split_once(": ").unwrap_or(("", part));
        match head {
            "" => {}
            "in the module" | "in the modules" => place = Some(modules.to_vec()),
            file => {
                let (of, name) = file.split_once('/').map_or((None, file), |(of, name)| (Some(of), name));
                let files = known.get(name).into_iter().flatten();
                let files: Vec<PathBuf> =
                    files.filter(|(owner, _)| of.is_none_or(|of| of == owner)).map(|each| each.1.clone()).collect();
                if files.is_empty() {
                    wrong.push(format!("line {}: there is no test file {file}", row.line));
                }
                place = Some(files);
            }
        }
        if rest.starts_with("same") {
            place = place.or_else(|| inherited.clone());
        }
        for name in code(rest).into_iter().filter(|name| !name.contains(['.', '-', ' ', '"'])) {
            match &place {
                Some(files) if !has_test(files, name) => {
                    wrong.push(format!("line {}: {head} has no test {name}", row.line));
                }
                Some(_) => {}
                None => wrong.push(format!("line {}: where is {name}?", row.line)),
            }
        }
    }
    if place.is_some() {
        *inherited = place;
    }
}

#[test]
fn each_row_names_what_exists() {
    let text = fs::read_to_string(repository().join("docs/catalogue.md")).expect("the catalogue");
    let rows = rows(&text);
    assert!(rows.len() > 300, "{} rows: is the table read at all?", rows.len());
    let (mut wrong, mut inherited, mut states) = (Vec::new(), None, BTreeMap::new());
    for row in &rows {
        let modules = check_modules(row, &mut wrong);
        check_tests(row, &modules, &mut inherited, &mut wrong);
        match state_of(row) {
            Err(missing) => wrong.push(missing),
            Ok(State::Built) if ["", "none"].contains(&row.test.as_str()) => {
                wrong.push(format!("line {}: {} is built and has no test", row.line, row.asked));
            }
            Ok(state) => *states.entry(state).or_insert(0_usize) += 1,
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all = [State::Built, State::Part, State::Other, State::LeftOut];
    let [built, part, other, left_out] = all.map(|state| states.get(&state).copied().unwrap_or(0));
    let said =
        format!("{} rows: {built} built, {part} in part, {other} with other parts, {left_out} left out.", rows.len());
    assert!(text.contains(&said), "the document should say: {said}");
}

/// What a row says of what is missing decides how far it is; one that says nothing of it is found.
#[test]
fn a_row_that_is_unmapped_is_found() {
    let row = |measure: &str| Row {
        line: 1,
        asked: String::new(),
        measure: measure.to_owned(),
        module: String::new(),
        test: String::new(),
    };
    let cases = [
        ("a number", Some(State::Built)),
        ("not built (with forecasts): nobody looks ahead", Some(State::Other)),
        ("a number. Not built (with interfaces): a panel", Some(State::Part)),
        ("not built, because nothing says what it is compared with", Some(State::LeftOut)),
        ("not built: some day", None),
        ("not built", None),
        ("not built (with magic)", None),
    ];
    for (measure, want) in cases {
        assert_eq!(state_of(&row(measure)).ok(), want, "{measure}");
    }
}

/// The checks above fail where a name is wrong.
#[test]
fn a_row_that_names_nothing_is_found() {
    let row = |module: &str, test: &str| Row {
        line: 1,
        asked: String::new(),
        measure: String::new(),
        module: module.to_owned(),
        test: test.to_owned(),
    };
    let wrong = |row: Row| {
        let mut wrong = Vec::new();
        let modules = check_modules(&row, &mut wrong);
        check_tests(&row, &modules, &mut None, &mut wrong);
        wrong.len()
    };
    assert_eq!(wrong(row("`load::balance`", "balance: `l1_…`")), 0);
    assert_eq!(wrong(row("`load::hotspot`, `load::imbalanced`", "")), 1);
    assert_eq!(wrong(row("`load::balance::Balanced`", "")), 1);
    assert_eq!(wrong(row("`load::balance`", "balance: `l1`")), 1, "the whole name, unless it goes on");
    assert_eq!(wrong(row("`load::balance`", "balanced: `l1_…`")), 2, "no such file, so no such test");
}
