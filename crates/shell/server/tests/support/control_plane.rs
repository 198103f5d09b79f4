//! A real Kubernetes control plane with simulated nodes, and KEDA on it (`scripts/parts`); and when its pods became ready.

use super::broker::skipped;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROLE: &str = include_str!("../../../../../deploy/kubernetes/actuator/role.yaml");

/// Etcd, API server, controllers, a node that makes pods ready; gone when dropped.
pub(crate) struct ControlPlane {
    folder: TempDir,
    port: u16,
    with_keda: bool,
    /// One at a time: each takes most of a processor.
    _alone: MutexGuard<'static, ()>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// Whether a script of `scripts/parts` says that its part is installed; if not the test is skipped, aloud. Nobody requires
/// these parts, since building them takes long.
pub(crate) fn is_installed(test: &str, part: &str, arguments: &[&str]) -> bool {
    let script = root().join("scripts/parts").join(part);
    let is_there = Command::new(script).arg("installed").args(arguments).status().is_ok_and(|status| status.success());
    if !is_there {
        skipped(test, &format!("scripts/parts/{part} install {}, once", arguments.join(" ")));
    }
    is_there
}

impl ControlPlane {
    /// Starts one, with KEDA or without.
    pub(crate) fn start(test: &str, with_keda: bool) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_installed(test, "kubernetes", &["controllers"]) || (with_keda && !is_installed(test, "keda", &[])) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let own = Self { folder, port: free_ports(11), with_keda, _alone: alone };
        own.succeed("kubernetes", &["up", "controllers"]);
        if with_keda {
            own.succeed("keda", &["up"]);
        }
        Some(own)
    }

    fn command(&self, part: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("scripts/parts").join(part));
        command
            .args(arguments)
            .env("KUBE_DATA", self.folder.path().join("kubernetes"))
            .env("KUBE_PORT", self.port.to_string())
            .env("KEDA_DATA", self.folder.path().join("keda"))
            .env("KEDA_PORT", (self.port + 6).to_string())
            .stdin(Stdio::null());
        command
    }

    fn succeed(&self, part: &str, arguments: &[&str]) -> String {
        succeeded(part, arguments, self.command(part, arguments).output())
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.succeed("kubernetes", &[&["kubectl"], arguments].concat())
    }

    pub(crate) fn apply(&self, manifest: &str) {
        let arguments = ["kubectl", "apply", "--filename", "-"];
        let mut command = self.command("kubernetes", &arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl");
        child.stdin.take().expect("a pipe").write_all(manifest.as_bytes()).expect("it reads");
        succeeded("kubernetes", &arguments, child.wait_with_output());
    }

    /// A deployment in the namespace `default`; its pods have the label `app`.
    pub(crate) fn deployment(&self, name: &str, replicas: u32) {
        self.kubectl(&["create", "deployment", name, "--image=none", &format!("--replicas={replicas}")]);
    }

    /// How an actuator with the rights of `deploy/kubernetes/actuator` reaches it, and no more.
    pub(crate) fn actuator(&self) -> PathBuf {
        let here = |text: &str| text.replace("namespace: agents", "namespace: default");
        self.apply(&here(ROLE).replace("namespace: tidegauge", "namespace: default"));
        let token = self.kubectl(&["create", "token", "tidegauge-actuator"]);
        let admin = std::fs::read_to_string(self.folder.path().join("kubernetes/admin.conf")).expect("admin.conf");
        let user = |line: &str| match line.starts_with("users:") {
            true => format!("users: [{{ name: admin, user: {{ token: \"{}\" }} }}]\n", token.trim()),
            false => format!("{line}\n"),
        };
        let path = self.folder.path().join("actuator.conf");
        std::fs::write(&path, admin.lines().map(user).collect::<String>()).expect("a file");
        path
    }

    /// Watches the pods of a deployment from now on.
    pub(crate) fn pods(&self, app: &str) -> Pods {
        let columns = "custom-columns=E:.type,N:.object.metadata.name,H:.object.spec.nodeName,\
            R:.object.status.conditions[?(@.type==\"Ready\")].status";
        let label = format!("--selector=app={app}");
        let arguments =
            ["kubectl", "get", "pods", "--watch", "--output-watch-events", "--no-headers", &label, "--output", columns];
        let mut child = self.command("kubernetes", &arguments).stdout(Stdio::piped()).spawn().expect("kubectl");
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        let (lines, shared) = (BufReader::new(child.stdout.take().expect("a pipe")).lines(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                note(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), &line);
            }
        });
        Pods { child, seen }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.with_keda {
            let _ = self.command("keda", &["down"]).output();
        }
        let _ = self.command("kubernetes", &["down"]).output();
    }
}

/// When something was first seen of a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod {
    pub(crate) made: Instant,
    pub(crate) scheduled: Option<Instant>,
    pub(crate) ready: Option<Instant>,
}

/// The pods of a deployment, as they are told.
pub(crate) struct Pods {
    child: Child,
    seen: Arc<Mutex<BTreeMap<String, Pod>>>,
}

impl Pods {
    /// Those that are there now.
    pub(crate) fn now(&self) -> BTreeMap<String, Pod> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names of those that are ready.
    pub(crate) fn ready(&self) -> Vec<String> {
        self.now().into_iter().filter(|(_, pod)| pod.ready.is_some()).map(|(name, _)| name).collect()
    }

    /// Waits until there are so many, all of them ready, and says how long that took.
    pub(crate) fn wait_for(&self, count: usize, patience: Duration, why: impl Fn() -> String) -> Duration {
        let begin = Instant::now();
        loop {
            let pods = self.now();
            if pods.len() == count && pods.values().all(|pod| pod.ready.is_some()) {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < patience, "not {count} pods that are ready: {pods:?}\n{}", why());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ADDED planner-7d9f8 kwok True`.
fn note(pods: &mut BTreeMap<String, Pod>, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [event, name, node, ready] = words[..] else { return };
    if event == "DELETED" {
        pods.remove(name);
        return;
    }
    let now = Instant::now();
    let pod = pods.entry(name.to_owned()).or_insert(Pod { made: now, scheduled: None, ready: None });
    if node != "<none>" {
        pod.scheduled.get_or_insert(now);
    }
    if ready == "True" {
        pod.ready.get_or_insert(now);
    }
}

fn succeeded(part: &str, arguments: &[&str], output: std::io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("scripts/parts/{part}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "scripts/parts/{part} {arguments:?}: {}\n{err}", output.status);
    out.into_owned()
}

/// The first of so many ports in a row that are free.
fn free_ports(count: u16) -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let begin = 21_000 + (std::process::id() % 500) as u16 * 16;
    let mut all = (0..500).map(|step| begin + step * count);
    all.find(|port| (0..count).all(|offset| is_free(port + offset))).expect("free ports")
}
