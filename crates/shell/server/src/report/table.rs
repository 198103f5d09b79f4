//! A report for a terminal: what became of the data, findings, then each section with what there is.

use super::{Document, number};
use crate::terminal::{self, Tone, toned};
use std::fmt::Write as _;
use tidegauge_analytics::report::{AgentReport, Cell, Section, Table, Value};
use tidegauge_model::Severity;

/// Rows of a table that are shown; the other forms have all.
const ROWS: usize = 12;

/// The whole report as text.
#[must_use]
pub fn table(document: &Document, colours: bool) -> String {
    let quality = &document.quality;
    let mut text = format!(
        "{}: {} rows, {} refused, {} too late, {} windows of {}\n",
        quality.source,
        quality.rows,
        quality.refused,
        quality.too_late + quality.future,
        quality.windows,
        number(document.window_s, "s"),
    );
    if let Some(first) = &quality.first_refused {
        let _ = writeln!(text, "first refused: {first}");
    }
    if document.agents.len() > 1 {
        add_section(&mut text, &document.fleet, colours);
    }
    for agent in &document.agents {
        add_agent(&mut text, agent, colours);
    }
    text
}

fn add_agent(text: &mut String, agent: &AgentReport, colours: bool) {
    let heading = toned(&format!("== {}", agent.agent), Tone::Good, colours);
    let _ = writeln!(
        text,
        "\n{heading}  {} to {}, {} windows, completeness {}",
        agent.period.start,
        agent.period.end,
        agent.windows,
        number(agent.completeness, "ratio"),
    );
    if !agent.findings.is_empty() {
        text.push('\n');
        text.push_str(&findings(agent, colours));
    }
    for section in &agent.sections {
        add_section(text, section, colours);
    }
}

fn findings(agent: &AgentReport, colours: bool) -> String {
    let rows = agent.findings.iter().take(ROWS).map(|span| {
        let tone = match span.worst.severity {
            Severity::Critical => Tone::Bad,
            Severity::Warning => Tone::Warning,
            _ => Tone::Plain,
        };
        let until = span.ended_at.map_or("still there".to_owned(), |end| end.to_string());
        vec![
            (span.worst.kind.name().to_owned(), tone),
            (span.worst.onset.to_string(), Tone::Plain),
            (until, Tone::Plain),
            (span.worst.summary.clone(), Tone::Plain),
        ]
    });
    let mut shown = terminal::table(&["FINDING", "FROM", "UNTIL", "WORST WINDOW"], &rows.collect::<Vec<_>>(), colours);
    if agent.findings.len() > ROWS {
        let _ = writeln!(shown, "… and {} more", agent.findings.len() - ROWS);
    }
    shown
}

fn add_section(text: &mut String, section: &Section, colours: bool) {
    let _ = writeln!(text, "\n{}", toned(section.label, Tone::Warning, colours));
    let there = section.measures.iter().filter_map(|measure| Some((measure, measure.value.as_ref().ok()?)));
    for (measure, value) in there {
        let _ = writeln!(text, "  {:<44} {}", measure.label, shown(value, measure.unit));
    }
    let absent: Vec<String> = section
        .measures
        .iter()
        .filter_map(|measure| Some(format!("{} ({})", measure.name, measure.value.as_ref().err()?)))
        .collect();
    if !absent.is_empty() {
        let _ = writeln!(text, "  {}", toned(&format!("absent: {}", absent.join(", ")), Tone::Faint, colours));
    }
    for each in &section.tables {
        add_table(text, each, colours);
    }
}

fn add_table(text: &mut String, table: &Table, colours: bool) {
    let rows = match &table.rows {
        Ok(rows) if rows.is_empty() => return,
        Ok(rows) => rows,
        Err(absent) => {
            let line = format!("{} (absent: {absent})", table.label);
            let _ = writeln!(text, "  {}", toned(&line, Tone::Faint, colours));
            return;
        }
    };
    let header: Vec<&'static str> = table.columns.iter().map(|column| column.name).collect();
    let cells = rows.iter().take(ROWS).map(|row| {
        row.iter().zip(&table.columns).map(|(each, column)| (cell(each, column.unit), Tone::Plain)).collect()
    });
    let lines = terminal::table(&header, &cells.collect::<Vec<_>>(), colours);
    lines.lines().for_each(|line| text.extend(["  ", line, "\n"]));
    if rows.len() > ROWS {
        let _ = writeln!(text, "  … and {} more", rows.len() - ROWS);
    }
}

/// Longest text of a cell; the other forms have all of it.
const LONGEST: usize = 60;

fn cell(cell: &Cell, unit: &str) -> String {
    let text = cell.as_ref().map_or_else(|_| "-".to_owned(), |value| shown(value, unit));
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// A value with its unit.
pub(super) fn shown(value: &Value, unit: &str) -> String {
    match value {
        Value::Number(value) => number(*value, unit),
        Value::Count(count) => number(*count as f64, if unit == "ratio" { "" } else { unit }),
        Value::Text(text) => text.clone(),
        Value::At(at) => at.to_string(),
    }
}
