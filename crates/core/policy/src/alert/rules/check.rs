//! From rules as written to rules as checked: defaults filled in, contradictions refused with their key path.

mod signal;
mod texts;
mod threshold;

use super::{AlertRules, By, RawAlertRules, RawImportance, RawRule, RawRulesSpec, Rule, RuleSignal};
use crate::duration::HumanDuration;
use crate::error::Problem;
use crate::identity::hash_of;
use crate::policy::check::{check_matches, check_window};
use signal::check_signal;
use std::collections::BTreeSet;
use std::time::Duration;
use texts::{check_texts, default_summary};
use threshold::{check_recovery, check_threshold};
use tidegauge_model::{EntityKey, Severity, WindowSpec};

const WEEK: Duration = Duration::from_hours(7 * 24);

impl RawAlertRules {
    /// The rules, checked.
    ///
    /// # Errors
    ///
    /// The first contradiction, with its key path.
    pub fn check(self) -> Result<AlertRules, Problem> {
        let RawRulesSpec { matches, window, importance, rules } = self.spec;
        if self.metadata.name.trim().is_empty() {
            return Err(Problem::at("metadata.name", "expected a name, found none"));
        }
        if rules.is_empty() {
            return Err(Problem::at("spec.rules", "expected at least one rule, found none"));
        }
        let mut names = BTreeSet::new();
        for (index, rule) in rules.iter().enumerate() {
            if !names.insert(rule.name.clone()) {
                let message = format!("expected a name of its own, found `{}` a second time", rule.name);
                return Err(Problem::at(format!("spec.rules[{index}].name"), message));
            }
        }
        let spec = check_window(window, "spec.window")?;
        let check = |(index, rule)| check_rule(rule, spec, &format!("spec.rules[{index}]"));
        let of_agents = |(index, raw): (usize, RawImportance)| {
            Ok((check_matches(raw.matches, &format!("spec.importance[{index}].match"))?, raw.importance))
        };
        let mut checked = AlertRules {
            name: self.metadata.name,
            version: self.metadata.version,
            matches: check_matches(matches, "spec.match")?,
            window_size: spec.size,
            window_slide: spec.slide,
            importance: importance.into_iter().enumerate().map(of_agents).collect::<Result<_, _>>()?,
            rules: rules.into_iter().enumerate().map(check).collect::<Result<_, _>>()?,
            hash: String::new(),
        };
        checked.hash = hash_of(&serde_json::to_vec(&checked).expect("checked rules hold nothing that JSON cannot"));
        Ok(checked)
    }
}

fn check_rule(raw: RawRule, window: WindowSpec, path: &str) -> Result<Rule, Problem> {
    check_signal(&raw, window, path)?;
    let entity = check_entity(&raw, path)?;
    let (side, threshold) = check_threshold(&raw, path)?;
    check_recovery(&raw, side, threshold, path)?;
    check_texts(&raw, path)?;
    let duration = |duration: Option<HumanDuration>, key: &str, default: Duration| match duration {
        Some(HumanDuration(long)) if long > WEEK => {
            let message = format!("expected at most 7d, found {}", HumanDuration(long));
            Err(Problem::at(format!("{path}.{key}"), message))
        }
        stated => Ok(stated.map_or(default, |duration| duration.0)),
    };
    Ok(Rule {
        side,
        threshold,
        recovery: raw.recovery,
        hold_for: duration(raw.hold_for, "for", Duration::ZERO)?,
        keep_firing_for: duration(raw.keep_firing_for, "keep_firing_for", Duration::ZERO)?,
        forget_absent_after: duration(raw.forget_absent_after, "forget_absent_after", Duration::from_hours(1))?,
        severity: raw.severity.unwrap_or(Severity::Warning),
        by: raw.by,
        labels: raw.labels,
        summary: raw.summary.unwrap_or_else(|| default_summary(&raw.signal, entity.is_some(), side).to_owned()),
        annotations: raw.annotations,
        runbook_url: raw.runbook_url,
        name: raw.name,
        signal: raw.signal,
        entity,
    })
}

/// The windows of an entity have no instances, and SQL reads them by itself.
fn check_entity(raw: &RawRule, path: &str) -> Result<Option<EntityKey>, Problem> {
    let Some(entity) = &raw.entity else { return Ok(None) };
    let path = format!("{path}.entity");
    let of_window =
        matches!(raw.signal, RuleSignal::Metric { .. } | RuleSignal::Utilization { .. } | RuleSignal::ErrorRate);
    if !of_window {
        return Err(Problem::at(path, "expected a signal of kind metric, utilization or error_rate with an entity"));
    }
    if raw.by == By::Instance {
        return Err(Problem::at(path, "expected no `by: instance` with an entity: it has no instances"));
    }
    let name = entity.name.as_deref().unwrap_or_default();
    if name.is_empty() != entity.kind.is_single() {
        let message = match entity.kind.is_single() {
            true => format!("expected no name: there is one {}, found `{name}`", entity.kind.name()),
            false => format!(
                "expected the name of the {}, as telemetry has it in `entity_id`, found none",
                entity.kind.name()
            ),
        };
        return Err(Problem::at(format!("{path}.name"), message));
    }
    Ok(Some(EntityKey::new(entity.kind, name)))
}
