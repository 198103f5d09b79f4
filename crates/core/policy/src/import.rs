//! Manifests of other autoscalers to policies: Kubernetes' HorizontalPodAutoscaler, KEDA's ScaledObject.
//!
//! ```text
//!  YAML ─► documents ─► hpa, keda ─► Draft ─► text of a policy, with what has no equivalent as comments
//! ```
//!
//! - **I1** What comes out is a policy that reads, or nothing does.
//! - **I2** Nothing is left out in silence: what has no equivalent is a [`Note`] with its key path.
//! - **I3** A policy that was imported from a HorizontalPodAutoscaler decides as [`crate::hpa::reconcile`] does.
//!
//! Source: Kubernetes API reference, autoscaling/v1 and v2; KEDA, "ScaledObject specification".

mod draft;
mod hpa;
mod keda;
mod quantity;

use crate::document;
use crate::error::{Place, PolicyError, Problem};
use crate::policy::Policy;
use draft::Draft;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use quantity::{NotAQuantity, quantity};

/// A policy that was made from a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What it was made from: kind, name, version of the API.
    pub source: String,
    /// The policy, as text to be kept in a file; reads as [`Imported::policy`].
    pub text: String,
    /// The same, checked.
    pub policy: Policy,
    /// What has no equivalent, or means something else.
    pub notes: Vec<Note>,
}

/// Something that was not carried over as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Key path in the manifest.
    pub path: String,
    /// Where that is.
    pub place: Option<Place>,
    /// What becomes of it.
    pub message: String,
}

/// Makes a policy of each autoscaler in a file; `file_name` is for messages only. Documents of other kinds, such as the
/// Deployment beside it, are passed over.
///
/// # Errors
///
/// [`PolicyError`] if the file holds no autoscaler, if one does not read, or if nothing of it has an equivalent.
pub fn import(file_name: &str, text: &str) -> Result<Vec<Imported>, PolicyError> {
    let mut imported = Vec::new();
    for text in document::split(text) {
        let manifest: Value = document::read_as(file_name, &text)?;
        let word = |key: &str| manifest.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (word("kind").to_owned(), word("apiVersion").to_owned());
        let locate = |problem: Problem| document::locate(file_name, &text, problem);
        let draft = match (kind.as_str(), version.as_str()) {
            ("HorizontalPodAutoscaler", "autoscaling/v2") => hpa::import(&manifest),
            ("HorizontalPodAutoscaler", "autoscaling/v1") => hpa::import_v1(&manifest),
            ("HorizontalPodAutoscaler", _) => Err(Problem::at(
                "apiVersion",
                format!("expected autoscaling/v2 or autoscaling/v1, found `{version}`; `kubectl convert` makes it v2"),
            )),
            ("ScaledObject", "keda.sh/v1alpha1") => keda::import(&manifest),
            ("ScaledObject", _) => {
                Err(Problem::at("apiVersion", format!("expected keda.sh/v1alpha1, found `{version}`")))
            }
            _ => continue,
        };
        let draft = draft.map_err(locate)?;
        imported.push(finish(draft, &kind, &version, &text).map_err(locate)?);
    }
    if imported.is_empty() {
        let message = "expected a HorizontalPodAutoscaler or a ScaledObject, found none";
        return Err(document::locate(file_name, text, Problem::at("kind", message)));
    }
    Ok(imported)
}

/// **I1**.
fn finish(draft: Draft, kind: &str, version: &str, manifest: &str) -> Result<Imported, Problem> {
    let source = format!("{kind} {} ({version})", draft.name);
    let text = draft.text(&source);
    let policy = Policy::parse("imported", &text)
        .map_err(|error| {
            Problem::at("spec", format!("expected what a policy can say: {}: {}", error.path, error.message))
        })?
        .remove(0);
    let place = |(path, message): (String, String)| Note { place: document::place_of(manifest, &path), path, message };
    Ok(Imported { source, text, policy, notes: draft.notes.into_iter().map(place).collect() })
}

/// A part of a manifest, in its type.
fn part<T: DeserializeOwned>(manifest: &Value, key: &str) -> Result<T, Problem> {
    let value = manifest.get(key).cloned().unwrap_or(Value::Null);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { key.to_owned() } else { format!("{key}.{path}") };
        Problem::at(path, error.into_inner().to_string())
    })
}

/// A scalar as it would be written.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
