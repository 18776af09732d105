//! Which events does a dispatcher hold?

use std::collections::VecDeque;

use photinus_contract::{ConnectionId, Sequence};

use crate::dispatcher::Arrived;
use crate::instant::Instant;

/// The events that a dispatcher has read and that are not settled, in sequence order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window<E> {
    slots: VecDeque<Slot<E>>,
    bytes: usize,
}

/// One event of the window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot<E> {
    pub(crate) sequence: Sequence,
    pub(crate) event: E,
    pub(crate) bytes: usize,
    pub(crate) key: u64,
    pub(crate) state: SlotState,
}

/// How far an event of the window is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SlotState {
    /// To be delivered.
    Ready,
    /// With the application.
    InFlight(InFlight),
    /// Answered with a reply, which is being published.
    Replying { number: u64 },
    /// Answered with a park, which is being written. No rewind undoes it.
    Parking { number: u64 },
    /// Acknowledged above a gap: provisional until the gap is filled.
    Acknowledged,
}

/// A delivery that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    pub(crate) number: u64,
    pub(crate) connection: ConnectionId,
    pub(crate) deadline: Option<Instant>,
    /// When it was handed over, if somebody will ask.
    pub(crate) began: Option<Instant>,
}

impl<E> Slot<E> {
    fn new(arrived: Arrived<E>) -> Self {
        Self {
            sequence: arrived.sequence,
            event: arrived.event,
            bytes: arrived.bytes,
            key: arrived.key,
            state: SlotState::Ready,
        }
    }
}

impl<E> Window<E> {
    pub(crate) fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes an event in, behind all others.
    pub(crate) fn push(&mut self, arrived: Arrived<E>) {
        if let Some(last) = self.slots.back() {
            assert!(
                last.sequence < arrived.sequence,
                "events come in sequence order"
            );
        }
        self.bytes += arrived.bytes;
        self.slots.push_back(Slot::new(arrived));
    }

    /// Takes an event in, where it belongs. False if it is there.
    pub(crate) fn insert(&mut self, arrived: Arrived<E>) -> bool {
        let Err(place) = self.index(arrived.sequence) else {
            return false;
        };
        self.bytes += arrived.bytes;
        self.slots.insert(place, Slot::new(arrived));
        true
    }

    pub(crate) fn front(&self) -> Option<&Slot<E>> {
        self.slots.front()
    }

    pub(crate) fn pop_front(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.bytes;
        }
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) -> Option<Slot<E>> {
        let slot = self.slots.remove(self.index(sequence).ok()?)?;
        self.bytes -= slot.bytes;
        Some(slot)
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Slot<E>> {
        self.index(sequence).ok().map(|index| &self.slots[index])
    }

    pub(crate) fn get_mut(&mut self, sequence: Sequence) -> Option<&mut Slot<E>> {
        self.index(sequence)
            .ok()
            .map(|index| &mut self.slots[index])
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<E>> {
        self.slots.iter_mut()
    }

    /// The event at a place, which is below [`len`](Self::len).
    pub(crate) fn at(&self, place: usize) -> &Slot<E> {
        &self.slots[place]
    }

    /// As [`at`](Self::at).
    pub(crate) fn at_mut(&mut self, place: usize) -> &mut Slot<E> {
        &mut self.slots[place]
    }

    /// The place of an event.
    pub(crate) fn place_of(&self, sequence: Sequence) -> Option<usize> {
        self.index(sequence).ok()
    }

    /// The place of the first event after `sequence`; the length if there is none.
    pub(crate) fn place_after(&self, sequence: Sequence) -> usize {
        match self.index(sequence) {
            Ok(place) => place + 1,
            Err(place) => place,
        }
    }

    /// Where the event is, or would be. Where most events of the log match, their sequences follow each other, and it
    /// is found at once.
    fn index(&self, sequence: Sequence) -> Result<usize, usize> {
        let Some(front) = self.slots.front() else {
            return Err(0);
        };
        let guess = sequence.0.wrapping_sub(front.sequence.0) as usize;
        match self.slots.get(guess) {
            Some(slot) if slot.sequence == sequence => Ok(guess),
            _ => self
                .slots
                .binary_search_by_key(&sequence, |slot| slot.sequence),
        }
    }
}
