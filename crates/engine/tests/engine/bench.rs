//! What do the tests of the engine stand on?
//!
//! An engine on a memory store, a scripted transport, and virtual time that advances when nothing else can
//! happen.

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::scripted::{Scripted, Seen};
use photinus_contract::transport::Published;
use photinus_contract::{
    Batch, Callbacks, ConnectionId, Delivery, DeliveryId, MessageKind, Outcome, Record, Response,
    Subscription, SubscriptionId, VoidReason,
};
use photinus_engine::lists::Query;
use photinus_engine::{Engine, EngineConfig, Handle, Parts, SubscriptionInput};
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A guard against tests that hang; virtual time makes it cheap.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct Bench {
    pub(crate) store: MemoryStore,
    pub(crate) engine: Engine,
    pub(crate) handle: Handle,
    pub(crate) transport: Scripted,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    seen: Arc<Notify>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::on(MemoryStore::new(), EngineConfig::default()).await
    }

    pub(crate) async fn on(store: MemoryStore, config: EngineConfig) -> Self {
        let engine = Engine::start(Parts::new(Arc::new(store.clone()), config))
            .await
            .unwrap();
        let transport = Scripted::new();
        let seen = Arc::new(Notify::new());
        let notify = seen.clone();
        transport.on_seen(move || notify.notify_one());
        engine.start_transport(&transport, json!({})).await.unwrap();
        let callbacks = transport.callbacks().unwrap();
        let handle = engine.handle();
        Self {
            store,
            engine,
            handle,
            transport,
            callbacks,
            seen,
        }
    }

    /// Stops the engine in an orderly way and starts another on what is stored.
    pub(crate) async fn restart(self) -> Self {
        let durable = self.store.clone();
        self.engine.shutdown().await.unwrap();
        Self::on(durable, EngineConfig::default()).await
    }

    /// A durable subscription from the oldest event on, with these options besides.
    pub(crate) async fn subscribe(&self, name: &str, options: Value) -> Arc<Subscription> {
        self.subscribe_filtered(name, json!({}), options).await
    }

    pub(crate) async fn subscribe_filtered(
        &self,
        name: &str,
        filter: Value,
        mut options: Value,
    ) -> Arc<Subscription> {
        if options["firstEvent"].is_null() {
            options["firstEvent"] = json!("oldest");
        }
        let input = input(name, filter, options);
        self.handle
            .create_subscription("default", input)
            .await
            .unwrap()
    }

    /// A connection for the subscription of this name.
    pub(crate) fn connect(&self, connection: &str, name: &str) -> ConnectionId {
        let id = ConnectionId::new(connection);
        let name = name.to_owned();
        let matcher = Arc::new(move |subscription: &Subscription| *subscription.name == *name);
        self.callbacks.register_connection(&id, matcher).unwrap();
        id
    }

    /// Publishes one message for each tag.
    /// The newest messages.
    pub(crate) async fn messages(&self) -> Vec<Arc<Record>> {
        let listed = self.handle.messages("default", &Query::all(100)).await;
        let messages = listed.unwrap().items;
        messages
            .iter()
            .map(|message| message.record().clone())
            .collect()
    }

    pub(crate) async fn publish<const N: usize>(&self, tags: [&str; N]) -> Vec<Published> {
        let mut published = Vec::new();
        for tag in tags {
            let message = json!({"header": {"tag": tag}, "data": [{"value": tag}]});
            published.push(self.send(message).await);
        }
        published
    }

    pub(crate) async fn send(&self, message: Value) -> Published {
        let message = serde_json::from_value(message).unwrap();
        let receipt = self
            .handle
            .publish("default", MessageKind::Broadcast, message)
            .await;
        receipt.unwrap().published
    }

    /// The next thing that the transport was asked to do.
    pub(crate) async fn next(&self) -> Seen {
        let next = async {
            loop {
                match self.transport.take_seen() {
                    Some(seen) => return seen,
                    None => self.seen.notified().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("nothing was delivered")
    }

    pub(crate) async fn delivery(&self) -> Delivery {
        match self.next().await {
            Seen::Delivery(delivery) => delivery,
            other => panic!("expected a delivery, not {other:?}"),
        }
    }

    pub(crate) async fn batch(&self) -> Batch {
        match self.next().await {
            Seen::Batch(batch) => batch,
            other => panic!("expected a batch, not {other:?}"),
        }
    }

    pub(crate) async fn voided(&self) -> (DeliveryId, VoidReason) {
        match self.next().await {
            Seen::Voided(_, _, delivery, reason) => (delivery, reason),
            other => panic!("expected a void, not {other:?}"),
        }
    }

    pub(crate) async fn deliveries(&self, count: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for _ in 0..count {
            deliveries.push(self.delivery().await);
        }
        deliveries
    }

    /// The tags of the next deliveries.
    pub(crate) async fn tags(&self, count: usize) -> Vec<String> {
        let mut tags = Vec::new();
        for _ in 0..count {
            tags.push(tag(&self.delivery().await));
        }
        tags
    }

    /// Takes the next deliveries and acknowledges each.
    pub(crate) async fn drain(&self, count: usize) -> Vec<String> {
        let mut tags = Vec::new();
        for _ in 0..count {
            let delivery = self.delivery().await;
            tags.push(tag(&delivery));
            self.answer(&delivery, Outcome::ack());
        }
        tags
    }

    pub(crate) fn answer(&self, delivery: &Delivery, outcome: Outcome) {
        let response = Response::new(delivery.subscription.id, delivery.id, outcome);
        self.callbacks.respond(&delivery.connection, response);
    }

    /// Nothing more is delivered, however long one waits.
    pub(crate) async fn assert_quiet(&self) {
        tokio::time::sleep(Duration::from_secs(100)).await;
        let seen = self.transport.take_seen();
        assert!(seen.is_none(), "unexpected {seen:?}");
    }

    /// The offset, once everything that waits to be written is written.
    pub(crate) async fn offset(&self, id: SubscriptionId) -> i64 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        self.handle.subscription_offset(id).await.unwrap().0
    }
}

pub(crate) fn input(name: &str, filter: Value, options: Value) -> SubscriptionInput {
    let input =
        json!({"name": name, "transport": "scripted", "filter": filter, "options": options});
    serde_json::from_value(input).unwrap()
}

pub(crate) fn tag(delivery: &Delivery) -> String {
    delivery
        .event
        .attribute(photinus_contract::filter::Attribute::Tag)
        .to_owned()
}
