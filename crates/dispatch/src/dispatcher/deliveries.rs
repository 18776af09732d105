//! What is delivered next?

use photinus_contract::{ConnectionId, Sequence};

use super::{Action, BatchInFlight, Dispatcher, Item, Waits};
use crate::instant::Instant;
use crate::lane::Order;
use crate::window::{InFlight, SlotState};

impl<E: Clone> Dispatcher<E> {
    pub(super) fn next_delivery(&mut self, now: Instant) -> Option<Action<E>> {
        let is_paused = |waits: &Waits| waits.is_paused(now);
        if self.closed || self.waits.get().is_some_and(is_paused) {
            return None;
        }
        let connection = self.connections.able()?.clone();
        if self.config.batch_timeout.is_some() {
            return self.next_batch(now, connection);
        }
        if self.in_flight.len() >= self.capacity() {
            return None;
        }
        let (order, place) = match &mut self.keys {
            Some(keys) => {
                keys.release(now);
                let sequence = keys.next()?;
                let order = self.order_of(sequence);
                (order, self.lane(order)?.window.place_of(sequence)?)
            }
            None => self.next_ready(now)?,
        };
        let item = self.take(now, order, place, &connection)?;
        self.in_flight.push(item.number, item.sequence);
        Some(Action::Deliver { connection, item })
    }

    /// The event that is delivered next, and its place. The two orders take turns.
    fn next_ready(&mut self, now: Instant) -> Option<(Order, usize)> {
        let log = match self.waits.get() {
            Some(waits) if waits.is_held(now) => None,
            _ => self.log.next_ready(),
        };
        let log = log.map(|place| (Order::Log, place));
        let Some(replays) = &mut self.replays else {
            return log;
        };
        match replays.next_ready(now) {
            Some(place) if log.is_none() || replays.is_its_turn() => Some((Order::Replay, place)),
            _ => log,
        }
    }

    fn next_batch(&mut self, now: Instant, connection: ConnectionId) -> Option<Action<E>> {
        if self.batch.is_some() {
            return None;
        }
        let (order, first) = self.next_ready(now)?;
        self.end_halving(order);
        let halving = self.halving().filter(|halving| halving.order == order);
        let (size, through) = halving.map_or((usize::MAX, Sequence::MAX), |halving| {
            (halving.size, halving.through)
        });
        // What was read of the log waits for more, but not to find out which event fails.
        let is_filling = order == Order::Log && size == usize::MAX && self.room().is_some();
        if is_filling && self.fill_deadline().is_none_or(|due| due > now) {
            return None;
        }
        let number = self.number();
        let mut items = Vec::new();
        for place in first..self.lane(order)?.window.len() {
            let slot = self.lane(order)?.window.at(place);
            if items.len() == size || slot.sequence > through {
                break;
            }
            if slot.state == SlotState::Ready {
                items.push(self.take(now, order, place, &connection)?);
            }
        }
        if order == Order::Log {
            self.filling_since = None;
        }
        self.batch = Some(Box::new(BatchInFlight {
            number,
            connection: connection.clone(),
            deadline: self.ack_deadline(now),
            order,
            items: items
                .iter()
                .map(|item| (item.number, item.sequence))
                .collect(),
        }));
        Some(Action::DeliverBatch {
            connection,
            number,
            items,
        })
    }

    /// A batch begins to fill when there is something for it.
    pub(super) fn start_filling(&mut self, now: Instant) {
        if self.config.batch_timeout.is_some()
            && self.batch.is_none()
            && self.filling_since.is_none()
            && self.log.next_ready().is_some()
        {
            self.filling_since = Some(now);
        }
    }

    /// When the batch that is filling goes out, full or not.
    pub(super) fn fill_deadline(&self) -> Option<Instant> {
        Some(self.filling_since?.after(self.config.batch_timeout?))
    }

    /// The earliest time at which an answer is overdue. All deliveries have the same time, so it is that of
    /// the oldest.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.config.ack_timeout?;
        let (_, sequence) = self.in_flight.first()?;
        self.deadline(sequence)
    }

    pub(super) fn deadline(&self, sequence: Sequence) -> Option<Instant> {
        match &self.slot(sequence)?.state {
            SlotState::InFlight(in_flight) => in_flight.deadline,
            _ => None,
        }
    }

    /// Puts the event at a place of a window in flight.
    fn take(
        &mut self,
        now: Instant,
        order: Order,
        place: usize,
        connection: &ConnectionId,
    ) -> Option<Item<E>> {
        let number = self.number();
        let deadline = self.ack_deadline(now);
        let connection = connection.clone();
        let began = self.config.policy.age_max.map(|_| now);
        let lane = self.lane(order)?;
        let slot = lane.window.at_mut(place);
        slot.state = SlotState::InFlight(InFlight {
            number,
            connection,
            deadline,
            began,
        });
        let (sequence, key, event) = (slot.sequence, slot.key, slot.event.clone());
        lane.delivered(sequence);
        if let Some(keys) = &mut self.keys {
            keys.take(key, sequence);
        }
        if let Some(replays) = &mut self.replays {
            replays.took_turn(order);
        }
        Some(self.item(order, number, sequence, event))
    }

    pub(super) fn item(&self, order: Order, number: u64, sequence: Sequence, event: E) -> Item<E> {
        let failures = self.progress.failed(order, sequence).count;
        Item {
            number,
            sequence,
            attempt: failures.saturating_add(1),
            replay: order == Order::Replay,
            event,
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    fn ack_deadline(&self, now: Instant) -> Option<Instant> {
        self.config.ack_timeout.map(|timeout| now.after(timeout))
    }
}
