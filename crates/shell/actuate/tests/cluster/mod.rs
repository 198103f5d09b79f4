//! An API server of one test, and who else is busy there.

use futures::StreamExt as _;
use kube::Client;
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tidegauge_actuate::kubernetes::GENERATION;

const ROLE: &str = include_str!("../../../../../deploy/kubernetes/actuator/role.yaml");

const ROLLOUTS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  names: {kind: Rollout, plural: rollouts, singular: rollout}
  scope: Namespaced
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
      subresources:
        scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
";
const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: NAME, annotations: {tidegauge.io/advice: 'apply:planner'}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: proxy, image: p}, {name: planner, image: a}]}}
";

/// A real API server with a data folder and ports of its own; gone when dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    port: u16,
    /// One at a time: each takes most of a processor.
    _alone: MutexGuard<'static, ()>,
}

/// Somebody who is busy until told to stop.
pub(crate) struct Busy<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T> Busy<T> {
    fn start(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self
    where
        T: Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || work(&told)) }
    }

    /// What came of it.
    pub(crate) fn stop(self) -> T {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("it has not panicked")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

impl Cluster {
    /// Starts one. Where the part is not installed the test is skipped, aloud; nobody requires it, since building it
    /// takes minutes.
    pub(crate) fn start(test: &str) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let own = Self { folder: tempfile::tempdir().expect("a folder"), port: free_ports(), _alone: alone };
        if !own.script(&["installed"]).status.success() {
            let line = format!("SKIPPED: {test}: no Kubernetes API server; scripts/parts/kubernetes install, once");
            let _ = writeln!(std::io::stderr(), "{line}"); // the stream itself: what `eprintln!` writes is captured
            return None;
        }
        own.succeed(&["up"]);
        let role = ROLE
            .replace("namespace: agents", "namespace: default")
            .replace("namespace: tidegauge", "namespace: default");
        let applied = own.pipe(&["apply", "--filename", "-"], &role);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let token = own.kubectl(&["create", "token", "tidegauge-actuator"]);
        let admin = std::fs::read_to_string(own.admin()).expect("admin.conf");
        let user = admin.lines().find(|line| line.starts_with("users:")).expect("users").to_owned();
        let mine = format!("users: [{{ name: admin, user: {{ token: \"{}\" }} }}]", token.trim());
        std::fs::write(own.actuator(), admin.replace(&user, &mine)).expect("a file");
        Some(own)
    }

    fn script(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().expect("scripts/parts/kubernetes")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("scripts/parts/kubernetes"));
        command
            .args(arguments)
            .env("KUBE_DATA", self.folder.path().join("api"))
            .env("KUBE_PORT", self.port.to_string());
        command
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.script(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {}\n{err}", output.status);
        out.into_owned()
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.succeed(&[&["kubectl"], arguments].concat())
    }

    fn pipe(&self, arguments: &[&str], text: &str) -> Output {
        let mut command = self.command(&[&["kubectl"], arguments].concat());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    fn admin(&self) -> PathBuf {
        self.folder.path().join("api/admin.conf")
    }

    /// How the actuator reaches it, with the rights of its role and no more.
    pub(crate) fn actuator(&self) -> PathBuf {
        self.folder.path().join("actuator.conf")
    }

    /// Whether the actuator's account may do something: `yes` or `no`.
    pub(crate) fn may(&self, verb: &str, resource: &str) -> String {
        let account = "--as=system:serviceaccount:default:tidegauge-actuator";
        let output = self.script(&["kubectl", "auth", "can-i", verb, resource, account]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn deployment(&self, name: &str, replicas: u32) {
        self.kubectl(&["create", "deployment", name, "--image=none", &format!("--replicas={replicas}")]);
    }

    /// A kind that the API server knows by its definition only, as it does Argo's, and one of that kind which asks for
    /// advice to be applied to its container `planner`.
    pub(crate) fn rollout(&self, name: &str) {
        self.apply(ROLLOUTS);
        self.kubectl(&["wait", "--for=condition=established", "--timeout=60s", "crd/rollouts.argoproj.io"]);
        self.apply(&ROLLOUT.replace("NAME", name));
    }

    /// Applies a manifest, once the server knows its kind.
    fn apply(&self, manifest: &str) {
        for left in (0..50).rev() {
            let output = self.pipe(&["apply", "--filename", "-"], manifest);
            if output.status.success() {
                return;
            }
            assert!(left > 0, "{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(crate) fn annotate(&self, name: &str, annotation: &str, value: &str) {
        self.kubectl(&["annotate", "--overwrite", "deployment", name, &format!("{annotation}={value}")]);
    }

    /// Sets the replicas of a deployment by hand.
    pub(crate) fn scale(&self, name: &str, replicas: u32) {
        self.kubectl(&["scale", "deployment", name, &format!("--replicas={replicas}")]);
    }

    pub(crate) fn replicas(&self, name: &str) -> u32 {
        self.field(name, "{.spec.replicas}").parse().expect("a number")
    }

    /// What stands at a path of a deployment; empty where there is nothing.
    pub(crate) fn field(&self, name: &str, path: &str) -> String {
        self.field_of("deployment", name, path)
    }

    /// The same of another kind.
    pub(crate) fn field_of(&self, kind: &str, name: &str, path: &str) -> String {
        self.kubectl(&["get", kind, name, "--output", &format!("jsonpath={path}")])
    }

    /// Says that all replicas are ready that are asked for; how often there was news.
    pub(crate) fn controller(&self, name: &str) -> Busy<u32> {
        let (admin, name) = (self.admin(), name.to_owned());
        Busy::start(move |stop| {
            run(&admin, async |api| {
                let mut said = 0;
                while !stop.load(Ordering::Acquire) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let Ok(object) = api.get(&name).await else { continue };
                    let number = |path: &str| object.data.pointer(path).and_then(serde_json::Value::as_i64);
                    let (asked, seen) = (number("/spec/replicas").unwrap_or(1), object.metadata.generation);
                    if number("/status/observedGeneration") == seen {
                        continue;
                    }
                    let counts = json!({ "observedGeneration": seen, "replicas": asked, "readyReplicas": asked });
                    let patch = Patch::Merge(json!({ "status": counts }));
                    said += u32::from(api.patch_status(&name, &PatchParams::default(), &patch).await.is_ok());
                }
                said
            })
        })
    }

    /// Writes an annotation that is nobody's, again and again: conflicts for everybody who has read before. How often.
    pub(crate) fn other_writer(&self, name: &str) -> Busy<u32> {
        let (admin, name) = (self.admin(), name.to_owned());
        Busy::start(move |stop| {
            run(&admin, async |api| {
                let mut written = 0;
                while !stop.load(Ordering::Acquire) {
                    let note = json!({ "metadata": { "annotations": { "example.com/note": written.to_string() } } });
                    written += u32::from(api.patch(&name, &PatchParams::default(), &Patch::Merge(note)).await.is_ok());
                    // Not faster than anybody can read and write.
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                written
            })
        })
    }

    /// Each generation in the annotation with the replicas beside it, whenever one of the two has changed.
    pub(crate) fn watch(&self, name: &str) -> Busy<Vec<(u64, u32)>> {
        let (admin, name) = (self.admin(), name.to_owned());
        Busy::start(move |stop| {
            run(&admin, async |api| {
                let fields = watcher::Config::default().fields(&format!("metadata.name={name}"));
                let events = watcher::watcher(api, fields);
                futures::pin_mut!(events);
                let mut seen: Vec<(u64, u32)> = Vec::new();
                loop {
                    let event = tokio::time::timeout(Duration::from_millis(500), events.next()).await;
                    match event {
                        Ok(Some(Ok(Event::Apply(object) | Event::InitApply(object)))) => {
                            let annotation = object.metadata.annotations.as_ref().and_then(|all| all.get(GENERATION));
                            let generation = annotation.map_or(0, |text| text.parse().expect("a number"));
                            let replicas = object.data.pointer("/spec/replicas").and_then(serde_json::Value::as_u64);
                            let step = (generation, u32::try_from(replicas.unwrap_or(1)).expect("few"));
                            if seen.last() != Some(&step) {
                                seen.push(step);
                            }
                        }
                        Ok(_) => {}
                        // Nothing more is under way.
                        Err(_) if stop.load(Ordering::Acquire) => return seen,
                        Err(_) => {}
                    }
                }
            })
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.script(&["down"]);
    }
}

/// Runs `work` on the deployments of the namespace `default`.
fn run<T>(kubeconfig: &Path, work: impl AsyncFnOnce(Api<DynamicObject>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).expect("a file");
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.expect("a configuration");
        let client = Client::try_from(config).expect("a client");
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        work(Api::namespaced_with(client, "default", &kube::api::ApiResource::from_gvk(&kind))).await
    })
}

/// The first of three ports in a row that are free.
fn free_ports() -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let begin = 20_000 + (std::process::id() % 1_000) as u16 * 10;
    let mut all = (0..500).map(|step| begin + step * 7);
    all.find(|port| (0..3).all(|offset| is_free(port + offset))).expect("three free ports")
}
