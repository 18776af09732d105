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

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use photinus_api::{ApiConfig, SpiConfig};
use photinus_contract::TransportPlugin;
use photinus_engine::EngineConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use self::environment::Environment;
use self::layer::{Layer, Mistake, key_name, put, section_name};
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
    file: Option<PathBuf>,
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
            .or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists()));
        let mut given = Layer::default();
        let mut warnings = Vec::new();
        if let Some(path) = &file {
            match file::read(path, &schema) {
                Ok(read) => {
                    given = read.layer;
                    warnings = read.warnings;
                }
                Err(mistake) => given.mistakes.push(mistake),
            }
        }
        given.cover(environment.layer(&schema));
        given.cover(flags::layer(&arguments, &schema));
        let mut settings = decode(&mut given, &schema, plugins)?;
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

/// What the layers say together, if all of it can be meant.
fn decode(
    given: &mut Layer,
    schema: &Schema,
    plugins: &[Box<dyn TransportPlugin>],
) -> Result<Settings, Mistakes> {
    // Every value is read alone first, because a decoder's words name a value and not its key.
    let mut mistakes = std::mem::take(&mut given.mistakes);
    for (path, setting) in &given.settings {
        let is_of_transport = path.first().is_some_and(|name| name == "transports");
        if is_of_transport || setting.value.is_null() {
            continue;
        }
        let mut alone = Map::new();
        put(&mut alone, path, setting.value.clone());
        if let Err(error) = serde_json::from_value::<File>(Value::Object(alone)) {
            let mut text = format!("{}: ", key_name(path));
            match schema.root().at(path) {
                // Its words may repeat the value.
                Some(node) if schema.is_secret(path) => {
                    text.push_str(&format!("expected {}", check::expected(node)));
                }
                Some(node) if !error.to_string().contains("expected") => text.push_str(&format!(
                    "{error}: expected {}, got {}",
                    check::expected(node),
                    check::shown(&setting.value)
                )),
                _ => text.push_str(&error.to_string()),
            }
            let origin = Some(setting.origin.clone());
            mistakes.push(Mistake { origin, text });
        }
    }
    if !mistakes.is_empty() {
        return Err(Mistakes::new(mistakes));
    }

    let mut values = given.values();
    let sections = match values.remove("transports") {
        Some(Value::Object(sections)) => sections,
        _ => Map::new(),
    };
    let transports = transports(sections, given, plugins, &mut mistakes);
    let file: File = serde_json::from_value(Value::Object(values)).map_err(|error| {
        let text = error.to_string();
        Mistakes::new(vec![Mistake { origin: None, text }])
    })?;
    let settings = Settings::new(file, transports);
    for (section, checked) in settings.checks() {
        if let Err(error) = checked {
            mistakes.push(of_section(given, &[section.to_owned()], &error));
        }
    }
    mistakes.extend(double_listeners(given, schema));
    match mistakes.is_empty() {
        true => Ok(settings),
        false => Err(Mistakes::new(mistakes)),
    }
}

/// The sections of all transports. A transport that is not configured is checked as well: its defaults have
/// to be right.
fn transports(
    mut sections: Map<String, Value>,
    given: &Layer,
    plugins: &[Box<dyn TransportPlugin>],
    mistakes: &mut Vec<Mistake>,
) -> BTreeMap<String, Value> {
    let mut checked = BTreeMap::new();
    for plugin in plugins {
        let name = plugin.name();
        let section = sections
            .remove(name)
            .unwrap_or_else(|| Value::Object(Map::new()));
        if let Err(error) = plugin.check_config(&section) {
            let path = ["transports".to_owned(), name.to_owned()];
            mistakes.push(of_section(given, &path, &error));
        }
        checked.insert(name.to_owned(), section);
    }
    checked
}

/// A mistake of which the section itself says `key: what is wrong`. Its place is that of the first key in it
/// that was set, or else of the section.
fn of_section(given: &Layer, section: &[String], error: &str) -> Mistake {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let set = error.split(|c| !is_of_name(c)).find_map(|word| {
        let mut path = section.to_vec();
        path.extend(word.trim_end_matches('.').split('.').map(str::to_owned));
        given.settings.get(&path)
    });
    let origin = set.map(|setting| &setting.origin);
    Mistake {
        origin: origin.or_else(|| given.origin(section)).cloned(),
        text: format!("{} {}", section_name(section), error.replace('\n', ", ")),
    }
}

/// Two keys `listen` that want the same port.
fn double_listeners(given: &Layer, schema: &Schema) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut taken: Vec<(String, SocketAddr)> = Vec::new();
    for (path, node) in schema.root().keys() {
        if path.last().is_none_or(|name| name != "listen") {
            continue;
        }
        let set = given.settings.get(&path).map(|setting| &setting.value);
        let address = set.or(node.default()).and_then(Value::as_str);
        let Some(address) = address.and_then(|text| text.parse::<SocketAddr>().ok()) else {
            continue;
        };
        let key = key_name(&path);
        let clash = taken.iter().find(|(_, other)| {
            let any = address.ip().is_unspecified() || other.ip().is_unspecified();
            let is_same = address.ip() == other.ip();
            let is_same_kind = address.is_ipv4() == other.is_ipv4();
            address.port() != 0
                && address.port() == other.port()
                && (is_same || (any && is_same_kind))
        });
        if let Some((other, _)) = clash {
            // Of the two it is more often the one that was set that is wrong.
            let origin = given.origin(&path).or_else(|| {
                let path: Vec<String> = other
                    .split(['[', ']', ' ', '.'])
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                given.origin(&path)
            });
            mistakes.push(Mistake {
                origin: origin.cloned(),
                text: format!("{key}: {address} is where {other} listens; choose another port"),
            });
        }
        taken.push((key, address));
    }
    mistakes
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
