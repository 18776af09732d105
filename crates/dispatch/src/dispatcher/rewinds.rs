//! What is delivered again?

use std::collections::BTreeSet;
use std::time::Duration;

use photinus_contract::{ConnectionId, Sequence, VoidReason};

use super::Dispatcher;
use crate::instant::Instant;
use crate::lane::Order;
use crate::window::SlotState;

/// Which orders go back, and when each goes on.
#[derive(Default)]
pub(super) struct Rewind {
    log: Option<Duration>,
    replay: Option<Duration>,
    pub(super) pause: Option<Option<Instant>>,
}

impl Rewind {
    /// An order goes back, and waits for at least so long.
    pub(super) fn add(&mut self, order: Order, delay: Duration) {
        let wanted = match order {
            Order::Log => &mut self.log,
            Order::Replay => &mut self.replay,
        };
        *wanted = (*wanted).max(Some(delay));
    }

    /// How long an order waits that goes back.
    pub(super) fn of(&self, order: Order) -> Option<Duration> {
        match order {
            Order::Log => self.log,
            Order::Replay => self.replay,
        }
    }
}

impl<E: Clone> Dispatcher<E> {
    /// Does what is wanted. `timed_out` are the deliveries whose own time ran out.
    pub(super) fn carry_out(&mut self, now: Instant, rewind: Rewind, timed_out: &BTreeSet<u64>) {
        if let Some(until) = rewind.pause {
            // What an operator has asked for may be longer.
            self.waits
                .change(|waits| waits.paused = Some(longer(waits.paused, until)));
        }
        for order in [Order::Log, Order::Replay] {
            if let Some(delay) = rewind.of(order) {
                if !delay.is_zero() {
                    self.hold(order, now.after(delay));
                }
                self.rewind(now, order, VoidReason::Rewound, timed_out);
            }
        }
    }

    fn hold(&mut self, order: Order, until: Instant) {
        match (order, &mut self.replays) {
            (Order::Log, _) => self.waits.change(|waits| waits.held_until = Some(until)),
            (Order::Replay, Some(replays)) => replays.held_until = Some(until),
            (Order::Replay, None) => {}
        }
    }

    /// All that is in flight is to be delivered again.
    pub(super) fn rewind_all(&mut self, now: Instant, reason: VoidReason) {
        for order in [Order::Replay, Order::Log] {
            self.rewind(now, order, reason, &BTreeSet::new());
        }
    }

    /// Back to the beginning of an order: everything there is to be delivered again, except what is being parked.
    /// With an ordering key, only what is in flight: nothing else has gone ahead of anything.
    fn rewind(
        &mut self,
        now: Instant,
        order: Order,
        reason: VoidReason,
        timed_out: &BTreeSet<u64>,
    ) {
        self.void(order, reason, timed_out);
        if self.keys.is_none() {
            let errands = &mut self.errands;
            let lane = match (order, &mut self.replays) {
                (Order::Log, _) => &mut self.log,
                (Order::Replay, Some(replays)) => &mut replays.lane,
                (Order::Replay, None) => return,
            };
            for slot in lane.window.iter_mut() {
                if let SlotState::Replying { number } = slot.state {
                    errands.change_if_any(|errands| errands.writing.remove(&number));
                }
                if !matches!(slot.state, SlotState::Parking { .. }) {
                    slot.state = SlotState::Ready;
                }
            }
            lane.back_to_the_beginning();
        }
        if order == Order::Log {
            self.filling_since = None;
        }
        self.start_filling(now);
    }

    /// Voids what is in flight of an order; those numbers whose own time ran out with that reason. The newest first: a
    /// transport that does not write what is voided leaves out the end then, and never the middle.
    pub(super) fn void(&mut self, order: Order, reason: VoidReason, timed_out: &BTreeSet<u64>) {
        let reason_of = |number: u64| {
            if timed_out.contains(&number) {
                VoidReason::AckTimeout
            } else {
                reason
            }
        };
        if let Some(batch) = self.batch.take_if(|batch| batch.order == order) {
            let reason = reason_of(batch.number);
            for (_, sequence) in &batch.items {
                self.put_back(*sequence);
            }
            let void = (batch.connection, batch.number, reason);
            self.errands.change(|errands| errands.voids.push_back(void));
        }
        if self.in_flight.len() == 0 {
            return;
        }
        let in_flight = std::mem::take(&mut self.in_flight);
        for (number, sequence) in in_flight.iter() {
            if self.order_of(sequence) != order {
                self.in_flight.push(number, sequence);
            }
        }
        for (number, sequence) in in_flight.iter().rev() {
            if self.order_of(sequence) == order {
                self.void_one(number, sequence, reason_of(number));
            }
        }
    }

    /// Voids a single delivery that is not counted as in flight any more.
    pub(super) fn void_one(&mut self, number: u64, sequence: Sequence, reason: VoidReason) {
        if let Some(connection) = self.has_it(sequence) {
            let void = (connection, number, reason);
            self.errands.change(|errands| errands.voids.push_back(void));
            self.put_back(sequence);
        }
    }

    /// The connection that has an event in flight.
    pub(super) fn has_it(&self, sequence: Sequence) -> Option<ConnectionId> {
        match &self.slot(sequence)?.state {
            SlotState::InFlight(in_flight) => Some(in_flight.connection.clone()),
            _ => None,
        }
    }

    /// An event that was delivered can be delivered again.
    pub(super) fn put_back(&mut self, sequence: Sequence) {
        self.put_back_until(sequence, None);
    }

    /// As [`put_back`](Self::put_back), with an ordering key not before that time.
    pub(super) fn put_back_until(&mut self, sequence: Sequence, until: Option<Instant>) {
        let order = self.order_of(sequence);
        let Some(lane) = self.lane(order) else { return };
        lane.put_back(sequence);
        let key = lane.window.get(sequence).map(|slot| slot.key);
        if let (Some(keys), Some(key)) = (&mut self.keys, key) {
            keys.put_back(key, sequence, until);
        }
    }
}

/// The longer of two pauses; one without an end is the longest.
pub(super) fn longer(before: Option<Option<Instant>>, until: Option<Instant>) -> Option<Instant> {
    match before {
        Some(before) => before.zip(until).map(|(one, other)| one.max(other)),
        None => until,
    }
}
