//! Which subscription is served by which connections?
//!
//! The registry knows all stored subscriptions and all connections with their matchers, and tells the shards who
//! is attached to what. It sends while it holds its lock, so the shards hear of changes in their order.

mod closed;
mod connected;
mod counted;
mod paused;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::secrets::SecretPlaces;
use photinus_contract::store::Pause;
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{
    ChangeFilter, CodedError, ConnectionId, Matcher, Namespace, Sequence, Subscription,
    SubscriptionId,
};
use photinus_dispatch::Filter;
use tokio::sync::oneshot;
use tracing::warn;

use self::closed::ClosedConnections;
use self::connected::Connected;
use crate::changes::ConnectionChanges;
use crate::metrics::SubscriptionMetrics;
use crate::namespaces::NamespaceMap;
use crate::shard::{Mail, Origin, ShardHandle, Spec};
use crate::transports::{TransportMap, contained};

/// All subscriptions and connections.
pub(crate) struct Registry {
    shards: Vec<ShardHandle>,
    namespaces: Arc<NamespaceMap>,
    transports: Arc<TransportMap>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    subscriptions: BTreeMap<SubscriptionId, Stored>,
    names: BTreeMap<(Namespace, Arc<str>), SubscriptionId>,
    connections: BTreeMap<ConnectionId, Connected>,
    /// Connections in the order in which they registered: who comes first is served first.
    order: BTreeMap<u64, ConnectionId>,
    registered: u64,
    closed: ClosedConnections,
}

struct Stored {
    subscription: Arc<Subscription>,
    filter: Filter,
    metrics: Arc<SubscriptionMetrics>,
    /// It delivers nothing for a while.
    pause: Option<Pause>,
    /// Its application has asked for that pause, and it is not written yet.
    is_pause_unwritten: bool,
    /// It is being changed in the store: nobody is attached until that is done.
    changing: bool,
}

impl Stored {
    fn hide(&mut self, places: &SecretPlaces) {
        let mut subscription = Subscription::clone(&self.subscription);
        let places = places.and_those_of(&subscription.secrets);
        let options = &mut subscription.options.other;
        // A mask with nothing behind it is what was stored; there is nothing to hide.
        if places.recall(options, &subscription.secrets).is_ok() {
            subscription.secrets = places.take(options);
            if subscription != *self.subscription {
                self.subscription = Arc::new(subscription);
            }
        }
    }
}

impl Registry {
    pub(crate) fn new(
        shards: Vec<ShardHandle>,
        namespaces: Arc<NamespaceMap>,
        transports: Arc<TransportMap>,
    ) -> Self {
        Self {
            shards,
            namespaces,
            transports,
            state: Mutex::default(),
        }
    }

    /// The subscriptions of a namespace, newest first.
    pub(crate) fn subscriptions(&self, namespace: &str) -> Vec<Arc<Subscription>> {
        let state = self.lock();
        let mut found: Vec<_> = state
            .subscriptions
            .values()
            .map(|stored| &stored.subscription)
            .filter(|subscription| subscription.namespace.as_str() == namespace)
            .cloned()
            .collect();
        found
            .sort_by_key(|subscription| std::cmp::Reverse((subscription.created, subscription.id)));
        found
    }

    pub(crate) fn by_id(&self, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.lock()
            .subscriptions
            .get(&id)
            .map(|stored| stored.subscription.clone())
    }

    pub(crate) fn by_name(&self, namespace: &Namespace, name: &str) -> Option<Arc<Subscription>> {
        let state = self.lock();
        let id = state.names.get(&(namespace.clone(), name.into()))?;
        state
            .subscriptions
            .get(id)
            .map(|stored| stored.subscription.clone())
    }

    /// Serves a stored subscription: a new one, or one that was changed.
    pub(crate) fn put(&self, subscription: Arc<Subscription>, filter: Filter) {
        let mut state = self.lock();
        let id = subscription.id;
        let name = (subscription.namespace.clone(), subscription.name.clone());
        let metrics = self.metrics_of(&state, &subscription);
        let before = state.subscriptions.get(&id);
        let pause = before.and_then(|before| before.pause.clone());
        let is_pause_unwritten = before.is_some_and(|before| before.is_pause_unwritten);
        if before.is_some() {
            // It may lead elsewhere now: what was told of it alone says nothing of that.
            state.forget_told(id);
        }
        state.names.insert(name, id);
        state.subscriptions.insert(
            id,
            Stored {
                subscription,
                filter,
                metrics,
                pause,
                is_pause_unwritten,
                changing: false,
            },
        );
        self.offer(&mut state, id);
    }

    /// Stops serving a subscription that is about to be changed in the store. Resolves when its dispatcher has
    /// ended and its last position is on its way to the store.
    pub(crate) fn suspend(&self, id: SubscriptionId) -> oneshot::Receiver<()> {
        let mut state = self.lock();
        if let Some(stored) = state.subscriptions.get_mut(&id) {
            stored.changing = true;
        }
        for connected in state.connections.values_mut() {
            connected.attached.remove(&id);
        }
        let (done, stopped) = oneshot::channel();
        self.shard(id).post(Mail::Stop {
            subscription: id,
            done,
        });
        stopped
    }

    /// Serves a suspended subscription as it was: the change failed.
    pub(crate) fn resume(&self, id: SubscriptionId) {
        let mut state = self.lock();
        if let Some(stored) = state.subscriptions.get_mut(&id) {
            stored.changing = false;
        }
        self.offer(&mut state, id);
    }

    /// Forgets a suspended subscription.
    pub(crate) fn forget(&self, id: SubscriptionId) {
        let mut state = self.lock();
        state.forget_told(id);
        if let Some(stored) = state.subscriptions.remove(&id) {
            let subscription = stored.subscription;
            state
                .names
                .remove(&(subscription.namespace.clone(), subscription.name.clone()));
        }
    }

    /// A transport began to run: its connections are served from now on. What its options schema calls secret
    /// today is hidden, also where it was none when it was stored.
    pub(crate) fn transport_started(&self, transport: &'static str) {
        let mut state = self.lock();
        if let Some(running) = self.transports.get(transport)
            && !running.secret_places().is_empty()
        {
            let stored = state.subscriptions.values_mut();
            stored
                .filter(|stored| *stored.subscription.transport == *transport)
                .for_each(|stored| stored.hide(running.secret_places()));
        }
        let connections: Vec<_> = state
            .order
            .values()
            .filter(|id| {
                state
                    .connections
                    .get(id)
                    .is_some_and(|c| c.transport == transport)
            })
            .cloned()
            .collect();
        for connection in connections {
            self.reconcile(&mut state, &connection);
        }
    }

    pub(crate) fn register(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        let mut state = self.lock();
        state.connected(transport, connection)?.matcher = Some(matcher);
        self.reconcile(&mut state, connection);
        Ok(())
    }

    /// Starts an ephemeral subscription on a connection, after `offset`.
    pub(crate) fn attach_ephemeral(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        spec: Spec,
        offset: Sequence,
    ) -> Result<(), CodedError> {
        let mut state = self.lock();
        let id = spec.subscription.id;
        let connected = state.connected(transport, connection)?;
        connected.attached.insert(id);
        let up = connected.is_up(id);
        let connection = connection.clone();
        let spec = Box::new(spec);
        self.shard(id).post(Mail::Attach {
            spec,
            origin: Origin::Memory { offset },
            connection,
            up,
        });
        Ok(())
    }

    /// Tells a connection of changes. With the first call for it that begins; it is told whether it is down.
    pub(crate) fn tell_changes(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        namespace: Namespace,
        filter: ChangeFilter,
        begin: impl FnOnce(bool) -> ConnectionChanges,
    ) -> Result<(), CodedError> {
        let mut state = self.lock();
        let connected = state.connected(transport, connection)?;
        let down = connected.is_down();
        let changes = connected.changes.get_or_insert_with(|| begin(down));
        changes.widen(namespace, &filter);
        Ok(())
    }

    /// Notes the state of a connection, also for subscriptions that it will be attached to later.
    pub(crate) fn connection_state(
        &self,
        transport: &'static str,
        connection: &ConnectionId,
        scope: Scope,
        new: &ConnectionState,
    ) {
        let mut state = self.lock();
        let Some(connected) = state.connections.get_mut(connection) else {
            return;
        };
        if connected.transport != transport {
            return;
        }
        connected.note(scope, new);
        let tell = |subscription: SubscriptionId| {
            self.shard(subscription).post(Mail::State {
                subscription,
                connection: connection.clone(),
                state: new.clone(),
            });
        };
        match scope {
            Scope::Subscription(id) => tell(id),
            _ => connected.attached.iter().copied().for_each(tell),
        }
    }

    pub(crate) fn close(&self, transport: &'static str, connection: &ConnectionId) {
        let mut state = self.lock();
        match state.connections.get(connection) {
            Some(connected) if connected.transport == transport => {}
            Some(_) => return,
            // It may close before it registered anything; it is closed all the same.
            None => return state.closed.insert(connection.clone()),
        }
        state.closed.insert(connection.clone());
        if let Some(connected) = state.connections.remove(connection) {
            state.order.remove(&connected.order);
            for id in connected.attached {
                self.detach(id, connection, true);
            }
        }
    }

    /// Offers a subscription to all connections of its transport, first come, first served.
    fn offer(&self, state: &mut State, id: SubscriptionId) {
        let connections: Vec<_> = state.order.values().cloned().collect();
        for connection in connections {
            self.decide(state, &connection, id);
        }
    }

    /// Brings what a connection is attached to in line with its matcher. What is on both goes on undisturbed.
    fn reconcile(&self, state: &mut State, connection: &ConnectionId) {
        let ids: Vec<_> = state.subscriptions.keys().copied().collect();
        for id in ids {
            self.decide(state, connection, id);
        }
    }

    fn decide(&self, state: &mut State, connection: &ConnectionId, id: SubscriptionId) {
        let (Some(stored), Some(connected)) = (
            state.subscriptions.get(&id),
            state.connections.get_mut(connection),
        ) else {
            return;
        };
        let Some(transport) = self.transports.get(connected.transport) else {
            return;
        };
        let Some(matcher) = connected.matcher.clone() else {
            return;
        };
        let wanted = !stored.changing
            && *stored.subscription.transport == *connected.transport
            && contained(connected.transport, "matcher", || {
                matcher(&stored.subscription)
            })
            .unwrap_or(false);
        if wanted == connected.attached.contains(&id) {
            return;
        }
        if !wanted {
            connected.attached.remove(&id);
            self.detach(id, connection, false);
            return;
        }
        let Some(namespace) = self.namespaces.find(stored.subscription.namespace.as_str()) else {
            warn!(subscription = %id, "its namespace is not served");
            return;
        };
        connected.attached.insert(id);
        let up = connected.is_up(id);
        let spec = Box::new(Spec {
            subscription: stored.subscription.clone(),
            filter: stored.filter.clone(),
            namespace,
            transport,
            metrics: stored.metrics.clone(),
        });
        let connection = connection.clone();
        self.shard(id).post(Mail::Attach {
            spec,
            origin: Origin::Stored,
            connection,
            up,
        });
    }

    fn detach(&self, id: SubscriptionId, connection: &ConnectionId, closed: bool) {
        self.shard(id).post(Mail::Detach {
            subscription: id,
            connection: connection.clone(),
            closed,
        });
    }

    /// The shard that owns a subscription.
    pub(crate) fn shard(&self, id: SubscriptionId) -> &ShardHandle {
        // The low bits of a UUID of version 7 are random.
        &self.shards[(id.0.as_u128() as u64 % self.shards.len() as u64) as usize]
    }

    /// All shards.
    pub(crate) fn shards(&self) -> &[ShardHandle] {
        &self.shards
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
