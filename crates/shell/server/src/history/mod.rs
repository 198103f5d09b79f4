//! Closed windows kept in Parquet, in a folder or in a store that speaks S3's protocol.
//!
//! ```text
//!  windows topic ─► intake ─► files of a flush ─► store: windows/ instances/ metrics/
//!   committed only               │  then             day=…/agent=…/….parquet
//!                                ▼
//!                              Log, one a partition: _log/partition=…/00…17.json, each created, never replaced
//!                                │                   "these files are in, those are out, read on from this offset"
//!                                ▼
//!        query --history ◄─ files in the logs ◄─ compact: small files joined, old days out, unused files deleted
//! ```
//!
//! - **H1** What no record of a log names is no part of the history: a file counts, and the position moves, in one and the
//!   same record. So each window is in it once, wherever the writer dies.
//! - **H2** A record is created under the next number or not at all, and a writer creates it only if the position is
//!   still the one that it read from: of two writers, one is told.
//! - **H3** Joining files changes no answer. It may happen beside a writer, and neither harms the other.
//! - **H4** A file is deleted only if no log has named it for `history.grace`.
//! - **H5** It is a consumer with a process of its own, in no group: the decision path does not know of it.
//!
//! The idea of a log of files beside the files is that of Delta Lake (Armbrust et al., VLDB 2020), at the size that is
//! needed here.

mod compact;
mod contents;
mod crash;
mod file;
mod flush;
mod intake;
mod layout;
mod log;
mod maintain;
mod read;
mod root;
mod store;

pub use contents::{Contents, DataFile};
pub use intake::{Intake, Wanted};
pub use layout::day_of;
pub use log::Log;
pub use maintain::{Joined, Maintained, maintain};
pub use read::{Selected, select};
pub use root::{Root, partitions};
pub use store::Store;

use crate::diagnostic::ProblemKind;
use crate::exit::{Code, Failure};

/// What is wrong with a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The store does not answer, or refuses.
    #[error("the store of the history: {doing} {path}: {source}")]
    Store {
        /// What was tried.
        doing: &'static str,
        /// Of which object.
        path: String,
        /// What it said.
        source: object_store::Error,
    },
    /// Nothing was written there yet.
    #[error("there is no history in {place}")]
    Nothing {
        /// The store.
        place: String,
    },
    /// Another writer has moved the position.
    #[error("{writer} writes this history too: it has taken partition {partition} on to offset {next_offset}")]
    Taken {
        /// Who.
        writer: String,
        /// The partition.
        partition: i32,
        /// Where it has come to.
        next_offset: i64,
    },
    /// Storing took so long that the files may be taken for left-overs.
    #[error("storing {files} files took longer than half of history.grace: nothing of it counts, and it begins again")]
    TooSlow {
        /// How many.
        files: usize,
    },
    /// It is the history of something else.
    #[error("{place} holds the history of topic {theirs}, and not of {ours}")]
    Foreign {
        /// The store.
        place: String,
        /// Whose it is.
        theirs: String,
        /// Whose it should be.
        ours: String,
    },
    /// Something in it cannot be read, or does not fit.
    #[error("{path}: {problem}")]
    Damaged {
        /// The object.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl HistoryError {
    fn damaged(path: &str, problem: &(impl ToString + ?Sized)) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.to_string() }
    }

    /// What a command exits with.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, kind) = match self {
            Self::Store { .. } | Self::TooSlow { .. } => (Code::Unavailable, ProblemKind::HistoryUnreachable),
            Self::Nothing { .. } => (Code::NoInput, ProblemKind::NoHistory),
            Self::Taken { .. } => (Code::Usage, ProblemKind::HistoryTaken),
            Self::Foreign { .. } | Self::Damaged { .. } => (Code::Data, ProblemKind::HistoryDamaged),
        };
        Failure::new(code, self.to_string()).of_kind(kind)
    }
}

/// The configured history.
///
/// # Errors
///
/// [`Failure`] with [`Code::Config`], if none is configured.
pub fn configured(config: &crate::config::Config) -> Result<&crate::config::HistoryConfig, Failure> {
    config.history.as_ref().ok_or_else(|| {
        let message =
            "history.url is not set: a folder, or s3://bucket/prefix, in the configuration or with --set history.url=…";
        Failure::new(Code::Config, message).of_kind(ProblemKind::NoHistory)
    })
}

/// Milliseconds since the epoch, by this machine's clock.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
