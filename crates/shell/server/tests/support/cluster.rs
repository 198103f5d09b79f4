//! Several processes of one deployment, and who of them has which partitions.

use super::broker::Broker;
use super::feeder::Feeder;
use super::process::{Deployment, Process};
use super::progress::{Progress, owners};
use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A rebalance that has not happened by then will not: a session lasts 6 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A deployment of several processes, by the ids of their nodes.
pub(crate) struct Cluster<'a> {
    broker: &'a Broker,
    deployment: &'a Deployment,
    progress: &'a Progress,
    /// How many partitions each stage has: telemetry, shuffle.
    pub(crate) partitions: (u32, u32),
    /// Who held which partition of which stage when somebody last looked.
    last: BTreeMap<(&'static str, i32), String>,
    /// Partitions that were seen with another owner than before, by stage.
    pub(crate) moved: BTreeMap<&'static str, usize>,
}

impl<'a> Cluster<'a> {
    pub(crate) fn of(
        broker: &'a Broker,
        deployment: &'a Deployment,
        progress: &'a Progress,
        partitions: (u32, u32),
    ) -> Self {
        Self { broker, deployment, progress, partitions, last: BTreeMap::new(), moved: BTreeMap::new() }
    }

    pub(crate) fn start(&self, node: &str, environment: &[(&str, &str)]) -> Process {
        self.deployment.start(&["run", "--set", &format!("node.id={node}")], environment)
    }

    /// Waits until these nodes share the partitions of both stages, and every node has some of each.
    pub(crate) fn wait_for_owners(&mut self, nodes: &[&str], alive: &mut Process) {
        let begin = Instant::now();
        let want: BTreeSet<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        loop {
            let now = self.owners();
            let of_stage = |stage| now.iter().filter(move |((of, _), _)| *of == stage).map(|(_, node)| node.clone());
            let is_settled = |(stage, partitions)| {
                of_stage(stage).count() == partitions as usize && of_stage(stage).collect::<BTreeSet<_>>() == want
            };
            if [("aggregate", self.partitions.0), ("decide", self.partitions.1)].into_iter().all(is_settled) {
                for (place, node) in &now {
                    *self.moved.entry(place.0).or_default() +=
                        usize::from(self.last.get(place).is_some_and(|was| was != node));
                }
                self.last = now;
                return;
            }
            alive.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "{nodes:?} do not share the partitions: {now:?}\n{}", alive.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn owners(&self) -> BTreeMap<(&'static str, i32), String> {
        let mut all = BTreeMap::new();
        for stage in ["aggregate", "decide"] {
            for (partition, client) in owners(self.broker, &self.deployment.group(stage)) {
                let node = client.split('-').next().unwrap_or_default().to_owned();
                all.insert((stage, partition), node);
            }
        }
        all
    }

    /// Lets more telemetry come, and waits until every partition of both stages has committed something new.
    pub(crate) fn go_on(&self, feeder: &Feeder, part: usize, of: usize, alive: &mut Process) {
        let before = self.progress.now();
        feeder.allow_share(part, of);
        self.progress.wait_until("a commit of every partition", alive, |progress| progress.now().all_differ(&before));
    }
}
