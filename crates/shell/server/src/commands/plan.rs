//! `plan`: what each policy would decide now. Reads, and acts on nothing.

use super::records::{self, target};
use crate::cli::PlanArgs;
use crate::config::Config;
use crate::connect;
use crate::terminal::{self, Tone};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegauge_engine::partition::shuffle_partition;
use tidegauge_model::{Action, Decision, EventTime, Mode, Regret, Target, WindowSummary};
use tidegauge_policy::plan::{looks_back, plan, pools, taken, together};
use tidegauge_policy::policy::applicable;
use tidegauge_policy::{Policy, Pool, QuotaUse};

/// How much longer than policies look back windows are read: they are published later than they end.
const MARGIN: Duration = Duration::from_secs(600);

/// What one policy would decide about one target.
struct Line {
    decision: Decision,
    /// What it last published.
    standing: Option<Decision>,
}

/// Runs the command.
///
/// # Errors
///
/// If the broker is away or a topic is missing.
pub fn run(config: &Config, args: &PlanArgs) -> anyhow::Result<()> {
    connect::wait(&config.kafka)?;
    let looks = config.policies.iter().map(looks_back).max().unwrap_or_default();
    let since = args.since.unwrap_or(looks + MARGIN);
    let from = EventTime::from_micros(Timestamp::now().as_microsecond()).minus(since);
    let only = args.target.as_deref().map(target);
    let is_meant = |target: &Target| !target.is_sum() && only.as_ref().is_none_or(|only| only == target);
    let is_bound = |target: &Target| config.quotas.iter().any(|quota| quota.member(target).is_some());
    let mut windows: BTreeMap<Target, Vec<WindowSummary>> = BTreeMap::new();
    records::read(config, &config.topics.windows, from, None, |_, window: WindowSummary| {
        if is_meant(&window.target) {
            windows.entry(window.target.clone()).or_default().push(window);
        }
    })?;
    let mut decisions: BTreeMap<(Target, String), Vec<Decision>> = BTreeMap::new();
    // A decision that stands is said again at half of its time.
    let longest = config.policies.iter().map(|policy| policy.expires_after).max().unwrap_or_default();
    records::read(config, &config.topics.decisions, from.minus(longest), None, |_, decision: Decision| {
        if is_meant(&decision.target) || is_bound(&decision.target) {
            let of = (decision.target.clone(), decision.policy.clone());
            decisions.entry(of).or_default().push(decision);
        }
    })?;
    let uses = uses(config, &decisions, &windows);
    let lines: Vec<_> = windows
        .iter()
        .flat_map(|(target, windows)| {
            let policies = applicable(&config.policies, target);
            let home = partition(config, target);
            let together: Vec<_> = uses.iter().filter(|(of, _)| partition(config, of) == home).collect();
            let pools = pools(&config.quotas, &together, target);
            let each = policies.into_iter();
            each.filter_map(|policy| line(policy, target, windows, &mut decisions, &pools)).collect::<Vec<_>>()
        })
        .collect();
    super::print(&args.output.text(&object(&lines), |colours| table(&lines, colours))?)?;
    if lines.is_empty() {
        tracing::warn!("no window of a target that a policy covers was published in that time");
    }
    Ok(())
}

/// What agents take of their quotas, as far as live decisions about them were published.
fn uses(
    config: &Config,
    decisions: &BTreeMap<(Target, String), Vec<Decision>>,
    windows: &BTreeMap<Target, Vec<WindowSummary>>,
) -> BTreeMap<Target, QuotaUse> {
    let mut uses = BTreeMap::new();
    for ((target, _), decisions) in decisions {
        let live = decisions.iter().filter(|decision| decision.mode == Mode::Live);
        let Some(last) = live.max_by_key(|decision| (decision.decided_at, decision.generation)) else { continue };
        if config.quotas.iter().all(|quota| quota.member(target).is_none()) {
            continue;
        }
        let of_agent = windows.get(target).into_iter().flatten().filter(|window| window.instance.is_none());
        let latest = of_agent.max_by_key(|window| window.range.end);
        let present = latest.and_then(|window| window.instances_present);
        uses.insert(target.clone(), taken(last, present.unwrap_or(last.current_instances)));
    }
    uses
}

/// Agents lend to one another where one Decider hears of them.
fn partition(config: &Config, target: &Target) -> u32 {
    shuffle_partition(&target.own_domain(), config.topics.shuffle_partitions)
}

fn line(
    policy: &Policy,
    target: &Target,
    windows: &[WindowSummary],
    decisions: &mut BTreeMap<(Target, String), Vec<Decision>>,
    pools: &[Pool],
) -> Option<Line> {
    let is_watched =
        |window: &&WindowSummary| window.range.length() == policy.window.size && window.slide == policy.window.slide;
    let closed = together(windows.iter().filter(is_watched).cloned());
    let recorded = decisions.entry((target.clone(), policy.name.clone())).or_default();
    recorded.sort_by_key(|decision| (decision.decided_at, decision.generation));
    let decision = plan(policy, recorded, &closed, pools)?.decision;
    Some(Line { decision, standing: recorded.last().cloned() })
}

fn object(lines: &[Line]) -> Value {
    let line = |Line { decision, standing }: &Line| {
        let regret = standing.as_ref().and_then(|standing| standing.regret.as_ref());
        let standing = standing.as_ref().map(|standing| {
            json!({
                "id": standing.id, "desired_instances": standing.desired_instances, "generation": standing.generation,
                "decided_at": standing.decided_at.to_string(),
            })
        });
        json!({
            "target": decision.target.to_string(),
            "policy": decision.policy,
            "policy_version": decision.policy_version,
            "mode": decision.mode,
            "window_end": decision.decided_at.to_string(),
            "current_instances": decision.current_instances,
            "desired_instances": decision.desired_instances,
            "action": decision.action,
            "reasons": decision.reasons,
            "signals": decision.signals,
            "constraints": decision.constraints,
            "choice": decision.choice,
            "recommendation": decision.recommendation,
            "requests": decision.requests,
            "explanation": decision.explanation,
            "standing": standing,
            "regret": regret,
        })
    };
    json!({ "plans": lines.iter().map(line).collect::<Vec<_>>() })
}

fn table(lines: &[Line], colours: bool) -> String {
    let rows = lines.iter().map(|Line { decision, standing }| {
        let tone = match decision.action {
            Action::ScaleUp => Tone::Warning,
            Action::ScaleDown => Tone::Good,
            Action::Hold => Tone::Faint,
        };
        let plain = |text: String| (text, Tone::Plain);
        vec![
            plain(decision.target.to_string()),
            plain(decision.policy.clone()),
            plain(format!("{:?}", decision.mode).to_lowercase()),
            plain(decision.decided_at.to_string()),
            plain(decision.current_instances.to_string()),
            plain(standing.as_ref().map_or_else(|| "-".to_owned(), |standing| standing.desired_instances.to_string())),
            (decision.desired_instances.to_string(), tone),
            plain(standing.as_ref().and_then(|standing| standing.regret.as_ref()).map_or("-".to_owned(), so_far)),
            plain(decision.explanation.clone()),
        ]
    });
    let header = ["TARGET", "POLICY", "MODE", "WINDOW END", "READY", "STANDING", "WOULD BE", "REGRET", "WHY"];
    terminal::table(&header, &rows.collect::<Vec<_>>(), colours)
}

/// What a shadow would have come to, less what the live policy did: objectives missed, and instance-hours.
fn so_far(regret: &Regret) -> String {
    let (late_s, hours) = (regret.late_s - regret.late_s_live, regret.instance_hours - regret.instance_hours_live);
    format!("{late_s:+.0} s missed, {hours:+.2} instance-hours")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regret_is_what_a_shadow_would_have_done_worse() {
        let (late_s, late_s_live, instance_hours, instance_hours_live) = (30.0, 90.0, 12.25, 10.0);
        let regret = Regret { compared_s: 600.0, late_s, late_s_live, instance_hours, instance_hours_live };
        assert_eq!(so_far(&regret), "-60 s missed, +2.25 instance-hours");
    }
}
