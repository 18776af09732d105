//! What is the server told, in all?
//!
//! ```text
//!   defaults ◀─ photinus.toml ◀─ environment ◀─ flags        what is on the right counts
//! ```
//!
//! Each layer is checked key by key against the schema of everything; then all of it together, the sections of
//! every store and transport too, before anything is opened.

mod check;
pub(crate) mod command;
pub(crate) mod environment;
mod file;
mod flags;
mod layer;
mod nearest;
mod reference;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod unknown;
pub(crate) mod urls;
mod whole;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use photinus_api::{ApiConfig, SpiConfig};
use photinus_contract::TransportPlugin;
use photinus_engine::EngineConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::environment::Environment;
use self::layer::{Layer, Mistake};
use self::schema::Schema;
use crate::cli::Arguments;
use crate::logging::LogConfig;
use crate::monitoring::MonitoringConfig;
use crate::registry::{self, StoreSections};

/// The file that is read if it is there and no other is named.
const FILE_DEFAULT: &str = "photinus.toml";
/// Most mistakes that are told at once.
const MISTAKES_MAX: usize = 20;

/// The configuration file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// The directory of the data, created if it is not there.
    #[schemars(length(min = 1), extend("format" = "path"))]
    data: PathBuf,
    /// The API and the paths of the transports.
    api: ApiConfig,
    /// What other systems observe.
    spi: SpiConfig,
    /// What machines ask.
    monitoring: MonitoringConfig,
    /// The log on standard error.
    log: LogConfig,
    /// What all subscriptions share.
    engine: EngineConfig,
    /// Where the data is kept.
    store: StoreSections,
    /// One section for each transport.
    transports: BTreeMap<String, Map<String, Value>>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            data: "photinus-data".into(),
            api: ApiConfig::default(),
            spi: SpiConfig::default(),
            monitoring: MonitoringConfig::default(),
            log: LogConfig::default(),
            engine: EngineConfig::default(),
            store: StoreSections::default(),
            transports: BTreeMap::new(),
        }
    }
}

/// Everything, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) api: ApiConfig,
    pub(crate) spi: SpiConfig,
    pub(crate) monitoring: MonitoringConfig,
    pub(crate) log: LogConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) store: StoreSections,
    /// The section of each transport, empty where there is none.
    pub(crate) transports: BTreeMap<String, Value>,
}

impl Settings {
    fn new(file: File, transports: BTreeMap<String, Value>) -> Self {
        Self {
            data: file.data,
            api: file.api,
            spi: file.spi,
            monitoring: file.monitoring,
            log: file.log,
            engine: file.engine,
            store: file.store,
            transports,
        }
    }

    /// Checks what neither a type nor a range says, section by section. An error begins with its key.
    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        vec![
            ("api", self.api.check()),
            ("spi", self.spi.check()),
            ("engine", self.engine.check()),
        ]
    }
}

/// The settings, and where each of them comes from.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) settings: Settings,
    /// What an operator should know although it is no mistake.
    pub(crate) warnings: Vec<String>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    given: Layer,
    schema: Schema,
}

impl Configuration {
    /// Reads and checks it all.
    pub(crate) fn load(arguments: Arguments, environment: &Environment) -> Result<Self, Mistakes> {
        Self::load_for(&registry::transports().plugins, arguments, environment)
    }

    fn load_for(
        plugins: &[Box<dyn TransportPlugin>],
        arguments: Arguments,
        environment: &Environment,
    ) -> Result<Self, Mistakes> {
        let schema = Schema::new::<File>(plugins);
        let file = arguments
            .config
            .clone()
            .or_else(|| environment.file())
            .or_else(|| {
                Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.symlink_metadata().is_ok())
            });
        let mut given = Layer::default();
        let mut warnings = Vec::new();
        if let Some(path) = &file {
            match file::read(path, &schema) {
                Ok(read) => {
                    given = whole::readable(read.layer, &schema);
                    warnings = read.warnings;
                }
                Err(mistake) => given.mistakes.push(mistake),
            }
        }
        warnings.extend(environment.warnings(&schema));
        for later in [
            environment.layer(&schema),
            flags::layer(&arguments, &schema),
        ] {
            // What is covered has to be right as well.
            given.cover(whole::readable(later, &schema));
        }
        let mut settings = whole::decode(&mut given, &schema, plugins)?;
        if let Some(data) = arguments.data {
            // It may be no UTF-8, which has no place in a layer.
            settings.data = data;
        }
        Ok(Self {
            settings,
            warnings,
            file,
            given,
            schema,
        })
    }
}

impl Configuration {
    /// What is in force and where it comes from.
    pub(crate) fn to_toml(&self) -> String {
        show::toml(self)
    }
}

/// The schema of everything.
pub(crate) fn schema() -> Schema {
    Schema::new::<File>(&registry::transports().plugins)
}

/// All that is wrong, in the order of the layers and lines: a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort();
        mistakes.dedup();
        Self(mistakes)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().take(MISTAKES_MAX).enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{mistake}")?;
        }
        match self.0.len().saturating_sub(MISTAKES_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
