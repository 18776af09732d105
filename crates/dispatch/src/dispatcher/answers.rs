//! What do answers, failures and timeouts change?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use photinus_contract::{ConnectionId, Sequence, VoidReason};

use super::errands::Written;
use super::{Dispatcher, Taken, Verdict};
use crate::instant::Instant;
use crate::position::Unsaved;
use crate::retry::DELAY_MAX;
use crate::window::SlotState;

/// What has to be redelivered, and when.
#[derive(Default)]
struct Rewind {
    wanted: bool,
    delay: Duration,
    pause: Option<Option<Instant>>,
}

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
            for (number, sequence) in batch.items {
                let own = match items.is_empty() {
                    true => None,
                    false => items.remove(&number),
                };
                let verdict = own.unwrap_or_else(|| verdict.clone());
                self.settle(number, sequence, verdict, &mut rewind);
            }
        } else if let Some(sequence) = self.in_flight_to(number, connection) {
            self.in_flight.remove(number);
            self.settle(number, sequence, verdict, &mut rewind);
        } else {
            self.late_answers += 1;
            return;
        }
        self.pass(Unsaved::Settled);
        self.carry_out(now, rewind);
        self.start_filling(now);
    }

    pub(super) fn handed_over(&mut self, now: Instant, number: u64, taken: Taken) {
        let mut sequences: Vec<(u64, Sequence)> = Vec::new();
        if let Some(batch) = self.batch.take_if(|batch| batch.number == number) {
            sequences = batch.items;
        } else {
            let mut back = self.in_flight.remove_from(number);
            sequences.extend(back.pop_front());
            // What was asked for after it was not handed over either.
            for (_, sequence) in back {
                self.set_state(sequence, SlotState::Ready);
            }
        }
        let Some(&(_, first)) = sequences.first() else {
            return;
        };
        let Some(connection) = self.connections.served().cloned() else {
            return;
        };
        for &(_, sequence) in &sequences {
            self.set_state(sequence, SlotState::Ready);
        }
        self.delivered_to = first.previous();
        match taken {
            Taken::Busy => self.connections.set_busy(&connection, true),
            Taken::Closed => self.disconnect(now, &connection),
            Taken::Failed => {
                let mut rewind = Rewind::default();
                for (_, sequence) in sequences {
                    self.fail(sequence, None, true, &mut rewind);
                }
                self.carry_out(now, rewind);
            }
        }
        self.start_filling(now);
    }

    pub(super) fn written(&mut self, now: Instant, number: u64, stored: bool) {
        let sequence = self
            .errands
            .change_if_any(|errands| errands.writing.remove(&number));
        let Some(sequence) = sequence.flatten() else {
            return;
        };
        let Some(slot) = self.window.get_mut(sequence) else {
            return;
        };
        match (&slot.state, stored) {
            (SlotState::Replying { number: current }, true) if *current == number => {
                slot.state = SlotState::Acknowledged;
            }
            (SlotState::Parking { number: current }, true) if *current == number => {
                self.settle_for_good(sequence);
            }
            (SlotState::Replying { .. } | SlotState::Parking { .. }, false) => {
                slot.state = SlotState::Ready;
                let mut rewind = Rewind::default();
                self.fail(sequence, None, false, &mut rewind);
                self.carry_out(now, rewind);
            }
            _ => return,
        }
        self.pass(Unsaved::Settled);
        self.start_filling(now);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.waits.change_if_any(|waits| {
            waits.held_until = waits.held_until.filter(|_| waits.is_held(now));
            waits.paused = waits.paused.filter(|_| waits.is_paused(now));
        });
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let mut expired: Vec<(u64, Sequence)> = Vec::new();
        if let Some(batch) = &self.batch {
            if is_due(batch.deadline) {
                expired.extend(
                    batch
                        .items
                        .first()
                        .map(|(_, sequence)| (batch.number, *sequence)),
                );
            }
        } else {
            let due = |sequence: Sequence| is_due(self.deadline(sequence));
            expired.extend(self.in_flight.iter().filter(|(_, s)| due(*s)));
        }
        // The lowest one has failed. Others that are due waited behind it: they are not expected to be
        // answered any more either, but only one failure is counted.
        let Some(&(_, lowest)) = expired.iter().min_by_key(|(_, sequence)| *sequence) else {
            return;
        };
        let numbers: BTreeSet<u64> = expired.iter().map(|(number, _)| *number).collect();
        // While its connection is down, nobody could have answered: that is an outage, not a failure.
        let counted = self.connections.is_up();
        let mut rewind = Rewind::default();
        self.fail(lowest, None, counted, &mut rewind);
        self.hold(now, rewind.delay);
        self.rewind(now, VoidReason::Rewound, &numbers);
    }

    /// Applies one verdict to one event that was in flight.
    fn settle(&mut self, number: u64, sequence: Sequence, verdict: Verdict, rewind: &mut Rewind) {
        match verdict {
            Verdict::Acknowledge(None) => self.set_state(sequence, SlotState::Acknowledged),
            Verdict::Acknowledge(Some(reply)) => {
                self.set_state(sequence, SlotState::Replying { number });
                self.write(number, sequence, Written::Reply(reply));
            }
            Verdict::Park { reason } => {
                self.set_state(sequence, SlotState::Parking { number });
                self.write(number, sequence, Written::Park(reason));
            }
            Verdict::Skip => self.settle_for_good(sequence),
            Verdict::Retry { delay, counted } => self.fail(sequence, delay, counted, rewind),
            Verdict::Pause(until) => {
                rewind.wanted = true;
                rewind.pause = Some(longer(rewind.pause, until));
            }
        }
    }

    /// Notes a failure of one event, and that the subscription goes back.
    fn fail(
        &mut self,
        sequence: Sequence,
        delay: Option<Duration>,
        counted: bool,
        rewind: &mut Rewind,
    ) {
        let failures = if counted {
            self.progress.count_failure(sequence)
        } else {
            self.progress.failures(sequence).max(1)
        };
        let seed = self.seed ^ sequence.0.unsigned_abs();
        let delay = delay.map_or_else(
            || self.config.retry.delay(failures, seed),
            |delay| delay.min(DELAY_MAX),
        );
        rewind.wanted = true;
        rewind.delay = rewind.delay.max(delay);
    }

    fn carry_out(&mut self, now: Instant, rewind: Rewind) {
        if !rewind.wanted {
            return;
        }
        if let Some(until) = rewind.pause {
            // What an operator has asked for may be longer.
            self.waits
                .change(|waits| waits.paused = Some(longer(waits.paused, until)));
        }
        if !rewind.delay.is_zero() {
            self.hold(now, rewind.delay);
        }
        self.rewind(now, VoidReason::Rewound, &BTreeSet::new());
    }

    fn hold(&mut self, now: Instant, delay: Duration) {
        self.waits
            .change(|waits| waits.held_until = Some(now.after(delay)));
    }

    /// Back to the offset: everything above is to be delivered again, except what is being parked.
    pub(super) fn rewind(&mut self, now: Instant, reason: VoidReason, timed_out: &BTreeSet<u64>) {
        self.void_all(reason, timed_out);
        for slot in self.window.iter_mut() {
            if let SlotState::Replying { number } = slot.state {
                self.errands
                    .change_if_any(|errands| errands.writing.remove(&number));
            }
            if !matches!(slot.state, SlotState::Parking { .. }) {
                slot.state = SlotState::Ready;
            }
        }
        self.delivered_to = self.offset();
        self.filling_since = None;
        self.start_filling(now);
    }

    /// Voids what is in flight; those numbers whose own time ran out with that reason. The newest first: a
    /// transport that does not write what is voided leaves out the end then, and never the middle.
    pub(super) fn void_all(&mut self, reason: VoidReason, timed_out: &BTreeSet<u64>) {
        let reason_of = |number: u64| {
            if timed_out.contains(&number) {
                VoidReason::AckTimeout
            } else {
                reason
            }
        };
        if let Some(batch) = self.batch.take() {
            let reason = reason_of(batch.number);
            let void = (batch.connection, batch.number, reason);
            self.errands.change(|errands| errands.voids.push_back(void));
        }
        if self.in_flight.len() == 0 {
            return;
        }
        let in_flight = std::mem::take(&mut self.in_flight);
        self.errands.change(|errands| {
            for (number, sequence) in in_flight.iter().rev() {
                if let Some(slot) = self.window.get(sequence)
                    && let SlotState::InFlight(in_flight) = &slot.state
                {
                    let connection = in_flight.connection.clone();
                    errands
                        .voids
                        .push_back((connection, number, reason_of(number)));
                }
            }
        });
    }

    fn settle_for_good(&mut self, sequence: Sequence) {
        self.window.remove(sequence);
        self.no_fit = false;
        self.progress.settle(sequence);
    }

    fn set_state(&mut self, sequence: Sequence, state: SlotState) {
        if let Some(slot) = self.window.get_mut(sequence) {
            slot.state = state;
        }
    }

    /// The event of a single delivery, if it is current and was given to this connection.
    pub(super) fn in_flight_to(&self, number: u64, connection: &ConnectionId) -> Option<Sequence> {
        let sequence = self.in_flight.get(number)?;
        match &self.window.get(sequence)?.state {
            SlotState::InFlight(in_flight) if in_flight.connection == *connection => Some(sequence),
            _ => None,
        }
    }
}

/// The longer of two pauses; one without an end is the longest.
fn longer(before: Option<Option<Instant>>, until: Option<Instant>) -> Option<Instant> {
    match before {
        Some(before) => before.zip(until).map(|(one, other)| one.max(other)),
        None => until,
    }
}
