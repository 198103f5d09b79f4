//! The section `actuate`, checked: what is scaled for whom, and how patiently.

use super::check::Checker;
use super::checked::ActuateConfig;
use super::raw::{ActuateKubernetesSection, ActuateSection, ActuateWebhookSection, WorkloadSection};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;
use tidegauge_actuate::kubernetes::{KubernetesConfig, Workload};
use tidegauge_actuate::webhook::{Key, WebhookConfig};
use tidegauge_model::{Region, Target};
use tidegauge_policy::HumanDuration;

const ANSWER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
const READY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
const POST: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
const RETRY_FIRST: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const RETRY_MOST: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(600);

/// Kinds that everybody calls the same: kind, group and version, plural.
const KINDS: [(&str, &str, &str); 4] = [
    ("Deployment", "apps/v1", "deployments"),
    ("StatefulSet", "apps/v1", "statefulsets"),
    ("ReplicaSet", "apps/v1", "replicasets"),
    ("Rollout", "argoproj.io/v1alpha1", "rollouts"),
];

impl Checker {
    pub(super) fn actuate(&mut self, raw: &ActuateSection, group: &str) -> ActuateConfig {
        ActuateConfig {
            group: raw.group.clone().unwrap_or_else(|| format!("{group}-actuate")),
            listen: raw.listen,
            kubernetes: self.kubernetes(&raw.kubernetes),
            webhook: self.actuate_webhook(&raw.webhook),
            keda_listen: raw.keda.listen,
        }
    }

    fn kubernetes(&mut self, raw: &ActuateKubernetesSection) -> Option<KubernetesConfig> {
        self.lasts("actuate.kubernetes.timeout", &ANSWER, raw.timeout);
        self.lasts("actuate.kubernetes.ready_timeout", &READY, raw.ready_timeout);
        let mut workloads = BTreeMap::new();
        let mut scaled_for: BTreeMap<String, Target> = BTreeMap::new();
        for (index, section) in raw.workloads.iter().enumerate() {
            let key = format!("actuate.kubernetes.workloads[{index}]");
            let Some((target, workload)) = self.workload(&key, section) else { continue };
            // Two targets would undo each other's generations.
            if let Some(other) = scaled_for.insert(workload.to_string(), target.clone()) {
                self.note(
                    &key,
                    format!("expected a workload of its own, but {workload} is scaled for {other} already"),
                );
            }
            if workloads.insert(target.clone(), workload).is_some() {
                self.note(&key, format!("expected each target once, but {target} is there already"));
            }
        }
        let kubeconfig = raw.kubeconfig.as_deref().map(|path| self.resolve("actuate.kubernetes.kubeconfig", path));
        let (timeout, ready_timeout) = (raw.timeout, raw.ready_timeout);
        (!workloads.is_empty()).then_some(KubernetesConfig { kubeconfig, workloads, timeout, ready_timeout })
    }

    fn workload(&mut self, key: &str, raw: &WorkloadSection) -> Option<(Target, Workload)> {
        let known = KINDS.iter().find(|(kind, ..)| *kind == raw.kind);
        let api_version = raw.api_version.clone().or_else(|| known.map(|(_, version, _)| (*version).to_owned()));
        let Some(api_version) = api_version else {
            let known = KINDS.map(|(kind, ..)| kind).join(", ");
            let kind = &raw.kind;
            self.note(key, format!("expected api_version, such as example.com/v1, since `{kind}` is none of {known}"));
            return None;
        };
        let plural = known.map_or_else(|| format!("{}s", raw.kind.to_lowercase()), |(.., plural)| (*plural).to_owned());
        let name = raw.name.clone().unwrap_or_else(|| raw.agent.clone());
        for (field, value) in [("namespace", &raw.namespace), ("name", &name)] {
            self.require(is_object_name(value), key, || {
                format!("expected as {field} small letters, digits, hyphens and dots, as Kubernetes wants it, found `{value}`")
            });
        }
        let target = Target {
            workspace: raw.workspace.as_str().into(),
            agent: raw.agent.as_str().into(),
            region: raw.region.as_deref().map(Region::from),
        };
        let plural = raw.plural.clone().unwrap_or(plural);
        let workload = Workload { api_version, kind: raw.kind.clone(), plural, namespace: raw.namespace.clone(), name };
        Some((target, workload))
    }

    fn actuate_webhook(&mut self, raw: &ActuateWebhookSection) -> Option<WebhookConfig> {
        let ActuateWebhookSection { url, secret_file, timeout, retry_first, retry_most } = raw;
        self.webhook("actuate.webhook", url.as_deref(), secret_file.as_deref(), (*timeout, *retry_first, *retry_most))
    }

    /// An address that is posted to; the section at `at` says where, how it is signed, and how patiently: how long one
    /// answer may take, the first pause and the longest.
    pub(super) fn webhook(
        &mut self,
        at: &str,
        url: Option<&str>,
        secret_file: Option<&Path>,
        (timeout, retry_first, retry_most): (Duration, Duration, Duration),
    ) -> Option<WebhookConfig> {
        self.patience(at, timeout, retry_first, retry_most);
        let secret_key = format!("{at}.secret_file");
        let secret = secret_file.and_then(|path| self.secret(&secret_key, path));
        let key = secret.and_then(|secret| match Key::parse(secret.reveal()) {
            Ok(key) => Some(key),
            Err(error) => {
                self.note(&secret_key, error.to_string());
                None
            }
        });
        let Some(url) = url else {
            self.require(secret_file.is_none(), &secret_key, || {
                format!("expected with {at}.url only, but none is set")
            });
            return None;
        };
        self.is_address(&format!("{at}.url"), url);
        Some(WebhookConfig { url: url.to_owned(), key, timeout, retry_first, retry_most })
    }

    /// How long one answer may take, and the pauses between two tries.
    pub(super) fn patience(&mut self, at: &str, timeout: Duration, retry_first: Duration, retry_most: Duration) {
        self.lasts(&format!("{at}.timeout"), &POST, timeout);
        let keys = ["retry_first", "retry_most"].map(|key| format!("{at}.{key}"));
        self.lasts(&keys[0], &RETRY_FIRST, retry_first);
        self.lasts(&keys[1], &RETRY_MOST, retry_most);
        if retry_first > retry_most {
            let [first, most] = [retry_first, retry_most].map(HumanDuration);
            self.note_between(
                &[&keys[0], &keys[1]],
                format!("expected retry_first to be at most retry_most, {most} here, found {first}"),
            );
        }
    }

    pub(super) fn is_address(&mut self, key: &str, url: &str) {
        let is_address =
            ["http://", "https://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        self.require(is_address, key, || format!("expected http://… or https://…, found `{url}`"));
    }

    pub(super) fn lasts(&mut self, key: &str, range: &RangeInclusive<Duration>, value: Duration) {
        self.require(range.contains(&value), key, || {
            let [least, most, found] = [*range.start(), *range.end(), value].map(HumanDuration);
            format!("expected {least} to {most}, found {found}")
        });
    }
}

/// RFC 1123, as the API server checks names of objects.
fn is_object_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=253).contains(&name.len()) && name.chars().all(fits) && name.starts_with(ends) && name.ends_with(ends)
}
