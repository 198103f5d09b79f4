//! `--out DIR`: outputs as JSON lines, in the order of shuffle partitions, then of the log, however they are worked on.
//!
//! Each partition writes files of its own, which are put together at the end: memory does not grow with the log.

use super::kind::Kind;
use super::sink::{Cause, Sink};
use crate::exit::{Code, Failure};
use anyhow::Context as _;
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tidegauge_engine::{DeciderOutput, LatePartial};
use tidegauge_wire::{Encoding, Output};

/// The folder, and what is put together in it.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder. One that holds something is refused unless `force`; then files of our names are replaced.
    pub(super) fn open(path: &Path, force: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
        let is_empty = fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?.next().is_none();
        if !is_empty && !force {
            let message = format!("the folder {} is not empty; give another, or --force", path.display());
            return Err(Failure::new(Code::Usage, message).into());
        }
        Ok(Self { path: path.to_owned() })
    }

    /// The sink of one shuffle partition.
    pub(super) fn partition(&self, partition: i32) -> anyhow::Result<Files> {
        let open = |kind: Kind| {
            let path = self.part(kind, partition);
            let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            Ok(BufWriter::new(file))
        };
        Ok(Files { files: Kind::ALL.into_iter().map(open).collect::<anyhow::Result<_>>()?, line: Vec::new() })
    }

    /// Puts together what the partitions have written.
    pub(super) fn join(&self, partitions: &[i32]) -> anyhow::Result<()> {
        for kind in Kind::ALL {
            let path = self.path.join(format!("{}.jsonl", kind.plural()));
            let mut whole = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            for &partition in partitions {
                let part = self.part(kind, partition);
                let mut bytes = File::open(&part).with_context(|| format!("reading {}", part.display()))?;
                io::copy(&mut bytes, &mut whole).with_context(|| format!("writing {}", path.display()))?;
                fs::remove_file(&part).with_context(|| format!("removing {}", part.display()))?;
            }
        }
        Ok(())
    }

    fn part(&self, kind: Kind, partition: i32) -> PathBuf {
        self.path.join(format!(".{}.{partition}.part", kind.plural()))
    }
}

/// The files of one shuffle partition, in the order of [`Kind::ALL`].
pub(super) struct Files {
    files: Vec<BufWriter<File>>,
    line: Vec<u8>,
}

impl Sink for Files {
    fn take(&mut self, _: Cause, outputs: &[DeciderOutput]) -> anyhow::Result<()> {
        for output in outputs {
            self.line.clear();
            match output {
                DeciderOutput::Window(window) => window.encode(Encoding::Json, &mut self.line),
                DeciderOutput::Decision(decision) => decision.encode(Encoding::Json, &mut self.line),
                DeciderOutput::Alert(alert) => alert.encode(Encoding::Json, &mut self.line),
                DeciderOutput::Finding(finding) => finding.encode(Encoding::Json, &mut self.line),
                DeciderOutput::Late(late) => serde_json::to_writer(&mut self.line, &of_late(late))?,
            }
            self.line.push(b'\n');
            self.files[Kind::of(output).number()].write_all(&self.line).context("writing an output")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.files.into_iter().try_for_each(|mut file| file.flush()).context("writing an output")
    }
}

fn of_late(late: &LatePartial) -> serde_json::Value {
    json!({
        "topic": late.source.topic.as_ref(),
        "partition": late.source.partition,
        "pane_start": late.pane.to_string(),
        "first_offset": late.offsets.0,
        "last_offset": late.offsets.1,
        "samples": late.samples,
    })
}
