//! The demo on a terminal: one picture of a [`Snapshot`], some times a second, and keys that become [`Action`]s.
//!
//! ```text
//!  Snapshot, ViewState ─► draw ─► frame          pure
//!  Key, ViewState      ─► key  ─► Action         pure
//!  run: terminal in raw mode, frames, keys, and the terminal as it was at the end
//! ```
//!
//! - **V3** What a colour says is said by a character as well: `NO_COLOR` loses nothing.
//! - **V4** However the view ends (a key, an error, a panic of any thread, a signal), the terminal is as it was.
//! - **V5** Nothing of a snapshot can spoil the picture: names of any length, control characters, values that are no
//!   numbers, no agents at all.

mod agents;
mod chart;
mod condition;
mod detail;
mod help;
mod keys;
mod log;
mod parts;
mod plan;
mod run;
mod screen;
mod style;
#[cfg(test)]
mod tests;
mod text;

use ratatui::Frame;

#[cfg(doc)]
use super::model::Action;
use super::model::{Agent, Snapshot};
use plan::{LEAST, Plan};
use style::Theme;

pub use keys::{Key, key};
pub use run::{has_terminal, run};

/// What the viewer has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewState {
    /// The place of the selected agent in [`Snapshot::agents`]; one that is too great means the last.
    pub selected: usize,
    /// Whether colours are used.
    pub colours: bool,
    /// Whether the page that explains everything is open.
    pub help: bool,
}

/// All that a part of the picture depends on.
struct Scene<'a> {
    snapshot: &'a Snapshot,
    theme: Theme,
    /// Below the number of agents, if there are any.
    selected: usize,
    /// Whether the terminal is wide enough for whole words.
    has_room: bool,
}

impl Scene<'_> {
    fn agent(&self) -> Option<&Agent> {
        self.snapshot.agents.get(self.selected)
    }
}

/// Draws `snapshot` on the whole of `frame`.
pub fn draw(frame: &mut Frame, snapshot: &Snapshot, state: &ViewState) {
    let area = frame.area();
    let theme = Theme { colours: state.colours };
    let selected = state.selected.min(snapshot.agents.len().saturating_sub(1));
    let scene = Scene { snapshot, theme, selected, has_room: area.width >= 100 };
    let buffer = frame.buffer_mut();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let lines = [
            format!("This needs {} columns and {} lines;", LEAST.0, LEAST.1),
            format!("the terminal has {} and {}.", area.width, area.height),
            "q quits".to_owned(),
        ];
        for (y, line) in (area.y..area.bottom()).zip(lines) {
            buffer.set_stringn(area.x, y, line, area.width.into(), theme.strong());
        }
        return;
    }
    let plan = Plan::of(area, snapshot.agents.len(), snapshot.alerts.len());
    parts::title(buffer, plan.title, &scene);
    parts::steps(buffer, plan.steps, &scene);
    agents::draw(buffer, &plan, &scene);
    detail::draw(buffer, plan.charts, &scene);
    log::decisions(buffer, plan.decisions, &scene);
    help::legend(buffer, plan.legend, &scene);
    log::alerts(buffer, plan.alerts, &scene);
    parts::counts(buffer, plan.counts, &scene);
    parts::notice(buffer, plan.notice, &scene);
    parts::keys(buffer, plan.keys, &scene);
    if state.help {
        help::draw(buffer, area, theme);
    }
}
