//! Does what is paused get nothing new? A part of invariant 3.
//!
//! An engine keeps to the pauses that it answered, that it wrote, and that it found when it started; what is asked of
//! another engine it learns only then. While somebody asks it for a change, nothing is held against it.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::store::Pause;
use photinus_contract::{Outcome, Response, Subscription, SubscriptionId, Timestamp};

use super::Oracle;

/// Until when a pause is; `None` until somebody resumes it.
type Until = Option<Timestamp>;

/// What is known of pauses.
#[derive(Default)]
pub(super) struct Pauses {
    /// As the store's answers say.
    stored: BTreeMap<SubscriptionId, Until>,
    /// What an engine has to keep to.
    kept: BTreeMap<(usize, SubscriptionId), Until>,
    /// What is asked of an engine.
    asked: BTreeMap<(usize, SubscriptionId), Asked>,
    /// They were to wait until somebody resumes them, at some time.
    for_good: BTreeSet<SubscriptionId>,
}

#[derive(Default)]
struct Asked {
    under_way: u32,
    /// Several were under way at once: nobody can say from outside which came last.
    mixed: bool,
}

impl Pauses {
    /// Whether an engine must not hand over anything now.
    pub(super) fn holds(&self, node: usize, id: SubscriptionId, now: Timestamp) -> bool {
        let kept = self.kept.get(&(node, id));
        kept.is_some_and(|until| until.is_none_or(|until| until > now))
    }

    /// Whether somebody asks an engine for a change just now.
    pub(super) fn is_asked(&self, node: usize, id: SubscriptionId) -> bool {
        let asked = self.asked.get(&(node, id));
        asked.is_some_and(|asked| asked.under_way > 0)
    }

    /// An application answered.
    pub(super) fn answered(&mut self, response: &Response) {
        let items = response.items.iter().map(|(_, outcome)| outcome);
        let mut outcomes = items.chain([&response.outcome]);
        if outcomes.any(|outcome| matches!(outcome, Outcome::Pause { until: None, .. })) {
            self.for_good.insert(response.subscription);
        }
    }
}

impl Oracle {
    /// The durable subscriptions that may wait until somebody resumes them.
    pub(crate) fn paused(&self) -> impl Iterator<Item = &Subscription> {
        let for_good = &self.pauses.for_good;
        self.stored()
            .filter(|subscription| for_good.contains(&subscription.id))
    }

    /// Somebody asks an engine to pause a subscription, or to resume it.
    pub(crate) fn pause_asked(&mut self, node: usize, id: SubscriptionId) {
        let asked = self.pauses.asked.entry((node, id)).or_default();
        asked.under_way += 1;
        asked.mixed |= asked.under_way > 1;
        self.pauses.kept.remove(&(node, id));
        let owners = self.owners.iter_mut();
        let its = owners.filter(|((of, _), owner)| *of == id && owner.node == node);
        its.for_each(|(_, owner)| owner.forget_pause());
    }

    /// The engine answered: so it is paused now, or not. Nothing if it refused.
    pub(crate) fn pause_answered(
        &mut self,
        node: usize,
        id: SubscriptionId,
        pause: Option<Option<Until>>,
    ) {
        let label = self.label(id);
        self.history
            .note(format_args!("e{node} says of {label}: paused {pause:?}"));
        let place = (node, id);
        let Some(asked) = self.pauses.asked.get_mut(&place) else {
            return;
        };
        asked.under_way -= 1;
        let is_certain = !asked.mixed;
        asked.mixed &= asked.under_way > 0;
        let Some(Some(until)) = pause.filter(|_| is_certain) else {
            return;
        };
        let alive = self.positions.get(&id).is_some_and(|known| known.alive);
        let is_stored = self.pauses.stored.get(&id).is_some_and(|stored| {
            // Its application may have asked for a longer one since.
            stored.is_none_or(|stored| until.is_some_and(|until| stored >= until))
        });
        // Another engine may have taken it back since.
        let is_alone = self
            .pauses
            .asked
            .keys()
            .all(|(other, of)| *of != id || *other == node);
        if alive && is_alone && !is_stored {
            self.violated(3, format_args!("{label} is paused, and not in the store"));
        }
        self.pauses.kept.insert(place, until);
    }

    /// A pause was stored, or taken back.
    pub(crate) fn pause_stored(&mut self, node: usize, id: SubscriptionId, pause: Option<&Pause>) {
        let label = self.label(id);
        let until = pause.map(|pause| pause.until);
        self.history
            .note(format_args!("e{node} stores of {label}: paused {until:?}"));
        let is_asked = self.pauses.is_asked(node, id);
        match until {
            Some(until) => {
                self.pauses.stored.insert(id, until);
                if until.is_none() {
                    self.pauses.for_good.insert(id);
                }
                if !is_asked {
                    // Its application's: that is written when it waits already.
                    self.history.count("pauses of applications stored");
                    self.pauses.kept.insert((node, id), until);
                }
            }
            None => drop(self.pauses.stored.remove(&id)),
        }
    }

    /// An engine that starts finds these.
    pub(crate) fn pauses_found(&mut self, node: usize, found: &[(SubscriptionId, Pause)]) {
        for (id, pause) in found {
            self.history.count("pauses found again");
            self.pauses.kept.insert((node, *id), pause.until);
        }
    }
}
