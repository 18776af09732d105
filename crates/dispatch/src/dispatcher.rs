//! What happens to one active subscription?
//!
//! ```text
//!      offset        delivered           read
//!        ▼               ▼                ▼
//!  ──────┼───────────────┼────────────────┼──────▶ sequence
//!  settled │ in flight, or │ ready         │ room() asks for more
//!          │ acknowledged  │
//!          │ above a gap   │
//! ```
//!
//! The window lies between the offset and what was read. An acknowledgement above a gap is provisional: a
//! rewind goes back to the offset and delivers everything above it again, in order, except what was parked or
//! skipped.

mod answers;
mod deliveries;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, MessageInput, Sequence, VoidReason};

use crate::connections::Connections;
use crate::instant::Instant;
use crate::position::{Position, Progress, Unsaved};
use crate::retry::RetrySchedule;
use crate::window::{SlotState, Window};

/// Most events above the offset that can be settled for good; then the subscription waits for the gap.
pub const SETTLED_SPAN_MAX: usize = 65_536;

/// How a dispatcher behaves. Constant for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DispatcherConfig {
    /// How many events more than one may be in flight; of a batch subscription the size of a batch.
    pub read_ahead: u16,
    /// Set for batches: how long one waits to fill.
    pub batch_timeout: Option<Duration>,
    /// How long the application has for its answer.
    pub ack_timeout: Option<Duration>,
    /// Most bytes of events in the window. One event always passes.
    pub window_bytes_max: usize,
    /// The delays after failures.
    pub retry: RetrySchedule,
    /// Spreads the delays of different subscriptions.
    pub seed: u64,
}

/// What a dispatcher is told.
#[derive(Clone, Debug)]
pub enum Input<E> {
    /// The matching events after what was read so far, in order, each with its size in bytes. Everything up
    /// to `through` was looked at.
    Events {
        /// The matching events.
        events: Vec<(Sequence, usize, E)>,
        /// How far was looked.
        through: Sequence,
    },
    /// A connection wants the subscription.
    Connect(ConnectionId),
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
    /// Ends a pause.
    Resume,
    /// Time has passed.
    Timeout,
    /// The subscription is changed, moved or deleted: this dispatcher ends.
    Close,
}

/// What became of a hand-over that was not simply taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taken {
    /// Not attempted; the connection says when it is ready.
    Busy,
    /// Not attempted; the connection is gone.
    Closed,
    /// Attempted in vain.
    Failed,
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
        /// The delivery that was answered, and its event.
        item: Item<E>,
        /// Why.
        reason: String,
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
    /// 1 and its counted failures.
    pub attempt: u32,
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

/// One active subscription. See the picture above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatcher<E> {
    config: DispatcherConfig,
    progress: Progress,
    read_to: Sequence,
    delivered_to: Sequence,
    window: Window<E>,
    connections: Connections,
    /// Single deliveries that wait for an answer, by number.
    in_flight: BTreeMap<u64, Sequence>,
    batch: Option<BatchInFlight>,
    /// Replies and parked entries that are being written, by the number of their delivery.
    writing: BTreeMap<u64, Sequence>,
    next_number: u64,
    /// When the oldest ready event of the next batch became ready.
    filling_since: Option<Instant>,
    held_until: Option<Instant>,
    paused: Option<Option<Instant>>,
    closed: bool,
    voids: VecDeque<(ConnectionId, u64, VoidReason)>,
    writes: VecDeque<Write>,
    late_answers: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BatchInFlight {
    number: u64,
    connection: ConnectionId,
    deadline: Option<Instant>,
    items: Vec<(u64, Sequence)>,
}

/// A reply or parked entry that the driver has not been asked for yet.
#[derive(Clone, Debug)]
struct Write {
    number: u64,
    sequence: Sequence,
    what: Written,
}

#[derive(Clone, Debug)]
enum Written {
    Reply(Box<MessageInput>),
    Park(String),
}

impl<E: Clone> Dispatcher<E> {
    /// A dispatcher that goes on where the record says. It does nothing until a connection comes.
    pub fn new(config: DispatcherConfig, record: &OffsetRecord) -> Self {
        Self {
            config,
            progress: Progress::new(record),
            read_to: record.offset,
            delivered_to: record.offset,
            window: Window::new(),
            connections: Connections::default(),
            in_flight: BTreeMap::new(),
            batch: None,
            writing: BTreeMap::new(),
            next_number: 1,
            filling_since: None,
            held_until: None,
            paused: None,
            closed: false,
            voids: VecDeque::new(),
            writes: VecDeque::new(),
            late_answers: 0,
        }
    }

    /// Takes an input. Inputs that do not fit, such as answers to voided deliveries, change nothing.
    pub fn handle(&mut self, now: Instant, input: Input<E>) {
        if self.closed {
            if let Input::Answer { .. } = input {
                self.late_answers += 1;
            }
            return;
        }
        match input {
            Input::Events { events, through } => self.feed(now, events, through),
            Input::Connect(id) => self.connections.add(id),
            Input::Disconnect(id) => self.disconnect(now, &id),
            Input::Up(id) => self.connections.set_up(&id, true),
            Input::Down(id) => self.connections.set_up(&id, false),
            Input::Ready(id) => self.connections.set_busy(&id, false),
            Input::HandedOver { number, taken } => self.handed_over(now, number, taken),
            Input::Answer {
                connection,
                number,
                verdict,
                items,
            } => {
                self.answer(now, &connection, number, verdict, items);
            }
            Input::Written { number, stored } => self.written(now, number, stored),
            Input::Resume => self.paused = None,
            Input::Timeout => self.expire(now),
            Input::Close => {
                self.void_all(VoidReason::Reset, &[]);
                self.closed = true;
            }
        }
        self.check();
    }

    /// What is to be done next; deliveries one at a time, so that the answer to each hand-over counts for the
    /// next.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action<E>> {
        if let Some((connection, number, reason)) = self.voids.pop_front() {
            return Some(Action::Void {
                connection,
                number,
                reason,
            });
        }
        while let Some(write) = self.writes.pop_front() {
            // A rewind may have taken the answer back meanwhile.
            if self.writing.contains_key(&write.number) {
                return self.write_action(write);
            }
        }
        self.next_delivery(now)
    }

    /// When [`Input::Timeout`] is due, if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let acks = match &self.batch {
            Some(batch) => batch.deadline,
            None => self.first_deadline(),
        };
        let pause = self.paused.flatten();
        let fill = self.fill_deadline().filter(|_| self.held_until.is_none());
        [acks, pause, self.held_until, fill]
            .into_iter()
            .flatten()
            .min()
    }

    /// How much more it can hold; `None` if nothing.
    pub fn room(&self) -> Option<Room> {
        let capacity = self.capacity();
        let full = self.window.len() >= capacity
            || (self.window.bytes() >= self.config.window_bytes_max && !self.window.is_empty())
            || self.progress.settled_count() >= SETTLED_SPAN_MAX;
        if self.closed || self.connections.is_empty() || full {
            return None;
        }
        Some(Room {
            after: self.read_to,
            events: capacity - self.window.len(),
            bytes: self
                .config
                .window_bytes_max
                .saturating_sub(self.window.bytes()),
        })
    }

    /// How urgently the position has to be written.
    pub fn unsaved(&self) -> Unsaved {
        self.progress.unsaved()
    }

    /// The position, to be written now.
    pub fn save(&mut self) -> Position {
        self.progress.save()
    }

    /// The position that was saved last could not be written: it has to be saved again.
    pub fn unsave(&mut self) {
        self.progress.unsave();
    }

    /// The position.
    pub fn position(&self) -> Position {
        self.progress.position()
    }

    /// Everything up to here is settled.
    pub fn offset(&self) -> Sequence {
        self.progress.offset()
    }

    /// Everything up to here was read.
    pub fn read_to(&self) -> Sequence {
        self.read_to
    }

    /// How many events are with the application.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + self.batch.as_ref().map_or(0, |batch| batch.items.len())
    }

    /// How many answers came for deliveries that were no longer current.
    pub fn late_answers(&self) -> u64 {
        self.late_answers
    }

    /// The connections that want it, the one that is served first.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionId> {
        self.connections.iter()
    }

    /// Whether no connection wants it.
    pub fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    fn capacity(&self) -> usize {
        match self.config.batch_timeout {
            Some(_) => usize::from(self.config.read_ahead).max(1),
            None => usize::from(self.config.read_ahead) + 1,
        }
    }

    fn feed(&mut self, now: Instant, events: Vec<(Sequence, usize, E)>, through: Sequence) {
        assert!(through >= self.read_to, "reading goes forward");
        let mut last = self.read_to;
        for (sequence, bytes, event) in events {
            assert!(
                last < sequence && sequence <= through,
                "events come in order, once"
            );
            last = sequence;
            if !self.progress.is_settled(sequence) {
                self.window.push(sequence, bytes, event);
            }
        }
        self.read_to = through;
        self.pass(Unsaved::Passed);
        self.start_filling(now);
    }

    fn disconnect(&mut self, now: Instant, id: &ConnectionId) {
        if self.connections.remove(id) {
            // Nobody is told: the connection that had them is gone.
            self.rewind(now, VoidReason::Rewound, &[]);
            self.voids.retain(|(connection, _, _)| connection != id);
        }
    }

    /// Takes acknowledged events off the window's low end and moves the offset to just below what remains.
    fn pass(&mut self, mut urgency: Unsaved) {
        while self
            .window
            .front()
            .is_some_and(|slot| slot.state == SlotState::Acknowledged)
        {
            self.window.pop_front();
            urgency = Unsaved::Settled;
        }
        let to = self
            .window
            .front()
            .map_or(self.read_to, |slot| slot.sequence.previous());
        self.progress.pass(to.max(self.progress.offset()), urgency);
    }

    /// What must hold after every input.
    fn check(&self) {
        if let Some(front) = self.window.front() {
            assert!(
                self.offset() < front.sequence,
                "the offset stays below what is unsettled"
            );
        }
        assert!(
            self.window.len() <= self.capacity(),
            "the window is bounded"
        );
        assert!(
            self.offset() <= self.read_to,
            "nothing is settled that was not read"
        );
    }
}

impl PartialEq for Write {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Write {}
impl std::hash::Hash for Write {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}
