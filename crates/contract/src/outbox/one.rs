//! What is on its way for one subscription?

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::Outgoing;
use crate::delivery::{BatchItem, DeliveryId};
use crate::id::Sequence;
use crate::subscription::Subscription;

/// What was handed over for one subscription and is not answered.
pub(super) struct Outbox<R> {
    subscription: Arc<Subscription>,
    route: Arc<R>,
    /// Nothing is taken for it now.
    pub(super) is_held: bool,
    /// One event must not overtake another.
    is_ordered: bool,
    waiting: VecDeque<Outgoing<R>>,
    under_way: HashMap<DeliveryId, Outgoing<R>>,
    /// What goes back and what was turned away since, while the engine may not know yet.
    turned_away: Option<BTreeSet<Sequence>>,
    /// It stands among those that have something to send.
    has_turn: bool,
    was_used: bool,
}

impl<R> Outbox<R> {
    pub(super) fn new(subscription: Arc<Subscription>, route: Arc<R>) -> Self {
        Self {
            is_ordered: is_ordered(&subscription),
            subscription,
            route,
            is_held: false,
            waiting: VecDeque::new(),
            under_way: HashMap::new(),
            turned_away: None,
            has_turn: false,
            was_used: true,
        }
    }

    /// Whether it is still what this subscription says.
    pub(super) fn is_of(&self, subscription: &Arc<Subscription>) -> bool {
        Arc::ptr_eq(&self.subscription, subscription)
    }

    /// The subscription was changed: what was turned away and held was of it as it was.
    pub(super) fn change(&mut self, subscription: Arc<Subscription>, route: Arc<R>) {
        self.is_ordered = is_ordered(&subscription);
        (self.subscription, self.route) = (subscription, route);
        self.turned_away = None;
        self.is_held = false;
    }

    /// Takes an event, or turns it away.
    pub(super) fn take(&mut self, item: BatchItem) -> Option<DeliveryId> {
        self.was_used = true;
        if let Some(turned_away) = &mut self.turned_away {
            if turned_away.insert(item.event.sequence()) {
                return Some(item.id);
            }
            self.turned_away = None;
        }
        self.waiting.push_back(Outgoing {
            subscription: self.subscription.clone(),
            route: self.route.clone(),
            item,
        });
        None
    }

    /// Whether it has something to send and is not among those that have.
    pub(super) fn joins_the_turns(&mut self) -> bool {
        !self.waiting.is_empty() && !std::mem::replace(&mut self.has_turn, true)
    }

    /// The next event, which is under way now, and whether there are more.
    pub(super) fn next(&mut self) -> Option<(Outgoing<R>, bool)> {
        self.has_turn = false;
        let outgoing = self.waiting.pop_front()?;
        self.has_turn = !self.waiting.is_empty();
        self.under_way.insert(outgoing.item.id, outgoing.clone());
        Some((outgoing, self.has_turn))
    }

    pub(super) fn under_way(&self, delivery: DeliveryId) -> Option<Outgoing<R>> {
        self.under_way.get(&delivery).cloned()
    }

    /// A delivery is answered. If it goes back, what waits behind it was not sent, and is returned.
    pub(super) fn settle(&mut self, delivery: DeliveryId, goes_back: bool) -> Vec<DeliveryId> {
        self.was_used = true;
        let Some(settled) = self.under_way.remove(&delivery) else {
            return Vec::new();
        };
        if !goes_back || !self.is_ordered {
            return Vec::new();
        }
        let under_way = self.under_way.values().map(sequence);
        let mut turned_away: BTreeSet<_> = under_way.collect();
        turned_away.insert(sequence(&settled));
        turned_away.extend(self.waiting.iter().map(sequence));
        self.turned_away = Some(turned_away);
        self.waiting.drain(..).map(|left| left.item.id).collect()
    }

    /// All that it holds, in order: it goes back.
    pub(super) fn give_back_all(&mut self) -> Vec<DeliveryId> {
        self.has_turn = false;
        let mut all: Vec<_> = self
            .under_way
            .drain()
            .map(|(_, outgoing)| outgoing)
            .collect();
        all.extend(self.waiting.drain(..));
        all.sort_by_key(sequence);
        if self.is_ordered && !all.is_empty() {
            let turned_away = self.turned_away.get_or_insert_default();
            turned_away.extend(all.iter().map(sequence));
        }
        all.into_iter().map(|outgoing| outgoing.item.id).collect()
    }

    pub(super) fn void(&mut self, delivery: DeliveryId) {
        if self.under_way.remove(&delivery).is_some() {
            return;
        }
        // The newest is voided first, and is the last.
        let place = self
            .waiting
            .iter()
            .rposition(|left| left.item.id == delivery);
        place.and_then(|place| self.waiting.remove(place));
    }

    pub(super) fn route(&self) -> &R {
        &self.route
    }

    /// How much it holds.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Whether it held nothing since it was last asked, and nobody waits to be told that it works again. What the engine
    /// handed over while it did not know what had gone back has come in by then.
    pub(super) fn is_idle(&mut self) -> bool {
        let was_used = std::mem::replace(&mut self.was_used, false);
        !was_used && self.len() == 0 && !self.is_held
    }
}

fn sequence<R>(outgoing: &Outgoing<R>) -> Sequence {
    outgoing.item.event.sequence()
}

fn is_ordered(subscription: &Subscription) -> bool {
    // It was checked when the subscription was made.
    !matches!(subscription.options.ordering_key(), Ok(Some(_)))
}
