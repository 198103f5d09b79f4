//! What becomes of replayed outputs: counted, written to files or scratch topics, compared with what was recorded.

use super::kind::{KINDS, Kind};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use tidegauge_engine::DeciderOutput;
use tidegauge_model::Action;

/// The journal record that outputs come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// Takes the outputs of one shuffle partition, cause after cause.
pub(super) trait Sink {
    /// Takes all that one journal record leads to; not called where that is nothing.
    fn take(&mut self, cause: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()>;

    /// Nothing more will come.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Outputs counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    by_kind: [u64; KINDS],
    up: u64,
    down: u64,
    /// Records of the log that are no journal records, and were passed over.
    pub(super) foreign: u64,
}

impl Counts {
    pub(super) fn add(&mut self, outputs: &[DeciderOutput]) {
        for output in outputs {
            self.by_kind[Kind::of(output).number()] += 1;
            if let DeciderOutput::Decision(decision) = output {
                self.up += u64::from(decision.action == Action::ScaleUp);
                self.down += u64::from(decision.action == Action::ScaleDown);
            }
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.by_kind.iter_mut().zip(other.by_kind).for_each(|(sum, count)| *sum += count);
        self.up += other.up;
        self.down += other.down;
        self.foreign += other.foreign;
    }

    /// The same in figures.
    pub(super) fn figures(&self) -> Value {
        let mut figures: Map<_, _> =
            Kind::ALL.into_iter().map(|kind| (kind.plural().to_owned(), self.by_kind[kind.number()].into())).collect();
        figures.insert("scale_up".to_owned(), self.up.into());
        figures.insert("scale_down".to_owned(), self.down.into());
        figures.into()
    }

    /// `3 windows, 2 decisions (1 up, 0 down), 0 alerts, 0 findings, 0 late`.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for kind in Kind::ALL {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{} {}", self.by_kind[kind.number()], kind.plural());
            if kind == Kind::Decision {
                let _ = write!(text, " ({} up, {} down)", self.up, self.down);
            }
        }
        text
    }
}

/// `1 partition`, `2 partitions`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `N windows, N decisions, N alerts, N findings, N late`.
pub(super) fn of_all(count: impl Fn(Kind) -> u64) -> String {
    Kind::ALL.map(|kind| format!("{} {}", count(kind), kind.plural())).join(", ")
}
