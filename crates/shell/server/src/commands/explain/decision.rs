//! `explain` of a decision: its chain, its signals with the windows before it, factors, alternatives, the rule that bound,
//! and what became of it.

use super::life::Life;
use crate::cli::ExplainArgs;
use crate::commands::{print, records};
use crate::config::Config;
use crate::connect;
use crate::exit::{Code, Failure};
use crate::terminal::{self, Tone};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use tidegauge_model::{
    Alternative, Constraint, Decision, EventTime, Factor, Mode, Plan, Regret, RequestAdvice, SignalReading,
    WindowSummary,
};
use tidegauge_policy::observe::still_here;
use tidegauge_policy::plan::{Closed, together};
use tidegauge_policy::wish::wish;
use tidegauge_policy::{Observation, Policy};

const FACTORS: [&str; 6] = ["FACTOR", "ASKS FOR", "URGENCY", "MARGIN", "CONFIDENCE", "WHY"];
const PLANS: [&str; 8] = ["PLAN", "INSTANCES", "COST AN HOUR", "OF WANTED", "ONE LESS", "RISK", "SCORE", "REMARK"];
const REQUESTS: [&str; 6] = ["REQUEST OF", "NOW", "LOWER", "TARGET", "UPPER", "FROM"];
const ALTERNATIVES: [&str; 6] = ["ALTERNATIVE", "INSTANCES", "LOAD", "COST AN HOUR", "LATE", "TOO FEW AHEAD"];

/// Windows that are shown, up to and with the decision's own.
const WINDOWS: u32 = 30;
/// How much earlier or later than the decision its windows may have been published.
const MARGIN: Duration = Duration::from_secs(120);

/// Runs the command.
///
/// # Errors
///
/// If there is no such decision (with [`Code::Data`]), the broker is away, or a topic is missing.
pub fn run(config: &Config, args: &ExplainArgs) -> anyhow::Result<()> {
    connect::wait(&config.kafka)?;
    let (published_at, decision) = find(config, args)?;
    let windows = windows_before(config, published_at, &decision)?;
    let policy = config.policies.iter().find(|policy| policy.hash == decision.policy_hash);
    let life = Life::read(config, published_at, &decision)?;
    let told = Told { courses: courses(policy, &decision, &windows), ends: windows.len(), life, decision };
    print(&args.output.text(&told.object(), |colours| told.text(colours))?)
}

/// The decision of that id as it was first published, or the latest about the target, and when it was published.
fn find(config: &Config, args: &ExplainArgs) -> anyhow::Result<(EventTime, Decision)> {
    let from = EventTime::from_micros(Timestamp::now().as_microsecond()).minus(args.since);
    let target = args.target.as_deref().map(records::target);
    let mut found: Option<(EventTime, Decision)> = None;
    records::read(config, &config.topics.decisions, from, None, |at, decision: Decision| {
        let is_better = match (&target, &found) {
            (Some(target), _) if decision.target != *target => false,
            (Some(_), Some((_, found))) => decision.decided_at >= found.decided_at,
            (None, _) if Some(decision.id.as_str()) != args.decision_id() => false,
            (None, Some((_, found))) => decision.decided_at < found.decided_at,
            (_, None) => true,
        };
        if is_better {
            found = Some((at, decision));
        }
    })?;
    found.ok_or_else(|| {
        let what = match (&args.target, args.decision_id()) {
            (Some(target), _) => format!("decision about {target}"),
            (None, id) => format!("decision {}", id.unwrap_or_default()),
        };
        let since = humantime::format_duration(args.since);
        let message = format!("no {what} was published in the last {since}; --since goes further back");
        Failure::new(Code::Data, message).into()
    })
}

/// What closed before the decision, its own window last. Windows are published as they close, however old their telemetry.
fn windows_before(config: &Config, published_at: EventTime, decision: &Decision) -> anyhow::Result<Vec<Closed>> {
    let slides = config.windows.iter().filter(|window| window.spec.size == decision.window.length());
    let slide = slides.map(|window| window.spec.slide).min().unwrap_or(decision.window.length());
    let (first, last) = (decision.window.end.minus(slide * (WINDOWS - 1)), decision.window.end);
    let (from, to) = (published_at.minus(slide * WINDOWS + MARGIN), published_at.plus(MARGIN));
    let mut windows = Vec::new();
    records::read(config, &config.topics.windows, from, Some(to), |_, window: WindowSummary| {
        let is_near = window.range.end >= first && window.range.end <= last;
        let is_alike = window.range.length() == decision.window.length() && window.slide == slide;
        if is_near && is_alike && window.target == decision.target {
            windows.push(window);
        }
    })?;
    Ok(together(windows))
}

/// Of each signal of the decision what it measured over the windows, as far as the policy is known here.
fn courses(policy: Option<&Policy>, decision: &Decision, windows: &[Closed]) -> Vec<Vec<Option<f64>>> {
    let of_reading = |reading: &SignalReading| {
        let objectives = policy.map(|policy| policy.objectives.as_slice()).unwrap_or_default();
        let Some(objective) = objectives.iter().find(|objective| objective.name == reading.name) else {
            return Vec::new();
        };
        let value = |(agent, instances): &Closed| {
            let instances = still_here(agent, instances);
            let observation = Observation::of(agent, &instances);
            wish(objective, &observation, observation.held_instances()).reading.value
        };
        windows.iter().map(value).collect()
    };
    decision.signals.iter().map(of_reading).collect()
}

/// What is told.
struct Told {
    decision: Decision,
    /// Of each signal, over the windows.
    courses: Vec<Vec<Option<f64>>>,
    ends: usize,
    life: Life,
}

impl Told {
    /// The rule that had the last word: a constraint, or the signal with the largest wish.
    fn binding(&self) -> String {
        let Decision { constraints, signals, desired_instances, .. } = &self.decision;
        if let Some(Constraint { reason, from_instances, to_instances, detail }) = constraints.last() {
            return format!("{}: {from_instances} -> {to_instances}, {detail}", word(reason));
        }
        let wishes = signals.iter().filter(|reading| reading.wish_instances.is_some());
        // The first of equal ones leads.
        let leading = wishes.rev().max_by_key(|reading| reading.wish_instances);
        leading.map_or_else(
            || format!("nothing asked for anything: {desired_instances} stand"),
            |reading| format!("the signal {}: no rule changed what it asked for", reading.name),
        )
    }

    fn object(&self) -> Value {
        let decision = serde_json::to_value(&self.decision).unwrap_or_default();
        let courses = self.decision.signals.iter().zip(&self.courses);
        let courses: Value = courses.map(|(reading, course)| (reading.name.clone(), json!(course))).collect();
        json!({ "decision": decision, "binding": self.binding(), "windows": self.ends, "values_before": courses,
            "life": self.life.object() })
    }

    fn text(&self, colours: bool) -> String {
        let Decision { id, target, generation, policy, policy_version, mode, window, completeness, .. } =
            &self.decision;
        let decision = &self.decision;
        let confidence = decision
            .confidence
            .map_or_else(String::new, |confidence| format!(", confidence {:.0} %", confidence * 100.0));
        let mode = format!("{mode:?}").to_lowercase();
        let mut text = format!(
            "{target}: {}\n\ndecision   {id}\ngeneration {generation}, at {}, expires {}\npolicy     {policy} version \
             {policy_version}, {mode}\nwindow     {} to {}, complete {:.0} %{confidence}\ninstances  {} ready, {} wanted, {} to {} allowed\n\n",
            decision.explanation,
            decision.decided_at,
            decision.expires_at,
            window.start,
            window.end,
            completeness * 100.0,
            decision.current_instances,
            decision.desired_instances,
            decision.min_instances,
            decision.max_instances,
        );
        let header = ["SIGNAL", "VALUE", "WANTED", "ASKS FOR", "INSTANCES", "WINDOWS BEFORE", "REMARK"];
        let rows: Vec<_> =
            decision.signals.iter().zip(&self.courses).map(|(reading, course)| cells(reading, course)).collect();
        text.push_str(&terminal::table(&header, &rows, colours));
        text.push('\n');
        text.push_str(&terminal::table(&["STAGE", "INSTANCES", "WHY"], &self.chain(), colours));
        let tables = [
            (&FACTORS[..], self.factors()),
            (&PLANS[..], self.plans()),
            (&REQUESTS[..], self.requests()),
            (&ALTERNATIVES[..], self.alternatives()),
        ];
        for (header, rows) in tables {
            if !rows.is_empty() {
                text = text + "\n" + &terminal::table(header, &rows, colours);
            }
        }
        text += &format!("\nbinding    {}\n", self.binding());
        if let Some(recommended) = &decision.recommendation {
            let reasons = recommended.reasons.join("; ");
            text += &format!("recommended {} of {}: {reasons}\n", word(&recommended.kind), recommended.instances);
        }
        if let Some(regret) = &decision.regret {
            text += &format!("regret     {}\n", regretted(regret));
        }
        if decision.mode == Mode::Live { text + &self.life.text(colours) } else { text }
    }

    /// What five factors ask for, where they are weighed.
    fn factors(&self) -> Vec<Vec<(String, Tone)>> {
        let row = |factor: &Factor| {
            let wish = factor.wish_instances.map(f64::from);
            let numbers = [wish, factor.urgency, factor.margin, Some(factor.confidence)].map(optional);
            [vec![factor.name.clone()], numbers.to_vec(), vec![factor.detail.clone()]].concat()
        };
        self.decision.factors.iter().map(|factor| plain_cells(row(factor))).collect()
    }

    /// The plans that were weighed; `unbeaten` ones are those that nothing is better than.
    fn plans(&self) -> Vec<Vec<(String, Tone)>> {
        let choice = self.decision.choice.iter();
        let row = |plan: &Plan| {
            let numbers =
                [plan.cost_per_hour, plan.performance_ratio, plan.load_ratio_without_one, plan.slo_risk, plan.score];
            let remark = plan.problem.clone().unwrap_or_else(|| match plan.is_unbeaten {
                true => "unbeaten".to_owned(),
                false => String::new(),
            });
            [vec![plan.name.clone(), plan.instances.to_string()], numbers.map(optional).to_vec(), vec![remark]].concat()
        };
        choice.flat_map(|choice| &choice.plans).map(|plan| plain_cells(row(plan))).collect()
    }

    /// What instances should request.
    fn requests(&self) -> Vec<Vec<(String, Tone)>> {
        let row = |advice: &RequestAdvice| {
            let numbers = [advice.now, Some(advice.lower), Some(advice.target), Some(advice.upper)].map(optional);
            [vec![advice.resource.clone()], numbers.to_vec(), vec![advice.detail.clone()]].concat()
        };
        self.decision.requests.iter().map(|advice| plain_cells(row(advice))).collect()
    }

    /// What other answers would come to.
    fn alternatives(&self) -> Vec<Vec<(String, Tone)>> {
        let row = |other: &Alternative| {
            let numbers =
                [other.load_ratio, other.cost_per_hour, other.late_share, other.shortfall_share].map(optional);
            [vec![other.name.clone(), other.instances.to_string()], numbers.to_vec()].concat()
        };
        self.decision.alternatives.iter().map(|other| plain_cells(row(other))).collect()
    }

    /// From what signals ask for to what is decided.
    fn chain(&self) -> Vec<Vec<(String, Tone)>> {
        let plain = |text: String| (text, Tone::Plain);
        let decision = &self.decision;
        let row = |stage: String, instances: String, why: String| vec![plain(stage), plain(instances), plain(why)];
        let first = decision.reasons.first().map(word).unwrap_or_default();
        let mut rows = vec![row("signals".to_owned(), decision.unlimited_desired_instances.to_string(), first)];
        rows.extend(decision.constraints.iter().map(|constraint| {
            let Constraint { reason, from_instances, to_instances, detail } = constraint;
            row(word(reason), format!("{from_instances} -> {to_instances}"), detail.clone())
        }));
        let passed: Vec<_> = decision.reasons.iter().skip(1).map(word).collect();
        rows.push(row("decided".to_owned(), decision.desired_instances.to_string(), passed.join(", ")));
        rows
    }
}

fn plain_cells(texts: Vec<String>) -> Vec<(String, Tone)> {
    texts.into_iter().map(|text| (text, Tone::Plain)).collect()
}

fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

fn cells(reading: &SignalReading, course: &[Option<f64>]) -> Vec<(String, Tone)> {
    let plain = |text: String| (text, Tone::Plain);
    let known: Vec<f64> = course.iter().flatten().copied().collect();
    let (least, most) = known
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(*value), most.max(*value)));
    let course = match known.is_empty() {
        true => String::new(),
        false => format!("{} {} to {}", sparkline(course, least, most), number(least), number(most)),
    };
    vec![
        plain(reading.name.clone()),
        plain(reading.value.map(number).unwrap_or_default()),
        plain(number(reading.objective)),
        plain(reading.wish_instances.map(|wish| wish.to_string()).unwrap_or_default()),
        plain(reading.instances.to_string()),
        plain(course),
        plain(reading.problem.clone().unwrap_or_default()),
    ]
}

/// `of 12.0 h, it would have been late for 20 s (live: 80 s) with 5.5 instance-hours (live: 4.2)`.
fn regretted(regret: &Regret) -> String {
    let Regret { compared_s, late_s, late_s_live, instance_hours, instance_hours_live } = regret;
    format!(
        "of {:.1} h, it would have been late for {late_s:.0} s (live: {late_s_live:.0} s) with {instance_hours:.1} \
         instance-hours (live: {instance_hours_live:.1})",
        compared_s / 3_600.0
    )
}

/// A bar for each value from the least to the greatest; a blank where there is none.
fn sparkline(values: &[Option<f64>], least: f64, most: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |value: &Option<f64>| {
        let Some(value) = value else { return ' ' };
        let share = if most > least { (value - least) / (most - least) } else { 0.5 };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(bar).collect()
}

fn number(value: f64) -> String {
    ((value * 1_000.0).round() / 1_000.0).to_string()
}

/// The word that stands in records.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_has_a_bar_for_each_value() {
        let values = [Some(1.0), Some(8.0), None, Some(4.5)];
        assert_eq!(sparkline(&values, 1.0, 8.0), "▁█ ▅");
        assert_eq!(sparkline(&[Some(3.0)], 3.0, 3.0), "▅", "a level is in the middle");
    }
}
