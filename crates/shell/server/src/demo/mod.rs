//! `tidegauge demo`: the loop closed, in one process.
//!
//! ```text
//!   Fleet (simulated) ── feed ──► telemetry ──► the workers of `run` ──► windows, decisions, alerts
//!     ▲        │                                                             │            │
//!     │        └── scaling events ◄── actuator ◄── decisions, standing ◄─────┘            ▼
//!     └─────────────────────────────────┘                                  watch ──► Show ──► Snapshot
//!                                                                                  view, or lines ──► Action
//! ```
//!
//! Everything that is shown has gone through the broker, which is in this process too; the workers are those of `run`,
//! and event time is the wall clock's. Only the day is short.
//!
//! - **N1** What was decided reaches the fleet by the topic of standing decisions alone.
//! - **N2** However it ends, threads end before the broker does.

mod actuator;
mod broker;
mod cast;
mod feed;
mod lines;
mod logs;
pub mod model;
mod setup;
mod show;
mod stage;
mod verdict;
pub mod view;
mod watch;

use crate::cli::DemoArgs;
use crate::exit::{Code, Failure};
use crate::live::publish::Publisher;
use crate::live::{self, Publish, RunOptions, SchemaSource};
use crate::telemetry;
use anyhow::Context as _;
use broker::Broker;
use logs::Logs;
use model::{Action, Snapshot};
use stage::Stage;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Runs the demo to its end: after `--seconds`, or when a viewer quits.
///
/// # Errors
///
/// [`Failure`] with [`Code::VerificationFailed`] if it was to end after some seconds and did not go well, with
/// [`Code::Interrupted`] if Ctrl-C came before; whatever stopped a worker.
pub fn run(args: &DemoArgs, log_level: Option<&str>) -> anyhow::Result<()> {
    let broker = Broker::start()?;
    let logs = Logs::default();
    let mut demo = Demo::start(&broker, args, log_level.unwrap_or("warn"), &logs)?;
    let shown = if !args.no_tty && view::has_terminal() {
        let _held = logs.hold();
        view::run(|| demo.snapshot(), |action| demo.act(action), || demo.is_over())
    } else {
        lines::run(&demo)
    };
    demo.end().and(shown)?;
    let verdict = verdict::of(&demo.stage);
    print!("{verdict}");
    match args.seconds {
        Some(_) if !demo.stage.is_due() => {
            Err(Failure::new(Code::Interrupted, "interrupted: nothing is said about how it would have ended").into())
        }
        Some(_) if !verdict.is_well() => Err(Failure::new(Code::VerificationFailed, verdict.failures()).into()),
        _ => Ok(()),
    }
}

/// A demo that runs.
pub struct Demo {
    stage: Arc<Stage>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Demo {
    fn start(broker: &Broker, args: &DemoArgs, log_level: &str, logs: &Logs) -> anyhow::Result<Self> {
        let config = setup::config(&broker.address(), args.listen, log_level, args.preset)?;
        telemetry::init_to(config.log, config.log.level, logs.clone())?;
        broker.create(&config.topics)?;
        let stage = Arc::new(Stage::new(args, config));
        stage.stop_on_signals()?;
        let mut demo = Self { stage, threads: Vec::new() };
        demo.spawn("live", decide)?;
        demo.spawn("watch", watch::run)?;
        demo.spawn("actuator", actuator::run)?;
        demo.spawn("fleet", feed::run)?;
        Ok(demo)
    }

    /// Whoever ends, all end.
    fn spawn(&mut self, name: &str, part: fn(&Stage) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let stage = Arc::clone(&self.stage);
        let run = move || {
            let _ends = EndsAll(&stage);
            part(&stage)
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run).context("starting a thread")?);
        Ok(())
    }

    /// All that is shown, now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.stage.snapshot()
    }

    /// Does what a viewer asks for.
    pub fn act(&self, action: Action) {
        self.stage.act(action);
    }

    /// Whether it is time to end: the seconds are over, somebody quit, or something went wrong.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage.is_ending() || self.stage.is_due()
    }

    /// Ends all threads (**N2**); the first error of one.
    fn end(&mut self) -> anyhow::Result<()> {
        self.stage.end_soon();
        let ended = self.threads.drain(..).map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.collect::<Vec<_>>().into_iter().collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stage.end_soon();
        for thread in self.threads.drain(..) {
            drop(thread.join()); // what went wrong is on its way already
        }
    }
}

struct EndsAll<'a>(&'a Stage);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The workers of `run`.
fn decide(stage: &Stage) -> anyhow::Result<()> {
    let config = stage.config.clone();
    let schemas = SchemaSource::of(&config)?;
    let (output, cluster, topics) = (config.output, config.cluster.clone(), config.topics.clone());
    let publisher = || Box::new(Publisher::new(&topics, &cluster, output)) as Box<dyn Publish>;
    let reload = || stage.reloaded_config();
    live::run_held(config, RunOptions::default(), &schemas, &reload, publisher, &stage.live).map(drop)
}

/// How often those who wait look whether to go on.
const LOOK: Duration = Duration::from_millis(50);
