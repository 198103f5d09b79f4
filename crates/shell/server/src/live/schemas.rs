//! Where writers' schemas of Confluent-framed telemetry come from.

use crate::config::Config;
use schema_registry_converter::blocking::schema_registry::{SrSettings, get_schema_by_id};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegauge_wire::Decoder;

/// A registry, or schemas given by id.
#[derive(Clone)]
pub struct SchemaSource {
    registry: Option<Arc<SrSettings>>,
    given: Arc<BTreeMap<u32, String>>,
}

impl SchemaSource {
    /// The configured registry, or none: then only schemas that are given are known.
    ///
    /// # Errors
    ///
    /// If the registry's client refuses the settings.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let Some(registry) = &config.ingest.registry else { return Ok(Self::given(BTreeMap::new())) };
        let mut builder = SrSettings::new_builder(registry.url.clone());
        if let Some((user, password)) = &registry.user {
            builder.set_basic_authorization(user, Some(password.reveal()));
        }
        Ok(Self { registry: Some(Arc::new(builder.build()?)), given: Arc::default() })
    }

    /// Schemas by id, without a registry.
    #[must_use]
    pub fn given(schemas: BTreeMap<u32, String>) -> Self {
        Self { registry: None, given: Arc::new(schemas) }
    }

    /// Makes the schema of `id` known to a decoder, or known to be unknown. Asks the registry once per decoder and id.
    ///
    /// # Errors
    ///
    /// If the registry does not answer: trouble outside, to be retried.
    pub(crate) fn provide(&self, id: u32, decoder: &mut Decoder) -> Result<(), String> {
        let text = match (self.given.get(&id), &self.registry) {
            (Some(text), _) => Some(text.clone()),
            (None, None) => None,
            (None, Some(registry)) => match get_schema_by_id(id, registry) {
                Ok(found) => Some(found.schema),
                // The registry answered and has no such schema.
                Err(error) if !error.retriable && error.cached => None,
                Err(error) if error.to_string().contains("40403") => None,
                Err(error) => return Err(error.to_string()),
            },
        };
        match text {
            None => decoder.register_unavailable(id),
            Some(text) => {
                if let Err(error) = decoder.register(id, &text) {
                    tracing::warn!(id, %error, "no sample can be read with this schema: its records go to dead letters");
                }
            }
        }
        Ok(())
    }
}
