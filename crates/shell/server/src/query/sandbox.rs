//! A query's process, seen from outside: started, fed, and ended if it does not end itself.

use super::protocol::{OUT_OF_MEMORY, OUT_OF_TIME, Request, Verdict, read_line, write_line, write_window};
use super::rows::{Reads, Told};
use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use tidegauge_policy::HumanDuration;
use tidegauge_sql::Limits;

/// The name of the command that a query's process runs.
const COMMAND: &str = "query-worker";
/// It ends itself at its limit; if it does not, it is ended after this.
const GRACE: Duration = Duration::from_secs(2);
/// The longest answer, in bytes: beyond it nobody reads.
const MOST_ANSWER: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// It is not run.
    #[error("{0}")]
    Refused(String),
    /// It was run, and came to a value that cannot be computed, or to a limit.
    #[error("{0}")]
    Failed(String),
    /// It took too long.
    #[error("it was cut off after {}: ask of less, filter earlier, or raise the limit of time", shown(.0))]
    OutOfTime(Duration),
    /// It took too much memory.
    #[error("it was cut off at {} MiB of memory: ask of less, filter earlier, or raise the limit of memory", .0 >> 20)]
    OutOfMemory(usize),
    /// Its process ended otherwise.
    #[error("the process that ran it ended without an answer ({0}): simplify the query")]
    Ended(String),
    /// Its process could not be started.
    #[error("a process for it could not be started: {0}")]
    NotStarted(String),
}

impl QueryError {
    /// What a command exits with.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, kind) = match self {
            Self::Refused(_) => (Code::Usage, ProblemKind::QueryRefused),
            Self::Failed(_) | Self::OutOfTime(_) | Self::OutOfMemory(_) => (Code::Data, ProblemKind::QueryCutOff),
            Self::Ended(_) => (Code::Data, ProblemKind::QueryCutOff),
            Self::NotStarted(_) => return Failure::new(Code::Internal, self.to_string()),
        };
        Failure::new(code, format!("the query: {self}")).of_kind(kind)
    }
}

/// What a query yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The rows, in the format that was asked for.
    pub text: Vec<u8>,
    /// There are more rows.
    pub is_cut: bool,
    /// Rows in the text.
    pub rows: u64,
    /// Windows that were read.
    pub windows: u64,
    /// Records that are no windows.
    pub unreadable: u64,
}

/// A query that was checked and planned, and waits for its windows. Ended when dropped.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    says: Receiver<io::Result<Said>>,
    limits: Limits,
    reads: Reads,
}

/// What came from a query's process.
#[derive(Debug)]
struct Said {
    verdict: Verdict,
    text: Vec<u8>,
}

impl Sandbox {
    /// Starts a process, in which the query is checked and planned.
    ///
    /// # Errors
    ///
    /// [`QueryError`]: refused, or beyond a limit while it was planned.
    pub fn start(request: &Request) -> Result<Self, QueryError> {
        Self::start_of(&own_binary().map_err(|error| QueryError::NotStarted(error.to_string()))?, request)
    }

    /// [`Self::start`] of another binary: a test's is not the one.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_of(binary: &Path, request: &Request) -> Result<Self, QueryError> {
        let not_started = |error: io::Error| QueryError::NotStarted(error.to_string());
        let mut child = Command::new(binary)
            .arg(COMMAND)
            .env_clear() // U2
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(not_started)?;
        let input = child.stdin.take().map(BufWriter::new);
        let output = child.stdout.take().ok_or_else(|| not_started(io::Error::other("no pipe")))?;
        let (say, says) = sync_channel(2);
        let reader = thread::Builder::new().name("query-answer".into()).spawn(move || {
            let mut from = BufReader::new(output);
            for is_last in [false, true] {
                let said = read_said(&mut from, is_last);
                let is_over = said.is_err();
                if say.send(said).is_err() || is_over {
                    return;
                }
            }
        });
        let mut sandbox = Self { child, input, says, limits: request.limits(), reads: Reads::new() };
        reader.map_err(not_started)?;
        if let Some(input) = &mut sandbox.input {
            // If it is gone already, that is what is told below.
            drop(write_line(input, request));
        }
        match sandbox.wait()?.verdict {
            Verdict::Ready => Ok(sandbox),
            Verdict::Reads(reads) => Ok(sandbox.reading(Told::reads(reads))),
            Verdict::Refused(why) => Err(QueryError::Refused(why)),
            _ => Err(QueryError::Ended("out of turn".into())),
        }
    }

    /// Of a question about rows: which it may need.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Hands over a window, as it was published, or a [`frame`](super::rows::frame) of rows; false if no more are taken, since the query has failed.
    pub fn feed(&mut self, window: &[u8]) -> bool {
        window.is_empty() || self.input.as_mut().is_some_and(|input| write_window(input, window).is_ok())
    }

    /// There are no more windows: what does it yield?
    ///
    /// # Errors
    ///
    /// [`QueryError`]: beyond a limit, or a value that cannot be computed.
    pub fn finish(mut self) -> Result<Answer, QueryError> {
        if let Some(mut input) = self.input.take() {
            // If it is gone already, that is what is told below.
            drop(write_window(&mut input, &[]).and_then(|()| input.flush()));
        }
        let Said { verdict, text } = self.wait()?;
        match verdict {
            Verdict::Answered { is_cut, rows, windows, unreadable } => {
                if text.len() as u64 > MOST_ANSWER {
                    let message = format!("the answer is longer than {} MiB: select fewer columns", MOST_ANSWER >> 20);
                    return Err(QueryError::Failed(message));
                }
                Ok(Answer { text, is_cut, rows, windows, unreadable })
            }
            Verdict::Failed(why) => Err(QueryError::Failed(why)),
            Verdict::Refused(why) => Err(QueryError::Refused(why)),
            Verdict::Ready | Verdict::Reads(_) => Err(QueryError::Ended("out of turn".into())),
        }
    }

    fn reading(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    fn wait(&mut self) -> Result<Said, QueryError> {
        match self.says.recv_timeout(self.limits.time + GRACE) {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                Err(QueryError::OutOfTime(self.limits.time))
            }
        }
    }

    /// Why it has ended without having said anything.
    fn ended(&mut self) -> QueryError {
        self.input = None;
        match self.child.wait() {
            Ok(status) => self.of_status(status),
            Err(error) => QueryError::Ended(error.to_string()),
        }
    }

    fn of_status(&self, status: ExitStatus) -> QueryError {
        match status.code() {
            Some(code) if code == i32::from(OUT_OF_TIME) => QueryError::OutOfTime(self.limits.time),
            Some(code) if code == i32::from(OUT_OF_MEMORY) => QueryError::OutOfMemory(self.limits.memory),
            _ => QueryError::Ended(status.to_string()),
        }
    }

    fn end(&mut self) {
        // It may have ended by itself meanwhile.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn read_said(from: &mut BufReader<impl Read>, is_last: bool) -> io::Result<Said> {
    let verdict = read_line(from)?;
    let mut text = Vec::new();
    if is_last && matches!(verdict, Verdict::Answered { .. }) {
        from.take(MOST_ANSWER + 1).read_to_end(&mut text)?;
    }
    Ok(Said { verdict, text })
}

/// This binary, also where its file was replaced by another version meanwhile.
fn own_binary() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}

fn shown(limit: &Duration) -> HumanDuration {
    HumanDuration(*limit)
}
