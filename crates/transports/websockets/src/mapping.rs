//! How do deliveries become frames, and the words of a nack outcomes?

use std::io::Write;

use photinus_contract::delivery::BatchItem;
use photinus_contract::{CodedError, DeliveryId, DurationText, Outcome, SubscriptionRef};
use serde::Serialize;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::frames::Nack;
use crate::inflight::BatchEvents;
use crate::outbound::Payload;
use crate::text::Text;

/// Longest reason that is kept of a nack, in characters.
const REASON_MAX: usize = 2048;
const REASON_DEFAULT: &str = "rejected by the application";

/// Appends the frame of a payload to `out`; `size` is about how long it is.
pub(crate) fn write_payload(payload: &Payload, size: usize, out: &mut Vec<u8>) {
    let write_event = |subscription: SubscriptionRef<'_>, item: &BatchItem, out: &mut Vec<u8>| {
        item.event
            .write_tracked_delivery(subscription, item.id, item.attempt, out);
    };
    write_text(size, out, |out| match payload {
        Payload::Event(subscription, item) => write_event(subscription.reference(), item, out),
        Payload::Batch(id, batch) => {
            let subscription = batch.subscription.reference();
            // Writing to a Vec does not fail.
            let _ = write!(
                out,
                "{{\"type\":\"event_batch\",\"id\":\"{id}\",\"subscription\":"
            );
            let _ = serde_json::to_writer(&mut *out, &subscription);
            out.extend_from_slice(b",\"events\":[");
            for (index, item) in batch.items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_event(subscription, item, out);
            }
            out.extend_from_slice(b"]}");
        }
        Payload::Change(change) => {
            out.extend_from_slice(b"{\"type\":\"change_notification\",\"changeEvent\":");
            let _ = serde_json::to_writer(&mut *out, change);
            out.push(b'}');
        }
    });
}

/// Appends a `protocol_error` frame to `out`.
pub(crate) fn write_protocol_error(error: &CodedError, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct ProtocolError {
        r#type: &'static str,
        error: String,
    }
    let error = ProtocolError {
        r#type: "protocol_error",
        error: error.to_string(),
    };
    write_text(error.error.len(), out, |out| {
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(out, &error);
    });
}

/// Appends a frame with a text and a line feed. The text is written in its place, behind room for a header of the
/// size that it has if the text is about as long as expected; otherwise the text is moved.
fn write_text(expected: usize, out: &mut Vec<u8>, text: impl FnOnce(&mut Vec<u8>)) {
    let (start, header) = (out.len(), header_of(expected));
    out.extend_from_slice(header.bytes());
    let body = out.len();
    text(out);
    out.push(b'\n');
    let header = header_of(out.len() - body);
    match out.get_mut(start..body) {
        Some(room) if room.len() == header.length => room.copy_from_slice(header.bytes()),
        _ => drop(out.splice(start..body, header.bytes().iter().copied())),
    }
}

/// The header of a text frame, which the server does not mask.
struct Header {
    bytes: [u8; 10],
    length: usize,
}

impl Header {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn header_of(length: usize) -> Header {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        ..FrameHeader::default()
    };
    let mut bytes = [0; 10];
    let mut rest = &mut bytes[..];
    // The longest is ten bytes.
    let _ = header.format(length as u64, &mut rest);
    let length = 10 - rest.len();
    Header { bytes, length }
}

/// What a nack asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Acknowledge,
    Retry,
    Park,
    Skip,
}

/// The outcome of what a nack answers, and for a batch those of single events, by event id.
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<(uuid::Uuid, Outcome)>,
}

/// Reads what a nack asks for.
pub(crate) fn verdict(nack: &Nack<'_>) -> Result<Verdict, CodedError> {
    let delay = match &*nack.delay {
        "" => None,
        text => Some(text.parse::<DurationText>()?.value()),
    };
    let outcome = |action: Action, reason: &str| {
        let reason = match reason {
            "" => REASON_DEFAULT.to_owned(),
            text => text.chars().take(REASON_MAX).collect(),
        };
        match action {
            Action::Acknowledge => Outcome::ack(),
            Action::Retry => Outcome::Retry {
                delay,
                counted: true,
                reason,
            },
            Action::Park => Outcome::Park { reason },
            Action::Skip => Outcome::Skip { reason },
        }
    };
    let own = match action(&nack.action)? {
        Some(Action::Acknowledge) => {
            return Err(CodedError::bad_request(
                "PH00422",
                "A nack has the action retry, park or skip; to acknowledge, send an ack",
            ));
        }
        Some(own) => own,
        // Events are named to tell them from the others, which are acknowledged then.
        None if !nack.events.is_empty() => Action::Acknowledge,
        None => Action::Retry,
    };
    let mut events = Vec::with_capacity(nack.events.len());
    for event in &nack.events {
        let reason = match &*event.reason {
            "" => &*nack.reason,
            reason => reason,
        };
        let action = action(&event.action)?.unwrap_or(Action::Retry);
        events.push((event.id, outcome(action, reason)));
    }
    Ok(Verdict {
        outcome: outcome(own, &nack.reason),
        events,
    })
}

/// Finds the deliveries of the events that a nack names within a batch.
pub(crate) fn item_outcomes(
    events: Vec<(uuid::Uuid, Outcome)>,
    batch: &BatchEvents,
) -> Result<Vec<(DeliveryId, Outcome)>, CodedError> {
    let mut deliveries: std::collections::HashMap<_, _> = batch
        .iter()
        .map(|(event, delivery)| (event.0, *delivery))
        .collect();
    events
        .into_iter()
        .map(|(event, outcome)| match deliveries.remove(&event) {
            Some(delivery) => Ok((delivery, outcome)),
            None => Err(CodedError::bad_request(
                "FF10175",
                format!("Event '{event}' is not in the batch, or is named twice"),
            )),
        })
        .collect()
}

fn action(text: &Text<'_>) -> Result<Option<Action>, CodedError> {
    let known = [
        ("ack", Action::Acknowledge),
        ("retry", Action::Retry),
        ("park", Action::Park),
        ("skip", Action::Skip),
    ];
    if text.is_empty() {
        return Ok(None);
    }
    known
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, action)| Some(action))
        .ok_or_else(|| {
            CodedError::bad_request(
                "PH00422",
                format!(
                    "Unknown action '{}': expected retry, park or skip, or ack for one event of a batch",
                    text.excerpt()
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_header_of_its_length_whatever_was_expected() {
        let lengths = [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 100_000];
        for length in lengths {
            for expected in lengths {
                let mut out = b"before".to_vec();
                write_text(expected, &mut out, |out| {
                    out.resize(out.len() + length, b'x')
                });
                // The line feed is a part of the text.
                let mut frame = b"before\x81".to_vec();
                match length + 1 {
                    long @ 65_536.. => {
                        frame.push(127);
                        frame.extend((long as u64).to_be_bytes());
                    }
                    middle @ 126.. => {
                        frame.push(126);
                        frame.extend((middle as u16).to_be_bytes());
                    }
                    short => frame.push(short as u8),
                }
                frame.resize(frame.len() + length, b'x');
                frame.push(b'\n');
                assert!(out == frame, "{length} bytes, expected {expected}");
            }
        }
    }
}
