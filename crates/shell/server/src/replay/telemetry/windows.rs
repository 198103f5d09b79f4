//! The windows of a stretch of telemetry, for whoever wants to see them: no policies, nothing recorded to compare with.

use super::super::progress::Progress;
use super::super::range::Point;
use super::super::sink::{Cause, Sink};
use super::{Part, parts, work};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::live::SchemaSource;
use crate::replay::machine::Setup;
use crate::report::Quality;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegauge_engine::{DeciderOutput, WindowRule};
use tidegauge_kafka::admin::FoundTopic;
use tidegauge_model::{Level, WindowSpec, WindowSummary};

/// Hands each window to `take`, those of an agent in order.
pub(in crate::replay) fn run(
    config: &Config,
    window: Duration,
    (from, to): (&Point, &Point),
    found: &BTreeMap<String, FoundTopic>,
    take: &(dyn Fn(&WindowSummary) + Sync),
) -> anyhow::Result<Quality> {
    let config = watching(config, window)?;
    let schemas = SchemaSource::of(&config)?;
    let parts = parts(&config, from, to, found)?;
    let agents = AtomicU64::new(0);
    let sinks =
        |_: i32| -> anyhow::Result<Vec<Box<dyn Sink + '_>>> { Ok(vec![Box::new(Windows { take, agents: &agents })]) };
    let setup = Setup::of(&config, false);
    let progress = Progress::new(parts.iter().map(Part::offsets).sum(), parts.len());
    let (_, read) = work(&config, &schemas, &parts, 1, 1, &setup, &sinks, &progress)?;
    progress.finish();
    Ok(Quality { source: config.topics.telemetry.join(", "), windows: agents.into_inner(), ..read.quality() })
}

/// The configuration with those windows and nobody who decides.
fn watching(config: &Config, window: Duration) -> anyhow::Result<Config> {
    if !window.as_micros().is_multiple_of(config.time.pane.as_micros()) {
        let message =
            format!("--window has to be a whole number of panes, which are {:?} (time.pane)", config.time.pane);
        return Err(Failure::new(Code::Usage, message).into());
    }
    let mut config = config.clone();
    let spec = WindowSpec { size: window, slide: window };
    config.windows = vec![WindowRule { agent: true, instance: true, entity: true, ..WindowRule::unpublished(spec) }];
    (config.rollups, config.sessions, config.analytics) = (Vec::new(), None, None);
    config.control = Vec::new();
    Ok(config)
}

struct Windows<'a> {
    take: &'a (dyn Fn(&WindowSummary) + Sync),
    agents: &'a AtomicU64,
}

impl Sink for Windows<'_> {
    fn take(&mut self, _: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        for output in outputs {
            if let DeciderOutput::Window(window) = output {
                self.agents.fetch_add(u64::from(window.level() == Level::Agent), Ordering::Relaxed);
                (self.take)(window);
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}
