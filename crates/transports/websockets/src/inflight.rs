//! Which delivery does an answer mean?
//!
//! Clients answer by event id alone, and answers to deliveries that were voided meanwhile still arrive. So
//! every delivery that was written and not yet answered is kept, in order, whether it is current or not, and
//! an answer takes the oldest that fits. Otherwise the answer to a voided delivery would settle the current
//! one of the same event, which the application has not seen to the end.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use photinus_contract::{DeliveryId, EventId, Subscription, SubscriptionId, VoidReason};
use uuid::Uuid;

/// All subscriptions together are remembered this many times the limit of one.
const TOTAL_FACTOR: usize = 4;
/// How many deliveries are looked through before they are indexed. Clients mostly answer in order, and what is voided
/// is voided from the newest on.
const SCAN_MAX: usize = 64;

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
    /// By place, which rises. What was taken out of the middle leaves a hole until the ends reach it or there are too
    /// many; there is none at either end.
    entries: Places<T>,
    holes: usize,
    /// Made when somebody looks for what is not near an end, and kept until all is answered.
    by_id: Option<BTreeSet<(Id, u64)>>,
    voided: HashMap<SubscriptionId, BTreeSet<u64>>,
    voided_count: usize,
}

/// What an entry can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Answer(Uuid),
    Delivery(DeliveryId),
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
            entries: VecDeque::new(),
            holes: 0,
            by_id: None,
            voided: HashMap::new(),
            voided_count: 0,
        }
    }

    /// Adds a current delivery that is not written yet; returns its place.
    pub(crate) fn push(&mut self, entry: Entry<T>) -> u64 {
        let place = self.next;
        self.next += 1;
        if let Some(by_id) = &mut self.by_id {
            by_id.extend(entry.ids().map(|id| (id, place)));
        }
        self.entries.push_back((place, Some(entry)));
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
        get(&self.entries, place).is_some()
    }

    /// A delivery is no longer current. It keeps its place in the queue, except if its own ack timeout passed:
    /// then it is returned, because it only absorbs an answer that finds nothing else.
    pub(crate) fn void(
        &mut self,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) -> Option<Entry<T>> {
        let fits =
            |entry: &Entry<T>| entry.delivery == delivery && entry.subscription.id == subscription;
        let newest = self.entries.iter().rev().take(SCAN_MAX);
        let place = match found(newest, fits) {
            Some(place) => place,
            None => self.find_by_id(Id::Delivery(delivery), fits)?,
        };
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
        let (place, _) = *self.entries.front()?;
        (place < self.written).then(|| self.remove(place)).flatten()
    }

    /// Takes the oldest voided delivery of a subscription that `wants` accepts.
    pub(crate) fn take_oldest_voided(&mut self, wants: Wants<'_>) -> Option<Entry<T>> {
        let place = self
            .voided
            .values()
            .filter_map(|places| places.first())
            .filter(|place| {
                get(&self.entries, **place).is_some_and(|entry| wants(&entry.subscription))
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
        let fits = |entry: &Entry<T>| {
            entry.answer == answer
                && delivery.is_none_or(|named| named == entry.delivery)
                && wants(&entry.subscription)
        };
        self.take_first(Id::Answer(answer), fits)
    }

    /// Takes the oldest delivery with this delivery id.
    pub(crate) fn take_delivery(
        &mut self,
        delivery: DeliveryId,
        wants: Wants<'_>,
    ) -> Option<Entry<T>> {
        let fits = |entry: &Entry<T>| entry.delivery == delivery && wants(&entry.subscription);
        self.take_first(Id::Delivery(delivery), fits)
    }

    /// Empties it and returns what a client may have seen, oldest first.
    pub(crate) fn drain_written(&mut self) -> impl Iterator<Item = Entry<T>> + use<T> {
        let written = self.written;
        let entries = std::mem::take(self).entries;
        entries
            .into_iter()
            .filter(move |(place, _)| *place < written)
            .filter_map(|(_, entry)| entry)
    }

    /// Takes the oldest of those that were written that fits.
    fn take_first(&mut self, id: Id, fits: impl Fn(&Entry<T>) -> bool) -> Option<Entry<T>> {
        let oldest = self.entries.iter().take(SCAN_MAX);
        let place = match found(oldest, &fits) {
            Some(place) => place,
            None => self.find_by_id(id, fits)?,
        };
        // All above are not written either.
        (place < self.written).then(|| self.remove(place)).flatten()
    }

    /// The lowest place of what has this id and fits, if it is not among the few that were looked through.
    fn find_by_id(&mut self, id: Id, fits: impl Fn(&Entry<T>) -> bool) -> Option<u64> {
        if self.by_id.is_none() && self.entries.len() <= SCAN_MAX {
            return None;
        }
        let entries = &self.entries;
        let by_id = self.by_id.get_or_insert_with(|| {
            let live = entries.iter().filter_map(|(place, entry)| {
                let ids = entry.as_ref()?.ids();
                Some(ids.map(|id| (id, *place)))
            });
            live.flatten().collect()
        });
        let places = by_id
            .range((id, 0)..=(id, u64::MAX))
            .map(|(_, place)| *place);
        places
            .into_iter()
            .find(|place| get(entries, *place).is_some_and(&fits))
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
        let index = index_of(&self.entries, place)?;
        let entry = self.entries[index].1.take()?;
        self.holes += 1;
        self.drop_holes();
        if let Some(by_id) = &mut self.by_id {
            for id in entry.ids() {
                by_id.remove(&(id, place));
            }
        }
        if self.voided_count > 0
            && let Some(places) = self.voided.get_mut(&entry.subscription.id)
            && places.remove(&place)
        {
            self.voided_count -= 1;
            if places.is_empty() {
                self.voided.remove(&entry.subscription.id);
            }
        }
        Some(entry)
    }

    fn drop_holes(&mut self) {
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
            self.holes -= 1;
        }
        while let Some((_, None)) = self.entries.back() {
            self.entries.pop_back();
            self.holes -= 1;
        }
        if self.holes > SCAN_MAX && self.holes > self.entries.len() / 2 {
            self.entries.retain(|(_, entry)| entry.is_some());
            self.holes = 0;
        }
        if self.entries.is_empty() {
            self.by_id = None;
            // Idle connections are many.
            if self.entries.capacity() > SCAN_MAX {
                self.entries = VecDeque::new();
            }
        }
    }
}

impl<T> Entry<T> {
    fn ids(&self) -> [Id; 2] {
        [Id::Answer(self.answer), Id::Delivery(self.delivery)]
    }
}

/// Deliveries by place; `None` where one was taken out.
type Places<T> = VecDeque<(u64, Option<Entry<T>>)>;

/// The place of the first that fits.
fn found<'a, T: 'a>(
    mut entries: impl Iterator<Item = &'a (u64, Option<Entry<T>>)>,
    fits: impl Fn(&Entry<T>) -> bool,
) -> Option<u64> {
    let found = entries.find(|(_, entry)| entry.as_ref().is_some_and(&fits));
    found.map(|(place, _)| *place)
}

fn get<T>(entries: &Places<T>, place: u64) -> Option<&Entry<T>> {
    entries[index_of(entries, place)?].1.as_ref()
}

fn index_of<T>(entries: &Places<T>, place: u64) -> Option<usize> {
    let (first, _) = entries.front()?;
    let guess = usize::try_from(place.checked_sub(*first)?).ok()?;
    // Where holes were dropped, what is behind them has moved to the front.
    match entries.get(guess) {
        Some((there, _)) if *there == place => Some(guess),
        _ => entries
            .binary_search_by_key(&place, |(place, _)| *place)
            .ok(),
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
