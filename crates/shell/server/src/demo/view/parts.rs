//! The lines around the middle: title, loop, counts, what to do, keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Scene;
use super::condition::Step;
use super::text::{UNKNOWN, clock, fit, hour, number, width};
use crate::terminal::Tone;

/// A line of its own above a part: `── decisions ─────`.
pub(super) fn heading(buffer: &mut Buffer, area: Rect, scene: &Scene, title: &str) {
    if area.is_empty() {
        return;
    }
    let title = fit(title, usize::from(area.width).saturating_sub(4));
    let rest = usize::from(area.width).saturating_sub(4 + width(&title));
    let line = Line::from(vec![
        Span::styled("── ", scene.theme.faint()),
        Span::styled(title, scene.theme.strong()),
        Span::styled(format!(" {}", "─".repeat(rest)), scene.theme.faint()),
    ]);
    buffer.set_line(area.x, area.y, &line, area.width);
}

/// What this is, the time of its day, what decides, and whether it is obeyed.
pub(super) fn title(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let gap = if area.width < 100 { "  " } else { "     " };
    let mut spans = vec![Span::styled(" tidegauge demo ", theme.marked()), Span::raw(gap)];
    let mut say = |name: &str, value: String, tone: Tone| {
        let style = if tone == Tone::Plain { theme.strong() } else { theme.tone(tone) };
        spans.extend([Span::styled(format!("{name} "), theme.faint()), Span::styled(value, style), Span::raw(gap)]);
    };
    let day = if area.width < 100 { String::new() } else { format!(" {}", day_bar(snapshot.hour)) };
    say(if area.width < 100 { "day" } else { "time of day" }, hour(snapshot.hour) + &day, Tone::Plain);
    let preset = if snapshot.preset.is_empty() { UNKNOWN } else { &snapshot.preset };
    say("preset", fit(preset, 14), Tone::Plain);
    let (word, tone) = if snapshot.actuating { ("on", Tone::Good) } else { ("OFF", Tone::Bad) };
    say("actuation", word.to_owned(), tone);
    say("running", clock(snapshot.elapsed_s), Tone::Plain);
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// The day as a bar of 24 columns.
fn day_bar(hour: f64) -> String {
    let past = (hour.rem_euclid(24.0) as usize).min(23);
    format!("{}╸{}", "━".repeat(past), "─".repeat(23 - past))
}

/// The loop, with the step at which the selected agent is.
pub(super) fn steps(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let narrow = area.width < 140;
    let step = scene.agent().and_then(Step::of);
    let mut spans = vec![Span::styled(if narrow { " " } else { " the loop:  " }, theme.faint())];
    for (place, each) in Step::ALL.into_iter().enumerate() {
        let arrow = if place > 0 { "→" } else { "" };
        spans.push(Span::styled(arrow, theme.faint()));
        let words = each.words(narrow);
        spans.push(if step == Some(each) {
            Span::styled(format!("[{words}]"), theme.marked())
        } else {
            Span::styled(format!(" {words} "), theme.faint())
        });
    }
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// What was counted since the beginning.
pub(super) fn counts(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let (theme, counts) = (scene.theme, scene.snapshot.counts);
    let mut spans = vec![Span::raw(" ")];
    let mut say = |name: &str, count: u64, trouble: bool| {
        let style = if trouble && count > 0 { theme.tone(Tone::Warning) } else { theme.strong() };
        spans.push(Span::styled(format!("{name} "), theme.faint()));
        spans.push(Span::styled(number(count as f64), style));
        spans.push(Span::raw("  "));
    };
    let plain = area.width < 130;
    say("samples", counts.samples, false);
    say("windows", counts.windows, false);
    say("decisions", counts.decisions, false);
    say(if plain { "up" } else { "scaled up" }, counts.scaled_up, false);
    say(if plain { "down" } else { "scaled down" }, counts.scaled_down, false);
    if !plain {
        say("changes of alerts", counts.alerts, false);
    }
    say("dead letters", counts.dead_letters, true);
    say(if plain { "late" } else { "late samples" }, counts.late, true);
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// What has just been done; else what to do.
pub(super) fn notice(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let room = usize::from(area.width).saturating_sub(3);
    let (text, style) = match (&scene.snapshot.notice, scene.agent()) {
        (Some(notice), _) => (format!("» {notice}"), theme.tone(Tone::Warning)),
        (None, None) => return,
        (None, _) if !scene.snapshot.actuating => {
            ("decisions are published and nobody obeys them: a switches actuation on".to_owned(), theme.tone(Tone::Bad))
        }
        (None, Some(agent)) => (
            format!("b gives {} three times its load: watch it go round the loop", fit(&agent.name, 24)),
            theme.faint(),
        ),
    };
    buffer.set_string(area.x + 1, area.y, fit(&text, room), style);
}

/// The keys.
pub(super) fn keys(buffer: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let actuation = if scene.snapshot.actuating { "actuation off" } else { "actuation on" };
    let narrow = area.width < 110;
    let keys = [
        ("↑↓", if narrow { "agent" } else { "select an agent" }),
        ("b", if narrow { "burst" } else { "burst of load" }),
        ("k", if narrow { "kill" } else { "kill an instance" }),
        ("a", actuation),
        ("p", "next preset"),
        ("?", if narrow { "help" } else { "what all this is" }),
        ("q", "quit"),
    ];
    let mut spans = vec![Span::raw(" ")];
    for (key, words) in keys {
        spans.push(Span::styled(key, theme.strong()));
        spans.push(Span::styled(format!(" {words}  "), theme.faint()));
    }
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}
