//! What can an operator set?

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The transport of listeners within the server. It needs no settings.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many listeners there are at once. One more is refused.
    #[schemars(range(min = 1))]
    pub listeners_max: usize,
    /// How many events wait for one listener before its subscription has to wait as well.
    #[schemars(range(min = 1))]
    pub queue_events_max: usize,
    /// How many bytes of events wait for one listener before its subscription has to wait as well. One event
    /// always passes when nothing waits, however large it is.
    #[schemars(range(min = 1))]
    pub queue_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners_max: 10_000,
            queue_events_max: 1_000,
            queue_bytes_max: 1 << 20,
        }
    }
}

impl Config {
    /// Reads a configuration section. The error names the key and says what would be right.
    pub fn from_section(section: &Value) -> Result<Self, String> {
        let keys = section
            .as_object()
            .ok_or("expected a table of keys and values")?;
        // Every key is read alone first, because a decoder's words name a value and not its key.
        for (key, value) in keys {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            serde_json::from_value::<Config>(Value::Object(alone))
                .map_err(|error| format!("{key}: {error}"))?;
        }
        let config: Config =
            serde_json::from_value(section.clone()).map_err(|error| error.to_string())?;
        for (key, value) in [
            ("listeners_max", config.listeners_max),
            ("queue_events_max", config.queue_events_max),
            ("queue_bytes_max", config.queue_bytes_max),
        ] {
            if value == 0 {
                return Err(format!("{key}: must be at least 1"));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_section_is_the_defaults_and_an_error_names_the_key() {
        assert_eq!(Config::from_section(&json!({})), Ok(Config::default()));
        for (section, expected) in [
            (json!([]), "expected a table"),
            (json!({"queue": 1}), "queue: unknown field"),
            (json!({"listeners_max": "many"}), "listeners_max: invalid"),
            (json!({"queue_events_max": 0}), "queue_events_max: must be"),
            (json!({"queue_bytes_max": 0}), "queue_bytes_max: must be"),
        ] {
            let error = Config::from_section(&section).unwrap_err();
            assert!(error.starts_with(expected), "{section}: {error}");
        }
    }
}
