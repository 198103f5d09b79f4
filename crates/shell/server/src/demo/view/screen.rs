//! The terminal: taken in raw mode on its alternate screen, and given back as it was, however it ends (V4).
//!
//! A panic of any thread gives it back before its message is written, so that the message can be read.

use std::io::{self, Stdout, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ratatui::termion::raw::{IntoRawMode, RawTerminal};
use ratatui::termion::{clear, cursor, screen, style};

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// The terminal while it is ours; dropped, it is given back.
pub(super) struct Screen {
    shared: Arc<Shared>,
    previous_hook: Arc<Hook>,
}

struct Shared {
    /// `None` once it was given back: nothing is written any more.
    terminal: Mutex<Option<RawTerminal<Stdout>>>,
    has_panicked: AtomicBool,
}

impl Screen {
    /// Takes the terminal of standard output.
    pub(super) fn take() -> io::Result<Self> {
        let mut terminal = io::stdout().into_raw_mode()?;
        write!(terminal, "{}{}{}{}", screen::ToAlternateScreen, clear::All, cursor::Goto(1, 1), cursor::Hide)?;
        terminal.flush()?;
        let shared = Arc::new(Shared { terminal: Mutex::new(Some(terminal)), has_panicked: AtomicBool::new(false) });
        let previous_hook: Arc<Hook> = panic::take_hook().into();
        let (ours, next) = (Arc::clone(&shared), Arc::clone(&previous_hook));
        panic::set_hook(Box::new(move |info| {
            ours.has_panicked.store(true, Ordering::SeqCst);
            ours.give_back();
            next(info);
        }));
        Ok(Self { shared, previous_hook })
    }

    /// Where frames are written to.
    pub(super) fn output(&self) -> Output {
        Output { shared: Arc::clone(&self.shared), frame: Vec::new() }
    }

    /// Whether a thread has panicked, and the terminal was given back because of it.
    pub(super) fn has_panicked(&self) -> bool {
        self.shared.has_panicked.load(Ordering::SeqCst)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.give_back();
        // A hook cannot be changed by a thread that panics; ours does nothing more than the one before it by now.
        if !std::thread::panicking() {
            let previous = Arc::clone(&self.previous_hook);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

impl Shared {
    fn terminal(&self) -> MutexGuard<'_, Option<RawTerminal<Stdout>>> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once; what cannot be written is not tried again. Raw mode ends when the terminal is dropped.
    fn give_back(&self) {
        if let Some(mut terminal) = self.terminal().take() {
            let _ = write!(terminal, "{}{}{}", style::Reset, cursor::Show, screen::ToMainScreen);
            let _ = terminal.flush();
        }
    }
}

/// Collects a frame and writes it at once; nothing, once the terminal was given back.
pub(super) struct Output {
    shared: Arc<Shared>,
    frame: Vec<u8>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = std::mem::take(&mut self.frame);
        match self.shared.terminal().as_mut() {
            Some(terminal) => terminal.write_all(&frame).and_then(|()| terminal.flush()),
            None => Ok(()),
        }
    }
}
