//! Dashboards and alert rules on a real Prometheus that scrapes a real run: each panel finds data, each rule can be
//! evaluated, no metric is named that nobody exports, and what is shown of agents is what was published.
//!
//! ```text
//!  generate ─► produce ─► broker ─► run ─► /metrics ─► Prometheus ─► every expression of dashboards and rules
//!                                    └─► decisions ─────────────────► equal?
//! ```

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::actuation::{event, tell};
use support::broker::Broker;
use support::delivery::Telemetry;
use support::http;
use support::process::{Deployment, Process};
use support::prometheus::{Prometheus, promtool, root};
use support::run::decoded;
use tidegauge::metrics::{self, TABLE};
use tidegauge_model::{Decision, Mode, ScalingState};
use tidegauge_wire::Encoding;

/// What has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(60);
/// What Grafana makes of a scrape a second.
const RATE_INTERVAL: &str = "1m";
const DASHBOARDS: [&str; 2] = ["fleet", "pipeline"];
/// Exported by kube-state-metrics, as the head of the rules says.
const OF_OTHERS: [&str; 1] = ["kube_pod_container_status_last_terminated_exitcode"];
/// Some instance is always busier than that.
const ALERTS: &str = "\
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: {name: dashboards, version: 1}
spec:
  window: {size: 1m, slide: 10s}
  rules:
    - {name: cpu_in_use, severity: warning, signal: {kind: metric, metric: cpu_utilization_of_limit}, above: 0.001}
    - {name: instance_in_use, by: instance, severity: info, signal: {kind: metric, metric: cpu_utilization_of_limit}, above: 0.001}
";

/// Never published, and compared with what was.
const SHADOW: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: {name: shadow, version: 1}
spec:
  mode: shadow
  window: {size: 1m, slide: 10s}
  objectives: [{metric: cpu_utilization_of_limit, type: utilization, target: 0.3}]
  max_instances: 40
";

/// Of the agents of the fleet.
const QUOTA: &str = "\
apiVersion: tidegauge.io/v1
kind: Quota
metadata: {name: all, version: 1}
spec:
  workspace: default
  instances: 200
  agents: [{agent: agent-0}, {agent: agent-1}, {agent: agent-2}]
";

fn dashboard(name: &str) -> Value {
    let path = root().join("deploy/grafana/dashboards").join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row")
}

/// An expression as Grafana sends it, with everything selected that has the label at all.
fn resolved(dashboard: &Value, expression: &str) -> String {
    let mut resolved = expression.replace("$__rate_interval", RATE_INTERVAL);
    for variable in list(&dashboard["templating"], "list") {
        resolved = resolved.replace(&format!("${}", text(variable, "name")), ".+");
    }
    assert!(!resolved.contains('$'), "a variable that nobody declares: {resolved}");
    resolved
}

/// Names of metrics in an expression: words that are no function, label, duration or operator.
fn names(expression: &str) -> BTreeSet<String> {
    let mut bare = expression.to_owned();
    for (open, close) in [('"', '"'), ('\'', '\''), ('{', '}'), ('[', ']')] {
        while let Some(from) = bare.find(open) {
            let to = bare[from + 1..].find(close).map_or(bare.len(), |to| from + to + 2);
            bare.replace_range(from..to, " ");
        }
    }
    for clause in ["by", "without", "on", "ignoring"] {
        for form in [format!(" {clause} ("), format!(" {clause}(")] {
            while let Some(from) = bare.find(&form) {
                let to = bare[from..].find(')').map_or(bare.len(), |to| from + to + 1);
                bare.replace_range(from..to, " ");
            }
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    let mut rest = bare.as_str();
    while let Some(from) = rest.find(is_word) {
        let word_and_rest = &rest[from..];
        let end = word_and_rest.find(|c| !is_word(c)).unwrap_or(word_and_rest.len());
        let (word, after) = word_and_rest.split_at(end);
        let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic()) && !after.trim_start().starts_with('(');
        if is_name && !["and", "or", "unless", "bool", "offset"].contains(&word) {
            found.insert(word.to_owned());
        }
        rest = after;
    }
    found
}

#[test]
fn names_of_metrics_are_found_in_expressions() {
    let cases = [
        (r#"sum by (job, le) (rate(a_total{x="b_total", y=~"z"}[5m])) > 0.01 * c"#, vec!["a_total", "c"]),
        ("count(a != on (job, agent) b) or vector(0)", vec!["a", "b"]),
        ("a and deriv(sum by (job) (b)[10m:30s]) > 0", vec!["a", "b"]),
    ];
    for (expression, want) in cases {
        assert_eq!(names(expression).iter().map(String::as_str).collect::<Vec<_>>(), want, "{expression}");
    }
}

/// What a person needs of a panel: what it says, in which unit, and pages that are there.
#[test]
fn panels_say_what_they_show() {
    let mut uids = BTreeSet::new();
    let source = root().join("deploy/grafana/provisioning/datasources/prometheus.yaml");
    let source = std::fs::read_to_string(source).expect("a data source");
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let first = &list(&dashboard["templating"], "list")[0];
        assert_eq!(text(first, "type"), "datasource", "{name}");
        let begins_with = text(&first["current"], "value");
        assert!(source.lines().any(|line| line.trim() == format!("uid: {begins_with}")), "{name}: {begins_with}");
        assert_eq!(text(&dashboard, "uid"), format!("tidegauge-{name}"), "links and bookmarks rest on it");
        assert!(uids.insert(text(&dashboard, "uid").to_owned()));
        let ids: BTreeSet<_> = list(&dashboard, "panels").iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), list(&dashboard, "panels").len(), "{name}: ids of panels");
        for panel in panels(&dashboard) {
            let title = text(panel, "title");
            assert!(!title.is_empty() && text(panel, "description").ends_with('.'), "{name}: {title}");
            assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{name}: {title} has no unit");
            assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{name}: {title}");
            for link in list(panel, "links") {
                let page = text(link, "url").rsplit_once("/main/").expect("a page of this repository").1;
                assert!(root().join(page).is_file(), "{name}: {title} links to {page}");
            }
        }
    }
}

/// A run whose metrics can be asked for, on a topic that has nothing yet.
fn start(broker: &Broker, topic: &str, more: &str) -> (Deployment, Process, SocketAddr) {
    let settings = format!(
        "windows: [{{size: 1m, slide: 10s}}]\n\
         policies: {{paths: [policy.yaml, shadow.yaml, quota.yaml]}}\n\
         alerts: {{path: alerts.yaml}}\n\
         http: {{listen: \"127.0.0.1:0\"}}\n\
         {more}"
    );
    let policy = std::fs::read_to_string(root().join("examples/policies/balanced.yaml")).expect("an example");
    let files =
        [("policy.yaml", policy.as_str()), ("shadow.yaml", SHADOW), ("quota.yaml", QUOTA), ("alerts.yaml", ALERTS)];
    let deployment = Deployment::new(broker, topic, &settings, &files);
    deployment.succeed(&["topics", "ensure", "--scaling-events"]);
    let mut process = deployment.start(&["run"], &[]);
    let address = http::address(&mut process);
    (deployment, process, address)
}

/// Sends what `generate telemetry` makes of `fleet`, as `options` of `produce` say.
fn send_fleet(deployment: &Deployment, fleet: &[&str], options: &[&str]) {
    let fleet = deployment.succeed(&[&["generate", "telemetry"], fleet].concat()).stdout;
    let file = deployment.write("fleet.jsonl", &fleet);
    let produce = ["produce", "--jsonl", file.to_str().expect("a path")];
    deployment.succeed(&[&produce, options].concat());
}

/// Panels, variables and rules that ask for what is not there.
fn problems(prometheus: &Prometheus) -> Vec<String> {
    let known = prometheus.ask("/api/v1/label/__name__/values", &[]).expect("names");
    let known: BTreeSet<&str> = known.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let mut problems = Vec::new();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for panel in panels(&dashboard) {
            assert!(!list(panel, "targets").is_empty(), "{name}: {} asks for nothing", text(panel, "title"));
            for target in list(panel, "targets") {
                let expression = resolved(&dashboard, text(target, "expr"));
                problems.extend(not_exported(&expression, &known));
                problems.extend(without_data(prometheus, &expression));
            }
        }
        for variable in list(&dashboard["templating"], "list").iter().filter(|of| of["type"] == "query") {
            let query = text(&variable["query"], "query");
            let inner = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')'));
            let (expression, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values");
            let expression = format!("count by ({label}) ({})", resolved(&dashboard, expression));
            problems.extend(not_exported(&expression, &known));
            problems.extend(without_data(prometheus, &expression));
        }
    }
    let rules = prometheus.ask("/api/v1/rules", &[]).expect("rules");
    let rules: Vec<&Value> = list(&rules, "groups").iter().flat_map(|group| list(group, "rules")).collect();
    assert!(rules.len() >= 15, "{} rules", rules.len());
    for rule in rules {
        let expression = text(rule, "query");
        problems.extend(prometheus.values(expression).err().map(|error| format!("{expression}: {error}")));
        problems.extend(not_exported(expression, &known).filter(|name| !OF_OTHERS.contains(&name.as_str())));
    }
    problems
}

#[test]
fn every_panel_and_every_rule_finds_its_data() {
    let test = "every_panel_and_every_rule_finds_its_data";
    let Some(broker) = Broker::find(test) else { return };
    let topic = Telemetry::create(&broker);
    let (deployment, mut process, address) = start(&broker, &topic, "");
    let Some(prometheus) = Prometheus::start(test, address) else { return };
    prometheus.wait_for("tidegauge_ready"); // so that counters are seen to rise from 0
    let fleet = ["--agents", "3", "--instances", "4", "--seconds", "600"];
    send_fleet(&deployment, &fleet, &["--shift"]); // the last sample is now
    prometheus.wait_for("count(tidegauge_agent_desired_instances) == 3");

    tell_of_scaling(&broker, &deployment);

    let go_on = || send_fleet(&deployment, &["--agents", "3", "--instances", "4", "--seconds", "20"], &["--shift"]);
    process.wait_until("a window that closes after what actuators said", || {
        go_on();
        prometheus.values("tidegauge_agent_scale_time_seconds").is_ok_and(|values| !values.is_empty())
    });

    // What is told once a second, or only in a commit, shows with a later scrape.
    let since = Instant::now();
    let mut problems = problems(&prometheus);
    while !problems.is_empty() && since.elapsed() < PATIENCE {
        sleep(Duration::from_secs(1));
        go_on();
        problems = self::problems(&prometheus);
    }
    assert!(problems.is_empty(), "{problems:#?}");

    let (_, body) = http::get(address, "/metrics");
    // This run has no signals and answers no queries: `prometheus_rules.rs` sees their metrics. It writes no history:
    // `history.rs` sees those. No actuator and no notifier runs, no lag is measured, and no scaling event is odd.
    let of_what_is_off = [
        metrics::ODD_SCALING_EVENTS,
        metrics::ACTUATIONS,
        metrics::NOTIFICATIONS,
        metrics::UNREADABLE_ALERTS,
        metrics::LAG_LOOKS,
        metrics::QUERIES,
        metrics::QUERY_FORGOTTEN_WINDOWS,
        metrics::SIGNAL_FAILURES,
        metrics::HISTORY_FILES,
        metrics::HISTORY_FLUSH_DURATION,
    ];
    for metric in TABLE.iter().filter(|metric| !of_what_is_off.contains(metric)) {
        assert!(
            body.contains(&format!("# HELP {} {}\n", metric.name, metric.help)),
            "{} is not in\n{body}",
            metric.name
        );
    }
    promtool(test, &["check", "metrics"], &body);
    same_as_published(&broker, &deployment, address);
    process.terminate();
}

/// The latest change of each target is carried out within three seconds.
fn tell_of_scaling(broker: &Broker, deployment: &Deployment) {
    let mut changes: BTreeMap<String, Decision> = BTreeMap::new();
    broker.read(&deployment.topic("decisions"), |record| {
        let decision: Decision = decoded(&record);
        if decision.mode == Mode::Live && decision.desired_instances != decision.current_instances {
            changes.insert(decision.target.to_string(), decision);
        }
    });
    assert!(!changes.is_empty(), "nothing is scaled");
    let states = [ScalingState::Accepted, ScalingState::Started, ScalingState::Applied];
    let events =
        changes.values().flat_map(|decision| (1..).zip(states).map(|(after, state)| event(decision, state, after)));
    tell(broker, &deployment.topic("scaling_events"), &events.collect::<Vec<_>>(), Encoding::Json);
}

fn not_exported<'a>(expression: &str, known: &'a BTreeSet<&str>) -> impl Iterator<Item = String> + use<'a> {
    names(expression).into_iter().filter(|name| !known.contains(name.as_str()))
}

/// Why there is nothing to be drawn: an error, no series, no number. Rates need a scrape or two.
fn without_data(prometheus: &Prometheus, expression: &str) -> Option<String> {
    let begin = Instant::now();
    loop {
        match prometheus.values(expression) {
            Err(error) => return Some(format!("{expression}: {error}")),
            Ok(values) if values.iter().any(|value| value.is_finite()) => return None,
            Ok(values) if begin.elapsed() >= PATIENCE / 4 => return Some(format!("{expression}: {values:?}")),
            Ok(_) => sleep(Duration::from_millis(500)),
        }
    }
}

/// The values of a gauge of agents, by agent.
fn shown(address: SocketAddr, metric: &str) -> BTreeMap<String, f64> {
    let body = http::get(address, "/metrics").1;
    let of_line = |line: &str| {
        let labels_and_value = line.strip_prefix(metric)?.strip_prefix('{')?;
        let (labels, value) = labels_and_value.split_once("} ")?;
        let agent = labels.split(',').find_map(|label| label.strip_prefix("agent="))?;
        Some((agent.trim_matches('"').to_owned(), value.parse().ok()?))
    };
    body.lines().filter_map(of_line).collect()
}

/// Nothing is sent any more: the last decision about each agent is the one that is shown, once it is committed.
fn same_as_published(broker: &Broker, deployment: &Deployment, address: SocketAddr) {
    let published = || {
        let mut last = BTreeMap::new();
        broker.read(&deployment.topic("decisions"), |record| {
            let decision: Decision = decoded(&record);
            if decision.mode != Mode::Live {
                return;
            }
            last.insert(decision.target.agent.to_string(), f64::from(decision.desired_instances));
        });
        last
    };
    let begin = Instant::now();
    loop {
        let (published, shown) = (published(), shown(address, "tidegauge_agent_desired_instances"));
        assert_eq!(published.len(), 3);
        if published == shown {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "published {published:?}, shown {shown:?}");
        sleep(Duration::from_millis(500));
    }
}

/// Ten thousand agents: the first thousand by name have series, the others are counted, and the log says so once.
#[test]
fn ten_thousand_agents_stay_under_the_cap() {
    let test = "ten_thousand_agents_stay_under_the_cap";
    let Some(broker) = Broker::find(test) else { return };
    let topic = Telemetry::create(&broker);
    let (deployment, mut process, address) = start(&broker, &topic, "metrics: {max_targets: 1000}\n");
    let send = |begin: &str| {
        let fleet = ["--agents", "10000", "--instances", "1", "--seconds", "100", "--interval", "10", "--start", begin];
        send_fleet(&deployment, &fleet, &[]);
    };
    let says = |line: &str| http::get(address, "/metrics").1.lines().any(|found| found == line);
    let mut wait = |what: &str, is_so: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !is_so() {
            process.assert_runs();
            assert!(begin.elapsed() < PATIENCE, "{what}\n{}", process.log());
            sleep(Duration::from_millis(200));
        }
    };
    send("1767225600");
    wait("all agents", &|| says("tidegauge_metrics_targets 10000") && says("tidegauge_metrics_dropped_targets 9000"));
    send("1767225700"); // results of agents that are left out already
    wait("what is not shown is counted", &|| !says("tidegauge_metrics_overflow_total 0"));

    let names: BTreeSet<String> = (0..10_000).map(|number| format!("agent-{number}")).collect();
    let first: BTreeSet<String> = names.into_iter().take(1_000).collect();
    for metric in ["tidegauge_agent_ready_instances", "tidegauge_agent_desired_instances"] {
        let agents: BTreeSet<String> = shown(address, metric).into_keys().collect();
        assert!(agents == first, "{metric}: {} agents", agents.len());
    }
    let (_, body) = http::get(address, "/metrics");
    let series = body.lines().filter(|line| line.contains("{workspace=")).count();
    assert!((10_000..=20_000).contains(&series), "{series} series of agents");
    let told = process.log().lines().filter(|line| line.contains("metrics.max_targets")).count();
    assert_eq!(told, 1, "{}", process.log());
    process.terminate();
}
