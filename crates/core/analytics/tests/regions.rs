//! Regions, worked by hand; the transport against every plan of small cases.

mod common;

use common::{target, times};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_analytics::Absent;
use tidegauge_analytics::regions::transport::{Route, cheapest, price};
use tidegauge_analytics::regions::{
    Consistency, Distribution, RegionState, Replication, RoutingPolicy, advise, indications, lag_indication, optimize,
    replication, report,
};
use tidegauge_model::{FindingKind, Region};

fn state(region: &str, demand: f64, capacity: f64) -> RegionState {
    RegionState {
        region: region.into(),
        name: None,
        instances: 3,
        zones: 2,
        demand_per_s: demand,
        capacity_per_s: capacity,
        served_per_s: Some(demand),
        latency_to_users_ms: Some(20.0),
    }
}

/// Demand 600 of capacity 1,000. Without eu 600 on 500: too much; without us 600 on 700, without ap 600 on 800.
#[test]
fn the_loss_of_a_region_has_to_fit_elsewhere() {
    let regions = [state("us", 200.0, 300.0), state("eu", 300.0, 500.0), state("ap", 100.0, 200.0)];
    let got = report(&regions).expect("regions");
    let rows: Vec<_> = got.regions.iter().map(|row| (row.region_id.as_str(), row.load_after_its_loss)).collect();
    assert_eq!(rows, [("ap", Ok(0.75)), ("eu", Ok(1.2)), ("us", Ok(600.0 / 700.0))]);
    assert!(!got.survives_any_loss && (got.headroom_after_loss.expect("regions") + 0.2).abs() < 1e-12);
    let eu = &got.regions[1];
    assert_eq!((eu.load_percentage, eu.demand_over_capacity, eu.availability_zone_count), (Ok(50.0), Ok(0.6), 2));
    let kinds: Vec<_> = indications(&target(), &got, 1.0, 0.2).iter().map(|each| each.kind).collect();
    assert_eq!(kinds, [FindingKind::RegionHeadroom]);
    let enough = report(&[state("us", 200.0, 600.0), state("eu", 300.0, 600.0)]).expect("regions");
    assert!(enough.survives_any_loss);
}

#[test]
fn degenerate_regions_have_reasons() {
    assert_eq!(report(&[]).err(), Some(Absent::NoInstances));
    assert_eq!(report(&[state("eu", f64::NAN, 1.0)]).err(), Some(Absent::OutOfDomain));
    let one = report(&[state("eu", 1.0, 2.0)]).expect("a region");
    assert!(!one.survives_any_loss && one.headroom_after_loss == Err(Absent::ZeroDenominator));
    assert!(indications(&target(), &one, 1.0, 0.2).is_empty(), "one region has no N - 1 to speak of");
    let silent =
        report(&[RegionState { served_per_s: None, ..state("eu", 1.0, 2.0) }, state("us", 1.0, 0.0)]).expect("regions");
    assert_eq!(
        (silent.regions[0].load_percentage, silent.regions[1].demand_over_capacity),
        (Err(Absent::NotReported), Err(Absent::ZeroDenominator))
    );
}

fn route(from: &str, to: &str, latency_ms: f64, cost_per_request: f64) -> Route {
    Route { from: from.into(), to: to.into(), latency_ms, cost_per_request }
}

/// eu offers 100 and holds 60; us holds 200 at half the price, 90 ms away.
/// By latency 60 stay and 40 go: mean (60·10 + 40·90)/100 = 42 ms. By cost all go: 50 against the present 100.
#[test]
fn the_best_distribution_weighs_cost_and_latency() {
    let regions = [state("eu", 100.0, 60.0), state("us", 0.0, 200.0)];
    let routes = [route("eu", "eu", 10.0, 1.0), route("eu", "us", 90.0, 0.5), route("us", "us", 10.0, 0.5)];
    let now = BTreeMap::from([(("eu".into(), "eu".into()), 100.0)]);
    let best = |cost_weight| optimize(&regions, &Distribution { cost_weight, routes: &routes, now: &now });
    let near = best(0.0).expect("room");
    assert_eq!(near.optimal_region_distribution, BTreeMap::from([("eu".into(), 0.6), ("us".into(), 0.4)]));
    assert!((near.plan.price.latency_ms - 42.0).abs() < 1e-9);
    assert!(
        (near.latency_improvement_potential.expect("priced") + 32.0).abs() < 1e-9,
        "more than eu holds is there now"
    );
    let cheap = best(1.0).expect("room");
    assert!((cheap.cost_savings_potential.expect("priced") - 50.0).abs() < 1e-9);
    assert_eq!(cheap.optimal_region_distribution[&Region::from("us")], 1.0);

    let advice = advise(RoutingPolicy::Latency, &regions, &near);
    assert_eq!(advice.failover_priorities, [Region::from("us"), Region::from("eu")]);
    assert!(advice.recommendations.iter().any(|each| each == "send 40.0 requests per second of eu to us"));
    // Residency: what may not go to us has no room.
    let bound = [routes[0].clone(), routes[2].clone()];
    assert_eq!(
        optimize(&regions, &Distribution { cost_weight: 0.0, routes: &bound, now: &now }).err(),
        Some(Absent::NoCapacity)
    );
    assert_eq!(best(1.5).err(), Some(Absent::OutOfDomain));
    let json = serde_json::to_string(&near.plan).expect("JSON");
    assert_eq!(
        serde_json::from_str::<tidegauge_analytics::regions::transport::Plan>(&json).expect("our own"),
        near.plan
    );
}

/// A copy's p99 of 600 ms (p50 100).
#[test]
fn copies_are_judged_by_their_model() {
    let lag = times(100.0);
    let of = |consistency| {
        replication(&Replication {
            consistency,
            lag: &lag,
            sync_interval: Some(Duration::from_millis(250)),
            transferred_bytes: Some(5e10),
            price_per_gb: Some(0.02),
        })
    };
    let cases = [
        (Consistency::Strong, Ok(false)),
        (Consistency::Bounded { bound: Duration::from_millis(600) }, Ok(true)),
        (Consistency::Bounded { bound: Duration::from_millis(599) }, Ok(false)),
        (Consistency::Eventual, Ok(true)),
    ];
    for (consistency, want) in cases {
        assert_eq!(of(consistency).holds, want, "{consistency:?}");
    }
    assert_eq!((of(Consistency::Strong).data_transfer_gb, of(Consistency::Strong).transfer_cost), (Ok(50.0), Ok(1.0)));
    let said = |consistency| lag_indication(&target(), &"eu".into(), &of(consistency), 1.0);
    assert!(said(Consistency::Eventual).is_none());
    assert_eq!(said(Consistency::Strong).expect("it lags").entity.to_string(), "default/planner/region=eu");
    let unknown = replication(&Replication {
        consistency: Consistency::Eventual,
        lag: &lag,
        sync_interval: None,
        transferred_bytes: None,
        price_per_gb: None,
    });
    assert_eq!((unknown.holds, unknown.transfer_cost), (Err(Absent::NoObjective), Err(Absent::NotReported)));
}

/// Every plan in whole requests of two origins over three regions.
fn every_plan(demand: [u32; 2], capacity: [u32; 3], prices: &[f64; 6]) -> Option<f64> {
    let mut best: Option<f64> = None;
    for a in 0..=demand[0] {
        for b in 0..=demand[0] - a {
            for c in 0..=demand[1] {
                for d in 0..=demand[1] - c {
                    let flows = [a, b, demand[0] - a - b, c, d, demand[1] - c - d];
                    let fits = (0..3).all(|to| flows[to] + flows[to + 3] <= capacity[to]);
                    let price: f64 = flows.iter().zip(prices).map(|(flow, price)| f64::from(*flow) * price).sum();
                    if fits && best.is_none_or(|best| price < best) {
                        best = Some(price);
                    }
                }
            }
        }
    }
    best
}

proptest! {
    /// **G2**, **G3**: with whole demands and capacities some cheapest plan is whole, so every whole plan is compared.
    #[test]
    fn no_plan_is_cheaper(
        demand in [1..6_u32, 0..6_u32],
        capacity in [0..7_u32, 0..7_u32, 0..7_u32],
        prices in [1..20_u32, 1..20_u32, 1..20_u32, 1..20_u32, 1..20_u32, 1..20_u32],
    ) {
        let names = ["x", "y", "z"];
        let prices = prices.map(f64::from);
        let routes: Vec<Route> = (0..6).map(|at| route(names[at / 3], names[at % 3], prices[at], 0.0)).collect();
        let demands: BTreeMap<Region, f64> =
            names.iter().zip(demand).map(|(name, d)| ((*name).into(), f64::from(d))).collect();
        let capacities: BTreeMap<Region, f64> =
            names.iter().zip(capacity).map(|(name, c)| ((*name).into(), f64::from(c))).collect();
        match (cheapest(&demands, &capacities, &routes, 0.0), every_plan(demand, capacity, &prices)) {
            (Ok(plan), Some(want)) => {
                let all: f64 = demands.values().sum();
                prop_assert!(
                    (plan.price.latency_ms * all - want).abs() < 1e-6,
                    "{} {}",
                    plan.price.latency_ms * all,
                    want
                );
                prop_assert_eq!(price(&plan.flows, &routes), Ok(plan.price));
                for name in names {
                    let sum = |of: &dyn Fn(&(Region, Region)) -> bool| {
                        plan.flows.iter().filter(|(key, _)| of(key)).map(|(_, rate)| rate).sum::<f64>()
                    };
                    let region = Region::from(name);
                    prop_assert!(
                        (sum(&|key| key.0 == region) - demands.get(&region).copied().unwrap_or(0.0)).abs() < 1e-6
                    );
                    prop_assert!(sum(&|key| key.1 == region) <= capacities[&region] + 1e-6);
                }
            }
            (Err(Absent::NoCapacity), None) => {}
            (got, want) => prop_assert!(false, "{:?} {:?}", got, want),
        }
    }
}
