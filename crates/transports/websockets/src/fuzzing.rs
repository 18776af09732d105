//! What does a fuzzer read that a client sends?
//!
//! Not for use: the parsers of frames and of queries, which are private, each with what it understood.

use photinus_contract::{CodedError, SubscriptionFilter, SubscriptionOptions};

/// What a client's frame says, in words that can be compared.
pub fn frame(frame: &[u8]) -> Result<String, CodedError> {
    crate::frames::parse(frame).map(|frame| format!("{frame:?}"))
}

/// The namespace, name, filter and options that the query of an upgrade starts.
pub fn query(query: &str) -> Option<(String, String, SubscriptionFilter, SubscriptionOptions)> {
    crate::query::auto_start(query).map(|start| {
        let filter = start.filter.unwrap_or_default();
        (start.namespace, start.name, filter, start.options)
    })
}
