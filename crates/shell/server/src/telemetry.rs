//! What tidegauge says of itself as it goes: log lines on standard error, for people on a terminal, one JSON object a
//! line otherwise.

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::exit::{Code, Failure};
use crate::terminal::has_colours_on;
use anyhow::Context as _;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The environment variable that has precedence over `log.level`.
pub const VARIABLE: &str = "TIDEGAUGE_LOG";

/// Of a consumer that its reader has closed, the client complains on dropping it that it is closed.
const QUIET: &str = "rdkafka::consumer::base_consumer=off";

/// Starts logging, once in the process's life.
///
/// # Errors
///
/// [`Failure`] with [`Code::Config`] if [`VARIABLE`] is set to something that is no filter.
pub fn init(config: LogConfig, level: LogLevel) -> anyhow::Result<()> {
    init_to(config, level, std::io::stderr)
}

/// [`init`] with another place for lines: one that has them on standard error in the end.
///
/// # Errors
///
/// As [`init`].
pub fn init_to<W>(config: LogConfig, level: LogLevel, to: W) -> anyhow::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let variable = std::env::var(VARIABLE).ok();
    let mut filter = filter(variable.as_deref(), level)?;
    if !variable.is_some_and(|asked| asked.contains("rdkafka")) {
        filter = filter.add_directive(QUIET.parse().context("a directive")?);
    }
    let terminal = std::io::stderr().is_terminal();
    let human = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to);
    if human {
        builder.with_ansi(has_colours_on(&std::io::stderr())).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    Ok(())
}

fn filter(variable: Option<&str>, level: LogLevel) -> Result<EnvFilter, Failure> {
    let text = variable.filter(|text| !text.trim().is_empty()).unwrap_or(level.name());
    EnvFilter::try_new(text).map_err(|error| {
        let expected = "expected a level such as debug, or filters such as info,tidegauge_kafka=debug";
        Failure::new(Code::Config, format!("environment variable {VARIABLE}: {expected}, found `{text}`: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_has_precedence_and_a_wrong_one_is_named() {
        let shown = |variable| filter(variable, LogLevel::Info).map(|filter| filter.to_string());
        assert_eq!(shown(None).unwrap(), "info");
        assert_eq!(shown(Some("")).unwrap(), "info");
        assert_eq!(shown(Some("warn,tidegauge_kafka=debug")).unwrap(), "tidegauge_kafka=debug,warn");
        let error = shown(Some("tidegauge=loud")).unwrap_err();
        assert!(error.to_string().contains(VARIABLE) && error.code == Code::Config, "{error}");
    }
}
