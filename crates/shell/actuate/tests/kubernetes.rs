//! The actuator against a real API server (`scripts/parts/kubernetes`): with the rights of its own role, beside
//! others who write, and killed between what it reads and what it writes.
//!
//! No controller runs there: a thread of the test says in the status what is asked for in the spec, as one would.

mod cluster;
mod common;

use cluster::Cluster;
use common::{decision, said};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_actuate::adapter::{Adapter, Crew};
use tidegauge_actuate::book::{Book, Effect};
use tidegauge_actuate::kubernetes::{Kubernetes, KubernetesConfig, Workload};
use tidegauge_actuate::order::{Order, Outcome, Report};
use tidegauge_model::{Decision, EventTime, RequestAdvice, ScalingEvent, ScalingState, Target};

const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    EventTime::from_micros(i64::try_from(since.as_micros()).expect("before 294247"))
}

fn target(name: &str) -> Target {
    Target { workspace: "default".into(), agent: name.into(), region: None }
}

/// An actuator of a Deployment with the rights of `deploy/kubernetes/actuator`.
fn crew(cluster: &Cluster, name: &str, ready_timeout: Duration) -> Crew {
    crew_of(cluster, ("apps/v1", "Deployment", "deployments"), name, ready_timeout)
}

fn crew_of(
    cluster: &Cluster,
    (api_version, kind, plural): (&str, &str, &str),
    name: &str,
    ready_timeout: Duration,
) -> Crew {
    let workload = Workload {
        api_version: api_version.into(),
        kind: kind.into(),
        plural: plural.into(),
        namespace: "default".into(),
        name: name.into(),
    };
    let config = KubernetesConfig {
        kubeconfig: Some(cluster.actuator()),
        workloads: BTreeMap::from([(target(name), workload)]),
        timeout: Duration::from_secs(10),
        ready_timeout,
    };
    let made = Crew::start(async {
        let adapter = Kubernetes::connect(config, now).await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(Arc::new(adapter) as Arc<dyn Adapter>)
    });
    made.expect("a client")
}

fn live(name: &str, generation: u64, desired: u32) -> Decision {
    let mut decision = decision(generation, 2, desired, 0..1);
    decision.target = target(name);
    (decision.decided_at, decision.not_before, decision.expires_at) = (now(), now(), now().plus(PATIENCE));
    decision
}

fn order(decision: &Decision) -> Order {
    Order { id: format!("{}@1/kubernetes", decision.id), decision: decision.clone(), resumed: false }
}

/// Carries an order out, how it ended.
fn carry_out(crew: &mut Crew, order: Order) -> Outcome {
    crew.begin(order);
    let begin = Instant::now();
    loop {
        for told in crew.reports(Duration::from_millis(20)) {
            if let Report::Ended(outcome) = told.report {
                return outcome;
            }
        }
        assert!(begin.elapsed() < PATIENCE, "it does not end");
    }
}

/// When the actuator dies in a generation.
#[derive(Clone, Copy, PartialEq)]
enum Death {
    Never,
    /// It has read, and is about to write.
    BeforeTheWrite,
    /// Somewhere on the way.
    After(Duration),
    /// It has done all of it, and has not told.
    BeforeTheWord,
}

/// An actuator with everything that outlives it: the log of feedback.
struct Life<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    feedback: Vec<ScalingEvent>,
}

impl Life<'_> {
    /// Lives that follow one another until the decision at `offset` is settled.
    fn settle(&mut self, offset: i64, decision: &Decision, mut death: Death) {
        loop {
            let mut crew = crew(self.cluster, self.name, PATIENCE);
            let mut book = Book::new("kubernetes");
            self.feedback.iter().for_each(|event| book.remember(event));
            let began = Instant::now();
            let mut effects = book.decision(offset, decision.clone(), now());
            'life: loop {
                self.feedback.extend(said(&effects));
                for effect in effects.drain(..) {
                    match effect {
                        Effect::Begin(order) => crew.begin(*order),
                        Effect::Settled(_) => return,
                        Effect::Abandon(id) => crew.abandon(&id),
                        Effect::Say(_) => {}
                    }
                }
                for told in crew.reports(Duration::from_millis(1)) {
                    match (&told.report, death) {
                        (Report::Started { .. }, Death::BeforeTheWrite) => break 'life,
                        (Report::Ended(_), Death::BeforeTheWord) => break 'life,
                        _ => effects.extend(book.report(&told.target, &told.id, told.report, now())),
                    }
                }
                if matches!(death, Death::After(time) if began.elapsed() >= time) {
                    break 'life;
                }
                assert!(began.elapsed() < PATIENCE, "generation {} does not end", decision.generation);
            }
            death = Death::Never;
        }
    }
}

#[test]
fn decisions_are_carried_out_once_and_in_order_whoever_else_writes_and_whenever_it_dies() {
    let Some(cluster) = Cluster::start("decisions_are_carried_out_once_and_in_order") else { return };
    let name = "planner";
    cluster.deployment(name, 2);
    let controller = cluster.controller(name);
    let writer = cluster.other_writer(name);
    let seen = cluster.watch(name);
    let ms = Duration::from_millis;
    let deaths = [
        Death::Never,
        Death::BeforeTheWrite,
        Death::After(ms(3)),
        Death::BeforeTheWord,
        Death::After(ms(12)),
        Death::BeforeTheWrite,
        Death::After(ms(6)),
        Death::Never,
    ];
    let wanted: Vec<u32> = (0..24).map(|step| [4, 7, 3, 0, 9][step % 5]).collect();
    let mut life = Life { cluster: &cluster, name, feedback: Vec::new() };
    for (offset, desired) in (0..).zip(&wanted) {
        let generation = offset as u64 + 1;
        life.settle(offset, &live(name, generation, *desired), deaths[offset as usize % deaths.len()]);
        if generation.is_multiple_of(6) {
            // One that was made long ago.
            life.settle(offset, &live(name, generation - 3, 50), Death::Never);
        }
    }
    let (conflicts, statuses) = (writer.stop(), controller.stop());
    let steps = seen.stop();
    assert!(conflicts > 20 && statuses > 0, "{conflicts} writes of another, {statuses} of the controller");

    assert_eq!(cluster.replicas(name), *wanted.last().expect("decisions"));
    let generations: Vec<u64> = steps.iter().map(|(generation, _)| *generation).collect();
    assert!(generations.is_sorted(), "in order: {steps:?}");
    let mut changes: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pair in steps.windows(2).filter(|pair| pair[0].1 != pair[1].1) {
        changes.entry(pair[1].0).or_default().push(pair[1].1);
    }
    for (generation, replicas) in &changes {
        assert_eq!(replicas, &[wanted[*generation as usize - 1]], "once, generation {generation}: {steps:?}");
    }
    assert_eq!(changes.len(), wanted.len(), "every one of them: {changes:?}");

    let mut attempts: BTreeMap<&str, Vec<ScalingState>> = BTreeMap::new();
    for event in &life.feedback {
        attempts.entry(&event.id).or_default().push(event.state);
    }
    let applied = [ScalingState::Accepted, ScalingState::Started, ScalingState::Applied];
    let is_complete = |states: &Vec<ScalingState>| *states == applied || *states == [ScalingState::Superseded];
    assert!(attempts.values().all(is_complete), "{attempts:?}");
    assert_eq!(attempts.values().filter(|states| **states == applied).count(), wanted.len());
}

/// A decision that advises 575 millicores and 287 mebibytes, too.
fn advised(name: &str, generation: u64, desired: u32) -> Decision {
    let advice = |resource: &str, target: f64| RequestAdvice {
        resource: resource.to_owned(),
        lower: target / 2.0,
        target,
        upper: target * 2.0,
        now: None,
        instances: 2,
        detail: "p90".to_owned(),
    };
    let requests = vec![advice("cpu", 0.575), advice("memory", 3e8)];
    Decision { requests, ..live(name, generation, desired) }
}

/// Advice is written where a workload asks for it, with the role's rights and no more; requests only where it says of whom.
#[test]
fn advice_is_written_where_it_is_asked_for() {
    let Some(cluster) = Cluster::start("advice_is_written_where_it_is_asked_for") else { return };
    let name = "advised";
    cluster.deployment(name, 2);
    let mut crew = crew(&cluster, name, Duration::ZERO);
    let advised = |generation, desired| advised(name, generation, desired);
    let annotation = |key: &str| cluster.field(name, &format!("{{.metadata.annotations.tidegauge\\.io/{key}}}"));
    let requests = || cluster.field(name, "{.spec.template.spec.containers[0].resources.requests}");

    assert_eq!(carry_out(&mut crew, order(&advised(1, 3))), Outcome::Applied(3));
    assert_eq!((annotation("requests").as_str(), requests().as_str()), ("", ""), "K4: nobody has asked");

    cluster.annotate(name, "tidegauge.io/advice", "annotate");
    assert_eq!(carry_out(&mut crew, order(&advised(2, 4))), Outcome::Applied(4));
    let said: Vec<RequestAdvice> = serde_json::from_str(&annotation("requests")).expect("JSON");
    assert_eq!(said, advised(2, 4).requests, "K5");
    assert_eq!(requests(), "", "annotations change no pod");

    cluster.annotate(name, "tidegauge.io/advice", "apply:none"); // the container has its image's name
    assert_eq!(carry_out(&mut crew, order(&advised(3, 5))), Outcome::Applied(5));
    let applied: serde_json::Value = serde_json::from_str(&requests()).expect("JSON");
    assert_eq!(applied, serde_json::json!({ "cpu": "575m", "memory": "287Mi" }));
    assert_eq!(cluster.replicas(name), 5);

    // A decision without advice takes away what an older one said, and leaves requests alone.
    assert_eq!(carry_out(&mut crew, order(&live(name, 4, 2))), Outcome::Applied(2));
    assert_eq!(annotation("requests"), "");
    assert_ne!(requests(), "");

    let before = requests();
    cluster.annotate(name, "tidegauge.io/advice", "apply:nobody");
    assert_eq!(carry_out(&mut crew, order(&advised(5, 3))), Outcome::Applied(3), "K6: the count is set all the same");
    assert_eq!((cluster.replicas(name), requests()), (3, before));

    cluster.annotate(name, "tidegauge.io/advice", "please");
    let outcome = carry_out(&mut crew, order(&advised(6, 6)));
    assert!(matches!(&outcome, Outcome::Rejected(why) if why.contains("`please`")), "{outcome:?}");
    assert_eq!(cluster.replicas(name), 3);
}

/// The API server merges no lists by name there, and answers 415 to who asks for that.
#[test]
fn advice_is_applied_to_kinds_that_the_api_server_does_not_know_itself() {
    let Some(cluster) = Cluster::start("advice_is_applied_to_kinds_that_the_api_server_does_not_know") else { return };
    let name = "rolled";
    cluster.rollout(name);
    let kind = ("argoproj.io/v1alpha1", "Rollout", "rollouts");
    let mut crew = crew_of(&cluster, kind, name, Duration::ZERO);
    assert_eq!(carry_out(&mut crew, order(&advised(name, 1, 5))), Outcome::Applied(5));
    let field = |path: &str| cluster.field_of("rollouts.argoproj.io", name, path);
    assert_eq!(field("{.spec.replicas}"), "5");
    let containers: serde_json::Value = serde_json::from_str(&field("{.spec.template.spec.containers}")).expect("JSON");
    let requests = serde_json::json!({ "cpu": "575m", "memory": "287Mi" });
    let want = serde_json::json!([
        { "name": "proxy", "image": "p" },
        { "name": "planner", "image": "a", "resources": { "requests": requests } },
    ]);
    assert_eq!(containers, want);
}

/// Two of them, of which one does not know that it was replaced.
#[test]
fn of_two_at_once_the_greater_generation_stands() {
    let Some(cluster) = Cluster::start("of_two_at_once_the_greater_generation_stands") else { return };
    let name = "writer";
    cluster.deployment(name, 2);
    let (mut old, mut new) = (crew(&cluster, name, Duration::ZERO), crew(&cluster, name, Duration::ZERO));
    let mut superseded = 0;
    for round in 1..=25_u64 {
        let (lower, greater) = (live(name, 2 * round, 40), live(name, 2 * round + 1, 3 + round as u32 % 5));
        let (lower, upper) = (order(&lower), order(&greater));
        let late = std::thread::scope(|scope| {
            let late = scope.spawn(|| carry_out(&mut old, lower));
            assert_eq!(carry_out(&mut new, upper), Outcome::Applied(greater.desired_instances), "round {round}");
            late.join().expect("it ends")
        });
        superseded += u32::from(matches!(late, Outcome::Superseded(_)));
        assert_eq!(cluster.replicas(name), greater.desired_instances, "round {round}: {late:?}");
    }
    assert!(superseded > 0, "the two never met");
}

/// Neither while readiness is waited for, nor by the same generation, said again.
#[test]
fn what_somebody_else_sets_meanwhile_stays_until_the_next_generation() {
    let Some(cluster) = Cluster::start("what_somebody_else_sets_meanwhile_stays") else { return };
    let name = "held";
    cluster.deployment(name, 2); // nobody makes its replicas ready
    let (mut crew, mut book) = (crew(&cluster, name, PATIENCE), Book::new("kubernetes"));
    begin(&mut crew, &book.decision(0, live(name, 1, 4), now()));
    wait_for(|| cluster.replicas(name) == 4);
    cluster.scale(name, 3);
    let mut last = None;
    wait_for(|| {
        let told = crew.reports(Duration::from_millis(20));
        let effects = told.into_iter().flat_map(|told| book.report(&told.target, &told.id, told.report, now()));
        last = said(&effects.collect::<Vec<_>>()).pop().or(last.take());
        last.as_ref().is_some_and(|event| event.state.is_final())
    });
    let last = last.expect("its last word");
    assert_eq!(last.state, ScalingState::Superseded);
    assert!(last.error.as_deref().is_some_and(|why| why.contains("somebody else has set 3 replicas")), "{last:?}");
    assert_eq!(book.decision(1, live(name, 1, 4), now()), [Effect::Settled(1)], "said again");
    assert_eq!(cluster.replicas(name), 3);
    begin(&mut crew, &book.decision(2, live(name, 2, 5), now()));
    wait_for(|| cluster.replicas(name) == 5);
}

/// Begins the orders among these effects.
fn begin(crew: &mut Crew, effects: &[Effect]) {
    for effect in effects {
        if let Effect::Begin(order) = effect {
            crew.begin((**order).clone());
        }
    }
}

fn wait_for(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it does not come");
    }
}

#[test]
fn what_cannot_be_done_says_why() {
    let Some(cluster) = Cluster::start("what_cannot_be_done_says_why") else { return };
    let wait = Duration::from_secs(1);
    let Outcome::Failed(why) = carry_out(&mut crew(&cluster, "absent", wait), order(&live("absent", 1, 4))) else {
        panic!("there is no such Deployment");
    };
    assert!(why.contains("Deployment default/absent") && why.contains("not found"), "{why}");

    cluster.deployment("slow", 2); // nobody makes its replicas ready
    let outcome = carry_out(&mut crew(&cluster, "slow", wait), order(&live("slow", 1, 4)));
    assert_eq!(outcome, Outcome::Partial(0, "Deployment default/slow: 0 of 4 replicas were ready after 1s".to_owned()),);
    assert_eq!(cluster.replicas("slow"), 4);

    cluster.annotate("slow", "tidegauge.io/generation", "soon");
    let Outcome::Rejected(why) = carry_out(&mut crew(&cluster, "slow", wait), order(&live("slow", 2, 5))) else {
        panic!("the annotation is no number");
    };
    assert!(why.contains("`soon`"), "{why}");

    let mut late = live("slow", 3, 9);
    late.expires_at = now();
    cluster.annotate("slow", "tidegauge.io/generation", "1");
    let outcome = carry_out(&mut crew(&cluster, "slow", wait), order(&late));
    assert!(matches!(outcome, Outcome::Expired(_)), "{outcome:?}");
    assert_eq!(cluster.replicas("slow"), 4, "nothing is changed when it is too late");
    // No more rights than these: it may not make one, nor take one away.
    for verb in ["create", "delete", "update"] {
        assert_eq!(cluster.may(verb, "deployments.apps"), "no", "{verb}");
    }
    assert_eq!(cluster.may("get", "secrets"), "no");
}
