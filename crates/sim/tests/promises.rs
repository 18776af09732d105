//! Are the promises kept that a drawn run cannot hold against the clock or against a panic? Invariants 8 and 9.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use photinus_contract::scripted::{Scripted, Seen};
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{
    Callbacks, ConnectionId, Delivery, MessageKind, Outcome, Response, Subscription,
};
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_memory::MemoryStore;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

struct Bench {
    engine: Engine,
    transport: Scripted,
    callbacks: Arc<dyn Callbacks>,
    seen: Arc<Notify>,
}

impl Bench {
    /// An engine with these limits, and a subscription `app` of everything.
    async fn new(config: serde_json::Value) -> Self {
        let config: EngineConfig = serde_json::from_value(config).unwrap();
        let store = Arc::new(MemoryStore::new());
        let engine = Engine::start(Parts::new(store, config)).await.unwrap();
        let transport = Scripted::new();
        let seen = Arc::new(Notify::new());
        let notify = seen.clone();
        transport.on_seen(move || notify.notify_one());
        engine.start_transport(&transport, json!({})).await.unwrap();
        let callbacks = transport.callbacks().unwrap();
        let input =
            json!({"name": "app", "transport": "scripted", "options": {"firstEvent": "oldest"}});
        let input = serde_json::from_value(input).unwrap();
        let handle = engine.handle();
        handle.create_subscription("default", input).await.unwrap();
        Self {
            engine,
            transport,
            callbacks,
            seen,
        }
    }

    fn connect(&self, name: &str) -> ConnectionId {
        let id = ConnectionId::new(name);
        let all = Arc::new(|_: &Subscription| true);
        self.callbacks.register_connection(&id, all).unwrap();
        id
    }

    async fn publish(&self) {
        let kind = MessageKind::Broadcast;
        let handle = self.engine.handle();
        let published = handle.publish("default", kind, Default::default());
        published.await.unwrap();
    }

    async fn delivery(&self) -> Delivery {
        let next = async {
            loop {
                match self.transport.take_seen() {
                    Some(Seen::Delivery(delivery)) => return delivery,
                    Some(_) => {}
                    None => self.seen.notified().await,
                }
            }
        };
        timeout(Duration::from_secs(600), next).await.unwrap()
    }

    fn acknowledge(&self, delivery: &Delivery) {
        let response = Response::new(delivery.subscription.id, delivery.id, Outcome::ack());
        self.callbacks.respond(&delivery.connection, response);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_on_the_path_of_an_event_waits_for_a_timer() {
    // From the tail, from pages of one record each, and over many shards.
    for config in [
        json!({"shards": 1}),
        json!({"shards": 3, "tail_bytes_max": 0, "page_records_max": 1, "pages_bytes_max": 0}),
    ] {
        let bench = Bench::new(config).await;
        let begin = Instant::now();
        bench.publish().await;
        bench.publish().await;
        let a = bench.connect("a");
        for _ in 0..2 {
            let delivery = bench.delivery().await;
            bench.acknowledge(&delivery);
        }
        for _ in 0..20 {
            bench.publish().await;
            let delivery = bench.delivery().await;
            bench.acknowledge(&delivery);
        }
        bench.publish().await;
        let held = bench.delivery().await;
        bench.connect("b");
        bench.callbacks.connection_closed(&a);
        let again = bench.delivery().await;
        assert_eq!(again.event.id(), held.event.id());
        let (b, down) = (again.connection.clone(), "no line".to_owned());
        let down = ConnectionState::Down { reason: down };
        bench.callbacks.connection_state(&b, Scope::All, down);
        bench.acknowledge(&again);
        bench.publish().await;
        bench
            .callbacks
            .connection_state(&b, Scope::All, ConnectionState::Up);
        bench.delivery().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_failed_to_take_the_event_and_harms_nobody() {
    let bench = Bench::new(json!({"shards": 1})).await;
    let armed = Arc::new(AtomicBool::new(true));
    let (notify, trigger) = (bench.seen.clone(), armed.clone());
    bench.transport.on_seen(move || {
        notify.notify_one();
        assert!(!trigger.swap(false, Ordering::Relaxed), "as the test asked");
    });
    bench.connect("a");
    bench.publish().await;
    let panicked = bench.delivery().await;
    let again = bench.delivery().await;
    assert!(!armed.load(Ordering::Relaxed));
    assert_eq!(again.event.id(), panicked.event.id());
    assert_eq!((panicked.attempt, again.attempt), (1, 2));
    bench.acknowledge(&again);
    bench.publish().await;
    assert_eq!(bench.delivery().await.attempt, 1);
    bench.engine.shutdown().await.unwrap();
}
