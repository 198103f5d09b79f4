//! What the configuration refers to: certificates, passwords, mappings, policies, alert rules.

use super::check::Checker;
use super::checked::RegistryConfig;
use super::problem::{ConfigError, Problem};
use super::raw::{IngestSection, KafkaSection, RegistrySection, SecurityProtocol, SecuritySection, TopKeys};
use crate::diagnostic::ProblemKind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegauge_engine::{ControlChange, RollupRule, SignalPlan, WindowRule};
use tidegauge_kafka::client::{Connection, Protocol, RESERVED, Sasl, Secret, Security};
use tidegauge_model::WindowSpec;
use tidegauge_policy::alert::rules::By;
use tidegauge_policy::life::alarm::Alarm;
use tidegauge_policy::{AlertRules, Document, HumanDuration, Policy, PolicyError, WorkspaceQuota, Written};
use tidegauge_wire::{KeyNames, KeySecret, Mapping};

impl Checker {
    pub(super) fn connection(&mut self, raw: &KafkaSection, node_id: &str) -> Option<Connection> {
        let before = self.problems.len();
        self.require(!raw.bootstrap.is_empty(), "kafka.bootstrap", || "expected at least one host:port".into());
        for broker in &raw.bootstrap {
            let has_port =
                broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            self.require(has_port, "kafka.bootstrap", || format!("expected host:port, found `{broker}`"));
        }
        for name in raw.properties.keys() {
            if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| reserved == name) {
                let message = format!("expected not to be set here: {instead}");
                self.note_as(ProblemKind::KafkaProperty, &format!("kafka.properties.{name}"), message);
            }
        }
        let security = self.security(&raw.security);
        let connection = Connection {
            bootstrap: raw.bootstrap.join(","),
            node: node_id.to_owned(),
            security,
            properties: raw.properties.clone(),
        };
        if self.problems.len() == before
            && let Err((property, message)) = connection.check()
        {
            let key = property.map_or_else(|| "kafka".to_owned(), |name| format!("kafka.properties.{name}"));
            self.note_as(ProblemKind::KafkaProperty, &key, format!("expected what librdkafka accepts: {message}"));
        }
        (self.problems.len() == before).then_some(connection)
    }

    fn security(&mut self, raw: &SecuritySection) -> Security {
        let protocol = match raw.protocol {
            SecurityProtocol::Plaintext => Protocol::Plaintext,
            SecurityProtocol::Ssl => Protocol::Ssl,
            SecurityProtocol::SaslSsl => Protocol::SaslSsl,
            SecurityProtocol::SaslPlaintext => Protocol::SaslPlaintext,
        };
        let name = protocol.name();
        let files = [
            ("kafka.security.ca_file", &raw.ca_file),
            ("kafka.security.certificate_file", &raw.certificate_file),
            ("kafka.security.key_file", &raw.key_file),
        ];
        let [ca_file, certificate_file, key_file] = files.map(|(key, path)| {
            if path.is_some() && !protocol.has_tls() {
                self.note(key, format!("expected with protocol ssl or sasl_ssl only, but the protocol is {name}"));
            }
            path.as_deref().and_then(|path| self.existing(key, path))
        });
        if raw.certificate_file.is_some() != raw.key_file.is_some() {
            let keys = ["kafka.security.certificate_file", "kafka.security.key_file"];
            self.note_between(&keys, "expected certificate_file and key_file together");
        }
        Security { protocol, ca_file, certificate_file, key_file, sasl: self.sasl(raw, protocol) }
    }

    fn sasl(&mut self, raw: &SecuritySection, protocol: Protocol) -> Option<Sasl> {
        let given = [
            ("kafka.security.mechanism", raw.mechanism.is_some()),
            ("kafka.security.username", raw.username.is_some()),
            ("kafka.security.password_file", raw.password_file.is_some()),
        ];
        let name = protocol.name();
        for (key, given) in given {
            if given && !protocol.has_sasl() {
                self.note(
                    key,
                    format!("expected with protocol sasl_ssl or sasl_plaintext only, but the protocol is {name}"),
                );
            }
            if !given && protocol.has_sasl() {
                let field = key.rsplit('.').next().unwrap_or_default();
                self.note(
                    "kafka.security.protocol",
                    format!("expected {field} to be set, since the protocol is {name}"),
                );
            }
        }
        let password = self.secret("kafka.security.password_file", raw.password_file.as_deref()?)?;
        Some(Sasl { mechanism: raw.mechanism?.name().to_owned(), username: raw.username.clone()?, password })
    }

    pub(super) fn registry(&mut self, raw: &RegistrySection) -> Option<RegistryConfig> {
        let key = "ingest.schema_registry";
        if raw.username.is_some() != raw.password_file.is_some() {
            let keys = ["ingest.schema_registry.username", "ingest.schema_registry.password_file"];
            self.note_between(&keys, "expected username and password_file together");
        }
        let Some(url) = raw.url.clone() else {
            if raw.username.is_some() || raw.password_file.is_some() {
                self.note(&format!("{key}.url"), "expected an address, since username or password_file is set");
            }
            return None;
        };
        let has_scheme = url.starts_with("http://") || url.starts_with("https://");
        self.require(has_scheme, &format!("{key}.url"), || format!("expected http://… or https://…, found `{url}`"));
        let password = raw.password_file.as_deref().and_then(|path| self.secret(&format!("{key}.password_file"), path));
        Some(RegistryConfig { url, user: raw.username.clone().zip(password) })
    }

    pub(super) fn secret(&mut self, key: &str, path: &Path) -> Option<Secret> {
        let text = self.text(key, path)?;
        let secret = text.trim_end();
        self.require(!secret.is_empty(), key, || format!("expected a password in {}, found nothing", path.display()));
        (!secret.is_empty()).then(|| Secret::new(secret.to_owned()))
    }

    pub(super) fn key_names(&mut self, raw: &IngestSection) -> Option<KeyNames> {
        let at = "ingest.top_keys_secret_file";
        let secret = raw.top_keys_secret_file.as_deref().and_then(|path| self.secret(at, path));
        match raw.top_keys {
            TopKeys::Hashed if raw.top_keys_secret_file.is_none() => {
                let message = "expected with ingest.top_keys: hashed: who guesses a name could check it otherwise";
                self.note(at, message.to_owned());
                None
            }
            TopKeys::Hashed => secret.map(|secret| KeyNames::Hashed(KeySecret::new(secret.reveal()))),
            TopKeys::Plain | TopKeys::Off => {
                self.require(raw.top_keys_secret_file.is_none(), at, || {
                    "expected with ingest.top_keys: hashed only".to_owned()
                });
                let is_plain = raw.top_keys == TopKeys::Plain;
                Some(if is_plain { KeyNames::Plain } else { KeyNames::Off })
            }
        }
    }

    pub(super) fn mapping(&mut self, path: Option<&Path>) -> Option<Arc<Mapping>> {
        let path = path?;
        let text = self.text("ingest.mapping", path)?;
        let file = self.resolve("ingest.mapping", path).display().to_string();
        match Mapping::parse(&file, &text) {
            Ok(mapping) => Some(Arc::new(mapping)),
            Err(error) => {
                self.problems.extend(ConfigError::from(error).problems);
                None
            }
        }
    }

    /// The policies of all files, each name once, by name: of those that cover a target, the first live one decides. And the
    /// quotas among them, and what the journal keeps of both, quotas first.
    pub(super) fn policies(
        &mut self,
        paths: &[PathBuf],
        windows: &[WindowRule],
        signals: &[Arc<SignalPlan>],
    ) -> (Vec<Policy>, Vec<WorkspaceQuota>, Vec<ControlChange>) {
        let key = "policies.paths";
        let mut written: BTreeMap<(bool, String), Written> = BTreeMap::new();
        let mut seen = BTreeMap::new();
        for path in paths {
            for file in self.yaml_files(key, path) {
                let Some(text) = self.text(key, &file) else { continue };
                let name = file.display().to_string();
                match policies_of(&name, &text) {
                    Ok(of_file) => {
                        for each in of_file {
                            if let Document::Policy(policy) = &each.document {
                                self.window_exists(&name, "spec.window", policy.window, windows);
                                self.policy_signals(&name, policy, signals);
                            }
                            let is_policy = matches!(each.document, Document::Policy(_));
                            let named = (is_policy, each.document.name().to_owned());
                            if let Some(first) = seen.insert(named.clone(), name.clone()) {
                                let message = format!("expected a name of its own, but {first} has `{}` too", named.1);
                                self.note_in(ProblemKind::NameTaken, &name, "metadata.name", message);
                            }
                            written.insert(named, each);
                        }
                    }
                    Err(error) => self.problems.push(problem_of(error)),
                }
            }
        }
        let control = written.values().map(ControlChange::of).collect();
        let (mut policies, mut quotas) = (Vec::new(), Vec::new());
        for written in written.into_values() {
            match written.document {
                Document::Policy(policy) => policies.push(policy),
                Document::Quota(quota) => quotas.push(quota),
                _ => {}
            }
        }
        (policies, quotas, control)
    }

    /// The rules of the file or folder, or the built-in ones; and of each document there what the journal keeps, silences
    /// and inhibition rules too.
    pub(super) fn alerts(
        &mut self,
        path: Option<&Path>,
        windows: &[WindowRule],
        rollups: &[RollupRule],
        signals: &[Arc<SignalPlan>],
    ) -> (Vec<AlertRules>, Vec<ControlChange>) {
        let key = "alerts.path";
        let mut written: BTreeMap<(&str, String), Written> = BTreeMap::new();
        let mut sets: Vec<(String, AlertRules)> = Vec::new();
        for file in path.map(|path| self.yaml_files(key, path)).unwrap_or_default() {
            let Some(text) = self.text(key, &file) else { continue };
            let name = self.resolve(key, &file).display().to_string();
            let documents = match alerting(&name, &text) {
                Ok(documents) => documents,
                Err(error) => {
                    self.problems.push(problem_of(error));
                    continue;
                }
            };
            for document in documents {
                if let Document::AlertRules(rules) = &document.document {
                    match rollups.iter().any(|rollup| rollup.spec() == rules.window()) {
                        true => self.no_instances(&name, rules),
                        false => self.window_exists(&name, "spec.window", rules.window(), windows),
                    }
                    self.rule_signals(&name, rules, signals);
                    self.rule_names(&name, rules, &sets);
                    sets.push((name.clone(), rules.clone()));
                }
                let named = (document.document.kind(), document.document.name().to_owned());
                if written.contains_key(&named) {
                    let message = format!("expected a name of its own, found `{}` a second time", named.1);
                    self.note_in(ProblemKind::NameTaken, &name, "metadata.name", message);
                }
                written.insert(named, document);
            }
        }
        let has_rules = written.values().any(|written| matches!(written.document, Document::AlertRules(_)));
        let built_in = if has_rules { Vec::new() } else { built_in_rules(windows) };
        let all: Vec<Written> = written.into_values().chain(built_in).collect();
        let rules = all.iter().filter_map(|written| match &written.document {
            Document::AlertRules(rules) => Some(rules.clone()),
            _ => None,
        });
        (rules.collect(), all.iter().map(ControlChange::of).collect())
    }

    /// An alert is known by rule, agent, and instance or finding: what is told of one of two that are known by the same would
    /// be taken for the other.
    fn rule_names(&mut self, file: &str, rules: &AlertRules, before: &[(String, AlertRules)]) {
        for (index, rule) in rules.rules.iter().enumerate() {
            let set = before.iter().find(|(_, set)| set.name != rules.name && set.shares_alerts(rules, rule));
            let taken = if Alarm::ALL.iter().any(|alarm| alarm.rule() == rule.name) {
                Some("is an alert that comes without rules".to_owned())
            } else {
                set.map(|(file, set)| {
                    format!("is a rule of `{}` in {file} too, and may be about the same agents", set.name)
                })
            };
            if let Some(taken) = taken {
                let message = format!("expected a name of its own, but `{}` {taken}", rule.name);
                self.note_in(ProblemKind::NameTaken, file, &format!("spec.rules[{index}].name"), message);
            }
        }
    }

    /// Roll-ups have no windows of instances.
    fn no_instances(&mut self, file: &str, rules: &AlertRules) {
        for (index, _) in rules.rules.iter().enumerate().filter(|(_, rule)| rule.by == By::Instance) {
            let message = "expected agent, since the window is a roll-up, which instances have none of".to_owned();
            self.note_in(ProblemKind::UnknownWindow, file, &format!("spec.rules[{index}].by"), message);
        }
    }

    pub(super) fn window_exists(&mut self, file: &str, key: &str, spec: WindowSpec, windows: &[WindowRule]) {
        if !windows.iter().any(|window| window.spec == spec) {
            let kinds: Vec<_> = windows.iter().map(|window| describe(window.spec)).collect();
            let message = format!(
                "expected one of the windows that the configuration has under `windows` ({}), found {}",
                kinds.join(", "),
                describe(spec)
            );
            self.note_in(ProblemKind::UnknownWindow, file, key, message);
        }
    }

    pub(super) fn note_in(&mut self, kind: ProblemKind, file: &str, key: &str, message: String) {
        self.problems.push(Problem::new(kind, file, key, message));
    }

    /// The file itself, or the YAML files of the folder, by name.
    pub(super) fn yaml_files(&mut self, key: &str, path: &Path) -> Vec<PathBuf> {
        let resolved = self.resolve(key, path);
        if !resolved.is_dir() {
            return vec![path.to_owned()];
        }
        let entries = match std::fs::read_dir(&resolved) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("expected a folder that can be read: {}: {error}", resolved.display());
                self.note_as(ProblemKind::MissingFile, key, message);
                return Vec::new();
            }
        };
        let is_yaml =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
        files.sort();
        if files.is_empty() {
            let message = format!("expected .yaml files in {}, found none", resolved.display());
            self.note_as(ProblemKind::MissingFile, key, message);
        }
        // Absolute or relative to here by now: not to be resolved again.
        files.into_iter().map(|file| std::path::absolute(&file).unwrap_or(file)).collect()
    }

    pub(super) fn text(&mut self, key: &str, path: &Path) -> Option<String> {
        let path = self.existing(key, path)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                let message = format!("expected a file that can be read: {}: {error}", path.display());
                self.note_as(ProblemKind::MissingFile, key, message);
                None
            }
        }
    }

    fn existing(&mut self, key: &str, path: &Path) -> Option<PathBuf> {
        let path = self.resolve(key, path);
        if !path.is_file() {
            let message = format!("expected a file, but there is none at {}", path.display());
            self.note_as(ProblemKind::MissingFile, key, message);
            return None;
        }
        Some(path)
    }
}

/// The rules that are there without configuration, over the first kind of window that there is.
const BUILT_IN_RULES: &str = include_str!("../../../../../examples/policies/alerts-default.yaml");
const BUILT_IN_WINDOW: &str = "window: { size: 1m, slide: 10s }";

fn built_in_rules(windows: &[WindowRule]) -> Vec<Written> {
    let Some(first) = windows.iter().find(|window| window.agent) else { return Vec::new() };
    let (size, slide) = (HumanDuration(first.spec.size), HumanDuration(first.spec.slide));
    let text = BUILT_IN_RULES.replace(BUILT_IN_WINDOW, &format!("window: {{ size: {size}, slide: {slide} }}"));
    // A window that the rules refuse was refused for itself.
    Written::parse("built-in alert rules", &text).unwrap_or_default()
}

/// Policies and quotas of a file. Files that hold anything else are refused.
fn policies_of(file: &str, text: &str) -> Result<Vec<Written>, PolicyError> {
    let is_ours = |document: &Document| matches!(document, Document::Policy(_) | Document::Quota(_));
    of_kinds(file, text, "Policy or Quota", is_ours)
}

/// What may stand beside alert rules. Files that hold anything else are refused.
fn alerting(file: &str, text: &str) -> Result<Vec<Written>, PolicyError> {
    let is_ours = |document: &Document| {
        matches!(document, Document::AlertRules(_) | Document::Silence(_) | Document::Inhibition(_))
    };
    of_kinds(file, text, "AlertRules, Silence or Inhibition", is_ours)
}

/// The documents of a file, all of these `kinds`.
fn of_kinds(
    file: &str,
    text: &str,
    kinds: &str,
    is_one: impl Fn(&Document) -> bool,
) -> Result<Vec<Written>, PolicyError> {
    let all = Written::parse(file, text)?;
    match all.iter().map(|written| &written.document).find(|document| !is_one(document)) {
        None => Ok(all),
        Some(other) => Err(PolicyError {
            file: file.to_owned(),
            place: None,
            path: "kind".to_owned(),
            message: format!("expected {kinds}, found {} `{}`", other.kind(), other.name()),
            nearest: None,
        }),
    }
}

fn describe(spec: WindowSpec) -> String {
    format!("{} sliding by {}", HumanDuration(spec.size), HumanDuration(spec.slide))
}

pub(super) fn problem_of(error: PolicyError) -> Problem {
    Problem {
        place: error.place,
        nearest: error.nearest,
        ..Problem::new(ProblemKind::WrongDocument, error.file, error.path, error.message)
    }
}
