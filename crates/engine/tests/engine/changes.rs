//! Is it told what changed, and how much was not?

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use photinus_contract::scripted::Seen;
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, ChangeEvent, ChangeFilter, ChangeKind, CodedError,
    ConnectionId, Delivery, HandOver, Transport, TransportPlugin, Wait,
};
use photinus_engine::{Changes, EngineConfig, SubscriptionInput};
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::bench::Bench;

async fn with_queue_of(max: usize) -> Bench {
    let mut config = EngineConfig::default();
    config.change_queue_max = NonZeroUsize::new(max).unwrap();
    Bench::on(MemoryStore::new(), config).await
}

fn json_of(change: &ChangeEvent) -> Value {
    serde_json::to_value(change).unwrap()
}

async fn next(changes: &mut Changes) -> Value {
    let patience = Duration::from_secs(600);
    let next = tokio::time::timeout(patience, changes.next()).await;
    json_of(&next.expect("nothing was told").unwrap())
}

async fn told(bench: &Bench) -> (String, Value) {
    match bench.next().await {
        Seen::Change(connection, change) => (connection.to_string(), json_of(&change)),
        other => panic!("not a change: {other:?}"),
    }
}

fn filter(filter: Value) -> ChangeFilter {
    serde_json::from_value(filter).unwrap()
}

fn input(name: &str, topic: &str) -> SubscriptionInput {
    serde_json::from_value(
        json!({"name": name, "transport": "scripted", "filter": {"topic": topic}}),
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_told_part_by_part() {
    let bench = Bench::new().await;
    let mut changes = bench.handle.changes();
    let message = json!({"header": {"topics": ["a", "b"]}, "data": [{"value": 1}, {"value": 2}]});
    let published = bench.send(message).await;
    let (id, last) = (published.id, published.sequence.0);
    for (collection, id, sequence) in [
        ("data", id.value(0).to_string(), None),
        ("data", id.value(1).to_string(), None),
        ("messages", id.to_string(), Some(last)),
        ("events", id.event(0).to_string(), Some(last - 1)),
        ("events", id.event(1).to_string(), Some(last)),
    ] {
        let mut expected = json!({"collection": collection, "type": "created",
            "namespace": "default", "id": id});
        if let Some(sequence) = sequence {
            expected["sequence"] = json!(sequence);
        }
        assert_eq!(next(&mut changes).await, expected);
    }
    assert!(changes.try_next().is_none());
    bench.engine.shutdown().await.unwrap();
    assert!(changes.next().await.is_none(), "the server has stopped");
}

#[tokio::test]
async fn a_datatype_and_the_data_that_names_it_are_told() {
    let bench = Bench::new().await;
    let mut changes = bench.handle.changes();
    let definition = r#"{"name":"widget","version":"1","value":{"type":"number"}}"#;
    let definition = serde_json::from_str(definition).unwrap();
    let datatype = bench
        .handle
        .create_datatype("default", &definition)
        .await
        .unwrap();
    let told = next(&mut changes).await;
    let id = datatype.id.to_string();
    assert_eq!(
        (&told["collection"], &told["id"]),
        (&json!("datatypes"), &json!(id))
    );
    assert_eq!(told.get("sequence"), None);
    let told = next(&mut changes).await;
    let event = datatype.id.event(0).to_string();
    assert_eq!(
        (&told["collection"], &told["id"]),
        (&json!("events"), &json!(event))
    );
    let of_it = json!({"name": "widget", "version": "1"});
    let message = json!({"data": [{"value": 1, "datatype": of_it}, {"value": 2}]});
    let published = bench.send(message).await;
    let data = next(&mut changes).await;
    let stored = bench
        .handle
        .datum("default", data["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(stored.await.unwrap().unwrap().value.get(), "1");
    for (collection, id) in [
        ("data", published.id.value(0).to_string()),
        ("messages", published.id.to_string()),
        ("events", published.id.event(0).to_string()),
    ] {
        let told = next(&mut changes).await;
        assert_eq!(
            (&told["collection"], &told["id"]),
            (&json!(collection), &json!(id))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn subscriptions_and_groups_are_told_when_they_change() {
    let bench = Bench::new().await;
    let mut changes = bench.handle.changes();
    let handle = &bench.handle;
    let created = handle.create_subscription("default", input("s", "a")).await;
    let id = created.unwrap().id;
    let again = handle.create_subscription("default", input("s", "a")).await;
    again.unwrap_err();
    for topic in ["a", "b"] {
        // The first changes nothing.
        let put = handle.put_subscription("default", input("s", topic)).await;
        put.unwrap();
    }
    handle.delete_subscription("default", id).await.unwrap();
    for kind in ["created", "updated", "deleted"] {
        assert_eq!(
            next(&mut changes).await,
            json!({"collection": "subscriptions", "type": kind, "namespace": "default", "id": id})
        );
    }
    let put = handle.put_subscription("default", input("t", "a")).await;
    put.unwrap();
    assert_eq!(next(&mut changes).await["type"], "created");

    for _ in 0..2 {
        let message = json!({"group": {"members": [{"identity": "did:firefly:org/a"}]}, "data": [{"value": 1}]});
        let message = serde_json::from_value(message).unwrap();
        let private = photinus_contract::MessageKind::Private;
        handle.publish("default", private, message).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(change) = changes.try_next() {
        seen.push(json_of(&change));
    }
    while seen.len() < 7 {
        seen.push(next(&mut changes).await);
    }
    let groups: Vec<_> = seen
        .iter()
        .filter(|it| it["collection"] == "groups")
        .collect();
    assert_eq!(groups.len(), 1, "it is stored once: {seen:?}");
    assert_eq!(groups[0]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(groups[0]["id"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted_and_told_in_its_place() {
    let bench = with_queue_of(4).await;
    let mut changes = bench.handle.changes();
    // Three changes each.
    bench.publish(["one", "two", "three"]).await;
    // The next are only told when there is room again.
    let mut sequences = Vec::new();
    for _ in 0..3 {
        sequences.push(next(&mut changes).await);
    }
    bench.publish(["four"]).await;
    let mut rest = Vec::new();
    for _ in 0..6 {
        let Ok(change) = tokio::time::timeout(Duration::from_secs(1), changes.next()).await else {
            break;
        };
        rest.push(json_of(&change.unwrap()));
    }
    // One was left of the first four; after it, what was dropped; then three of the fourth message.
    assert_eq!(rest[0]["collection"], "data");
    assert_eq!(rest[1]["type"], "dropped");
    assert_eq!(rest[1]["collection"], "");
    assert_eq!(rest[1]["droppedCount"], 5);
    assert!(rest[1]["droppedSince"].as_str().unwrap().ends_with('Z'));
    let kinds: Vec<_> = rest[2..]
        .iter()
        .map(|it| it["collection"].clone())
        .collect();
    assert_eq!(kinds, ["data", "messages", "events"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_last_is_told_without_another_change() {
    let bench = with_queue_of(1).await;
    let mut changes = bench.handle.changes();
    bench.publish(["one"]).await;
    let first = next(&mut changes).await;
    let dropped = next(&mut changes).await;
    assert_eq!(
        (&first["collection"], &dropped["droppedCount"]),
        (&json!("data"), &json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_nothing_from_before_it_began() {
    let bench = Bench::new().await;
    let earlier = bench.handle.changes();
    bench.publish(["before"]).await;
    let mut changes = bench.handle.changes();
    drop(earlier);
    let after = bench.publish(["after"]).await[0];
    assert_eq!(
        next(&mut changes).await["id"],
        after.id.value(0).to_string()
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_told_of_its_namespace_what_it_asked_for() {
    let bench = Bench::new().await;
    bench.handle.create_namespace("other", "").await.unwrap();
    let connection = ConnectionId::new("c");
    let ask = |namespace: &str, what: Value| {
        bench
            .callbacks
            .change_events(&connection, namespace, filter(what))
    };
    ask("default", json!({"collections": ["messages"]})).unwrap();
    ask(
        "default",
        json!({"collections": ["messages"], "types": ["created"]}),
    )
    .unwrap();
    let other = serde_json::from_value(json!({"data": [{"value": 1}]})).unwrap();
    let kind = photinus_contract::MessageKind::Broadcast;
    bench.handle.publish("other", kind, other).await.unwrap();
    let sent = bench.publish(["one"]).await[0];
    let (to, change) = told(&bench).await;
    assert_eq!(
        (to.as_str(), &change["collection"]),
        ("c", &json!("messages")),
        "told once"
    );
    assert_eq!(change["id"], sent.id.to_string());

    ask("default", json!({"collections": ["events"]})).unwrap();
    let sent = bench.publish(["two"]).await[0];
    for (collection, id) in [
        ("messages", sent.id.to_string()),
        ("events", sent.id.event(0).to_string()),
    ] {
        let (_, change) = told(&bench).await;
        assert_eq!(
            (&change["collection"], &change["id"]),
            (&json!(collection), &json!(id))
        );
    }

    bench.callbacks.connection_closed(&connection);
    bench.publish(["three"]).await;
    let mut changes = bench.handle.changes();
    bench.publish(["four"]).await;
    next(&mut changes).await;
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_refused_with_its_code() {
    let bench = Bench::new().await;
    let connection = ConnectionId::new("c");
    for (namespace, what, code) in [
        ("nowhere", json!({}), "FF10436"),
        ("default", json!({"collections": ["event"]}), "PH00461"),
        ("default", json!({"types": ["Created"]}), "PH00461"),
    ] {
        let refused = bench
            .callbacks
            .change_events(&connection, namespace, filter(what));
        assert_eq!(refused.unwrap_err().code(), code);
    }
    bench
        .callbacks
        .change_events(&connection, "default", filter(json!({})))
        .unwrap();
    bench.callbacks.connection_closed(&connection);
    let closed = bench
        .callbacks
        .change_events(&connection, "default", filter(json!({})));
    assert_eq!(closed.unwrap_err().code(), "FF10290");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_takes_no_changes_is_told_none() {
    /// Keeps what its engine gave it, and can do nothing.
    #[derive(Clone, Default)]
    struct Mute(Arc<Mutex<Option<Arc<dyn Callbacks>>>>);
    impl TransportPlugin for Mute {
        fn name(&self) -> &'static str {
            "mute"
        }
        fn config_schema(&self) -> Value {
            json!({})
        }
        fn check_config(&self, _: &Value) -> Result<(), String> {
            Ok(())
        }
        fn init(
            &self,
            _: Value,
            callbacks: Arc<dyn Callbacks>,
        ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
            *self.0.lock().unwrap() = Some(callbacks.clone());
            // It does not run before this has returned.
            let early = ask(&*callbacks);
            assert_eq!(early.unwrap_err().code(), "FF10172");
            let transport: Arc<dyn Transport> = Arc::new(self.clone());
            Box::pin(async { Ok(transport) })
        }
    }
    impl Transport for Mute {
        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
        fn deliver(&self, _: Delivery) -> HandOver {
            HandOver::Closed
        }
        fn change_event(&self, _: &ConnectionId, _: &ChangeEvent) -> HandOver {
            panic!("it takes no changes")
        }
    }
    fn ask(callbacks: &dyn Callbacks) -> Result<(), CodedError> {
        callbacks.change_events(&ConnectionId::new("m"), "default", filter(json!({})))
    }

    let bench = Bench::new().await;
    let mute = Mute::default();
    bench
        .engine
        .start_transport(&mute, json!({}))
        .await
        .unwrap();
    let callbacks = mute.0.lock().unwrap().clone().unwrap();
    assert_eq!(ask(&*callbacks).unwrap_err().code(), "PH00462");
    bench.publish(["one"]).await;
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_busy_or_down_is_told_later_and_how_much_was_dropped() {
    let bench = with_queue_of(3).await;
    let connection = ConnectionId::new("c");
    bench
        .callbacks
        .change_events(&connection, "default", filter(json!({})))
        .unwrap();
    bench
        .transport
        .answer_changes([HandOver::Busy(Wait::Connection)]);
    let first = bench.publish(["one"]).await[0];
    bench.assert_quiet().await;
    // One is in the task's hand and two wait: one finds room.
    bench.publish(["two"]).await;
    bench.assert_quiet().await;
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Ready);
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(told(&bench).await.1);
    }
    assert_eq!(seen[0]["id"], first.id.value(0).to_string());
    assert_eq!(seen[3]["collection"], "data");
    assert_eq!(seen[4]["droppedCount"], 2);

    let down = ConnectionState::Down {
        reason: "it broke".to_owned(),
    };
    bench
        .callbacks
        .connection_state(&connection, Scope::All, down);
    bench.publish(["three"]).await;
    bench.assert_quiet().await;
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Up);
    assert_eq!(told(&bench).await.1["collection"], "data");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_connection_that_is_busy_or_down() {
    let bench = Bench::new().await;
    let (busy, down) = (ConnectionId::new("busy"), ConnectionId::new("down"));
    for connection in [&busy, &down] {
        let asked = filter(json!({}));
        bench
            .callbacks
            .change_events(connection, "default", asked)
            .unwrap();
    }
    let state = ConnectionState::Down {
        reason: "it broke".to_owned(),
    };
    bench.callbacks.connection_state(&down, Scope::All, state);
    bench
        .transport
        .answer_changes([HandOver::Busy(Wait::Connection)]);
    bench.publish(["one"]).await;
    bench.assert_quiet().await;
    // The transport has closed neither.
    let patience = Duration::from_secs(600);
    let stopped = tokio::time::timeout(patience, bench.engine.shutdown()).await;
    stopped.expect("it does not stop").unwrap();
}

#[tokio::test(start_paused = true)]
async fn however_often_a_connection_asks_it_is_told_what_it_asked_for() {
    let bench = Bench::new().await;
    let connection = ConnectionId::new("c");
    for collection in photinus_contract::change::COLLECTIONS {
        for types in [
            &["created"][..],
            &["updated"],
            &["deleted"],
            &["created", "deleted"],
        ] {
            let asked = json!({"collections": [collection], "types": types});
            if collection != "events" {
                bench
                    .callbacks
                    .change_events(&connection, "default", filter(asked))
                    .unwrap();
            }
        }
    }
    bench.publish(["one"]).await;
    for collection in ["data", "messages"] {
        assert_eq!(told(&bench).await.1["collection"], collection);
    }
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_failed_to_take_counts_as_dropped() {
    let bench = Bench::new().await;
    let connection = ConnectionId::new("c");
    bench
        .callbacks
        .change_events(&connection, "default", filter(json!({})))
        .unwrap();
    let failed = || HandOver::Failed("it broke".to_owned());
    // The first change, and the word of its loss.
    bench.transport.answer_changes([failed(), failed()]);
    bench.publish(["one", "two"]).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(told(&bench).await.1);
    }
    assert_eq!(seen[0]["droppedCount"], 1);
    assert_eq!(seen[0]["type"], ChangeKind::Dropped.as_str());
    let collections: Vec<_> = seen[1..]
        .iter()
        .map(|it| it["collection"].clone())
        .collect();
    assert_eq!(
        collections,
        ["messages", "events", "data", "messages", "events"]
    );
    bench.assert_quiet().await;

    bench.transport.answer_changes([HandOver::Closed]);
    bench.publish(["three"]).await;
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn told_and_dropped_are_what_was_committed() {
    let bench = Arc::new(with_queue_of(7).await);
    let mut changes = bench.handle.changes();
    let publishing = tokio::task::JoinSet::from_iter((0..50).map(|_| {
        let bench = bench.clone();
        async move { drop(bench.publish(["a", "b", "c"]).await) }
    }));
    publishing.join_all().await;
    let (mut told, mut dropped) = (0, 0);
    while told + dropped < 50 * 9 {
        let change = next(&mut changes).await;
        match change["droppedCount"].as_u64() {
            Some(count) => dropped += count,
            None => told += 1,
        }
    }
    assert_eq!(told + dropped, 50 * 9);
    assert!(dropped > 0 && told > 0, "{told} {dropped}");
}
