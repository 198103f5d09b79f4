//! Where everything is, for any size of the terminal and any number of agents.
//!
//! ```text
//!  narrow             wide (130 columns, 28 lines)
//!  title, loop        title, loop
//!  agents             agents            │ decisions
//!  charts, if room    charts of the one │
//!  decisions          that is selected  │ legend, alerts
//!  alerts             counts, notice, keys
//!  counts, notice, keys
//! ```

use ratatui::layout::Rect;

use super::help::LEGEND;

/// The least size that shows anything of use.
pub(super) const LEAST: (u16, u16) = (60, 16);

/// Rows that charts need: a heading, a title, three rows of bars.
const LEAST_CHARTS: u16 = 6;

/// The places of all parts. Those that have no room are empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) title: Rect,
    pub(super) steps: Rect,
    pub(super) agents: Rect,
    /// Rows of each agent: 3, 2 or 1.
    pub(super) rows_each: u16,
    /// The selected agent's reason, where the agents' own rows have no room for it.
    pub(super) reason: Rect,
    pub(super) charts: Rect,
    pub(super) decisions: Rect,
    pub(super) legend: Rect,
    pub(super) alerts: Rect,
    pub(super) counts: Rect,
    pub(super) notice: Rect,
    pub(super) keys: Rect,
}

impl Plan {
    /// - `agents`, `alerts`: how many there are to show.
    pub(super) fn of(area: Rect, agents: usize, alerts: usize) -> Self {
        let mut rest = area;
        let mut plan = Self { title: from_top(&mut rest, 1), steps: from_top(&mut rest, 1), ..Self::default() };
        plan.keys = from_bottom(&mut rest, 1);
        plan.notice = from_bottom(&mut rest, 1);
        plan.counts = from_bottom(&mut rest, 1);
        if area.height >= 32 {
            from_top(&mut rest, 1);
            from_bottom(&mut rest, 1);
        }
        let (agents, alerts) = (agents.clamp(1, 100) as u16, alerts.min(100) as u16);
        if area.width >= 130 && area.height >= 28 {
            plan.wide(rest, agents, alerts)
        } else {
            plan.narrow(rest, agents, alerts)
        }
    }

    fn wide(mut self, mut rest: Rect, agents: u16, alerts: u16) -> Self {
        let width = (rest.width * 3 / 8).min(80);
        let mut side = from_right(&mut rest, width);
        from_right(&mut rest, 2);
        let alerts = alerts.max(1).min(side.height / 3);
        self.alerts = from_bottom(&mut side, 1 + alerts);
        from_bottom(&mut side, 1);
        if side.height >= 30 {
            self.legend = from_bottom(&mut side, LEGEND + 1);
            from_bottom(&mut side, 1);
        }
        self.decisions = side;
        self.take_agents(&mut rest, agents, LEAST_CHARTS + 3);
        from_top(&mut rest, 1);
        self.charts = charts_of(rest);
        self
    }

    fn narrow(mut self, mut rest: Rect, agents: u16, alerts: u16) -> Self {
        let few = (rest.height / 8).max(1);
        self.alerts = from_bottom(&mut rest, 1 + alerts.min(few));
        self.take_agents(&mut rest, agents, 3);
        let decisions = if rest.height >= LEAST_CHARTS + 4 { (rest.height / 3).max(4) } else { rest.height };
        self.decisions = from_bottom(&mut rest, decisions);
        self.charts = charts_of(rest);
        self
    }

    /// Gives each agent as many rows as fit while `kept` rows remain for the rest.
    fn take_agents(&mut self, rest: &mut Rect, agents: u16, kept: u16) {
        let room = rest.height.saturating_sub(kept);
        let rows = |each: u16| 1 + agents * each + u16::from(each < 3);
        self.rows_each = [3, 2].into_iter().find(|each| rows(*each) <= room).unwrap_or(1);
        let reason = u16::from(self.rows_each < 3);
        self.agents = from_top(rest, rows(self.rows_each).min(room) - reason);
        self.reason = from_top(rest, reason);
    }
}

fn charts_of(rest: Rect) -> Rect {
    if rest.height >= LEAST_CHARTS { rest } else { Rect::default() }
}

fn from_top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let taken = Rect { height, ..*rest };
    (rest.y, rest.height) = (rest.y + height, rest.height - height);
    taken
}

fn from_bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect { y: rest.bottom(), height, ..*rest }
}

fn from_right(rest: &mut Rect, width: u16) -> Rect {
    let width = width.min(rest.width);
    rest.width -= width;
    Rect { x: rest.right(), width, ..*rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every part is inside the terminal, and no two share a cell.
    #[test]
    fn parts_do_not_overlap_at_any_size() {
        for (width, height) in (LEAST.0..220).step_by(7).flat_map(|width| (LEAST.1..70).map(move |h| (width, h))) {
            for (agents, alerts) in [(0, 0), (1, 0), (4, 2), (9, 30), (200, 200)] {
                let area = Rect::new(0, 0, width, height);
                let plan = Plan::of(area, agents, alerts);
                let parts = [
                    plan.title,
                    plan.steps,
                    plan.agents,
                    plan.reason,
                    plan.charts,
                    plan.decisions,
                    plan.legend,
                    plan.alerts,
                    plan.counts,
                    plan.notice,
                    plan.keys,
                ];
                for (index, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
                    assert_eq!(area.intersection(*part), *part, "part {index} at {width}×{height}");
                    let met = parts[..index].iter().find(|other| other.intersects(*part));
                    assert_eq!(met, None, "part {index} at {width}×{height} with {agents} agents");
                }
                assert!(plan.agents.height >= 2, "agents at {width}×{height}: {plan:?}");
                assert!(plan.decisions.height >= 2, "decisions at {width}×{height}: {plan:?}");
                assert!(!plan.keys.is_empty() && !plan.alerts.is_empty(), "{plan:?}");
            }
        }
    }
}
