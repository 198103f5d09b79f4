//! Colours and emphasis. With `NO_COLOR` only bold, dim and reversed remain: what colours say, the text says too.

use ratatui::style::{Color, Modifier, Style};

use crate::terminal::Tone;

/// A series of numbers, which has its own colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    Load,
    Utilization,
    P95,
    Ready,
    Desired,
}

/// How everything looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) colours: bool,
}

impl Theme {
    /// A text that says more than its letters.
    pub(super) fn tone(self, tone: Tone) -> Style {
        let plain = Style::new();
        match tone {
            Tone::Plain => plain,
            Tone::Good => self.colour(Color::Green),
            Tone::Warning => self.colour(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Faint => self.faint(),
        }
    }

    /// Bars and numbers of a series.
    pub(super) fn series(self, series: Series) -> Style {
        self.colour(match series {
            Series::Load => Color::Cyan,
            Series::Utilization => Color::Green,
            Series::P95 => Color::Magenta,
            Series::Ready => Color::LightBlue,
            Series::Desired => Color::Yellow,
        })
    }

    /// A part of a bar that is over its objective.
    pub(super) fn over(self) -> Style {
        self.colour(Color::LightRed)
    }

    /// In the background.
    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What to read first.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is selected, or happens now.
    pub(super) fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }
}
