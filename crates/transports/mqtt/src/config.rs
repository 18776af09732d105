//! What can an operator set?

use std::collections::BTreeMap;
use std::time::Duration;

use photinus_contract::target::{Password, TlsFiles};
use photinus_contract::{DurationText, own};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// The MQTT transport. Without targets it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Brokers by the name that a subscription's `target` gives.
    pub targets: BTreeMap<String, Target>,
    /// Topic filters whose messages are published here, by name.
    pub sources: BTreeMap<String, Source>,
}

/// Which version of MQTT is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// 5, and 3.1.1 if the broker does not know it.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 5.
    #[serde(rename = "5")]
    V5,
    /// 3.1.1, which has no response topics, no user properties and no reasons.
    #[serde(rename = "3.1.1")]
    V311,
}

/// A broker, or a cluster of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Where it is: `mqtt://user@host:1883`, or `mqtts://` for TLS.
    pub url: Option<String>,
    /// Where the nodes of a cluster are, in place of `url`. The next is tried when one cannot be reached.
    pub urls: Vec<String>,
    /// The password of the user, as a text, `{ env = "NAME" }` or `{ file = "…" }`. A file is read at each connection.
    pub password: Option<Password>,
    /// Certificates for `mqtts://`.
    pub tls: TlsFiles,
    /// The name of this client, which no other client of the broker may have; one that is made up if empty.
    pub client_id: String,
    /// Which version of MQTT is spoken.
    pub protocol: Protocol,
    /// The topic below which applications answer.
    pub answers_topic: String,
    /// How long it may take to connect.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub connection_timeout: DurationText,
    /// How long the broker may take to acknowledge a message. Then the connection is made anew.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub confirm_timeout: DurationText,
    /// How often the two sides show that they are there.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub keep_alive: DurationText,
    /// How long to wait at first before the next attempt to connect. It doubles while that fails.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub reconnect_delay: DurationText,
    /// How long to wait at most.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub reconnect_delay_max: DurationText,
    /// How many messages may be without an acknowledgement, of all subscriptions of this target. A broker that asks for
    /// less gets less.
    #[schemars(range(min = 1, max = 65535))]
    pub unconfirmed_max: usize,
    /// Largest message that is taken from the broker, in bytes.
    #[schemars(range(min = 1024))]
    pub packet_bytes_max: usize,
}

/// A topic filter whose messages are published here. They are acknowledged to the broker when they are committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// The target to subscribe at.
    #[schemars(required)]
    pub target: String,
    /// The topic filter, such as `plant/#`.
    #[schemars(required)]
    pub filter: String,
    /// The quality of service that is asked for: 0, which may lose messages, 1 or 2.
    #[schemars(range(max = 2))]
    pub qos: u8,
    /// Where messages are published.
    pub namespace: String,
    /// Their topic: a name, or with `{topic}` in it for the topic of MQTT, whose slashes are dots then.
    pub topic: String,
    /// Their tag: a name, or with `{topic}` in it, or none.
    pub tag: String,
    /// The name of this client, by which the broker keeps messages for it while it is away; made of the names of the
    /// source and its filter if empty. One of your own should be another when the filter is: what the broker keeps under
    /// it is for both.
    pub client_id: String,
    /// How long the broker is to keep them.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub session_expiry: DurationText,
    /// How many messages are on their way into the log at once.
    #[schemars(range(min = 1, max = 65535))]
    pub receive_max: usize,
    /// The topic that a message is published to that can never be taken, with the reason in the user property
    /// `photinus-reason`. Without it the broker is told the reason, and drops the message.
    pub dead_letter_topic: Option<String>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            password: None,
            tls: TlsFiles::default(),
            client_id: String::new(),
            protocol: Protocol::Auto,
            answers_topic: "photinus/answers".to_owned(),
            connection_timeout: duration("10s"),
            confirm_timeout: duration("30s"),
            keep_alive: duration("20s"),
            reconnect_delay: duration("250ms"),
            reconnect_delay_max: duration("30s"),
            unconfirmed_max: 4096,
            packet_bytes_max: 8 << 20,
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            target: String::new(),
            filter: String::new(),
            qos: 1,
            namespace: "default".to_owned(),
            topic: "{topic}".to_owned(),
            tag: String::new(),
            client_id: String::new(),
            session_expiry: duration("24h"),
            receive_max: 256,
            dead_letter_topic: None,
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
            let checked = target.check();
            checked.map_err(|error| format!("targets.{name}.{error}"))?;
        }
        for (name, source) in &config.sources {
            let checked = source.check(&config.targets);
            checked.map_err(|error| format!("sources.{name}.{error}"))?;
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
        if !(1..=u64::from(u16::MAX)).contains(&self.keep_alive.value().as_secs()) {
            return Err("keep_alive: must be from 1s to 65535s".into());
        }
        if is_wild(&self.answers_topic) || self.answers_topic.is_empty() {
            return Err("answers_topic: expected a topic, without + and #".into());
        }
        if !(1..=65_535).contains(&self.unconfirmed_max) {
            return Err("unconfirmed_max: must be from 1 to 65535".into());
        }
        match self.packet_bytes_max < 1024 || u32::try_from(self.packet_bytes_max).is_err() {
            true => Err("packet_bytes_max: must be from 1024 to 4294967295".into()),
            false => Ok(()),
        }
    }

    /// Where the broker is: at least one address. The error repeats none, because there may be a password in it.
    pub(crate) fn addresses(&self) -> Result<Vec<Url>, String> {
        let (key, texts) = match (&self.url, &self.urls[..]) {
            (Some(_), [_, ..]) => {
                return Err("urls: stands beside 'url': use one of the two".into());
            }
            (Some(url), []) => ("url", std::slice::from_ref(url)),
            (None, []) => return Err("url: is missing: where the broker is".into()),
            (None, urls) => ("urls", urls),
        };
        let parsed = texts.iter().map(|text| {
            let url = Url::parse(text).ok().filter(|url| {
                matches!(url.scheme(), "mqtt" | "mqtts")
                    && url.host_str().is_some_and(|host| !host.is_empty())
                    && matches!(url.path(), "" | "/")
            });
            url.ok_or_else(|| format!("{key}: expected an address such as mqtt://127.0.0.1:1883"))
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
        if self.filter.is_empty() {
            return Err("filter: is missing: a topic filter such as plant/#".into());
        }
        if self.qos > 2 {
            return Err("qos: must be 0, 1 or 2".into());
        }
        if self
            .dead_letter_topic
            .as_deref()
            .is_some_and(|topic| is_wild(topic) || topic.is_empty())
        {
            return Err("dead_letter_topic: expected a topic, without + and #".into());
        }
        match self.receive_max {
            1..=65_535 => Ok(()),
            _ => Err("receive_max: must be from 1 to 65535".into()),
        }
    }
}

/// Whether a topic has what only filters have.
pub(crate) fn is_wild(topic: &str) -> bool {
    topic.contains(['+', '#', '\0'])
}

/// An address as an operator sees it.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}:{}", url.scheme(), port(url))
}

/// The port of an address.
pub(crate) fn port(url: &Url) -> u16 {
    let usual = if url.scheme() == "mqtts" { 8883 } else { 1883 };
    url.port().unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets_and_sources_are_read() {
        assert_eq!(Config::from_section(&json!({})), Ok(Config::default()));
        let config = Config::from_section(&json!({
            "targets": {"plant": {"url": "mqtts://u:geheim@broker", "protocol": "3.1.1"}},
            "sources": {"in": {"target": "plant", "filter": "plant/#", "qos": 2}},
        }));
        let config = config.unwrap();
        let address = &config.targets["plant"].addresses().unwrap()[0];
        assert_eq!(shown(address), "mqtts://broker:8883");
        assert_eq!(config.targets["plant"].protocol, Protocol::V311);
        assert_eq!(config.sources["in"].topic, "{topic}");
    }

    #[test]
    fn an_error_names_the_key_and_no_secret() {
        let target = |target: Value| json!({"targets": {"main": target}});
        let source = |source: Value| json!({"targets": {"x": {"url": "mqtt://x"}}, "sources": {"a": source}});
        for (section, expected) in [
            (json!([]), "expected a table"),
            (json!({"broker": 1}), "broker: unknown field"),
            (target(json!({})), "targets.main.url: is missing"),
            (
                target(json!({"url": "http://u:hush@x"})),
                "targets.main.url: expected",
            ),
            (
                target(json!({"url": "mqtt://x/hush"})),
                "targets.main.url: expected",
            ),
            (
                target(json!({"url": "mqtt://x", "urls": ["mqtt://y"]})),
                "targets.main.urls: stands beside",
            ),
            (
                target(json!({"url": "mqtt://x", "keep_alive": "0s"})),
                "targets.main.keep_alive: must be",
            ),
            (
                target(json!({"url": "mqtt://x", "answers_topic": "a/#"})),
                "targets.main.answers_topic: expected",
            ),
            (
                target(json!({"url": "mqtt://x", "protocol": "4"})),
                "targets: unknown variant",
            ),
            (
                source(json!({"target": "y", "filter": "q"})),
                "sources.a.target: 'y'",
            ),
            (
                source(json!({"target": "x"})),
                "sources.a.filter: is missing",
            ),
            (
                source(json!({"target": "x", "filter": "q", "qos": 3})),
                "sources.a.qos: must be",
            ),
        ] {
            let error = Config::from_section(&section).unwrap_err();
            assert!(error.starts_with(expected), "{section}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
