//! The standing decisions, for KEDA.

use super::{Follow, now};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::{commands, connect};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegauge_actuate::keda::{Scaler, Standing, serve};
use tidegauge_kafka::range::RangeReader;
use tidegauge_model::Decision;
use tidegauge_wire::Output as _;

/// How often it is looked for new decisions.
const LOOK: Duration = Duration::from_millis(200);

/// Answers at `listen` until told to stop.
///
/// # Errors
///
/// No broker, no topic, or an address that is taken.
pub fn run(config: &Config, listen: SocketAddr, stop: &AtomicBool) -> anyhow::Result<()> {
    let topic = config.topics.decisions_current.clone();
    if !connect::admin(config)?.topics(&[&topic])?.contains_key(&topic) {
        return Err(commands::missing_topic(&topic).into());
    }
    let group = format!("{}-keda", config.actuate.group);
    let reader = RangeReader::new(&config.kafka.connection.consumer("actuate-keda", &group))?;
    let standing = Standing::default();
    let mut follow = Follow::new(reader, topic, stop);
    let take = |standing: &Standing, value: &[u8]| match Decision::decode(value) {
        Ok(decision) => standing.take(decision),
        Err(error) => tracing::warn!(%error, "a record that is no decision is passed over"),
    };
    // What stands is known before anybody is answered.
    follow.round(|value| take(&standing, value))?;
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| answer(listen, standing.clone(), stop));
        while !stop.load(Ordering::Acquire) && !answering.is_finished() {
            if let Err(error) = follow.round(|value| take(&standing, value)) {
                // Decisions expire meanwhile, and then KEDA is told so.
                tracing::warn!(%error, "reading standing decisions");
            }
            std::thread::sleep(LOOK);
        }
        answering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn answer(listen: SocketAddr, standing: Standing, stop: &AtomicBool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let taken =
            |error| Failure::new(Code::Config, format!("actuate.keda.listen: cannot listen on {listen}: {error}"));
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(taken)?;
        tracing::info!(address = %listener.local_addr()?, "answering KEDA");
        let stopped = async {
            while !stop.load(Ordering::Acquire) {
                tokio::time::sleep(LOOK).await;
            }
        };
        Ok(serve(listener, Scaler::new(standing, now), stopped).await?)
    })
}
