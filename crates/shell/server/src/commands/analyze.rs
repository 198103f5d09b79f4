//! `analyze`: the report of a period of telemetry, from a file or from the topics.

use crate::cli::{ReportArgs, ReportForm};
use crate::config::{Config, ConfigError, Layers};
use crate::exit::{Code, Failure};
use crate::output::Form;
use crate::replay::range::Point;
use crate::report::{self, Document, FileInput, Quality};
use crate::sheet::Sheet;
use crate::telemetry;
use crate::trace::open_bytes;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidegauge_analytics::report::{Analysis, ReportConfig};
use tidegauge_analytics::strategy::{Size, SizeCatalogue};
use tidegauge_model::{ScalingEvent, WindowSummary};
use tidegauge_wire::Mapping;

/// Runs the command. Only telemetry of topics needs a configuration.
///
/// # Errors
///
/// A file that is not there, or of which no line could be read; a broker that is away.
pub fn run(layers: &Layers, args: &ReportArgs) -> anyhow::Result<()> {
    let mut analysis = Analysis::new(report_config(args)?);
    for event in args.events.as_deref().map(read_events).transpose()?.into_iter().flatten() {
        analysis.event(event);
    }
    let source = Telemetry {
        file: file_input(args)?,
        from: args.from.clone(),
        to: args.to.clone(),
        window: args.window,
        agent: args.agent.as_deref(),
    };
    let quality = source.read(layers, &mut analysis)?;
    let fleet = analysis.fleet();
    let document = Document { quality, window_s: args.window.as_secs_f64(), fleet, agents: analysis.finish() };
    super::print(&match args.output {
        ReportForm::Table => Form::Table.text(&document, |colours| report::table(&document, colours))?,
        ReportForm::Json => Form::Json.text(&document, |_| String::new())?,
        ReportForm::Yaml => Form::Yaml.text(&document, |_| String::new())?,
        ReportForm::Csv => report::csv(&document)?,
        ReportForm::Html => report::report_page(&document),
    })
}

/// Telemetry whose windows are analyzed: of a file, or of the topics.
pub(super) struct Telemetry<'a> {
    pub(super) file: Option<FileInput>,
    pub(super) from: Option<Point>,
    pub(super) to: Option<Point>,
    pub(super) window: Duration,
    /// Only agents whose name holds it.
    pub(super) agent: Option<&'a str>,
}

impl Telemetry<'_> {
    /// Gives each closed window to `analysis`.
    ///
    /// # Errors
    ///
    /// A file that is not there, or of which no line could be read; a broker that is away.
    pub(super) fn read(&self, layers: &Layers, analysis: &mut Analysis) -> anyhow::Result<Quality> {
        if self.window.as_micros() == 0 {
            return Err(Failure::new(Code::Usage, "--window has to be a microsecond or longer").into());
        }
        let is_wanted = |window: &WindowSummary| self.agent.is_none_or(|text| window.target.to_string().contains(text));
        let quality = if let Some(input) = &self.file {
            let bar = progress_bar(&input.file);
            let quality = report::read_file(input, &bar, &mut |window| {
                if is_wanted(window) {
                    analysis.window(window);
                }
            });
            bar.finish_and_clear();
            quality?
        } else {
            let shared = Mutex::new(analysis);
            self.read_topics(layers, &|window| {
                if is_wanted(window) {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).window(window);
                }
            })?
        };
        if quality.rows == 0 {
            let why = quality.first_refused.map_or_else(String::new, |first| format!("; the first: {first}"));
            let message = format!("{}: no row could be read, {} refused{why}", quality.source, quality.refused);
            return Err(Failure::new(Code::Data, message).into());
        }
        Ok(quality)
    }

    fn read_topics(&self, layers: &Layers, take: &(dyn Fn(&WindowSummary) + Sync)) -> anyhow::Result<Quality> {
        let config = Config::load(layers)?;
        telemetry::init(config.log, config.log.level)?;
        let (from, to) = (self.from.clone().unwrap_or(Point::Beginning), self.to.clone().unwrap_or(Point::End));
        crate::replay::windows(&config, self.window, &from, &to, take)
    }
}

fn report_config(args: &ReportArgs) -> anyhow::Result<ReportConfig> {
    let mut config = ReportConfig::default();
    config.live.load.slo_ms = args.slo_ms;
    config.live.load.utilization_objective = args.utilization;
    config.objectives.p95_ms = args.slo_ms;
    config.objectives.error_rate = args.slo_error_rate;
    config.objectives.utilization = Some(args.utilization);
    config.sizes = match (&args.sizes, &args.size) {
        (Some(file), Some(size)) => Some((read_sizes(file)?, size.clone())),
        _ => None,
    };
    if let Some((sizes, name)) = &config.sizes
        && sizes.get(name).is_none()
    {
        let names = sizes.sizes().iter().map(|size| size.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(Code::Usage, format!("--size: there is no size {name}; there are {names}")).into());
    }
    Ok(config)
}

/// A catalogue of sizes, from a CSV file.
///
/// # Errors
///
/// [`Code::NoInput`], or [`Code::Data`] with the line.
pub fn read_sizes(file: &Path) -> Result<SizeCatalogue, Failure> {
    let sheet = Sheet::read(file)?;
    let columns = ["size", "cpu_cores", "memory_gb", "rps", "cost_per_month"].map(|name| sheet.required(name));
    let [name, cpu, memory, rps, cost] = columns;
    let (name, numbers) = (name?, [cpu?, memory?, rps?, cost?]);
    let size = |row| {
        let mut values = [0.0; 4];
        for (value, column) in values.iter_mut().zip(numbers) {
            let found = sheet.number(row, column)?.filter(|found| *found >= 0.0);
            *value = found.ok_or_else(|| sheet.wrong(row, column, "a number of at least 0"))?;
        }
        let [cpu_cores, memory_gb, rps, cost_per_month] = values;
        Ok(Size { name: sheet.text(row, name).to_owned(), cpu_cores, memory_gb, rps, cost_per_month })
    };
    Ok(SizeCatalogue::new(sheet.rows.iter().map(size).collect::<Result<_, Failure>>()?))
}

fn read_events(file: &Path) -> Result<Vec<ScalingEvent>, Failure> {
    let name = file.display();
    let failed = |error: std::io::Error| Failure::new(Code::NoInput, format!("cannot read {name}: {error}"));
    let mut events = Vec::new();
    for (at, line) in BufReader::new(open_bytes(file).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let event = serde_json::from_str(&line)
            .map_err(|error| Failure::new(Code::Data, format!("{name}:{}: not a scaling event: {error}", at + 1)))?;
        events.push(event);
    }
    Ok(events)
}

fn file_input(args: &ReportArgs) -> anyhow::Result<Option<FileInput>> {
    let mapping = args.map.as_deref().map(read_mapping).transpose()?;
    let (file, is_csv) = match (&args.csv, &args.jsonl) {
        (Some(file), _) => (file, true),
        (None, Some(file)) => (file, false),
        (None, None) => return Ok(None),
    };
    Ok(Some(FileInput { file: file.clone(), is_csv, mapping, window: args.window, disorder: args.disorder }))
}

fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::Config, format!("cannot read the mapping {}: {error}", path.display())))?;
    Ok(Mapping::parse(&path.display().to_string(), &text).map_err(ConfigError::from)?)
}

/// On a terminal only.
fn progress_bar(file: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed}, {eta} left");
    let length = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    ProgressBar::new(length).with_style(style.expect("the template is right"))
}
