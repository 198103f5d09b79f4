//! Findings of a period: each from its onset to its end, as its worst window showed it.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use tidegauge_model::{EventTime, Finding, FindingState};

/// One finding over its whole life.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingSpan {
    /// As the window with the greatest severity, then value, showed it.
    pub worst: Finding,
    /// When it opened: the end of the first window by which it had held for long enough.
    pub opened_at: EventTime,
    /// When it ended: the end of the window that closed it; absent where it lasts beyond the period.
    pub ended_at: Option<EventTime>,
    /// Windows that showed it since it opened.
    pub windows: u64,
}

/// As the finding it is, with times as text.
impl Serialize for FindingSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let worst = &self.worst;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &worst.id)?;
        map.serialize_entry("kind", &worst.kind)?;
        map.serialize_entry("entity", &worst.entity.to_string())?;
        map.serialize_entry("onset", &worst.onset.to_string())?;
        map.serialize_entry("opened_at", &self.opened_at.to_string())?;
        map.serialize_entry("ended_at", &self.ended_at.map(|end| end.to_string()))?;
        map.serialize_entry("windows", &self.windows)?;
        map.serialize_entry("severity", &worst.severity)?;
        map.serialize_entry("worst_window_start", &worst.window.start.to_string())?;
        map.serialize_entry("value", &worst.value)?;
        map.serialize_entry("unit", &worst.unit)?;
        map.serialize_entry("evidence", &worst.evidence)?;
        map.serialize_entry("confidence", &worst.confidence)?;
        map.serialize_entry("causes", &worst.causes)?;
        map.serialize_entry("remedies", &worst.remedies)?;
        map.serialize_entry("summary", &worst.summary)?;
        map.end()
    }
}

/// Findings, followed by their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spans(BTreeMap<String, FindingSpan>);

impl Spans {
    /// Takes in what a window says.
    pub(super) fn take(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let at = finding.window.end;
            let ended = finding.state == FindingState::Ended;
            let span = self.0.entry(finding.id.clone()).or_insert_with(|| FindingSpan {
                worst: finding.clone(),
                opened_at: at,
                ended_at: None,
                windows: 0,
            });
            if ended {
                span.ended_at = Some(at);
                continue;
            }
            span.windows += 1;
            let is_worse = (finding.severity, finding.value).partial_cmp(&(span.worst.severity, span.worst.value));
            if is_worse == Some(std::cmp::Ordering::Greater) {
                span.worst = finding;
            }
        }
    }

    /// All of them: the worst first, then by onset, then by id.
    pub(super) fn finish(self) -> Vec<FindingSpan> {
        let mut spans: Vec<FindingSpan> = self.0.into_values().collect();
        spans.sort_by(|a, b| {
            let (x, y) = (&a.worst, &b.worst);
            y.severity.cmp(&x.severity).then(x.onset.cmp(&y.onset)).then(x.id.cmp(&y.id))
        });
        spans
    }
}
