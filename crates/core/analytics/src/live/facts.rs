//! What is known of instances beside their loads, from their own windows.

use crate::load::InstanceFacts;
use crate::window::{gauge, requests};
use std::collections::BTreeMap;
use tidegauge_model::{Attribute, HeavyKey, InstanceId, Region, WindowSummary};

/// What says how large an instance is, the first that all of them report.
const SIZES: [&str; 2] = ["cpu_limit_cores", "max_concurrency"];

/// Facts of the instances of these windows. A size counts only where all of them say theirs: a share of cores beside a
/// count of requests compares nothing.
#[must_use]
pub fn facts(instances: &[&WindowSummary]) -> BTreeMap<InstanceId, InstanceFacts> {
    let size = |window: &WindowSummary, name: &str| Some(gauge(window, name)?.mean).filter(|size| *size > 0.0);
    let common = SIZES.into_iter().find(|name| instances.iter().all(|window| size(window, name).is_some()));
    let of = |window: &&WindowSummary| {
        let text = |attribute| window.attributes.get(&attribute).map(|text| String::from(&**text));
        let facts = InstanceFacts {
            capacity: common.and_then(|name| size(window, name)),
            region: window.attributes.get(&Attribute::Region).map(|region| Region::from(&**region)),
            zone: text(Attribute::Zone),
            host: text(Attribute::Host),
            instance_type: text(Attribute::InstanceType),
            started_at: None,
            keys: keys(window),
        };
        Some((window.instance.clone()?, facts))
    };
    instances.iter().filter_map(of).collect()
}

/// The heaviest keys in requests of the window, where samples that name no keys are taken to have the same shares. Without a
/// number of requests there is nothing to weigh.
fn keys(window: &WindowSummary) -> Vec<HeavyKey> {
    let (Some(shares), Ok(requests)) = (&window.top_keys, requests(window, &[window])) else { return Vec::new() };
    let weigh = |share: f64| share.clamp(0.0, 1.0) * requests;
    let of_window = shares.keys.iter().map(|each| HeavyKey {
        key: each.key.clone(),
        lower: weigh(each.share_lower).floor() as u64,
        upper: weigh(each.share_upper).ceil() as u64,
    });
    of_window.collect()
}
