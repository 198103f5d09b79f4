//! Options of `demo`.

use clap::Args;
use std::net::SocketAddr;
use tidegauge_policy::policy::Preset;

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  tidegauge demo                                    # until q or Ctrl-C
  tidegauge demo --preset aggressive --seed 7
  tidegauge demo --seconds 75 --no-tty              # a check: exits with 0 or 1
  tidegauge demo --seconds 75 --no-tty --no-actuate # nobody obeys, which must fail
It needs no broker, reads no configuration and writes no file. With --seconds it exits with 0 only if every agent whose
load swings was scaled up and down by decisions that were carried out, and every agent ended within its objectives; else
with 1, and with 130 if Ctrl-C came before the end.")]
pub struct DemoArgs {
    /// End after so many seconds, 60 or more, and say whether it went well [default: go on until q or Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(60..=86_400))]
    pub seconds: Option<u32>,
    /// Print lines, also on a terminal
    #[arg(long)]
    pub no_tty: bool,
    /// Obey no decision
    #[arg(long)]
    pub no_actuate: bool,
    /// Equal seeds: the same load, the same noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Thresholds and bounds to begin with: aggressive, balanced or conservative
    #[arg(long, default_value = "balanced", value_parser = preset)]
    pub preset: Preset,
    /// Where to answer over HTTP, as `run` does at http.listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

fn preset(text: &str) -> Result<Preset, String> {
    let named = [Preset::Aggressive, Preset::Balanced, Preset::Conservative].into_iter().find(|p| p.name() == text);
    named.ok_or_else(|| "expected aggressive, balanced or conservative".to_owned())
}
