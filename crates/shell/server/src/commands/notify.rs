//! `notify`: tells people of alerts.

use crate::cli::NotifyCommand;
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::health::Health;
use crate::http;
use crate::notify::Notify;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidegauge_actuate::notify::Notifier;
use tidegauge_actuate::notify::alertmanager::Alertmanager;
use tidegauge_actuate::notify::webhook::AlertWebhook;

/// Runs the command.
///
/// # Errors
///
/// Nobody is configured to be told, or an address is taken (78); no broker answers (69).
pub fn run(config: &Config, command: &NotifyCommand) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("listening for signals")?;
    }
    let notifier: Box<dyn Notifier> = match command {
        NotifyCommand::Alertmanager(_) => {
            let known = config.notify.alertmanager.clone().ok_or_else(|| missing("notify.alertmanager.urls"))?;
            Box::new(Alertmanager::new(known).context("making an HTTP client")?)
        }
        NotifyCommand::Webhook(_) => {
            let (webhook, groups) = config.notify.webhook.clone().ok_or_else(|| missing("notify.webhook.url"))?;
            Box::new(AlertWebhook::new(webhook, groups).context("making an HTTP client")?)
        }
    };
    let health = Health::new(&[("notify", 1)]);
    if let Some(listen) = config.notify.listen {
        http::serve("notify.listen", listen, health.clone())?;
    }
    Notify::join(config, notifier, health.worker("notify", 0), &stop)?.run()
}

fn missing(key: &str) -> Failure {
    Failure::new(Code::Config, format!("{key} is not set: there is nobody to tell of alerts"))
}
