//! What of the findings of a window is said (F2).
//!
//! A finding that opens or ends is. One that lasts is said when it becomes worse, at once; when it becomes less bad, once
//! that has held for as long as an end has to; and else when it was not said for `repeat_after`, so that a reader who
//! keeps a topic for some days knows all that is open.

use super::LiveConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::{EventTime, Finding, FindingKind, FindingState, Severity};

/// How an open finding was last said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    kind: FindingKind,
    severity: Severity,
    /// Windows in a row in which it was less bad.
    lower: u32,
    /// End of the window with which it was said.
    at: EventTime,
}

impl Said {
    fn of(finding: &Finding) -> Self {
        Self { kind: finding.kind, severity: finding.severity, lower: 0, at: finding.window.end }
    }

    /// Whether what lasts is to be said again.
    fn is_news(&mut self, finding: &Finding, config: &LiveConfig) -> bool {
        self.lower = if finding.severity < self.severity { self.lower + 1 } else { 0 };
        let is_worse = finding.severity > self.severity;
        let is_less_bad = self.lower >= config.hold.close_after.max(1);
        is_worse || is_less_bad || finding.window.end.since(self.at) >= config.repeat_after
    }
}

/// Those of `findings` that are to be said.
pub(super) fn news(said: &mut BTreeMap<String, Said>, mut findings: Vec<Finding>, config: &LiveConfig) -> Vec<Finding> {
    findings.retain(|finding| is_told(said, finding, config));
    findings
}

/// Whether a finding is to be said; takes note of it, if it is.
fn is_told(said: &mut BTreeMap<String, Said>, finding: &Finding, config: &LiveConfig) -> bool {
    if finding.state == FindingState::Ended {
        said.remove(&finding.id);
        return true;
    }
    let before = said.get_mut(&finding.id);
    let is_told = finding.state == FindingState::Open || before.is_none_or(|before| before.is_news(finding, config));
    if is_told {
        said.insert(finding.id.clone(), Said::of(finding));
    }
    is_told
}

/// How many are open, as they were last said.
pub(super) fn open(said: &BTreeMap<String, Said>) -> BTreeMap<(FindingKind, Severity), u32> {
    let mut open = BTreeMap::new();
    for each in said.values() {
        *open.entry((each.kind, each.severity)).or_default() += 1;
    }
    open
}
