//! Files of telemetry as rows: CSV or JSON lines, plain or compressed, in the order of the file.
//!
//! ```text
//!  file ─► .gz, .zst ─► lines ─► mapping ─► Line: a sample, or what is wrong and where
//! ```
//!
//! - **T1** Each line of the file that is not empty is one item, in order; a bad one does not hide those after it.
//! - **T2** What is wrong is told with file, line, and column or field.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tidegauge_wire::{CsvPlan, DecodeConfig, Decoder, Format, Mapping, Rejected, SampleRow};

/// Bytes read from a file at once.
const BUFFER_BYTES: usize = 1 << 18;

/// What the file holds.
pub enum Shape<'m> {
    /// A header line, then one sample a line, mapped.
    Csv(&'m Mapping),
    /// One JSON object a line, mapped or native.
    JsonLines(Option<Mapping>),
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct BadLine {
    /// The file.
    pub file: PathBuf,
    /// Its line, counted from 1.
    pub line: u64,
    /// Column or field, and what is wrong with it.
    pub message: String,
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened or read.
    #[error("cannot read {}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error(transparent)]
    Bad(#[from] BadLine),
}

/// A file being read. Items are samples or [`TraceError::Bad`]; after [`TraceError::Io`] nothing follows.
pub struct Trace {
    file: PathBuf,
    lines: Lines,
    is_over: bool,
}

enum Lines {
    Csv { reader: Box<csv::Reader<Box<dyn Read>>>, record: csv::ByteRecord, header: Vec<String>, plan: Box<CsvPlan> },
    Json { reader: BufReader<Box<dyn Read>>, line: u64, text: Vec<u8>, decoder: Box<Decoder> },
}

impl Trace {
    /// Reads `file` through `wrap`, which sees its bytes as they are stored: a progress bar, for one.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or its header lacks a column that the mapping names.
    pub fn open(
        file: &Path,
        shape: Shape<'_>,
        wrap: impl FnOnce(Box<dyn Read>) -> Box<dyn Read>,
    ) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { file: file.to_owned(), source };
        let bytes = decompressed(file, wrap(raw(file).map_err(failed)?)).map_err(failed)?;
        let lines = match shape {
            Shape::Csv(mapping) => csv_lines(file, bytes, mapping)?,
            Shape::JsonLines(mapping) => Lines::Json {
                reader: BufReader::with_capacity(BUFFER_BYTES, bytes),
                line: 0,
                text: Vec::new(),
                decoder: Box::new(Decoder::new(DecodeConfig {
                    format: Format::Json,
                    mapping: mapping.map(Into::into),
                    max_unknown_metrics: usize::MAX,
                    ..DecodeConfig::default()
                })),
            },
        };
        Ok(Self { file: file.to_owned(), lines, is_over: false })
    }

    fn bad(&self, line: u64, message: String) -> TraceError {
        TraceError::Bad(BadLine { file: self.file.clone(), line, message })
    }

    fn next_row(&mut self) -> Option<Result<SampleRow, TraceError>> {
        match &mut self.lines {
            Lines::Csv { reader, record, header, plan } => {
                let line_before = reader.position().line();
                match reader.read_byte_record(record) {
                    Ok(false) => None,
                    Ok(true) => {
                        let line = record.position().map_or(line_before, csv::Position::line);
                        let outcome = csv_row(record, plan, header);
                        Some(outcome.map_err(|message| self.bad(line, message)))
                    }
                    Err(error) => {
                        self.is_over = true;
                        let source = io::Error::other(error);
                        Some(Err(TraceError::Io { file: self.file.clone(), source }))
                    }
                }
            }
            Lines::Json { reader, line, text, decoder } => loop {
                text.clear();
                *line += 1;
                match reader.read_until(b'\n', text) {
                    Ok(0) => break None,
                    Ok(_) if text.trim_ascii().is_empty() => {}
                    Ok(_) => {
                        let (line, outcome) = (*line, decoder.row(text.trim_ascii()));
                        break Some(outcome.map_err(|undecoded| self.bad(line, undecoded.to_string())));
                    }
                    Err(source) => {
                        self.is_over = true;
                        break Some(Err(TraceError::Io { file: self.file.clone(), source }));
                    }
                }
            },
        }
    }
}

impl Iterator for Trace {
    type Item = Result<SampleRow, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over { None } else { self.next_row() }
    }
}

/// The bytes of a file, or of standard input for `-`, decompressed by its extension.
///
/// # Errors
///
/// If it cannot be opened.
pub(crate) fn open_bytes(file: &Path) -> io::Result<Box<dyn Read>> {
    decompressed(file, raw(file)?)
}

fn raw(file: &Path) -> io::Result<Box<dyn Read>> {
    if file == Path::new("-") { Ok(Box::new(io::stdin())) } else { Ok(Box::new(File::open(file)?)) }
}

fn decompressed(file: &Path, bytes: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    let buffered = BufReader::with_capacity(BUFFER_BYTES, bytes);
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered))),
        Some("zst") => Ok(Box::new(zstd::stream::Decoder::with_buffer(buffered)?)),
        _ => Ok(Box::new(buffered)),
    }
}

fn csv_lines(file: &Path, bytes: Box<dyn Read>, mapping: &Mapping) -> Result<Lines, TraceError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(bytes);
    let bad = |message: String| TraceError::Bad(BadLine { file: file.to_owned(), line: 1, message });
    let header = reader.headers().map_err(|error| bad(error.to_string()))?;
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    let plan = mapping.apply_csv(&names).map_err(|rejected| bad(rejected.to_string()))?;
    Ok(Lines::Csv { reader: Box::new(reader), record: csv::ByteRecord::new(), header, plan: Box::new(plan) })
}

fn csv_row(record: &csv::ByteRecord, plan: &mut CsvPlan, header: &[String]) -> Result<SampleRow, String> {
    let fields = record.iter().enumerate().map(|(index, field)| {
        str::from_utf8(field).map_err(|error| format!("column {}: not UTF-8: {error}", index + 1))
    });
    let fields: Vec<&str> = fields.collect::<Result<_, _>>()?;
    plan.row(&fields).map_err(|rejected| with_column(&rejected, header))
}

/// The refusal with the number of its column in front, if the field is one.
fn with_column(rejected: &Rejected, header: &[String]) -> String {
    let column = rejected.field.as_ref().and_then(|field| header.iter().position(|name| name == field));
    match column {
        Some(index) => format!("column {}: {rejected}", index + 1),
        None => rejected.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MAPPING: &str = "
fields:
  agent_id: agent
  instance_id: container
  event_time: {from: ts_s, unit: s}
  requests_per_s: qps
";
    const CSV: &str =
        "ts_s,agent,container,qps\n1767225600,a,a-1,1.5\n1767225610,a,a-1,\n1767225620,a,,2\n1767225630,a,a-1,many\n";

    fn read(name: &str, bytes: &[u8], shape: Shape<'_>) -> Vec<Result<(i64, usize), String>> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).expect("a temporary file");
        let trace = Trace::open(&file, shape, |bytes| bytes).expect("it can be opened");
        let shown = |row: SampleRow| (row.event_time.as_secs() - 1_767_225_600, row.metrics.len());
        let relative = |error: TraceError| error.to_string().replace(&format!("{}/", folder.path().display()), "");
        trace.map(|row| row.map(shown).map_err(relative)).collect()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("a vector takes whatever is written");
        encoder.finish().expect("likewise")
    }

    #[test]
    fn t1_an_empty_field_is_no_sample_and_a_bad_row_hides_none() {
        let mapping = Mapping::parse("map.yaml", MAPPING).expect("the mapping is right");
        let rows = read("t.csv", CSV.as_bytes(), Shape::Csv(&mapping));
        assert_eq!(rows[..2], [Ok((0, 1)), Ok((10, 0))]);
        let errors: Vec<_> = rows[2..].iter().map(|row| row.clone().unwrap_err()).collect();
        assert!(errors[0].starts_with("t.csv:4: ") && errors[0].contains("missing_id"), "{errors:?}");
        assert!(errors[1].starts_with("t.csv:5: column 4: wrong_type in qps"), "{errors:?}");
    }

    #[test]
    fn compressed_files_are_read_as_they_are() {
        let mapping = Mapping::parse("map.yaml", MAPPING).expect("the mapping is right");
        let plain = read("t.csv", CSV.as_bytes(), Shape::Csv(&mapping)).len();
        assert_eq!(read("t.csv.gz", &gz(CSV.as_bytes()), Shape::Csv(&mapping)).len(), plain);
        let zst = zstd::encode_all(CSV.as_bytes(), 1).expect("a vector takes whatever is written");
        assert_eq!(read("t.csv.zst", &zst, Shape::Csv(&mapping)).len(), plain);
    }

    #[test]
    fn json_lines_are_native_without_a_mapping() {
        let native = r#"{"event_time":"2026-01-01T00:00:10Z","agent_id":"a","instance_id":"i","queue_depth":3}"#;
        let text = format!("{native}\n\n{{\"agent_id\":1\n{native}");
        let rows = read("t.jsonl", text.as_bytes(), Shape::JsonLines(None));
        assert_eq!((rows.len(), &rows[0], &rows[2]), (3, &Ok((10, 1)), &Ok((10, 1))));
        assert!(rows[1].as_ref().unwrap_err().starts_with("t.jsonl:3: "), "{:?}", rows[1]);
    }
}
