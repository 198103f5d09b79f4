//! What was decided, and which alerts there are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Scene;
use super::condition::outcome;
use super::parts::heading;
use super::text::{clock, fit, left, right};
use crate::demo::model::Decision;
use crate::terminal::Tone;

/// The decisions, the newest first: in one line each, or in two where there is height for it.
pub(super) fn decisions(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let all = &scene.snapshot.decisions;
    heading(buffer, area, scene, "decisions that changed something, the newest first");
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if all.is_empty() {
        let text = "  none yet";
        buffer.set_stringn(rows.x, rows.y, text, rows.width.into(), scene.theme.faint());
    }
    let rows_each = if rows.height >= 16 { 2 } else { 1 };
    for (place, (index, decision)) in all.iter().enumerate().rev().take((rows.height / rows_each).into()).enumerate() {
        let y = rows.y + place as u16 * rows_each;
        let mut line = summary(scene, index, decision);
        if rows_each == 1 {
            line.push_span(Span::raw(fit(&decision.reason, usize::from(rows.width).saturating_sub(line.width()))));
        } else {
            line.push_span(Span::styled(format!("generation {}", decision.generation), scene.theme.faint()));
            let reason = fit(&decision.reason, usize::from(rows.width).saturating_sub(7));
            buffer.set_string(rows.x + 7, y + 1, reason, scene.theme.faint());
        }
        buffer.set_line(rows.x, y, &line, rows.width);
    }
}

/// ` 2:01  planner        4 → 6 ▲  applied   `
fn summary(scene: &Scene, index: usize, decision: &Decision) -> Line<'static> {
    let theme = scene.theme;
    let (outcome, tone) = outcome(scene.snapshot, index);
    let is_selected = scene.agent().is_some_and(|agent| agent.name == decision.agent);
    let name = if is_selected { theme.strong() } else { theme.tone(Tone::Plain) };
    let name_room = if scene.has_room { 16 } else { 10 };
    let arrow = if decision.desired >= decision.current { "▲" } else { "▼" };
    let change = format!("{} → {} {arrow}", decision.current, decision.desired);
    Line::from(vec![
        Span::styled(right(&clock(decision.at_s), 5) + "  ", theme.faint()),
        Span::styled(left(&decision.agent, name_room) + " ", name),
        Span::styled(right(&change, 9) + "  ", theme.strong()),
        Span::styled(left(outcome, 8) + "  ", theme.tone(tone)),
    ])
}

/// The alerts that fire or are pending.
pub(super) fn alerts(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let all = &scene.snapshot.alerts;
    let firing = all.iter().filter(|alert| alert.firing).count();
    let title = match (firing, all.len() - firing) {
        (0, 0) => "alerts: none".to_owned(),
        (firing, 0) => format!("alerts: {firing} firing"),
        (0, pending) => format!("alerts: {pending} pending"),
        (firing, pending) => format!("alerts: {firing} firing, {pending} pending"),
    };
    heading(buffer, area, scene, &title);
    let mut shown: Vec<_> = all.iter().collect();
    shown.sort_by(|one, other| other.firing.cmp(&one.firing).then(other.since_s.total_cmp(&one.since_s)));
    for (row, alert) in shown.into_iter().take(usize::from(area.height).saturating_sub(1)).enumerate() {
        let (word, tone) = if alert.firing { ("firing ", Tone::Bad) } else { ("pending", Tone::Warning) };
        let text = format!("  {} on {}", alert.rule, alert.about);
        let line = Line::from(vec![
            Span::styled(right(&clock(alert.since_s), 5) + "  ", scene.theme.faint()),
            Span::styled(word, scene.theme.tone(tone)),
            Span::raw(fit(&text, usize::from(area.width).saturating_sub(14))),
        ]);
        buffer.set_line(area.x, area.y + 1 + row as u16, &line, area.width);
    }
}
