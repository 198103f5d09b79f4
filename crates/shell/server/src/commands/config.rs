//! `config show`: every setting in effect, and where it comes from.

use crate::cli::{ConfigCommand, ConfigShowArgs};
use crate::config::{Layers, Shown, Tree};
use crate::terminal::{self, Cell, Tone};
use serde_json::{Map, Value, json};

/// Runs the command.
///
/// # Errors
///
/// [`crate::config::ConfigError`] if a layer cannot be read, or standard output fails.
pub fn run(layers: &Layers, command: &ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Show(args) = command;
    let shown = layers.show()?;
    let table = |colours| table(&shown, args, colours);
    super::print(&match args.origin {
        false => args.output.text(&Tree::of(&shown), table)?,
        true => args.output.text(&by_key(&shown), table)?,
    })
}

/// Value and origin under each key: origins have no place in the tree.
fn by_key(shown: &[Shown]) -> Map<String, Value> {
    let entry = |shown: &Shown| (shown.key(), json!({ "value": shown.value, "origin": shown.origin }));
    shown.iter().map(entry).collect()
}

fn table(shown: &[Shown], args: &ConfigShowArgs, colours: bool) -> String {
    let row = |shown: &Shown| -> Vec<Cell> {
        let tone = if shown.origin.starts_with("default") { Tone::Faint } else { Tone::Plain };
        let cells = [shown.key(), text(&shown.value), shown.origin.clone()].map(|text| (text, tone));
        cells.into_iter().take(if args.origin { 3 } else { 2 }).collect()
    };
    let header = &["KEY", "VALUE", "ORIGIN"][..if args.origin { 3 } else { 2 }];
    terminal::table(header, &shown.iter().map(row).collect::<Vec<_>>(), colours)
}

/// A value as one writes it in the file; nothing is a dash.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
