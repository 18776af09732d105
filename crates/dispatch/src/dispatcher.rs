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
//!
//! With an ordering key each key goes by itself: one event of it is in flight, an acknowledgement settles for good,
//! and a failure holds back that key alone. Parked events that are replayed are an order of their own beside that of
//! the log; both share what may be in flight.

mod answers;
mod deliveries;
mod errands;
mod failures;
mod replays;
mod rewinds;
mod timeouts;
mod vocabulary;

use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence, VoidReason};

use crate::connections::Connections;
use crate::instant::Instant;
use crate::keys::Keys;
use crate::lane::{Lane, Order};
use crate::position::{Position, Progress, Unsaved};
use crate::rare::Rare;
use crate::unanswered::Unanswered;
use crate::window::{Slot, SlotState, Window};

use self::errands::Errands;
use self::failures::Halving;
use self::replays::Replays;
pub use self::vocabulary::{
    Action, Arrived, DispatcherConfig, Input, Item, Replayed, Room, Taken, Verdict,
};

/// Most ranges above the offset that can be settled for good, and with an ordering key most events that can be read and
/// not settled: then the subscription waits for what holds them back.
pub const SETTLED_SPAN_MAX: usize = 65_536;

/// One active subscription. See the picture above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dispatcher<E> {
    config: Arc<DispatcherConfig>,
    /// Spreads its delays from those of others.
    seed: u64,
    progress: Progress,
    read_to: Sequence,
    log: Lane<E>,
    /// Parked events that are delivered again. Mostly there are none.
    replays: Option<Box<Replays<E>>>,
    /// Set with an ordering key.
    keys: Option<Box<Keys>>,
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
    /// Batches are made smaller, to find the event that fails.
    halving: Option<Halving>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BatchInFlight {
    number: u64,
    connection: ConnectionId,
    deadline: Option<Instant>,
    order: Order,
    items: Vec<(u64, Sequence)>,
}

impl<E: Clone> Dispatcher<E> {
    /// A dispatcher that goes on where the record says. It does nothing until a connection comes.
    pub fn new(config: impl Into<Arc<DispatcherConfig>>, record: &OffsetRecord) -> Self {
        let config = config.into();
        Self {
            seed: 0,
            progress: Progress::new(record),
            read_to: record.offset,
            log: Lane::new(record.offset),
            replays: None,
            keys: config.keyed.then(Box::default),
            config,
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

    /// Events up to here may have been parked before a seek, and are delivered again: what settles them ends their
    /// parking.
    pub fn parked_through(mut self, through: Sequence) -> Self {
        self.progress.parked_through(through);
        self
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
                    self.rewind_all(now, VoidReason::Reset);
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
            Input::Full => self.no_fit = !self.log.window.is_empty(),
            Input::ReplaysMarked => self.replays_marked(),
            Input::Replays { events, more } => self.feed_replays(events, more),
            Input::Discarded(events) => self.discarded(&events),
            Input::Close => {
                for order in [Order::Replay, Order::Log] {
                    self.void(order, VoidReason::Reset, &BTreeSet::new());
                }
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
        let replay = self.replays.as_ref().and_then(|replays| replays.held_until);
        let key = self.keys.as_ref().and_then(|keys| keys.next_release());
        // A batch goes out by time only if nothing else keeps it back; what does has a timer or an input of
        // its own.
        let fill = self.fill_deadline().filter(|_| {
            let waits =
                waits.is_some_and(|waits| waits.held_until.is_some() || waits.paused.is_some());
            self.batch.is_none() && !waits && self.connections.able().is_some()
        });
        [acks, pause, hold, replay, key, fill]
            .into_iter()
            .flatten()
            .min()
    }

    /// How much more it can hold; `None` if nothing.
    pub fn room(&self) -> Option<Room> {
        let window = &self.log.window;
        let events = match &self.keys {
            None => self.capacity() - window.len(),
            // What waits for its key is kept beside what can go out.
            Some(keys) => (self.capacity())
                .saturating_sub(self.in_flight.len() + keys.ready())
                .min(SETTLED_SPAN_MAX.saturating_sub(window.len())),
        };
        let bytes = self.config.window_bytes_max.saturating_sub(self.bytes());
        let full = events == 0
            || (bytes == 0 && !window.is_empty())
            || self.no_fit
            || self.progress.is_span_full(self.read_to, SETTLED_SPAN_MAX);
        if self.closed || self.connections.is_empty() || full {
            return None;
        }
        Some(Room {
            after: self.read_to,
            events,
            bytes,
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

    /// A position that was saved, with these entries to go, could not be written: it has to be saved again.
    pub fn unsave(&mut self, unparked: &[Sequence]) {
        self.progress.unsave(unparked);
    }

    /// A position that was saved, with these entries to go, was written.
    pub fn saved(&mut self, unparked: &[Sequence]) {
        self.progress.saved(unparked);
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
        self.log.window.front().map(|slot| &slot.event)
    }

    /// How many counted failures that event has.
    pub fn failures_of_oldest(&self) -> u32 {
        let oldest = self.log.window.front();
        oldest.map_or(0, |slot| {
            self.progress.failed(Order::Log, slot.sequence).count
        })
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
        let keys = self.keys.as_ref();
        waits.is_some_and(|waits| waits.is_held(now)) || keys.is_some_and(|keys| keys.is_held(now))
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

    /// What its events take, all together.
    fn bytes(&self) -> usize {
        let replays = self.replays.as_ref();
        self.log.window.bytes() + replays.map_or(0, |replays| replays.lane.window.bytes())
    }

    fn feed(&mut self, now: Instant, events: Vec<Arrived<E>>, through: Sequence) {
        assert!(through >= self.read_to, "reading goes forward");
        let mut last = self.read_to;
        for arrived in events {
            let (sequence, key) = (arrived.sequence, arrived.key);
            assert!(
                last < sequence && sequence <= through,
                "events come in order, once"
            );
            last = sequence;
            if !self.progress.is_settled(sequence) {
                self.log.window.push(arrived);
                if let Some(keys) = &mut self.keys {
                    keys.push(key, sequence);
                }
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
            self.rewind_all(now, VoidReason::Rewound);
            self.errands
                .change_if_any(|errands| errands.voids.retain(|(to, _, _)| to != id));
        }
    }

    /// Which order an event belongs to. One that is replayed is not among those of the log.
    fn order_of(&self, sequence: Sequence) -> Order {
        match &self.replays {
            Some(replays) if replays.lane.window.get(sequence).is_some() => Order::Replay,
            _ => Order::Log,
        }
    }

    fn lane(&mut self, order: Order) -> Option<&mut Lane<E>> {
        match order {
            Order::Log => Some(&mut self.log),
            Order::Replay => self.replays.as_mut().map(|replays| &mut replays.lane),
        }
    }

    fn slot(&self, sequence: Sequence) -> Option<&Slot<E>> {
        let replayed = self.replays.as_ref();
        let replayed = replayed.and_then(|replays| replays.lane.window.get(sequence));
        replayed.or_else(|| self.log.window.get(sequence))
    }

    fn slot_mut(&mut self, sequence: Sequence) -> Option<&mut Slot<E>> {
        let order = self.order_of(sequence);
        self.lane(order)?.window.get_mut(sequence)
    }

    /// Takes acknowledged events off the low end of both windows, and moves the offset to just below what remains in
    /// that of the log.
    fn pass(&mut self, mut urgency: Unsaved) {
        while let Some(settled) = pop_acknowledged(&mut self.log.window) {
            self.progress.unpark_if_parked(settled);
            self.no_fit = false;
            urgency = Unsaved::Settled;
        }
        let to = self
            .log
            .window
            .front()
            .map_or(self.read_to, |slot| slot.sequence.previous());
        let had_parked = self.progress.has_parked();
        self.progress.pass(to.max(self.progress.offset()), urgency);
        if had_parked && !self.progress.has_parked() {
            // What is marked and did not match any more comes as a replay.
            self.replays_marked();
        }
        if let Some(replays) = &mut self.replays {
            while let Some(settled) = pop_acknowledged(&mut replays.lane.window) {
                self.progress.unpark(settled);
                self.no_fit = false;
            }
        }
        self.replays = self.replays.take().filter(|replays| !replays.is_over());
    }

    /// What must hold after every input.
    fn check(&self) {
        if let Some(front) = self.log.window.front() {
            assert!(
                self.offset() < front.sequence,
                "the offset stays below what is unsettled"
            );
        }
        let capacity = match self.keys {
            Some(_) => SETTLED_SPAN_MAX,
            None => self.capacity(),
        };
        assert!(self.log.window.len() <= capacity, "the window is bounded");
        assert!(
            self.in_flight() <= self.capacity(),
            "what is in flight is bounded"
        );
        assert!(
            self.offset() <= self.read_to,
            "nothing is settled that was not read"
        );
    }
}

fn pop_acknowledged<E>(window: &mut Window<E>) -> Option<Sequence> {
    let front = window.front()?;
    let sequence = front.sequence;
    (front.state == SlotState::Acknowledged).then(|| window.pop_front())?;
    Some(sequence)
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
