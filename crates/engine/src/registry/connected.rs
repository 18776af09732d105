//! What is known of a connection?

use std::collections::BTreeSet;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{CodedError, ConnectionId, Matcher, SubscriptionId};

use super::State;
use crate::changes::ConnectionChanges;

/// A connection of a transport, and what it is attached to.
pub(super) struct Connected {
    pub(super) transport: &'static str,
    pub(super) order: u64,
    pub(super) matcher: Option<Matcher>,
    pub(super) attached: BTreeSet<SubscriptionId>,
    /// The changes that it is told, if it asked for any.
    pub(super) changes: Option<ConnectionChanges>,
    /// It does not work now.
    down: bool,
    /// For these it is the other way round.
    excepted: BTreeSet<SubscriptionId>,
}

impl Connected {
    /// Whether it as a whole does not work now.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    pub(super) fn is_up(&self, id: SubscriptionId) -> bool {
        self.down == self.excepted.contains(&id)
    }

    pub(super) fn note(&mut self, scope: Scope, state: &ConnectionState) {
        if let (Scope::All, Some(changes)) = (scope, &self.changes) {
            changes.note(state);
        }
        let down = match state {
            ConnectionState::Down { .. } => true,
            ConnectionState::Up => false,
            _ => return,
        };
        match scope {
            Scope::Subscription(id) if down == self.down => {
                self.excepted.remove(&id);
            }
            Scope::Subscription(id) => {
                self.excepted.insert(id);
            }
            _ => {
                self.down = down;
                self.excepted.clear();
            }
        }
    }
}

impl State {
    /// What connections said of this subscription alone does not hold any more.
    pub(super) fn forget_told(&mut self, id: SubscriptionId) {
        for connected in self.connections.values_mut() {
            connected.excepted.remove(&id);
        }
    }

    /// The connection, new or known, if it may be used.
    pub(super) fn connected(
        &mut self,
        transport: &'static str,
        id: &ConnectionId,
    ) -> Result<&mut Connected, CodedError> {
        if self.closed.contains(id) {
            return Err(CodedError::new(
                "FF10290",
                500,
                format!("Connection '{id}' is closed"),
            ));
        }
        let registered = &mut self.registered;
        let order = &mut self.order;
        let connected = self.connections.entry(id.clone()).or_insert_with(|| {
            *registered += 1;
            order.insert(*registered, id.clone());
            Connected {
                transport,
                order: *registered,
                matcher: None,
                attached: BTreeSet::new(),
                changes: None,
                down: false,
                excepted: BTreeSet::new(),
            }
        });
        if connected.transport != transport {
            return Err(CodedError::bad_request(
                "FF10190",
                format!(
                    "Connection '{id}' belongs to transport '{}'",
                    connected.transport
                ),
            ));
        }
        Ok(connected)
    }
}
