//! The demo where there is no terminal: a line for what happens, and now and then one for each agent.

use super::model::{Agent, Snapshot};
use super::{Demo, LOOK};
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// How often all agents are shown.
const EVERY: Duration = Duration::from_secs(5);

/// Until the demo is over.
pub(super) fn run(demo: &Demo) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let mut shown = Instant::now();
    writeln!(out, "tidegauge demo: a day in {:.0} s; Ctrl-C ends it", demo.stage.day.as_secs_f64())?;
    while !demo.is_over() {
        news(demo, &mut out)?;
        if shown.elapsed() >= EVERY {
            shown = Instant::now();
            write!(out, "{}", overview(&demo.snapshot()))?;
        }
        out.flush()?;
        thread::sleep(LOOK);
    }
    news(demo, &mut out)?;
    Ok(())
}

fn news(demo: &Demo, out: &mut impl Write) -> io::Result<()> {
    let news = demo.stage.show().take_news();
    news.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The time of day, and a line for each agent.
fn overview(snapshot: &Snapshot) -> String {
    let minutes = (snapshot.hour * 60.0) as u32;
    let (hour, minute) = (minutes / 60, minutes % 60);
    let mut text = format!("{:7.1} s  -- {hour:02}:{minute:02}, preset {} --\n", snapshot.elapsed_s, snapshot.preset);
    for agent in &snapshot.agents {
        text += &line(agent);
    }
    text
}

fn line(agent: &Agent) -> String {
    let last = |history: &std::collections::VecDeque<f64>, digits: usize| {
        history.back().map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let percent = agent.utilization.back().map_or_else(|| "-".to_owned(), |share| format!("{:.0}", share * 100.0));
    format!(
        "           {:<14} {:>4} req/s  {percent:>3} % busy  p95 {:>5} ms  {} ready of {} wanted\n",
        agent.name,
        last(&agent.load_rps, 0),
        last(&agent.p95_ms, 0),
        last(&agent.ready, 0),
        last(&agent.desired, 0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_yet_is_a_dash() {
        let bare = Agent { name: "planner".into(), ..Agent::default() };
        let agent = Agent {
            load_rps: [200.4].into(),
            utilization: [0.1, 0.456].into(),
            p95_ms: [93.7].into(),
            ready: [3.0].into(),
            desired: [6.0].into(),
            ..bare.clone()
        };
        let want = "\
  65.0 s  -- 13:45, preset balanced --
           planner           - req/s    - % busy  p95     - ms  - ready of - wanted
           planner         200 req/s   46 % busy  p95    94 ms  3 ready of 6 wanted
";
        let snapshot = Snapshot {
            elapsed_s: 65.0,
            hour: 13.75,
            preset: "balanced".into(),
            agents: vec![bare, agent],
            ..Snapshot::default()
        };
        assert_eq!(overview(&snapshot), format!("   {want}"));
    }
}
