//! CloudEvents 1.0 in Kafka's binary mode: attributes travel as headers, the payload stays what it is.
//!
//! Source: CloudEvents specification 1.0.2, Kafka protocol binding 1.0.2.

use crate::encode::{Encoding, Output};
use tidegauge_model::{AlertTransition, Decision, EventTime, Finding, WindowSummary};

/// The attributes of an output as headers. `cluster` names this installation; `traceparent` is passed on where the
/// record that closed the window had one.
#[must_use]
pub fn headers<T: Event>(
    event: &T,
    cluster: &str,
    encoding: Encoding,
    traceparent: Option<&str>,
) -> Vec<(&'static str, String)> {
    let content_type = match encoding {
        Encoding::Avro(_) => "application/avro",
        Encoding::Json => "application/json",
    };
    let mut headers = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_type", T::TYPE.to_owned()),
        ("ce_source", format!("/tidegauge/{cluster}")),
        ("ce_subject", event.subject()),
        ("ce_id", event.id()),
        ("ce_time", event.at().to_string()),
        ("content-type", content_type.to_owned()),
    ];
    headers.extend(traceparent.map(|parent| ("ce_traceparent", parent.to_owned())));
    headers
}

/// An output that goes out as a CloudEvent.
pub trait Event: Output {
    /// The attribute `type`.
    const TYPE: &'static str;

    /// The attribute `id`: with the type it is unique, and the same on replay.
    fn id(&self) -> String;

    /// What the event is about.
    fn subject(&self) -> String;

    /// Event time at which it happened: the end of its window, or of what an early result counts.
    fn at(&self) -> EventTime;
}

impl Event for Decision {
    const TYPE: &'static str = "io.tidegauge.decision.v1";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn subject(&self) -> String {
        self.target.to_string()
    }

    fn at(&self) -> EventTime {
        self.decided_at
    }
}

impl Event for AlertTransition {
    const TYPE: &'static str = "io.tidegauge.alert.v1";

    fn id(&self) -> String {
        format!("{}:{}", self.fingerprint, self.at.as_micros())
    }

    fn subject(&self) -> String {
        self.target.to_string()
    }

    fn at(&self) -> EventTime {
        self.at
    }
}

impl Event for Finding {
    const TYPE: &'static str = "io.tidegauge.finding.v1";

    fn id(&self) -> String {
        format!("{}:{}", self.id, self.window.end.as_micros())
    }

    fn subject(&self) -> String {
        self.entity.to_string()
    }

    fn at(&self) -> EventTime {
        self.window.end
    }
}

impl Event for WindowSummary {
    const TYPE: &'static str = "io.tidegauge.window.v1";

    fn id(&self) -> String {
        let instance = self.instance.as_ref().map(|id| format!("/{id}"));
        // `!` stands in no target, and instances follow a slash: no two windows have one id.
        let entity = self.entity.as_ref().map(|entity| format!("!{entity}"));
        let part = entity.or(instance).unwrap_or_default();
        let (start, end) = (self.range.start.as_millis(), self.range.end.as_millis());
        // What the window said when it closed has the id of one that has no other result.
        let number = if self.edition.is_final() { String::new() } else { format!("#{}", self.edition.revision) };
        let revised = if self.edition.is_revised { "r" } else { "" };
        format!("{}{part}:{start}-{end}/{}{number}{revised}", self.target, self.slide.as_millis())
    }

    fn subject(&self) -> String {
        self.target.to_string()
    }

    fn at(&self) -> EventTime {
        self.edition.early_through.unwrap_or(self.range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Framing;
    use std::collections::BTreeMap;
    use tidegauge_model::{AlertState, Severity, Target};

    #[test]
    fn attributes_travel_as_headers() {
        let alert = AlertTransition {
            fingerprint: "f00d".to_owned(),
            rule: "high_cpu".to_owned(),
            target: Target { workspace: "default".into(), agent: "a b".into(), region: None },
            instance: None,
            finding: None,
            severity: Severity::Warning,
            importance: tidegauge_model::Importance::Normal,
            from: AlertState::Pending,
            to: AlertState::Firing,
            no_data: false,
            value: Some(0.9),
            threshold: 0.8,
            started_at: EventTime::from_secs(1_767_225_600),
            at: EventTime::from_secs(1_767_225_660),
            completeness: 1.0,
            summary: String::new(),
            labels: BTreeMap::new(),
            annotations: [].into(),
            runbook_url: None,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
        };
        let got = headers(&alert, "main", Encoding::Avro(Framing::SingleObject), Some("00-ab-cd-01"));
        let want = [
            ("ce_specversion", "1.0"),
            ("ce_type", "io.tidegauge.alert.v1"),
            ("ce_source", "/tidegauge/main"),
            ("ce_subject", "default/a%20b"),
            ("ce_id", "f00d:1767225660000000"),
            ("ce_time", "2026-01-01T00:01:00Z"),
            ("content-type", "application/avro"),
            ("ce_traceparent", "00-ab-cd-01"),
        ];
        assert_eq!(got, want.map(|(name, value)| (name, value.to_owned())));
    }
}
