//! One simulated deployment, and everything that has to hold of it.

use std::collections::BTreeMap;
use tidegauge_delivery::Guarantee;
use tidegauge_sim::Scenario;
use tidegauge_sim::cluster::{Cluster, Weather};
use tidegauge_sim::sabotage::{Sabotage, Setting};
use tidegauge_sim::verify;

/// What happened how often.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// Runs a seed and checks it.
pub(crate) fn simulate(seed: u64, setting: Setting, sabotage: Option<Sabotage>) -> Result<Counts, String> {
    let guarantee = match setting {
        Setting::AtLeastOnce => Guarantee::AtLeastOnce,
        Setting::ExactlyOnce | Setting::Reset | Setting::Growing => Guarantee::ExactlyOnce,
    };
    let mut scenario = Scenario::short(seed);
    if setting == Setting::Growing {
        // Windows that stay open for long leave nothing that comes too late for all of them.
        (scenario.rollups, scenario.sessions) = (Vec::new(), None);
    }
    let mut cluster = Cluster::new(scenario, guarantee, Weather::of(seed), seed, sabotage);
    if setting == Setting::Reset {
        cluster = cluster.with_a_reset();
    }
    if setting == Setting::Growing {
        cluster = cluster.with_a_partition_added();
    }
    cluster.run()?;
    let (kafka, scenario) = (&cluster.world.kafka, &cluster.world.scenario);
    let mut counts = cluster.world.counts.clone();
    counts.extend(kafka.counts.clone());
    counts.insert("corrections", verify::every_row_is_somewhere(kafka, scenario, guarantee)?);
    verify::nothing_moves_back(kafka, scenario, guarantee)?;
    if setting != Setting::Reset {
        counts.extend(verify::outputs_are_those_of_the_journal(kafka, scenario, guarantee)?);
    }
    if setting == Setting::ExactlyOnce && scenario.undisturbed {
        counts.insert("outputs as in an undisturbed run", equal_to_an_undisturbed_run(seed, &cluster)?);
    }
    Ok(counts)
}

/// R2.
fn equal_to_an_undisturbed_run(seed: u64, cluster: &Cluster) -> Result<u64, String> {
    let scenario = Scenario::short(seed);
    let mut calm = Cluster::new(scenario, Guarantee::ExactlyOnce, Weather::CALM, !seed, None);
    calm.run()?;
    let mut total = 0;
    for shuffle in 0..calm.world.scenario.shuffle_partitions {
        let want = verify::published(&calm.world.kafka, shuffle);
        verify::equal(&want, &verify::published(&cluster.world.kafka, shuffle))
            .map_err(|problem| format!("not as undisturbed, partition {shuffle}: {problem}"))?;
        total += want.values().map(Vec::len).sum::<usize>() as u64;
    }
    Ok(total)
}
