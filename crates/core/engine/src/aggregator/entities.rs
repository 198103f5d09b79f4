//! Keys interned once: each instance of a partition gets a small number, so that panes are dense columns.

use super::pane::{Pane, SealedPane};
use super::{Destination, OVERFLOW_INSTANCE};
use crate::held::Heaviest;
use crate::partition::shuffle_partition;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use tidegauge_model::{EventTime, SampleBatch, Target};

/// Stands for a row that goes nowhere.
pub(super) const NO_ENTITY: u32 = u32::MAX;

/// One instance as telemetry names it.
#[derive(Debug)]
pub(super) struct Entity {
    /// Instance, agent and workspace in one piece: a look-up reads one place.
    names: Box<str>,
    /// Where the instance's name ends, and the agent's.
    ends: (u32, u32),
    /// Where its domain lives.
    partition: u32,
    seen_at: EventTime,
}

impl Entity {
    fn new(workspace: &str, agent: &str, instance: &str, partition: u32) -> Self {
        let names = [instance, agent, workspace].concat().into_boxed_str();
        let ends = (instance.len() as u32, (instance.len() + agent.len()) as u32);
        Self { names, ends, partition, seen_at: EventTime::MIN }
    }

    pub(super) fn instance(&self) -> &str {
        &self.names[..self.ends.0 as usize]
    }

    pub(super) fn agent(&self) -> &str {
        &self.names[self.ends.0 as usize..self.ends.1 as usize]
    }

    pub(super) fn workspace(&self) -> &str {
        &self.names[self.ends.1 as usize..]
    }

    fn hash(&self) -> u64 {
        hash(self.workspace(), self.agent(), self.instance())
    }

    fn is(&self, workspace: &str, agent: &str, instance: &str) -> bool {
        let ends = (instance.len(), instance.len() + agent.len());
        let names = self.names.as_bytes();
        (self.ends.0 as usize, self.ends.1 as usize) == ends
            && names[..ends.0] == *instance.as_bytes()
            && names[ends.0..ends.1] == *agent.as_bytes()
            && names[ends.1..] == *workspace.as_bytes()
    }
}

/// All instances seen, numbered in order of appearance. The numbers never leave the Aggregator.
#[derive(Debug)]
pub(super) struct Entities {
    shuffle_partitions: u32,
    instances_per_agent: usize,
    entities: Vec<Entity>,
    table: HashTable<u32>,
    /// Instances of each (workspace, agent).
    agents: BTreeMap<(Box<str>, Box<str>), usize>,
    /// Entity numbers by (shuffle partition, workspace, agent, instance); stale while shorter than `entities`.
    order: Vec<u32>,
    /// Agents with more instances than are kept apart, and those of them that were not told yet.
    overflowing: BTreeSet<(Box<str>, Box<str>)>,
    not_told: Vec<Target>,
}

/// Seeded, not random: a hash reaches no output, and a debugger sees the same table twice.
fn hash(workspace: &str, agent: &str, instance: &str) -> u64 {
    let mut hasher = FixedState::with_seed(0x7469_6465).build_hasher();
    for part in [instance, agent, workspace] {
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

fn target(workspace: &str, agent: &str) -> Target {
    Target { workspace: workspace.into(), agent: agent.into(), region: None }
}

impl Entities {
    pub(super) fn new(shuffle_partitions: u32, instances_per_agent: usize) -> Self {
        Self {
            shuffle_partitions,
            instances_per_agent,
            entities: Vec::new(),
            table: HashTable::new(),
            agents: BTreeMap::new(),
            order: Vec::new(),
            overflowing: BTreeSet::new(),
            not_told: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entities.len()
    }

    /// Agents whose instances were found to be too many, since this was last called.
    pub(super) fn take_overflowing(&mut self) -> Vec<Target> {
        std::mem::take(&mut self.not_told)
    }

    /// The agent with most rows of a pane, whose groups are given as [`Self::sorted_by_partition`] gives them.
    pub(super) fn heaviest(&self, pane: &SealedPane, sorted: &[(u32, Vec<usize>)]) -> Option<Heaviest> {
        let groups = sorted.iter().flat_map(|(_, groups)| groups);
        let mut agents: Vec<(&Entity, u64)> = Vec::new();
        for &group in groups {
            let (entity, samples) = (self.get(pane.entities[group]), u64::from(pane.meta[group].samples));
            match agents.last_mut() {
                Some((last, sum)) if last.agent() == entity.agent() && last.workspace() == entity.workspace() => {
                    *sum += samples;
                }
                _ => agents.push((entity, samples)),
            }
        }
        Heaviest::of(agents.into_iter(), |entity| target(entity.workspace(), entity.agent()))
    }

    pub(super) fn get(&self, entity: u32) -> &Entity {
        &self.entities[entity as usize]
    }

    /// The number of each row's instance; [`NO_ENTITY`] for rows that go nowhere.
    pub(super) fn intern(&mut self, batch: &SampleBatch, to: &[Destination], overflow: &mut u64) -> Vec<u32> {
        to.iter()
            .enumerate()
            .map(|(row, &destination)| {
                if destination == Destination::Nowhere {
                    return NO_ENTITY;
                }
                let (workspace, agent) = (batch.workspace.value(row), batch.agent.value(row));
                let entity = self.entity(workspace, agent, batch.instance.value(row), overflow);
                let seen_at = &mut self.entities[entity as usize].seen_at;
                *seen_at = (*seen_at).max(batch.event_time_at(row));
                entity
            })
            .collect()
    }

    fn entity(&mut self, workspace: &str, agent: &str, instance: &str, overflow: &mut u64) -> u32 {
        let entities = &self.entities;
        let is_same = |&number: &u32| entities[number as usize].is(workspace, agent, instance);
        if let Some(&number) = self.table.find(hash(workspace, agent, instance), is_same) {
            *overflow += u64::from(instance == OVERFLOW_INSTANCE);
            return number;
        }
        let instances = self.agents.entry((workspace.into(), agent.into())).or_insert(0);
        if *instances >= self.instances_per_agent && instance != OVERFLOW_INSTANCE {
            if self.overflowing.insert((workspace.into(), agent.into())) {
                self.not_told.push(target(workspace, agent));
            }
            return self.entity(workspace, agent, OVERFLOW_INSTANCE, overflow);
        }
        *instances += 1;
        *overflow += u64::from(instance == OVERFLOW_INSTANCE);
        self.add(workspace, agent, instance)
    }

    fn add(&mut self, workspace: &str, agent: &str, instance: &str) -> u32 {
        let partition = shuffle_partition(&target(workspace, agent).own_domain(), self.shuffle_partitions);
        self.entities.push(Entity::new(workspace, agent, instance, partition));
        let number = (self.entities.len() - 1) as u32;
        let entities = &self.entities;
        let hash_of = |&other: &u32| entities[other as usize].hash();
        self.table.insert_unique(hash(workspace, agent, instance), number, hash_of);
        number
    }

    /// Groups of a pane by shuffle partition, each sorted by (workspace, agent, instance). `entities[group]` is the
    /// group's instance.
    pub(super) fn sorted_by_partition(&mut self, entities: &[u32]) -> Vec<(u32, Vec<usize>)> {
        if self.order.len() < self.entities.len() {
            self.order = (0..self.entities.len() as u32).collect();
            let key = |&number: &u32| {
                let entity = &self.entities[number as usize];
                (entity.partition, entity.workspace(), entity.agent(), entity.instance())
            };
            // Sorted once per new instance, not once per pane: strings are compared rarely.
            self.order.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        let mut group_of = vec![usize::MAX; self.entities.len()];
        for (group, &entity) in entities.iter().enumerate() {
            group_of[entity as usize] = group;
        }
        let mut partitions: Vec<(u32, Vec<usize>)> = Vec::new();
        for &number in &self.order {
            let (group, partition) = (group_of[number as usize], self.entities[number as usize].partition);
            if group == usize::MAX {
                continue;
            }
            match partitions.last_mut() {
                Some((last, groups)) if *last == partition => groups.push(group),
                _ => partitions.push((partition, vec![group])),
            }
        }
        partitions
    }

    /// Forgets instances without a row since `horizon`, once they are the greater part, and renumbers the rest.
    pub(super) fn forget_before(&mut self, horizon: EventTime, panes: [&mut BTreeMap<EventTime, Pane>; 2]) {
        let kept = self.entities.iter().filter(|entity| entity.seen_at >= horizon).count();
        if kept * 2 > self.entities.len() {
            return;
        }
        let (old, not_told) = (std::mem::take(&mut self.entities), std::mem::take(&mut self.not_told));
        *self = Self { not_told, ..Self::new(self.shuffle_partitions, self.instances_per_agent) };
        let mut renumbered = vec![NO_ENTITY; old.len()];
        let in_panes: BTreeSet<u32> =
            panes.iter().flat_map(|panes| panes.values()).flat_map(|pane| pane.entities().iter().copied()).collect();
        for (number, entity) in old.into_iter().enumerate() {
            if entity.seen_at >= horizon || in_panes.contains(&(number as u32)) {
                let (workspace, agent) = (entity.workspace(), entity.agent());
                *self.agents.entry((workspace.into(), agent.into())).or_insert(0) += 1;
                let new = self.add(workspace, agent, entity.instance());
                self.entities[new as usize].seen_at = entity.seen_at;
                renumbered[number] = new;
            }
        }
        for pane in panes.into_iter().flat_map(BTreeMap::values_mut) {
            pane.renumber(&renumbered);
        }
    }
}
