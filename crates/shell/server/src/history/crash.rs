//! Where tests kill a writer: `TIDEGAUGE_TEST_CRASH=history.files:2` ends the process, as SIGKILL does, when the second
//! flush has stored its files and nothing names them yet; `history.record` after a record; `history.joined` when joined
//! files are stored; `history.delete` before an unused file is deleted.

use crate::live::crash::Crash;
use std::sync::LazyLock;

/// This place is passed.
pub(super) fn pass(place: &str) {
    static CRASH: LazyLock<Option<Crash>> = LazyLock::new(Crash::from_environment);
    if let Some(crash) = &*CRASH {
        crash.pass(place);
    }
}
