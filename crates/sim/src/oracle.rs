//! Does a run keep the promises?
//!
//! The oracle knows nothing of the engine's insides. It is told of every publish and its answer, of every call to
//! the store and what became of it, of all that the transports see, and of all that the applications answer; and it
//! holds all of this against what DESIGN.md promises. The first broken promise is noted, with its number.
//!
//! ```text
//!   publishes ──────▶ [log]        1 2    what is durable, what was read and delivered
//!   store's calls ──▶ [positions]  6 7 11 who may write, and where each subscription is
//!   deliveries ─────▶ [owner]      3 4 5 10 12  what may come next, and how far an offset may be
//!   answers ────────▶    └─ [state]
//! ```

mod changes;
mod connections;
mod ending;
mod inputs;
mod log;
mod owner;
mod pauses;
mod positions;
mod replays;
mod replies;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Namespace, Subscription, SubscriptionId};

use self::changes::Feed;
use self::connections::{Availability, Changing};
use self::log::LogModel;
use self::owner::Owner;
use self::pauses::Pauses;
use self::positions::Position;
use self::replays::Replaying;
use self::replies::{Answered, Published};
use crate::history::History;

/// An oracle that all who tell it something share.
pub(crate) type SharedOracle = Arc<Mutex<Oracle>>;

/// Asks a shared oracle, or tells it something.
pub(crate) fn lock(oracle: &SharedOracle) -> MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is promised, and what was seen so far.
pub(crate) struct Oracle {
    pub(crate) history: History,
    violation: Option<String>,
    logs: BTreeMap<Namespace, LogModel>,
    positions: BTreeMap<SubscriptionId, Position>,
    owners: BTreeMap<(SubscriptionId, u64), Owner>,
    labels: BTreeMap<SubscriptionId, String>,
    publishes: BTreeMap<u64, Published>,
    /// Answers that carry a reply or park an event, by what marks them.
    answered: BTreeMap<String, Answered>,
    /// The replies in the log: subscription, generation, sequence of the event.
    replied: BTreeMap<(SubscriptionId, u64, i64), String>,
    connections: BTreeMap<ConnectionId, Availability>,
    changing: Changing,
    /// The most bytes in flight, of each engine.
    windows: BTreeMap<usize, usize>,
    /// What each engine told of its changes.
    feeds: BTreeMap<usize, Feed>,
    pauses: Pauses,
    replaying: Replaying,
}

impl Oracle {
    /// An oracle that has seen nothing.
    pub(crate) fn new(history: History) -> Self {
        Self {
            history,
            violation: None,
            logs: BTreeMap::new(),
            positions: BTreeMap::new(),
            owners: BTreeMap::new(),
            labels: BTreeMap::new(),
            publishes: BTreeMap::new(),
            answered: BTreeMap::new(),
            replied: BTreeMap::new(),
            connections: BTreeMap::new(),
            changing: Changing::default(),
            windows: BTreeMap::new(),
            feeds: BTreeMap::new(),
            pauses: Pauses::default(),
            replaying: Replaying::default(),
        }
    }

    /// The first broken promise.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// Notes a broken promise, unless there is one already.
    pub(crate) fn violated(&mut self, invariant: u8, what: impl Display) {
        let text = format!("invariant {invariant}: {what}");
        self.history.note(format_args!("!!! {text}"));
        self.violation.get_or_insert(text);
    }

    /// An engine starts, with this bound on what a subscription has in flight.
    pub(crate) fn engine_started(&mut self, node: usize, window_bytes_max: usize) {
        self.windows.insert(node, window_bytes_max);
        self.history.note(format_args!("e{node} starts"));
    }

    /// An engine has ended: what it was told since has no effect.
    pub(crate) fn engine_ended(&mut self, node: usize) {
        let its = self.owners.values_mut().filter(|owner| owner.node == node);
        its.for_each(|owner| owner.ended = true);
    }

    /// What histories call a subscription.
    pub(crate) fn label(&self, id: SubscriptionId) -> String {
        let label = self.labels.get(&id);
        label.map_or_else(|| id.to_string(), Clone::clone)
    }

    /// The durable subscriptions that are stored now.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Subscription> {
        let alive = self.positions.values().filter(|position| position.alive);
        alive.map(|position| &position.subscription)
    }

    /// All durable subscriptions that were stored, also those that are deleted.
    pub(crate) fn ever_stored(&self) -> impl Iterator<Item = &Subscription> {
        self.positions
            .values()
            .map(|position| &position.subscription)
    }

    /// A record as the engine finds it when it claims.
    fn own(&mut self, node: usize, subscription: &Subscription, record: &OffsetRecord) {
        let owner = Owner::durable(node, subscription, record);
        self.owners.insert((subscription.id, record.epoch), owner);
    }
}
