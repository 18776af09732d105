//! What is handed to a transport, and what may come back?

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::data::Data;
use crate::event::Event;
use crate::id::{ConnectionId, SubscriptionId};
use crate::message::MessageInput;
use crate::subscription::Subscription;
use crate::time::Timestamp;

/// Identifies one delivery of one event (or of one batch) to one connection. Unique for a subscription,
/// over restarts too: the epoch rises whenever the subscription gets a new owner, and the number with every
/// delivery. Clients see it as an opaque text and send it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    epoch: u64,
    number: u64,
}

impl DeliveryId {
    /// Delivery `number` of the owner with this epoch.
    pub fn new(epoch: u64, number: u64) -> Self {
        Self { epoch, number }
    }

    /// The epoch of the owner that made it.
    pub fn epoch(self) -> u64 {
        self.epoch
    }

    /// Its number among the owner's deliveries of this subscription.
    pub fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}
impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not one that [`DeliveryId`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a delivery id")]
pub struct DeliveryIdError;

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;
    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        let (epoch, number) = text.split_once('-').ok_or(DeliveryIdError)?;
        match (epoch.parse(), number.parse()) {
            (Ok(epoch), Ok(number)) => Ok(Self { epoch, number }),
            _ => Err(DeliveryIdError),
        }
    }
}

/// One event for one connection. It is current until it is settled or voided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Where it goes.
    pub connection: ConnectionId,
    /// For which subscription.
    pub subscription: Arc<Subscription>,
    /// What an answer names.
    pub id: DeliveryId,
    /// 1 and the counted failures of this event so far. A lost connection or a rewind that another event
    /// caused does not raise it.
    pub attempt: u32,
    /// What is delivered.
    pub event: Event,
    /// The values of the event's message, in message order; `Some` only if the transport
    /// [needs](crate::Transport::needs_data) them, as where the subscription asks for data.
    pub data: Option<Arc<[Data]>>,
}

/// Several events for one connection, answered together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// Where it goes.
    pub connection: ConnectionId,
    /// For which subscription.
    pub subscription: Arc<Subscription>,
    /// What an answer to the whole batch names.
    pub id: DeliveryId,
    /// The events, in sequence order. Never empty.
    pub items: Vec<BatchItem>,
}

/// One event of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchItem {
    /// What an outcome for this event alone names.
    pub id: DeliveryId,
    /// As [`Delivery::attempt`].
    pub attempt: u32,
    /// What is delivered.
    pub event: Event,
    /// As [`Delivery::data`].
    pub data: Option<Arc<[Data]>>,
}

impl Delivery {
    /// A delivery without data.
    pub fn new(
        connection: ConnectionId,
        subscription: Arc<Subscription>,
        id: DeliveryId,
        attempt: u32,
        event: Event,
    ) -> Self {
        Self {
            connection,
            subscription,
            id,
            attempt,
            event,
            data: None,
        }
    }
}

impl Batch {
    /// A batch of these items.
    pub fn new(
        connection: ConnectionId,
        subscription: Arc<Subscription>,
        id: DeliveryId,
        items: Vec<BatchItem>,
    ) -> Self {
        Self {
            connection,
            subscription,
            id,
            items,
        }
    }
}

impl BatchItem {
    /// An item without data.
    pub fn new(id: DeliveryId, attempt: u32, event: Event) -> Self {
        Self {
            id,
            attempt,
            event,
            data: None,
        }
    }
}

/// What a transport says when it is handed a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum HandOver {
    /// Taken; a [`Response`] will follow, but to a change.
    Ok,
    /// Not attempted and not counted. The transport calls
    /// [`connection_state`](crate::Callbacks::connection_state) with `Ready` when it can take more.
    Busy(Wait),
    /// The connection is gone; not attempted and not counted.
    Closed,
    /// Attempted in vain: a counted failure with this reason. No response follows.
    Failed(String),
}

/// Who has to wait after [`HandOver::Busy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Every subscription of the connection.
    Connection,
    /// Only the subscription that was handed over.
    Subscription,
}

/// The answer to a delivery or to a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    /// The subscription that was delivered.
    pub subscription: SubscriptionId,
    /// The delivery, or the batch.
    pub delivery: DeliveryId,
    /// What became of it; of a batch, what became of the events that `items` does not name.
    pub outcome: Outcome,
    /// Of a batch, outcomes of single events, by the delivery id of the item.
    pub items: Vec<(DeliveryId, Outcome)>,
    /// For the attempt log.
    pub report: Option<Report>,
}

impl Response {
    /// One outcome for the whole delivery or batch.
    pub fn new(subscription: SubscriptionId, delivery: DeliveryId, outcome: Outcome) -> Self {
        Self {
            subscription,
            delivery,
            outcome,
            items: Vec::new(),
            report: None,
        }
    }

    /// With outcomes of their own for these events of a batch.
    pub fn with_items(mut self, items: Vec<(DeliveryId, Outcome)>) -> Self {
        self.items = items;
        self
    }

    /// With a report for the attempt log.
    pub fn with_report(mut self, report: Report) -> Self {
        self.report = Some(report);
        self
    }
}

/// How a delivery ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The application has the event. The offset may move to it once every event below is settled too. A
    /// reply is published first, once, with the event's message as its `cid`.
    Acknowledge {
        /// A message to publish as the answer.
        reply: Option<Box<MessageInput>>,
    },
    /// The event is to be delivered again, and with it, in order, everything since the offset.
    Retry {
        /// How long to wait; by the subscription's schedule if absent.
        delay: Option<Duration>,
        /// Whether this counts as a failed attempt of the event.
        counted: bool,
        /// Why, for people.
        reason: String,
    },
    /// The event is set aside with a reason, durably, and the subscription goes on without it.
    Park {
        /// Why, for people.
        reason: String,
    },
    /// The subscription goes on without the event.
    Skip {
        /// Why, for people.
        reason: String,
    },
    /// Nothing more is delivered to the subscription until then, or until somebody resumes it. The event is
    /// delivered again afterwards; this counts as no attempt.
    Pause {
        /// Until when; until resumed if absent.
        until: Option<Timestamp>,
        /// Why, for people.
        reason: String,
    },
}

impl Outcome {
    /// A plain acknowledgement.
    pub fn ack() -> Self {
        Outcome::Acknowledge { reply: None }
    }

    /// A counted retry by the subscription's schedule.
    pub fn retry(reason: impl Into<String>) -> Self {
        Outcome::Retry {
            delay: None,
            counted: true,
            reason: reason.into(),
        }
    }
}

/// What a transport saw of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The status that the receiver gave, as its protocol numbers it.
    pub status: Option<u16>,
    /// How long the attempt took.
    pub duration: Option<Duration>,
    /// The beginning of what the receiver said.
    pub excerpt: Option<String>,
}

/// Why a delivery is no longer current. An answer to it is still welcome, is counted, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VoidReason {
    /// Its own ack timeout passed: the application is not expected to answer it any more.
    AckTimeout,
    /// The subscription went back to its offset.
    Rewound,
    /// The subscription was changed, moved or deleted.
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_id_survives_its_text() {
        let id = DeliveryId::new(3, u64::MAX);
        assert_eq!(id.to_string(), "3-18446744073709551615");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "-",
            "3",
            "3-",
            "a-b",
            "3-4-5",
            "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
        ] {
            assert_eq!(text.parse::<DeliveryId>(), Err(DeliveryIdError), "{text}");
        }
    }
}
