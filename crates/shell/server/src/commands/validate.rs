//! `validate`: what is configured, and with `--online` whether the broker and the registry have what it needs.

use crate::cli::ValidateArgs;
use crate::config::{Config, RegistryConfig};
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone, counted};
use crate::{commands, connect, topics};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use tidegauge_engine::signal::{TRIAL_INSTANCES, Trial};
use tidegauge_engine::{ControlKind, SignalPlan};
use tidegauge_kafka::admin::{Admin, Comparison, Difference, FoundTopic, TopicSpec};
use tidegauge_kafka::client::Protocol;
use tidegauge_kafka::registry::Registry;
use tidegauge_model::Level;
use tidegauge_policy::{HumanDuration, WorkspaceQuota};

/// One line of the report.
struct Check {
    what: String,
    verdict: Verdict,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail(Code),
}

impl Check {
    fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, detail: detail.into() }
    }

    fn warn(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Warn, detail: detail.into() }
    }

    fn fail(what: &str, code: Code, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Fail(code), detail: detail.into() }
    }

    const fn word(&self) -> (&'static str, Tone) {
        match self.verdict {
            Verdict::Ok => ("ok", Tone::Good),
            Verdict::Warn => ("warn", Tone::Warning),
            Verdict::Fail(_) => ("fail", Tone::Bad),
        }
    }
}

/// Runs the command. That the configuration could be loaded is the first check, passed by now.
///
/// # Errors
///
/// If a check failed: with the code of the first that did.
pub fn run(config: &Config, args: &ValidateArgs) -> anyhow::Result<()> {
    let mut checks = offline(config);
    if args.online {
        checks.extend(online(config)?);
    }
    super::print(&args.output.text(&object(&checks), |colours| report(&checks, colours))?)?;
    let failed = checks.iter().filter_map(|check| match check.verdict {
        Verdict::Fail(code) => Some(code),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    match failed.first() {
        Some(code) => Err(Failure::new(*code, format!("{} of {} checks failed", failed.len(), checks.len())).into()),
        None => Ok(()),
    }
}

fn object(checks: &[Check]) -> Value {
    let check = |check: &Check| json!({ "check": check.what, "verdict": check.word().0, "detail": check.detail });
    json!({ "checks": checks.iter().map(check).collect::<Vec<_>>() })
}

fn report(checks: &[Check], colours: bool) -> String {
    let rows = checks.iter().map(|check| {
        let (word, tone) = check.word();
        let plain = |text: &String| (text.clone(), Tone::Plain);
        vec![(word.to_owned(), tone), plain(&check.what), plain(&check.detail)]
    });
    terminal::table(&["VERDICT", "CHECK", "DETAIL"], &rows.collect::<Vec<_>>(), colours)
}

fn offline(config: &Config) -> Vec<Check> {
    let file =
        config.file.as_ref().map_or_else(|| "no file, so defaults".to_owned(), |file| file.display().to_string());
    let windows = config
        .windows
        .iter()
        .map(|window| format!("{} by {}", HumanDuration(window.spec.size), HumanDuration(window.spec.slide)));
    let rules: usize = config.alerts.iter().map(|rules| rules.rules.len()).sum();
    let mut checks =
        vec![Check::ok("configuration", file), Check::ok("windows", windows.collect::<Vec<_>>().join(", "))];
    checks.extend(config.signals.iter().map(|plan| signal(plan)));
    checks.extend([
        match config.policies.len() {
            0 => Check::warn("policies", "none, so nothing is decided: set policies.paths, or give --policy"),
            _ => Check::ok("policies", names(config.policies.iter().map(|policy| policy.name.as_str()))),
        },
        match config.quotas.is_empty() {
            true => Check::ok("quotas", "none"),
            false => Check::ok("quotas", config.quotas.iter().map(shares).collect::<Vec<_>>().join("; ")),
        },
        Check::ok(
            "alert rules",
            format!("{rules} in {}", names(config.alerts.iter().map(|rules| rules.name.as_str()))),
        ),
    ]);
    let muting = [("silences", ControlKind::Silence), ("inhibitions", ControlKind::Inhibition)];
    checks.extend(muting.into_iter().filter_map(|(what, kind)| named(config, what, kind)));
    checks.extend([
        Check::ok("mapping", if config.ingest.mapping.is_some() { "foreign records are mapped" } else { "none" }),
        hardly_meant(config),
        security(config),
    ]);
    checks
}

/// The documents of a kind by their names, where there are any.
fn named(config: &Config, what: &str, kind: ControlKind) -> Option<Check> {
    let of_kind = config.control.iter().filter(|change| change.kind == kind);
    let names = names(of_kind.map(|change| change.name.as_str()));
    (!names.is_empty()).then(|| Check::ok(what, names))
}

/// What a signal costs here. That it is sound, and costs less than it may, was found out when the configuration was read.
fn signal(plan: &SignalPlan) -> Check {
    let what = format!("signal {}", plan.signal().name);
    let (trial, mut plan) = (Trial::of(plan, TRIAL_INSTANCES), plan.clone());
    let begin = Instant::now();
    let outcome = trial.run(&mut plan);
    let took = begin.elapsed();
    let of = match plan.level() {
        Level::Instance => "a value of each instance",
        _ => "one value of an agent",
    };
    let detail = format!("{of}; {:.1} ms at {TRIAL_INSTANCES} instances", took.as_secs_f64() * 1e3);
    match outcome {
        Err(error) => Check::fail(&what, Code::Config, error.to_string()),
        Ok(()) => Check::ok(&what, detail),
    }
}

/// What `policy lint` would warn of in policies. Alert rules may be the built-in ones, which nobody wrote here.
fn hardly_meant(config: &Config) -> Check {
    let what = "policy lint";
    let policies = config.control.iter().filter(|change| change.kind == ControlKind::Policy);
    let texts = policies.filter_map(|change| change.document.as_deref());
    match commands::policy::warnings(texts) {
        0 => Check::ok(what, "no warnings"),
        found => Check::warn(
            what,
            format!("{}: `tidegauge policy lint FILE…` says which, and what to do", counted(found, "warning")),
        ),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn security(config: &Config) -> Check {
    let what = "connection";
    match config.kafka.connection.security.protocol {
        Protocol::SaslPlaintext => Check::warn(what, "sasl_plaintext: nothing is encrypted; prefer sasl_ssl"),
        protocol => {
            let bootstrap = &config.kafka.connection.bootstrap;
            Check::ok(what, format!("would be {} to {bootstrap}; --online asks it", protocol.name()))
        }
    }
}

fn online(config: &Config) -> anyhow::Result<Vec<Check>> {
    let cluster = connect::wait(&config.kafka)?;
    let waiting = terminal::waiting("asking the broker and the registry");
    let id = cluster.id.unwrap_or_else(|| "without an id".into());
    let mut checks = vec![Check::ok("broker", format!("cluster {id}, {}", counted(cluster.brokers, "broker")))];
    let admin = Admin::new(&config.kafka.connection)?;
    let (telemetry, own) = (topics::telemetry(config, None), topics::wanted(config));
    let names: Vec<_> = telemetry.iter().chain(&own).map(|spec| spec.name.as_str()).collect();
    let found = admin.topics(&names)?;
    checks.extend(telemetry.iter().map(|spec| telemetry_topic(spec, &found)));
    checks.extend(own.iter().map(|spec| own_topic(spec, &found, config)));
    checks.extend(config.ingest.registry.as_ref().map(registry_check));
    waiting.finish_and_clear();
    Ok(checks)
}

fn telemetry_topic(spec: &TopicSpec, found: &BTreeMap<String, FoundTopic>) -> Check {
    let what = format!("topic {}", spec.name);
    let Some(topic) = found.get(&spec.name) else {
        return Check::fail(
            &what,
            Code::Config,
            "missing: its producers create it, or `topics ensure --telemetry-partitions N`",
        );
    };
    match spec.compare(Some(topic)) {
        Comparison::Differs(_) => Check::warn(
            &what,
            "not LogAppendTime: producers' clocks decide which samples count as from the future; \
             set message.timestamp.type=LogAppendTime unless a trusted gateway writes it",
        ),
        _ => Check::ok(&what, counted(topic.partitions, "partition")),
    }
}

fn own_topic(spec: &TopicSpec, found: &BTreeMap<String, FoundTopic>, config: &Config) -> Check {
    let what = format!("topic {}", spec.name);
    let decides = spec.name == config.topics.shuffle || spec.name == config.topics.state;
    match topics::compare(config, spec, found.get(&spec.name)) {
        Comparison::Missing => Check::fail(&what, Code::Config, "missing: run `tidegauge topics ensure`"),
        Comparison::Fits => Check::ok(&what, counted(found[&spec.name].partitions, "partition")),
        Comparison::Differs(differences) => {
            let is_wrong =
                |d: &Difference| decides && ["partitions", "message.timestamp.type"].contains(&d.setting.as_str());
            let fails = differences.iter().any(is_wrong);
            let texts = differences.iter().map(|d| format!("{} is {}, not {}", d.setting, d.found, d.wanted));
            let detail = texts.collect::<Vec<_>>().join("; ");
            if fails { Check::fail(&what, Code::Config, detail) } else { Check::warn(&what, detail) }
        }
    }
}

fn registry_check(config: &RegistryConfig) -> Check {
    let user = config.user.as_ref().map(|(name, password)| (name.as_str(), password));
    match Registry::new(&config.url, user).and_then(|registry| registry.subjects()) {
        Ok(subjects) => Check::ok("schema registry", format!("{}, {}", config.url, counted(subjects.len(), "subject"))),
        Err(error) => Check::fail("schema registry", Code::Unavailable, error.to_string()),
    }
}

/// `acme 40: coder 8, planner 24, tester 8`.
fn shares(quota: &WorkspaceQuota) -> String {
    let each = quota.members.iter().map(|(agent, member)| format!("{agent} {}", member.share));
    format!("{} {}: {}", quota.name, quota.instances, each.collect::<Vec<_>>().join(", "))
}
