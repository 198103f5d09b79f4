//! The transport problem: demand of origins to capacities of regions over allowed routes, at the least weighted price.
//!
//! A minimum-cost flow by successive shortest paths (Bellman-Ford, since the way back over a route has a negative
//! price): exact, and with the few regions there are, fast. Demand of a region that serves itself is a route like any
//! other.
//!
//! - **G2** What is sent of an origin is its demand; no region gets more than its capacity; only allowed routes are
//!   used.
//! - **G3** No other plan has a lower weighted price.
//!
//! Source: R. Ahuja, T. Magnanti, J. Orlin, *Network Flows*, 1993, chapter 9.

use crate::absent::{Absent, Measured, ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegauge_model::Region;

/// A way for requests that is allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Where they originate.
    pub from: Region,
    /// Where they are served.
    pub to: Region,
    /// Latency between the two, not negative.
    pub latency_ms: f64,
    /// What a request costs there, transfer included, not negative.
    pub cost_per_request: f64,
}

/// What flows cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Currency per second.
    pub cost_per_s: f64,
    /// Mean latency of a request.
    pub latency_ms: f64,
}

/// What goes where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Requests per second by (from, to), above zero.
    #[serde(with = "pairs")]
    pub flows: BTreeMap<(Region, Region), f64>,
    /// What it costs.
    pub price: Price,
    /// The weighted price, without unit: what was minimized.
    pub weighted: f64,
}

/// The price of `flows`; routes that are not listed cannot be priced.
///
/// # Errors
///
/// [`Absent::NoLoad`] if nothing flows; [`Absent::NotReported`] for a flow without a route.
pub fn price(flows: &BTreeMap<(Region, Region), f64>, routes: &[Route]) -> Measured<Price> {
    let (mut all, mut cost, mut latency) = (0.0, 0.0, 0.0);
    for ((from, to), rate) in flows {
        let route = routes.iter().find(|route| route.from == *from && route.to == *to).ok_or(Absent::NotReported)?;
        all += rate;
        cost += rate * route.cost_per_request;
        latency += rate * route.latency_ms;
    }
    if all == 0.0 {
        return Err(Absent::NoLoad);
    }
    Ok(Price { cost_per_s: cost, latency_ms: ratio(latency, all)? })
}

/// The cheapest plan. `cost_weight` w in 0..=1: a route's price is w·cost + (1 − w)·latency, each over its greatest.
///
/// # Errors
///
/// [`Absent::NoLoad`], [`Absent::NoCapacity`] where the routes and capacities do not hold the demand,
/// [`Absent::OutOfDomain`].
pub fn cheapest(
    demand: &BTreeMap<Region, f64>,
    capacity: &BTreeMap<Region, f64>,
    routes: &[Route],
    cost_weight: f64,
) -> Measured<Plan> {
    let numbers = demand.values().chain(capacity.values()).copied();
    let numbers = numbers.chain(routes.iter().flat_map(|route| [route.latency_ms, route.cost_per_request]));
    if numbers.chain([cost_weight]).any(|number| !number.is_finite() || number < 0.0) || cost_weight > 1.0 {
        return Err(Absent::OutOfDomain);
    }
    let all: f64 = demand.values().sum();
    if all == 0.0 {
        return Err(Absent::NoLoad);
    }
    let greatest = |of: fn(&Route) -> f64| routes.iter().map(of).fold(0.0, f64::max);
    let (costs, times) = (greatest(|route| route.cost_per_request), greatest(|route| route.latency_ms));
    let weighted = |route: &Route| {
        let part = |value: f64, greatest: f64| ratio(value, greatest).unwrap_or(0.0);
        cost_weight * part(route.cost_per_request, costs) + (1.0 - cost_weight) * part(route.latency_ms, times)
    };
    let mut network = Network::new(demand, capacity);
    for route in routes {
        network.connect(route, weighted(route));
    }
    if all - network.fill(all) > all * 1e-9 {
        return Err(Absent::NoCapacity);
    }
    let flows = network.flows(all * 1e-12);
    let of_flow = |((from, to), rate): (&(Region, Region), &f64)| {
        let route = routes.iter().find(|route| route.from == *from && route.to == *to);
        route.map_or(0.0, |route| rate * weighted(route))
    };
    Ok(Plan { price: price(&flows, routes)?, weighted: flows.iter().map(of_flow).sum(), flows })
}

struct Edge {
    from: usize,
    to: usize,
    room: f64,
    price: f64,
}

/// Node 0 gives, node 1 takes; then the origins, then the regions. Edge 2k + 1 is the way back of edge 2k.
struct Network {
    origins: Vec<Region>,
    regions: Vec<Region>,
    edges: Vec<Edge>,
}

impl Network {
    fn new(demand: &BTreeMap<Region, f64>, capacity: &BTreeMap<Region, f64>) -> Self {
        let (origins, regions) = (demand.keys().cloned().collect(), capacity.keys().cloned().collect());
        let mut network = Self { origins, regions, edges: Vec::new() };
        for (at, room) in demand.values().enumerate() {
            network.add(0, 2 + at, *room, 0.0);
        }
        for (at, room) in capacity.values().enumerate() {
            network.add(2 + demand.len() + at, 1, *room, 0.0);
        }
        network
    }

    fn add(&mut self, from: usize, to: usize, room: f64, price: f64) {
        self.edges.push(Edge { from, to, room, price });
        self.edges.push(Edge { from: to, to: from, room: 0.0, price: -price });
    }

    fn connect(&mut self, route: &Route, price: f64) {
        let (from, to) = (self.origins.binary_search(&route.from), self.regions.binary_search(&route.to));
        if let (Ok(from), Ok(to)) = (from, to) {
            self.add(2 + from, 2 + self.origins.len() + to, f64::INFINITY, price);
        }
    }

    /// Sends as much as there is and fits, over the cheapest path each time; returns how much.
    fn fill(&mut self, all: f64) -> f64 {
        let (negligible, mut sent) = (all * 1e-12, 0.0);
        while let Some(path) = self.cheapest_path(negligible) {
            let room = path.iter().map(|&at| self.edges[at].room).fold(f64::INFINITY, f64::min);
            for at in path {
                self.edges[at].room -= room;
                self.edges[at ^ 1].room += room;
            }
            sent += room;
        }
        sent
    }

    /// Edges of the cheapest path from 0 to 1 (Bellman-Ford).
    fn cheapest_path(&self, negligible: f64) -> Option<Vec<usize>> {
        let nodes = 2 + self.origins.len() + self.regions.len();
        let mut price = vec![f64::INFINITY; nodes];
        let mut by = vec![None; nodes];
        price[0] = 0.0;
        for _ in 0..nodes {
            let mut changed = false;
            for (at, edge) in self.edges.iter().enumerate().filter(|(_, edge)| edge.room > negligible) {
                // A gain within rounding would let a path run in a circle.
                if price[edge.from] + edge.price < price[edge.to] - 1e-12 {
                    price[edge.to] = price[edge.from] + edge.price;
                    by[edge.to] = Some(at);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let (mut node, mut path) = (1, Vec::new());
        while node != 0 {
            let at: usize = by[node]?;
            path.push(at);
            node = self.edges[at].from;
        }
        Some(path)
    }

    fn flows(&self, negligible: f64) -> BTreeMap<(Region, Region), f64> {
        let first = 2 * (self.origins.len() + self.regions.len());
        let mut flows = BTreeMap::new();
        for pair in self.edges[first..].chunks_exact(2).filter(|pair| pair[1].room > negligible) {
            let (from, to) = (pair[0].from - 2, pair[0].to - 2 - self.origins.len());
            *flows.entry((self.origins[from].clone(), self.regions[to].clone())).or_default() += pair[1].room;
        }
        flows
    }
}

/// Maps by pairs as lists of (from, to, rate): a JSON object has names only.
mod pairs {
    use super::{BTreeMap, Region};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<(Region, Region), f64>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().map(|((a, b), rate)| (a, b, rate)).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<(Region, Region), f64>, D::Error> {
        let list: Vec<(Region, Region, f64)> = Vec::deserialize(from)?;
        Ok(list.into_iter().map(|(a, b, rate)| ((a, b), rate)).collect())
    }
}
