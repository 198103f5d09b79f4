//! Signals of SQL: planned and tried before anything starts, and held against the policies and rules that name them.

use super::check::Checker;
use super::files::problem_of;
use crate::diagnostic::ProblemKind;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegauge_engine::signal::{TRIAL_INSTANCES, Trial};
use tidegauge_engine::{ControlChange, SignalError, SignalPlan, WindowRule};
use tidegauge_model::{Level, WindowSpec};
use tidegauge_policy::alert::rules::By;
use tidegauge_policy::policy::ObjectiveKind;
use tidegauge_policy::{AlertRules, HumanDuration, Policy, SqlSignal, Written, signal};

const KEY: &str = "signals.paths";

impl Checker {
    /// The signals of all files, each name once, by name.
    pub(super) fn signals(
        &mut self,
        paths: &[PathBuf],
        windows: &[WindowRule],
    ) -> Vec<(Arc<SignalPlan>, ControlChange)> {
        let mut signals: BTreeMap<String, (Arc<SignalPlan>, ControlChange)> = BTreeMap::new();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for path in paths {
            for file in self.yaml_files(KEY, path) {
                let Some(text) = self.text(KEY, &file) else { continue };
                let name = file.display().to_string();
                let written =
                    SqlSignal::parse(&name, &text).and_then(|signals| Ok((signals, Written::parse(&name, &text)?)));
                let (of_file, written) = match written {
                    Ok(read) => read,
                    Err(error) => {
                        self.problems.push(problem_of(error));
                        continue;
                    }
                };
                for (signal, written) in of_file.into_iter().zip(&written) {
                    self.window_exists(&name, "spec.window", signal.window, windows);
                    if let Some(first) = seen.insert(signal.name.clone(), name.clone()) {
                        let message = format!("expected a name of its own, but {first} has `{}` too", signal.name);
                        self.note_in(ProblemKind::NameTaken, &name, "metadata.name", message);
                    }
                    let called = signal.name.clone();
                    match planned(signal) {
                        Ok(plan) => drop(signals.insert(called, (Arc::new(plan), ControlChange::of(written)))),
                        Err(error) => self.note_in(ProblemKind::WrongSignal, &name, "spec.sql", error.to_string()),
                    }
                }
            }
        }
        signals.into_values().collect()
    }

    /// That a policy's signals are there, have a value where it closes, and one of the level that it takes.
    pub(super) fn policy_signals(&mut self, file: &str, policy: &Policy, signals: &[Arc<SignalPlan>]) {
        for (path, name, kind) in policy.signals() {
            let key = format!("{path}.signal");
            let Some(plan) = self.signal_exists(file, &key, name, policy.window, signals, signal::unknown) else {
                continue;
            };
            if kind == ObjectiveKind::Value && plan.level() == Level::Instance {
                let message = format!(
                    "expected average_value, since `{name}` has a value of each instance; for one value of the agent \
                     aggregate them in its SELECT"
                );
                // A condition has no type: what is wrong there is the signal itself.
                let has_type = path.starts_with("spec.objectives") || path.ends_with(".objective");
                let key = if has_type { format!("{path}.type") } else { key };
                self.note_in(ProblemKind::UnknownSignal, file, &key, message);
            }
        }
    }

    /// The same of alert rules.
    pub(super) fn rule_signals(&mut self, file: &str, rules: &AlertRules, signals: &[Arc<SignalPlan>]) {
        for (index, name, by) in rules.signals() {
            let key = format!("spec.rules[{index}].signal.name");
            let unknown = signal::unknown_to_rules;
            let Some(plan) = self.signal_exists(file, &key, name, rules.window(), signals, unknown) else { continue };
            let (has, wanted) = match (plan.level(), by) {
                (Level::Agent, By::Instance) => ("one value of the agent", "agent"),
                (Level::Instance, By::Agent) => ("a value of each instance", "instance"),
                _ => continue,
            };
            let message = format!("expected {wanted}, since the signal `{name}` has {has}");
            self.note_in(ProblemKind::UnknownSignal, file, &format!("spec.rules[{index}].by"), message);
        }
    }

    /// The signal of that name; without one `unknown` says what could have been named.
    fn signal_exists<'a>(
        &mut self,
        file: &str,
        key: &str,
        name: &str,
        closes: WindowSpec,
        signals: &'a [Arc<SignalPlan>],
        unknown: fn(&str, &[&str]) -> (String, Option<String>),
    ) -> Option<&'a SignalPlan> {
        let Some(plan) = signals.iter().find(|plan| plan.signal().name == name) else {
            let known: Vec<&str> = signals.iter().map(|plan| plan.signal().name.as_str()).collect();
            let (message, nearest) = unknown(name, &known);
            let hint = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
            self.note_in(ProblemKind::UnknownSignal, file, key, message + &hint);
            return None;
        };
        if !plan.signal().ends_with(closes) {
            let message = format!(
                "expected a signal that is evaluated every {}, but `{name}` has windows that slide by {}: its slide must \
                 fit a whole number of times into the one here",
                HumanDuration(closes.slide),
                HumanDuration(plan.window().slide)
            );
            self.note_in(ProblemKind::UnknownSignal, file, key, message);
        }
        Some(plan)
    }
}

/// A signal may take so long on the largest agent that it is tried on. One that is sound takes a hundredth of it: a busy
/// machine makes none of those refused.
const SLOW: Duration = Duration::from_secs(2);

/// Planned, and tried on agents of ever more instances, so that one that costs too much is found out early.
fn planned(signal: SqlSignal) -> Result<SignalPlan, SignalError> {
    let mut plan = SignalPlan::new(signal)?;
    for instances in [0, 1, TRIAL_INSTANCES / 100, TRIAL_INSTANCES / 10, TRIAL_INSTANCES] {
        let trial = Trial::of(&plan, instances);
        let begin = Instant::now();
        trial.run(&mut plan)?;
        let took = begin.elapsed();
        if took > SLOW {
            let message = format!(
                "on an agent of {instances} instances it takes {:.1} s, and decisions wait for it: compute less of each row",
                took.as_secs_f64()
            );
            return Err(SignalError::Cost(message));
        }
    }
    Ok(plan)
}
