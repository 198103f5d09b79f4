//! `actuate`: carries decisions out.

use crate::actuate::{Actuate, keda, now};
use crate::cli::ActuateCommand;
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::health::Health;
use crate::http;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidegauge_actuate::adapter::{Adapter, Crew};
use tidegauge_actuate::dry_run::DryRun;
use tidegauge_actuate::kubernetes::Kubernetes;
use tidegauge_actuate::webhook::Webhook;

/// Runs the command.
///
/// # Errors
///
/// Nothing is configured to be scaled, or an address is taken (78); no broker answers (69).
pub fn run(config: &Config, command: &ActuateCommand) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listening for signals")?;
    }
    let health = Health::new(&[("actuate", 1)]);
    if let Some(listen) = config.actuate.listen {
        http::serve("actuate.listen", listen, health.clone())?;
    }
    let worker = health.worker("actuate", 0);
    match command {
        ActuateCommand::DryRun(args) => {
            // A reader that has gone away is no reason to stop.
            let say = |line: &str| drop(super::print(&format!("{line}\n")));
            let crew = Crew::new(Arc::new(DryRun::new(say)))?;
            Actuate::join(config, crew, false, worker, &stop)?.run(args.until.until_end)
        }
        ActuateCommand::Webhook(args) => {
            let Some(webhook) = config.actuate.webhook.clone() else {
                return Err(missing("actuate.webhook.url").into());
            };
            let crew = Crew::new(Arc::new(Webhook::new(webhook, now).context("making an HTTP client")?))?;
            Actuate::join(config, crew, true, worker, &stop)?.run(args.until.until_end)
        }
        ActuateCommand::Kubernetes(args) => {
            Actuate::join(config, cluster(config)?, true, worker, &stop)?.run(args.until.until_end)
        }
        ActuateCommand::Keda(args) => {
            keda::run(config, args.listen.unwrap_or(config.actuate.keda_listen), &worker, &stop)
        }
    }
}

fn cluster(config: &Config) -> anyhow::Result<Crew> {
    let Some(kubernetes) = config.actuate.kubernetes.clone() else {
        return Err(missing("actuate.kubernetes.workloads").into());
    };
    Crew::start(async {
        let adapter = Kubernetes::connect(kubernetes, now).await;
        let adapter = adapter.map_err(|error| Failure::new(Code::Config, error.to_string()))?;
        Ok(Arc::new(adapter) as Arc<dyn Adapter>)
    })
}

fn missing(key: &str) -> Failure {
    Failure::new(Code::Config, format!("{key} is not set: there is nothing to carry decisions out on"))
}
