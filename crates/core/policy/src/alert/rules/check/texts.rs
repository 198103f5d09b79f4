//! What people are told: checked as it is written, and the default. How names are put in: [`template`].

use crate::alert::rules::{RawRule, RuleSignal, Side};
use crate::alert::template;
use crate::error::Problem;
use tidegauge_model::IDENTITY_LABELS;

/// Names in braces are known, labels mean one thing, and links are links.
pub(super) fn check_texts(raw: &RawRule, path: &str) -> Result<(), Problem> {
    if let Some(taken) = raw.labels.keys().find(|name| IDENTITY_LABELS.contains(&name.as_str())) {
        let message = format!("expected a name of its own, but `{taken}` is one of tidegauge's own labels");
        return Err(Problem::at(format!("{path}.labels.{taken}"), message));
    }
    let texts = raw.summary.iter().map(|text| (format!("{path}.summary"), text));
    let annotations = raw.annotations.iter().map(|(name, text)| (format!("{path}.annotations.{name}"), text));
    let links = raw.runbook_url.iter().map(|text| (format!("{path}.runbook_url"), text));
    texts.chain(annotations).chain(links).try_for_each(|(at, text)| template::check(text, &raw.labels, &at))?;
    match &raw.runbook_url {
        Some(link) if !link.starts_with("https://") && !link.starts_with("http://") => Err(Problem::at(
            format!("{path}.runbook_url"),
            format!("expected an http or https address, found `{link}`"),
        )),
        _ => Ok(()),
    }
}

pub(super) const fn default_summary(signal: &RuleSignal, has_entity: bool, side: Side) -> &'static str {
    match (signal, side) {
        (_, Side::Above) if has_entity => "{target}: {rule}, {value} of {entity} is above {threshold}",
        (_, Side::Below) if has_entity => "{target}: {rule}, {value} of {entity} is below {threshold}",
        (RuleSignal::NoData { .. }, _) => "{target}: {rule}, no data",
        (RuleSignal::Finding { .. }, _) => "{target}: {rule}: {finding}",
        (RuleSignal::BurnRate(_), _) => {
            "{target}: {rule}, the error budget is used up {value} times as fast as allowed, over {threshold}"
        }
        (RuleSignal::Forecast { .. }, Side::Above) => {
            "{target}: {rule}, {value} of what it may carry at most is forecast within {horizon}, beyond it in {time_to_breach}"
        }
        (_, Side::Above) => "{target}: {rule}, {value} is above {threshold}",
        (_, Side::Below) => "{target}: {rule}, {value} is below {threshold}",
    }
}
