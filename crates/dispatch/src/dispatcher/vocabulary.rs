//! What is a dispatcher told, and what does it ask for?

use std::time::Duration;

use photinus_contract::retry::Policy;
use photinus_contract::{ConnectionId, MessageInput, Sequence, VoidReason};

use crate::instant::Instant;

/// How a dispatcher behaves. Constant for its life, and shared by those that behave alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DispatcherConfig {
    /// How many events more than one may be in flight; of a batch subscription the size of a batch.
    pub read_ahead: u16,
    /// Set for batches: how long one waits to fill.
    pub batch_timeout: Option<Duration>,
    /// How long the application has for its answer.
    pub ack_timeout: Option<Duration>,
    /// Most bytes of events in the window. One event always passes.
    pub window_bytes_max: usize,
    /// What becomes of events that fail.
    pub policy: Policy,
    /// Events are in order by their keys only.
    pub keyed: bool,
}

/// An event that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrived<E> {
    /// Its place in the log.
    pub sequence: Sequence,
    /// Its size.
    pub bytes: usize,
    /// A number for its ordering key. Two keys with one number are one key.
    pub key: u64,
    /// What the engine gives, and gets back with its deliveries.
    pub event: E,
}

impl<E> Arrived<E> {
    /// An event without a key.
    pub fn new(sequence: Sequence, bytes: usize, event: E) -> Self {
        Self {
            sequence,
            bytes,
            key: 0,
            event,
        }
    }
}

/// A parked event that is to be delivered again.
#[derive(Clone, Debug)]
pub struct Replayed<E> {
    /// The event.
    pub arrived: Arrived<E>,
    /// The counted failures of this replay.
    pub failures: u32,
    /// When the first of these attempts began.
    pub since: Option<Instant>,
}

/// What a dispatcher is told.
#[derive(Clone, Debug)]
pub enum Input<E> {
    /// The matching events after what was read so far, in order. Everything up to `through` was looked at.
    Events {
        /// The matching events.
        events: Vec<Arrived<E>>,
        /// How far was looked.
        through: Sequence,
    },
    /// A connection wants the subscription.
    Connect(ConnectionId),
    /// The next event does not fit into the room that there is.
    Full,
    /// A connection does not want the subscription any more, and goes on.
    Detach(ConnectionId),
    /// A connection is gone.
    Disconnect(ConnectionId),
    /// A connection works.
    Up(ConnectionId),
    /// A connection does not work for now.
    Down(ConnectionId),
    /// A connection that was busy can take more.
    Ready(ConnectionId),
    /// A delivery or batch was not simply taken.
    HandedOver {
        /// The number of the delivery or batch.
        number: u64,
        /// What became of it.
        taken: Taken,
    },
    /// The application answered.
    Answer {
        /// Over this connection.
        connection: ConnectionId,
        /// The delivery or batch.
        number: u64,
        /// What it said, of a batch about the events that `items` does not name.
        verdict: Verdict,
        /// Of a batch, verdicts about single events, by their numbers.
        items: Vec<(u64, Verdict)>,
    },
    /// A reply or a parked entry was written, or could not be.
    Written {
        /// The number of the delivery.
        number: u64,
        /// Whether it is durable.
        stored: bool,
    },
    /// Delivers nothing until then, or until resumed, whatever it was told before. What is in flight stays so, and may be
    /// answered; an outcome that pauses it, too, can make that longer, not shorter.
    Pause(Option<Instant>),
    /// Ends a pause.
    Resume,
    /// Somebody wants parked events to be delivered again: [`Dispatcher::read_replays`](super::Dispatcher::read_replays)
    /// says which ones to read.
    ReplaysMarked,
    /// Parked events that are to be delivered again, after those that were given before.
    Replays {
        /// The events, in order.
        events: Vec<Replayed<E>>,
        /// How far was looked, if more may follow.
        more: Option<Sequence>,
    },
    /// These parked events are gone.
    Discarded(Vec<Sequence>),
    /// Time has passed.
    Timeout,
    /// The subscription is changed, moved or deleted: this dispatcher ends.
    Close,
}

/// What became of a hand-over that was not simply taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Not attempted; the connection says when it is ready.
    Busy,
    /// Not attempted; the connection is gone.
    Closed,
    /// Attempted in vain.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What an application says about a delivery.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It has the event; the reply, if any, is to be published first.
    Acknowledge(Option<Box<MessageInput>>),
    /// Again, with everything since the offset.
    Retry {
        /// When; by the schedule if absent.
        delay: Option<Duration>,
        /// Whether it is a failed attempt.
        counted: bool,
        /// Why.
        reason: String,
    },
    /// Set it aside and go on.
    Park {
        /// Why.
        reason: String,
    },
    /// Go on without it.
    Skip,
    /// Deliver nothing until then, or until resumed.
    Pause(Option<Instant>),
}

/// What a dispatcher wants done.
#[derive(Clone, Debug)]
pub enum Action<E> {
    /// Hand over one event.
    Deliver {
        /// To this connection.
        connection: ConnectionId,
        /// The event and its numbers.
        item: Item<E>,
    },
    /// Hand over a batch.
    DeliverBatch {
        /// To this connection.
        connection: ConnectionId,
        /// The number of the batch.
        number: u64,
        /// Its events, in order.
        items: Vec<Item<E>>,
    },
    /// Publish a reply, once, then say [`Input::Written`].
    Reply {
        /// The delivery that was answered, and its event.
        item: Item<E>,
        /// The reply.
        reply: Box<MessageInput>,
    },
    /// Write a parked entry, then say [`Input::Written`].
    Park {
        /// The delivery that was answered or has failed, and its event.
        item: Item<E>,
        /// Why.
        reason: String,
        /// What went wrong last, if it is parked because its attempts have failed.
        error: Option<String>,
    },
    /// Tell the transport that a delivery or batch is no longer current.
    Void {
        /// The connection that has it.
        connection: ConnectionId,
        /// Its number.
        number: u64,
        /// Why.
        reason: VoidReason,
    },
}

/// One event of an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item<E> {
    /// The number of its delivery.
    pub number: u64,
    /// Its place in the log.
    pub sequence: Sequence,
    /// 1 and its counted failures; of a replay, those of this replay.
    pub attempt: u32,
    /// It was parked, and is replayed.
    pub replay: bool,
    /// What the engine gave.
    pub event: E,
}

/// How much more a dispatcher can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Everything up to here was read.
    pub after: Sequence,
    /// Matching events.
    pub events: usize,
    /// Bytes of them; the first one may be larger if the window is empty.
    pub bytes: usize,
}
