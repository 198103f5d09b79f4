//! Quotas of workspaces: shares and loans by hand and against one instance after the other; and K1 to K4 of random fleets
//! over several partitions, with actuators that are behind.

mod common;

use common::policy;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegauge_model::{EventTime, ReasonCode};
use tidegauge_policy::quota::fill;
use tidegauge_policy::{Observation, Pool, QuotaUse, TargetState, WorkspaceQuota, decide};

fn quota(version: u32, instances: u32, agents: &str) -> WorkspaceQuota {
    let text = format!(
        "apiVersion: tidegauge.io/v1\nkind: Quota\nmetadata: {{ name: acme, version: {version} }}\n\
         spec: {{ instances: {instances}, agents: [{agents}] }}\n"
    );
    WorkspaceQuota::parse("q.yaml", &text).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

fn shares(quota: &WorkspaceQuota) -> Vec<u32> {
    quota.members.values().map(|member| member.share).collect()
}

/// Takes so many, and would like so many.
fn takes(taken: u32, wish: u32) -> QuotaUse {
    let mut used = QuotaUse::new(taken, taken);
    used.decided(taken, wish, None);
    used
}

#[test]
fn shares_by_hand() {
    #[rustfmt::skip]
    let cases: [(&str, u32, &str, &[u32]); 6] = [
        ("in proportion", 40, "{ agent: a, weight: 3 }, { agent: b }", &[30, 10]),
        ("the first of each comes before the second of any", 4, "{ agent: a, weight: 100 }, { agent: b }, { agent: c }", &[2, 1, 1]),
        ("less than there are agents: the first by name", 2, "{ agent: c }, { agent: a }, { agent: b }", &[1, 1, 0]),
        ("thirds", 10, "{ agent: a }, { agent: b }, { agent: c }", &[4, 3, 3]),
        // Due at 0; 0, 1/2, 1; 0, 1/5, 2/5, 3/5, 4/5, 1, …: three at once, then c, c, b, c.
        ("two and five", 7, "{ agent: a }, { agent: b, weight: 2 }, { agent: c, weight: 5 }", &[1, 2, 4]),
        ("alone", 7, "{ agent: a, weight: 9 }", &[7]),
    ];
    for (name, instances, agents, want) in cases {
        assert_eq!(shares(&quota(1, instances, agents)), want, "{name}");
    }
}

/// Of 40: a and b have 10 each, c 20; what each takes and would like; what `a` may have when it would like so many.
#[test]
fn loans_by_hand() {
    const AGENTS: &str = "{ agent: a }, { agent: b }, { agent: c, weight: 2 }";
    const MATTERS: &str = "{ agent: a }, { agent: b, importance: high }, { agent: c, weight: 2 }";
    type Use<'a> = (&'a str, u32, u32);
    type Case<'a> = (&'a str, &'a str, &'a [Use<'a>], u32, (u32, u32));
    #[rustfmt::skip]
    let cases: [Case<'_>; 9] = [
        // name, agents, (agent, takes, would like), what a would like; what it may have, and in the end
        ("within its share", AGENTS, &[("a", 4, 4), ("b", 10, 10), ("c", 20, 20)], 7, (7, 7)),
        ("all have their shares", AGENTS, &[("a", 10, 10), ("b", 10, 30), ("c", 20, 30)], 30, (10, 10)),
        ("what others leave", AGENTS, &[("a", 10, 10), ("b", 4, 4), ("c", 12, 12)], 30, (24, 24)),
        ("of that half, where another wants it too", AGENTS, &[("a", 10, 10), ("b", 10, 30), ("c", 6, 6)], 30, (24, 17)),
        ("nothing, where somebody more important wants all of it", MATTERS, &[("a", 10, 10), ("b", 10, 30), ("c", 6, 6)], 30, (24, 10)),
        ("no more than is free", AGENTS, &[("a", 10, 10), ("b", 4, 4), ("c", 20, 12)], 30, (16, 24)),
        ("what is lent comes back first", AGENTS, &[("a", 2, 2), ("b", 18, 30), ("c", 20, 20)], 10, (2, 10)),
        ("who is not heard of lends nothing", AGENTS, &[("a", 10, 10), ("b", 4, 4)], 30, (16, 16)),
        ("what it has beyond that it gives back", AGENTS, &[("a", 24, 24), ("b", 4, 10), ("c", 12, 20)], 24, (10, 10)),
    ];
    for (name, agents, uses, wish, (may, fair)) in cases {
        let (quota, uses) = (quota(1, 40, agents), uses.iter().map(|&(of, has, wish)| (of, takes(has, wish))));
        let uses: Vec<_> = uses.collect();
        let pool = Pool::of(&quota, uses.iter().map(|(of, used)| (*of, used)), "a").expect("a is heard of");
        let grant = pool.grant(wish);
        assert_eq!((grant.instances, grant.fair), (may.min(fair), fair), "{name}");
        assert_eq!(grant.share, 10);
    }
}

/// K4, and what cannot be written.
#[test]
fn documents_change_over_without_more_than_either() {
    let held = quota(1, 100, "{ agent: a, weight: 3 }, { agent: b }");
    #[rustfmt::skip]
    let cases = [
        ("turned round", quota(2, 100, "{ agent: a }, { agent: b, weight: 3 }"), Some("come to 150 together")),
        ("taken away first", quota(2, 50, "{ agent: a }, { agent: b }"), None),
        ("more for all", quota(2, 200, "{ agent: a, weight: 3 }, { agent: b }"), None),
        ("less for all", quota(2, 10, "{ agent: a, weight: 3 }, { agent: b }"), None),
        ("one more", quota(2, 100, "{ agent: a, weight: 3 }, { agent: b }, { agent: c }"), Some("come to 120 together")),
        ("one more, and more", quota(2, 125, "{ agent: a, weight: 3 }, { agent: b }, { agent: c }"), None),
    ];
    for (name, newer, want) in cases {
        let clash = newer.clash(&held);
        assert_eq!(clash.is_some(), want.is_some(), "{name}: {clash:?}");
        let clash = clash.unwrap_or_default();
        assert!(clash.contains(want.unwrap_or_default()), "{name}: {clash}");
    }
}

/// K2: an order outlives its policy. Of 20, a has 10 and was asked to have 16; then nobody decides about it any more.
#[test]
fn what_was_asked_for_is_taken_until_it_expires_whoever_decides() {
    let quota = quota(1, 20, "{ agent: a }, { agent: b }");
    let at = EventTime::from_secs;
    let (mut a, b) = (QuotaUse::new(10, 10), takes(4, 4));
    a.decided(16, 16, Some(at(50)));
    let free_to_b =
        |a: &QuotaUse| Pool::of(&quota, [("a", a), ("b", &b)], "b").expect("b is heard of").grant(20).instances;
    assert_eq!((a.taken(), free_to_b(&a)), (16, 4));
    #[rustfmt::skip]
    let closes = [ // time, instances there; taken, what b may have
        (20, 10, 16, 4), // an actuator may still bring about 16
        (30, 12, 16, 4),
        (40, 11, 16, 4),
        (50, 11, 11, 9), // no more: it has expired
        (60, 10, 10, 10),
    ];
    for (now, held, taken, free) in closes {
        a.see(held, at(now));
        a.is_left_alone(at(now));
        assert_eq!((a.taken(), free_to_b(&a)), (taken, free), "at {now}");
    }
}

/// The chain says whose quota it was, what the share is, and what is lent.
#[test]
fn a_decision_says_what_bound_it() {
    let policy = policy(
        "objectives: [{ signal: cpu, target: 0.5 }]\nmax_instances: 90\nbehavior: { scale_up: { policies: [{ type: percent, value: 900, period: 15s }] } }",
    );
    let quota = quota(1, 40, "{ agent: planner }, { agent: coder }, { agent: tester, weight: 2 }");
    let cases = [
        (
            vec![("coder", takes(4, 4)), ("tester", takes(20, 20))],
            16,
            "it may have 16: its share of 10, and 6 that others leave",
        ),
        (vec![("coder", takes(10, 10)), ("tester", takes(20, 20))], 10, "it may have 10: its share is 10"),
        (
            vec![("coder", takes(12, 10)), ("tester", takes(20, 20))],
            8,
            "it may have 10: its share is 10; 8 until others have given back",
        ),
    ];
    for (others, want, says) in cases {
        let fleet = common::fleet(8, 1.5);
        let (agent, instances) = fleet.windows(60);
        let instances: Vec<_> = instances.iter().collect();
        let own = QuotaUse::new(8, 8);
        let uses = others.iter().map(|(of, used)| (*of, used)).chain([("planner", &own)]);
        let pools: Vec<Pool> = Pool::of(&quota, uses, "planner").into_iter().collect();
        let observation = Observation::of(&agent, &instances).with_pools(&pools);
        let verdict = decide(&policy, &mut TargetState::default(), &observation);
        let decision = &verdict.decision;
        assert_eq!((decision.desired_instances, verdict.wish), (want, 24), "{}", decision.explanation);
        let last = decision.constraints.last().expect("a constraint");
        assert_eq!((last.reason, last.from_instances, last.to_instances), (ReasonCode::Quota, 24, want));
        assert!(
            last.detail.starts_with("of the 40 instances of quota acme ") && last.detail.contains(says),
            "{}",
            last.detail
        );
    }
}

/// One instance after the other.
fn naive(amount: u32, claims: &[(u32, u32)]) -> Vec<u32> {
    let mut has = vec![0_u32; claims.len()];
    for _ in 0..amount {
        let may = (0..claims.len()).filter(|&index| has[index] < claims[index].1);
        let due = |&index: &usize| f64::from(has[index]) / f64::from(claims[index].0);
        let Some(next) = may.min_by(|a, b| due(a).total_cmp(&due(b)).then(a.cmp(b))) else { break };
        has[next] += 1;
    }
    has
}

const TICK: i64 = 10;
const EXPIRES: i64 = 50;

/// An agent with its instances and an actuator that reads its decisions when it likes, in order, and acts on none that has
/// expired.
#[derive(Default)]
struct Plant {
    /// At each tick.
    instances: Vec<u32>,
    /// Count, and when it expires.
    orders: VecDeque<(u32, i64)>,
}

/// What a tick brings: for each agent what it would like, and how many orders its actuator reads; for each partition how
/// many closes it is behind, and whether it starts anew.
type Tick = (Vec<(u32, usize)>, Vec<(usize, bool)>);

fn ticks(agents: usize, partitions: usize) -> impl Strategy<Value = Vec<Tick>> {
    let agent = (0_u32..40, 0_usize..3);
    let partition = (0_usize..4, proptest::bool::weighted(0.1));
    let tick = (prop::collection::vec(agent, agents), prop::collection::vec(partition, partitions));
    prop::collection::vec(tick, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn filling_is_one_after_the_other(amount in 0_u32..300, claims in prop::collection::vec((1_u32..9, 0_u32..60), 0..7)) {
        prop_assert_eq!(fill(amount, &claims), naive(amount, &claims));
    }

    /// K1.
    #[test]
    fn shares_add_up_and_are_monotone(instances in 1_u32..200, weights in prop::collection::vec(1_u32..9, 1..7), more in 0_usize..7) {
        let agents = |weights: &[u32]| {
            let one = |(index, weight): (usize, &u32)| format!("{{ agent: a{index}, weight: {weight} }}");
            weights.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
        };
        let now = shares(&quota(1, instances, &agents(&weights)));
        prop_assert_eq!(now.iter().sum::<u32>(), instances);
        let greater = shares(&quota(1, instances + 1, &agents(&weights)));
        prop_assert!(now.iter().zip(&greater).all(|(before, after)| before <= after), "{:?} {:?}", now, greater);
        let more = more % weights.len();
        let mut heavier = weights;
        heavier[more] += 1;
        prop_assert!(now[more] <= shares(&quota(1, instances, &agents(&heavier)))[more]);
    }

    /// K3: at rest everybody has what is fair: the wish up to the share, none left while anybody wants more, nothing to the
    /// less important before the more important have enough; and who wants more gets no less.
    #[test]
    fn what_is_left_is_lent(instances in 1_u32..80, wishes in prop::collection::vec((0_u32..60, 1_u32..5, 0_u8..3), 1..6)) {
        let importance = |level: u8| ["low", "normal", "critical"][usize::from(level)];
        let one = |(index, (_, weight, level)): (usize, &(u32, u32, u8))| {
            format!("{{ agent: a{index}, weight: {weight}, importance: {} }}", importance(*level))
        };
        let agents = wishes.iter().enumerate().map(one).collect::<Vec<_>>().join(", ");
        let quota = quota(1, instances, &agents);
        let names: Vec<String> = (0..wishes.len()).map(|index| format!("a{index}")).collect();
        let fair = |wishes: &[u32]| -> Vec<u32> {
            let uses: Vec<QuotaUse> = wishes.iter().map(|&wish| takes(0, wish)).collect();
            let all = || names.iter().map(String::as_str).zip(&uses);
            names.iter().zip(wishes).map(|(name, &wish)| Pool::of(&quota, all(), name).expect("it is named").grant(wish).fair).collect()
        };
        let wished: Vec<u32> = wishes.iter().map(|(wish, ..)| *wish).collect();
        let has = fair(&wished);
        let given: u32 = has.iter().sum();
        prop_assert_eq!(given, instances.min(wished.iter().sum()));
        for (index, name) in names.iter().enumerate() {
            let member = &quota.members[name];
            prop_assert!(has[index] <= wished[index] && has[index] >= wished[index].min(member.share));
            let is_short = has[index] < wished[index];
            for (other, of) in names.iter().enumerate().filter(|_| is_short) {
                let theirs = &quota.members[of];
                prop_assert!(theirs.importance >= member.importance || has[other] <= theirs.share, "{} before {}", of, name);
            }
            let mut greedier = wished.clone();
            greedier[index] += 1;
            prop_assert!(fair(&greedier)[index] >= has[index]);
        }
    }

    /// K2: at no instant are there more instances than the quota allows, whatever partitions and actuators are behind, and
    /// whoever starts anew from what was kept.
    #[test]
    fn a_quota_is_never_exceeded(
        instances in 5_u32..60,
        homes in prop::collection::vec((0_usize..3, 1_u32..4), 2..7),
        ticks in ticks(7, 3),
    ) {
        let name = |index: usize| format!("a{index}");
        let agents: Vec<String> =
            homes.iter().enumerate().map(|(index, (_, weight))| format!("{{ agent: {}, weight: {weight} }}", name(index))).collect();
        let quota = quota(1, instances, &agents.join(", "));
        let mut books: Vec<BTreeMap<String, QuotaUse>> = vec![BTreeMap::new(); 3];
        let mut plants: Vec<Plant> = homes.iter().map(|_| Plant::default()).collect();
        let mut closed = [0_usize; 3];
        for (now, (of_agents, of_partitions)) in ticks.iter().enumerate() {
            let at = |tick: usize| i64::try_from(tick).expect("few") * TICK;
            for (plant, (_, reads)) in plants.iter_mut().zip(of_agents) {
                let mut there = plant.instances.last().copied().unwrap_or(0);
                for _ in 0..*reads {
                    if let Some((count, expires)) = plant.orders.pop_front() && at(now) < expires {
                        there = count;
                    }
                }
                plant.instances.push(there);
            }
            let all: u32 = plants.iter().map(|plant| plant.instances[now]).sum();
            prop_assert!(all <= instances, "{} instances at tick {}", all, now);
            for (partition, (behind, is_anew)) in of_partitions.iter().enumerate() {
                if *is_anew {
                    let kept = serde_json::to_string(&books[partition]).expect("JSON");
                    books[partition] = serde_json::from_str(&kept).expect("the book");
                }
                while closed[partition] + behind <= now {
                    let tick = closed[partition];
                    for index in (0..homes.len()).filter(|&index| homes[index].0 == partition) {
                        let (end, book) = (EventTime::from_secs(at(tick)), &mut books[partition]);
                        let held = plants[index].instances[tick];
                        book.entry(name(index)).or_insert_with(|| QuotaUse::new(held, held)).see(held, end);
                        let pool = Pool::of(&quota, book.iter().map(|(of, used)| (of.as_str(), used)), &name(index));
                        let wish = ticks[tick].0[index].0;
                        let desired = pool.expect("it is there").grant(wish).instances;
                        let expires = at(tick) + EXPIRES;
                        let until = end.plus(Duration::from_secs(EXPIRES.unsigned_abs()));
                        book.get_mut(&name(index)).expect("it is there").decided(desired, wish, Some(until));
                        plants[index].orders.push_back((desired, expires));
                    }
                    let taken: u64 = books[partition].values().map(|used| u64::from(used.taken())).sum();
                    let pool: u64 = books[partition].keys().map(|of| u64::from(quota.members[of].share)).sum();
                    prop_assert!(taken <= pool, "{} taken of a pool of {}", taken, pool);
                    closed[partition] += 1;
                }
            }
        }
    }
}
