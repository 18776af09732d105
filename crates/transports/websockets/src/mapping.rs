//! How do deliveries become frames, and the words of a nack outcomes?

use std::io::Write;

use photinus_contract::{CodedError, DeliveryId, DurationText, Outcome};
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

/// Appends the frame of a payload to `out`; `scratch` is reused.
pub(crate) fn write_payload(payload: &Payload, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    scratch.clear();
    match payload {
        Payload::Event(delivery) => delivery.event.write_tracked_delivery(
            delivery.subscription.reference(),
            delivery.id,
            delivery.attempt,
            scratch,
        ),
        Payload::Batch(id, batch) => {
            let subscription = batch.subscription.reference();
            // Writing to a Vec does not fail.
            let _ = write!(
                scratch,
                "{{\"type\":\"event_batch\",\"id\":\"{id}\",\"subscription\":"
            );
            let _ = serde_json::to_writer(&mut *scratch, &subscription);
            scratch.extend_from_slice(b",\"events\":[");
            for (index, item) in batch.items.iter().enumerate() {
                if index > 0 {
                    scratch.push(b',');
                }
                item.event
                    .write_tracked_delivery(subscription, item.id, item.attempt, scratch);
            }
            scratch.extend_from_slice(b"]}");
        }
        Payload::Change(change) => {
            scratch.extend_from_slice(b"{\"type\":\"change_notification\",\"changeEvent\":");
            let _ = serde_json::to_writer(&mut *scratch, change);
            scratch.push(b'}');
        }
    }
    write_text(scratch, out);
}

/// Appends a `protocol_error` frame to `out`.
pub(crate) fn write_protocol_error(error: &CodedError, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct ProtocolError {
        r#type: &'static str,
        error: String,
    }
    let mut text = serde_json::to_vec(&ProtocolError {
        r#type: "protocol_error",
        error: error.to_string(),
    })
    .unwrap_or_default();
    write_text(&mut text, out);
}

fn write_text(text: &mut Vec<u8>, out: &mut Vec<u8>) {
    text.push(b'\n');
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        ..FrameHeader::default()
    };
    // Writing to a Vec does not fail.
    let _ = header.format(text.len() as u64, out);
    out.extend_from_slice(text);
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
