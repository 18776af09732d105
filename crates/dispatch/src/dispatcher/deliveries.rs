//! What is delivered next?

use photinus_contract::{ConnectionId, Sequence};

use super::{Action, BatchInFlight, Dispatcher, Item, Write, Written};
use crate::instant::Instant;
use crate::window::{InFlight, SlotState};

impl<E: Clone> Dispatcher<E> {
    pub(super) fn next_delivery(&mut self, now: Instant) -> Option<Action<E>> {
        let waits = self.closed
            || self.held_until.is_some_and(|until| until > now)
            || self
                .paused
                .is_some_and(|until| until.is_none_or(|until| until > now));
        if waits {
            return None;
        }
        let connection = self.connections.able()?.clone();
        if self.config.batch_timeout.is_some() {
            self.next_batch(now, connection)
        } else {
            let sequence = self.next_ready()?;
            let item = self.take(now, sequence, &connection);
            self.in_flight.insert(item.number, sequence);
            Some(Action::Deliver { connection, item })
        }
    }

    fn next_batch(&mut self, now: Instant, connection: ConnectionId) -> Option<Action<E>> {
        let full = self.room().is_none();
        if self.batch.is_some() || !(full || self.fill_deadline()? <= now) {
            return None;
        }
        let ready: Vec<Sequence> = self
            .window
            .iter()
            .filter(|slot| slot.state == SlotState::Ready)
            .map(|slot| slot.sequence)
            .collect();
        if ready.is_empty() {
            return None;
        }
        let number = self.number();
        let items: Vec<_> = ready
            .iter()
            .map(|sequence| self.take(now, *sequence, &connection))
            .collect();
        self.filling_since = None;
        self.batch = Some(BatchInFlight {
            number,
            connection: connection.clone(),
            deadline: self.ack_deadline(now),
            items: items
                .iter()
                .map(|item| (item.number, item.sequence))
                .collect(),
        });
        Some(Action::DeliverBatch {
            connection,
            number,
            items,
        })
    }

    pub(super) fn write_action(&self, write: Write) -> Option<Action<E>> {
        let slot = self.window.get(write.sequence)?;
        let item = self.item(write.number, write.sequence, slot.event.clone());
        Some(match write.what {
            Written::Reply(reply) => Action::Reply { item, reply },
            Written::Park(reason) => Action::Park { item, reason },
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
        let (_, sequence) = self.in_flight.first_key_value()?;
        self.deadline(*sequence)
    }

    pub(super) fn deadline(&self, sequence: Sequence) -> Option<Instant> {
        match &self.window.get(sequence)?.state {
            SlotState::InFlight(in_flight) => in_flight.deadline,
            _ => None,
        }
    }

    fn next_ready(&self) -> Option<Sequence> {
        self.window
            .after(self.delivered_to)
            .find(|slot| slot.state == SlotState::Ready)
            .map(|slot| slot.sequence)
    }

    /// Puts an event in flight.
    fn take(&mut self, now: Instant, sequence: Sequence, connection: &ConnectionId) -> Item<E> {
        let number = self.number();
        let deadline = self.ack_deadline(now);
        let connection = connection.clone();
        self.delivered_to = sequence;
        let event = match self.window.get_mut(sequence) {
            Some(slot) => {
                slot.state = SlotState::InFlight(InFlight {
                    number,
                    connection,
                    deadline,
                });
                slot.event.clone()
            }
            None => unreachable!("what is ready is in the window"),
        };
        self.item(number, sequence, event)
    }

    fn item(&self, number: u64, sequence: Sequence, event: E) -> Item<E> {
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
