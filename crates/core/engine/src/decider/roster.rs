//! The instances of an agent, ascending by id.

use super::Instance;
use tidegauge_model::InstanceId;

/// Ids and instances in one sorted list. Partials come sorted too, so that looking up all instances of one is a walk
/// through both.
#[derive(Debug, Default)]
pub(super) struct Roster(Vec<(InstanceId, Instance)>);

impl Roster {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&InstanceId, &Instance)> {
        self.0.iter().map(|(id, instance)| (id, instance))
    }

    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &Instance> + Clone {
        self.0.iter().map(|(_, instance)| instance)
    }

    pub(super) fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Instance> {
        self.0.iter_mut().map(|(_, instance)| instance)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Instance) -> bool) {
        self.0.retain(|(_, instance)| keep(instance));
    }

    /// The instance at a place that [`Self::places`] gave.
    pub(super) fn at(&mut self, place: usize) -> &mut Instance {
        &mut self.0[place].1
    }

    /// Where each of these is; who is not there yet is added. The places hold until the next call.
    pub(super) fn places<'a>(&mut self, ids: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
        let before = self.0.len();
        let mut from = 0;
        for id in ids.clone() {
            from = match self.place(id, from, before) {
                Ok(at) => at + 1,
                Err(at) => {
                    self.0.push((id.into(), Instance::default()));
                    at
                }
            };
        }
        if self.0.len() > before {
            // Two sorted runs, as a rule.
            self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
            self.0.dedup_by(|(a, _), (b, _)| a == b);
        }
        let (mut from, all) = (0, self.0.len());
        let place = |id| {
            let at = self.place(id, from, all).expect("it was added");
            from = at + 1;
            at
        };
        ids.map(place).collect()
    }

    fn is_at(&self, id: &str, at: usize, length: usize) -> bool {
        at < length && self.0[at].0.as_str() == id
    }

    /// Where `id` is among the first `length`, or would be. It is looked for at `from` and behind it first.
    fn place(&self, id: &str, from: usize, length: usize) -> Result<usize, usize> {
        let ids = &self.0[..length];
        let is_before = |at: usize| ids[at].0.as_str() < id;
        let from = if from < length && (from == 0 || is_before(from - 1)) { from } else { 0 };
        // Steps double until one is not before it any more.
        let (mut low, mut step) = (from, 1);
        while low + step <= length && is_before(low + step - 1) {
            low += step;
            step *= 2;
        }
        let high = length.min(low + step);
        let at = low + ids[low..high].partition_point(|(each, _)| each.as_str() < id);
        if self.is_at(id, at, length) { Ok(at) } else { Err(at) }
    }
}

impl FromIterator<(InstanceId, Instance)> for Roster {
    fn from_iter<I: IntoIterator<Item = (InstanceId, Instance)>>(instances: I) -> Self {
        let mut all: Vec<_> = instances.into_iter().collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(all)
    }
}

impl IntoIterator for Roster {
    type Item = (InstanceId, Instance);
    type IntoIter = std::vec::IntoIter<(InstanceId, Instance)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Whatever comes, sorted or not, twice or not.
        #[test]
        fn everyone_is_found_and_the_list_stays_sorted(calls in prop::collection::vec(
            (prop::collection::vec(0..60_u8, 0..40), any::<bool>()), 1..8,
        )) {
            let (mut roster, mut known) = (Roster::default(), BTreeSet::new());
            for (numbers, is_sorted) in calls {
                let mut ids: Vec<String> = numbers.iter().map(|number| format!("i-{number}")).collect();
                if is_sorted {
                    ids.sort();
                }
                let places = roster.places(ids.iter().map(String::as_str));
                known.extend(ids.iter().cloned());
                let held: Vec<&str> = roster.iter().map(|(id, _)| id.as_str()).collect();
                prop_assert_eq!(&held, &known.iter().map(String::as_str).collect::<Vec<_>>());
                let found: Vec<&str> = places.iter().map(|&place| held[place]).collect();
                prop_assert_eq!(found, ids.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }
}
