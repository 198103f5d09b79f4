//! The scaler as KEDA meets it: calls through the generated client, in memory; and over a socket.

mod common;

use common::{at, decision};
use futures::StreamExt as _;
use prost::Message as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;
use tidegauge_actuate::keda::interface::external_scaler_client::ExternalScalerClient;
use tidegauge_actuate::keda::interface::{GetMetricsRequest, ScaledObjectRef};
use tidegauge_actuate::keda::{Scaler, Standing};
use tidegauge_model::{EventTime, Mode};
use tonic::Code;

fn now() -> EventTime {
    at(100)
}

fn object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    ScaledObjectRef {
        name: "planner".into(),
        namespace: "agents".into(),
        scaler_metadata: metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

#[test]
fn the_metric_is_the_number_of_replicas_and_one_replica_stands_for_one() {
    run(async {
        let standing = Standing::default();
        standing.take(decision(3, 2, 7, 90..150));
        let mut client = ExternalScalerClient::new(Scaler::new(standing, now).service());
        let planner = object(&[("agent", "planner")]);
        let spec = client.get_metric_spec(planner.clone()).await.expect("a spec").into_inner().metric_specs;
        let (name, size) = (spec[0].metric_name.clone(), spec[0].target_size_float);
        assert_eq!((spec.len(), size, spec[0].target_size), (1, 1.0, 1));
        let request = GetMetricsRequest { scaled_object_ref: Some(planner.clone()), metric_name: name.clone() };
        let values = client.get_metrics(request).await.expect("a value").into_inner().metric_values;
        assert_eq!((values[0].metric_name.as_str(), values[0].metric_value_float), (name.as_str(), 7.0));
        assert_eq!((values.len(), values[0].metric_value), (1, 7));
        assert!(client.is_active(planner).await.expect("an answer").into_inner().result);
    });
}

#[test]
fn e1_without_a_valid_decision_there_is_an_error_and_never_a_number() {
    let (mut zero, mut shadow) = (decision(1, 2, 0, 90..150), decision(1, 2, 9, 90..150));
    (zero.target.agent, shadow.mode) = ("zero".into(), Mode::Shadow);
    let cases = [
        ("nothing was decided", None, &[("agent", "planner")][..], Code::NotFound),
        (
            "another workspace",
            Some(decision(1, 2, 9, 90..150)),
            &[("agent", "planner"), ("workspace", "w")],
            Code::NotFound,
        ),
        ("another region", Some(decision(1, 2, 9, 90..150)), &[("agent", "planner"), ("region", "eu")], Code::NotFound),
        ("nobody is meant to act", Some(shadow), &[("agent", "planner")], Code::NotFound),
        ("expired", Some(decision(1, 2, 9, 50..100)), &[("agent", "planner")], Code::Unavailable),
        ("not yet", Some(decision(1, 2, 9, 101..200)), &[("agent", "planner")], Code::Unavailable),
        ("no agent is named", Some(decision(1, 2, 9, 90..150)), &[], Code::InvalidArgument),
    ];
    run(async {
        for (name, standing_decision, metadata, want) in cases {
            let standing = Standing::default();
            standing_decision.into_iter().for_each(|decision| standing.take(decision));
            let mut client = ExternalScalerClient::new(Scaler::new(standing, now).service());
            let request = GetMetricsRequest { scaled_object_ref: Some(object(metadata)), metric_name: "any".into() };
            let metrics = client.get_metrics(request).await.expect_err(name);
            let active = client.is_active(object(metadata)).await.expect_err(name);
            assert_eq!((metrics.code(), active.code()), (want, want), "{name}: {metrics}");
        }
        let standing = Standing::default();
        standing.take(zero);
        let mut client = ExternalScalerClient::new(Scaler::new(standing, now).service());
        let answer = client.is_active(object(&[("agent", "zero")])).await.expect("an answer");
        assert!(!answer.into_inner().result, "zero instances are an answer");
    });
}

#[test]
fn e2_the_greatest_generation_stands_and_of_one_what_was_decided_last() {
    let standing = Standing::default();
    let target = common::sample_target();
    let mut later = decision(2, 2, 6, 90..150);
    later.decided_at = at(95);
    for (decision, want) in [
        (decision(2, 2, 5, 90..150), 5),
        (decision(1, 2, 9, 99..150), 5),
        (later, 6),
        (decision(2, 2, 5, 90..150), 6),
        (decision(3, 2, 8, 80..150), 8),
    ] {
        standing.take(decision);
        assert_eq!(standing.desired(&target, now()), Ok(want));
    }
}

#[test]
fn the_stream_tells_activity_at_once_and_each_change_within_a_second() {
    run(async {
        let standing = Standing::default();
        standing.take(decision(1, 2, 4, 90..150));
        let mut client = ExternalScalerClient::new(Scaler::new(standing.clone(), now).service());
        let stream = client.stream_is_active(object(&[("agent", "planner")])).await.expect("a stream");
        let mut stream = stream.into_inner();
        let mut next = async || {
            let next = tokio::time::timeout(Duration::from_secs(1), stream.next()).await;
            next.expect("within a second").expect("the stream goes on").expect("an answer").result
        };
        assert!(next().await, "at once");
        standing.take(decision(2, 4, 5, 90..150)); // as active as before: nothing is said
        standing.take(decision(3, 5, 0, 90..150));
        assert!(!next().await);
        standing.take(decision(4, 0, 1, 90..150));
        assert!(next().await);
    });
}

/// On a socket, with one decision.
struct Server {
    address: std::net::SocketAddr,
    stop: futures::channel::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    async fn start() -> Self {
        let standing = Standing::default();
        standing.take(decision(1, 2, 4, 90..150));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let until_told = async { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(tidegauge_actuate::keda::serve(listener, Scaler::new(standing, now), until_told));
        Self { address, stop, task }
    }

    async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("a task").expect("it stops when told to");
    }
}

/// What a generated client cannot show: that the server speaks HTTP/2 with prior knowledge, as KEDA does, and says
/// Unimplemented of a call that it does not have.
#[test]
fn over_a_socket_it_speaks_http_2_and_knows_what_it_does_not_have() {
    run(async {
        let server = Server::start().await;
        let address = server.address;
        // StreamMetricSpec, with no message at all: it is not there.
        let call = tokio::task::spawn_blocking(move || {
            let url = format!("http://{address}/externalscaler.ExternalScaler/StreamMetricSpec");
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--http2-prior-knowledge", "--max-time", "10", "--include", "--request", "POST"])
                .args(["--header", "content-type: application/grpc", "--header", "te: trailers"])
                .args(["--data-binary", "@-", &url])
                .stdin(Stdio::null());
            curl.output()
        });
        let answer = call.await.expect("a task").expect("curl");
        let said = String::from_utf8_lossy(&answer.stdout).to_lowercase();
        assert!(said.contains("http/2 200") && said.contains("grpc-status: 12"), "{said}");
        server.stop().await;
    });
}

/// A connection that stays open, as KEDA's does, must not keep the process from ending.
#[test]
fn an_open_stream_ends_with_the_server() {
    run(async {
        let server = Server::start().await;
        let address = server.address;

        let message = object(&[("agent", "planner")]).encode_to_vec();
        let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
        let body = [&[0], length.as_slice(), &message].concat();
        let (heard, hears) = futures::channel::oneshot::channel::<()>();
        let call = tokio::task::spawn_blocking(move || {
            let url = format!("http://{address}/externalscaler.ExternalScaler/StreamIsActive");
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--no-buffer", "--http2-prior-knowledge", "--max-time", "30", "--request", "POST"])
                .args(["--header", "content-type: application/grpc", "--header", "te: trailers"])
                .args(["--data-binary", "@-", &url])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut curl = curl.spawn().expect("curl");
            curl.stdin.take().expect("its input").write_all(&body).expect("a request");
            let mut answer = [0; 7]; // five bytes before the message, and its one field
            let mut stdout = curl.stdout.take().expect("its output");
            stdout.read_exact(&mut answer).expect("an answer");
            heard.send(()).expect("somebody waits");
            (answer[6], curl.wait().expect("it ends").success())
        });
        hears.await.expect("the first answer");
        server.stop().await;
        assert_eq!(call.await.expect("a task"), (1, true), "active, and then the stream's regular end");
    });
}
