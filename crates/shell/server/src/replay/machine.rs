//! The Decider of a replay: built as the live one is, from the same configuration and the same checkpoints.

use super::log::LogReader;
use super::start::{self, Start};
use crate::config::Config;
use crate::live::decider_config;
use std::collections::BTreeMap;
use tidegauge_engine::journal::{self, JournalError};
use tidegauge_engine::{Control, ControlChange, Decider, DeciderConfig, DeciderInput, DeciderOutput, SignalPlan};
use tidegauge_model::{EventTime, Mode};
use tidegauge_policy::Policy;

/// What every Decider of a replay is built from.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    config: DeciderConfig,
    /// What holds instead of what the journal says.
    fixed: Option<Control>,
}

impl Setup {
    /// As the configuration says; of a backtest its policies hold, else those of the journal.
    pub(super) fn of(config: &Config, backtest: bool) -> Self {
        let policies = config.policies.iter().map(|policy| Policy { mode: Mode::Backtest, ..policy.clone() });
        let fixed = backtest.then(|| {
            Control::fixed(policies, config.alerts.clone(), config.signals.iter().map(|plan| SignalPlan::clone(plan)))
                .with_quotas(config.quotas.clone())
        });
        Self { config: decider_config(config), fixed }
    }

    /// A Decider that knows nothing yet; unless something else is fixed, `documents` hold until the journal says
    /// otherwise, as where a live one begins.
    pub(super) fn fresh(&self, documents: impl IntoIterator<Item = ControlChange>) -> Decider {
        let control = self.fixed.clone().unwrap_or_else(|| Control::beginning(documents, BTreeMap::new()));
        Decider::new(self.config.clone(), control)
    }
}

/// A Decider on its way through the journal.
pub(super) struct Machine {
    decider: Decider,
}

impl Machine {
    /// The machine as it was at `start`, and the offset from which it has to be given the journal. What it says before
    /// the wanted stretch is of no interest.
    pub(super) fn start(
        setup: &Setup,
        reader: &mut LogReader,
        state_topic: &str,
        partition: i32,
        start: &Start,
    ) -> anyhow::Result<(Self, i64)> {
        let decider = match start {
            Start::Fresh { documents, .. } => setup.fresh(documents.iter().cloned()),
            Start::Restored { state, .. } => {
                let checkpoint = start::load(reader, state_topic, partition, state.clone(), start)?;
                Decider::restored(setup.config.clone(), checkpoint, setup.fixed.clone())
            }
        };
        Ok((Self { decider }, start.read_from()))
    }

    /// Takes the next record of the journal and returns what it leads to.
    pub(super) fn step(
        &mut self,
        bytes: &[u8],
        offset: i64,
        log_time: EventTime,
    ) -> Result<Vec<DeciderOutput>, JournalError> {
        let record = journal::decode(bytes)?;
        Ok(self.decider.step(DeciderInput { record, offset, log_time }))
    }
}
