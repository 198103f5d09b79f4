//! The instances of a test at a time: as the file says, or as decisions made them.

use super::file::Case;
use std::time::Duration;
use tidegauge_model::InstanceId;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// `i-0`, `i-1`, …
    pub(super) id: InstanceId,
    /// It is ready, or starts.
    pub(super) is_ready: bool,
    /// When it became ready, where the fleet follows.
    pub(super) ready_at: Option<Duration>,
    /// It does not report.
    pub(super) is_silent: bool,
}

/// Who is there.
#[derive(Clone, Debug)]
pub(super) enum Fleet {
    /// As the series say.
    Stated,
    /// As decided: for each instance, in the order in which they came, when it is ready; `None` since before the start.
    Following { ready_after: Duration, members: Vec<Option<Duration>> },
}

impl Fleet {
    /// The fleet at the start.
    pub(super) fn new(case: &Case) -> Self {
        let Some(ready_after) = case.follow else { return Self::Stated };
        let at_start = count(case.instances.at(Duration::ZERO, case.interval));
        Self::Following { ready_after, members: vec![None; at_start] }
    }

    /// Its members so long after the start.
    pub(super) fn members(&self, case: &Case, after: Duration) -> Vec<Member> {
        let at = |series: &super::Series| count(series.at(after, case.interval));
        let members: Vec<(bool, Option<Duration>)> = match self {
            Self::Stated => {
                let (ready, starting) = (at(&case.instances), at(&case.starting));
                (0..ready + starting).map(|index| (index < ready, None)).collect()
            }
            Self::Following { members, .. } => {
                members.iter().map(|ready_at| (ready_at.is_none_or(|ready_at| ready_at <= after), *ready_at)).collect()
            }
        };
        let ready = members.iter().filter(|(is_ready, _)| *is_ready).count();
        let talking = ready.saturating_sub(at(&case.silent));
        let mut ready_so_far = 0;
        let named = members.into_iter().enumerate().map(|(index, (is_ready, ready_at))| {
            ready_so_far += usize::from(is_ready);
            Member {
                id: InstanceId::from(format!("i-{index}")),
                is_ready,
                ready_at: ready_at.filter(|_| is_ready),
                is_silent: is_ready && ready_so_far > talking,
            }
        });
        named.collect()
    }

    /// Becomes as large as `desired`: new instances begin to start, the last that came go.
    pub(super) fn follow(&mut self, desired: u32, after: Duration) {
        if let Self::Following { ready_after, members } = self {
            let desired = usize::try_from(desired).unwrap_or(usize::MAX);
            members.resize(desired, Some(after + *ready_after));
        }
    }
}

/// A number of instances, which was checked to be one.
fn count(value: Option<f64>) -> usize {
    value.unwrap_or(0.0) as usize
}
