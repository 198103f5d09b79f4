//! What the threads of the demo share: the fleet, what is shown, and what a viewer asked for.

use super::cast::{self, Happening};
use super::model::{Action, Snapshot};
use super::setup::{PRESETS, with_policy};
use super::show::Show;
use crate::cli::DemoArgs;
use crate::config::Config;
use crate::live::Handle;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegauge_model::{EventTime, ScalingEvent};
use tidegauge_policy::policy::Preset;
use tidegauge_sim::Fleet;

/// How long a burst or a hotspot lasts.
const LASTS: Duration = Duration::from_secs(8);
/// How many times the load a burst is.
const BURST: f64 = 3.0;
/// How many times the share of the others a hot instance gets.
const HOT: f64 = 4.0;

/// Shared by all threads.
pub(super) struct Stage {
    pub(super) config: Config,
    pub(super) live: Handle,
    /// How long a day takes.
    pub(super) day: Duration,
    seconds: Option<Duration>,
    began: Instant,
    began_at: EventTime,
    fleet: Mutex<Fleet>,
    /// What was done about decisions and is not published yet.
    events: Mutex<Vec<ScalingEvent>>,
    show: Mutex<Show>,
    preset: Mutex<(Preset, u32)>,
    actuating: AtomicBool,
    ending: Arc<AtomicBool>,
    /// Whether the next signal ends the process as it stands: nothing is shown any more.
    is_impatient: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(args: &DemoArgs, config: Config) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_at = EventTime::MIN.max(EventTime::from_micros(tidegauge_model::time::micros(since_1970)));
        let day = cast::day_length(args.seconds);
        let fleet = Fleet::new(cast::fleet(args.seed, began_at, day), began_at);
        let names: Vec<String> = fleet.status(began_at).iter().map(|agent| agent.target.agent.to_string()).collect();
        Self {
            config,
            live: Handle::default(),
            day,
            seconds: args.seconds.map(|seconds| Duration::from_secs(seconds.into())),
            began: Instant::now(),
            began_at,
            fleet: Mutex::new(fleet),
            events: Mutex::default(),
            show: Mutex::new(Show::new(names, began_at)),
            preset: Mutex::new((args.preset, 1)),
            actuating: AtomicBool::new(!args.no_actuate),
            ending: Arc::default(),
            is_impatient: Arc::default(),
        }
    }

    /// Event time: the wall clock's at the beginning, and what has passed since.
    pub(super) fn now(&self) -> EventTime {
        self.began_at.plus(self.began.elapsed())
    }

    pub(super) fn began_at(&self) -> EventTime {
        self.began_at
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether the seconds that it was given are over.
    pub(super) fn is_due(&self) -> bool {
        self.seconds.is_some_and(|seconds| self.elapsed() >= seconds)
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.live.stop();
    }

    /// The same, by who waits for it: a signal that comes now ends the process at once.
    pub(super) fn end_soon(&self) {
        self.is_impatient.store(true, Ordering::Release);
        self.end();
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Ctrl-C ends it; one that comes while threads end, at once.
    pub(super) fn stop_on_signals(&self) -> anyhow::Result<()> {
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.is_impatient))?;
            signal_hook::flag::register(signal, Arc::clone(&self.ending))?;
        }
        Ok(())
    }

    pub(super) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        lock(&self.fleet)
    }

    pub(super) fn show(&self) -> MutexGuard<'_, Show> {
        lock(&self.show)
    }

    /// The preset that decides.
    pub(super) fn preset(&self) -> Preset {
        lock(&self.preset).0
    }

    pub(super) fn is_actuating(&self) -> bool {
        self.actuating.load(Ordering::Acquire)
    }

    /// What a reload reads.
    pub(super) fn reloaded_config(&self) -> anyhow::Result<Config> {
        let (preset, version) = *lock(&self.preset);
        with_policy(self.config.clone(), preset, version)
    }

    pub(super) fn tell(&self, events: impl IntoIterator<Item = ScalingEvent>) {
        lock(&self.events).extend(events);
    }

    pub(super) fn take_events(&self) -> Vec<ScalingEvent> {
        std::mem::take(&mut lock(&self.events))
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let now = self.now();
        let (fleet, hour) = {
            let fleet = self.fleet();
            (fleet.status(now), fleet.hour(now))
        };
        let preset = self.preset();
        let elapsed_s = self.elapsed().as_secs_f64();
        let mut snapshot = self.show().snapshot(&fleet, elapsed_s, preset);
        (snapshot.hour, snapshot.actuating) = (hour, self.is_actuating());
        snapshot
    }

    pub(super) fn act(&self, action: Action) {
        match action {
            Action::Burst(agent) => self.happen(Happening::Burst(agent)),
            Action::Kill(agent) => self.happen(Happening::Failure(agent)),
            Action::ToggleActuation => {
                let was = self.actuating.fetch_xor(true, Ordering::AcqRel);
                self.notice(if was { "decisions are obeyed no longer" } else { "decisions are obeyed again" });
            }
            Action::NextPreset => self.next_preset(),
            Action::Quit => self.end(),
        }
    }

    /// A higher version of the policy: into force by the journal, as any reload.
    fn next_preset(&self) {
        let name = {
            let mut preset = lock(&self.preset);
            let next = PRESETS.iter().position(|known| *known == preset.0).map_or(0, |place| place + 1);
            *preset = (PRESETS[next % PRESETS.len()], preset.1 + 1);
            preset.0.name()
        };
        self.live.reload();
        self.notice(&format!("the preset is {name} from now on"));
    }

    /// Does something to the fleet, but for what goes by its telemetry.
    pub(super) fn happen(&self, happening: Happening) {
        let now = self.now();
        let until = now.plus(LASTS);
        let notice = {
            let mut fleet = self.fleet();
            let names: Vec<_> = fleet.status(now).into_iter().map(|agent| agent.target.agent).collect();
            match happening {
                Happening::Burst(agent) => {
                    fleet.burst(agent, BURST, until);
                    names.get(agent).map(|name| format!("burst: {name} is asked {BURST} times as much for 8 s"))
                }
                Happening::Hotspot(agent) => {
                    let hot = fleet.hotspot(agent, HOT, until);
                    hot.map(|name| format!("hotspot: {name} gets {HOT} times the others' share for 8 s"))
                }
                Happening::Failure(agent) => {
                    fleet.kill(agent, now).map(|name| format!("failure: {name} is gone; it is replaced after 5 s"))
                }
                Happening::BadRecords => Some("bad records: two unreadable ones, one from the past".to_owned()),
            }
        };
        if let Some(notice) = notice {
            self.notice(&notice);
        }
    }

    pub(super) fn notice(&self, text: &str) {
        let now = self.now();
        self.show().notice(text, now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a thread that panicked left behind is shown; the panic itself ends the demo.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
