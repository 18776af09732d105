//! Which delivery does an answer mean?
//!
//! Clients answer by event id alone, and answers to deliveries that were voided meanwhile still arrive. So
//! every delivery that was written and not yet answered is kept, in order, whether it is current or not, and
//! an answer takes the oldest that fits. Otherwise the answer to a voided delivery would settle the current
//! one of the same event, which the application has not seen to the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use photinus_contract::{DeliveryId, EventId, Subscription, SubscriptionId, VoidReason};
use uuid::Uuid;

/// All subscriptions together are remembered this many times the limit of one.
const TOTAL_FACTOR: usize = 4;

/// A delivery that was handed over and not answered.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    /// What an answer names: the id of the event, or of the batch.
    pub(crate) answer: Uuid,
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) delivery: DeliveryId,
    /// Of a batch, its events.
    pub(crate) content: T,
}

/// The events of a batch and the deliveries by which they are settled.
pub(crate) type BatchEvents = Vec<(EventId, DeliveryId)>;

/// Deliveries that wait for an answer, in the order in which they were handed over. Those that are voided are
/// bounded, and the oldest of them is forgotten first; the engine bounds the current ones.
#[derive(Debug)]
pub(crate) struct Unanswered<T> {
    voided_max: usize,
    next: u64,
    /// Everything below was given to the socket; nobody can answer the others yet.
    written: u64,
    entries: BTreeMap<u64, Entry<T>>,
    by_answer: BTreeSet<(Uuid, u64)>,
    by_delivery: BTreeSet<(DeliveryId, u64)>,
    voided: HashMap<SubscriptionId, BTreeSet<u64>>,
    voided_count: usize,
}

/// Whether an answer may mean a delivery of this subscription.
pub(crate) type Wants<'a> = &'a dyn Fn(&Subscription) -> bool;

impl<T> Unanswered<T> {
    /// Remembers at most `voided_max` voided deliveries of a subscription.
    pub(crate) fn new(voided_max: usize) -> Self {
        Self {
            voided_max,
            next: 0,
            written: 0,
            entries: BTreeMap::new(),
            by_answer: BTreeSet::new(),
            by_delivery: BTreeSet::new(),
            voided: HashMap::new(),
            voided_count: 0,
        }
    }

    /// Adds a current delivery that is not written yet; returns its place.
    pub(crate) fn push(&mut self, entry: Entry<T>) -> u64 {
        let place = self.next;
        self.next += 1;
        self.by_answer.insert((entry.answer, place));
        self.by_delivery.insert((entry.delivery, place));
        self.entries.insert(place, entry);
        place
    }

    /// Adds a delivery that is voided already and that a client has seen.
    pub(crate) fn push_voided(&mut self, entry: Entry<T>) {
        let subscription = entry.subscription.id;
        let place = self.push(entry);
        self.written = self.next;
        self.mark_voided(subscription, place);
    }

    /// The delivery at `place` is about to be written, after all below it. False if it was voided before that:
    /// then it is not to be written at all.
    pub(crate) fn write(&mut self, place: u64) -> bool {
        self.written = self.written.max(place + 1);
        self.entries.contains_key(&place)
    }

    /// A delivery is no longer current. It keeps its place in the queue, except if its own ack timeout passed:
    /// then it is returned, because it only absorbs an answer that finds nothing else.
    pub(crate) fn void(
        &mut self,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) -> Option<Entry<T>> {
        let place = self
            .by_delivery
            .range((delivery, 0)..=(delivery, u64::MAX))
            .map(|(_, place)| *place)
            .find(|place| {
                self.entries
                    .get(place)
                    .is_some_and(|entry| entry.subscription.id == subscription)
            })?;
        if place >= self.written {
            self.remove(place);
            return None;
        }
        if reason == VoidReason::AckTimeout {
            return self.remove(place);
        }
        self.mark_voided(subscription, place);
        None
    }

    /// Takes the oldest delivery, whatever it is.
    pub(crate) fn take_oldest(&mut self) -> Option<Entry<T>> {
        let place = *self.entries.first_key_value()?.0;
        (place < self.written).then(|| self.remove(place)).flatten()
    }

    /// Takes the oldest voided delivery of a subscription that `wants` accepts.
    pub(crate) fn take_oldest_voided(&mut self, wants: Wants<'_>) -> Option<Entry<T>> {
        let place = self
            .voided
            .values()
            .filter_map(|places| places.first())
            .filter(|place| {
                self.entries
                    .get(place)
                    .is_some_and(|entry| wants(&entry.subscription))
            })
            .min()
            .copied()?;
        self.remove(place)
    }

    /// Takes the oldest delivery with this answer id and, where given, this delivery id.
    pub(crate) fn take(
        &mut self,
        answer: Uuid,
        delivery: Option<DeliveryId>,
        wants: Wants<'_>,
    ) -> Option<Entry<T>> {
        let place = self
            .by_answer
            .range((answer, 0)..=(answer, u64::MAX))
            .map(|(_, place)| *place)
            .find(|place| self.fits(*place, delivery, wants))?;
        self.remove(place)
    }

    /// Takes the oldest delivery with this delivery id.
    pub(crate) fn take_delivery(
        &mut self,
        delivery: DeliveryId,
        wants: Wants<'_>,
    ) -> Option<Entry<T>> {
        let place = self
            .by_delivery
            .range((delivery, 0)..=(delivery, u64::MAX))
            .map(|(_, place)| *place)
            .find(|place| self.fits(*place, None, wants))?;
        self.remove(place)
    }

    /// Empties it and returns what a client may have seen, oldest first.
    pub(crate) fn drain_written(&mut self) -> impl Iterator<Item = Entry<T>> + use<T> {
        let written = self.written;
        let entries = std::mem::take(self).entries;
        entries
            .into_iter()
            .filter(move |(place, _)| *place < written)
            .map(|(_, entry)| entry)
    }

    fn fits(&self, place: u64, delivery: Option<DeliveryId>, wants: Wants<'_>) -> bool {
        place < self.written
            && self.entries.get(&place).is_some_and(|entry| {
                delivery.is_none_or(|named| named == entry.delivery) && wants(&entry.subscription)
            })
    }

    fn mark_voided(&mut self, subscription: SubscriptionId, place: u64) {
        let places = self.voided.entry(subscription).or_default();
        if !places.insert(place) {
            return;
        }
        self.voided_count += 1;
        let too_many = places.len() > self.voided_max
            || self.voided_count > self.voided_max.saturating_mul(TOTAL_FACTOR);
        if too_many && let Some(oldest) = places.first().copied() {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, place: u64) -> Option<Entry<T>> {
        let entry = self.entries.remove(&place)?;
        self.by_answer.remove(&(entry.answer, place));
        self.by_delivery.remove(&(entry.delivery, place));
        if let Some(places) = self.voided.get_mut(&entry.subscription.id)
            && places.remove(&place)
        {
            self.voided_count -= 1;
            if places.is_empty() {
                self.voided.remove(&entry.subscription.id);
            }
        }
        Some(entry)
    }
}

impl<T> Default for Unanswered<T> {
    fn default() -> Self {
        Self::new(0)
    }
}

/// The unanswered events and batches of one connection; or, in the transport, what connections left
/// unanswered and what ran out of its ack timeout.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) events: Unanswered<()>,
    pub(crate) batches: Unanswered<BatchEvents>,
}

impl InFlight {
    pub(crate) fn new(voided_max: usize) -> Self {
        Self {
            events: Unanswered::new(voided_max),
            batches: Unanswered::new(voided_max),
        }
    }

    /// Takes over what `other` has that a client may still answer.
    pub(crate) fn take_over(&mut self, other: &mut InFlight) {
        for entry in other.events.drain_written() {
            self.events.push_voided(entry);
        }
        for entry in other.batches.drain_written() {
            self.batches.push_voided(entry);
        }
    }
}

#[cfg(test)]
mod tests;
