//! What is one engine of a run, with its transport and its link?

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use photinus_contract::scripted::{Scripted, Seen};
use photinus_contract::transport::Published;
use photinus_contract::{
    Callbacks, ConnectionId, DeliveryId, HandOver, MessageId, SubscriptionId, TransportPlugin,
};
use photinus_engine::{Changes, Engine, EngineConfig, Handle, Parts};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::nobody::Nobody;
use super::{Given, World, plan};
use crate::dice::Dice;
use crate::link::Link;
use crate::oracle::{SharedOracle, lock};

/// The names of the subscriptions that a connection wants. Its matcher looks here.
pub(super) type Wanted = Arc<BTreeSet<String>>;

/// An engine that runs.
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) link: Link,
    pub(super) handle: Handle,
    pub(super) callbacks: Arc<dyn Callbacks>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) connections: BTreeMap<ConnectionId, Wanted>,
    /// Requests that wait for their answer.
    pub(super) requests: JoinSet<()>,
    /// Changes of subscriptions that wait for their answer.
    pub(super) changes: JoinSet<()>,
    /// Shared with the requests.
    pub(super) known: Known,
    /// Who listens to its changes, in some runs.
    listener: Option<Changes>,
    engine: Engine,
    transport: Scripted,
}

/// What an engine certainly knows of the logs. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<Mutex<BTreeMap<String, KnownLog>>>);

#[derive(Default)]
struct KnownLog {
    head: i64,
    /// The messages that it published.
    messages: Vec<MessageId>,
}

/// What the transport of an engine received.
pub(super) enum Received {
    /// A delivery or batch that waits for an answer.
    Given(Given),
    /// A delivery or batch is void.
    Voided(SubscriptionId, DeliveryId),
    /// The connection said that it is busy.
    Busy(ConnectionId, SubscriptionId),
    /// The connection said that it is gone.
    Closed(ConnectionId),
}

/// The receiving side of a transport.
pub(super) struct Inbox {
    pub(super) arrived: Notify,
    received: Mutex<VecDeque<Received>>,
    /// What the next hand-overs are answered with, as the transport was told.
    script: Mutex<VecDeque<HandOver>>,
}

impl World {
    /// Starts an engine on what is stored.
    pub(super) async fn start_node(&mut self) {
        let mut config = plan::config(&mut self.dice);
        config.change_queue_max = self.listening.unwrap_or(config.change_queue_max);
        self.started += 1;
        let number = self.started;
        let bytes_max = config.window_bytes_max.get();
        lock(&self.oracle).engine_started(number, bytes_max);
        let link = Link::new(number, self.store.clone(), self.oracle.clone());
        let node = Node::start(number, link, config, self).await;
        for namespace in node.handle.namespaces() {
            let head = lock(&self.oracle).head(namespace.name.as_str());
            node.known.note(namespace.name.as_str(), head);
        }
        self.history.count("engines started");
        self.nodes.push(node);
    }

    /// Everything that an engine had is gone.
    pub(super) fn forget(&mut self, number: usize) {
        lock(&self.oracle).engine_ended(number);
        let its = self.open.extract_if(.., |given| given.node == number);
        self.void.extend(its);
    }
}

impl Node {
    async fn start(number: usize, link: Link, config: EngineConfig, world: &World) -> Self {
        let mut parts = Parts::new(Arc::new(link.clone()), config);
        parts.clock = world.clock.clone();
        let engine = Engine::start(parts).await.expect("the store answers");
        let listener = world.listening.map(|_| engine.handle().changes());
        let transport = Scripted::new();
        let inbox = Arc::new(Inbox {
            arrived: Notify::new(),
            received: Mutex::default(),
            script: Mutex::default(),
        });
        let heard = (
            transport.clone(),
            inbox.clone(),
            link.clone(),
            world.oracle.clone(),
        );
        transport.on_seen(move || {
            let (transport, inbox, link, oracle) = &heard;
            while let Some(seen) = transport.take_seen() {
                if !link.is_dead() {
                    inbox.hear(number, oracle, seen);
                }
            }
        });
        let started = engine.start_transport(&transport, json!({})).await;
        started.expect("the scripted transport starts");
        let callbacks = transport.callbacks().expect("it was started");
        Self {
            number,
            link,
            handle: engine.handle(),
            callbacks,
            inbox,
            connections: BTreeMap::new(),
            requests: JoinSet::new(),
            changes: JoinSet::new(),
            known: Known::default(),
            listener,
            engine,
            transport,
        }
    }

    /// Tells the oracle what the listener was told.
    pub(super) fn hear_changes(&mut self, oracle: &SharedOracle) {
        while let Some(change) = self.listener.as_mut().and_then(Changes::try_next) {
            lock(oracle).change_told(self.number, &change);
        }
    }

    /// Whether somebody listens to its changes.
    pub(super) fn is_listened_to(&self) -> bool {
        self.listener.is_some()
    }

    /// The next hand-over is answered so.
    pub(super) fn script(&self, answer: HandOver) {
        self.transport.answer_hand_overs([answer.clone()]);
        let mut script = self
            .inbox
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        script.push_back(answer);
    }

    /// Ends it as a crash does: what it still tries reaches nothing.
    pub(super) fn abandon(self) {
        self.link.crash(0, 0);
        for connection in self.connections.keys() {
            self.callbacks.connection_closed(connection);
        }
        self.unhook();
    }

    /// Ends it in an orderly way. False if it does not end.
    pub(super) async fn shut_down(self) -> bool {
        let patience = std::time::Duration::from_secs(600);
        let Self {
            engine,
            transport,
            link,
            mut requests,
            mut changes,
            ..
        } = self;
        let stopped = tokio::time::timeout(patience, engine.shutdown()).await;
        // Whoever waited hears of it.
        while requests.join_next().await.is_some() {}
        while changes.join_next().await.is_some() {}
        link.crash(0, 0);
        unhook(&transport);
        stopped.is_ok()
    }

    fn unhook(&self) {
        unhook(&self.transport);
    }
}

/// Lets go of the engine: it and its transport know each other, and neither would ever be freed.
fn unhook(transport: &Scripted) {
    transport.on_seen(|| ());
    drop(transport.init(json!({}), Arc::new(Nobody)));
}

impl Known {
    pub(super) fn note(&self, namespace: &str, head: i64) {
        self.of(namespace, |log| log.head = head.max(log.head));
    }

    pub(super) fn published(&self, namespace: &str, published: Published) {
        self.note(namespace, published.sequence.0);
        self.of(namespace, |log| log.messages.push(published.id));
    }

    /// How far a log certainly goes.
    pub(super) fn head(&self, namespace: &str) -> i64 {
        self.of(namespace, |log| log.head)
    }

    /// A message that was published, if there is one.
    pub(super) fn some_message(&self, namespace: &str, dice: &mut Dice) -> Option<MessageId> {
        self.of(namespace, |log| match log.messages.is_empty() {
            true => None,
            false => Some(dice.pick(&log.messages)),
        })
    }

    fn of<T>(&self, namespace: &str, ask: impl FnOnce(&mut KnownLog) -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(known.entry(namespace.to_owned()).or_default())
    }
}

impl Inbox {
    /// The oldest thing received.
    pub(super) fn take(&self) -> Option<Received> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.pop_front()
    }

    fn push(&self, received: Received) {
        let mut queue = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(received);
    }

    fn hear(&self, node: usize, oracle: &SharedOracle, seen: Seen) {
        match seen {
            Seen::Delivery(delivery) => {
                let answer = self.answer();
                lock(oracle).delivered(node, &delivery, &answer);
                let given = Given {
                    node,
                    connection: delivery.connection,
                    subscription: delivery.subscription.id,
                    id: delivery.id,
                    items: Vec::new(),
                };
                self.answered(given, &answer);
            }
            Seen::Batch(batch) => {
                let answer = self.answer();
                lock(oracle).batch_delivered(node, &batch, &answer);
                let given = Given {
                    node,
                    connection: batch.connection,
                    subscription: batch.subscription.id,
                    id: batch.id,
                    items: batch.items.iter().map(|item| item.id).collect(),
                };
                self.answered(given, &answer);
            }
            Seen::Voided(connection, subscription, delivery, reason) => {
                lock(oracle).voided(node, &connection, subscription, delivery, reason);
                self.push(Received::Voided(subscription, delivery));
            }
            _ => {}
        }
        self.arrived.notify_one();
    }

    fn answered(&self, given: Given, answer: &HandOver) {
        self.push(match answer {
            HandOver::Ok => Received::Given(given),
            HandOver::Busy(_) => Received::Busy(given.connection, given.subscription),
            HandOver::Closed => Received::Closed(given.connection),
            _ => return,
        });
    }

    fn answer(&self) -> HandOver {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.pop_front().unwrap_or(HandOver::Ok)
    }
}
