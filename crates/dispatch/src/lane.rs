//! Which events are delivered in one order?

use photinus_contract::Sequence;

use crate::window::{SlotState, Window};

/// Which of the two orders of a subscription an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Order {
    /// That of the log, above the offset.
    Log,
    /// Parked events that are replayed.
    Replay,
}

/// Events that are delivered in one order, and how far that has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane<E> {
    pub(crate) window: Window<E>,
    /// Nothing up to here is ready. (With an ordering key, the keys know what is.)
    delivered_to: Sequence,
}

impl<E> Lane<E> {
    pub(crate) fn new(delivered_to: Sequence) -> Self {
        Self {
            window: Window::new(),
            delivered_to,
        }
    }

    /// The place in the window of the event that is delivered next.
    pub(crate) fn next_ready(&self) -> Option<usize> {
        let start = self.window.place_after(self.delivered_to);
        (start..self.window.len()).find(|place| self.window.at(*place).state == SlotState::Ready)
    }

    pub(crate) fn delivered(&mut self, sequence: Sequence) {
        self.delivered_to = sequence;
    }

    /// All can be delivered again that is ready.
    pub(crate) fn back_to_the_beginning(&mut self) {
        let front = self.window.front();
        self.delivered_to = front.map_or(self.delivered_to, |slot| slot.sequence.previous());
    }

    /// The event can be delivered again, and what comes behind it.
    pub(crate) fn put_back(&mut self, sequence: Sequence) {
        if let Some(slot) = self.window.get_mut(sequence) {
            slot.state = SlotState::Ready;
            self.delivered_to = self.delivered_to.min(sequence.previous());
        }
    }
}
