//! A policy on its way from a manifest to a text.

use crate::hpa::rate::Select;
use std::fmt::Write;

/// Longest line of a comment.
const WIDTH: usize = 118;

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) agent: String,
    pub(super) is_shadow: bool,
    pub(super) formulas: Vec<(String, String)>,
    /// Keys and values in YAML.
    pub(super) objectives: Vec<Vec<(&'static str, String)>>,
    pub(super) demands: Vec<String>,
    pub(super) schedules: Vec<Vec<(&'static str, String)>>,
    pub(super) min_instances: u32,
    pub(super) max_instances: u32,
    pub(super) scale_up: DraftDirection,
    pub(super) scale_down: DraftDirection,
    /// Key path and what becomes of it.
    pub(super) notes: Vec<(String, String)>,
}

/// One direction; what is `None` is left to the default, which is that of Kubernetes.
#[derive(Clone, Debug, Default)]
pub(super) struct DraftDirection {
    pub(super) tolerance: Option<f64>,
    pub(super) stabilization_s: Option<u32>,
    pub(super) select: Option<Select>,
    /// Kind, value, seconds.
    pub(super) policies: Option<Vec<(&'static str, u32, u32)>>,
}

impl Draft {
    /// Something that is not carried over as it is.
    pub(super) fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.notes.push((path.into(), message.into()));
    }

    /// A name that no objective has yet, near the wanted one.
    pub(super) fn new_name(&self, wanted: &str) -> String {
        let is_taken = |name: &str| {
            let of_objectives = self.objectives.iter().flatten().filter(|(key, _)| *key == "name");
            of_objectives.map(|(_, value)| value.as_str()).any(|taken| taken == quoted(name))
        };
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
    }

    /// A formula of that text; named so that no other is called so.
    pub(super) fn formula(&mut self, wanted: &str, text: String) -> String {
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let is_free = |name: &String| self.formulas.iter().all(|(other, _)| other != name);
        let name = std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default();
        self.formulas.push((name.clone(), text));
        name
    }

    /// The file.
    pub(super) fn text(&self, source: &str) -> String {
        let mut text = String::new();
        comment(&mut text, "", &format!("Imported from {source}."));
        let agent = &self.agent;
        comment(
            &mut text,
            "",
            &format!("It is about what telemetry calls agent_id `{agent}`: change `match` if that differs."),
        );
        if !self.notes.is_empty() {
            comment(&mut text, "", "Not carried over as it was:");
            for (path, message) in &self.notes {
                comment(&mut text, "- ", &format!("{path}: {message}"));
            }
        }
        let (name, agent) = (quoted(&self.name), quoted(agent));
        let _ = write!(
            text,
            "apiVersion: tidegauge.io/v1\nkind: Policy\nmetadata:\n  name: {name}\n  version: 1\nspec:\n  match:\n    agents: [{agent}]\n"
        );
        if self.is_shadow {
            text.push_str("  mode: shadow\n");
        }
        if !self.formulas.is_empty() {
            text.push_str("  formulas:\n");
            self.formulas.iter().for_each(|(name, formula)| {
                let _ = writeln!(text, "    {name}: {}", quoted(formula));
            });
        }
        list(&mut text, "objectives", &self.objectives);
        if !self.demands.is_empty() {
            text.push_str("  demands:\n");
            self.demands.iter().for_each(|demand| {
                let _ = writeln!(text, "    - {demand}");
            });
        }
        list(&mut text, "schedules", &self.schedules);
        let tolerances = [("up", self.scale_up.tolerance), ("down", self.scale_down.tolerance)];
        if tolerances.iter().any(|(_, tolerance)| tolerance.is_some()) {
            text.push_str("  tolerance:\n");
            for (key, tolerance) in tolerances.iter().filter_map(|(key, tolerance)| Some((key, (*tolerance)?))) {
                let _ = writeln!(text, "    {key}: {tolerance}");
            }
        }
        let _ = writeln!(text, "  min_instances: {}\n  max_instances: {}", self.min_instances, self.max_instances);
        let directions = [("scale_up", &self.scale_up), ("scale_down", &self.scale_down)];
        if directions.iter().any(|(_, direction)| direction.says_something()) {
            text.push_str("  behavior:\n");
            directions.iter().for_each(|(key, direction)| direction.write(&mut text, key));
        }
        text
    }
}

impl DraftDirection {
    fn says_something(&self) -> bool {
        self.stabilization_s.is_some() || self.select.is_some() || self.policies.is_some()
    }

    fn write(&self, text: &mut String, key: &str) {
        if !self.says_something() {
            return;
        }
        let _ = writeln!(text, "    {key}:");
        if let Some(seconds) = self.stabilization_s {
            let _ = writeln!(text, "      stabilization_window: {seconds}s");
        }
        if let Some(select) = self.select {
            let word = match select {
                Select::Max => "max",
                Select::Min => "min",
                Select::Disabled => "disabled",
            };
            let _ = writeln!(text, "      select: {word}");
        }
        if let Some(policies) = &self.policies {
            text.push_str("      policies:\n");
            for (kind, value, seconds) in policies {
                let _ = writeln!(text, "        - {{ type: {kind}, value: {value}, period: {seconds}s }}");
            }
        }
    }
}

fn list(text: &mut String, key: &str, items: &[Vec<(&'static str, String)>]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {key}:");
    for item in items {
        for (index, (key, value)) in item.iter().enumerate() {
            let _ = writeln!(text, "    {} {key}: {value}", if index == 0 { "-" } else { " " });
        }
    }
}

/// A text in quotes, which is the same in JSON and in YAML.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A comment, cut into lines at blanks.
fn comment(text: &mut String, bullet: &str, words: &str) {
    let mut line = format!("# {bullet}");
    let margin = line.len();
    for word in words.split_whitespace() {
        if line.len() > margin && line.len() + word.len() + 1 > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("#{}", " ".repeat(margin - 1));
        }
        line.push_str(word);
        line.push(' ');
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
