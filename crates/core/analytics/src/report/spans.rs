//! Findings of a period: each from its onset to its end, as its worst window showed it.

use std::collections::BTreeMap;
use tidegauge_model::{EventTime, Finding, FindingState};

/// One finding over its whole life.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct FindingSpan {
    /// As the window with the greatest severity, then value, showed it.
    #[serde(flatten)]
    pub worst: Finding,
    /// When it opened: the end of the first window by which it had held for long enough.
    pub opened_at: EventTime,
    /// When it ended: the end of the window that closed it; absent where it lasts beyond the period.
    pub ended_at: Option<EventTime>,
    /// Windows that showed it since it opened.
    pub windows: u64,
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
