//! What is known of instances beside their loads, from their own windows.

use crate::load::InstanceFacts;
use crate::window::gauge;
use std::collections::BTreeMap;
use tidegauge_model::{Attribute, InstanceId, Region, WindowSummary};

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
            keys: Vec::new(),
        };
        Some((window.instance.clone()?, facts))
    };
    instances.iter().filter_map(of).collect()
}
