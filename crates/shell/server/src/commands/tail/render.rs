//! Columns for people: what a window, a decision, an alert, a finding and a dead letter look like in one line.

use super::Shown;
use super::follow::Received;
use super::letter::Letter;
use crate::terminal::{Cell, Columns, Tone};
use tidegauge_model::{
    Action, AlertState, AlertTransition, Decision, Edition, EventTime, Finding, FindingState, Severity, WindowSummary,
};
use tidegauge_policy::HumanDuration;
use tidegauge_wire::{Encoding, Output};

/// Columns, and how a value fills them.
pub(super) struct Renderer<T> {
    columns: &'static [(&'static str, usize)],
    cells: fn(&T) -> Vec<Cell>,
}

impl<T> Renderer<T> {
    pub(super) fn columns(&self, colours: bool) -> Columns {
        Columns::new(self.columns, colours)
    }

    pub(super) fn cells(&self, value: &T) -> Vec<Cell> {
        (self.cells)(value)
    }
}

impl Shown for WindowSummary {
    const RENDERER: Renderer<Self> = Renderer {
        columns: &[
            ("END", 20),
            ("SIZE", 5),
            ("TARGET", 24),
            ("INSTANCE", 20),
            ("SAMPLES", 7),
            ("READY", 5),
            ("COMPLETE", 8),
            ("CPU", 5),
            ("MEMORY", 6),
            ("REQ/S", 9),
            ("P95 MS", 8),
            ("ERRORS", 6),
        ],
        cells: window_cells,
    };

    fn decode(record: &Received) -> Result<Self, String> {
        decode(record)
    }

    fn json(&self, out: &mut Vec<u8>) {
        self.encode(Encoding::Json, out);
    }
}

fn window_cells(window: &WindowSummary) -> Vec<Cell> {
    let mean = |names: &[&str]| names.iter().find_map(|name| window.gauges.get(*name)).map(|gauge| gauge.mean);
    let share = |ratio: Option<f64>| ratio.map(percent).unwrap_or_default();
    let complete = window.completeness.ratio;
    let p95 = window.latencies.get("response_time_ms").map(|latency| number(latency.p95));
    let errors_tone = window.error_rate.map_or(Tone::Plain, |rate| above(rate, 0.01, 0.05));
    vec![
        plain(window.edition.early_through.unwrap_or(window.range.end)),
        plain(format!("{}{}", HumanDuration(window.range.length()), edition(window.edition))),
        plain(&window.target),
        plain(part_of(window)),
        plain(window.samples),
        plain(window.instances_ready.map(|ready| ready.to_string()).unwrap_or_default()),
        (percent(complete), if complete < 0.9 { Tone::Warning } else { Tone::Plain }),
        plain(share(mean(&["cpu_utilization_of_request", "cpu_utilization_of_limit"]))),
        plain(share(mean(&["memory_utilization_of_limit", "memory_utilization_of_request"]))),
        plain(mean(&["requests_per_s"]).map(number).unwrap_or_default()),
        plain(p95.unwrap_or_default()),
        (share(window.error_rate), errors_tone),
    ]
}

/// `…` of an early result, `r2` of the second revision.
fn edition(edition: Edition) -> String {
    match edition {
        Edition { is_revised: true, revision, .. } => format!(" r{revision}"),
        Edition { early_through: Some(_), .. } => "…".to_owned(),
        Edition { .. } => String::new(),
    }
}

/// The instance, or the entity: `dependency=orders-db`.
fn part_of(window: &WindowSummary) -> String {
    let instance = window.instance.as_ref().map(ToString::to_string);
    window.entity.as_ref().map(ToString::to_string).or(instance).unwrap_or_default()
}

impl Shown for Decision {
    const RENDERER: Renderer<Self> = Renderer {
        columns: &[
            ("DECIDED AT", 20),
            ("TARGET", 24),
            ("ACTION", 10),
            ("INSTANCES", 9),
            ("POLICY", 16),
            ("GEN", 4),
            ("COMPLETE", 8),
            ("WHY", 20),
        ],
        cells: decision_cells,
    };

    fn decode(record: &Received) -> Result<Self, String> {
        decode(record)
    }

    fn json(&self, out: &mut Vec<u8>) {
        self.encode(Encoding::Json, out);
    }
}

fn decision_cells(decision: &Decision) -> Vec<Cell> {
    let (action, tone) = match decision.action {
        Action::ScaleUp => ("scale up", Tone::Warning),
        Action::ScaleDown => ("scale down", Tone::Good),
        Action::Hold => ("hold", Tone::Faint),
    };
    let instances = match decision.action {
        Action::Hold => decision.desired_instances.to_string(),
        _ => format!("{} -> {}", decision.current_instances, decision.desired_instances),
    };
    vec![
        plain(decision.decided_at),
        plain(&decision.target),
        (action.to_owned(), tone),
        plain(instances),
        plain(&decision.policy),
        plain(decision.generation),
        plain(percent(decision.completeness)),
        plain(&decision.explanation),
    ]
}

impl Shown for AlertTransition {
    const RENDERER: Renderer<Self> = Renderer {
        columns: &[
            ("AT", 20),
            ("SEVERITY", 8),
            ("STATE", 20),
            ("RULE", 24),
            ("TARGET", 24),
            ("INSTANCE", 12),
            ("VALUE", 8),
            ("SUMMARY", 20),
        ],
        cells: alert_cells,
    };

    fn decode(record: &Received) -> Result<Self, String> {
        decode(record)
    }

    fn json(&self, out: &mut Vec<u8>) {
        self.encode(Encoding::Json, out);
    }
}

fn alert_cells(alert: &AlertTransition) -> Vec<Cell> {
    let severity = severity(alert.severity);
    let tone = match alert.to {
        AlertState::Firing => severity.1,
        AlertState::Pending => Tone::Plain,
        AlertState::Resolved | AlertState::Inactive => Tone::Good,
    };
    let no_data = if alert.no_data { " (no data)" } else { "" };
    let quiet = if alert.is_heard() { "" } else { " (quiet)" };
    vec![
        plain(alert.at),
        severity.clone(),
        (format!("{} -> {}{no_data}{quiet}", state(alert.from), state(alert.to)), tone),
        plain(&alert.rule),
        plain(&alert.target),
        plain(alert.instance.as_ref().map_or("", |instance| instance.as_str())),
        plain(alert.value.map(number).unwrap_or_default()),
        plain(&alert.summary),
    ]
}

fn severity(severity: Severity) -> Cell {
    match severity {
        Severity::Info => ("info".to_owned(), Tone::Plain),
        Severity::Warning => ("warning".to_owned(), Tone::Warning),
        Severity::Critical => ("critical".to_owned(), Tone::Bad),
    }
}

const fn state(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
}

impl Shown for Finding {
    const RENDERER: Renderer<Self> = Renderer {
        columns: &[
            ("END", 20),
            ("SEVERITY", 8),
            ("STATE", 7),
            ("KIND", 21),
            ("ENTITY", 36),
            ("SINCE", 20),
            ("VALUE", 8),
            ("SUMMARY", 40),
        ],
        cells: finding_cells,
    };

    fn decode(record: &Received) -> Result<Self, String> {
        decode(record)
    }

    fn json(&self, out: &mut Vec<u8>) {
        self.encode(Encoding::Json, out);
    }
}

fn finding_cells(finding: &Finding) -> Vec<Cell> {
    let severity = severity(finding.severity);
    let state = match finding.state {
        FindingState::Open => ("open".to_owned(), severity.1),
        FindingState::Ongoing => ("ongoing".to_owned(), severity.1),
        FindingState::Ended => ("ended".to_owned(), Tone::Good),
    };
    vec![
        plain(finding.window.end),
        severity,
        state,
        plain(finding.kind.name()),
        plain(&finding.entity),
        plain(finding.onset),
        plain(number(finding.value)),
        plain(&finding.summary),
    ]
}

impl Shown for Letter {
    const RENDERER: Renderer<Self> = Renderer {
        columns: &[("TIMESTAMP", 24), ("CODE", 22), ("FIELD", 16), ("RECORD", 32), ("MESSAGE", 40), ("VALUE", 20)],
        cells: letter_cells,
    };

    fn decode(record: &Received) -> Result<Self, String> {
        Ok(Self::new(record))
    }

    fn json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.json().to_string().as_bytes());
    }
}

fn letter_cells(letter: &Letter) -> Vec<Cell> {
    vec![
        plain(EventTime::from_millis(letter.timestamp_ms())),
        (letter.fact("code").to_owned(), Tone::Warning),
        plain(letter.fact("field")),
        plain(letter.place()),
        plain(letter.fact("message")),
        (letter.preview(40), Tone::Faint),
    ]
}

fn decode<T: Output>(record: &Received) -> Result<T, String> {
    let value = record.value.as_deref().ok_or("a tombstone")?;
    T::decode(value).map_err(|error| error.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "so that temporaries need no `&`")]
fn plain(text: impl ToString) -> Cell {
    (text.to_string(), Tone::Plain)
}

fn above(value: f64, warning: f64, bad: f64) -> Tone {
    match value {
        value if value >= bad => Tone::Bad,
        value if value >= warning => Tone::Warning,
        _ => Tone::Plain,
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// Three digits are enough to look at.
fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tidegauge_model::{Confidence, Entity, FindingKind, Target, TimeRange};

    #[test]
    fn every_kind_fills_all_of_its_columns() {
        let alert = AlertTransition {
            fingerprint: "f00d".into(),
            rule: "cpu_high".into(),
            target: Target { workspace: "default".into(), agent: "planner".into(), region: None },
            instance: None,
            finding: None,
            severity: Severity::Warning,
            importance: tidegauge_model::Importance::Normal,
            from: AlertState::Pending,
            to: AlertState::Firing,
            no_data: false,
            value: Some(0.912),
            threshold: 0.8,
            started_at: EventTime::from_secs(1_767_225_600),
            at: EventTime::from_secs(1_767_225_660),
            completeness: 1.0,
            summary: "CPU is high".into(),
            labels: BTreeMap::new(),
            annotations: [].into(),
            runbook_url: None,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
        };
        let line = |colours| AlertTransition::RENDERER.columns(colours).line(&alert_cells(&alert));
        assert_eq!(alert_cells(&alert).len(), AlertTransition::RENDERER.columns.len());
        assert!(line(false).starts_with("2026-01-01T00:01:00Z  warning   pending -> firing"), "{}", line(false));
        assert!(line(false).ends_with("0.91      CPU is high"), "{}", line(false));
        let entity = Entity::Agent { target: alert.target };
        let finding = Finding {
            id: "f".into(),
            kind: FindingKind::Imbalance,
            entity,
            onset: EventTime::from_secs(1_767_225_600),
            window: TimeRange { start: EventTime::from_secs(1_767_225_720), end: EventTime::from_secs(1_767_225_780) },
            state: FindingState::Open,
            severity: Severity::Warning,
            value: 0.312,
            unit: "ratio".into(),
            evidence: Vec::new(),
            confidence: Confidence { value: 1.0, meaning: "all of it".into() },
            causes: Vec::new(),
            remedies: Vec::new(),
            completeness: 1.0,
            summary: "uneven".into(),
        };
        assert_eq!(finding_cells(&finding).len(), Finding::RENDERER.columns.len());
        let line = Finding::RENDERER.columns(false).line(&finding_cells(&finding));
        assert!(line.starts_with("2026-01-01T00:03:00Z  warning   open     imbalance"), "{line}");
        assert!(line.ends_with("2026-01-01T00:00:00Z  0.31      uneven"), "{line}");
        let letter = Letter::new(&Received::default());
        assert_eq!(letter_cells(&letter).len(), Letter::RENDERER.columns.len());
    }

    #[test]
    fn numbers_are_as_long_as_one_can_read() {
        let shown: Vec<_> = [1234.5, 12.34, 1.234, 0.0].map(number).into();
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.00"]);
    }
}
