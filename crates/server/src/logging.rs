//! What is logged, and how?

use std::io::IsTerminal;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The `[log]` section. The log goes to standard error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// How it is written.
    pub(crate) format: Format,
    /// What is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`, also by part of the server, such as
    /// `info,photinus_engine=debug`.
    pub(crate) level: Level,
}

/// How the log is written.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// A level, or several for parts of the server; checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct Level(String);

impl Level {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl TryFrom<String> for Level {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let is_level = |text: &str| LEVELS.contains(&text);
        // Alone, the filter takes any word for the name of a part.
        let is_meant = text.split(',').all(|part| match part.split_once('=') {
            Some((part, level)) => !part.is_empty() && is_level(level),
            None => is_level(part),
        });
        if is_meant && EnvFilter::try_new(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "'{text}' is no log level: expected one of {}, or such as 'info,photinus_engine=debug'",
            LEVELS.join(", ")
        ))
    }
}

/// Logs from here on.
pub(crate) fn start(config: &LogConfig) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.level.0))
        .with_writer(std::io::stderr)
        // Nobody may be reading any more, which must not matter.
        .log_internal_errors(false);
    match config.format {
        // By itself it has colours unless NO_COLOR says otherwise.
        Format::Text if std::io::stderr().is_terminal() => log.init(),
        Format::Text => log.with_ansi(false).init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_known_word_or_one_for_each_part() {
        for text in [
            "info",
            "off",
            "debug,hyper=warn",
            "photinus_engine::shard=trace,error",
        ] {
            assert!(text.parse::<Level>().is_ok(), "{text}");
        }
        for text in ["", "loud", "info,", "=debug", "hyper=loud", "info debug"] {
            assert!(text.parse::<Level>().is_err(), "{text}");
        }
    }
}
