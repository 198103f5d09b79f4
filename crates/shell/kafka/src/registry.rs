//! Schemas of telemetry out of a schema registry that speaks Confluent's protocol.
//!
//! A schema never changes under its id, so each is asked for once and kept by whoever asked.

use crate::client::Secret;
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_all_subjects, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use std::time::Duration;

/// How long the registry may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A schema registry.
#[derive(Clone, Debug)]
pub struct Registry {
    url: String,
    settings: SrSettings,
}

/// Why the registry gave no answer that helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It answered that it has no such schema, or that it does not let us have it: asking again gives the same.
    #[error("schema registry {url}: {message}")]
    Refused {
        /// The registry.
        url: String,
        /// Its answer.
        message: String,
    },
    /// It did not answer: ask again.
    #[error("schema registry {url} does not answer: {message}")]
    Unavailable {
        /// The registry.
        url: String,
        /// What went wrong.
        message: String,
    },
}

impl Registry {
    /// The registry at `url`, asked in the name of `user` where there is one. Does not connect.
    ///
    /// # Errors
    ///
    /// If there is no TLS to be had on this machine.
    pub fn new(url: &str, user: Option<(&str, &Secret)>) -> Result<Self, RegistryError> {
        let url = url.trim_end_matches('/').to_owned();
        let mut builder = SrSettings::new_builder(url.clone());
        builder.set_timeout(PATIENCE);
        if let Some((name, password)) = user {
            builder.set_basic_authorization(name, Some(password.reveal()));
        }
        let settings = builder.build().map_err(|error| error_of(&url, &error))?;
        Ok(Self { url, settings })
    }

    /// The Avro schema with that id, as JSON text.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn schema(&self, id: u32) -> Result<String, RegistryError> {
        let answer = get_schema_by_id(id, &self.settings).map_err(|error| error_of(&self.url, &error))?;
        Ok(answer.schema)
    }

    /// Names of the subjects it has: the cheapest question that needs it to be well and us to be let in.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        get_all_subjects(&self.settings).map_err(|error| error_of(&self.url, &error))
    }
}

fn error_of(url: &str, error: &SRCError) -> RegistryError {
    let (url, message) = (url.to_owned(), error.cause.clone().unwrap_or_else(|| error.error.clone()));
    if error.retriable { RegistryError::Unavailable { url, message } } else { RegistryError::Refused { url, message } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_away_is_unavailable_and_not_refusing() {
        let registry = Registry::new("http://127.0.0.1:1/", None).expect("TLS is there");
        let error = registry.subjects().unwrap_err();
        assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("http://127.0.0.1:1 "), "{error}");
    }
}
