//! Which options does a webhook have?
//!
//! Those of FireFly, by the same names, and ours.

use std::collections::BTreeMap;

use photinus_contract::CodedError;
use photinus_contract::object::{null_as_default, object_or_default};
use photinus_contract::own::{self, invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What counts as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConfirmationMode {
    /// An answer with a status of 2xx. Anything else is tried again.
    #[default]
    Assured,
    /// Whatever came, as in FireFly.
    Besteffort,
    /// A request that was sent, whatever comes.
    Fastack,
}

/// How an event is written as a CloudEvent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CloudEvents {
    /// One JSON object with attributes and data.
    Structured,
    /// Attributes as headers, data as the body.
    Binary,
}

/// The options of a webhook.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Options {
    /// Where events go, with `http://` or `https://`; or relative to the server's `base_url`.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(required)]
    pub(crate) url: String,
    /// `POST` if empty. Only `POST`, `PUT` and `PATCH` send a body.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(extend("pattern" = "^[!#$%&'*+.^_`|~0-9A-Za-z-]*$"))]
    pub(crate) method: String,
    /// Whether an answer is JSON, whatever it says itself.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) json: bool,
    /// Whether the answer is published as a reply to the event's message.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) reply: bool,
    /// The tag of the reply.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) replytag: String,
    /// The kind of transaction of the reply.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) replytx: String,
    /// Headers of each request.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Headers of each request whose values are never shown.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(extend("writeOnly" = true))]
    pub(crate) secret_headers: BTreeMap<String, String>,
    /// What is added to the query of `url`.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) query: BTreeMap<String, String>,
    /// The name of the certificates to use: `[transports.webhooks.tls.NAME]` of the server's configuration.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) tls_config_name: String,
    /// Which fields of the first value of the message make the request.
    #[serde(deserialize_with = "object_or_default")]
    pub(crate) input: Input,
    /// The same as `confirmationMode` `fastack`, unless there is a `reply`.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) fastack: bool,
    /// How often an event is tried, in FireFly's words; `retryPolicy` says more.
    #[serde(deserialize_with = "object_or_default")]
    pub(crate) retry: Retry,
    /// Limits of the HTTP client.
    #[serde(deserialize_with = "object_or_default")]
    pub(crate) http_options: HttpOptions,
    /// What counts as received; as the server's configuration says if absent.
    pub(crate) confirmation_mode: Option<ConfirmationMode>,
    /// Whether requests are signed as Standard Webhooks says; they are if absent.
    pub(crate) signing: Option<bool>,
    /// What they are signed with: `whsec_` and 24 to 64 bytes in base64. Made, and shown once, if absent.
    #[schemars(extend("writeOnly" = true, "pattern" = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"))]
    pub(crate) secret: Option<String>,
    /// The secret before this one, after the time until which it signs, too.
    #[schemars(extend("writeOnly" = true, "pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z whsec_[A-Za-z0-9+/]{32,86}={0,2}$"))]
    pub(crate) previous_secret: Option<String>,
    /// Whether an event is sent as a CloudEvent, and how.
    pub(crate) cloud_events: Option<CloudEvents>,
}

/// Names of fields of the first value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Input {
    /// Its keys are added to the query.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) query: String,
    /// Its keys are headers.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) headers: String,
    /// It is the body.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) body: String,
    /// It is added to the path.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) path: String,
    /// It is the kind of transaction of the reply.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) replytx: String,
}

/// How often an event is tried, in FireFly's words.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Retry {
    /// Whether it is tried more than once.
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) enabled: bool,
    /// How often after the first time; 5 if absent.
    pub(crate) count: Option<u32>,
    /// How long to wait at first; `250ms` if absent.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) initial_delay: Option<String>,
    /// How long to wait at most; `30s` if absent.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) max_delay: Option<String>,
}

/// Limits of the HTTP client; those of the server's configuration where absent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HttpOptions {
    /// The HTTP proxy that requests go through. Hidden, because it may hold a password.
    #[serde(rename = "proxyURL")]
    #[schemars(extend("writeOnly" = true))]
    pub(crate) proxy_url: Option<String>,
    /// How long it may take to agree on TLS.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) tls_handshake_timeout: Option<String>,
    /// How long one request may take.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) request_timeout: Option<String>,
    /// How many connections are kept for the next request.
    pub(crate) max_idle_conns: Option<u32>,
    /// For how long.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) idle_timeout: Option<String>,
    /// How long it may take to connect.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) connection_timeout: Option<String>,
    /// Taken, and without an effect: no request expects `100 Continue`.
    #[schemars(extend("format" = "go-duration"))]
    pub(crate) expect_continue_timeout: Option<String>,
}

impl Options {
    /// Reads the options of a subscription. The error names the option and repeats no value.
    pub(crate) fn read(given: &Map<String, Value>) -> Result<Self, CodedError> {
        own::options(given, |key| match key {
            "headers" | "query" => CodedError::bad_request(
                "FF10243",
                format!("Invalid option '{key}': expected an object whose values are texts"),
            ),
            _ => invalid(key, expected(key)),
        })
    }
}

fn expected(key: &str) -> &'static str {
    match key {
        "json" | "reply" | "fastack" | "signing" => "expected true or false",
        "confirmationMode" => "expected 'assured', 'besteffort' or 'fastack'",
        "cloudEvents" => "expected 'structured' or 'binary'",
        "secretHeaders" => "expected an object whose values are texts",
        "input" => "expected an object whose values are names of fields",
        "retry" => {
            "expected an object with 'enabled' (true or false), 'count' (a number from 0 on), 'initialDelay' and 'maxDelay' (texts)"
        }
        "httpOptions" => "expected an object with durations as texts, 'maxIdleConns' as a number",
        _ => "expected a text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(options: Value) -> Result<Options, CodedError> {
        Options::read(options.as_object().unwrap())
    }

    #[test]
    fn an_error_names_the_option_and_repeats_no_value() {
        for (options, code, name) in [
            (json!({"url": 5}), "PH00447", "'url'"),
            (json!({"headers": {"a": 5}}), "FF10243", "'headers'"),
            (json!({"query": ["hush"]}), "FF10243", "'query'"),
            (json!({"secret": {"hush": 1}}), "PH00447", "'secret'"),
            (
                json!({"secretHeaders": "hush"}),
                "PH00447",
                "'secretHeaders'",
            ),
            (json!({"reply": "hush"}), "PH00447", "'reply'"),
            (
                json!({"confirmationMode": "hush"}),
                "PH00447",
                "'confirmationMode'",
            ),
            (json!({"cloudEvents": "hush"}), "PH00447", "'cloudEvents'"),
            (json!({"retry": {"count": -1}}), "PH00447", "'retry'"),
            (json!({"retry": []}), "PH00447", "'retry'"),
            (json!({"input": {"body": 5}}), "PH00447", "'input'"),
            (json!({"httpOptions": "hush"}), "PH00447", "'httpOptions'"),
        ] {
            let error = read(options.clone()).unwrap_err();
            assert_eq!((error.code(), error.status()), (code, 400), "{options}");
            let text = error.to_string();
            assert!(text.contains(name) && !text.contains("hush"), "{text}");
        }
    }

    #[test]
    fn null_is_the_same_as_absent_and_unknown_keys_are_nobodys_business() {
        let options = json!({
            "url": "http://x", "method": null, "headers": null, "query": null, "input": null,
            "reply": null, "retry": null, "httpOptions": null, "fastack": null, "other": {"a": 1},
        });
        let options = read(options).unwrap();
        assert_eq!(options.url, "http://x");
        assert!(options.headers.is_empty() && !options.reply && !options.retry.enabled);
    }
}
