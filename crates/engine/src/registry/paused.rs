//! Which subscriptions deliver nothing for a while?
//!
//! What is noted here is what holds: a shard looks it up when a subscription becomes active, and when it is told that
//! the note has changed.

use photinus_contract::SubscriptionId;
use photinus_contract::store::Pause;
use tokio::sync::oneshot;

use super::Registry;
use crate::shard::Mail;

impl Registry {
    /// Has a subscription deliver nothing for a while, or go on. Resolves when its shard does so.
    pub(crate) fn pause(&self, id: SubscriptionId, pause: Option<Pause>) -> oneshot::Receiver<()> {
        let (done, has_heard) = oneshot::channel();
        let mut state = self.lock();
        if let Some(stored) = state.subscriptions.get_mut(&id) {
            stored.pause = pause;
            self.shard(id).post(Mail::Paused {
                subscription: id,
                done,
            });
        }
        has_heard
    }

    /// The pause that was noted last for a subscription; it may be over.
    pub(crate) fn pause_of(&self, id: SubscriptionId) -> Option<Pause> {
        let state = self.lock();
        state.subscriptions.get(&id)?.pause.clone()
    }

    /// The application of a subscription has asked for a pause, which its shard has begun. True if nobody is about to
    /// write it.
    pub(crate) fn pause_asked_for(&self, id: SubscriptionId, pause: Pause) -> bool {
        let mut state = self.lock();
        let Some(stored) = state.subscriptions.get_mut(&id) else {
            return false;
        };
        // What an operator has asked for may be longer, and not be known to the shard yet.
        if stored
            .pause
            .as_ref()
            .is_some_and(|before| is_longer(before, &pause))
        {
            return false;
        }
        stored.pause = Some(pause);
        !std::mem::replace(&mut stored.is_pause_unwritten, true)
    }

    /// What its application has asked for and has to be written now. Nothing if somebody has resumed it meanwhile.
    pub(crate) fn pause_to_write(&self, id: SubscriptionId) -> Option<Pause> {
        let mut state = self.lock();
        let stored = state.subscriptions.get_mut(&id)?;
        stored.is_pause_unwritten = false;
        stored.pause.clone()
    }
}

fn is_longer(before: &Pause, pause: &Pause) -> bool {
    match (before.until, pause.until) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(before), Some(until)) => before > until,
    }
}
