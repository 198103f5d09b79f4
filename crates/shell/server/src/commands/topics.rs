//! `topics ensure`: creates what is missing, reports what differs, alters nothing. `topics repartition` stands apart.

mod repartition;

use crate::cli::{EnsureArgs, TopicsCommand};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone, counted};
use crate::{connect, topics};
use serde_json::json;
use tidegauge_kafka::admin::{Admin, AdminError, Comparison, TopicSpec};

/// Runs the command.
///
/// # Errors
///
/// If the broker does not answer or refuses, and with [`Code::Config`] if a topic differs or a telemetry topic is
/// missing that was not to be created.
pub fn run(config: &Config, command: &TopicsCommand) -> anyhow::Result<()> {
    match command {
        TopicsCommand::Ensure(args) => ensure(config, args),
        TopicsCommand::Repartition(args) => repartition::run(config, args),
    }
}

fn ensure(config: &Config, args: &EnsureArgs) -> anyhow::Result<()> {
    let admin = connect::admin(config)?;
    let waiting = terminal::waiting("topics");
    let telemetry = topics::telemetry(config, args.telemetry_partitions);
    let creates =
        |spec: &TopicSpec| args.telemetry_partitions.is_some() || !config.topics.telemetry.contains(&spec.name);
    let scaling_events = args.scaling_events.then(|| topics::scaling_events(config));
    let specs: Vec<_> = telemetry.into_iter().chain(topics::wanted(config)).chain(scaling_events).collect();

    let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let found = admin.topics(&names)?;
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    let mut troubles = 0;
    for spec in &specs {
        waiting.set_message(spec.name.clone());
        let comparison = topics::compare(config, spec, found.get(&spec.name));
        let outcome = match comparison {
            Comparison::Missing if creates(spec) => create(&admin, spec, args)?,
            Comparison::Missing => Outcome::bad("missing", "theirs to create, or give --telemetry-partitions"),
            Comparison::Fits => Outcome { word: "fits", tone: Tone::Good, detail: String::new() },
            Comparison::Differs(differences) => {
                let differences =
                    differences.iter().map(|d| format!("{}: wanted {}, found {}", d.setting, d.wanted, d.found));
                Outcome::bad("differs", &differences.collect::<Vec<_>>().join("; "))
            }
        };
        troubles += usize::from(outcome.tone == Tone::Bad);
        objects.push(json!({ "topic": spec.name, "state": outcome.word, "detail": outcome.detail }));
        let plain = |text: String| (text, Tone::Plain);
        rows.push(vec![(outcome.word.to_owned(), outcome.tone), plain(spec.name.clone()), plain(outcome.detail)]);
    }
    waiting.finish_and_clear();
    let object = json!({ "dry_run": args.dry_run, "topics": objects, "need_attention": troubles });
    let header = ["STATE", "TOPIC", "DETAIL"];
    super::print(&args.output.text(&object, |colours| terminal::table(&header, &rows, colours))?)?;
    if troubles > 0 {
        return Err(Failure::new(Code::Config, format!("{troubles} of {} topics need attention", specs.len())).into());
    }
    Ok(())
}

struct Outcome {
    word: &'static str,
    tone: Tone,
    detail: String,
}

impl Outcome {
    fn bad(word: &'static str, detail: &str) -> Self {
        Self { word, tone: Tone::Bad, detail: detail.to_owned() }
    }
}

fn create(admin: &Admin, spec: &TopicSpec, args: &EnsureArgs) -> Result<Outcome, AdminError> {
    let partitions = spec.partitions.map_or_else(|| "the broker's number of".to_owned(), |n| n.to_string());
    let settings: Vec<_> = spec.settings.iter().map(|(setting, value)| format!("{setting}={value}")).collect();
    let detail = format!("{}, {}", counted(partitions, "partition"), settings.join(", "));
    if args.dry_run {
        return Ok(Outcome { word: "would create", tone: Tone::Warning, detail });
    }
    let word = if create_if_missing(admin, spec)? { "created" } else { "exists" };
    Ok(Outcome { word, tone: Tone::Good, detail })
}

/// Creates a topic and waits until it is to be seen; `false` if it is there already.
fn create_if_missing(admin: &Admin, spec: &TopicSpec) -> Result<bool, AdminError> {
    let is_new = admin.create(spec)?;
    admin.wait_until_seen(&[&spec.name])?;
    Ok(is_new)
}
