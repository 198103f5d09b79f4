//! Who carries orders out, and how they run side by side.
//!
//! ```text
//!  Effect::Begin ─► Crew ─► a task for each order ─► Adapter::carry_out ─► the outside
//!                    ▲            │
//!  Book::report ◄────┴── Told ◄───┘  started, ended
//! ```
//!
//! - **C1** Every order that began and was not abandoned is told the end of, whatever its adapter does: one that panics
//!   has failed.

use crate::order::{Order, Outcome, Report};
use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegauge_model::Target;
use tokio::task::AbortHandle;

/// Something that can be scaled, as seen by the book.
pub trait Adapter: Send + Sync + 'static {
    /// Its name in scaling events.
    fn name(&self) -> &str;

    /// Whether decisions about this target are its own to carry out. Others are passed over without a word.
    fn covers(&self, target: &Target) -> bool;

    /// Carries an order out. It looks before it changes anything, since a [resumed](Order::resumed) order may be done
    /// already; changes nothing from `expires_at` on; says [`Tell::started`] before its first change; and ends by
    /// itself in bounded time.
    fn carry_out<'a>(&'a self, order: &'a Order, tell: &'a Tell) -> BoxFuture<'a, Outcome>;
}

/// What was told of an order.
#[derive(Debug)]
pub struct Told {
    /// Who is scaled.
    pub target: Target,
    /// The order.
    pub id: String,
    /// What.
    pub report: Report,
}

/// How an adapter tells that it begins.
#[derive(Clone, Debug)]
pub struct Tell {
    target: Target,
    id: String,
    reports: Sender<Told>,
}

impl Tell {
    /// It begins to change something, and found so many instances.
    pub fn started(&self, before: u32) {
        self.tell(Report::Started { before });
    }

    fn tell(&self, report: Report) {
        let told = Told { target: self.target.clone(), id: self.id.clone(), report };
        drop(self.reports.send(told)); // nobody listens who is ending
    }
}

/// Carries orders out, each in a task, all on one thread.
pub struct Crew {
    adapter: Arc<dyn Adapter>,
    runtime: tokio::runtime::Handle,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    running: BTreeMap<String, AbortHandle>,
    reports: (Sender<Told>, Receiver<Told>),
}

impl Crew {
    /// A crew that is idle.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn new(adapter: Arc<dyn Adapter>) -> std::io::Result<Self> {
        Self::start(std::future::ready(Ok(adapter)))
    }

    /// A crew whose adapter is made on its own runtime, where connections of its have to live.
    ///
    /// # Errors
    ///
    /// What `make` says, or if the system gives no thread.
    pub fn start<E: From<std::io::Error>>(make: impl Future<Output = Result<Arc<dyn Adapter>, E>>) -> Result<Self, E> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let adapter = runtime.block_on(make)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        // Who has dropped the sender wants it to end, as one who sends.
        let run = move || runtime.block_on(stopped).unwrap_or_default();
        let thread = std::thread::Builder::new().name("actuate".to_owned()).spawn(run)?;
        let (thread, reports) = (Some((stop, thread)), channel());
        Ok(Self { adapter, runtime: handle, thread, running: BTreeMap::new(), reports })
    }

    /// Who carries out.
    #[must_use]
    pub fn adapter(&self) -> &dyn Adapter {
        &*self.adapter
    }

    /// Begins an order.
    pub fn begin(&mut self, order: Order) {
        let tell =
            Tell { target: order.decision.target.clone(), id: order.id.clone(), reports: self.reports.0.clone() };
        let adapter = Arc::clone(&self.adapter);
        let id = order.id.clone();
        let task = self.runtime.spawn(async move {
            let outcome = AssertUnwindSafe(adapter.carry_out(&order, &tell)).catch_unwind().await;
            tell.tell(Report::Ended(outcome.unwrap_or_else(|_| Outcome::Failed("the actuator panicked".to_owned()))));
        });
        self.running.insert(id, task.abort_handle());
    }

    /// Goes no further with an order; what it has asked for may still come about.
    pub fn abandon(&mut self, id: &str) {
        if let Some(task) = self.running.remove(id) {
            task.abort();
        }
    }

    /// What was told since; waits for the first of it as long as `wait`.
    pub fn reports(&mut self, wait: Duration) -> Vec<Told> {
        let first = self.reports.1.recv_timeout(wait).ok();
        let told: Vec<Told> = first.into_iter().chain(self.reports.1.try_iter()).collect();
        for told in told.iter().filter(|told| matches!(told.report, Report::Ended(_))) {
            self.running.remove(&told.id);
        }
        told
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            drop(thread.join()); // a panic of its thread was a panic of the process
        }
    }
}
