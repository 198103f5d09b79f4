//! What was read but deserves a word: metrics beyond the cap, and values that look like another unit.

use std::collections::{BTreeMap, BTreeSet};
use tidegauge_model::Metric;
use tidegauge_model::metric;

/// Names kept per kind of warning; counts go on without bound.
const NAMES: usize = 100;
/// A ratio above this is most likely a percentage.
const IMPLAUSIBLE_RATIO: f64 = 20.0;

/// Counts since they were last taken, of accepted rows only. Labels of metrics are bounded: see each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// Values kept of metrics that are not built in.
    pub unknown_kept: u64,
    /// Values let go of because their row had its fill of unknown metrics.
    pub unknown_beyond_cap: u64,
    /// Names of such metrics, the first 100.
    pub unknown_beyond_cap_names: BTreeSet<String>,
    /// Values that do not fit their unit (a ratio below 0 or above 20), by built-in metric.
    pub implausible: BTreeMap<&'static str, u64>,
    /// Values not read because tidegauge computes that metric itself, by built-in metric.
    pub derived_ignored: BTreeMap<String, u64>,
    row: RowWarnings,
}

/// Those of the record being read: they count once it is a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RowWarnings {
    beyond_cap: u64,
    names: Vec<String>,
    derived: Vec<String>,
}

impl Warnings {
    /// Whether there is nothing to tell but unknown metrics that were kept.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.unknown_beyond_cap == 0 && self.implausible.is_empty() && self.derived_ignored.is_empty()
    }

    pub(super) fn beyond_cap(&mut self, name: &str) {
        self.row.beyond_cap += 1;
        if self.row.names.len() + self.unknown_beyond_cap_names.len() < NAMES {
            self.row.names.push(name.chars().take(NAMES).collect());
        }
    }

    pub(super) fn derived(&mut self, name: &str) {
        self.row.derived.push(name.to_owned());
    }

    #[inline]
    pub(super) fn keep_row(&mut self) {
        if self.row.beyond_cap > 0 || !self.row.derived.is_empty() {
            let row = std::mem::take(&mut self.row);
            self.unknown_beyond_cap += row.beyond_cap;
            self.unknown_beyond_cap_names.extend(row.names);
            for name in row.derived {
                *self.derived_ignored.entry(name).or_default() += 1;
            }
        }
    }

    pub(super) fn drop_row(&mut self) {
        self.row = RowWarnings::default();
    }

    /// Looks through finished columns for what is unknown and for what is implausible.
    pub(super) fn examine(&mut self, metrics: &[(Metric, Vec<f64>)]) {
        for (metric, values) in metrics {
            match metric {
                Metric::Unknown(_) => self.unknown_kept += count(values, |value| !value.is_nan()),
                Metric::BuiltIn(id) => {
                    let Some(def) = metric::by_id(*id).filter(|def| def.unit == "ratio") else {
                        continue;
                    };
                    let implausible =
                        count(values, |value| !(0.0..=IMPLAUSIBLE_RATIO).contains(&value) && !value.is_nan());
                    if implausible > 0 {
                        *self.implausible.entry(def.name).or_default() += implausible;
                    }
                }
            }
        }
    }
}

fn count(values: &[f64], which: impl Fn(f64) -> bool) -> u64 {
    values.iter().map(|value| u64::from(which(*value))).sum()
}
