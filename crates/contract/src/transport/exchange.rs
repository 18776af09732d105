//! What is said when a subscription is tried?

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// What was sent to the application, what it answered, and what that would have meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Exchange {
    /// What was sent, or was to be sent.
    pub request: ExchangeSide,
    /// What came back, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ExchangeSide>,
    /// What became of it, for people: that it would be acknowledged, or why not.
    pub outcome: String,
    /// Whether the event would be settled by this.
    pub settled: bool,
    /// How long it took, in milliseconds.
    #[serde(rename = "durationMs", serialize_with = "milliseconds")]
    #[schemars(with = "f64")]
    pub duration: Duration,
}

/// One side of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct ExchangeSide {
    /// How it begins: a method and an address, or a status.
    pub line: String,
    /// What is said about it, in order. Secrets among them are hidden.
    pub headers: Vec<(String, String)>,
    /// What it holds, as text. The beginning, if it is long.
    pub body: String,
}

impl Exchange {
    /// A request that got no answer yet.
    pub fn new(request: ExchangeSide) -> Self {
        Self {
            request,
            response: None,
            outcome: String::new(),
            settled: false,
            duration: Duration::ZERO,
        }
    }
}

impl ExchangeSide {
    /// What begins with this line.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            ..Self::default()
        }
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Microseconds are enough.
    let milliseconds = duration.as_micros() as f64 / 1_000.0;
    serializer.serialize_f64(milliseconds)
}
