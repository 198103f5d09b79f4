//! The view on a real terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ratatui::Terminal;
use ratatui::backend::TermionBackend;

use super::keys::Decoder;
use super::screen::Screen;
use super::{Key, ViewState, draw, key};
use crate::demo::model::{Action, Snapshot};
use crate::terminal::has_colours;

/// Time between two frames; a key is answered at once.
const FRAME: Duration = Duration::from_millis(125);

/// Whether [`run`] can show anything: standard input and output are a terminal that can move its cursor.
#[must_use]
pub fn has_terminal() -> bool {
    let can_move = std::env::var_os("TERM").is_some_and(|kind| !kind.is_empty() && kind != "dumb");
    can_move && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Shows what `snapshot` returns until the viewer quits or `stop` is true, and passes on what the viewer does.
///
/// [`Action::Quit`] is passed on too, also when the terminal is gone; the view is over by then. Nothing else may write
/// to the terminal in the meantime: logs belong to a file.
///
/// # Errors
///
/// The terminal cannot be taken, read or written; or a thread has panicked, whose message was written to standard
/// error. The terminal is as it was in either case.
pub fn run(snapshot: impl Fn() -> Snapshot, act: impl Fn(Action), stop: impl Fn() -> bool) -> anyhow::Result<()> {
    let colours = has_colours();
    let screen = Screen::take().context("taking the terminal of standard output")?;
    let input = read_keys().context("opening the terminal to read keys")?;
    let mut terminal = Terminal::new(TermionBackend::new(screen.output())).context("asking for the terminal's size")?;
    let (mut state, mut decoder) = (ViewState { colours, ..ViewState::default() }, Decoder::default());
    while !stop() {
        let shown = snapshot();
        terminal.draw(|frame| draw(frame, &shown, &state)).context("writing to the terminal")?;
        if screen.has_panicked() {
            bail!("a thread panicked; its message is above");
        }
        for pressed in next_keys(&input, &mut decoder) {
            match key(pressed, &mut state, &shown) {
                Some(Action::Quit) => {
                    drop(screen);
                    act(Action::Quit);
                    return Ok(());
                }
                Some(action) => act(action),
                None => {}
            }
        }
    }
    Ok(())
}

/// The keys that come within a frame's time, as soon as there are any; a terminal that is gone quits.
fn next_keys(input: &Receiver<Vec<u8>>, decoder: &mut Decoder) -> Vec<Key> {
    let end = Instant::now() + FRAME;
    loop {
        match input.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => match decoder.feed(&bytes) {
                keys if keys.is_empty() => {}
                keys => return keys,
            },
            Err(RecvTimeoutError::Timeout) => return decoder.silence().into_iter().collect(),
            Err(RecvTimeoutError::Disconnected) => return vec![Key::Char('q')],
        }
    }
}

/// Reads the terminal in a thread of its own, which ends with the terminal or with the process.
///
/// From the terminal itself and not from standard input, whose lock would be held for as long as nobody types.
fn read_keys() -> io::Result<Receiver<Vec<u8>>> {
    let mut terminal = File::open("/dev/tty")?;
    let (send, receive) = mpsc::channel();
    let read = move || {
        let mut bytes = [0; 256];
        loop {
            match terminal.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) if send.send(bytes[..count].to_vec()).is_err() => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(receive)
}
