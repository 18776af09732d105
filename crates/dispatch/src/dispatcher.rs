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
mod errands;
mod vocabulary;

use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence, VoidReason};

use crate::connections::Connections;
use crate::instant::Instant;
use crate::position::{Position, Progress, Unsaved};
use crate::rare::Rare;
use crate::unanswered::Unanswered;
use crate::window::{SlotState, Window};

use self::errands::Errands;
pub use self::vocabulary::{Action, DispatcherConfig, Input, Item, Room, Taken, Verdict};

/// Most events above the offset that can be settled for good; then the subscription waits for the gap.
pub const SETTLED_SPAN_MAX: usize = 65_536;

/// One active subscription. See the picture above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatcher<E> {
    config: Arc<DispatcherConfig>,
    /// Spreads its delays from those of others.
    seed: u64,
    progress: Progress,
    read_to: Sequence,
    delivered_to: Sequence,
    window: Window<E>,
    connections: Connections,
    /// Single deliveries that wait for an answer, by number.
    in_flight: Unanswered,
    /// Apart, because most subscriptions have none.
    batch: Option<Box<BatchInFlight>>,
    errands: Rare<Errands>,
    waits: Rare<Waits>,
    next_number: u64,
    /// When the oldest ready event of the next batch became ready.
    filling_since: Option<Instant>,
    closed: bool,
    /// The next event did not fit into what the window has left.
    no_fit: bool,
    late_answers: u64,
}

/// Why it delivers nothing although it could.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Waits {
    /// It failed, and tries again then.
    held_until: Option<Instant>,
    /// It was paused: until then, or until resumed.
    paused: Option<Option<Instant>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BatchInFlight {
    number: u64,
    connection: ConnectionId,
    deadline: Option<Instant>,
    items: Vec<(u64, Sequence)>,
}

impl<E: Clone> Dispatcher<E> {
    /// A dispatcher that goes on where the record says. It does nothing until a connection comes.
    pub fn new(config: impl Into<Arc<DispatcherConfig>>, record: &OffsetRecord) -> Self {
        Self {
            config: config.into(),
            seed: 0,
            progress: Progress::new(record),
            read_to: record.offset,
            delivered_to: record.offset,
            window: Window::new(),
            connections: Connections::default(),
            in_flight: Unanswered::default(),
            batch: None,
            errands: Rare::default(),
            waits: Rare::default(),
            next_number: 1,
            filling_since: None,
            closed: false,
            no_fit: false,
            late_answers: 0,
        }
    }

    /// Its delays are spread by this number, from those of others with another.
    pub fn spread_by(self, seed: u64) -> Self {
        Self { seed, ..self }
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
            Input::Detach(id) => {
                if self.connections.remove(&id) {
                    self.rewind(now, VoidReason::Reset, &BTreeSet::new());
                }
            }
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
            Input::Pause(until) => self.waits.change(|waits| waits.paused = Some(until)),
            Input::Resume => self.waits.change(|waits| waits.paused = None),
            Input::Timeout => self.expire(now),
            Input::Full => self.no_fit = !self.window.is_empty(),
            Input::Close => {
                self.void_all(VoidReason::Reset, &BTreeSet::new());
                self.closed = true;
            }
        }
        self.check();
    }

    /// What is to be done next; deliveries one at a time, so that the answer to each hand-over counts for the
    /// next.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action<E>> {
        self.next_errand().or_else(|| self.next_delivery(now))
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
        let waits = self.waits.get();
        let pause = waits.and_then(|waits| waits.paused.flatten());
        let hold = waits.and_then(|waits| waits.held_until);
        // A batch goes out by time only if nothing else keeps it back; what does has a timer or an input of
        // its own.
        let fill = self.fill_deadline().filter(|_| {
            self.batch.is_none() && waits.is_none() && self.connections.able().is_some()
        });
        [acks, pause, hold, fill].into_iter().flatten().min()
    }

    /// How much more it can hold; `None` if nothing.
    pub fn room(&self) -> Option<Room> {
        let capacity = self.capacity();
        let full = self.window.len() >= capacity
            || (self.window.bytes() >= self.config.window_bytes_max && !self.window.is_empty())
            || self.no_fit
            || self.progress.is_span_full(self.read_to, SETTLED_SPAN_MAX);
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

    /// The number of the oldest delivery or batch that is in flight.
    pub fn oldest_number(&self) -> Option<u64> {
        let batch = self.batch.as_ref().map(|batch| batch.number);
        batch.or(self.in_flight.first().map(|(number, _)| number))
    }

    /// How many events are settled by an answer to this delivery or batch, given over this connection; `None` if
    /// it is not current.
    pub fn current(&self, number: u64, connection: &ConnectionId) -> Option<usize> {
        match &self.batch {
            Some(batch) if batch.number == number && batch.connection == *connection => {
                Some(batch.items.len())
            }
            _ => self.in_flight_to(number, connection).map(|_| 1),
        }
    }

    /// The oldest event that it has and that is not settled.
    pub fn oldest(&self) -> Option<&E> {
        self.window.front().map(|slot| &slot.event)
    }

    /// How many counted failures that event has.
    pub fn failures_of_oldest(&self) -> u32 {
        let oldest = self.window.front();
        oldest.map_or(0, |slot| self.progress.failures(slot.sequence))
    }

    /// The pause that was asked for last, and how it ends: then, or when it is resumed. It may be over.
    pub fn pause(&self) -> Option<Option<Instant>> {
        self.waits.get()?.paused
    }

    /// Whether it was paused, by an outcome or from outside.
    pub fn is_paused(&self, now: Instant) -> bool {
        let waits = self.waits.get();
        waits.is_some_and(|waits| waits.is_paused(now))
    }

    /// Whether it waits before it tries again.
    pub fn is_delayed(&self, now: Instant) -> bool {
        let waits = self.waits.get();
        waits.is_some_and(|waits| waits.is_held(now))
    }

    /// How many answers came for deliveries that were no longer current.
    pub fn late_answers(&self) -> u64 {
        self.late_answers
    }

    /// The connections that want it, the one that is served first.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionId> {
        self.connections.iter()
    }

    /// Whether the connection that is served is up, and whether it also takes something now; `None` without one.
    pub fn served(&self) -> Option<(bool, bool)> {
        self.connections.served()?;
        Some((self.connections.is_up(), self.connections.able().is_some()))
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
        self.no_fit = false;
        self.pass(Unsaved::Passed);
        self.start_filling(now);
    }

    fn disconnect(&mut self, now: Instant, id: &ConnectionId) {
        if self.connections.remove(id) {
            // Nobody is told: the connection that had them is gone.
            self.rewind(now, VoidReason::Rewound, &BTreeSet::new());
            self.errands
                .change_if_any(|errands| errands.voids.retain(|(to, _, _)| to != id));
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
            self.no_fit = false;
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

impl Waits {
    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| until > now)
    }

    fn is_paused(&self, now: Instant) -> bool {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        self.paused.is_some_and(|until| !is_over(until))
    }
}
