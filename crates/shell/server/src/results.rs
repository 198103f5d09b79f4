//! What came out for each agent, as `/metrics` shows it: the last window, the standing decision, the alerts that fire,
//! what analytics made of the last window that they looked at.
//!
//! ```text
//!  Decider ─► outputs, decisions, measures ─► Tap, one a partition ─ committed ─► Results ─► gauges of the first N targets
//! ```
//!
//! - **G1** What is shown was committed.
//! - **G2** Series are bounded: the first `metrics.max_targets` targets by name have them, and no instance ever. Those
//!   left out are counted, and the log says so once.
//! - **G3** A partition that moves away takes its targets with it, and so does a worker that ends.

mod gauges;
mod row;
#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::metrics::{self, Metric, Reading};
use row::Row;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidegauge_engine::{Decider, DeciderOutput, Measured, QuotaTotals, Seen};
use tidegauge_model::{EventTime, Level, Mode, Severity, Target, WindowSpec};

/// How often it is looked for targets that the Decider has forgotten.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of all targets that this process decides about. Clones share it.
#[derive(Clone, Debug)]
pub struct Results {
    most: usize,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    taps: u64,
    targets: BTreeMap<Target, Owned>,
    /// What is taken of quotas, by the tap that says so.
    quotas: BTreeMap<u64, Vec<(String, QuotaTotals)>>,
    /// It was said that there are too many.
    told: bool,
}

/// A row, and the tap that it came from.
#[derive(Debug, Default)]
struct Owned {
    tap: u64,
    row: Row,
}

/// Where the Decider of one partition is listened to. What came from it goes with it (G3).
#[derive(Debug)]
pub struct Tap {
    results: Results,
    number: u64,
    /// The windows that are shown.
    window: Option<WindowSpec>,
    /// What is not committed yet.
    news: BTreeMap<Target, Row>,
    alerts_moved: bool,
    looked_at: Option<Instant>,
}

impl Results {
    /// Shows at most so many targets.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, shared: Arc::default() }
    }

    /// Listens to a Decider, where somebody may ask: shows the shortest of the agents' windows that are published.
    #[must_use]
    pub fn listen(&self, config: &Config, decider: &mut Decider) -> Option<Tap> {
        config.http.listen?;
        decider.watch();
        let of_agents = config.windows.iter().filter(|window| window.agent);
        Some(self.tap(of_agents.map(|window| window.spec).min()))
    }

    fn tap(&self, window: Option<WindowSpec>) -> Tap {
        let mut shared = self.shared();
        shared.taps += 1;
        let number = shared.taps;
        Tap { results: self.clone(), number, window, news: BTreeMap::new(), alerts_moved: true, looked_at: None }
    }

    /// The series of every gauge of the targets that have them (G2), and how many targets there are.
    #[must_use]
    pub fn readings(&self, now: EventTime) -> Vec<(Metric, Vec<Reading>)> {
        let shared = self.shared();
        let shown = shared.targets.iter().take(self.most).map(|(target, owned)| (target, &owned.row));
        let mut quotas: BTreeMap<String, QuotaTotals> = BTreeMap::new();
        for (name, totals) in shared.quotas.values().flatten() {
            let sum = quotas.entry(name.clone()).or_default();
            sum.pool += totals.pool;
            sum.taken += totals.taken;
            sum.wished += totals.wished;
        }
        gauges::readings(shown, shared.targets.len(), self.most, &quotas, now)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Numbers for people: what a panicking worker left behind is as good as any.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap {
    /// Takes note of what a step led to; it is not shown before it is committed (G1).
    pub fn take(&mut self, outputs: &[DeciderOutput], seen: Vec<Seen>, measured: Vec<Measured>) {
        for output in outputs {
            match output {
                DeciderOutput::Window(window) if window.level() == Level::Agent && window.edition.is_final() => {
                    let spec = WindowSpec { size: window.range.length(), slide: window.slide };
                    if Some(spec) == self.window {
                        self.news.entry(window.target.clone()).or_default().window(window);
                    }
                }
                DeciderOutput::Alert(_) => self.alerts_moved = true,
                DeciderOutput::Window(_)
                | DeciderOutput::Decision(_)
                | DeciderOutput::Finding(_)
                | DeciderOutput::Late(_) => {}
            }
        }
        for seen in seen {
            let row = self.news.entry(seen.decision.target.clone()).or_default();
            match seen.decision.mode {
                Mode::Live => row.decided(seen),
                Mode::Shadow => row.shadowed(seen.decision),
                Mode::Advisory | Mode::Backtest => {}
            }
        }
        for Measured { target, measures } in measured {
            self.news.entry(target).or_default().measures = Some(measures);
        }
    }

    /// All that was taken note of is committed: it is shown from now on.
    pub fn committed(&mut self, decider: &Decider) {
        let alerts_moved = std::mem::take(&mut self.alerts_moved);
        let firing = alerts_moved.then(|| decider.firing());
        let news = std::mem::take(&mut self.news);
        self.show(news, firing);
        if self.looked_at.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked_at = Some(Instant::now());
            self.keep(|target| decider.knows(target));
            self.quotas(decider.quota_totals().map(|(name, totals)| (name.to_owned(), totals)).collect());
        }
    }

    /// Shows news, and the alerts that fire where they may be others than before.
    fn show<'a>(
        &self,
        news: BTreeMap<Target, Row>,
        firing: Option<impl Iterator<Item = (&'a Target, &'a str, Severity)>>,
    ) {
        let mut shared = self.results.shared();
        let changed: Vec<Target> = news.keys().cloned().collect();
        for (target, news) in news {
            shared.row(self.number, &target).update(news);
        }
        if let Some(firing) = firing {
            let own = shared.targets.values_mut().filter(|owned| owned.tap == self.number);
            own.for_each(|owned| owned.row.firing.clear());
            for (target, rule, severity) in firing {
                let firing = &mut shared.row(self.number, target).firing;
                *firing.entry((rule.to_owned(), severity)).or_default() += 1;
            }
        }
        self.results.count_left_out(&mut shared, &changed);
    }

    fn quotas(&self, totals: Vec<(String, QuotaTotals)>) {
        let mut shared = self.results.shared();
        match totals.is_empty() {
            true => drop(shared.quotas.remove(&self.number)),
            false => drop(shared.quotas.insert(self.number, totals)),
        }
    }

    /// Forgets targets of this partition that are no more.
    fn keep(&self, is_known: impl Fn(&Target) -> bool) {
        self.results.shared().targets.retain(|target, owned| owned.tap != self.number || is_known(target));
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.keep(|_| false);
        self.quotas(Vec::new());
    }
}

impl Shared {
    fn row(&mut self, tap: u64, target: &Target) -> &mut Row {
        if !self.targets.contains_key(target) {
            self.targets.insert(target.clone(), Owned::default());
        }
        let owned = self.targets.get_mut(target).expect("inserted above");
        if owned.tap != tap {
            *owned = Owned { tap, row: Row::default() };
        }
        &mut owned.row
    }
}

impl Results {
    /// **G2**: says so.
    fn count_left_out(&self, shared: &mut Shared, changed: &[Target]) {
        let Some(first_left_out) = shared.targets.keys().nth(self.most) else { return };
        let count = changed.iter().filter(|target| *target >= first_left_out).count();
        metrics::METRICS_OVERFLOW.count(&[], count as u64);
        if !std::mem::replace(&mut shared.told, true) {
            let (targets, most) = (shared.targets.len(), self.most);
            tracing::warn!(
                targets,
                most,
                "more targets than metrics.max_targets: those beyond, by name, have no series of their own in /metrics"
            );
        }
    }
}
