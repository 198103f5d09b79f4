//! The standing decisions, for KEDA; and what becomes of them, for the topic of scaling events.

use super::{Actuate, Follow, now};
use crate::config::Config;
use crate::exit::{Code, Failure};
use crate::health::WorkerHealth;
use crate::{commands, connect};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;
use tidegauge_actuate::adapter::Crew;
use tidegauge_actuate::keda::{Scaler, Standing, Watch, serve};
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
pub fn run(config: &Config, listen: SocketAddr, health: &WorkerHealth, stop: &AtomicBool) -> anyhow::Result<()> {
    let (topic, scaling_events) = (config.topics.decisions_current.clone(), config.topics.scaling_events.clone());
    let topics = connect::admin(config)?.topics(&[&topic, &scaling_events])?;
    if !topics.contains_key(&topic) {
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
        let mut working = vec![scope.spawn(|| answer(listen, standing.clone(), stop))];
        if topics.contains_key(&scaling_events) {
            working.push(scope.spawn(|| watch(config, standing.clone(), health, stop)));
        } else {
            tracing::warn!(topic = scaling_events, "does not exist: nobody is told what becomes of decisions");
            health.running();
        }
        while !stop.load(Ordering::Acquire) && !working.iter().any(ScopedJoinHandle::is_finished) {
            if let Err(error) = follow.round(|value| take(&standing, value)) {
                // Decisions expire meanwhile, and then KEDA is told so.
                tracing::warn!(%error, "reading standing decisions");
            }
            health.beat();
            std::thread::sleep(LOOK);
        }
        // One that has failed takes the other along.
        stop.store(true, Ordering::Release);
        let results =
            working.into_iter().map(|each| each.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

fn watch(config: &Config, standing: Standing, health: &WorkerHealth, stop: &AtomicBool) -> anyhow::Result<()> {
    let crew = Crew::new(Arc::new(Watch::new(standing, now)))?;
    Actuate::join(config, crew, true, health.clone(), stop)?.run(false)
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
