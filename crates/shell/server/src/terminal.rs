//! What people see on a terminal: tables and a little colour.

use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

/// What a cell says, beyond its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// All is well.
    Good,
    /// Look at it.
    Warning,
    /// Something is wrong.
    Bad,
    /// In the background.
    Faint,
}

/// Whether to use colours on standard output.
#[must_use]
pub fn has_colours() -> bool {
    has_colours_on(&std::io::stdout())
}

/// Whether to use colours there: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
#[must_use]
pub fn has_colours_on(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A line that moves while something is waited for, on a terminal only; its message says for what.
#[must_use]
pub fn waiting(message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is right");
    let line = ProgressBar::new_spinner().with_style(style).with_message(message);
    line.enable_steady_tick(Duration::from_millis(100));
    line
}

/// `text` in the colour of `tone`, if `colours`.
#[must_use]
pub fn toned(text: &str, tone: Tone, colours: bool) -> String {
    let code = match tone {
        _ if !colours => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// So many of them: `1 file`, `2 files`.
#[must_use]
pub fn counted(number: impl Display, what: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A cell: its text, and what it says beyond that.
pub type Cell = (String, Tone);

/// A table of all rows at once, as wide as it needs to be, with a line break at its end.
#[must_use]
pub fn table(header: &[&'static str], rows: &[Vec<Cell>], colours: bool) -> String {
    let width = |(index, name): (usize, &&'static str)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|(text, _)| text.chars().count());
        (*name, cells.max().unwrap_or(0).max(name.len()))
    };
    let columns = Columns::new(header.iter().enumerate().map(width).collect::<Vec<_>>(), colours);
    let lines = rows.iter().map(|row| columns.line(row) + "\n");
    columns.header() + "\n" + &lines.collect::<String>()
}

/// Columns of a table whose rows come one by one: widths are fixed beforehand, and a longer cell moves its line.
#[derive(Clone, Debug)]
pub struct Columns {
    columns: Cow<'static, [(&'static str, usize)]>,
    colours: bool,
}

impl Columns {
    /// Columns by name and least width.
    #[must_use]
    pub fn new(columns: impl Into<Cow<'static, [(&'static str, usize)]>>, colours: bool) -> Self {
        Self { columns: columns.into(), colours }
    }

    /// The header line.
    #[must_use]
    pub fn header(&self) -> String {
        let cells = self.columns.iter().map(|(name, _)| ((*name).to_owned(), Tone::Faint));
        self.line(&cells.collect::<Vec<_>>())
    }

    /// A line of one cell for each column.
    #[must_use]
    pub fn line(&self, cells: &[Cell]) -> String {
        let padded = self.columns.iter().zip(cells).map(|((_, width), (text, tone))| {
            let missing = width.saturating_sub(text.chars().count());
            toned(text, *tone, self.colours) + &" ".repeat(missing)
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_colours_do_not_count_as_width() {
        let plain = Columns::new(&[("WHO", 6), ("WHAT", 4)][..], false);
        let line = |columns: &Columns| columns.line(&[("abc".into(), Tone::Bad), ("x".into(), Tone::Plain)]);
        assert_eq!(plain.header(), "WHO     WHAT");
        assert_eq!(line(&plain), "abc     x");
        let coloured = Columns { colours: true, ..plain };
        assert_eq!(line(&coloured), "\x1b[31mabc\x1b[0m     x");
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_has_no_trailing_blanks() {
        let cell = |text: &str| (text.to_owned(), Tone::Plain);
        let rows = [vec![cell("ok"), cell("broker"), cell("")], vec![cell("fail"), cell("a topic"), cell("missing")]];
        let want = "VERDICT  CHECK    DETAIL\nok       broker\nfail     a topic  missing\n";
        assert_eq!(table(&["VERDICT", "CHECK", "DETAIL"], &rows, false), want);
    }
}
