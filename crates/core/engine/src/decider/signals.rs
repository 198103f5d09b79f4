//! The signals of SQL that hold, and what they say at a close.
//!
//! A signal is planned when its document is read from the journal, once for each shuffle partition, and evaluated for
//! one target at a time. What goes wrong is a value of its own ([`SignalFailure`]): nothing that a signal does ends a
//! step or changes what other signals say.

use super::control::{Held, nameless};
use super::summary::ClosedWindows;
use crate::journal::{ControlChange, ControlKind};
use crate::signal::SignalPlan;
use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::{Target, WindowSpec, WindowSummary};
use tidegauge_policy::{SignalFailure, SignalValue, SignalValues, SqlSignal};

/// The signals that hold, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals {
    held: BTreeMap<String, Held<SignalPlan>>,
    trouble: BTreeMap<String, SignalTrouble>,
}

/// A signal that had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalTrouble {
    /// Its name.
    pub name: String,
    /// How many evaluations failed.
    pub evaluations: u64,
    /// Of whom the first of them was.
    pub target: Target,
    /// What was wrong with the first of them.
    pub failure: SignalFailure,
    /// The same with numbers, for people.
    pub detail: String,
}

impl Signals {
    /// These hold, whatever the journal says.
    pub(super) fn fixed(plans: impl IntoIterator<Item = SignalPlan>) -> Self {
        let held = plans.into_iter().map(|plan| {
            let name = plan.signal().name.clone();
            (name.clone(), Held { change: nameless(ControlKind::Signal, &name), value: Some(plan) })
        });
        Self { held: held.collect(), ..Self::default() }
    }

    /// Whether none holds.
    pub(super) fn is_empty(&self) -> bool {
        self.plans().next().is_none()
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &SignalPlan> {
        self.held.values().filter_map(|held| held.value.as_ref())
    }

    pub(super) fn held(&self, name: &str) -> Option<&ControlChange> {
        self.held.get(name).map(|held| &held.change)
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &ControlChange> {
        self.held.values().map(|held| &held.change)
    }

    /// From here on the signal holds; why it does not, where this build would not have taken it.
    pub(super) fn hold(&mut self, change: ControlChange, signal: SqlSignal) -> Result<(), String> {
        let change = ControlChange { hash: signal.hash.clone(), ..change };
        let plan = SignalPlan::new(signal)
            .map_err(|error| format!("{} version {} cannot be planned: {error}", change.name, change.version))?;
        self.held.insert(change.name.clone(), Held { change, value: Some(plan) });
        Ok(())
    }

    /// From here on the signal does not hold.
    pub(super) fn end(&mut self, change: ControlChange) {
        self.held.insert(change.name.clone(), Held { change, value: None });
    }

    /// What those of `wanted` that hold say of a target whose windows of these kinds close together.
    pub(super) fn values(
        &mut self,
        target: &Target,
        wanted: &BTreeSet<String>,
        closed: &[(WindowSpec, &ClosedWindows)],
    ) -> SignalValues {
        let mut values = SignalValues::default();
        for name in wanted {
            let Some(plan) = self.held.get_mut(name).and_then(|held| held.value.as_mut()) else { continue };
            let value = match closed.iter().find(|(spec, _)| *spec == plan.window()) {
                None => SignalValue::Failed(SignalFailure::NoWindow), // at the beginning, or in a mistaken combination
                Some((_, windows)) => match plan.evaluate(&windows.with_rows()) {
                    Ok(value) => value,
                    Err((failure, detail)) => {
                        note(&mut self.trouble, name, target, failure, detail);
                        SignalValue::Failed(failure)
                    }
                },
            };
            values.insert(name, value);
        }
        values
    }

    pub(super) fn take_trouble(&mut self) -> Vec<SignalTrouble> {
        std::mem::take(&mut self.trouble).into_values().collect()
    }
}

impl ClosedWindows {
    /// What SQL sees: the windows that hold rows, as they are published.
    fn with_rows(&self) -> Vec<&WindowSummary> {
        std::iter::once(&self.agent)
            .filter(|window| window.samples > 0)
            .chain(&self.instances)
            .chain(&self.entities)
            .collect()
    }
}

fn note(
    trouble: &mut BTreeMap<String, SignalTrouble>,
    name: &str,
    target: &Target,
    failure: SignalFailure,
    detail: String,
) {
    let first = || SignalTrouble { name: name.to_owned(), evaluations: 0, target: target.clone(), failure, detail };
    trouble.entry(name.to_owned()).or_insert_with(first).evaluations += 1;
}
