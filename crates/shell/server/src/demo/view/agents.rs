//! The table of agents: for each its load, utilization, p95 and instances as sparklines, its state and the reason.
//!
//! ```text
//!   last 64 s   LOAD req/s          UTILIZATION          p95 RESPONSE         INSTANCES
//! ▸ planner     ▁▂▃▄▅▆▇█  1.2k      ▁▂▃▄▅▆▇█   95% ▲     ▁▂▃▄▅▆▇█  420 ms     ▂▂▂▃▃  4 ready
//!   too busy    ████████  req/s     ████████   of 70%    ████████             ▂▂▃▄▄  6 desired
//!   utilization 0.95 is over objective 0.70                                     data complete 99%
//! ```

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Scene;
use super::chart;
use super::condition::{Condition, is_over, latest};
use super::plan::Plan;
use super::style::Series;
use super::text::{UNKNOWN, fit, left, milliseconds, number, percent, right, span, width};
use crate::demo::model::Agent;
use crate::terminal::Tone;

/// Seconds that a sparkline shows at least.
const SPAN: usize = 60;

/// Below this completeness a window misses more than a sample now and then.
const COMPLETE: f64 = 0.95;

/// Where the columns of the table are. Their values are as wide as [`text`](super::text) makes them.
struct Columns {
    name: u16,
    spark: u16,
}

/// Columns of values: requests a second, a share with its mark, a time, instances with their word.
const VALUES: [u16; 4] = [6, 7, 7, 12];
const GAP: u16 = 1;

impl Columns {
    fn of(width: u16, agents: &[Agent]) -> Self {
        let longest = agents.iter().map(|agent| super::text::width(&agent.name)).max().unwrap_or(0).min(60) as u16;
        let name = (longest + 2).clamp(12, (width / 6).max(12));
        let values = VALUES.iter().sum::<u16>() + 4 * GAP;
        Self { name, spark: (width.saturating_sub(name + values) / 4).clamp(1, 60) }
    }

    /// The left edge of the sparkline of a column.
    fn at(&self, area: Rect, column: usize) -> u16 {
        let before = VALUES[..column].iter().sum::<u16>() + (self.spark + GAP) * column as u16;
        area.x + self.name + GAP + before
    }
}

pub(super) fn draw(buffer: &mut Buffer, plan: &Plan, scene: &Scene) {
    let area = plan.agents;
    let agents = &scene.snapshot.agents;
    if agents.is_empty() {
        let text = "The fleet is starting: the first windows close in a few seconds.";
        buffer.set_stringn(area.x + 2, area.y + 1, text, usize::from(area.width), scene.theme.faint());
        return;
    }
    let columns = Columns::of(area.width, agents);
    let shown = usize::from((area.height - 1) / plan.rows_each).max(1);
    let first = scene.selected.saturating_sub(shown - 1).min(agents.len().saturating_sub(shown));
    header(buffer, area, &columns, scene, first..(first + shown).min(agents.len()));
    for (place, agent) in agents.iter().enumerate().skip(first).take(shown) {
        let y = area.y + 1 + (place - first) as u16 * plan.rows_each;
        let rows = Rect { y, height: plan.rows_each, ..area };
        draw_agent(buffer, rows, &columns, scene, (agent, place == scene.selected));
    }
    if !plan.reason.is_empty() {
        let agent = &agents[scene.selected];
        let prefix = format!("{}: ", fit(&agent.name, usize::from(columns.name)));
        reason(buffer, plan.reason, scene, agent, &prefix);
    }
}

fn header(buffer: &mut Buffer, area: Rect, columns: &Columns, scene: &Scene, shown: std::ops::Range<usize>) {
    let style = scene.theme.faint();
    let agents = scene.snapshot.agents.len();
    let seconds = usize::from(columns.spark) * chart::seconds_per_column(columns.spark, SPAN);
    let name = match shown.len() < agents {
        true => format!("{}–{} of {agents}", shown.start + 1, shown.end),
        false => format!("last {}", span(seconds)),
    };
    buffer.set_stringn(area.x + 2, area.y, name, usize::from(columns.name) - 2, style);
    for (column, title) in ["LOAD req/s", "UTILIZATION", "p95 RESPONSE", "INSTANCES"].into_iter().enumerate() {
        let room = columns.spark + VALUES[column];
        buffer.set_stringn(columns.at(area, column), area.y, fit(title, room.into()), room.into(), style);
    }
}

fn draw_agent(buffer: &mut Buffer, rows: Rect, columns: &Columns, scene: &Scene, (agent, selected): (&Agent, bool)) {
    let theme = scene.theme;
    let condition = Condition::of(agent);
    let name_room = usize::from(columns.name) - 2;
    let name = if selected { theme.marked() } else { theme.strong() };
    buffer.set_string(rows.x, rows.y, if selected { "▸ " } else { "  " }, theme.strong());
    buffer.set_string(rows.x + 2, rows.y, fit(&agent.name, name_room), name);
    if rows.height >= 2 {
        let words = fit(&condition.words(), name_room);
        buffer.set_string(rows.x + 2, rows.y + 1, words, theme.tone(condition.tone()));
    }

    let place = |column| Rect { x: columns.at(rows, column), width: columns.spark, height: rows.height.min(2), ..rows };
    let own = |series| move |_: f64, _: f64| theme.series(series);
    let load = latest(&agent.load_rps).map_or(UNKNOWN.into(), number);
    spark(buffer, place(0), scene, &agent.load_rps, 1.0, own(Series::Load));
    value(buffer, place(0), &right(&load, 5), "req/s", (theme.strong(), theme.faint()));

    let utilization =
        |_: f64, value: f64| if is_over(agent, value) { theme.over() } else { theme.series(Series::Utilization) };
    spark(buffer, place(1), scene, &agent.utilization, 1.0, utilization);
    let (share, tone) = match latest(&agent.utilization) {
        Some(value) if is_over(agent, value) => (percent(value) + "▲", Tone::Warning),
        Some(value) => (percent(value) + " ", Tone::Plain),
        None => (UNKNOWN.to_owned() + " ", Tone::Plain),
    };
    let objective = format!("of {}", percent(agent.objective));
    let share_style = if tone == Tone::Plain { theme.strong() } else { theme.tone(tone) };
    value(buffer, place(1), &right(&share, 6), &objective, (share_style, theme.faint()));

    spark(buffer, place(2), scene, &agent.p95_ms, 1.0, own(Series::P95));
    let p95 = latest(&agent.p95_ms).map_or(UNKNOWN.into(), milliseconds);
    value(buffer, place(2), &right(&p95, 6), "", (theme.strong(), theme.faint()));

    instances(buffer, place(3), scene, agent);
    if rows.height >= 3 {
        let area = Rect { y: rows.y + 2, height: 1, ..rows };
        reason(buffer, area, scene, agent, "");
    }
}

/// Ready and desired, each with its own sparkline on the same scale; in one row `4→6`.
fn instances(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent) {
    let theme = scene.theme;
    let [ready, desired] = [&agent.ready, &agent.desired].map(|points| columns_of(points, area, scene));
    let top = chart::top(ready.iter().chain(&desired), 1.0);
    let count = |points| latest(points).map_or(UNKNOWN.into(), number);
    let x = area.right() + 1;
    if area.height == 1 {
        chart::bars(buffer, area, &ready, top, |_, _| theme.series(Series::Ready));
        let change = format!("{} → {}", count(&agent.ready), count(&agent.desired));
        buffer.set_string(x, area.y, change, theme.strong());
        return;
    }
    let lines =
        [(&ready, &agent.ready, "ready", Series::Ready), (&desired, &agent.desired, "desired", Series::Desired)];
    for (row, (values, points, word, series)) in lines.into_iter().enumerate() {
        let line = Rect { y: area.y + row as u16, height: 1, ..area };
        chart::bars(buffer, line, values, top, |_, _| theme.series(series));
        let text = Line::from(vec![
            Span::styled(right(&count(points), 3), theme.strong()),
            Span::styled(format!(" {word}"), theme.faint()),
        ]);
        buffer.set_line(x, line.y, &text, VALUES[3]);
    }
}

fn columns_of(points: &VecDeque<f64>, area: Rect, scene: &Scene) -> Vec<Option<f64>> {
    chart::means(points, area.width, chart::seconds_per_column(area.width, SPAN), scene.snapshot.elapsed_s)
}

fn spark(
    buffer: &mut Buffer,
    area: Rect,
    scene: &Scene,
    points: &VecDeque<f64>,
    least_top: f64,
    style: impl Fn(f64, f64) -> Style,
) {
    let values = columns_of(points, area, scene);
    chart::bars(buffer, area, &values, chart::top(&values, least_top), style);
}

/// A number right of its sparkline, and what it is about below it.
fn value(buffer: &mut Buffer, area: Rect, number: &str, below: &str, (style, below_style): (Style, Style)) {
    buffer.set_string(area.right() + 1, area.y, number, style);
    if area.height >= 2 {
        buffer.set_string(area.right() + 1, area.y + 1, below, below_style);
    }
}

/// Why the standing decision is what it is, and how complete the data was.
fn reason(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent, prefix: &str) {
    let word = if area.width < 100 { "data" } else { "data complete" };
    let complete = agent.completeness.map_or(String::new(), |share| format!("{word} {}", percent(share)));
    let is_complete = agent.completeness.is_none_or(|share| share >= COMPLETE);
    let tone = if is_complete { Tone::Faint } else { Tone::Warning };
    let room = usize::from(area.width).saturating_sub(2 + width(prefix) + width(&complete) + 2);
    let text = agent.reason.as_deref().unwrap_or("no decision yet");
    let line = Line::from(vec![
        Span::styled(format!("  {prefix}"), scene.theme.strong()),
        Span::raw(left(text, room)),
        Span::raw("  "),
        Span::styled(complete, scene.theme.tone(tone)),
    ]);
    buffer.set_line(area.x, area.y, &line, area.width);
}
