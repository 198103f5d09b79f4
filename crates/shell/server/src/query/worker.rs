//! A query's process: reads a request and windows from standard input, and writes the answer to standard output.

use super::protocol::{Request, Verdict, read_line, read_window, write_line};
use super::rows::{Feed, Told, read_frame};
use super::shown;
use super::watch::{SILENCE, Watch, be_first_to_go};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::thread;
use tidegauge_model::WindowSummary;
use tidegauge_sql::{Failed, Mode, Prepared, Rows};
use tidegauge_wire::Output;

/// Stack of the thread that plans and evaluates.
const STACK: usize = 64 << 20;
/// Windows that are decoded before they become columns.
const CHUNK: usize = 512;

/// Runs one query.
///
/// # Errors
///
/// If its pipes are broken, which is how it learns that nobody waits for the answer.
pub fn run() -> anyhow::Result<()> {
    be_first_to_go();
    let work = || answer(&mut BufReader::with_capacity(1 << 16, io::stdin().lock()), &mut io::stdout().lock());
    let thread = thread::Builder::new().name("query".into()).stack_size(STACK).spawn(work)?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    Ok(())
}

fn answer(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let request: Request = read_line(from)?;
    let limits = request.limits();
    let watch = Watch::start(limits.memory as u64)?;
    watch.allow(limits.time);
    let mut prepared = match Prepared::new(&request.sql, Mode::Query, &limits) {
        Ok(prepared) => prepared,
        Err(why) => return write_line(to, &Verdict::Refused(why.to_string())),
    };
    write_line(to, &ready(&prepared, request.feed))?;
    let mut input = Input { rows: prepared.rows(), most: limits.memory, feed: request.feed, ..Input::new() };
    if let Err(failed) = input.read(from, &watch)? {
        return write_line(to, &Verdict::Failed(failed.to_string()));
    }
    watch.allow(limits.time);
    let answer = match prepared.evaluate_rows(&input.rows) {
        Ok(answer) => answer,
        Err(failed) => return write_line(to, &Verdict::Failed(failed.to_string())),
    };
    let text = match shown::text(&answer.rows, request.format, answer.is_cut) {
        Ok(text) => text,
        Err(error) => return write_line(to, &Verdict::Failed(error.to_string())),
    };
    let (rows, windows, unreadable) = (answer.rows.num_rows() as u64, input.windows, input.unreadable);
    write_line(to, &Verdict::Answered { is_cut: answer.is_cut, rows, windows, unreadable })?;
    to.write_all(&text)?;
    to.flush()
}

fn ready(prepared: &Prepared, feed: Feed) -> Verdict {
    match feed {
        Feed::Windows => Verdict::Ready,
        Feed::Rows => Verdict::Reads(Told::all_of(prepared)),
    }
}

/// The windows, or rows, that a query is asked of.
struct Input {
    feed: Feed,
    rows: Rows,
    most: usize,
    windows: u64,
    unreadable: u64,
}

impl Input {
    fn new() -> Self {
        Self { feed: Feed::Windows, rows: Rows::default(), most: usize::MAX, windows: 0, unreadable: 0 }
    }

    fn read(&mut self, from: &mut impl Read, watch: &Watch) -> io::Result<Result<(), Failed>> {
        let (mut bytes, mut chunk) = (Vec::new(), Vec::with_capacity(CHUNK));
        watch.wait();
        while read_window(from, &mut bytes)? {
            watch.allow(SILENCE);
            if self.feed == Feed::Rows {
                if let Err(failed) = self.take_rows(&bytes) {
                    return Ok(Err(failed));
                }
                continue;
            }
            match WindowSummary::decode(&bytes) {
                Ok(window) if window.edition.is_final() => chunk.push(window),
                Ok(_) => {} // an early result: the tables are of closed windows
                Err(_) => self.unreadable += 1,
            }
            if chunk.len() == CHUNK
                && let Err(failed) = self.take(&mut chunk)
            {
                return Ok(Err(failed));
            }
        }
        Ok(self.take(&mut chunk))
    }

    fn take(&mut self, chunk: &mut Vec<WindowSummary>) -> Result<(), Failed> {
        self.windows += chunk.len() as u64;
        self.rows.push(&chunk.iter().collect::<Vec<_>>())?;
        chunk.clear();
        self.within()
    }

    fn take_rows(&mut self, frame: &[u8]) -> Result<(), Failed> {
        let (table, batches) = read_frame(frame).map_err(|error| Failed::Value(error.to_string()))?;
        for rows in &batches {
            self.windows += rows.num_rows() as u64;
            self.rows.push_rows(table, rows)?;
        }
        self.within()
    }

    fn within(&self) -> Result<(), Failed> {
        if self.rows.bytes() > self.most { Err(Failed::Memory { most: self.most }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Format;
    use crate::query::protocol::write_window;
    use std::time::{Duration, Instant};
    use tidegauge_sql::Limits;

    /// What the process would write.
    fn ask(sql: &str, format: Format, windows: &[&[u8]]) -> String {
        let mut pipe = Vec::new();
        // The other tests of this process hold memory, too.
        let limits = Limits { memory: 8 << 30, ..Limits::default() };
        write_line(&mut pipe, &Request::new(sql, format, &limits)).unwrap();
        for window in windows.iter().chain(&[&b""[..]]) {
            write_window(&mut pipe, window).unwrap();
        }
        let mut out = Vec::new();
        answer(&mut &pipe[..], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_says_what_became_of_the_query_and_then_the_answer() {
        let refused = ask("SELECT 1 FROM window", Format::Json, &[]);
        assert_eq!(refused, "{\"refused\":\"there is no table `window`; did you mean `windows`?\"}\n");
        let counted = ask("SELECT count(*) AS n FROM windows", Format::Json, &[b"not a window"]);
        let want =
            "\"ready\"\n{\"answered\":{\"is_cut\":false,\"rows\":1,\"windows\":0,\"unreadable\":1}}\n{\"n\":0}\n";
        assert_eq!(counted, want);
        let failed = ask("SELECT 1 / (count(*) - count(*)) AS n FROM windows", Format::Json, &[]);
        assert!(failed.starts_with("\"ready\"\n{\"failed\":\"") && failed.contains("ivide by zero"), "{failed}");
    }

    /// A pipe that notes, each time that it is read, until when the reader may take.
    struct Slow<'w> {
        pipe: &'w [u8],
        watch: &'w Watch,
        deadlines: Vec<Option<Instant>>,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(1));
            self.deadlines.push(self.watch.deadline());
            self.pipe.read(to)
        }
    }

    /// Also by one that is not counted, as early results are not: what matters is that somebody sends.
    #[test]
    fn the_first_window_is_waited_for_and_each_one_gives_time_for_the_next() {
        let mut pipe = Vec::new();
        for window in [&b"one"[..], b"two", b"three", b""] {
            write_window(&mut pipe, window).unwrap();
        }
        let watch = Watch::default();
        watch.allow(Duration::from_secs(1)); // of the planning
        let mut slow = Slow { pipe: &pipe, watch: &watch, deadlines: Vec::new() };
        let mut input = Input::new();
        input.read(&mut slow, &watch).unwrap().unwrap();
        // A length and a window at a time; the end is a length alone, or with a read of nothing.
        let lengths: Vec<Option<Instant>> = slow.deadlines.iter().copied().step_by(2).collect();
        assert_eq!((input.unreadable, lengths.len(), lengths[0]), (3, 4, None));
        assert!(lengths.is_sorted_by(|one, other| one < other), "{lengths:?}");
    }
}
