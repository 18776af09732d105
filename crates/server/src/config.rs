//! What is the server told, in all?
//!
//! The command line counts before the file, and the file before the defaults. All of it is checked, the
//! sections of every store and transport too, before anything is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use photinus_api::{ApiConfig, SpiConfig};
use photinus_engine::EngineConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::Arguments;
use crate::logging::LogConfig;
use crate::monitoring::MonitoringConfig;
use crate::registry::{self, StoreSections};

const DATA_DEFAULT: &str = "photinus-data";

/// The configuration file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// The directory of the data, created if it is not there.
    data: Option<PathBuf>,
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

/// Everything, checked.
#[derive(Debug)]
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
    /// Reads and checks it all. The error is one line that says where, what, and what would be right.
    pub(crate) fn load(arguments: Arguments) -> Result<Self, String> {
        let path = arguments.config.clone();
        let file = match &path {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    format!(
                        "{}: cannot read the configuration file: {error}",
                        path.display()
                    )
                })?;
                parse(&text).map_err(|error| format!("{}{error}", path.display()))?
            }
        };
        let origin = path
            .as_deref()
            .map_or("configuration".into(), Path::to_string_lossy);
        Self::merge(arguments, file).map_err(|error| format!("{origin}: {error}"))
    }

    fn merge(arguments: Arguments, file: File) -> Result<Self, String> {
        let transports = checked_transports(file.transports)?;
        let mut settings = Self {
            data: arguments
                .data
                .or(file.data)
                .unwrap_or_else(|| DATA_DEFAULT.into()),
            api: file.api,
            spi: file.spi,
            monitoring: file.monitoring,
            log: file.log,
            engine: file.engine,
            store: file.store,
            transports,
        };
        fn replace<T>(place: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *place = given;
            }
        }
        replace(&mut settings.api.listen, arguments.listen);
        replace(&mut settings.monitoring.listen, arguments.monitoring);
        replace(&mut settings.log.format, arguments.log_format);
        replace(&mut settings.log.level, arguments.log_level);
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        self.api.check().map_err(|error| format!("[api] {error}"))?;
        if self.monitoring.connections_max == 0 {
            return Err("[monitoring] connections_max: must be at least 1".to_owned());
        }
        self.spi.check().map_err(|error| format!("[spi] {error}"))?;
        if let Some(spi) = self.spi.listen.filter(|spi| spi.port() != 0) {
            for (other, whose) in [
                (self.api.listen, "the API"),
                (self.monitoring.listen, "monitoring"),
            ] {
                if spi == other {
                    return Err(format!(
                        "[spi] listen: {spi} is where {whose} listens; choose another port"
                    ));
                }
            }
        }
        let api = self.api.listen;
        if api == self.monitoring.listen && api.port() != 0 {
            return Err(format!(
                "[monitoring] listen: {api} is where the API listens; choose another port"
            ));
        }
        Ok(())
    }
}

/// The sections of all transports. A transport that is not configured is checked as well: its defaults have
/// to be right.
fn checked_transports(
    mut given: BTreeMap<String, Map<String, Value>>,
) -> Result<BTreeMap<String, Value>, String> {
    let mut sections = BTreeMap::new();
    for plugin in registry::transports().plugins {
        let name = plugin.name();
        let section = Value::Object(given.remove(name).unwrap_or_default());
        plugin
            .check_config(&section)
            .map_err(|error| format!("[transports.{name}] {error}"))?;
        sections.insert(name.to_owned(), section);
    }
    match given.keys().next() {
        None => Ok(sections),
        Some(unknown) => {
            let known: Vec<&str> = sections.keys().map(String::as_str).collect();
            Err(format!(
                "[transports.{unknown}] there is no such transport; known: {}",
                known.join(", ")
            ))
        }
    }
}

/// The error begins with the line where it is, and shows that line, because a decoder names a value and not
/// its key.
fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let message = error.message().replace('\n', ", ");
        let Some(span) = error.span() else {
            return format!(": {message}");
        };
        let before = text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count();
        let shown = text.lines().nth(line).unwrap_or_default().trim();
        format!(":{}: `{shown}`: {message}", line + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        Settings::merge(Arguments::default(), parse(text)?)
    }

    #[test]
    fn nothing_has_to_be_said() {
        let settings = settings("").unwrap();
        assert_eq!(settings.data, Path::new("photinus-data"));
        assert_eq!(settings.api, ApiConfig::default());
        assert_eq!(settings.monitoring, MonitoringConfig::default());
        assert_eq!(
            settings.transports.len(),
            registry::transports().plugins.len()
        );
    }

    #[test]
    fn the_command_line_counts_before_the_file() {
        let file = "data = 'a'\n[api]\nlisten = '127.0.0.1:1'\norigins = ['*']\n[log]\nlevel = 'warn'\nformat = 'json'";
        let arguments = Arguments {
            listen: Some("127.0.0.1:2".parse().unwrap()),
            log_level: Some("debug".parse().unwrap()),
            ..Arguments::default()
        };
        let settings = Settings::merge(arguments, parse(file).unwrap()).unwrap();
        assert_eq!(settings.data, Path::new("a"));
        assert_eq!(settings.api.listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!(settings.api.origins, ["*"]);
        assert_eq!(settings.log.level, "debug".parse().unwrap());
        assert_eq!(settings.log.format, crate::logging::Format::Json);
    }

    #[test]
    fn an_error_says_where_and_what_would_be_right() {
        for (text, words) in [
            ("[apis]", &["`[apis]`", "unknown field `apis`", "`api`"][..]),
            (
                "\n[api]\nport = 5",
                &[
                    ":3:",
                    "`port = 5`",
                    "unknown field `port`",
                    "`listen`",
                    "`origins`",
                ],
            ),
            (
                "[api]\nlisten = 'localhost:5000'",
                &[":2:", "listen", "socket address"],
            ),
            (
                "[api]\nlisten = 5000",
                &[":2:", "`listen = 5000`", "socket address"],
            ),
            (
                "[api]\nbody_bytes_max = 0",
                &["[api] body_bytes_max", "at least 1"],
            ),
            (
                "[api]\norigins = ['a.example']",
                &["[api] origins", "'a.example'", "https://"],
            ),
            (
                "[api]\nrequest_timeout = 'soon'",
                &[":2:", "request_timeout", "'1m30s'"],
            ),
            (
                "[monitoring]\nlisten = '127.0.0.1:5000'",
                &["[monitoring] listen", "API"],
            ),
            (
                "[spi]\nport = 5001",
                &[":2:", "unknown field `port`", "`listen`"],
            ),
            (
                "[spi]\nconnections_max = 0",
                &["[spi] connections_max", "at least 1"],
            ),
            (
                "[spi]\nlisten = '127.0.0.1:5000'",
                &["[spi] listen", "the API"],
            ),
            (
                "[spi]\nlisten = '127.0.0.1:6000'",
                &["[spi] listen", "monitoring"],
            ),
            ("[engine]\nshard = 5", &[":2:", "`shard = 5`", "`shards`"]),
            (
                "[store.sqlite]\nsync = true",
                &[":2:", "`sync = true`", "unknown field `sync`"],
            ),
            ("[store.mysql]", &["`[store.mysql]`", "`mysql`", "`sqlite`"]),
            (
                "[transports.carrier-pigeon]",
                &["[transports.carrier-pigeon]", "known: system, websockets"],
            ),
            (
                "[transports.websockets]\nfeathers = 2",
                &["[transports.websockets]", "feathers"],
            ),
            ("[log]\nlevel = 'loud'", &[":2:", "'loud'", "debug"]),
            ("[api", &[":1:", "`[api`"]),
        ] {
            let error = settings(text).unwrap_err();
            for word in words {
                assert!(
                    error.contains(word),
                    "{text:?}: {word:?} is not in: {error}"
                );
            }
            assert!(!error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn every_setting_is_described() {
        fn describe(path: &str, schema: &Value) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(property.get("description").is_some(), "{path}");
                describe(&path, property);
            }
        }
        let generator =
            schemars::generate::SchemaSettings::default().with(|s| s.inline_subschemas = true);
        let schema = generator.into_generator().into_root_schema_for::<File>();
        describe("", schema.as_value());
    }
}
