//! Runs tests: closes windows one after the other, and hands them to policies and rules.

use super::compare::{self, Failed};
use super::expect::When;
use super::file::{Case, Other, TestFile};
use super::fleet::Fleet;
use super::windows::{Closed, close};
use crate::alert::mute::Muting;
use crate::alert::rules::AlertRules;
use crate::alert::{Alarmed, AlertBook, evaluate_sets};
use crate::decide::decide;
use crate::document::Document;
use crate::duration::HumanDuration;
use crate::error::{PolicyError, Problem, nearest};
use crate::observe::{Observation, still_here};
use crate::policy::{Policy, applicable};
use crate::prospect::Prospect;
use crate::quota::{Pool, QuotaUse, WorkspaceQuota};
use crate::state::TargetState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegauge_model::{AlertTransition, Decision, EventTime, Mode, WindowSpec};

/// Most windows of one test.
const MAX_WINDOWS: u128 = 1_000_000;

/// What became of one test.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Key path of the test.
    pub path: String,
    /// Its name.
    pub name: String,
    /// How many expectations it has.
    pub expectations: usize,
    /// Those that did not hold.
    pub failed: Vec<Failed>,
    /// Every decision, in the order in which they were made.
    pub moments: Vec<Moment>,
    /// What alerts did, in its order.
    pub transitions: Vec<(Duration, AlertTransition)>,
}

/// A policy decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// So long after the start.
    pub after: Duration,
    /// At that time.
    pub at: EventTime,
    /// What.
    pub decision: Decision,
    /// Whether it would be published.
    pub published: bool,
}

/// Runs every test of a file with the policies and rules that it names.
///
/// # Errors
///
/// [`PolicyError`] if a test cannot be run with them (**E3**).
pub fn run(file: &TestFile, documents: &[Document]) -> Result<Vec<Outcome>, PolicyError> {
    let (mut policies, mut rules) = (BTreeMap::new(), BTreeMap::new());
    let (mut silences, mut inhibitions, mut quotas) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for document in documents {
        let is_new = match document {
            Document::Policy(policy) => policies.insert(policy.name.as_str(), policy).is_none(),
            Document::AlertRules(set) => rules.insert(set.name.as_str(), set).is_none(),
            Document::Silence(silence) => silences.insert(silence.name.as_str(), silence).is_none(),
            Document::Inhibition(inhibition) => inhibitions.insert(inhibition.name.as_str(), inhibition).is_none(),
            Document::Quota(quota) => quotas.insert(quota.name.as_str(), quota).is_none(),
            Document::Signal(_) => true,
        };
        if !is_new {
            let message = format!("expected each name once, found `{}` a second time", document.name());
            return Err(file.problem(Problem::at("policies", message)));
        }
    }
    let one = |case: &Case| {
        let of_target = Watching {
            policies: applicable(policies.values().copied(), &case.target),
            rules: rules.values().copied().filter(|rules| rules.matches.covers(&case.target)).collect(),
            muting: Muting {
                silences: silences.values().copied().collect(),
                inhibitions: inhibitions.values().copied().collect(),
            },
            quotas: quotas.values().copied().filter(|quota| quota.member(&case.target).is_some()).collect(),
        };
        of_target.check(case).map_err(|problem| file.problem(problem))?;
        Ok(of_target.run(case))
    };
    file.cases.iter().map(one).collect()
}

/// Who looks at the target of a test.
struct Watching<'a> {
    policies: Vec<&'a Policy>,
    rules: Vec<&'a AlertRules>,
    muting: Muting<'a>,
    quotas: Vec<&'a WorkspaceQuota>,
}

impl Watching<'_> {
    fn slides(&self) -> BTreeSet<Duration> {
        let of_rules = self.rules.iter().map(|rules| rules.window_slide);
        self.policies.iter().map(|policy| policy.window.slide).chain(of_rules).collect()
    }

    /// **E3**.
    fn check(&self, case: &Case) -> Result<(), Problem> {
        let at = |key: &str, message: String| Err(Problem::at(format!("{}.{key}", case.path), message));
        if self.policies.is_empty() && self.rules.is_empty() {
            return at("target", format!("expected a target that a policy of the file covers, found {}", case.target));
        }
        if case.follow.is_some() && self.live().is_none() {
            return at("follow", "expected a live policy to follow, found none".to_owned());
        }
        let mut windows = 0;
        for slide in self.slides() {
            let shown = HumanDuration(slide);
            if case.start.floor_to(slide) != case.start {
                return at("start", format!("expected a time at which windows end, every {shown}"));
            }
            if !case.interval.as_micros().is_multiple_of(slide.as_micros()) {
                let found = HumanDuration(case.interval);
                return at("interval", format!("expected a multiple of the slide {shown}, found {found}"));
            }
            windows += case.end().as_micros() / slide.as_micros() + 1;
        }
        if windows > MAX_WINDOWS {
            return at("expect", format!("expected at most {MAX_WINDOWS} windows, found {windows}"));
        }
        case.expect.iter().try_for_each(|expectation| {
            let policy = self.policy(expectation.policy.as_deref(), &expectation.path)?;
            ends(policy.window, expectation.when, &expectation.path)
        })?;
        case.alerts.iter().try_for_each(|expectation| {
            let path = format!("{}.rule", expectation.path);
            let all = || self.rules.iter().flat_map(|set| set.rules.iter().map(|rule| rule.name.as_str()));
            let set = self.rules.iter().find(|set| set.rules.iter().any(|rule| rule.name == expectation.rule));
            let Some(set) = set else {
                let message = format!("expected a rule of the file, found `{}`", expectation.rule);
                return Err(Problem { nearest: nearest(&expectation.rule, all()), ..Problem::at(path, message) });
            };
            ends(set.window(), When::At(expectation.at), &expectation.path)
        })
    }

    /// The policy of that name, or the only one.
    fn policy(&self, name: Option<&str>, path: &str) -> Result<&Policy, Problem> {
        let names = || self.policies.iter().map(|policy| policy.name.as_str());
        match (name, self.policies.as_slice()) {
            (None, [only]) => Ok(only),
            (None, []) => Err(Problem::at(path, "expected a policy that covers the target, found none")),
            (None, _) => {
                let list = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                Err(Problem::at(path, format!("expected `policy` to say which one, of {list}")))
            }
            (Some(name), policies) => {
                let found = policies.iter().find(|policy| policy.name == name).copied();
                found.ok_or_else(|| Problem {
                    nearest: nearest(name, names()),
                    ..Problem::at(
                        format!("{path}.policy"),
                        format!("expected a policy that decides about the target, found `{name}`"),
                    )
                })
            }
        }
    }

    fn live(&self) -> Option<&Policy> {
        self.policies.iter().copied().find(|policy| policy.mode == Mode::Live)
    }

    fn run(&self, case: &Case) -> Outcome {
        let mut run = Run {
            fleet: Fleet::new(case),
            states: BTreeMap::new(),
            books: BTreeMap::new(),
            used: None,
            moments: Vec::new(),
            transitions: Vec::new(),
        };
        for after in self.times(case.end()) {
            self.close(case, &mut run, after);
        }
        let of_policy =
            |name: &str| run.moments.iter().filter(|moment| moment.decision.policy == name).collect::<Vec<_>>();
        let decisions = case.expect.iter().flat_map(|expectation| {
            // Checked before: there is one.
            let policy = self.policy(expectation.policy.as_deref(), &expectation.path);
            let name = policy.map(|policy| policy.name.as_str()).unwrap_or_default();
            compare::decisions(expectation, name, &of_policy(name))
        });
        let alerts = case.alerts.iter().filter_map(|expectation| compare::alert(expectation, &run.transitions));
        let failed = decisions.chain(alerts).collect();
        Outcome {
            path: case.path.clone(),
            name: case.name.clone(),
            expectations: case.expect.len() + case.alerts.len(),
            failed,
            moments: run.moments,
            transitions: run.transitions,
        }
    }

    /// When anything closes, up to and with `end`.
    fn times(&self, end: Duration) -> BTreeSet<Duration> {
        let of_slide = |slide: Duration| {
            let times = (0_u32..).map(move |number| slide * number);
            times.take_while(move |after| *after <= end)
        };
        self.slides().into_iter().flat_map(of_slide).collect()
    }

    /// **E2**.
    fn close(&self, case: &Case, run: &mut Run, after: Duration) {
        let members = run.fleet.members(case, after);
        let closes = |spec: WindowSpec| after.as_micros().is_multiple_of(spec.slide.as_micros());
        let mut asked_for = None;
        let others: BTreeMap<&str, QuotaUse> =
            case.others.iter().map(|(agent, other)| (agent.as_str(), other.at(case, after))).collect();
        for policy in self.policies.iter().filter(|policy| closes(policy.window)) {
            let closed = close(case, policy.window, after, &members);
            let state = run.states.entry(policy.name.clone()).or_default();
            let verdict = closed.observed(|observation| {
                let present = observation.present_instances();
                let used = run.used.get_or_insert_with(|| QuotaUse::new(present, present));
                used.see(present, observation.window.end);
                let agent = case.target.agent.as_str();
                let all = || others.iter().map(|(of, used)| (*of, used)).chain([(agent, &*used)]);
                let pools: Vec<Pool> = self.quotas.iter().filter_map(|quota| Pool::of(quota, all(), agent)).collect();
                decide(policy, state, &observation.with_pools(&pools))
            });
            if policy.mode == Mode::Live {
                asked_for = Some(verdict.decision.desired_instances);
                let until = verdict.publish.then_some(verdict.decision.expires_at);
                if let Some(used) = &mut run.used {
                    used.decided(verdict.decision.desired_instances, verdict.wish, until);
                }
            }
            let moment =
                Moment { after, at: case.start.plus(after), decision: verdict.decision, published: verdict.publish };
            run.moments.push(moment);
        }
        let min_instances = self.live().map(|policy| policy.min_instances);
        let specs: BTreeSet<WindowSpec> = self.rules.iter().map(|rules| rules.window()).collect();
        for spec in specs.into_iter().filter(|&spec| closes(spec)) {
            let closed = close(case, spec, after, &members);
            let told = closed.observed(|observation| {
                let prospect = self.live().and_then(|policy| {
                    let agent = case.target.agent.as_str();
                    let used = run.used.as_ref()?;
                    let all = || others.iter().map(|(of, used)| (*of, used)).chain([(agent, used)]);
                    let pools: Vec<Pool> =
                        self.quotas.iter().filter_map(|quota| Pool::of(quota, all(), agent)).collect();
                    Prospect::of(policy, run.states.get(&policy.name)?, &pools)
                });
                let observation = &observation.with_prospect(prospect);
                // What actuators would say is in no test: there are no alerts but those of rules.
                let alarmed = Alarmed::default();
                evaluate_sets(&self.rules, spec, &mut run.books, alarmed, &self.muting, observation, min_instances)
            });
            run.transitions.extend(told.into_iter().map(|transition| (after, transition)));
        }
        if let Some(desired) = asked_for {
            run.fleet.follow(desired, after);
        }
    }
}

/// What a test has come to.
struct Run {
    fleet: Fleet,
    states: BTreeMap<String, TargetState>,
    books: BTreeMap<String, AlertBook>,
    /// What the target takes of its quotas, once it was looked at.
    used: Option<QuotaUse>,
    moments: Vec<Moment>,
    transitions: Vec<(Duration, AlertTransition)>,
}

impl Other {
    fn at(&self, case: &Case, after: Duration) -> QuotaUse {
        let [takes, wants] =
            [&self.takes, &self.wants].map(|series| series.at(after, case.interval).unwrap_or(0.0) as u32);
        let mut used = QuotaUse::new(takes, takes);
        used.decided(takes, wants, None);
        used
    }
}

impl Closed {
    fn observed<T>(&self, look: impl FnOnce(&Observation<'_>) -> T) -> T {
        let instances = still_here(&self.agent, &self.instances);
        let observation = Observation::of(&self.agent, &instances).with_signals(&self.signals);
        look(&observation.with_findings(&self.findings).with_scaling(self.scaling))
    }
}

/// That a window of `spec` ends at that time, or at least one within the stretch.
fn ends(spec: WindowSpec, when: When, path: &str) -> Result<(), Problem> {
    let (slide, span) = (spec.slide.as_micros(), when.span());
    let first = span.from.as_micros().div_ceil(slide) * slide;
    if first <= span.to.as_micros() {
        return Ok(());
    }
    let key = if matches!(when, When::At(_)) { "at" } else { "to" };
    let message = format!("expected a time at which a window ends, every {}", HumanDuration(spec.slide));
    Err(Problem::at(format!("{path}.{key}"), message))
}
