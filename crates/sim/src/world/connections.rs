//! Which connections come, go, and change their minds?

use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_contract::delivery::Wait;
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{ConnectionId, HandOver, Subscription, SubscriptionId};

use super::World;
use super::node::Wanted;
use crate::oracle::lock;

impl World {
    /// A connection comes that wants some of the subscriptions.
    pub(super) fn connect(&mut self, place: usize) {
        let wanted = self.some_names();
        self.connect_for(place, wanted);
    }

    /// A connection that wants these.
    pub(super) fn connect_for(&mut self, place: usize, wanted: BTreeSet<String>) -> ConnectionId {
        self.connected += 1;
        let node = &mut self.nodes[place];
        let id = ConnectionId::new(format!("e{}-c{}", node.number, self.connected));
        self.history.count("connections");
        self.history
            .note(format_args!("{id} comes and wants {wanted:?}"));
        let wanted = Arc::new(wanted);
        let registered = node.callbacks.register_connection(&id, matcher(&wanted));
        registered.expect("a new connection is welcome");
        node.connections.insert(id.clone(), wanted);
        id
    }

    /// A connection goes.
    pub(super) fn disconnect(&mut self, place: usize) {
        if let Some(connection) = self.some_connection(place) {
            self.close(&connection);
        }
    }

    /// A connection is closed, if its engine is still there.
    pub(super) fn close(&mut self, connection: &ConnectionId) {
        let owner = self
            .nodes
            .iter_mut()
            .find(|node| node.connections.contains_key(connection));
        let Some(node) = owner else {
            return;
        };
        node.connections.remove(connection);
        lock(&self.oracle).connection_closed(node.number, connection);
        node.callbacks.connection_closed(connection);
        let its = self
            .open
            .extract_if(.., |given| given.connection == *connection);
        self.void.extend(its);
        self.busy.retain(|(busy, _)| busy != connection);
        self.leaving.retain(|leaving| leaving != connection);
    }

    /// A connection wants others than before.
    pub(super) fn replace_list(&mut self, place: usize) {
        let Some(id) = self.some_connection(place) else {
            return;
        };
        let wanted = self.some_names();
        self.history.count("lists replaced");
        self.replace_list_of(place, &id, wanted);
    }

    pub(super) fn replace_list_of(
        &mut self,
        place: usize,
        id: &ConnectionId,
        wanted: BTreeSet<String>,
    ) {
        let wanted = Arc::new(wanted);
        self.history
            .note(format_args!("{id} wants {wanted:?} instead"));
        let node = &mut self.nodes[place];
        let mut oracle = lock(&self.oracle);
        // An older engine may not know that one is deleted.
        let unwanted = oracle
            .ever_stored()
            .filter(|stored| !wanted.contains(&*stored.name));
        let unwanted: BTreeSet<SubscriptionId> = unwanted.map(|stored| stored.id).collect();
        oracle.detached(node.number, id, |subscription| {
            unwanted.contains(&subscription)
        });
        drop(oracle);
        let registered = node.callbacks.register_connection(id, matcher(&wanted));
        registered.expect("it is not closed");
        node.connections.insert(id.clone(), wanted);
    }

    /// A connection goes down, or comes up, for all or for one subscription.
    pub(super) fn change_state(&mut self, place: usize) {
        let Some(id) = self.some_connection(place) else {
            return;
        };
        let stored: Vec<SubscriptionId> = lock(&self.oracle).stored().map(|one| one.id).collect();
        let scope = match stored.is_empty() || self.dice.percent(60) {
            true => Scope::All,
            false => Scope::Subscription(self.dice.pick(&stored)),
        };
        let up = self.dice.percent(60);
        self.set_up(place, &id, scope, up);
    }

    pub(super) fn set_up(&mut self, place: usize, id: &ConnectionId, scope: Scope, up: bool) {
        self.history.count(if up {
            "connections up"
        } else {
            "connections down"
        });
        lock(&self.oracle).available(id, scope, up);
        let state = match up {
            true => ConnectionState::Up,
            false => ConnectionState::Down {
                reason: "no line".to_owned(),
            },
        };
        self.nodes[place]
            .callbacks
            .connection_state(id, scope, state);
    }

    /// Connections that were busy can take more; those that said that they are gone are closed.
    pub(super) fn make_up(&mut self, all: bool) {
        for (connection, subscription) in std::mem::take(&mut self.busy) {
            if !all && self.dice.percent(50) {
                self.busy.push((connection, subscription));
                continue;
            }
            let scope = match self.dice.percent(50) {
                true => Scope::All,
                false => Scope::Subscription(subscription),
            };
            let owner = self
                .nodes
                .iter()
                .find(|node| node.connections.contains_key(&connection));
            if let Some(node) = owner {
                lock(&self.oracle).ready(&connection, scope);
                node.callbacks
                    .connection_state(&connection, scope, ConnectionState::Ready);
            }
        }
        for connection in std::mem::take(&mut self.leaving) {
            self.close(&connection);
        }
    }

    /// The next hand-over of an engine is not simply taken.
    pub(super) fn spoil_hand_over(&mut self, place: usize) {
        let answer = match self.dice.below(5) {
            0 | 1 => HandOver::Busy(Wait::Subscription),
            2 => HandOver::Busy(Wait::Connection),
            3 => HandOver::Closed,
            _ => HandOver::Failed("the line broke".to_owned()),
        };
        self.nodes[place].script(answer);
    }

    pub(super) fn all_names(&self) -> BTreeSet<String> {
        (1..=self.plan.names)
            .map(|name| format!("s{name}"))
            .collect()
    }

    fn some_names(&mut self) -> BTreeSet<String> {
        let mut names = self.all_names();
        if self.dice.percent(50) {
            names.retain(|_| self.dice.percent(60));
        }
        names
    }

    fn some_connection(&mut self, place: usize) -> Option<ConnectionId> {
        let known: Vec<ConnectionId> = self.nodes[place].connections.keys().cloned().collect();
        match known.is_empty() {
            true => None,
            false => Some(self.dice.pick(&known)),
        }
    }
}

fn matcher(wanted: &Wanted) -> photinus_contract::Matcher {
    let wanted = wanted.clone();
    Arc::new(move |subscription: &Subscription| wanted.contains(&*subscription.name))
}
