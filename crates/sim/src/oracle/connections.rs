//! Which connections are there, and which can take something? Invariant 3.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::transport::Scope;
use photinus_contract::{ConnectionId, SubscriptionId};

use super::Oracle;
use super::state::State;

/// Whether a connection can take deliveries, as its transport said.
#[derive(Default)]
pub(super) struct Availability {
    down: bool,
    /// What was said of one subscription alone; `None` where a change may have made that void.
    excepted: BTreeMap<SubscriptionId, Option<bool>>,
    /// Owners that were told to wait, and not that it is ready.
    pub(super) busy: BTreeSet<(SubscriptionId, u64)>,
}

impl Availability {
    /// Whether it certainly cannot take deliveries of this subscription.
    pub(super) fn is_down(&self, id: SubscriptionId) -> bool {
        match self.excepted.get(&id) {
            Some(said) => said.unwrap_or(false),
            None => self.down,
        }
    }
}

/// Which subscriptions an engine has changed in the store and not claimed since. Until then nobody can tell whether it
/// serves them as they were or as they are.
#[derive(Default)]
pub(super) struct Changing(BTreeSet<(SubscriptionId, usize)>);

impl Changing {
    fn begins(&mut self, node: usize, id: SubscriptionId) {
        self.0.insert((id, node));
    }

    pub(super) fn claimed(&mut self, node: usize, id: SubscriptionId) {
        self.0.remove(&(id, node));
    }

    fn holds(&self, id: SubscriptionId) -> bool {
        self.0.range((id, 0)..=(id, usize::MAX)).next().is_some()
    }
}

impl Oracle {
    /// What was said of a subscription alone ends with its change, where the engine that has made it serves it.
    pub(super) fn forget_said(&mut self, node: usize, id: SubscriptionId) {
        self.changing.begins(node, id);
        for known in self.connections.values_mut() {
            if let Some(said) = known.excepted.get_mut(&id) {
                *said = None;
            }
        }
    }

    /// A connection is gone.
    pub(crate) fn connection_closed(&mut self, node: usize, connection: &ConnectionId) {
        self.history.count("connections closed");
        self.history.note(format_args!("{connection} is closed"));
        self.left(node, |_| true, |state| state.connection_closed(connection));
        for owner in self.owners.values_mut() {
            owner.ended |= owner.connection.as_ref() == Some(connection);
        }
    }

    /// A connection's list was replaced: it wants these subscriptions no more.
    pub(crate) fn detached(
        &mut self,
        node: usize,
        connection: &ConnectionId,
        unwanted: impl Fn(SubscriptionId) -> bool,
    ) {
        if let Some(known) = self.connections.get_mut(connection) {
            known.busy.retain(|(id, _)| !unwanted(*id));
        }
        self.left(node, unwanted, |state| state.detached(connection));
    }

    /// An owner was told that a connection is gone.
    pub(super) fn left_by(&mut self, id: SubscriptionId, epoch: u64, connection: &ConnectionId) {
        if let Some(owner) = self.owners.get_mut(&(id, epoch))
            && let Some(log) = self.logs.get(&owner.namespace)
        {
            owner.tell(log, |mut state, _| {
                state.connection_closed(connection);
                vec![state]
            });
        }
    }

    fn left(
        &mut self,
        node: usize,
        whose: impl Fn(SubscriptionId) -> bool,
        leave: impl Fn(&mut State) -> bool,
    ) {
        for ((id, _), owner) in &mut self.owners {
            if owner.node != node || owner.ended || !whose(*id) {
                continue;
            }
            let Some(log) = self.logs.get(&owner.namespace) else {
                continue;
            };
            owner.tell(log, |mut state, _| match leave(&mut state) {
                false if state.is_idle() => {
                    // It may have been served without having anything.
                    vec![state.gone_back(), state]
                }
                _ => vec![state],
            });
        }
    }

    /// A transport says whether a connection can take deliveries.
    pub(crate) fn available(&mut self, connection: &ConnectionId, scope: Scope, up: bool) {
        let state = if up { "up" } else { "down" };
        self.history.note(format_args!(
            "{connection} is {state} for {}",
            self.scope(scope)
        ));
        let known = self.connections.entry(connection.clone()).or_default();
        match scope {
            Scope::Subscription(id) => {
                let said = Some(!up).filter(|_| !self.changing.holds(id));
                known.excepted.insert(id, said);
                if up {
                    known.busy.retain(|(of, _)| *of != id);
                }
            }
            _ => {
                known.down = !up;
                known.excepted.clear();
                if up {
                    known.busy.clear();
                }
            }
        }
    }

    /// A transport says that a connection can take more.
    pub(crate) fn ready(&mut self, connection: &ConnectionId, scope: Scope) {
        self.history.note(format_args!(
            "{connection} is ready for {}",
            self.scope(scope)
        ));
        let known = self.connections.entry(connection.clone()).or_default();
        match scope {
            Scope::Subscription(id) => known.busy.retain(|(of, _)| *of != id),
            _ => known.busy.clear(),
        }
    }

    fn scope(&self, scope: Scope) -> String {
        match scope {
            Scope::Subscription(id) => self.label(id),
            _ => "all".to_owned(),
        }
    }
}
