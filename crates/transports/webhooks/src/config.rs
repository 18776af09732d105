//! What can an operator set?

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use photinus_contract::DurationText;
use photinus_contract::own;
use photinus_contract::target::TlsFiles;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::guard::Allowed;
use crate::options::ConfirmationMode;
use crate::settings::{is_reserved, proxy_url};

/// The webhook transport. It needs no settings, and then reaches addresses of the public internet only.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What counts as received where a subscription does not say: `assured`, an answer with a status of 2xx;
    /// `besteffort`, whatever came, as in FireFly; `fastack`, a request that was sent.
    #[serde(rename = "confirmationMode")]
    pub confirmation_mode: ConfirmationMode,
    /// Which receivers within this network may be reached, too: addresses such as `10.0.0.0/8`, and names such as
    /// `hooks.internal`. All private, loopback, link-local and otherwise special addresses are refused without it.
    pub allow: Vec<String>,
    /// What a relative `url` of a subscription begins with, such as `https://hooks.example.com/`.
    pub base_url: Option<String>,
    /// Headers of every request. Those of a subscription go before them.
    #[schemars(extend("writeOnly" = true))]
    pub headers: BTreeMap<String, String>,
    /// The HTTP proxy that every request goes through, such as `http://user:password@proxy.internal:3128`. What the
    /// environment says about proxies is not looked at.
    #[schemars(extend("writeOnly" = true))]
    pub proxy: Option<String>,
    /// Certificates by the name that a subscription's `tlsConfigName` gives.
    pub tls: BTreeMap<String, TlsFiles>,
    /// How long one request may take, from the first byte of the connection to the last of the answer.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub request_timeout: DurationText,
    /// How long it may take to connect.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub connection_timeout: DurationText,
    /// How long it may take to agree on TLS.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub tls_handshake_timeout: DurationText,
    /// How long a connection is kept for the next request.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub idle_timeout: DurationText,
    /// How many connections to one host are kept for the next request.
    #[schemars(range(min = 1))]
    pub idle_connections_max: usize,
    /// How many requests to one receiver are under way at once, of all subscriptions. A receiver that asks for less
    /// gets less.
    #[schemars(range(min = 1))]
    pub requests_per_receiver_max: usize,
    /// How much of an answer is read, in bytes, also after it was unpacked.
    #[schemars(range(min = 1))]
    pub response_bytes_max: usize,
    /// After how many failures in a row a receiver is left alone for a while.
    #[schemars(range(min = 1))]
    pub breaker_failures: usize,
    /// For how long at first. It doubles while the receiver goes on failing.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub breaker_delay: DurationText,
    /// For how long at most.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub breaker_delay_max: DurationText,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            confirmation_mode: ConfirmationMode::Assured,
            allow: Vec::new(),
            base_url: None,
            headers: BTreeMap::new(),
            proxy: None,
            tls: BTreeMap::new(),
            request_timeout: duration("30s"),
            connection_timeout: duration("30s"),
            tls_handshake_timeout: duration("10s"),
            idle_timeout: duration("4s"),
            idle_connections_max: 256,
            requests_per_receiver_max: 256,
            response_bytes_max: 1 << 20,
            breaker_failures: 5,
            breaker_delay: duration("1s"),
            breaker_delay_max: duration("30s"),
        }
    }
}

fn duration(text: &'static str) -> DurationText {
    // Only the literals above.
    text.parse().unwrap_or_else(|_| unreachable!("{text}"))
}

/// What a configuration means.
#[derive(Clone, Debug)]
pub(crate) struct Understood {
    pub(crate) allowed: Allowed,
    pub(crate) base_url: Option<Url>,
    pub(crate) headers: HeaderMap,
    pub(crate) proxy: Option<Url>,
}

impl Config {
    /// Reads a configuration section. The error names the key and says what would be right.
    pub fn from_section(section: &Value) -> Result<Self, String> {
        let config: Config = own::section(section, &["headers", "proxy"])?;
        config.understood()?;
        Ok(config)
    }

    /// What it means, or what is wrong with it.
    pub(crate) fn understood(&self) -> Result<Understood, String> {
        for (key, value) in [
            ("idle_connections_max", self.idle_connections_max),
            ("requests_per_receiver_max", self.requests_per_receiver_max),
            ("response_bytes_max", self.response_bytes_max),
            ("breaker_failures", self.breaker_failures),
        ] {
            if value == 0 {
                return Err(format!("{key}: must be at least 1"));
            }
        }
        for (key, value) in [
            ("request_timeout", &self.request_timeout),
            ("connection_timeout", &self.connection_timeout),
            ("tls_handshake_timeout", &self.tls_handshake_timeout),
            ("breaker_delay", &self.breaker_delay),
            ("breaker_delay_max", &self.breaker_delay_max),
        ] {
            if value.value() < Duration::from_millis(1) {
                return Err(format!("{key}: must be at least 1ms"));
            }
        }
        for (name, files) in &self.tls {
            files
                .check()
                .map_err(|error| format!("tls.{name}: {error}"))?;
        }
        Ok(Understood {
            allowed: Allowed::parse(&self.allow).map_err(|error| format!("allow: {error}"))?,
            base_url: self.base_url.as_deref().map(base_url).transpose()?,
            headers: headers(&self.headers)?,
            proxy: self.proxy.as_deref().map(proxy).transpose()?,
        })
    }
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("base_url: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("base_url: must begin with http:// or https://".into()),
    }
}

/// The words do not repeat the address, which may hold a password.
fn proxy(text: &str) -> Result<Url, String> {
    proxy_url(text).map_err(|error| format!("proxy: {error}"))
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key: HeaderName = name
            .parse()
            .map_err(|_| format!("headers: '{name}' is no name of a header"))?;
        if is_reserved(&key) {
            return Err(format!("headers: '{name}' is set by the HTTP client"));
        }
        let mut value: HeaderValue = value.parse().map_err(|_| {
            format!("headers: the value of '{name}' has characters that no header has")
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_section_is_the_defaults() {
        assert_eq!(Config::from_section(&json!({})), Ok(Config::default()));
        let given =
            json!({"confirmationMode": "besteffort", "allow": ["10.0.0.0/8", "hooks.internal"]});
        let config = Config::from_section(&given).unwrap();
        assert_eq!(config.confirmation_mode, ConfirmationMode::Besteffort);
    }

    #[test]
    fn an_error_names_the_key_and_no_secret() {
        for (section, expected) in [
            (json!([]), "expected a table"),
            (json!({"timeout": 1}), "timeout: unknown field"),
            (
                json!({"confirmationMode": "maybe"}),
                "confirmationMode: unknown variant",
            ),
            (json!({"allow": ["10.0.0.0/33"]}), "allow: '10.0.0.0/33'"),
            (json!({"allow": ["a b"]}), "allow: 'a b'"),
            (json!({"base_url": "ftp://x"}), "base_url: must begin"),
            (json!({"base_url": "x"}), "base_url: relative URL"),
            (json!({"proxy": "socks5://u:secret@x"}), "proxy: must begin"),
            (json!({"proxy": {"secret": 1}}), "proxy: expected text"),
            (
                json!({"headers": {"Content-Length": "secret"}}),
                "headers: 'Content-Length' is set",
            ),
            (json!({"headers": {"a b": "secret"}}), "headers: 'a b'"),
            (
                json!({"headers": {"a": "secret\n"}}),
                "headers: the value of 'a'",
            ),
            (
                json!({"headers": {"a": ["secret"]}}),
                "headers: expected text",
            ),
            (
                json!({"tls": {"x": {"cert": "c.pem"}}}),
                "tls.x: 'cert' and 'key'",
            ),
            (
                json!({"tls": {"x": {"ca": ""}}}),
                "tls.x: the name of a file",
            ),
            (json!({"request_timeout": "0s"}), "request_timeout: must be"),
            (json!({"breaker_failures": 0}), "breaker_failures: must be"),
        ] {
            let error = Config::from_section(&section).unwrap_err();
            assert!(error.starts_with(expected), "{section}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
