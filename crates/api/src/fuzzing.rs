//! What does a fuzzer read of what a client sends?
//!
//! Not for use: parsers which are private, with what they understood.

use photinus_contract::{CodedError, Event};
use photinus_engine::lists::{EVENTS, Query};

/// What a frame of `/spi/ws` says, in words that can be compared; nothing if it is of an unknown type.
pub fn spi_frame(frame: &[u8]) -> Result<Option<String>, serde_json::Error> {
    let wanted = crate::spi::read(frame)?;
    Ok(wanted.map(|wanted| format!("{wanted:?}")))
}

/// What the query of a URL asks of a list of events.
pub fn events_asked(query: &str) -> Result<Query<Event>, CodedError> {
    crate::query::Query::new(query)?.asks(&EVENTS)
}
