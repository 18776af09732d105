//! What is delivered next?

use photinus_contract::{ConnectionId, Sequence};

use super::{Action, BatchInFlight, Dispatcher, Item, Waits};
use crate::instant::Instant;
use crate::window::{InFlight, Slot, SlotState};

impl<E: Clone> Dispatcher<E> {
    pub(super) fn next_delivery(&mut self, now: Instant) -> Option<Action<E>> {
        let waits = |waits: &Waits| waits.is_held(now) || waits.is_paused(now);
        if self.closed || self.waits.get().is_some_and(waits) {
            return None;
        }
        let connection = self.connections.able()?.clone();
        if self.config.batch_timeout.is_some() {
            self.next_batch(now, connection)
        } else {
            let place = self.next_ready()?;
            let item = self.take(now, place, &connection);
            self.in_flight.push(item.number, item.sequence);
            Some(Action::Deliver { connection, item })
        }
    }

    fn next_batch(&mut self, now: Instant, connection: ConnectionId) -> Option<Action<E>> {
        let full = self.room().is_none();
        if self.batch.is_some() || !(full || self.fill_deadline()? <= now) {
            return None;
        }
        let is_ready = |slot: &Slot<E>| slot.state == SlotState::Ready;
        let first = self.window.iter().position(is_ready)?;
        let number = self.number();
        let mut items = Vec::with_capacity(self.window.len() - first);
        for place in first..self.window.len() {
            if is_ready(self.window.at(place)) {
                items.push(self.take(now, place, &connection));
            }
        }
        self.filling_since = None;
        self.batch = Some(Box::new(BatchInFlight {
            number,
            connection: connection.clone(),
            deadline: self.ack_deadline(now),
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
            && self.next_ready().is_some()
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
        match &self.window.get(sequence)?.state {
            SlotState::InFlight(in_flight) => in_flight.deadline,
            _ => None,
        }
    }

    /// The place in the window of the event that is delivered next.
    fn next_ready(&self) -> Option<usize> {
        let start = self.window.place_after(self.delivered_to);
        (start..self.window.len()).find(|place| self.window.at(*place).state == SlotState::Ready)
    }

    /// Puts the event at a place of the window in flight.
    fn take(&mut self, now: Instant, place: usize, connection: &ConnectionId) -> Item<E> {
        let number = self.number();
        let deadline = self.ack_deadline(now);
        let connection = connection.clone();
        let slot = self.window.at_mut(place);
        slot.state = SlotState::InFlight(InFlight {
            number,
            connection,
            deadline,
        });
        let (sequence, event) = (slot.sequence, slot.event.clone());
        self.delivered_to = sequence;
        self.item(number, sequence, event)
    }

    pub(super) fn item(&self, number: u64, sequence: Sequence, event: E) -> Item<E> {
        let attempt = self.progress.failures(sequence).saturating_add(1);
        Item {
            number,
            sequence,
            attempt,
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
