//! What can an operator set?

use std::time::Duration;

use photinus_contract::DurationText;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// In less time no client can answer.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The WebSocket transport. It needs no settings.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Largest frame that a client may send, in bytes, with all its fragments. A larger one ends the
    /// connection with close code 1009.
    #[schemars(range(min = 1))]
    pub frame_bytes_max: usize,
    /// How many bytes of events wait for one connection before its subscriptions have to wait as well. One
    /// event always passes when nothing waits, however large it is. What is just being written, at most
    /// 64 KiB and one frame, comes on top.
    #[schemars(range(min = 1))]
    pub send_queue_bytes_max: usize,
    /// How many deliveries of one subscription are remembered after they were voided, or left unanswered by a
    /// closed connection, so that their late answers are recognised. The oldest is forgotten first. All
    /// subscriptions together have four times as many.
    #[schemars(range(min = 1))]
    pub late_answers_max: usize,
    /// How many connections are open at once. One more is refused with status 503.
    #[schemars(range(min = 1))]
    pub connections_max: usize,
    /// How many subscriptions one connection may start.
    #[schemars(range(min = 1))]
    pub starts_max: usize,
    /// How often the server pings a client, such as `30s`; at least `10ms`. A client that has not answered when the next ping
    /// is due is disconnected. By default the server does not ping, as FireFly does not.
    #[schemars(with = "Option<String>", extend("format" = "go-duration"))]
    pub ping_interval: Option<DurationText>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            send_queue_bytes_max: 1 << 20,
            late_answers_max: 65_536,
            connections_max: 20_000,
            starts_max: 10_000,
            ping_interval: None,
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
        config.checked()
    }

    /// The interval of pings, if there are any.
    pub(crate) fn ping_interval(&self) -> Option<Duration> {
        self.ping_interval.as_ref().map(DurationText::value)
    }

    fn checked(self) -> Result<Self, String> {
        for (key, value) in [
            ("frame_bytes_max", self.frame_bytes_max),
            ("send_queue_bytes_max", self.send_queue_bytes_max),
            ("late_answers_max", self.late_answers_max),
            ("connections_max", self.connections_max),
            ("starts_max", self.starts_max),
        ] {
            if value == 0 {
                return Err(format!("{key}: must be at least 1"));
            }
        }
        if self
            .ping_interval()
            .is_some_and(|every| every < PING_INTERVAL_MIN)
        {
            return Err("ping_interval: must be at least 10ms; leave it out for no pings".into());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_section_is_the_defaults() {
        assert_eq!(Config::from_section(&json!({})), Ok(Config::default()));
        let given = json!({"frame_bytes_max": 10, "ping_interval": "1m30s"});
        let config = Config::from_section(&given).unwrap();
        assert_eq!(config.frame_bytes_max, 10);
        assert_eq!(config.ping_interval(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn an_error_names_the_key() {
        for (section, expected) in [
            (json!([]), "expected a table"),
            (json!({"frames": 1}), "frames: unknown field"),
            (json!({"starts_max": "many"}), "starts_max: invalid type"),
            (json!({"starts_max": -1}), "starts_max: invalid value"),
            (json!({"starts_max": 0}), "starts_max: must be at least 1"),
            (json!({"ping_interval": "soon"}), "ping_interval: FF00137"),
            (json!({"ping_interval": "0s"}), "ping_interval: must be"),
            (json!({"ping_interval": "9ms"}), "ping_interval: must be"),
        ] {
            let error = Config::from_section(&section).unwrap_err();
            assert!(error.starts_with(expected), "{section}: {error}");
        }
    }
}
