//! What became of a decision: what actuators said of its generation, and what later windows showed.

use crate::commands::records;
use crate::config::Config;
use crate::connect;
use crate::terminal::{self, Tone};
use serde_json::{Value, json};
use tidegauge_model::{Decision, EventTime, Finding, FindingKind, ScalingEvent};

/// All that is known of it.
pub(super) struct Life {
    /// In the order of time.
    events: Vec<ScalingEvent>,
    effect: Option<Finding>,
}

impl Life {
    /// Reads what was published since the decision was. Where nobody tells, there is no topic.
    pub(super) fn read(config: &Config, published_at: EventTime, decision: &Decision) -> anyhow::Result<Self> {
        let (events_topic, findings_topic) = (&config.topics.scaling_events, &config.topics.findings);
        let found = connect::admin(config)?.topics(&[events_topic, findings_topic])?;
        let mut life = Self { events: Vec::new(), effect: None };
        if found.contains_key(events_topic) {
            records::read(config, events_topic, published_at, None, |_, event: ScalingEvent| {
                let is_its =
                    event.generation == Some(decision.generation) || event.decision_id.as_ref() == Some(&decision.id);
                if event.target == decision.target && is_its {
                    life.events.push(event);
                }
            })?;
        }
        life.events.sort_by_key(|event| (event.state_at, event.state));
        if found.contains_key(findings_topic) {
            records::read(config, findings_topic, published_at, None, |_, finding: Finding| {
                if is_effect_of(&finding, decision) {
                    life.effect.get_or_insert(finding);
                }
            })?;
        }
        Ok(life)
    }

    pub(super) fn object(&self) -> Value {
        json!({ "events": self.events, "effect": self.effect })
    }

    pub(super) fn text(&self, colours: bool) -> String {
        if self.events.is_empty() {
            return "\nno actuator has said anything of it\n".to_owned();
        }
        let row = |event: &ScalingEvent| {
            let instances = event.instances_after.map(|count| count.to_string()).unwrap_or_default();
            let texts = [
                super::decision::word(&event.state),
                event.state_at.to_string(),
                instances,
                event.actuator.clone().unwrap_or_default(),
                event.error.clone().unwrap_or_default(),
            ];
            texts.map(|text| (text, Tone::Plain)).into()
        };
        let rows: Vec<Vec<_>> = self.events.iter().map(row).collect();
        let table = terminal::table(&["BECAME", "AT", "INSTANCES", "ACTUATOR", "WHY"], &rows, colours);
        let effect = match &self.effect {
            None => "not known yet".to_owned(),
            Some(effect) => {
                let remedies = effect.remedies.iter().map(|remedy| format!("; {remedy}"));
                effect.summary.clone() + &remedies.collect::<String>()
            }
        };
        format!("\n{table}\neffect     {effect}\n")
    }
}

fn is_effect_of(finding: &Finding, decision: &Decision) -> bool {
    let generation = finding.evidence.iter().find(|evidence| evidence.name == "generation");
    finding.kind == FindingKind::ScalingEffect
        && finding.entity.target() == Some(&decision.target)
        && generation.is_some_and(|evidence| evidence.value == decision.generation as f64)
}
