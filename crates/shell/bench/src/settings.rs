//! What the engines of the benchmark share: settings from the environment, topics of their own, one run.

use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use tidegauge::config::{Config, Layers};
use tidegauge::live::{OutputRecord, Publish, RunOptions, RunReport, SchemaSource, run_with};
use tidegauge::topics;
use tidegauge_kafka::admin::Admin;

/// What differs between them.
pub(crate) struct Job<'a> {
    /// The file that says what a record is.
    pub(crate) mapping: &'a str,
    /// As the setting of this name.
    pub(crate) windows: String,
    /// Where DISORDER_S says nothing.
    pub(crate) disorder_s: &'a str,
    /// Further settings.
    pub(crate) more: &'a [(&'a str, &'a str)],
}

/// Runs a job from TOPIC to OUT_TOPIC; `rows` makes its encoder, given a record of that topic.
pub(crate) fn run(
    job: &Job<'_>,
    schemas: BTreeMap<u32, String>,
    rows: impl Fn(OutputRecord) -> Box<dyn Publish>,
) -> anyhow::Result<RunReport> {
    let out_topic = setting("OUT_TOPIC", "out");
    let config = configuration(job, &out_topic)?;
    let admin = Admin::new(&config.kafka.connection)?;
    let topics = topics::wanted(&config);
    for topic in &topics {
        admin.create(topic).with_context(|| format!("creating {}", topic.name))?;
    }
    admin.wait_until_seen(&topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>())?;
    let no_reload = || anyhow::bail!("settings do not change while it runs");
    let until_end = one_of("UNTIL_END", &["yes", "no"])? == "yes";
    run_with(
        config,
        RunOptions { until_end, ..RunOptions::default() },
        &SchemaSource::given(schemas),
        &no_reload,
        || rows(OutputRecord { topic: out_topic.clone(), ..OutputRecord::default() }),
    )
}

/// A setting of the environment.
pub(crate) fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// One that is one of a few words, the first by default.
fn one_of(name: &str, words: &[&str]) -> anyhow::Result<String> {
    let value = setting(name, words[0]);
    ensure!(words.contains(&value.as_str()), "{name}={value}: expected one of {words:?}");
    Ok(value)
}

fn configuration(job: &Job<'_>, out_topic: &str) -> anyhow::Result<Config> {
    let own = |name: &str| format!("{out_topic}.{name}");
    let mut settings = vec![
        ("kafka.bootstrap", format!("[\"{}\"]", setting("BOOTSTRAP", "127.0.0.1:19092"))),
        ("kafka.group", out_topic.to_owned()),
        ("topics.telemetry", format!("[{}]", setting("TOPIC", "telemetry"))),
        ("topics.shuffle", own("shuffle")),
        ("topics.windows", own("windows")),
        ("topics.decisions", own("decisions")),
        ("topics.decisions_current", own("decisions-current")),
        ("topics.alerts", own("alerts")),
        ("topics.findings", own("findings")),
        // The job is windows; its peers look for nothing in them.
        ("analytics.enabled", "false".to_owned()),
        ("topics.late", own("late")),
        ("topics.dead_letters", own("dead-letters")),
        ("topics.state", own("state")),
        ("topics.shuffle_partitions", "4".to_owned()),
        ("ingest.mapping", job.mapping.to_owned()),
        ("time.disorder", format!("{}s", setting("DISORDER_S", job.disorder_s))),
        ("time.allowed_lateness", "0s".to_owned()),
        ("windows", job.windows.clone()),
        ("delivery", one_of("GUARANTEE", &["at_least_once", "exactly_once"])?),
        ("workers.aggregate", "2".to_owned()),
        ("workers.decide", "2".to_owned()),
    ];
    let optional = [("workers.memory_limit", "MEMORY_LIMIT"), ("http.listen", "HTTP_LISTEN")];
    settings.extend(optional.into_iter().filter_map(|(key, name)| Some((key, std::env::var(name).ok()?))));
    settings.extend(job.more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let flags = settings.into_iter().map(|(key, value)| (format!("--set {key}"), key.to_owned(), value));
    Ok(Config::load(&Layers { file: None, environment: Vec::new(), flags: flags.collect() })?)
}
