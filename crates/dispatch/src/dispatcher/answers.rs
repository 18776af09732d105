//! What do answers, hand-overs, writes and timeouts change?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use photinus_contract::{ConnectionId, Sequence};

use super::errands::Written;
use super::failures::Failure;
use super::rewinds::{Rewind, longer};
use super::{Dispatcher, Taken, Verdict};
use crate::instant::Instant;
use crate::lane::Order;
use crate::position::Unsaved;
use crate::window::SlotState;

impl<E: Clone> Dispatcher<E> {
    pub(super) fn answer(
        &mut self,
        now: Instant,
        connection: &ConnectionId,
        number: u64,
        verdict: Verdict,
        items: Vec<(u64, Verdict)>,
    ) {
        let mut rewind = Rewind::default();
        if let Some(batch) = self
            .batch
            .take_if(|batch| batch.number == number && batch.connection == *connection)
        {
            let mut items: BTreeMap<u64, Verdict> = items.into_iter().collect();
            let mut unnamed = Vec::new();
            for (number, sequence) in batch.items {
                let own = match items.is_empty() {
                    true => None,
                    false => items.remove(&number),
                };
                match (own, &verdict) {
                    (Some(own), _) => self.settle(now, number, sequence, own, &mut rewind),
                    (None, Verdict::Retry { .. }) => unnamed.push((number, sequence)),
                    (None, _) => self.settle(now, number, sequence, verdict.clone(), &mut rewind),
                }
            }
            if let Verdict::Retry {
                delay,
                counted,
                reason,
            } = verdict
            {
                let failure = Failure {
                    wish: delay,
                    counted,
                    reason,
                };
                self.fail_batch(now, &unnamed, failure, &mut rewind);
            }
        } else if let Some(sequence) = self.in_flight_to(number, connection) {
            self.in_flight.remove(number);
            self.settle(now, number, sequence, verdict, &mut rewind);
        } else {
            self.late_answers += 1;
            return;
        }
        self.pass(Unsaved::Settled);
        self.carry_out(now, rewind, &BTreeSet::new());
        self.start_filling(now);
    }

    pub(super) fn handed_over(&mut self, now: Instant, number: u64, taken: Taken) {
        let mut sequences: Vec<(u64, Sequence)> = Vec::new();
        let mut is_batch = false;
        if let Some(batch) = self.batch.take_if(|batch| batch.number == number) {
            sequences = batch.items;
            is_batch = true;
        } else {
            let mut back = self.in_flight.remove_from(number);
            sequences.extend(back.pop_front());
            // What was asked for after it was not handed over either.
            for (_, sequence) in back {
                self.put_back(sequence);
            }
        }
        if sequences.is_empty() {
            return;
        }
        let Some(connection) = self.connections.served().cloned() else {
            return;
        };
        let mut rewind = Rewind::default();
        match taken {
            Taken::Failed { reason } => {
                let failure = Failure {
                    wish: None,
                    counted: true,
                    reason,
                };
                match *sequences {
                    [(number, sequence)] if !is_batch => {
                        self.fail(now, number, sequence, failure, &mut rewind);
                    }
                    _ => self.fail_batch(now, &sequences, failure, &mut rewind),
                }
            }
            Taken::Busy | Taken::Closed => {
                for (_, sequence) in sequences {
                    self.put_back(sequence);
                }
                match taken {
                    Taken::Busy => self.connections.set_busy(&connection, true),
                    _ => self.disconnect(now, &connection),
                }
            }
        }
        self.pass(self.progress.unsaved());
        self.carry_out(now, rewind, &BTreeSet::new());
        self.start_filling(now);
    }

    pub(super) fn written(&mut self, now: Instant, number: u64, stored: bool) {
        let sequence = self
            .errands
            .change_if_any(|errands| errands.writing.remove(&number));
        let Some(sequence) = sequence.flatten() else {
            return;
        };
        let Some(slot) = self.slot(sequence) else {
            return;
        };
        let mut rewind = Rewind::default();
        match (&slot.state, stored) {
            (SlotState::Replying { number: current }, true) if *current == number => {
                self.acknowledge(sequence);
            }
            (SlotState::Parking { number: current }, true) if *current == number => {
                self.parked(sequence);
            }
            (SlotState::Replying { .. } | SlotState::Parking { .. }, false) => {
                self.put_back(sequence);
                let failure = Failure {
                    wish: None,
                    counted: false,
                    reason: String::new(),
                };
                self.fail(now, number, sequence, failure, &mut rewind);
            }
            _ => return,
        }
        self.pass(Unsaved::Settled);
        self.carry_out(now, rewind, &BTreeSet::new());
        self.start_filling(now);
    }

    /// Applies one verdict to one event that was in flight.
    fn settle(
        &mut self,
        now: Instant,
        number: u64,
        sequence: Sequence,
        verdict: Verdict,
        rewind: &mut Rewind,
    ) {
        match verdict {
            Verdict::Acknowledge(None) => self.acknowledge(sequence),
            Verdict::Acknowledge(Some(reply)) => {
                self.set_state(sequence, SlotState::Replying { number });
                self.write(number, sequence, Written::Reply(reply));
            }
            Verdict::Park { reason } => {
                self.set_state(sequence, SlotState::Parking { number });
                let error = None;
                self.write(number, sequence, Written::Park { reason, error });
            }
            Verdict::Skip => self.settle_for_good(sequence),
            Verdict::Retry {
                delay,
                counted,
                reason,
            } => {
                let failure = Failure {
                    wish: delay,
                    counted,
                    reason,
                };
                self.fail(now, number, sequence, failure, rewind);
            }
            Verdict::Pause(until) => {
                rewind.pause = Some(longer(rewind.pause, until));
                self.again_after(now, sequence, Duration::ZERO, rewind);
            }
        }
    }

    /// Its application has it. With an ordering key that is for good; without, once everything below is settled.
    fn acknowledge(&mut self, sequence: Sequence) {
        match self.keys {
            Some(_) => self.settle_for_good(sequence),
            None => self.set_state(sequence, SlotState::Acknowledged),
        }
    }

    pub(super) fn settle_for_good(&mut self, sequence: Sequence) {
        match self.order_of(sequence) {
            Order::Log => self.progress.unpark_if_parked(sequence),
            Order::Replay => self.progress.unpark(sequence),
        }
        self.remove(sequence);
    }

    /// An entry was written, in place of that of an earlier parking.
    fn parked(&mut self, sequence: Sequence) {
        let order = self.order_of(sequence);
        self.remove(sequence);
        if order == Order::Log {
            self.replay_left_out();
        }
    }

    fn remove(&mut self, sequence: Sequence) {
        if self.order_of(sequence) == Order::Replay {
            return self.remove_replay(sequence);
        }
        let slot = self.log.window.remove(sequence);
        if let (Some(keys), Some(slot)) = (&mut self.keys, slot) {
            keys.settle(slot.key, sequence);
        }
        self.no_fit = false;
        self.progress.settle(sequence);
    }

    pub(super) fn set_state(&mut self, sequence: Sequence, state: SlotState) {
        if let Some(slot) = self.slot_mut(sequence) {
            slot.state = state;
        }
    }

    /// The event of a single delivery, if it is current and was given to this connection.
    pub(super) fn in_flight_to(&self, number: u64, connection: &ConnectionId) -> Option<Sequence> {
        let sequence = self.in_flight.get(number)?;
        match &self.slot(sequence)?.state {
            SlotState::InFlight(in_flight) if in_flight.connection == *connection => Some(sequence),
            _ => None,
        }
    }
}
