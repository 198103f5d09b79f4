//! `configuration.md`: every setting, section by section.

use super::cell;
use crate::config::SettingDoc;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Configuration

Every setting, with its kind and its default. `tidegauge generate config` prints the same as a file to begin with,
`tidegauge config show --origin` what holds and who set it.

Settings come from defaults, then the file (`--config`, else `./tidegauge.yaml`), then the environment, then flags; the last
one holds. For `time.pane` the environment variable is `TIDEGAUGE__TIME__PANE`, the flag `--set time.pane=5s`. A value that
begins with `[` or `{` is read as YAML; a list of plain values may also be given separated by commas. In names of librdkafka
below `kafka.properties`, `_` in a variable stands for a dot. An unknown setting is an error that names the nearest known
one.

Durations have units (`500ms`, `10s`, `5m`, `1h30m`, `7d`), and so have sizes (`64 KiB`, `1 MiB`, `500 kB`). Relative paths in
the file are relative to the file, others to the current folder. Passwords come from files alone.
";

pub(super) fn page(settings: &[SettingDoc]) -> String {
    let mut out = INTRODUCTION.to_owned();
    // Settings at the top first, then each section.
    let is_plain = |setting: &&SettingDoc| !setting.is_section && setting.section().is_empty() && !setting.in_list;
    section(&mut out, "Top level", None, settings.iter().filter(is_plain));
    for head in settings.iter().filter(|setting| setting.is_section && !setting.key.is_empty() && !setting.in_list) {
        let own = settings.iter().filter(|setting| !setting.is_section && setting.section() == head.key);
        section(&mut out, &format!("`{}`", head.key), Some(&head.docs), own);
    }
    for head in settings.iter().filter(|setting| has_items(settings, setting)) {
        let items = settings.iter().filter(|setting| setting.in_list && setting.section() == head.key);
        section(&mut out, &format!("`{}`, each item", head.key), Some(&head.docs), items);
    }
    out
}

fn has_items(settings: &[SettingDoc], head: &SettingDoc) -> bool {
    !head.in_list && settings.iter().any(|setting| setting.in_list && setting.section() == head.key)
}

fn section<'s>(out: &mut String, title: &str, docs: Option<&str>, settings: impl Iterator<Item = &'s SettingDoc>) {
    let mut settings = settings.peekable();
    if settings.peek().is_none() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(out, "\n## {title}\n\n");
    if let Some(docs) = docs {
        let _ = write!(out, "{docs}\n\n");
    }
    out.push_str("| setting | kind | default | what |\n| --- | --- | --- | --- |\n");
    for setting in settings {
        let key = if setting.in_list { setting.name().to_owned() } else { setting.key.clone() };
        let default = setting.default.as_ref().map_or_else(|| setting.absent.to_owned(), |text| format!("`{text}`"));
        let _ = writeln!(out, "| `{key}` | {} | {default} | {} |", cell(&setting.kind), cell(&setting.docs));
    }
}
