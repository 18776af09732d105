//! What waits to be written to a socket?
//!
//! A queue that is bounded by bytes. It holds what is cheap to hold, shared records and ids; the socket's task
//! makes the bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use photinus_contract::delivery::BatchItem;
use photinus_contract::{Batch, ChangeEvent, Subscription};
use uuid::Uuid;

/// Something to write.
#[derive(Debug)]
pub(crate) enum Payload {
    Event(Arc<Subscription>, BatchItem),
    Batch(Uuid, Box<Batch>),
    /// Never answered.
    Change(Box<ChangeEvent>),
}

/// How much room an empty queue keeps. Idle connections are many.
const IDLE_MAX: usize = 64;
/// About how many bytes the frame of a change takes.
const CHANGE_BYTES: usize = 300;

impl Payload {
    /// About how many bytes it takes on the wire.
    fn size(&self) -> usize {
        match self {
            Payload::Event(_, item) => item.event.size(),
            Payload::Batch(_, batch) => {
                256 + batch.items.iter().map(|i| i.event.size()).sum::<usize>()
            }
            Payload::Change(_) => CHANGE_BYTES,
        }
    }
}

/// A payload and its place among the unanswered deliveries. A delivery without a place is acknowledged when it
/// is written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) payload: Payload,
    pub(crate) place: Option<u64>,
    pub(crate) size: usize,
}

impl Outgoing {
    pub(crate) fn new(payload: Payload) -> Self {
        let size = payload.size();
        Self {
            payload,
            place: None,
            size,
        }
    }
}

/// The bounded queue of one connection.
#[derive(Debug)]
pub(crate) struct SendQueue {
    bytes_max: usize,
    bytes: usize,
    queue: VecDeque<Outgoing>,
    /// Somebody was told to wait, and has to be told when there is room.
    busy: bool,
}

impl SendQueue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            queue: VecDeque::new(),
            busy: false,
        }
    }

    /// Whether something of this size may be pushed now. If not, [`pop`](Self::pop) will tell when it may.
    pub(crate) fn has_room(&mut self, size: usize) -> bool {
        let room = self.queue.is_empty() || self.bytes.saturating_add(size) <= self.bytes_max;
        self.busy |= !room;
        room
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        self.bytes = self.bytes.saturating_add(outgoing.size);
        self.queue.push_back(outgoing);
    }

    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let Some(outgoing) = self.queue.pop_front() else {
            if self.queue.capacity() > IDLE_MAX {
                self.queue = VecDeque::new();
            }
            return None;
        };
        self.bytes = self.bytes.saturating_sub(outgoing.size);
        Some(outgoing)
    }

    /// True once after somebody had to wait and half of the queue has drained. Half, so that a slow reader
    /// does not cause a turn of the engine for each event.
    pub(crate) fn take_ready(&mut self) -> bool {
        let ready = self.busy && self.bytes <= self.bytes_max / 2;
        self.busy &= !ready;
        ready
    }

    pub(crate) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.bytes = 0;
    }
}
