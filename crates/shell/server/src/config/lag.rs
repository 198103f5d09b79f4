//! The section `lag`, checked: whose lag is measured for whom, and that the samples will be understood.

use super::check::Checker;
use super::checked::LagConfig;
use super::raw::{IngestFormat, IngestSection, LagSection, RawConfig};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidegauge_policy::HumanDuration;

const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

impl Checker {
    pub(super) fn lag(&mut self, raw: &RawConfig) -> Vec<LagConfig> {
        if !raw.lag.is_empty() {
            self.understands_samples(&raw.ingest);
        }
        let mut seen = BTreeSet::new();
        let mut checked = Vec::new();
        for (index, section) in raw.lag.iter().enumerate() {
            let key = format!("lag[{index}]");
            let lag = self.one_lag(&key, section, raw);
            // A row of telemetry names the three of them.
            let row = (lag.group.clone(), lag.topic.clone(), lag.agent.clone(), lag.workspace.clone());
            self.require(seen.insert(row), &key, || {
                format!("expected each group and topic once for an agent, but {} is there already", lag.group)
            });
            checked.push(lag);
        }
        checked
    }

    fn one_lag(&mut self, key: &str, section: &LagSection, raw: &RawConfig) -> LagConfig {
        self.require(EVERY.contains(&section.every), &format!("{key}.every"), || {
            format!("expected 1s to 10m, found {}", HumanDuration(section.every))
        });
        let telemetry = &raw.topics.telemetry;
        let into = section.into.clone().or_else(|| telemetry.first().cloned()).unwrap_or_default();
        self.require(telemetry.contains(&into), &format!("{key}.into"), || {
            format!("expected one of topics.telemetry, {}, found {into}", telemetry.join(", "))
        });
        LagConfig {
            group: section.group.clone(),
            topic: section.topic.clone(),
            agent: section.agent.clone(),
            workspace: section.workspace.clone().unwrap_or_else(|| raw.ingest.default_workspace.clone()),
            every: section.every,
            into,
        }
    }

    /// Samples are written as tidegauge's own records, and have to be read as such.
    fn understands_samples(&mut self, ingest: &IngestSection) {
        let problem = match ingest.format {
            IngestFormat::AvroConfluent => "samples of lag are in single-object encoding or JSON",
            IngestFormat::Json if ingest.mapping.is_some() => {
                "with ingest.mapping all JSON is foreign, and samples of lag are not"
            }
            _ => return,
        };
        self.note("ingest.format", format!("expected auto or avro_single_object, since lag is measured: {problem}"));
    }
}
