//! Log lines: on standard error, and held back for as long as the view has the terminal.
//!
//! - **N3** A line that was held back is written once the terminal is free; of very many, the first are.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that are held back.
const MOST: usize = 1 << 20;

/// Where log lines go. Clones are the same place.
#[derive(Clone, Default)]
pub(super) struct Logs {
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    left_out: u64,
}

/// Dropped, it writes what was held back.
pub(super) struct Hold<'a>(&'a Logs);

impl Logs {
    /// Holds lines back from now on, unless standard error is not the terminal.
    pub(super) fn hold(&self) -> Hold<'_> {
        if io::stderr().is_terminal() {
            *self.held() = Some(Held::default());
        }
        Hold(self)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn keep(&mut self, line: &[u8]) {
        if self.lines.len() + line.len() <= MOST {
            self.lines.extend_from_slice(line);
        } else {
            self.left_out += 1;
        }
    }

    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.lines)?;
        if self.left_out > 0 {
            writeln!(out, "{} more log lines are left out", self.left_out)?;
        }
        out.flush()
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.0.held().take() {
            let _ = held.write_to(&mut io::stderr()); // nobody is left to be told
        }
    }
}

impl Write for Logs {
    /// A line at a time is what comes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.held().as_mut() {
            Some(held) => held.keep(line),
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_is_said_and_what_is_too_much_is_counted() {
        let mut held = Held::default();
        held.keep(b"first\n");
        held.keep(&vec![b'x'; MOST]);
        held.keep(b"last\n");
        let mut out = Vec::new();
        held.write_to(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "first\nlast\n1 more log lines are left out\n");
    }
}
