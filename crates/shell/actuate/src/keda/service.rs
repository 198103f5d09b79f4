//! The gRPC side.

use super::interface::external_scaler_server::{ExternalScaler, ExternalScalerServer};
use super::interface::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use super::standing::{Standing, Unknown};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::time::Duration;
use tidegauge_model::{EventTime, Target};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// The name of the metric; KEDA puts the number of the trigger before it.
const METRIC: &str = "tidegauge-desired-instances";
/// How often a stream looks whether a decision has begun or ceased to be valid.
const LOOK: Duration = Duration::from_secs(1);

/// Answers KEDA.
pub struct Scaler {
    standing: Standing,
    now: fn() -> EventTime,
    /// Whether it is over: streams that are open end then.
    over: watch::Sender<bool>,
}

impl Scaler {
    /// A scaler that answers from `standing`. `now` is the wall clock.
    #[must_use]
    pub fn new(standing: Standing, now: fn() -> EventTime) -> Self {
        Self { standing, now, over: watch::Sender::new(false) }
    }

    /// As a service for a gRPC server.
    #[must_use]
    pub fn service(self) -> ExternalScalerServer<Self> {
        ExternalScalerServer::new(self)
    }

    fn desired(&self, target: &Target) -> Result<u32, Status> {
        self.standing.answer(target, (self.now)()).map_err(|unknown| status(&unknown))
    }
}

/// Answers at `listener` until `stop` ends. Streams end with it: KEDA opens them anew where somebody answers.
///
/// # Errors
///
/// What the transport says.
pub async fn serve(
    listener: TcpListener,
    scaler: Scaler,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpListenerStream::new(listener);
    let over = scaler.over.clone();
    let stop = async {
        stop.await;
        over.send_replace(true);
    };
    tonic::transport::Server::builder().add_service(scaler.service()).serve_with_incoming_shutdown(incoming, stop).await
}

/// The target that a trigger's metadata names.
fn target(object: &ScaledObjectRef) -> Result<Target, Status> {
    let text = |key: &str| object.scaler_metadata.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let agent = text("agent").ok_or_else(|| {
        let (namespace, name) = (&object.namespace, &object.name);
        let message =
            format!("ScaledObject {namespace}/{name}: the trigger's metadata needs `agent`, the agent to scale by");
        Status::invalid_argument(message)
    })?;
    Ok(Target {
        workspace: text("workspace").unwrap_or("default").into(),
        agent: agent.into(),
        region: text("region").map(Into::into),
    })
}

fn status(unknown: &Unknown) -> Status {
    match unknown {
        Unknown::Never(_) => Status::not_found(unknown.to_string()),
        Unknown::Expired { .. } | Unknown::Early { .. } => Status::unavailable(unknown.to_string()),
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    async fn is_active(&self, request: Request<ScaledObjectRef>) -> Result<Response<IsActiveResponse>, Status> {
        let desired = self.desired(&target(request.get_ref())?)?;
        Ok(Response::new(IsActiveResponse { result: desired > 0 }))
    }

    type StreamIsActiveStream = BoxStream<'static, Result<IsActiveResponse, Status>>;

    /// Says nothing while nothing valid stands: activity is what it was.
    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let target = target(request.get_ref())?;
        let (standing, now, changes) = (self.standing.clone(), self.now, self.standing.changes());
        let follow = Follow { target, standing, now, changes, said: None };
        let mut over = self.over.subscribe();
        let over = async move { drop(over.wait_for(|is_over| *is_over).await) };
        Ok(Response::new(stream::unfold(follow, Follow::next).take_until(over).boxed()))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        target(request.get_ref())?; // a trigger that is wrong is told so when the ScaledObject is made
        let spec = MetricSpec { metric_name: METRIC.to_owned(), target_size: 1, target_size_float: 1.0 };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(&self, request: Request<GetMetricsRequest>) -> Result<Response<GetMetricsResponse>, Status> {
        let object = request.get_ref().scaled_object_ref.as_ref();
        let object = object.ok_or_else(|| Status::invalid_argument("expected scaledObjectRef"))?;
        let desired = self.desired(&target(object)?)?;
        let value = MetricValue {
            metric_name: request.get_ref().metric_name.clone(),
            metric_value: desired.into(),
            metric_value_float: desired.into(),
        };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

/// A stream of changes of activity.
struct Follow {
    target: Target,
    standing: Standing,
    now: fn() -> EventTime,
    changes: watch::Receiver<u64>,
    said: Option<bool>,
}

impl Follow {
    async fn next(mut self) -> Option<(Result<IsActiveResponse, Status>, Self)> {
        loop {
            self.changes.mark_unchanged();
            let now = (self.now)();
            let active = self.standing.desired(&self.target, now).map(|desired| desired > 0).ok();
            if let Some(active) = active.filter(|active| self.said != Some(*active)) {
                self.said = Some(active);
                drop(self.standing.answer(&self.target, now));
                return Some((Ok(IsActiveResponse { result: active }), self));
            }
            // Ends of validity come without a change.
            if let Ok(Err(_)) = tokio::time::timeout(LOOK, self.changes.changed()).await {
                return None;
            }
        }
    }
}
