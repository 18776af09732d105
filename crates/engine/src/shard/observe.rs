//! What does a shard note for those who count?
//!
//! Of an event a few atomics, which hang on the subscription; of how a dispatcher stands once a turn.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use photinus_contract::store::OffsetError;
use photinus_contract::{ConnectionId, Outcome, Response, SubscriptionId};
use photinus_dispatch::Instant;

use super::active::{Active, Phase, Running};
use super::{Shard, Spec};
use crate::metrics::Now;

/// When the deliveries that are in flight were handed over, by number, which rises: a run at a time.
#[derive(Default)]
pub(super) struct Handed(VecDeque<(RangeInclusive<u64>, Instant)>);

impl Handed {
    pub(super) fn push(&mut self, numbers: RangeInclusive<u64>, now: Instant) {
        self.0.push_back((numbers, now));
    }

    fn since(&self, number: u64) -> Option<Instant> {
        let is_before = |numbers: &RangeInclusive<u64>| *numbers.end() < number;
        let place = match self.0.front() {
            Some((numbers, _)) if is_before(numbers) => {
                self.0.partition_point(|(numbers, _)| is_before(numbers))
            }
            _ => 0,
        };
        let (numbers, since) = self.0.get(place)?;
        numbers.contains(&number).then_some(*since)
    }

    /// Forgets what is before the oldest that is in flight.
    fn keep_from(&mut self, oldest: Option<u64>) {
        while self
            .0
            .front()
            .is_some_and(|(numbers, _)| oldest.is_none_or(|oldest| *numbers.end() < oldest))
        {
            self.0.pop_front();
        }
    }
}

/// Acknowledgements that are counted together.
#[derive(Default)]
pub(super) struct Tally {
    acknowledged: usize,
    late: u64,
    /// Answers to what was handed over then.
    answered: Option<(Instant, u64)>,
}

impl Tally {
    /// An answer came. To be called before the dispatcher gets it.
    pub(super) fn note(
        &mut self,
        now: Instant,
        spec: &Spec,
        running: &Running,
        connection: &ConnectionId,
        response: &Response,
    ) {
        let (id, epoch) = (response.delivery, running.epoch);
        let events = running.dispatcher.current(id.number(), connection);
        let Some(mut events) = events.filter(|_| id.epoch() == epoch) else {
            self.late += 1;
            return;
        };
        let metrics = &spec.metrics;
        if spec.subscription.options.is_batch() {
            let items = response.items.iter();
            for (_, outcome) in items.filter(|(item, _)| item.epoch() == epoch).take(events) {
                metrics.ended(outcome, 1);
                events -= 1;
            }
        }
        match response.outcome {
            Outcome::Acknowledge { reply: None } => self.acknowledged += events,
            _ => metrics.ended(&response.outcome, events),
        }
        if let Some(since) = running.handed.since(id.number()) {
            match &mut self.answered {
                Some((same, count)) if *same == since => *count += 1,
                other => {
                    let before = other.replace((since, 1));
                    took(now, spec, before);
                }
            }
        }
    }

    /// No more of them come.
    pub(super) fn count(self, now: Instant, spec: &Spec) {
        let metrics = &spec.metrics;
        if self.acknowledged > 0 {
            metrics.ended(&Outcome::ack(), self.acknowledged);
        }
        if self.late > 0 {
            metrics.late(self.late);
        }
        took(now, spec, self.answered);
    }
}

fn took(now: Instant, spec: &Spec, answered: Option<(Instant, u64)>) {
    if let Some((since, count)) = answered {
        let time = now.0.saturating_sub(since.0);
        spec.transport.ack_latency.took_each(time, count);
    }
}

/// How a dispatcher stands, for a person who asks.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) serving: Serving,
    pub(crate) in_flight: usize,
    /// For how long the oldest of them has been with the application.
    pub(crate) oldest_in_flight: Option<Duration>,
    pub(crate) is_delayed: bool,
    /// What went wrong last.
    pub(crate) trouble: Option<Box<str>>,
}

/// How the connection is that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// The position is being claimed.
    Starting,
    /// It takes what comes.
    Ready,
    /// It takes nothing more for now.
    Busy,
    /// It does not work now.
    Down,
}

impl Active {
    fn standing(&self, now: Instant) -> Standing {
        let mut standing = Standing {
            serving: Serving::Starting,
            in_flight: 0,
            oldest_in_flight: None,
            is_delayed: false,
            trouble: None,
        };
        if let Phase::Running(running) = &self.phase {
            let dispatcher = &running.dispatcher;
            standing.serving = match dispatcher.served() {
                None => Serving::Starting,
                Some((false, _)) => Serving::Down,
                Some((true, false)) => Serving::Busy,
                Some((true, true)) => Serving::Ready,
            };
            standing.in_flight = dispatcher.in_flight();
            let oldest = dispatcher.oldest_number();
            let since = oldest.and_then(|number| running.handed.since(number));
            standing.oldest_in_flight = since.map(|since| now.0.saturating_sub(since.0));
            standing.is_delayed = dispatcher.is_delayed(now);
            standing.trouble = running.trouble.clone();
        }
        standing
    }

    fn observe(&mut self, now: Instant) {
        let Phase::Running(running) = &mut self.phase else {
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
        running.handed.keep_from(dispatcher.oldest_number());
        self.spec.metrics.stands(stands);
    }
}

impl Shard {
    /// How a dispatcher stands; `None` if nobody is served.
    pub(super) fn standing(&self, id: SubscriptionId) -> Option<Standing> {
        let active = self.active.get(&id)?;
        Some(active.standing(self.now()))
    }

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
    use super::*;

    #[test]
    fn what_is_in_flight_is_remembered_and_nothing_else() {
        let at = |seconds| Instant(Duration::from_secs(seconds));
        let mut handed = Handed::default();
        handed.push(1..=3, at(1));
        handed.push(4..=4, at(2));
        assert_eq!(handed.since(3), Some(at(1)), "in any order");
        assert_eq!(handed.since(1), Some(at(1)));
        assert_eq!(handed.since(4), Some(at(2)));
        // The last of a run was refused, so a number is left out.
        handed.push(6..=9, at(3));
        assert_eq!([handed.since(5), handed.since(10)], [None; 2]);
        assert_eq!(handed.since(8), Some(at(3)));
        handed.keep_from(Some(4));
        assert_eq!((handed.since(3), handed.since(4)), (None, Some(at(2))));
        handed.keep_from(None);
        assert_eq!(handed.since(8), None);
    }
}
