//! A report as CSV: a line for each value, so that all sections fit one header.

use super::Document;
use crate::output::csv_lines;
use tidegauge_analytics::report::{Cell, FindingSpan, Section, Value};

const HEADER: [&str; 8] = ["agent", "section", "table", "row", "name", "value", "unit", "absent"];

/// The whole report. `row` counts from 1 within a table; a value that is absent has its reason instead.
///
/// # Errors
///
/// None in practice: it is written into memory.
pub fn csv(document: &Document) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    add_section(&mut lines, "", &document.fleet);
    for agent in &document.agents {
        for (row, finding) in (1..).zip(&agent.findings) {
            add_finding(&mut lines, &agent.agent, row, finding);
        }
        agent.sections.iter().for_each(|section| add_section(&mut lines, &agent.agent, section));
    }
    csv_lines(&HEADER, lines)
}

fn add_section(lines: &mut Vec<Vec<String>>, agent: &str, section: &Section) {
    let mut add = |table: &str, row: &str, name: &str, unit: &str, cell: &Cell| {
        let (value, absent) = match cell {
            Ok(value) => (text(value), String::new()),
            Err(absent) => (String::new(), absent.to_string()),
        };
        let line = [agent, section.name, table, row, name, &value, unit, &absent].map(str::to_owned);
        lines.push(line.into());
    };
    for measure in &section.measures {
        add("", "", measure.name, measure.unit, &measure.value);
    }
    for table in &section.tables {
        match &table.rows {
            Err(absent) => add(table.name, "", "", "", &Err(*absent)),
            Ok(rows) => {
                for (number, row) in (1..).zip(rows) {
                    for (column, cell) in table.columns.iter().zip(row) {
                        add(table.name, &i32::to_string(&number), column.name, column.unit, cell);
                    }
                }
            }
        }
    }
}

fn add_finding(lines: &mut Vec<Vec<String>>, agent: &str, row: i32, span: &FindingSpan) {
    let worst = &span.worst;
    let ended = span.ended_at.map_or_else(String::new, |end| end.to_string());
    let values = [
        ("id", worst.id.clone()),
        ("kind", worst.kind.name().to_owned()),
        ("entity", worst.entity.to_string()),
        ("severity", format!("{:?}", worst.severity).to_lowercase()),
        ("onset", worst.onset.to_string()),
        ("ended_at", ended),
        ("summary", worst.summary.clone()),
    ];
    for (name, value) in values {
        lines.push([agent, "findings", "findings", &row.to_string(), name, &value, "", ""].map(str::to_owned).into());
    }
}

/// Numbers as they are, without their unit.
fn text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Text(text) => text.clone(),
        Value::At(at) => at.to_string(),
    }
}
