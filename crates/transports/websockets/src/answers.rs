//! How are answers understood and passed on?
//!
//! By FireFly's rules, in FireFly's order, and with what is ours: nacks, named deliveries and late answers.

use photinus_contract::{CodedError, DeliveryId, Outcome, Response, Subscription, SubscriptionId};

use crate::connection::lock_left;
use crate::frames::{Answer, Nack};
use crate::inflight::{BatchEvents, Entry, InFlight, Wants};
use crate::mapping::{item_outcomes, verdict};
use crate::session::Session;

/// What an answer means.
enum Found {
    Event(SubscriptionId, DeliveryId),
    Batch(SubscriptionId, DeliveryId, BatchEvents),
}

impl Session {
    pub(crate) fn acknowledge(&mut self, answer: &Answer<'_>) -> Result<(), CodedError> {
        let (Found::Event(subscription, delivery) | Found::Batch(subscription, delivery, _)) =
            self.find(answer)?;
        self.respond(Response::new(subscription, delivery, Outcome::ack()));
        Ok(())
    }

    pub(crate) fn reject(&mut self, nack: &Nack<'_>) -> Result<(), CodedError> {
        let verdict = verdict(nack)?;
        let response = match self.find(&nack.answer)? {
            Found::Event(..) if !verdict.events.is_empty() => {
                return Err(CodedError::bad_request(
                    "PH00422",
                    "A nack of a single event names no other events: leave 'events' out",
                ));
            }
            Found::Event(subscription, delivery) => {
                Response::new(subscription, delivery, verdict.outcome)
            }
            Found::Batch(subscription, delivery, batch) => {
                Response::new(subscription, delivery, verdict.outcome)
                    .with_items(item_outcomes(verdict.events, &batch)?)
            }
        };
        self.respond(response);
        Ok(())
    }

    /// Finds what an answer means and takes it out of what is unanswered.
    fn find(&self, answer: &Answer<'_>) -> Result<Found, CodedError> {
        let found_batch = |entry: Entry<BatchEvents>| {
            Found::Batch(entry.subscription.id, entry.delivery, entry.content)
        };
        let found_event = |entry: Entry<()>| Found::Event(entry.subscription.id, entry.delivery);
        // The id of a batch is enough: it was made up for one delivery and for nothing else.
        let batch = |in_flight: &mut InFlight| {
            let id = answer.id?;
            in_flight.batches.take(id, None, &|_| true).map(found_batch)
        };
        let mut state = self.connection.lock();
        if let Some(found) = batch(&mut state.in_flight) {
            return Ok(found);
        }
        if self.autoack {
            return Err(CodedError::bad_request(
                "FF10180",
                "Answers are not expected: autoack is on",
            ));
        }
        let delivery = match &*answer.delivery {
            "" => None,
            // Opaque to clients: what we did not write matches nothing.
            text => Some(text.parse::<DeliveryId>().map_err(|_| unmatched(answer))?),
        };
        if answer.id.is_none() && delivery.is_none() {
            let oldest = state.in_flight.events.take_oldest();
            drop(state);
            let mine = |subscription: &Subscription| self.serves(subscription);
            return oldest
                .or_else(|| lock_left(&self.hub.left).events.take_oldest_voided(&mine))
                .map(found_event)
                .ok_or_else(|| unmatched(answer));
        }

        let subscriptions = self.starts - self.without_events;
        let ambiguous = answer.subscription.is_none() && subscriptions != 1;
        let reference = answer.subscription.as_ref();
        let by_id = |subscription: &Subscription| {
            reference.is_some_and(|it| it.id == Some(subscription.id.0))
        };
        let by_name = |subscription: &Subscription| {
            reference.is_none_or(|it| {
                *it.name == *subscription.name && *it.namespace == *subscription.namespace.as_str()
            })
        };
        let take = |in_flight: &mut InFlight, wants: Wants<'_>| match (answer.id, delivery) {
            _ if ambiguous => None,
            (Some(id), delivery) => in_flight.events.take(id, delivery, wants),
            (None, Some(delivery)) => in_flight.events.take_delivery(delivery, wants),
            (None, None) => None,
        };
        // It may be late: an answer to what ran out of its ack timeout, or was received on an older connection.
        // The id of an ephemeral subscription is known to its client alone, also after a reconnection.
        let late_by_id = |subscription: &Subscription| {
            by_id(subscription) && (subscription.ephemeral || self.serves(subscription))
        };
        let late_by_name =
            |subscription: &Subscription| by_name(subscription) && self.serves(subscription);

        // One of both suffices, but the id goes first: the name may be that of a deleted subscription and of
        // its successor, which has the same events.
        if reference.is_some_and(|it| it.id.is_some()) {
            let found = take(&mut state.in_flight, &by_id)
                .or_else(|| take(&mut lock_left(&self.hub.left), &late_by_id));
            if let Some(entry) = found {
                return Ok(found_event(entry));
            }
        }
        if let Some(entry) = take(&mut state.in_flight, &by_name) {
            return Ok(found_event(entry));
        }
        drop(state);
        let mut left = lock_left(&self.hub.left);
        if let Some(found) = batch(&mut left) {
            return Ok(found);
        }
        take(&mut left, &late_by_name)
            .map(found_event)
            .ok_or_else(|| unmatched(answer))
    }

    /// Whether this connection started the subscription.
    fn serves(&self, subscription: &Subscription) -> bool {
        self.connection.attached.wants(subscription) || self.has_ephemeral(subscription.id)
    }
}

fn unmatched(answer: &Answer<'_>) -> CodedError {
    let id = answer
        .id
        .map(|id| format!(" for '{id}'"))
        .unwrap_or_default();
    CodedError::bad_request(
        "FF10175",
        format!(
            "Answer{id} does not match an event in flight: name an unanswered event, and its subscription unless exactly one was started"
        ),
    )
}
