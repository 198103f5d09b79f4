//! Keys interned once: each instance or other entity of a partition gets a small number, so that panes are dense columns.

use super::pane::{Pane, SealedPane};
use super::{Destination, OVERFLOW_INSTANCE};
use crate::held::Heaviest;
use crate::partition::shuffle_partition;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use tidegauge_model::{EntityKey, EventTime, SampleBatch, Target};

/// Stands for a row that goes nowhere.
pub(super) const NO_ENTITY: u32 = u32::MAX;

/// Who a row is about, and who reports it.
#[derive(Clone, Copy)]
struct Name<'a> {
    workspace: &'a str,
    agent: &'a str,
    /// Of another entity than an instance who reports it.
    instance: &'a str,
    about: Option<&'a EntityKey>,
}

impl Name<'_> {
    /// Seeded, not random: a hash reaches no output, and a debugger sees the same table twice.
    fn hash(&self) -> u64 {
        let mut hasher = FixedState::with_seed(0x7469_6465).build_hasher();
        for part in [self.instance, self.agent, self.workspace] {
            hasher.write(part.as_bytes());
        }
        if let Some(about) = self.about {
            hasher.write_u8(about.kind as u8);
            hasher.write(about.id.as_str().as_bytes());
        }
        hasher.finish()
    }

    /// Whether it stands for all of its kind that are beyond the cap. That a producer calls one of many so makes it none.
    fn is_overflow(&self) -> bool {
        let is_of_many = |about: &EntityKey| about.id.as_str() == OVERFLOW_INSTANCE;
        self.instance == OVERFLOW_INSTANCE && self.about.is_none_or(is_of_many)
    }
}

/// One instance as telemetry names it, or what one reporter says of another entity.
#[derive(Debug)]
pub(super) struct Entity {
    /// Instance, agent and workspace in one piece: a look-up reads one place.
    names: Box<str>,
    /// Where the instance's name ends, and the agent's.
    ends: (u32, u32),
    /// What it is about, where that is no instance.
    about: Option<EntityKey>,
    /// Where its domain lives.
    partition: u32,
    seen_at: EventTime,
}

impl Entity {
    fn new(name: Name<'_>, partition: u32) -> Self {
        let Name { workspace, agent, instance, about } = name;
        let names = [instance, agent, workspace].concat().into_boxed_str();
        let ends = (instance.len() as u32, (instance.len() + agent.len()) as u32);
        Self { names, ends, about: about.cloned(), partition, seen_at: EventTime::MIN }
    }

    pub(super) fn about(&self) -> Option<&EntityKey> {
        self.about.as_ref()
    }

    fn name(&self) -> Name<'_> {
        Name { workspace: self.workspace(), agent: self.agent(), instance: self.instance(), about: self.about.as_ref() }
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

    fn is(&self, name: Name<'_>) -> bool {
        let Name { workspace, agent, instance, about } = name;
        let ends = (instance.len(), instance.len() + agent.len());
        let names = self.names.as_bytes();
        (self.ends.0 as usize, self.ends.1 as usize) == ends
            && names[..ends.0] == *instance.as_bytes()
            && names[ends.0..ends.1] == *agent.as_bytes()
            && names[ends.1..] == *workspace.as_bytes()
            && self.about.as_ref() == about
    }
}

/// All instances and other entities seen, numbered in order of appearance. The numbers never leave the Aggregator.
#[derive(Debug)]
pub(super) struct Entities {
    shuffle_partitions: u32,
    instances_per_agent: usize,
    entities: Vec<Entity>,
    table: HashTable<u32>,
    /// Instances of each (workspace, agent), and its other entities.
    agents: BTreeMap<(Box<str>, Box<str>), [usize; 2]>,
    /// Entity numbers by (shuffle partition, workspace, agent, other entity, instance); stale while shorter than `entities`.
    order: Vec<u32>,
    /// Agents with more instances than are kept apart, and those of them that were not told yet.
    overflowing: BTreeSet<(Box<str>, Box<str>)>,
    not_told: Vec<Target>,
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

    /// Agents whose instances or other entities were found to be too many, since this was last called.
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

    /// Whether its rows are of many that count together; those that go nowhere are not.
    pub(super) fn is_overflow(&self, entity: u32) -> bool {
        self.entities.get(entity as usize).is_some_and(|entity| entity.name().is_overflow())
    }

    /// The number of each row's instance; [`NO_ENTITY`] for rows that go nowhere.
    pub(super) fn intern(&mut self, batch: &SampleBatch, to: &[Destination], overflow: &mut u64) -> Vec<u32> {
        let mut others = batch.entities.iter().peekable();
        to.iter()
            .enumerate()
            .map(|(row, &destination)| {
                let about = others.next_if(|(at, _)| *at as usize == row).map(|(_, about)| about);
                if destination == Destination::Nowhere {
                    return NO_ENTITY;
                }
                let (workspace, agent) = (batch.workspace.value(row), batch.agent.value(row));
                let name = Name { workspace, agent, instance: batch.instance.value(row), about };
                let entity = self.entity(name, overflow);
                let seen_at = &mut self.entities[entity as usize].seen_at;
                *seen_at = (*seen_at).max(batch.event_time_at(row));
                entity
            })
            .collect()
    }

    fn entity(&mut self, name: Name<'_>, overflow: &mut u64) -> u32 {
        let entities = &self.entities;
        let is_overflow = name.is_overflow();
        if let Some(&number) = self.table.find(name.hash(), |&number: &u32| entities[number as usize].is(name)) {
            *overflow += u64::from(is_overflow);
            return number;
        }
        let agent = (name.workspace.into(), name.agent.into());
        let known = &mut self.agents.entry(agent).or_default()[usize::from(name.about.is_some())];
        if *known >= self.instances_per_agent && !is_overflow {
            if self.overflowing.insert((name.workspace.into(), name.agent.into())) {
                self.not_told.push(target(name.workspace, name.agent));
            }
            let about = name.about.map(|about| EntityKey::new(about.kind, OVERFLOW_INSTANCE));
            return self.entity(Name { instance: OVERFLOW_INSTANCE, about: about.as_ref(), ..name }, overflow);
        }
        *known += 1;
        *overflow += u64::from(is_overflow);
        self.add(name)
    }

    fn add(&mut self, name: Name<'_>) -> u32 {
        let partition = shuffle_partition(&target(name.workspace, name.agent).own_domain(), self.shuffle_partitions);
        self.entities.push(Entity::new(name, partition));
        let number = (self.entities.len() - 1) as u32;
        let entities = &self.entities;
        self.table.insert_unique(name.hash(), number, |&other: &u32| entities[other as usize].name().hash());
        number
    }

    /// Groups of a pane by shuffle partition, each sorted by (workspace, agent, other entity, instance). `entities[group]`
    /// is who the group is about.
    pub(super) fn sorted_by_partition(&mut self, entities: &[u32]) -> Vec<(u32, Vec<usize>)> {
        if self.order.len() < self.entities.len() {
            self.order = (0..self.entities.len() as u32).collect();
            let key = |&number: &u32| {
                let entity = &self.entities[number as usize];
                (entity.partition, entity.workspace(), entity.agent(), entity.about(), entity.instance())
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

    /// Forgets whoever has had no row since `horizon`, once they are the greater part, and renumbers the rest.
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
                let agent = (entity.workspace().into(), entity.agent().into());
                self.agents.entry(agent).or_default()[usize::from(entity.about.is_some())] += 1;
                let new = self.add(entity.name());
                self.entities[new as usize].seen_at = entity.seen_at;
                renumbered[number] = new;
            }
        }
        for pane in panes.into_iter().flat_map(BTreeMap::values_mut) {
            pane.renumber(&renumbered);
        }
    }
}
