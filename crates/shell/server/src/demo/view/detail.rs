//! The selected agent at large: four charts with a scale, and utilization with its objective.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Scene;
use super::chart;
use super::condition::{Condition, is_over, latest};
use super::parts::heading;
use super::style::Series;
use super::text::{UNKNOWN, fit, milliseconds, number, percent, right, span, width};
use crate::demo::model::Agent;

/// Seconds that a chart shows at least: a good part of the simulated day.
const SPAN: usize = 120;

/// Columns of the scale, with a blank.
const SCALE: u16 = 7;

/// A chart without its bars: its title, its value, what its scale says.
struct Chart<'a> {
    title: &'a str,
    value: String,
    note: String,
    top: f64,
    scale: fn(f64) -> String,
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let Some(agent) = scene.agent().filter(|_| !area.is_empty()) else { return };
    let condition = Condition::of(agent);
    let title = format!("{}, {}", fit(&agent.name, 40), condition.words());
    heading(buffer, area, scene, &title);
    let [first, second, third, fourth] = quarters(Rect { y: area.y + 1, height: area.height - 1, ..area });
    load(buffer, first, scene, agent);
    utilization(buffer, second, scene, agent);
    p95(buffer, third, scene, agent);
    instances(buffer, fourth, scene, agent);
}

/// Four side by side; where there is height for it, two above two.
fn quarters(area: Rect) -> [Rect; 4] {
    let (across, down) = if area.height >= 15 { (2, 2) } else { (4, 1) };
    let (width, height) = (area.width / across, area.height / down);
    [0, 1, 2, 3].map(|place| {
        let (x, y) = (place % across, place / across);
        Rect { x: area.x + x * width, y: area.y + y * height, width: width - 1, height }
    })
}

fn load(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent) {
    let values = means(&agent.load_rps, area, scene);
    let value = format!("{} req/s", latest(&agent.load_rps).map_or(UNKNOWN.into(), number));
    let chart = Chart { title: "load", value, note: String::new(), top: chart::top(&values, 1.0), scale: number };
    let bars = frame(buffer, area, scene, &chart);
    chart::bars(buffer, bars, &values, chart.top, |_, _| scene.theme.series(Series::Load));
}

fn utilization(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent) {
    let theme = scene.theme;
    let values = means(&agent.utilization, area, scene);
    let now = latest(&agent.utilization);
    let mark = if now.is_some_and(|now| is_over(agent, now)) { " ▲" } else { "" };
    let value = now.map_or(UNKNOWN.into(), percent) + mark;
    let note = format!("objective {}", percent(agent.objective));
    let chart = Chart { title: "utilization", value, note, top: chart::top(&values, 1.0), scale: percent };
    let bars = frame(buffer, area, scene, &chart);
    chart::level(buffer, bars, agent.objective, chart.top, theme.over());
    let style =
        |middle: f64, _: f64| if middle > agent.objective { theme.over() } else { theme.series(Series::Utilization) };
    chart::bars(buffer, bars, &values, chart.top, style);
    if let Some(row) = chart::row_of(bars, agent.objective, chart.top).filter(|row| *row > 0) {
        let y = bars.bottom() - 1 - row as u16;
        let label = right(&percent(agent.objective), usize::from(SCALE) - 1);
        if y > bars.y {
            buffer.set_string(area.x, y, label, theme.over());
        }
    }
}

fn p95(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent) {
    let values = means(&agent.p95_ms, area, scene);
    let value = latest(&agent.p95_ms).map_or(UNKNOWN.into(), milliseconds);
    let top = chart::top(&values, 1.0);
    let chart = Chart { title: "p95", value, note: "of the response time".into(), top, scale: milliseconds };
    let bars = frame(buffer, area, scene, &chart);
    chart::bars(buffer, bars, &values, chart.top, |_, _| scene.theme.series(Series::P95));
}

fn instances(buffer: &mut Buffer, area: Rect, scene: &Scene, agent: &Agent) {
    let [ready, desired] = [&agent.ready, &agent.desired].map(|points| means(points, area, scene));
    let count = |points| latest(points).map_or(UNKNOWN.into(), number);
    let most = chart::top(ready.iter().chain(&desired), 1.0);
    let (ready_now, desired_now) = (count(&agent.ready), count(&agent.desired));
    let value = match area.width < 32 {
        true => format!("{ready_now} → {desired_now}"),
        false => format!("{ready_now} ready, {desired_now} desired"),
    };
    let note = "█ ready ░ wanted ▒ too many".to_owned();
    let top = chart::whole_rows(most.ceil(), bars_of(area).height);
    let chart = Chart { title: "instances", value, note, top, scale: number };
    let bars = frame(buffer, area, scene, &chart);
    let styles = (scene.theme.series(Series::Ready), scene.theme.series(Series::Desired));
    chart::instances(buffer, bars, (&ready, &desired), chart.top, styles);
}

fn means(points: &VecDeque<f64>, area: Rect, scene: &Scene) -> Vec<Option<f64>> {
    let columns = bars_of(area).width;
    chart::means(points, columns, chart::seconds_per_column(columns, SPAN), scene.snapshot.elapsed_s)
}

/// Whether there is room for a line that says how far back the chart goes.
fn has_time(area: Rect) -> bool {
    area.height >= 7
}

fn bars_of(area: Rect) -> Rect {
    let width = area.width.saturating_sub(SCALE);
    let height = area.height.saturating_sub(1 + u16::from(has_time(area)));
    Rect { x: area.x + SCALE, y: area.y + 1, width, height }
}

/// Title, scale and time; returns where the bars are.
fn frame(buffer: &mut Buffer, area: Rect, scene: &Scene, chart: &Chart) -> Rect {
    let (theme, bars) = (scene.theme, bars_of(area));
    let room = usize::from(area.width);
    let said = width(chart.title) + 2 + width(&chart.value);
    let note = if said + 3 + width(&chart.note) <= room { format!("   {}", chart.note) } else { String::new() };
    let title = Line::from(vec![
        Span::raw(format!("{}  ", chart.title)),
        Span::styled(fit(&chart.value, room.saturating_sub(width(chart.title) + 2)), theme.strong()),
        Span::styled(note, theme.faint()),
    ]);
    buffer.set_line(area.x, area.y, &title, area.width);
    if bars.is_empty() {
        return bars;
    }
    let label = |value: f64| right(&(chart.scale)(value), usize::from(SCALE) - 1);
    buffer.set_string(area.x, bars.y, label(chart.top), theme.faint());
    buffer.set_string(area.x, bars.bottom() - 1, label(0.0), theme.faint());
    if has_time(area) {
        let seconds = usize::from(bars.width) * chart::seconds_per_column(bars.width, SPAN);
        let ago = if bars.width < 20 { format!("-{}", span(seconds)) } else { format!("{} ago", span(seconds)) };
        let now = right("now", usize::from(bars.width).saturating_sub(width(&ago)));
        buffer.set_stringn(bars.x, bars.bottom(), ago + &now, bars.width.into(), theme.faint());
    }
    bars
}
