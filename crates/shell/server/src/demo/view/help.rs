//! What everything is: the page behind `?`, and the legend.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::Scene;
use super::parts::heading;
use super::style::Theme;

/// What this is.
const INTRODUCTION: [&str; 3] = [
    "A made-up fleet sends telemetry to a broker in this process. tidegauge",
    "keeps windows of it by event time and decides how many instances each",
    "agent should have. An actuator obeys: it starts and stops instances.",
];

/// What the words mean, in at most 58 columns.
const TERMS: [(&str, &str); 7] = [
    ("utilization", "busy share of the ready instances; ▲ over its objective"),
    ("p95", "of 100 requests, 95 are answered within this time"),
    ("desired", "instances that the standing decision wants"),
    ("data complete", "share of the expected samples that the window had"),
    ("dead letters", "records that could not be read; counted and set aside"),
    ("late", "samples whose window had closed"),
    ("alerts", "pending until their condition has held long enough"),
];

/// What the keys do.
const KEYS: [(&str, &str); 7] = [
    ("↑ ↓ Tab 1–9", "select an agent"),
    ("b", "three times the load on it, for a while"),
    ("k", "it loses an instance"),
    ("a", "decisions are obeyed, or no longer"),
    ("p", "the next preset decides: other objectives, other patience"),
    ("?", "this page; any key closes it"),
    ("q", "ends the demo, as Ctrl-C does"),
];

/// Lines of the legend, without its heading.
pub(super) const LEGEND: u16 = TERMS.len() as u16;

const WIDTH: u16 = 76;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, theme: Theme) {
    let texts = INTRODUCTION.iter().map(|text| Line::raw(format!(" {text}")));
    let terms = TERMS.iter().map(|term| explained(term, theme));
    let keys = KEYS.iter().map(|key| explained(key, theme));
    let blank = || std::iter::once(Line::default());
    let lines: Vec<_> = texts.chain(blank()).chain(terms).chain(blank()).chain(keys).collect();
    let (width, height) = (WIDTH.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let page = Rect { x, y, width, height };
    Clear.render(page, buffer);
    let block = Block::bordered().title(" what you see, and what you can do ").title_style(theme.strong());
    let inside = block.inner(page);
    block.border_style(theme.faint()).render(page, buffer);
    for (y, line) in (inside.y..inside.bottom()).zip(lines) {
        buffer.set_line(inside.x, y, &line, inside.width);
    }
}

/// The words, where there is room to show them all the time.
pub(super) fn legend(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    heading(buffer, area, scene, "what the words mean");
    for (y, term) in (area.y + 1..area.bottom()).zip(&TERMS) {
        buffer.set_line(area.x, y, &explained(term, scene.theme), area.width);
    }
}

fn explained((term, words): &(&'static str, &'static str), theme: Theme) -> Line<'static> {
    Line::from(vec![Span::styled(format!(" {term:<14} "), theme.strong()), Span::raw(*words)])
}
