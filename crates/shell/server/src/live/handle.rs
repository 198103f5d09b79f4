//! What reaches a run from outside its workers: to stop, and to read policies and alert rules again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Stops a run, and makes it read again. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    listening: Arc<OnceLock<SocketAddr>>,
}

impl Handle {
    /// Asks the run to end, as SIGTERM does.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Asks it to read policies and alert rules again, as SIGHUP does.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
    }

    /// Where it answers over HTTP, once it does.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }

    /// SIGTERM and SIGINT stop it, SIGHUP makes it read again.
    pub(super) fn listen_to_signals(&self) -> anyhow::Result<()> {
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&self.stop))?;
        }
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&self.reload))?;
        Ok(())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }

    pub(super) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }

    pub(super) fn listens(&self, at: SocketAddr) {
        let _ = self.listening.set(at); // it listens once
    }
}
