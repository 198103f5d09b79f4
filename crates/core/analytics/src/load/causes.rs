//! Why an instance is hot, and what helps against it. Each rule measures how much of the finding it explains.

use crate::load::fleet::{Fleet, InstanceLoad};
use crate::load::hotspot::{Hotspot, peers};
use crate::stats::{median, rank_correlation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_model::{Cause, CauseCode, InstanceId, Text};

/// Levels of the rules. All but the last are ratios.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CauseRule {
    /// Share of an instance's requests that certainly comes from one key before the key is a cause. Default 0.2.
    pub key_share: f64,
    /// Share of an instance's load in one session before affinity is a cause. Default 0.2.
    pub session_share: f64,
    /// How many times a median still counts as the same. Default 1.1.
    pub alike: f64,
    /// How many times a median counts as more. Default 1.2.
    pub above: f64,
    /// How long after it became ready an instance is cold. Default 5 minutes.
    pub cold: Duration,
}

impl Default for CauseRule {
    fn default() -> Self {
        Self { key_share: 0.2, session_share: 0.2, alike: 1.1, above: 1.2, cold: Duration::from_mins(5) }
    }
}

/// Fills in causes and remediation of `hotspots`. `before`: loads of the window before, for persistent or wandering.
pub fn explain(hotspots: &mut [Hotspot], fleet: &Fleet, before: Option<&BTreeMap<InstanceId, f64>>, rule: &CauseRule) {
    let persistence = before.and_then(|before| rank_persistence(fleet, before));
    for hotspot in hotspots {
        let Some(instance) = fleet.instances.iter().find(|each| each.id == hotspot.instance) else { continue };
        hotspot.causes = causes(fleet, instance, persistence, rule);
        hotspot.remediation = hotspot.causes.iter().filter_map(|cause| remedy(cause.code)).map(Text::from).collect();
    }
}

/// Correlation of the instances' ranks with those of the window before, −1 to 1; `None` with fewer than five in common.
#[must_use]
pub fn rank_persistence(fleet: &Fleet, before: &BTreeMap<InstanceId, f64>) -> Option<f64> {
    let pairs: Vec<_> = fleet.instances.iter().filter_map(|each| Some((*before.get(&each.id)?, each.load?))).collect();
    if pairs.len() < 5 { None } else { rank_correlation(&pairs) }
}

fn causes(fleet: &Fleet, instance: &InstanceLoad, persistence: Option<f64>, rule: &CauseRule) -> Vec<Cause> {
    let explained = [
        hot_key(instance, rule),
        session_affinity(fleet, instance, rule),
        smaller(fleet, instance, rule),
        neighbours(fleet, instance, rule),
        slow(fleet, instance, rule),
        cold(fleet, instance, rule),
    ];
    let mut causes: Vec<Cause> = explained.into_iter().flatten().collect();
    causes.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.code.cmp(&b.code)));
    if causes.is_empty() {
        causes.push(cause(CauseCode::Unexplained, 0.0, "nothing measured explains it".into()));
    }
    causes.extend(persistence.and_then(persistent_or_wandering));
    causes
}

fn cause(code: CauseCode, strength: f64, detail: String) -> Cause {
    Cause { code, strength: strength.clamp(0.0, 1.0), detail: detail.into() }
}

fn peers_median(fleet: &Fleet, of: &InstanceLoad, value: impl Fn(&InstanceLoad) -> Option<f64>) -> Option<f64> {
    median(&peers(fleet, of).filter_map(value).collect::<Vec<_>>()).filter(|median| *median > 0.0)
}

fn hot_key(instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    let requests = instance.requests.filter(|requests| *requests > 0.0)?;
    let heaviest = instance.facts.keys.iter().max_by_key(|key| key.lower)?;
    let share = heaviest.lower as f64 / requests;
    let detail = || format!("key {} makes at least {:.0} % of its requests", heaviest.key, share * 100.0);
    (share >= rule.key_share).then(|| cause(CauseCode::HotKey, share, detail()))
}

fn session_affinity(fleet: &Fleet, instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    if let Some(share) = instance.top_session_share.filter(|share| *share >= rule.session_share) {
        let detail = format!("one session makes {:.0} % of its load", share * 100.0);
        return Some(cause(CauseCode::SessionAffinity, share, detail));
    }
    let (own, others) = (instance.sessions?, peers_median(fleet, instance, |peer| peer.sessions)?);
    let detail = || format!("{own:.0} sessions, its peers have {others:.0}");
    (own > rule.above * others).then(|| cause(CauseCode::SessionAffinity, 1.0 - others / own, detail()))
}

fn smaller(fleet: &Fleet, instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    let (own, others) = (instance.capacity, peers_median(fleet, instance, |peer| Some(peer.capacity))?);
    let (work, their_work) = (instance.signal?, peers_median(fleet, instance, |peer| peer.signal)?);
    let is_smaller = own * rule.above < others && work <= rule.alike * their_work && work * rule.alike >= their_work;
    let detail = || format!("capacity {own}, its peers have {others}, and it gets as much");
    is_smaller.then(|| cause(CauseCode::SmallerInstance, 1.0 - own / others, detail()))
}

/// Peers of the same host, else of the same zone if it has at least two of them, of which at least half are high.
fn neighbours(fleet: &Fleet, instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    let middle = median(&fleet.loads())?;
    let high_share = |near: Vec<&InstanceLoad>, least: usize| {
        let high = near.iter().filter(|peer| peer.load.is_some_and(|load| load > rule.above * middle)).count();
        (near.len() >= least && high * 2 >= near.len()).then(|| high as f64 / near.len() as f64)
    };
    let (host, zone) = (&instance.facts.host, &instance.facts.zone);
    let on_host = peers(fleet, instance).filter(|peer| host.is_some() && peer.facts.host == *host).collect();
    let in_zone = peers(fleet, instance).filter(|peer| zone.is_some() && peer.facts.zone == *zone).collect();
    let said = |what: &str, name: &Option<String>, share: f64| {
        let name = name.as_deref().unwrap_or("?");
        cause(
            CauseCode::NoisyNeighbour,
            share,
            format!("{:.0} % of its peers on {what} {name} are high too", share * 100.0),
        )
    };
    high_share(on_host, 1)
        .map(|share| said("host", host, share))
        .or_else(|| high_share(in_zone, 2).map(|share| said("zone", zone, share)))
}

fn slow(fleet: &Fleet, instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    let (own, others) = (instance.service_time_ms?, peers_median(fleet, instance, |peer| peer.service_time_ms)?);
    let (work, their_work) = (instance.requests?, peers_median(fleet, instance, |peer| peer.requests)?);
    let detail = || format!("a request takes it {own:.1} ms, its peers {others:.1} ms, at no more requests");
    let is_slow = own > rule.above * others && work <= rule.alike * their_work;
    is_slow.then(|| cause(CauseCode::SlowInstance, 1.0 - others / own, detail()))
}

fn cold(fleet: &Fleet, instance: &InstanceLoad, rule: &CauseRule) -> Option<Cause> {
    let age = fleet.window.end.since(instance.ready_at?);
    let left = 1.0 - age.as_secs_f64() / rule.cold.as_secs_f64().max(f64::MIN_POSITIVE);
    (age < rule.cold).then(|| cause(CauseCode::ColdStart, left, format!("ready for {} s", age.as_secs())))
}

fn persistent_or_wandering(persistence: f64) -> Option<Cause> {
    let detail = format!("ranks correlate {persistence:.2} with those of the window before");
    match persistence {
        r if r >= 0.5 => Some(cause(CauseCode::Persistent, r, detail)),
        r if r <= 0.2 => Some(cause(CauseCode::Wandering, 1.0 - r.max(0.0), detail)),
        _ => None,
    }
}

/// What helps against a cause; nothing against the mere course of it.
#[must_use]
pub const fn remedy(code: CauseCode) -> Option<&'static str> {
    Some(match code {
        CauseCode::HotKey => "split the hot key, or cache what it reads",
        CauseCode::SessionAffinity => "switch session affinity off where it is not needed, or spread sessions anew",
        CauseCode::SmallerInstance => "give it a weight of its capacity, or the size of its peers",
        CauseCode::NoisyNeighbour => "move it off that host or zone, or bound its neighbours",
        CauseCode::SlowInstance => "drain it and replace it",
        CauseCode::ColdStart => "let load rise slowly after it became ready",
        CauseCode::Unexplained => "route to the instance with the fewest connections; review limits",
        CauseCode::Wandering => "more instances, or smaller requests: no one instance is to blame",
        _ => return None,
    })
}
