//! Which parked events are delivered again, and which are given up? Invariant 11.
//!
//! A replay is of an event that is parked and marked, and that its subscription has passed. What it answers does not touch
//! the order of the log; its entry may go when it was settled, and not before.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::store::{ParkedEntry, Replay, Selection};
use photinus_contract::{ConnectionId, HandOver, Outcome, Response, Sequence, SubscriptionId};

use super::Oracle;
use super::state::Offer;

/// A delivery or a batch: its subscription, its epoch, its number.
type Place = (SubscriptionId, u64, u64);
/// Events by the numbers of their deliveries.
type Events = Vec<(u64, i64)>;

/// What is being replayed.
#[derive(Default)]
pub(super) struct Replaying {
    /// With an application, by subscription, epoch and number of the delivery or batch: the events by their numbers.
    flying: BTreeMap<Place, (Events, ConnectionId)>,
    /// What flew when another one was answered such that all may go back: an answer to it can come before it is said to be
    /// void.
    crossing: BTreeSet<Place>,
    /// Settled: the entry may go.
    settled: BTreeSet<(SubscriptionId, i64)>,
    /// Marked ones whose entries are gone, and the first epoch whose owner knows it from its claim: those before may still
    /// deliver them.
    gone: BTreeMap<(SubscriptionId, i64), u64>,
}

impl Replaying {
    /// The owner of an epoch has written that the entry of an event goes. Whether a replay has settled it.
    pub(super) fn gone(&mut self, id: SubscriptionId, epoch: u64, event: i64) -> bool {
        self.gone.insert((id, event), epoch);
        self.settled.remove(&(id, event))
    }

    /// The events of a delivery or batch that is current, by their numbers.
    pub(super) fn current(&self, delivery: Place) -> &[(u64, i64)] {
        let flight = self.flying.get(&delivery);
        flight.map_or(&[], |(events, _)| events)
    }

    /// A delivery is void. False if it was none of a replay.
    pub(super) fn voided(&mut self, delivery: Place) -> bool {
        let crossed = self.crossing.remove(&delivery);
        self.flying.remove(&delivery).is_some() || crossed
    }

    /// Something of this owner was answered such that all may go back.
    fn may_go_back(&mut self, id: SubscriptionId, epoch: u64) {
        let flying = self.flying.range((id, epoch, 0)..=(id, epoch, u64::MAX));
        self.crossing.extend(flying.map(|(place, _)| *place));
    }

    /// A reply to a replay is in the log, or was before.
    pub(super) fn replied(&mut self, id: SubscriptionId, event: i64) {
        self.settled.insert((id, event));
    }
}

impl Oracle {
    /// Somebody wants parked events to be delivered again, and the store knows.
    pub(crate) fn marked(&mut self, id: SubscriptionId, selection: &Selection) {
        self.history.count("replays asked for");
        let label = self.label(id);
        self.history
            .note(format_args!("{label} is to replay {selection:?}"));
        let Some(position) = self.positions.get_mut(&id) else {
            return;
        };
        let entries = position.parked.values_mut();
        for entry in entries.filter(|entry| is_selected(entry, selection)) {
            entry.replay.get_or_insert(Replay::default());
        }
    }

    /// Parked events were given up.
    pub(crate) fn discarded(&mut self, id: SubscriptionId, events: &[Sequence]) {
        let label = self.label(id);
        self.history.count("discards");
        self.history
            .note(format_args!("{label} gives up {events:?}"));
        if let Some(position) = self.positions.get_mut(&id) {
            for event in events {
                let entry = position.parked.remove(&event.0);
                if entry.as_ref().is_some_and(|entry| entry.replay.is_some()) {
                    let gone = &mut self.replaying.gone;
                    gone.insert((id, event.0), position.epoch + 1);
                }
                if entry.is_some_and(|entry| entry.generation == position.generation) {
                    position.record.settle([*event]);
                }
            }
        }
    }

    /// Whether an owner may replay an event: its entry is marked, or was until it went behind the owner's back.
    pub(super) fn may_be_replayed(&self, id: SubscriptionId, epoch: u64, event: i64) -> bool {
        let position = self.positions.get(&id);
        let entry = position.and_then(|position| position.parked.get(&event));
        entry.is_some_and(|entry| entry.replay.is_some())
            || (self.replaying.gone.get(&(id, event))).is_some_and(|known| epoch < *known)
    }

    /// Whether all that is handed over is replayed: it is marked, and was passed. Notes it, if it is taken.
    pub(super) fn is_replay(&mut self, id: SubscriptionId, epoch: u64, offer: &Offer<'_>) -> bool {
        let owner = self.owners.get(&(id, epoch));
        let log = owner.and_then(|owner| self.logs.get(&owner.namespace));
        let Some((owner, log)) = owner.zip(log) else {
            return false;
        };
        let mut events = offer.items.iter().map(|item| item.sequence);
        if !events.all(|at| self.may_be_replayed(id, epoch, at) && owner.has_passed(log, at)) {
            return false;
        }
        self.history.count("replays");
        if *offer.answer == HandOver::Closed {
            // What it had of the log is void, too.
            self.left_by(id, epoch, offer.connection);
        }
        if *offer.answer == HandOver::Ok {
            let items = offer.items.iter();
            let events: Vec<_> = items.map(|item| (item.number, item.sequence)).collect();
            let number = offer.batch.or(events.first().map(|(number, _)| *number));
            let delivery = (id, epoch, number.unwrap_or_default());
            let flight = (events, offer.connection.clone());
            self.replaying.flying.insert(delivery, flight);
        }
        true
    }

    /// The application answers a replay. False if it is none, or not current.
    pub(super) fn replay_answered(
        &mut self,
        connection: &ConnectionId,
        response: &Response,
    ) -> bool {
        let (id, delivery) = (response.subscription, response.delivery);
        let place = (id, delivery.epoch(), delivery.number());
        let items = response.items.iter().map(|(_, outcome)| outcome);
        let mut outcomes = items.chain([&response.outcome]);
        if outcomes.any(|outcome| matches!(outcome, Outcome::Retry { .. } | Outcome::Pause { .. }))
        {
            self.replaying.may_go_back(id, delivery.epoch());
        }
        let flight = self.replaying.flying.get(&place);
        let Some((events, _)) = flight.filter(|(_, to)| to == connection) else {
            return false;
        };
        let events = events.clone();
        self.replaying.flying.remove(&place);
        for (number, event) in events {
            let own = response
                .items
                .iter()
                .find(|(item, _)| item.number() == number);
            let outcome = own.map_or(&response.outcome, |(_, outcome)| outcome);
            if let Outcome::Acknowledge { reply: None } | Outcome::Skip { .. } = outcome {
                self.replaying.settled.insert((id, event));
            }
        }
        true
    }
}

fn is_selected(entry: &ParkedEntry, selection: &Selection) -> bool {
    match selection {
        Selection::All => true,
        Selection::Events(events) => events.contains(&entry.event),
        Selection::Range(from, to) => (*from..=*to).contains(&entry.sequence),
        _ => false,
    }
}
