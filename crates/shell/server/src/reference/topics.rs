//! `topics.md`: which topics there are, what they are for, and how `topics ensure` makes them.

use super::cell;
use crate::config::{Config, SettingDoc};
use crate::topics;
use std::fmt::Write as _;
use tidegauge_kafka::admin::TopicSpec;

const INTRODUCTION: &str = "\
# Topics

`tidegauge topics ensure` creates those that are missing, reports those that differ from what is said here, and alters none;
`tidegauge validate --online` only looks. Names are settings; one set of topics belongs to one `kafka.group`. What the
records hold is in [schemas](schemas.md).

Telemetry topics are their producers', with as many partitions as they like; `topics ensure --telemetry-partitions N` creates
them where nobody else does. All others have `topics.shuffle_partitions` partitions, and `topics.replication_factor` copies.
What is published for a shuffle partition follows from that partition of the journal alone.
";

/// What the records of a topic are, by the last part of its setting: schema, and key.
const RECORDS: [(&str, &str, &str); 10] = [
    ("telemetry", "[TelemetrySample](schemas.md#telemetrysample), or whatever a mapping reads", "any"),
    (
        "shuffle",
        "[JournalHeader](schemas.md#journalheader), [ControlChange](schemas.md#controlchange), [JournalEvent](schemas.md#journalevent)",
        "none",
    ),
    ("windows", "[WindowSummary](schemas.md#windowsummary)", "the target"),
    ("decisions", "[Decision](schemas.md#decision)", "the target"),
    ("decisions_current", "[Decision](schemas.md#decision), of mode live", "the target"),
    ("alerts", "[AlertTransition](schemas.md#alerttransition)", "the alert's fingerprint"),
    ("findings", "[Finding](schemas.md#finding)", "the finding's id"),
    ("late", "no value; headers `tidegauge.late.*` say what came too late", "the telemetry topic"),
    ("dead_letters", "the record as it came; headers `tidegauge.error.*` say what is wrong with it", "as it came"),
    ("state", "[StateRecord](schemas.md#staterecord)", "none"),
];

pub(super) fn page(config: &Config, settings: &[SettingDoc]) -> String {
    let specs: Vec<_> = topics::telemetry(config, None).into_iter().chain(topics::wanted(config)).collect();
    let spec_of = |name: &str| specs.iter().find(|spec| spec.name == name);
    let mut out = INTRODUCTION.to_owned();
    for (name, records, key) in RECORDS {
        let setting = format!("topics.{name}");
        let doc = settings.iter().find(|doc| doc.key == setting);
        let default = doc.and_then(|doc| doc.default.as_deref()).unwrap_or_default().trim_matches(['[', ']']);
        let what = doc.map(|doc| doc.docs.as_str()).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(out, "\n## `{default}`\n\n{what}\n\n| | |\n| --- | --- |\n| setting | `{setting}` |\n");
        let _ = writeln!(out, "| records | {} |\n| key | {key} |", cell(records));
        if let Some(TopicSpec { settings, .. }) = spec_of(default) {
            let settings: Vec<_> = settings.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
            let _ = writeln!(out, "| topic settings | {} |", settings.join(", "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, reference};

    #[test]
    fn every_topic_of_the_configuration_is_on_the_page() {
        let config = Config::load(&Layers::default()).expect("the defaults are right");
        let page = page(&config, &reference());
        for spec in topics::telemetry(&config, None).into_iter().chain(topics::wanted(&config)) {
            assert!(page.contains(&format!("\n## `{}`\n", spec.name)), "{} is missing", spec.name);
        }
        assert_eq!(page.matches("| topic settings |").count(), RECORDS.len());
    }
}
