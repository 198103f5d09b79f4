//! Options of `actuate`.

use clap::{Args, Subcommand};
use std::net::SocketAddr;

/// Who carries decisions out.
#[derive(Debug, Subcommand)]
pub enum ActuateCommand {
    /// Print what would be done, change nothing, and publish nothing
    DryRun(DryRunArgs),
    /// Post decisions to an address, signed, until each is answered or has expired
    Webhook(WebhookArgs),
    /// Set the replicas of Deployments, StatefulSets, Rollouts, and wait until they are ready
    Kubernetes(KubernetesArgs),
    /// Answer KEDA with the standing decisions, as an external scaler
    Keda(KedaArgs),
}

/// How long to go on.
#[derive(Args, Clone, Copy, Debug)]
pub struct Until {
    /// Read to the ends that the topic has at the start, carry that out, and stop
    #[arg(long)]
    pub until_end: bool,
}

/// Options of `actuate dry-run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge actuate dry-run
  tidegauge actuate dry-run --until-end
A line for each decision that an actuator would carry out now. A consumer group of its own remembers how far it has come.")]
pub struct DryRunArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub until: Until,
}

/// Options of `actuate webhook`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge actuate webhook --set actuate.webhook.url=https://scaler.example.com/decisions
What is posted, how it is signed, and what an answer means: docs/howto-actuators.md. What came of each decision is
published to topics.scaling_events. Exits with 78 if no address is configured, with 69 if no broker answers.")]
pub struct WebhookArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub until: Until,
}

/// Options of `actuate kubernetes`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge actuate kubernetes
  tidegauge actuate kubernetes --set 'actuate.kubernetes.workloads=[{agent: planner, namespace: agents}]'
Sets replicas by the scale subresource, and keeps the generation in an annotation of the workload. The rights that it
needs: deploy/kubernetes/actuator. What came of each decision is published to topics.scaling_events. Exits
with 78 if no workload is configured or nothing says how to reach the cluster, with 69 if no broker answers.")]
pub struct KubernetesArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is declared")]
    pub until: Until,
}

/// Options of `actuate keda`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidegauge actuate keda
  tidegauge actuate keda --listen 0.0.0.0:9443      # in a pod
A trigger of type external (or external-push) names the agent in its metadata: docs/howto-actuators.md. KEDA changes the
workload, and does not tell what came of it: no scaling events are published.")]
pub struct KedaArgs {
    /// Where to answer, instead of actuate.keda.listen; port 0 takes a free one, which the log names
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
}
