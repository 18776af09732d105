//! What does a shard note for those who count?
//!
//! Of an event a few atomics, which hang on the subscription; of how a dispatcher stands once a turn.

use std::collections::VecDeque;

use photinus_contract::store::OffsetError;
use photinus_contract::{ConnectionId, HandOver, Response, SubscriptionId};
use photinus_dispatch::Instant;

use super::Shard;
use super::active::{Active, Running};
use crate::metrics::Now;

/// When the deliveries that are in flight were handed over, by number, which rises.
#[derive(Default)]
pub(super) struct Handed(VecDeque<(u64, Instant)>);

impl Handed {
    fn push(&mut self, number: u64, now: Instant) {
        self.0.push_back((number, now));
    }

    fn take(&mut self, number: u64) -> Option<Instant> {
        let index = self.0.binary_search_by_key(&number, |(number, _)| *number);
        self.0.remove(index.ok()?).map(|(_, since)| since)
    }

    /// Only so many are in flight. What was voided is older than those, because numbers rise.
    fn keep_newest(&mut self, count: usize) {
        let rest = self.0.len().saturating_sub(count);
        self.0.drain(..rest);
    }
}

impl Active {
    /// A delivery, or a batch of so many events, was handed over.
    pub(super) fn note_handed(
        &mut self,
        now: Instant,
        number: u64,
        events: usize,
        hand_over: &HandOver,
    ) {
        self.spec.metrics.handed_over(hand_over, events);
        if matches!(hand_over, HandOver::Ok) {
            if self.spec.subscription.options.is_batch() {
                self.spec.metrics.batch_taken();
            }
            if let Some(running) = self.running() {
                running.handed.push(number, now);
            }
        }
    }

    /// An answer came. To be called before the dispatcher gets it.
    pub(super) fn note_answer(
        &mut self,
        now: Instant,
        connection: &ConnectionId,
        response: &Response,
    ) {
        let metrics = self.spec.metrics.clone();
        let is_batch = self.spec.subscription.options.is_batch();
        let transport = self.spec.transport.clone();
        let Some(running) = self.running() else {
            return;
        };
        let Running {
            dispatcher, epoch, ..
        } = running;
        let (id, epoch) = (response.delivery, *epoch);
        let events = dispatcher.current(id.number(), connection);
        let Some(mut events) = events.filter(|_| id.epoch() == epoch) else {
            return metrics.late();
        };
        if is_batch {
            let items = response.items.iter();
            for (_, outcome) in items.filter(|(item, _)| item.epoch() == epoch).take(events) {
                metrics.ended(outcome, 1);
                events -= 1;
            }
        }
        metrics.ended(&response.outcome, events);
        if let Some(since) = running.handed.take(id.number()) {
            transport.ack_latency.took(now.0.saturating_sub(since.0));
        }
    }

    fn observe(&mut self, now: Instant) {
        let metrics = self.spec.metrics.clone();
        let Some(running) = self.running() else {
            return;
        };
        let dispatcher = &running.dispatcher;
        let in_flight = dispatcher.in_flight();
        let oldest = dispatcher.oldest();
        let stands = Now {
            offset: dispatcher.offset(),
            in_flight,
            failures: dispatcher.failures_of_oldest(),
            oldest: oldest.map(|payload| payload.event.record().content.created),
            is_paused: dispatcher.is_paused(now),
            is_delayed: dispatcher.is_delayed(now),
        };
        running.handed.keep_newest(in_flight);
        metrics.stands(stands);
    }
}

impl Shard {
    /// Notes how a dispatcher stands.
    pub(super) fn observe(&mut self, id: SubscriptionId) {
        let now = self.now();
        if let Some(active) = self.active.get_mut(&id) {
            active.observe(now);
        }
    }

    /// So many events were held against a filter, and so many have matched.
    pub(super) fn note_fed(&self, looked_at: usize, matched: usize) {
        let metrics = &self.core.metrics;
        metrics.events_looked_at.add(looked_at as u64);
        metrics.events_matched.add(matched as u64);
    }

    /// A position was written, or not.
    pub(super) fn note_saved(&self, result: &Result<(), OffsetError>) {
        self.core.metrics.offset_written(result);
        if let Err(OffsetError::Store(error)) = result {
            self.core.health.doubt(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_in_flight_is_remembered_and_nothing_else() {
        let at = |seconds| Instant(Duration::from_secs(seconds));
        let mut handed = Handed::default();
        for number in 1..=4 {
            handed.push(number, at(number));
        }
        assert_eq!(handed.take(3), Some(at(3)), "in any order");
        assert_eq!(handed.take(3), None);
        // A rewind: 1, 2 and 4 are voided and are delivered again as 5 and 6 for now.
        handed.push(5, at(5));
        handed.push(6, at(6));
        handed.keep_newest(2);
        assert_eq!(handed.take(4), None);
        assert_eq!(handed.take(5), Some(at(5)));
        handed.keep_newest(0);
        assert_eq!(handed.take(6), None);
    }
}
