//! What becomes of an event that fails?

use std::time::Duration;

use photinus_contract::Sequence;
use photinus_contract::retry::{DELAY_MAX, Then};

use super::Dispatcher;
use super::errands::Written;
use super::rewinds::Rewind;
use crate::instant::Instant;
use crate::lane::Order;
use crate::position::Failed;
use crate::retry::delay;
use crate::window::SlotState;

/// A batch has failed as often as it may, and nobody said which event it was: batches up to that place are made
/// smaller until it stands alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Halving {
    pub(super) order: Order,
    /// The last event of the batch that failed.
    pub(super) through: Sequence,
    /// Most events of the next one.
    pub(super) size: usize,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// When the receiver wants to be asked again.
    pub(super) wish: Option<Duration>,
    /// Whether it is one of the attempts that the policy counts.
    pub(super) counted: bool,
    /// Why.
    pub(super) reason: String,
}

impl<E: Clone> Dispatcher<E> {
    /// An event has failed that was delivered alone, or was named by its batch.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        number: u64,
        sequence: Sequence,
        failure: Failure,
        rewind: &mut Rewind,
    ) {
        let failed = self.note_failure(now, sequence, failure.counted);
        if failure.counted && self.is_exhausted(now, failed) {
            let order = self.order_of(sequence);
            if self.halving().is_some() {
                // It was the one. What failed beside it did so for its sake.
                self.progress.forgive_all_but(order, sequence);
            }
            match self.config.policy.then {
                Then::Hold => {}
                Then::Skip => return self.settle_for_good(sequence),
                Then::Park => return self.park_exhausted(number, sequence, failed, failure.reason),
            }
        }
        let delay = self.delay_of(now, sequence, failed, failure.wish);
        self.again_after(now, sequence, delay, rewind);
    }

    /// A batch has failed, and nobody said which of its events it was.
    pub(super) fn fail_batch(
        &mut self,
        now: Instant,
        items: &[(u64, Sequence)],
        failure: Failure,
        rewind: &mut Rewind,
    ) {
        let (&[(_, first), ..], &[.., (_, last)]) = (items, items) else {
            return;
        };
        if let &[(number, sequence)] = items {
            return self.fail(now, number, sequence, failure, rewind);
        }
        let mut failed = Failed::default();
        for &(_, sequence) in items {
            let of_this = self.note_failure(now, sequence, failure.counted);
            if sequence == first {
                // It was in all the batches that have failed since the offset stands still.
                failed = of_this;
            }
        }
        let order = self.order_of(first);
        if failure.counted && self.is_exhausted(now, failed) {
            let halving = Halving {
                order,
                through: last,
                size: items.len().div_ceil(2),
            };
            self.waits.change(|waits| waits.halving = Some(halving));
            // Not yet another attempt of the same batch.
            failed.count = 1;
        }
        let delay = self.delay_of(now, first, failed, failure.wish);
        rewind.add(order, delay);
    }

    pub(super) fn halving(&self) -> Option<&Halving> {
        self.waits.get()?.halving.as_ref()
    }

    /// Batches have their size again when all that failed together is settled.
    pub(super) fn end_halving(&mut self, order: Order) {
        let Some(through) = self
            .halving()
            .filter(|one| one.order == order)
            .map(|one| one.through)
        else {
            return;
        };
        let lane = self.lane(order);
        let left = lane.and_then(|lane| lane.window.front().map(|slot| slot.sequence));
        if left.is_none_or(|left| left > through) {
            self.waits.change(|waits| waits.halving = None);
        }
    }

    /// An event comes again, and with it what its order demands.
    pub(super) fn again_after(
        &mut self,
        now: Instant,
        sequence: Sequence,
        delay: Duration,
        rewind: &mut Rewind,
    ) {
        if self.keys.is_some() {
            let until = (!delay.is_zero()).then(|| now.after(delay));
            self.put_back_until(sequence, until);
        } else {
            rewind.add(self.order_of(sequence), delay);
        }
    }

    fn note_failure(&mut self, now: Instant, sequence: Sequence, counted: bool) -> Failed {
        let order = self.order_of(sequence);
        if !counted {
            return self.progress.failed(order, sequence);
        }
        let began = match self.slot(sequence).map(|slot| &slot.state) {
            Some(SlotState::InFlight(in_flight)) => in_flight.began,
            _ => None,
        };
        let began = began.or(self.config.policy.age_max.map(|_| now));
        self.progress.count_failure(order, sequence, began)
    }

    fn is_exhausted(&self, now: Instant, failed: Failed) -> bool {
        let policy = &self.config.policy;
        let age = failed.since.map(|since| now.since(since));
        policy.attempts_max.is_some_and(|max| failed.count >= max)
            || policy.age_max.zip(age).is_some_and(|(max, age)| age >= max)
    }

    fn delay_of(
        &self,
        now: Instant,
        sequence: Sequence,
        failed: Failed,
        wish: Option<Duration>,
    ) -> Duration {
        let policy = &self.config.policy;
        let seed = self.seed ^ sequence.0.unsigned_abs();
        let delay = match wish {
            Some(wish) => wish.min(DELAY_MAX),
            None => delay(&policy.delays, failed.count.max(1), seed),
        };
        // The last attempt is made when its time is over, not later.
        match (policy.then, policy.age_max, failed.since) {
            (Then::Park | Then::Skip, Some(max), Some(since)) => {
                delay.min(since.after(max).since(now))
            }
            _ => delay,
        }
    }

    /// Its attempts are used up: it is set aside, and nothing else goes back.
    fn park_exhausted(&mut self, number: u64, sequence: Sequence, failed: Failed, error: String) {
        let reason = match self.config.policy.attempts_max {
            Some(max) if failed.count >= max => format!("it failed {} times", failed.count),
            _ => format!("it failed for too long ({} attempts)", failed.count),
        };
        self.set_state(sequence, SlotState::Parking { number });
        let error = Some(error);
        self.write(number, sequence, Written::Park { reason, error });
    }
}
