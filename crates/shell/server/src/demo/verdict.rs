//! How it ended: what each agent came to, and whether that is what a closed loop has to come to.

use super::cast;
use super::model::Counts;
use super::show::Ended;
use super::stage::Stage;
use std::fmt;
use std::time::Duration;
use tidegauge_model::EventTime;
use tidegauge_policy::policy::Preset;

/// A window that ended longer ago says nothing about the end.
const RECENT: Duration = Duration::from_secs(20);

/// What came of the demo.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    elapsed: Duration,
    counts: Counts,
    preset: Preset,
    agents: Vec<(Ended, Vec<String>)>,
    /// Whether it was to be judged: it was told how long to go on, and did.
    is_whole: bool,
}

pub(super) fn of(stage: &Stage) -> Verdict {
    let show = stage.show();
    let verdict = judge(stage.elapsed(), show.counts(), stage.preset(), show.ended(), stage.now());
    Verdict { is_whole: stage.is_due(), ..verdict }
}

fn judge(elapsed: Duration, counts: Counts, preset: Preset, ended: Vec<Ended>, now: EventTime) -> Verdict {
    let agents = ended.into_iter().map(|agent| (agent.clone(), problems(&agent, preset, now))).collect();
    Verdict { elapsed, counts, preset, agents, is_whole: true }
}

/// What is wrong with how an agent ended.
fn problems(agent: &Ended, preset: Preset, now: EventTime) -> Vec<String> {
    let mut problems = Vec::new();
    if cast::is_bursty(&agent.name) {
        if agent.scaled_up == 0 {
            problems.push("was never scaled up".to_owned());
        }
        if agent.scaled_down == 0 {
            problems.push("was never scaled down".to_owned());
        }
    }
    let most = preset.values().up;
    match agent.last {
        Some((end, share)) if now.since(end) <= RECENT => {
            if share > most {
                problems.push(format!("ended at {:.0} % of its capacity, over {:.0} %", share * 100.0, most * 100.0));
            }
        }
        _ => problems.push(format!("had no window in the last {} s", RECENT.as_secs())),
    }
    problems
}

impl Verdict {
    pub(super) fn is_well(&self) -> bool {
        self.agents.iter().all(|(_, problems)| problems.is_empty())
    }

    /// All that is wrong, in one line.
    pub(super) fn failures(&self) -> String {
        let of = |(agent, problems): &(Ended, Vec<String>)| {
            (!problems.is_empty()).then(|| format!("{} {}", agent.name, problems.join(" and ")))
        };
        self.agents.iter().filter_map(of).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { samples, windows, decisions, alerts, dead_letters, late, .. } = self.counts;
        writeln!(f, "summary after {:.0} s, preset {}", self.elapsed.as_secs_f64(), self.preset.name())?;
        writeln!(
            f,
            "  {samples} samples, {windows} windows, {decisions} decisions, {alerts} transitions of alerts, \
             {dead_letters} dead letters, {late} late"
        )?;
        for (agent, problems) in &self.agents {
            let busy = agent.last.map_or_else(|| "-".to_owned(), |(_, share)| format!("{:.0} %", share * 100.0));
            let Ended { name, scaled_up, scaled_down, .. } = agent;
            write!(f, "  {name:<12} scaled up {scaled_up}, down {scaled_down}; {busy:>5} busy at the end")?;
            match problems.as_slice() {
                _ if !self.is_whole => writeln!(f)?,
                [] => writeln!(f, ": well")?,
                problems => writeln!(f, ": {}", problems.join(" and "))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_wrong_is_said() {
        let now = EventTime::from_secs(1_000);
        let well = Ended { name: "planner".into(), scaled_up: 2, scaled_down: 1, last: Some((now, 0.3)) };
        let cases = [
            // name, agent, what is said
            ("well", well.clone(), ""),
            ("never up", Ended { scaled_up: 0, ..well.clone() }, "planner was never scaled up"),
            ("never down", Ended { scaled_down: 0, ..well.clone() }, "planner was never scaled down"),
            (
                "too busy",
                Ended { last: Some((now, 0.71)), ..well.clone() },
                "planner ended at 71 % of its capacity, over 70 %",
            ),
            ("at the edge", Ended { last: Some((now, 0.70)), ..well.clone() }, ""),
            (
                "silent",
                Ended { last: Some((EventTime::from_secs(979), 0.3)), ..well.clone() },
                "planner had no window in the last 20 s",
            ),
            ("steady", Ended { name: "summarizer".into(), scaled_up: 0, scaled_down: 0, last: Some((now, 0.5)) }, ""),
        ];
        for (name, agent, want) in cases {
            let verdict = judge(Duration::from_secs(75), Counts::default(), Preset::Balanced, vec![agent], now);
            assert_eq!((verdict.failures().as_str(), verdict.is_well()), (want, want.is_empty()), "{name}");
        }
    }
}
