//! Options of `notify`.

use clap::{Args, Subcommand};

/// Who is told of alerts.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Post alerts to Alertmanager, and again while they fire
    Alertmanager(AlertmanagerArgs),
    /// Post alerts to an address, in groups, signed
    Webhook(AlertWebhookArgs),
}

/// Options of `notify alertmanager`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Examples:
  tidegauge notify alertmanager --set 'notify.alertmanager.urls=[http://alertmanager:9093]'
Alertmanager groups, silences and routes; what is posted: docs/howto-alerts.md. A consumer group remembers how far it has
come. Exits with 78 if no address is configured, with 69 if no broker answers.")]
pub struct AlertmanagerArgs {}

/// Options of `notify webhook`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Examples:
  tidegauge notify webhook --set notify.webhook.url=https://chat.example.com/alerts
What is posted, and how it is grouped and signed: docs/howto-alerts.md. A consumer group remembers how far it has come.
Exits with 78 if no address is configured, with 69 if no broker answers.")]
pub struct AlertWebhookArgs {}
