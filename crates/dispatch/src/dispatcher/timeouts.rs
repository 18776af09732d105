//! What does the time change?

use std::collections::BTreeSet;
use std::time::Duration;

use photinus_contract::{Sequence, VoidReason};

use super::Dispatcher;
use super::failures::Failure;
use super::rewinds::Rewind;
use crate::instant::Instant;
use crate::lane::Order;

impl<E: Clone> Dispatcher<E> {
    pub(super) fn expire(&mut self, now: Instant) {
        self.waits.change_if_any(|waits| {
            waits.held_until = waits.held_until.filter(|_| waits.is_held(now));
            waits.paused = waits.paused.filter(|_| waits.is_paused(now));
        });
        if let Some(replays) = &mut self.replays {
            replays.held_until = replays.held_until.filter(|until| *until > now);
        }
        if let Some(keys) = &mut self.keys {
            keys.release(now);
        }
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let mut rewind = Rewind::default();
        let mut expired = BTreeSet::new();
        if let Some(batch) = self.batch.as_ref().filter(|batch| is_due(batch.deadline)) {
            expired.insert(batch.number);
            self.expire_batch(now, &mut rewind);
        }
        let due = |(_, sequence): &(u64, Sequence)| is_due(self.deadline(*sequence));
        let due: Vec<_> = self.in_flight.iter().filter(due).collect();
        expired.extend(due.iter().map(|(number, _)| *number));
        self.expire_each(now, due, &mut rewind);
        if expired.is_empty() {
            return;
        }
        self.pass(self.progress.unsaved());
        self.carry_out(now, rewind, &expired);
        self.start_filling(now);
    }

    fn expire_batch(&mut self, now: Instant, rewind: &mut Rewind) {
        let failure = self.unanswered();
        let Some(batch) = self.batch.clone() else {
            return;
        };
        self.fail_batch(now, &batch.items, failure, rewind);
        // What goes back is voided by that; the last attempt of one event is not.
        if rewind.of(batch.order).is_none() {
            self.batch = None;
            let void = (batch.connection, batch.number, VoidReason::AckTimeout);
            self.errands.change(|errands| errands.voids.push_back(void));
        }
    }

    /// With an ordering key, each fails by itself. Without, the lowest one of an order has failed: others that are due
    /// waited behind it. They are not expected to be answered any more either, but only one failure is counted.
    fn expire_each(&mut self, now: Instant, mut due: Vec<(u64, Sequence)>, rewind: &mut Rewind) {
        due.sort_unstable_by_key(|(_, sequence)| *sequence);
        let mut failed: BTreeSet<Order> = BTreeSet::new();
        for (number, sequence) in due {
            let order = self.order_of(sequence);
            if self.keys.is_none() && !failed.insert(order) {
                rewind.add(order, Duration::ZERO);
                continue;
            }
            let Some(connection) = self.has_it(sequence) else {
                continue;
            };
            let failure = self.unanswered();
            self.fail(now, number, sequence, failure, rewind);
            // What goes back is voided by that; the last attempt, and with an ordering key each one, is not.
            if self.has_it(sequence).is_none() {
                self.in_flight.remove(number);
                let void = (connection, number, VoidReason::AckTimeout);
                self.errands.change(|errands| errands.voids.push_back(void));
            }
        }
    }

    fn unanswered(&self) -> Failure {
        Failure {
            wish: None,
            // While its connection is down, nobody could have answered: that is an outage, not a failure.
            counted: self.connections.is_up(),
            reason: "it was not answered in time".to_owned(),
        }
    }
}
