//! How are parked events delivered again?
//!
//! They are an order of their own, and beside that of the log: theirs is that of the log among themselves.

use std::collections::BTreeSet;

use photinus_contract::{Sequence, VoidReason};

use super::{Dispatcher, Replayed, Room};
use crate::instant::Instant;
use crate::lane::{Lane, Order};
use crate::position::Failed;
use crate::window::SlotState;

/// Parked events that are delivered again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Replays<E> {
    pub(super) lane: Lane<E>,
    /// One has failed, and is tried again then.
    pub(super) held_until: Option<Instant>,
    /// More may be marked after this one.
    more: Option<Sequence>,
    /// What follows is being read.
    reading: bool,
    /// Some were marked since that began: it may be without them.
    marked_since: bool,
    /// These have left the lane since: it may still have them.
    gone_since: BTreeSet<Sequence>,
    /// One was not taken, because it was only just being parked.
    left_out: bool,
    /// The log had its turn.
    its_turn: bool,
}

impl<E> Replays<E> {
    fn new() -> Self {
        Self {
            lane: Lane::new(Sequence::OLDEST),
            held_until: None,
            more: None,
            reading: false,
            marked_since: false,
            gone_since: BTreeSet::new(),
            left_out: false,
            its_turn: true,
        }
    }

    /// Whether there is nothing to replay, nor to be read.
    pub(super) fn is_over(&self) -> bool {
        self.lane.window.is_empty() && self.more.is_none() && !self.left_out
    }

    /// The place of the event that is delivered next.
    pub(super) fn next_ready(&self, now: Instant) -> Option<usize> {
        match self.held_until {
            Some(until) if until > now => None,
            _ => self.lane.next_ready(),
        }
    }

    pub(super) fn is_its_turn(&self) -> bool {
        self.its_turn
    }

    /// That order had a delivery, so the next is the other's.
    pub(super) fn took_turn(&mut self, order: Order) {
        self.its_turn = order == Order::Log;
    }
}

impl<E: Clone> Dispatcher<E> {
    /// Which parked events are to be read for a replay, if any. They are read then, and given with
    /// [`Input::Replays`](super::Input::Replays); nothing else is asked for before.
    pub fn read_replays(&mut self) -> Option<Room> {
        let room = self.replay_room()?;
        let replays = self.replays.as_mut()?;
        replays.reading = true;
        Some(room)
    }

    fn replay_room(&self) -> Option<Room> {
        let replays = self.replays.as_ref().filter(|replays| !replays.reading)?;
        let after = replays.more?;
        let window = &replays.lane.window;
        let events = self.capacity().saturating_sub(window.len());
        let bytes = self.config.window_bytes_max.saturating_sub(self.bytes());
        let full = events == 0 || (bytes == 0 && !window.is_empty());
        if self.closed || self.connections.is_empty() || full {
            return None;
        }
        Some(Room {
            after,
            events,
            bytes,
        })
    }

    /// How many parked events are being replayed.
    pub fn replaying(&self) -> usize {
        let replays = self.replays.as_ref();
        replays.map_or(0, |replays| replays.lane.window.len())
    }

    pub(super) fn replays_marked(&mut self) {
        let replays = self.replays.get_or_insert_with(|| Box::new(Replays::new()));
        // Also such as lie before those that were read.
        replays.more = Some(Sequence::OLDEST);
        replays.marked_since = replays.reading;
    }

    pub(super) fn feed_replays(&mut self, events: Vec<Replayed<E>>, more: Option<Sequence>) {
        let Some(replays) = &mut self.replays else {
            return;
        };
        replays.reading = false;
        if !std::mem::take(&mut replays.marked_since) {
            replays.more = more;
        }
        let gone = std::mem::take(&mut replays.gone_since);
        for Replayed {
            arrived,
            failures,
            since,
        } in events
        {
            let (sequence, key) = (arrived.sequence, arrived.key);
            if gone.contains(&sequence) || self.progress.is_unparked(sequence) {
                continue;
            }
            if self.log.window.get(sequence).is_some() {
                replays.left_out = true;
                continue;
            }
            if !replays.lane.window.insert(arrived) {
                continue;
            }
            replays.lane.put_back(sequence);
            let count = failures;
            self.progress
                .begin_replay(sequence, Failed { count, since });
            if let Some(keys) = &mut self.keys {
                keys.push(key, sequence);
            }
        }
        self.replays = self.replays.take().filter(|replays| !replays.is_over());
    }

    /// An event of the log is parked: if it was marked meanwhile, it can be read now.
    pub(super) fn replay_left_out(&mut self) {
        if let Some(replays) = &mut self.replays
            && std::mem::take(&mut replays.left_out)
        {
            self.replays_marked();
        }
    }

    pub(super) fn discarded(&mut self, events: &[Sequence]) {
        for &sequence in events {
            let Some(replays) = &mut self.replays else {
                break;
            };
            if replays.reading {
                replays.gone_since.insert(sequence);
            }
            let Some(slot) = replays.lane.window.get(sequence) else {
                continue;
            };
            // What is being parked again is there again, and can be discarded again.
            if let SlotState::Parking { .. } = slot.state {
                continue;
            }
            if let SlotState::InFlight(in_flight) = &slot.state {
                let number = in_flight.number;
                match &mut self.batch {
                    Some(batch) => batch.items.retain(|(_, item)| *item != sequence),
                    None => {
                        self.in_flight.remove(number);
                        self.void_one(number, sequence, VoidReason::Reset);
                    }
                }
            }
            self.remove_replay(sequence);
        }
        // Nobody answers a batch that is empty.
        if let Some(batch) = self.batch.take_if(|batch| batch.items.is_empty()) {
            let void = (batch.connection, batch.number, VoidReason::Reset);
            self.errands.change(|errands| errands.voids.push_back(void));
        }
        self.pass(self.progress.unsaved());
    }

    /// Takes an event out of those that are replayed; its entry stays, or is gone.
    pub(super) fn remove_replay(&mut self, sequence: Sequence) {
        self.progress.end_replay(sequence);
        let Some(replays) = &mut self.replays else {
            return;
        };
        if replays.reading {
            replays.gone_since.insert(sequence);
        }
        let slot = replays.lane.window.remove(sequence);
        if replays.lane.window.is_empty() {
            // Nothing waits for the sake of what is gone.
            replays.held_until = None;
        }
        if let (Some(keys), Some(slot)) = (&mut self.keys, slot) {
            keys.settle(slot.key, sequence);
        }
        self.no_fit = false;
    }
}
