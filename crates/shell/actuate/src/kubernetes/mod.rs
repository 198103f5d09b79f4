//! Decisions to the scale subresource of Deployments, StatefulSets, Argo Rollouts, and whatever else has one.
//!
//! ```text
//!  read: metadata (generation in an annotation, version), scale (replicas, version)      both of one version, or again
//!   └─► choose ─┬─ a greater generation stands there ─► superseded
//!               ├─ a lower one, or none ─► claim: PATCH the annotation, if the version is still the same ─► read
//!               ├─ ours, other replicas ─► PATCH scale, if the version is still the same ──┐
//!               └─ ours, our replicas ─────────────────────────────────────────────────────┴─► wait until they are ready
//!                                                                               applied │ partial │ superseded by somebody
//! ```
//!
//! - **K1** Replicas are set only where the version is the one at which the annotation held our generation: whoever has
//!   claimed a greater one meanwhile has changed the version, and the API server answers 409. So of two actuators, of
//!   which one may have been dead for a while, the greater generation stands at the end.
//! - **K2** The claim outlives the actuator: begun again, it goes on from what it reads.
//! - **K3** Nothing is changed from `expires_at` on. Waiting for readiness may take longer.

pub mod advice;
mod choose;
mod ready;
mod talk;

use crate::adapter::{Adapter, Tell};
use crate::order::{Order, Outcome};
use advice::Asked;
use choose::{Found, Next, choose};
use futures::future::BoxFuture;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ObjectMeta, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use talk::Trouble;
use tidegauge_model::{EventTime, Target};

/// The annotation that holds the generation that was claimed last.
pub const GENERATION: &str = "tidegauge.io/generation";
/// The annotation that holds the id of that decision, for people.
pub const DECISION: &str = "tidegauge.io/decision";

/// Who we are among the writers of an object.
const FIELD_MANAGER: &str = "tidegauge";
/// The pause after trouble, doubled each time, and the longest: after a conflict, and where there is no good answer.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_AFTER_CONFLICT: Duration = Duration::from_millis(160);
const LONGEST: Duration = Duration::from_secs(5);

/// What is scaled for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// What the API calls many of that kind, such as `deployments`.
    pub plural: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Workload {
    fn api(&self, client: &Client) -> Api<DynamicObject> {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", &self.api_version));
        let kind = GroupVersionKind::gvk(group, version, &self.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &self.plural);
        Api::namespaced_with(client.clone(), &self.namespace, &resource)
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What is scaled, and how patiently.
#[derive(Clone, Debug)]
pub struct KubernetesConfig {
    /// A file as `kubectl` has it; `None`: the pod's own account, or what `kubectl` would take.
    pub kubeconfig: Option<PathBuf>,
    /// The workload of each target. Decisions about others are passed over.
    pub workloads: BTreeMap<Target, Workload>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long replicas may take to be ready; zero: nobody waits for them.
    pub ready_timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file cannot be read, or means nothing.
    #[error("the file that says how to reach Kubernetes: {0}")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// There is neither a file nor a pod's account.
    #[error("nothing says how to reach Kubernetes: {0}")]
    Nothing(#[source] Box<kube::config::InferConfigError>),
    /// What was said does not make a client.
    #[error(transparent)]
    Client(#[from] Box<kube::Error>),
}

/// Scales workloads of a cluster.
pub struct Kubernetes {
    client: Client,
    config: KubernetesConfig,
    now: fn() -> EventTime,
}

impl Kubernetes {
    /// Makes a client; asks the cluster nothing yet. Needs a runtime. `now` is the wall clock.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if nothing says how to reach the cluster.
    pub async fn connect(config: KubernetesConfig, now: fn() -> EventTime) -> Result<Self, ConnectError> {
        let reach = match &config.kubeconfig {
            Some(path) => {
                let kubeconfig = |error| ConnectError::Kubeconfig(Box::new(error));
                let file = Kubeconfig::read_from(path).map_err(kubeconfig)?;
                kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(kubeconfig)?
            }
            None => kube::Config::infer().await.map_err(|error| ConnectError::Nothing(Box::new(error)))?,
        };
        let client = Client::try_from(reach).map_err(Box::new)?;
        Ok(Self { client, config, now })
    }

    async fn scale(&self, order: &Order, workload: &Workload, tell: &Tell) -> Outcome {
        let api = workload.api(&self.client);
        if let Err(outcome) = self.set_replicas(&api, order, workload, tell).await {
            return outcome;
        }
        self.set_requests(&api, order, workload).await;
        match self.config.ready_timeout.is_zero() {
            true => Outcome::Applied(order.decision.desired_instances),
            false => self.wait(&api, order, workload).await,
        }
    }

    /// Until the workload has our generation and our replicas.
    async fn set_replicas(
        &self,
        api: &Api<DynamicObject>,
        order: &Order,
        workload: &Workload,
        tell: &Tell,
    ) -> Result<(), Outcome> {
        let (mut is_told, mut pause) = (false, PAUSE);
        let expires_at = order.decision.expires_at;
        loop {
            let (why, longest) = match self.step(api, order, workload, tell, &mut is_told).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    pause = PAUSE;
                    continue;
                }
                Err(Trouble::Ends(outcome)) => return Err(outcome),
                Err(Trouble::Conflict(why)) => (why, LONGEST_AFTER_CONFLICT),
                Err(Trouble::Passes(why)) => (why, LONGEST),
            };
            tracing::debug!(%workload, why, "tried again");
            if (self.now)().plus(pause) >= expires_at {
                return Err(Outcome::Failed(format!("{workload}: {why}; tried until {expires_at}")));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Reads, and does one thing about it; true: there is nothing left to do.
    async fn step(
        &self,
        api: &Api<DynamicObject>,
        order: &Order,
        workload: &Workload,
        tell: &Tell,
        is_told: &mut bool,
    ) -> Result<bool, Trouble> {
        let (found, asked) = self.read(api, workload).await?;
        let decision = &order.decision;
        let next = choose(&found, decision.generation, decision.desired_instances, (self.now)() >= decision.expires_at);
        if matches!(next, Next::Claim | Next::Scale | Next::Done) && !*is_told {
            tell.started(found.replicas);
            *is_told = true;
        }
        match next {
            Next::Done => return Ok(true),
            Next::Superseded(fence) => {
                return Err(Trouble::Ends(Outcome::Superseded(format!("{workload} has generation {fence}"))));
            }
            Next::Expired => {
                let why = format!("{workload} was not changed: it was valid until {}", decision.expires_at);
                return Err(Trouble::Ends(Outcome::Expired(why)));
            }
            Next::Claim => {
                let mut annotations = asked.annotations(decision); // K5
                annotations.insert(GENERATION.to_owned(), json!(decision.generation.to_string()));
                annotations.insert(DECISION.to_owned(), json!(decision.id));
                let claim = json!({ "metadata": { "resourceVersion": found.version, "annotations": annotations } });
                let (parameters, patch) = (parameters(), Patch::Merge(claim));
                let patched = api.patch_metadata(&workload.name, &parameters, &patch);
                self.asked(patched, workload).await?;
            }
            Next::Scale => {
                let replicas = json!({
                    "metadata": { "resourceVersion": found.version },
                    "spec": { "replicas": decision.desired_instances },
                });
                let (parameters, patch) = (parameters(), Patch::Merge(replicas));
                let patched = api.patch_scale(&workload.name, &parameters, &patch);
                self.asked(patched, workload).await?;
                // Set once: whoever changes it from now on has another opinion, and is not fought.
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Until the pods' template has the requests that are advised, where the workload asks for that. The same ones again
    /// replace no pod, so whoever goes on after a death begins here once more. That it does not work is for the log (**K6**).
    async fn set_requests(&self, api: &Api<DynamicObject>, order: &Order, workload: &Workload) {
        let expires_at = order.decision.expires_at;
        let mut pause = PAUSE;
        let why = loop {
            let why = match self.request(api, order, workload).await {
                Ok(()) => return,
                Err(Trouble::Ends(outcome)) => break outcome.why().unwrap_or_default().to_owned(),
                Err(Trouble::Conflict(why) | Trouble::Passes(why)) => why,
            };
            if (self.now)().plus(pause) >= expires_at {
                break format!("{why}; tried until {expires_at}");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        };
        tracing::warn!(%workload, why, "the replicas are set, the requests are not");
    }

    /// Sets the requests, if the generation that stands there is still ours (**K1**) and it is not too late (**K3**).
    async fn request(&self, api: &Api<DynamicObject>, order: &Order, workload: &Workload) -> Result<(), Trouble> {
        let decision = &order.decision;
        if decision.requests.is_empty() {
            return Ok(());
        }
        let object = self.asked(api.get(&workload.name), workload).await?;
        let (fence, asked) = claimed(&object.metadata, workload)?;
        if fence != Some(decision.generation) || (self.now)() >= decision.expires_at {
            return Ok(());
        }
        let lacks = |why| Trouble::Ends(Outcome::Rejected(why));
        let Some(containers) = asked.containers(decision, &object.data).map_err(lacks)? else { return Ok(()) };
        let requests = json!({
            "metadata": { "resourceVersion": object.metadata.resource_version },
            "spec": { "template": { "spec": { "containers": containers } } },
        });
        let (parameters, patch) = (parameters(), Patch::Merge(requests));
        self.asked(api.patch(&workload.name, &parameters, &patch), workload).await.map(|_| ())
    }

    /// Generation and replicas as they were at one version, and what the workload wants of advice.
    async fn read(&self, api: &Api<DynamicObject>, workload: &Workload) -> Result<(Found, Asked), Trouble> {
        let object = self.asked(api.get_metadata(&workload.name), workload).await?;
        let scale = self.asked(api.get_scale(&workload.name), workload).await?;
        let (version, of_scale) = (&object.metadata.resource_version, &scale.metadata.resource_version);
        if version.is_none() || version != of_scale {
            return Err(Trouble::Conflict("it changes while it is read".to_owned()));
        }
        let (fence, asked) = claimed(&object.metadata, workload)?;
        let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or_default();
        let replicas = u32::try_from(replicas).unwrap_or_default();
        Ok((Found { version: version.clone().unwrap_or_default(), fence, replicas }, asked))
    }

    async fn asked<T>(
        &self,
        question: impl Future<Output = kube::Result<T>>,
        workload: &Workload,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.config.timeout, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(talk::trouble(&error, workload)),
            Err(_) => Err(Trouble::Passes(format!("no answer within {:?}", self.config.timeout))),
        }
    }

    async fn wait(&self, api: &Api<DynamicObject>, order: &Order, workload: &Workload) -> Outcome {
        let decision = &order.decision;
        let (generation, desired, patience) =
            (decision.generation, decision.desired_instances, self.config.ready_timeout);
        let mut last = 0;
        let ready = ready::wait(api, workload, generation, desired, &mut last);
        match tokio::time::timeout(patience, ready).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let why = format!("{workload}: {last} of {desired} replicas were ready after {patience:?}");
                Outcome::Partial(last, why)
            }
        }
    }
}

/// The generation that was claimed last, and what the workload wants of advice.
fn claimed(metadata: &ObjectMeta, workload: &Workload) -> Result<(Option<u64>, Asked), Trouble> {
    let none = BTreeMap::new();
    let annotations = metadata.annotations.as_ref().unwrap_or(&none);
    let fence = match annotations.get(GENERATION) {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Trouble::Ends(Outcome::Rejected(format!(
                "{workload}: the annotation {GENERATION} is `{text}`, and not a number: take it away"
            )))
        })?),
    };
    let asked = Asked::of(annotations).map_err(|text| {
        Trouble::Ends(Outcome::Rejected(format!(
            "{workload}: the annotation {} is `{text}`; write `annotate`, or `apply:` and a container's name",
            advice::ASKED
        )))
    })?;
    Ok((fence, asked))
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

impl Adapter for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn covers(&self, target: &Target) -> bool {
        self.config.workloads.contains_key(target)
    }

    fn carry_out<'a>(&'a self, order: &'a Order, tell: &'a Tell) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.config.workloads.get(&order.decision.target) {
                Some(workload) => self.scale(order, workload, tell).await,
                None => Outcome::Rejected("no workload is configured for it".to_owned()),
            }
        })
    }
}
