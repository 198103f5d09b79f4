//! The first contact with the broker, for every command that needs one.

use crate::config::{Config, KafkaConfig};
use tidegauge_kafka::admin::{Admin, AdminError};
use tidegauge_kafka::client::{Cluster, Unavailable, wait_for_broker};

/// Waits until a broker answers.
///
/// # Errors
///
/// [`Unavailable`] after `kafka.startup_timeout`.
pub fn wait(kafka: &KafkaConfig) -> Result<Cluster, Unavailable> {
    let cluster = wait_for_broker(&kafka.connection, kafka.startup_timeout)?;
    tracing::info!(cluster = cluster.id, brokers = cluster.brokers, "connected to Kafka");
    Ok(cluster)
}

/// Waits until a broker answers, then makes a client for questions about topics.
///
/// # Errors
///
/// [`Unavailable`], or an [`AdminError`] if librdkafka refuses the settings.
pub fn admin(config: &Config) -> anyhow::Result<Admin> {
    wait(&config.kafka)?;
    let admin: Result<Admin, AdminError> = Admin::new(&config.kafka.connection);
    Ok(admin?)
}
