//! What can an operator set?

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use photinus_contract::target::{Password, TlsFiles};
use photinus_contract::{DurationText, own};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The AMQP 0-9-1 transport, for RabbitMQ and its kin. Without targets it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Brokers by the name that a subscription's `target` gives.
    pub targets: BTreeMap<String, Target>,
    /// Queues whose messages are published here, by name.
    pub sources: BTreeMap<String, Source>,
}

/// A broker, or a cluster of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Where it is: `amqp://user@host:5672/vhost`, or `amqps://` for TLS. The virtual host `/` is written `%2f`.
    pub url: Option<String>,
    /// Where the nodes of a cluster are, in place of `url`. The next is tried when one cannot be reached.
    pub urls: Vec<String>,
    /// The password of the user, as a text, `{ env = "NAME" }` or `{ file = "…" }`. A file is read at each connection.
    pub password: Option<Password>,
    /// Certificates for `amqps://`.
    pub tls: TlsFiles,
    /// How long it may take to connect.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub connection_timeout: DurationText,
    /// How long the broker may take to confirm a message. Then the connection is made anew.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub confirm_timeout: DurationText,
    /// How often the two sides show that they are there.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub heartbeat: DurationText,
    /// How long to wait at first before the next attempt to connect. It doubles while that fails.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub reconnect_delay: DurationText,
    /// How long to wait at most.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub reconnect_delay_max: DurationText,
    /// How many messages may be without a confirm, of all subscriptions of this target.
    #[schemars(range(min = 1))]
    pub unconfirmed_max: usize,
}

/// A queue whose messages are published here. They are acknowledged to the broker when they are committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// The target that has the queue.
    #[schemars(required)]
    pub target: String,
    /// The queue, which has to be there.
    #[schemars(required)]
    pub queue: String,
    /// Where messages are published.
    pub namespace: String,
    /// Their topic: a name, or with `{routing_key}` in it. The name of the source if empty.
    pub topic: String,
    /// Their tag: a name, or with `{routing_key}` in it, or none.
    pub tag: String,
    /// How many messages are on their way into the log at once.
    #[schemars(range(min = 1, max = 65535))]
    pub prefetch: usize,
    /// The exchange that a message is published to that can never be taken, with the reason in the header
    /// `photinus-reason`. Without it the broker's own dead letters get it, without the reason, which is logged.
    pub dead_letter_exchange: Option<String>,
    /// The routing key of such a message; that which it came with if absent.
    pub dead_letter_routing_key: Option<String>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            password: None,
            tls: TlsFiles::default(),
            connection_timeout: duration("10s"),
            confirm_timeout: duration("30s"),
            heartbeat: duration("20s"),
            reconnect_delay: duration("250ms"),
            reconnect_delay_max: duration("30s"),
            unconfirmed_max: 4096,
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            target: String::new(),
            queue: String::new(),
            namespace: "default".to_owned(),
            topic: String::new(),
            tag: String::new(),
            prefetch: 256,
            dead_letter_exchange: None,
            dead_letter_routing_key: None,
        }
    }
}

fn duration(text: &'static str) -> DurationText {
    // Only the literals above.
    text.parse().unwrap_or_else(|_| unreachable!("{text}"))
}

impl Config {
    /// Reads a configuration section. The error names the key and says what would be right.
    pub fn from_section(section: &Value) -> Result<Self, String> {
        let config: Self = own::section(section, &[])?;
        for (name, target) in &config.targets {
            target
                .check()
                .map_err(|error| format!("targets.{name}.{error}"))?;
        }
        for (name, source) in &config.sources {
            source
                .check(&config.targets)
                .map_err(|error| format!("sources.{name}.{error}"))?;
        }
        Ok(config)
    }
}

impl Target {
    fn check(&self) -> Result<(), String> {
        self.addresses()?;
        self.tls.check().map_err(|error| format!("tls: {error}"))?;
        for (key, value) in [
            ("connection_timeout", &self.connection_timeout),
            ("confirm_timeout", &self.confirm_timeout),
            ("reconnect_delay", &self.reconnect_delay),
            ("reconnect_delay_max", &self.reconnect_delay_max),
        ] {
            if value.value() < Duration::from_millis(1) {
                return Err(format!("{key}: must be at least 1ms"));
            }
        }
        let seconds = self.heartbeat.value().as_secs();
        if seconds < 1 || seconds > u64::from(u16::MAX) {
            return Err("heartbeat: must be from 1s to 65535s".into());
        }
        match self.unconfirmed_max {
            0 => Err("unconfirmed_max: must be at least 1".into()),
            _ => Ok(()),
        }
    }

    /// Where the broker is: at least one address. The error repeats none, because there may be a password in it.
    pub(crate) fn addresses(&self) -> Result<Vec<AMQPUri>, String> {
        let (key, texts) = match (&self.url, &self.urls[..]) {
            (Some(_), [_, ..]) => {
                return Err("urls: stands beside 'url': use one of the two".into());
            }
            (Some(url), []) => ("url", std::slice::from_ref(url)),
            (None, []) => return Err("url: is missing: where the broker is".into()),
            (None, urls) => ("urls", urls),
        };
        let parsed = texts.iter().map(|text| {
            let expected =
                || format!("{key}: expected an address such as amqp://user@127.0.0.1:5672/%2f");
            let mut uri: AMQPUri = text.parse().map_err(|_| expected())?;
            if uri.authority.host.is_empty() {
                return Err(expected());
            }
            let seconds = self.heartbeat.value().as_secs();
            // In range: it was checked.
            uri.query.heartbeat = Some(u16::try_from(seconds).unwrap_or(u16::MAX));
            Ok(uri)
        });
        parsed.collect()
    }
}

impl Source {
    fn check(&self, targets: &BTreeMap<String, Target>) -> Result<(), String> {
        if !targets.contains_key(&self.target) {
            let names: Vec<_> = targets.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(format!(
                "target: '{}' is none of the targets: {names}",
                self.target
            ));
        }
        if self.queue.is_empty() {
            return Err("queue: is missing: the name of a queue".into());
        }
        match self.prefetch {
            1..=65_535 => Ok(()),
            _ => Err("prefetch: must be from 1 to 65535".into()),
        }
    }
}

/// An address as an operator sees it.
pub(crate) fn shown(uri: &AMQPUri) -> String {
    let scheme = match uri.scheme {
        AMQPScheme::AMQP => "amqp",
        AMQPScheme::AMQPS => "amqps",
    };
    let at = &uri.authority;
    format!("{scheme}://{}:{}", at.host, at.port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets_and_sources_are_read() {
        assert_eq!(Config::from_section(&json!({})), Ok(Config::default()));
        let config = Config::from_section(&json!({
            "targets": {"main": {"url": "amqp://user:geheim@127.0.0.1/%2f", "password": {"env": "P"}}},
            "sources": {"orders": {"target": "main", "queue": "orders.in"}},
        }));
        let config = config.unwrap();
        let address = &config.targets["main"].addresses().unwrap()[0];
        assert_eq!(shown(address), "amqp://127.0.0.1:5672");
        assert_eq!(address.vhost, "/");
        assert_eq!(config.sources["orders"].namespace, "default");
    }

    #[test]
    fn an_error_names_the_key_and_no_secret() {
        let target = |target: Value| json!({"targets": {"main": target}});
        for (section, expected) in [
            (json!([]), "expected a table"),
            (json!({"broker": 1}), "broker: unknown field"),
            (target(json!({})), "targets.main.url: is missing"),
            (
                target(json!({"url": "http://u:hush@x"})),
                "targets.main.url: expected",
            ),
            (target(json!({"url": "hush"})), "targets.main.url: expected"),
            (
                target(json!({"url": "amqp://x", "urls": ["amqp://y"]})),
                "targets.main.urls: stands beside",
            ),
            (
                target(json!({"url": "amqp://x", "heartbeat": "0s"})),
                "targets.main.heartbeat: must be",
            ),
            (
                target(json!({"url": "amqp://x", "tls": {"cert": "c"}})),
                "targets.main.tls: 'cert' and 'key'",
            ),
            (
                json!({"sources": {"a": {"target": "x", "queue": "q"}}}),
                "sources.a.target: 'x' is none of the targets",
            ),
            (
                json!({"targets": {"x": {"url": "amqp://x"}}, "sources": {"a": {"target": "x"}}}),
                "sources.a.queue: is missing",
            ),
        ] {
            let error = Config::from_section(&section).unwrap_err();
            assert!(error.starts_with(expected), "{section}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
