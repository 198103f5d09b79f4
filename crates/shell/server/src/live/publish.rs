//! Outputs of a Decider as records of their topics.

use crate::config::{OutputConfig, OutputFormat, TopicsConfig};
use tidegauge_engine::DeciderOutput;
use tidegauge_model::Mode;
use tidegauge_wire::cloudevents::{self, Event};
use tidegauge_wire::{Encoding, Framing};

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputRecord {
    /// Topic.
    pub topic: String,
    /// Key.
    pub key: String,
    /// Value.
    pub value: Vec<u8>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Turns outputs into records; one per worker.
pub trait Publish: Send {
    /// The records of one output, handed to `send` in order.
    fn publish(&mut self, output: &DeciderOutput, send: &mut dyn FnMut(&OutputRecord));

    /// The topics of its records, besides those of the configuration.
    fn topics(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The product's own: topics, keys, encodings and CloudEvents as documented.
pub struct Publisher {
    topics: TopicsConfig,
    cluster: String,
    encoding: Encoding,
    cloudevents: bool,
    record: OutputRecord,
}

impl Publisher {
    /// For these topics.
    #[must_use]
    pub fn new(topics: &TopicsConfig, cluster: &str, output: OutputConfig) -> Self {
        let encoding = match output.format {
            OutputFormat::Avro => Encoding::Avro(Framing::SingleObject),
            OutputFormat::Json => Encoding::Json,
        };
        let (topics, cluster) = (topics.clone(), cluster.to_owned());
        Self { topics, cluster, encoding, cloudevents: output.cloudevents, record: OutputRecord::default() }
    }

    fn event<T: Event>(&mut self, topic: fn(&TopicsConfig) -> &String, key: String, event: &T) {
        topic(&self.topics).clone_into(&mut self.record.topic);
        self.record.key = key;
        self.record.value.clear();
        event.encode(self.encoding, &mut self.record.value);
        self.record.headers.clear();
        if self.cloudevents {
            let headers = cloudevents::headers(event, &self.cluster, self.encoding, None);
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
            self.record.headers.extend(headers);
        }
    }
}

impl Publish for Publisher {
    fn publish(&mut self, output: &DeciderOutput, send: &mut dyn FnMut(&OutputRecord)) {
        match output {
            DeciderOutput::Window(window) => {
                self.event(|topics| &topics.windows, window.target.to_string(), window.as_ref());
            }
            DeciderOutput::Decision(decision) => {
                let key = decision.target.to_string();
                self.event(|topics| &topics.decisions, key.clone(), decision.as_ref());
                if decision.mode == Mode::Live {
                    send(&self.record);
                    self.event(|topics| &topics.decisions_current, key, decision.as_ref());
                }
            }
            DeciderOutput::Alert(alert) => {
                self.event(|topics| &topics.alerts, alert.fingerprint.clone(), alert.as_ref());
            }
            DeciderOutput::Finding(finding) => {
                self.event(|topics| &topics.findings, finding.id.clone(), finding.as_ref());
            }
            DeciderOutput::Late(late) => {
                self.topics.late.clone_into(&mut self.record.topic);
                self.record.key = late.source.topic.to_string();
                self.record.value.clear();
                let header = |name: &str, value: String| (format!("tidegauge.late.{name}"), value.into_bytes());
                self.record.headers = vec![
                    header("reason", "partial_after_every_window".to_owned()),
                    header("topic", late.source.topic.to_string()),
                    header("partition", late.source.partition.to_string()),
                    header("first_offset", late.offsets.0.to_string()),
                    header("last_offset", late.offsets.1.to_string()),
                    header("pane", late.pane.to_string()),
                    header("samples", late.samples.to_string()),
                ];
            }
        }
        send(&self.record);
    }
}
