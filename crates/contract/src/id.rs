//! What identifies a thing?
//!
//! Ids are UUIDs of version 7, so they are in time order. The last twelve bits of a message's id are
//! zero; its events and the values published with it are numbered there. One ordered index over message
//! ids therefore finds a record by the id of its message, of any of its events, or of any of its values.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The bits of an id that number what belongs to one message.
const PART_MASK: u128 = 0xFFF;
/// Events are numbered from 1.
const EVENT_BASE: u128 = 0x001;
/// Values are numbered from here on.
const DATA_BASE: u128 = 0x400;
/// Most events that one message can have.
pub const EVENTS_PER_RECORD_MAX: usize = (DATA_BASE - EVENT_BASE) as usize;
/// Most values that one message can carry.
pub const VALUES_PER_RECORD_MAX: usize = (PART_MASK + 1 - DATA_BASE) as usize;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        /// Accepts every form that FireFly does: hyphenated, 32 hex digits, `urn:uuid:` and braces.
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// Identifies a message, and the [`Record`](crate::Record) that holds it.
    MessageId
);
uuid_id!(
    /// Identifies an event: the entry of a message in the log, one for each topic.
    EventId
);
uuid_id!(
    /// Identifies a value that messages refer to.
    DataId
);
uuid_id!(
    /// Identifies a subscription, durable or ephemeral.
    SubscriptionId
);

impl MessageId {
    /// The message id made from a UUID of version 7: its part number is cleared.
    pub fn from_v7(id: Uuid) -> Self {
        Self(Uuid::from_u128(id.as_u128() & !PART_MASK))
    }

    /// The id of the message to which `part` belongs, where `part` is the id of a message, of an event or
    /// of a value.
    pub fn containing(part: Uuid) -> Self {
        Self::from_v7(part)
    }

    /// The id of the event at `index`; `index` is below [`EVENTS_PER_RECORD_MAX`].
    pub fn event(self, index: usize) -> EventId {
        debug_assert!(index < EVENTS_PER_RECORD_MAX);
        EventId(Uuid::from_u128(
            self.0.as_u128() | (EVENT_BASE + index as u128),
        ))
    }

    /// The id of the value at `index` among those published with the message; `index` is below
    /// [`VALUES_PER_RECORD_MAX`].
    pub fn value(self, index: usize) -> DataId {
        debug_assert!(index < VALUES_PER_RECORD_MAX);
        DataId(Uuid::from_u128(
            self.0.as_u128() | (DATA_BASE + index as u128),
        ))
    }
}

impl EventId {
    /// The position among its message's events, if this id is one of an event of ours.
    pub fn index(self) -> Option<usize> {
        let part = self.0.as_u128() & PART_MASK;
        (EVENT_BASE..DATA_BASE)
            .contains(&part)
            .then(|| (part - EVENT_BASE) as usize)
    }
}

impl DataId {
    /// The position among the values published with its message, if this id is one of a value of ours.
    pub fn index(self) -> Option<usize> {
        let part = self.0.as_u128() & PART_MASK;
        (part >= DATA_BASE).then(|| (part - DATA_BASE) as usize)
    }
}

/// A position in the log of a namespace. Sequences rise strictly within a namespace and may have gaps; the
/// first event of a fresh log is 1. An *offset* is the sequence of the last event that is settled.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub i64);

impl Sequence {
    /// Before everything: the offset of a subscription that starts at the oldest event.
    pub const OLDEST: Sequence = Sequence(-1);
    /// The largest sequence that a store may give: JavaScript reads integers exactly up to 2^53.
    pub const MAX: Sequence = Sequence((1 << 53) - 1);

    /// The one after this.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before this.
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies a connection of a transport. The transport chooses it, unique for the life of the server;
/// an id that was closed is never used again. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// A connection id with this text.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_record_lead_back_to_its_message() {
        let message =
            MessageId::from_v7(Uuid::from_u128(0x0190_0000_0000_7000_8000_1234_5678_9ABC));
        assert_eq!(message.0.as_u128() & PART_MASK, 0);
        for index in [0, 9, EVENTS_PER_RECORD_MAX - 1] {
            let event = message.event(index);
            assert_eq!(
                (MessageId::containing(event.0), event.index()),
                (message, Some(index))
            );
            assert_eq!(DataId(event.0).index(), None);
        }
        for index in [0, VALUES_PER_RECORD_MAX - 1] {
            let value = message.value(index);
            assert_eq!(
                (MessageId::containing(value.0), value.index()),
                (message, Some(index))
            );
            assert_eq!(EventId(value.0).index(), None);
        }
        assert_eq!(EventId(message.0).index(), None);
    }

    #[test]
    fn every_form_of_a_uuid_is_read_and_one_is_written() {
        let plain = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
        for text in [
            plain,
            "0D4E4D6E-5F3B-4D0A-8A8A-6F4F5B0F7B01",
            "0d4e4d6e5f3b4d0a8a8a6f4f5b0f7b01",
            "urn:uuid:0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
            "{0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01}",
        ] {
            assert_eq!(
                text.parse::<EventId>().unwrap().to_string(),
                plain,
                "{text}"
            );
        }
        assert!("0d4e".parse::<EventId>().is_err());
    }
}
