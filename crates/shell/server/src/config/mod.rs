//! Configuration, in two stages: as written ([`raw::RawConfig`]), as checked ([`Config`]).
//!
//! ```text
//!  defaults ◄ file ◄ TIDEGAUGE__SECTION__KEY ◄ flags      (layers, each value with its origin)
//!       └──────────────┬─────────────────────┘
//!                      ▼ names, types, units                ▼ contradictions, files, signals, policies
//!                  RawConfig  ─────────────────────────►  Config
//! ```
//!
//! Every setting is declared once, in [`raw`], with its documentation and its default; the reader, the messages and
//! the file that `tidegauge generate config` prints all come from that declaration.
//!
//! - **F1** All that is wrong is said at once, each with where it was set, its key, what was expected and, for an
//!   unknown key, the nearest known one.
//! - **F2** A default is a text read by the same reader as an operator's: the generated file means the defaults.
//! - **F3** Secrets come from files and are never printed.
//!
//! The reader walks the merged tree itself instead of deriving `Deserialize`, which stops at the first problem and
//! forgets where a value came from.

mod actuate;
mod analytics;
mod check;
mod checked;
mod files;
mod history;
mod lag;
pub mod layers;
mod limits;
mod notify;
mod problem;
pub mod raw;
mod reader;
mod reference;
mod setting;
mod shown;
mod signals;
mod template;

pub use checked::{
    ActuateConfig, Config, HistoryConfig, HistoryPlace, HttpConfig, IngestConfig, KafkaConfig, LagConfig, LogConfig,
    MetricsConfig, NotifyConfig, OutputConfig, QueryConfig, RegistryConfig, TimeConfig, TopicsConfig, WorkersConfig,
};
pub use layers::Layers;
pub use problem::{ConfigError, Problem};
pub use raw::{Delivery, IngestFormat, LogFormat, LogLevel, OutputFormat};
pub use reference::{SettingDoc, reference};
pub use shown::{Shown, Tree};
pub use template::template;

impl Config {
    /// Reads all layers and checks them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every problem found.
    pub fn load(layers: &Layers) -> Result<Self, ConfigError> {
        layers.read().and_then(check::check).map_err(ConfigError::located)
    }

    /// The defaults and these flags (how each is written, the key, the value); no file, no environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every problem found.
    pub fn of_flags(flags: Vec<(String, String, String)>) -> Result<Self, ConfigError> {
        check::check(Layers { flags, ..Layers::default() }.read_over(None)?)
    }
}
