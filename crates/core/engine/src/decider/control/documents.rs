//! Which documents hold: what the journal says, and how what a process wants differs from it.

use super::Control;
use crate::decider::DeciderOutput;
use crate::journal::{ControlChange, ControlKind};
use tidegauge_model::{EventTime, Mode, Target};
use tidegauge_policy::{Document, Written, document};

/// A document as the journal had it, and what it means; nothing if it was taken away.
#[derive(Clone, Debug)]
pub(in crate::decider) struct Held<T> {
    pub(in crate::decider) change: ControlChange,
    pub(in crate::decider) value: Option<T>,
}

/// What a process with its own files has to say about what holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlDifference {
    /// What is wanted and newer than what holds: to be appended to the journal.
    pub changes: Vec<ControlChange>,
    /// The end of what holds and is not wanted. Another process may want it: whether to append it is for people to say.
    pub unwanted: Vec<ControlChange>,
    /// Documents that cannot hold, and why.
    pub refused: Vec<String>,
}

impl ControlChange {
    /// That this document shall hold.
    #[must_use]
    pub fn of(written: &Written) -> Self {
        let (document, kind) = match &written.document {
            document @ Document::Policy(_) => (document, ControlKind::Policy),
            document @ Document::AlertRules(_) => (document, ControlKind::AlertRules),
            document @ Document::Signal(_) => (document, ControlKind::Signal),
            document @ Document::Silence(_) => (document, ControlKind::Silence),
            document @ Document::Inhibition(_) => (document, ControlKind::Inhibition),
            document @ Document::Quota(_) => (document, ControlKind::Quota),
        };
        let (name, hash) = (document.name().to_owned(), document.hash().to_owned());
        Self { kind, name, version: document.version(), hash, document: Some(written.text.clone()) }
    }
}

impl Control {
    /// How `wanted`, all documents of a process, differ from what holds.
    #[must_use]
    pub fn difference(&self, wanted: &[ControlChange]) -> ControlDifference {
        let mut difference = ControlDifference::default();
        for change in wanted {
            match self.held(change.kind, &change.name) {
                Some(held) if held.version == change.version && held.document.is_none() => {
                    let ControlChange { name, version, .. } = change;
                    difference
                        .refused
                        .push(format!("{name}: version {version} was taken away; it comes back with a higher version"));
                }
                Some(held) if held.version == change.version && held.hash == change.hash => {}
                Some(held) if held.version >= change.version => {
                    let ControlChange { name, version, .. } = change;
                    let holds = held.version;
                    let message =
                        format!("{name}: version {version} differs from version {holds}, which holds; raise it");
                    difference.refused.push(message);
                }
                _ => match self.quotas.clash(change).filter(|_| change.kind == ControlKind::Quota) {
                    Some(why) => difference.refused.push(why),
                    None => difference.changes.push(change.clone()),
                },
            }
        }
        let is_wanted = |held: &ControlChange| wanted.iter().any(|w| (w.kind, &w.name) == (held.kind, &held.name));
        let unwanted = self.documents().filter(|held| held.document.is_some() && !is_wanted(held));
        difference.unwanted.extend(unwanted.map(|held| ControlChange { document: None, ..held.clone() }));
        difference
    }

    fn held(&self, kind: ControlKind, name: &str) -> Option<&ControlChange> {
        match kind {
            ControlKind::Policy => self.policies.get(name).map(|held| &held.change),
            ControlKind::AlertRules => self.rules.get(name).map(|held| &held.change),
            ControlKind::Signal => self.signals.held(name),
            ControlKind::Silence => self.silences.get(name).map(|held| &held.change),
            ControlKind::Inhibition => self.inhibitions.get(name).map(|held| &held.change),
            ControlKind::Quota => self.quotas.change(name),
        }
    }

    /// Every document as the journal had it, those that were taken away too.
    pub(in crate::decider) fn documents(&self) -> impl Iterator<Item = &ControlChange> {
        let policies = self.policies.values().map(|held| &held.change);
        let silences = self.silences.values().map(|held| &held.change);
        let inhibitions = self.inhibitions.values().map(|held| &held.change);
        let rules = self.rules.values().map(|held| &held.change);
        policies
            .chain(rules)
            .chain(self.signals.changes())
            .chain(silences)
            .chain(inhibitions)
            .chain(self.quotas.changes())
    }

    /// What the journal says shall hold from here on; alerts that nobody watches any more end at `at`.
    pub(in crate::decider) fn apply(&mut self, change: ControlChange, at: EventTime, out: &mut Vec<DeciderOutput>) {
        if self.is_fixed || self.held(change.kind, &change.name).is_some_and(|held| !is_newer(&change, held)) {
            return; // C1
        }
        let document = match change.document.as_deref().map(|text| document::parse(&change.name, text)).transpose() {
            Ok(parsed) => parsed.and_then(|documents| documents.into_iter().next()),
            Err(error) => {
                self.refused.push(format!("{} version {} cannot be read: {error}", change.name, change.version));
                return;
            }
        };
        let name = change.name.clone();
        match (change.kind, document) {
            (ControlKind::Policy, Some(Document::Policy(policy))) => {
                let change = ControlChange { hash: policy.hash.clone(), ..change };
                if policy.mode != Mode::Live {
                    self.keep_generations(&name);
                }
                self.policies.insert(name, Held { change, value: Some(policy) });
                self.end_lives_of_nobody(at, out);
            }
            (ControlKind::AlertRules, Some(Document::AlertRules(rules))) => {
                let change = ControlChange { hash: rules.hash.clone(), ..change };
                let left = self.alerts.keys().filter(|target| !rules.matches.covers(target)).cloned();
                for target in left.collect::<Vec<_>>() {
                    self.end_alerts(&target, Some(&name), at, "its rules are about others now", out);
                }
                self.rules.insert(name, Held { change, value: Some(rules) });
            }
            (ControlKind::Signal, Some(Document::Signal(signal))) => {
                if let Err(problem) = self.signals.hold(change, signal) {
                    self.refused.push(problem);
                }
            }
            (ControlKind::Signal, None) => self.signals.end(change),
            (ControlKind::Silence, Some(Document::Silence(silence))) => {
                let change = ControlChange { hash: silence.hash.clone(), ..change };
                self.silences.insert(name, Held { change, value: Some(silence) });
            }
            (ControlKind::Inhibition, Some(Document::Inhibition(inhibition))) => {
                let change = ControlChange { hash: inhibition.hash.clone(), ..change };
                self.inhibitions.insert(name, Held { change, value: Some(inhibition) });
            }
            (ControlKind::Silence, None) => {
                self.silences.insert(name, Held { change, value: None });
            }
            (ControlKind::Inhibition, None) => {
                self.inhibitions.insert(name, Held { change, value: None });
            }
            (ControlKind::Quota, Some(Document::Quota(quota))) => {
                let change = ControlChange { hash: quota.hash.clone(), ..change };
                self.refused.extend(self.quotas.hold(change, Some(quota)).err());
            }
            (ControlKind::Quota, None) => self.refused.extend(self.quotas.hold(change, None).err()),
            (ControlKind::Policy, None) => {
                self.forget_policy(&name);
                self.policies.insert(name, Held { change, value: None });
                self.end_lives_of_nobody(at, out);
            }
            (ControlKind::AlertRules, None) => {
                let targets: Vec<Target> = self.alerts.keys().cloned().collect();
                for target in targets {
                    self.end_alerts(&target, Some(&name), at, "its rules are no more", out);
                }
                self.rules.insert(name, Held { change, value: None });
            }
            (_, Some(other)) => self.refused.push(format!("{name} is something else: {}", other.name())),
        }
    }

    /// Why documents of the journal do not hold, since this was last called.
    pub(in crate::decider) fn take_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refused)
    }
}

/// A document that holds without the journal.
pub(in crate::decider) fn nameless(kind: ControlKind, name: &str) -> ControlChange {
    ControlChange { kind, name: name.to_owned(), version: 0, hash: String::new(), document: None }
}

/// C1: a higher version, or the end of what holds.
fn is_newer(change: &ControlChange, held: &ControlChange) -> bool {
    let ends = change.document.is_none() && held.document.is_some();
    change.version > held.version || (change.version == held.version && ends)
}
