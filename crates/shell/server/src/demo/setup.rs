//! The configuration of the demo: event time is the wall clock's, windows are short, so that a decision follows its
//! cause within seconds.

use super::broker::PARTITIONS;
use crate::config::Config;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::time::Duration;
use tidegauge_engine::ControlChange;
use tidegauge_policy::policy::Preset;
use tidegauge_policy::{AlertRules, Document, Policy, Written};

/// How often an instance reports.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// The presets in the order in which one follows the other.
pub(super) const PRESETS: [Preset; 3] = [Preset::Balanced, Preset::Aggressive, Preset::Conservative];

const SETTINGS: [(&str, &str); 17] = [
    ("node.id", "demo"),
    ("cluster", "demo"),
    ("kafka.group", "demo"),
    ("delivery", "at_least_once"),
    ("time.pane", "1s"),
    ("time.disorder", "500ms"),
    ("time.allowed_lateness", "5s"),
    ("time.max_future", "30s"),
    ("time.max_skew", "10s"),
    ("time.idle_after", "5s"),
    ("time.stall_after", "15s"),
    ("windows", "[{size: 5s, slide: 1s, levels: [agent, instance]}]"),
    ("workers.aggregate", "1"),
    ("workers.decide", "1"),
    ("workers.commit_interval", "100ms"),
    ("topics.replication_factor", "1"),
    ("log.format", "human"),
];

/// Five seconds of load decide; shrinking waits for ten.
const POLICY: &str = "\
apiVersion: tidegauge.io/v1
kind: Policy
metadata: { name: demo, version: VERSION }
spec:
  window: { size: 5s, slide: 1s }
  preset: PRESET
  behavior:
    scale_up:
      policies: [{ type: percent, value: 100, period: 5s }, { type: instances, value: 4, period: 5s }]
    scale_down:
      stabilization_window: 10s
      policies: [{ type: percent, value: 50, period: 5s }]
  expires_after: 30s
";

const RULES: &str = r#"
apiVersion: tidegauge.io/v1
kind: AlertRules
metadata: { name: demo, version: 1 }
spec:
  window: { size: 5s, slide: 1s }
  rules:
    - name: cpu_high
      signal: { kind: utilization, resource: cpu }
      above: 0.85
      for: 2s
      summary: "{target}: CPU at {value} of what it may use"
    - name: instance_hot
      by: instance
      signal: { kind: utilization, resource: cpu }
      above: 0.95
      for: 3s
      forget_absent_after: 10s
      summary: "{instance}: CPU at {value}; alert level {threshold}"
    - name: error_rate_high
      signal: { kind: error_rate }
      above: 0.05
      severity: critical
      summary: "{target}: {value} of requests fail"
    - name: response_time_high
      signal: { kind: metric, metric: response_time_ms, statistic: p95 }
      above: 1000
      summary: "{target}: p95 of response times is {value} ms"
    - name: instances_below_minimum
      signal: { kind: ready_below_min }
      severity: critical
      summary: "{target}: ready instances: {value}; minimum {threshold}"
"#;

/// What is configured, with the first policy.
pub(super) fn config(bootstrap: &str, listen: SocketAddr, log_level: &str, preset: Preset) -> anyhow::Result<Config> {
    let partitions = PARTITIONS.to_string();
    let given = [
        ("kafka.bootstrap", bootstrap),
        ("topics.shuffle_partitions", &partitions),
        ("http.listen", &listen.to_string()),
        ("log.level", log_level),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let flags = settings.into_iter().chain(given).map(|(key, value)| ("demo".to_owned(), key, value));
    with_policy(Config::of_flags(flags.collect())?, preset, 1)
}

/// The same with another preset: what a reload reads.
pub(super) fn with_policy(mut config: Config, preset: Preset, version: u32) -> anyhow::Result<Config> {
    let policy = POLICY.replace("VERSION", &version.to_string()).replace("PRESET", preset.name());
    let written = [Written::parse("the demo's policy", &policy)?, Written::parse("the demo's alert rules", RULES)?];
    let written = written.concat();
    config.control = written.iter().map(ControlChange::of).collect();
    config.policies = written.iter().filter_map(policy_of).collect();
    config.alerts = written.iter().filter_map(rules_of).collect();
    config.policies.first().context("the demo's policy is one")?;
    Ok(config)
}

fn policy_of(written: &Written) -> Option<Policy> {
    match &written.document {
        Document::Policy(policy) => Some(policy.clone()),
        _ => None,
    }
}

fn rules_of(written: &Written) -> Option<AlertRules> {
    match &written.document {
        Document::AlertRules(rules) => Some(rules.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_here_is_sound() {
        for (version, preset) in (1..).zip(PRESETS) {
            let listen = "127.0.0.1:0".parse().unwrap();
            let config = config("127.0.0.1:1", listen, "warn", preset).unwrap();
            let config = with_policy(config, preset, version).unwrap();
            assert_eq!((config.policies[0].version, config.alerts.len()), (version, 1));
            let values = preset.values();
            assert_eq!(config.policies[0].max_instances, values.max_instances);
            let windows: Vec<_> = config.windows.iter().map(|window| window.spec).collect();
            assert_eq!(windows, [config.policies[0].window], "policies look at windows that there are");
        }
    }
}
