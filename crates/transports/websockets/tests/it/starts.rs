//! Do clients attach by FireFly's rules?

use std::sync::Arc;

use photinus_contract::{
    CodedError, ConnectionId, Delivery, DeliveryId, HandOver, Subscription, SubscriptionOptions,
    TransportPlugin,
};
use photinus_transport_websockets::WebSockets;
use serde_json::{Value, json};

use crate::harness::{Call, Client, World, event, event_id, subscription};

async fn ephemeral(world: &World) -> Arc<Subscription> {
    loop {
        match world.engine.next().await {
            Call::Ephemeral(subscription) => return subscription,
            Call::Register(..) => {}
            _ => panic!("expected an ephemeral subscription"),
        }
    }
}

fn only_connection(world: &World) -> Value {
    let status = world.transport.status().unwrap();
    assert_eq!(status["enabled"], true);
    let connections = status["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 1);
    connections[0].clone()
}

/// A failed start in the query: one bare error, and the socket stays.
async fn fails(world: &World, path: &str, expected: &str) -> Client {
    let mut client = world.connect(path).await;
    let frame = client.receive().await;
    assert_eq!(frame["type"], "protocol_error", "{path}");
    let error = frame["error"].as_str().unwrap();
    assert!(error.starts_with(expected), "{path}: {error}");
    client.settled().await;
    client
}

#[tokio::test]
async fn a_start_that_is_wrong_ends_the_connection() {
    for (frame, expected) in [
        (
            json!({"namespace": "nope", "name": "app"}),
            "FF10436: Unknown namespace 'nope'",
        ),
        (json!({"name": "app"}), "FF10436: Unknown namespace ''"),
        (json!({"namespace": ""}), "FF10436: Unknown namespace ''"),
        (json!({"namespace": "default"}), "FF10178: "),
        (json!({"namespace": "default", "name": ""}), "FF10178: "),
        (
            json!({"namespace": "default", "ephemeral": true, "options": {"withData": true}}),
            "FF10244: ",
        ),
        (
            json!({"namespace": "default", "name": "app", "options": {"readAhead": -1}}),
            "",
        ),
    ] {
        let world = World::new().await;
        let mut client = world.connect("/ws").await;
        let mut start = frame;
        start["type"] = "start".into();
        client.send(start).await;
        client
            .refused(&format!("FF10176: Invalid data: {expected}"))
            .await;
        world.engine.closed().await;
        assert!(world.engine.is_quiet());
    }
}

#[tokio::test]
async fn the_engine_may_refuse_an_ephemeral_start() {
    let world = World::new().await;
    let error = || CodedError::bad_request("FF10171", "bad 'filter.events'");
    world.engine.refuse_ephemeral(error());
    let mut client = world.connect("/ws").await;
    client
        .send(json!({"type": "start", "namespace": "default", "ephemeral": true}))
        .await;
    client
        .refused("FF10176: Invalid data: FF10171: bad 'filter.events'")
        .await;
    world.engine.refuse_ephemeral(error());
    fails(
        &world,
        "/ws?ephemeral&namespace=default&filter.events=(",
        "FF10171: bad 'filter.events'",
    )
    .await;
}

#[tokio::test]
async fn autoack_is_set_by_the_first_start() {
    let start = |autoack: Value| json!({"type": "start", "namespace": "default", "name": "app", "autoack": autoack});
    for (first, second, allowed) in [
        (json!(true), json!(true), true),
        (json!(true), json!(null), true),
        (json!(null), json!(false), true),
        (json!(true), json!(false), false),
        (json!(false), json!(true), false),
        (json!(null), json!(true), false),
    ] {
        let world = World::new().await;
        let mut client = world.connect("/ws").await;
        client.send(start(first)).await;
        client.send(start(second)).await;
        if allowed {
            client.settled().await;
        } else {
            client.refused("FF10176: Invalid data: FF10179: ").await;
        }
    }
}

#[tokio::test]
async fn the_path_pins_the_namespace() {
    let world = World::new().await;
    let path = "/api/v1/namespaces/default/ws";
    let mut client = world.connect(path).await;
    world.start(&mut client, "app").await;
    client.send(json!({"type": "start", "name": "two"})).await;
    world.registered("two").await;
    client
        .send(json!({"type": "start", "namespace": "other", "name": "app"}))
        .await;
    client.refused("FF10176: Invalid data: FF10462: ").await;
    world.engine.closed().await;

    world.connect(&format!("{path}?name=app")).await;
    world.registered("app").await;
    world.engine.closed().await;
    fails(
        &world,
        &format!("{path}?name=app&namespace=other"),
        "FF10462: ",
    )
    .await;
}

#[tokio::test]
async fn a_connection_wants_what_it_started_now_or_later() {
    let world = World::new().await;
    let (mut client, first) = world.started().await;
    client
        .send(json!({"type": "START", "namespace": "other", "name": "two", "filter": {}, "options": {}, "ephemeral": false}))
        .await;
    let Call::Register(second, matcher) = world.engine.next().await else {
        panic!("expected a registration");
    };
    assert_eq!(first, second);
    assert!(matcher(&subscription("app")));
    assert!(!matcher(&subscription("two")), "in another namespace");
    let mut elsewhere = (*subscription("two")).clone();
    elsewhere.namespace = photinus_contract::Namespace::new("other");
    assert!(matcher(&elsewhere));
    elsewhere.ephemeral = true;
    assert!(!matcher(&elsewhere));
}

#[tokio::test]
async fn each_ephemeral_start_is_a_stream_of_its_own() {
    let world = World::new().await;
    let mut client = world.connect("/ws").await;
    let start = json!({
        "type": "start", "namespace": "default", "ephemeral": true, "name": "shown only",
        "filter": {"events": "^message_"},
        "options": {"firstEvent": "oldest", "readAhead": 20, "batch": true, "batchTimeout": "never"},
    });
    client.send(start.clone()).await;
    client.send(start).await;
    let one = ephemeral(&world).await;
    let two = ephemeral(&world).await;
    assert_ne!(one.id, two.id);
    assert_eq!(&*one.filter.events, "^message_");
    let options = serde_json::to_value(&one.options).unwrap();
    assert_eq!(
        options,
        json!({"firstEvent": "oldest", "readAhead": 20, "batch": true, "batchTimeout": "0", "withData": false})
    );
    let starts = only_connection(&world)["subscriptions"].clone();
    assert_eq!(starts.as_array().unwrap().len(), 2);
    assert_eq!(starts[0]["name"], "shown only");
}

#[tokio::test]
async fn the_query_starts_an_ephemeral_subscription() {
    let world = World::new().await;
    let query = "ephemeral=true&namespace=default&autoack&batch&batchtimeout=x&readahead=10&filter.events=%5Emessage_&filter.blockchain.name=n";
    let mut client = world.connect(&format!("/ws?{query}")).await;
    let Call::Register(connection, _) = world.engine.next().await else {
        panic!("expected a registration");
    };
    let started = ephemeral(&world).await;
    assert_eq!(&*started.filter.events, "^message_");
    assert_eq!(&*started.filter.blockchainevent.name, "n");
    assert_eq!(
        serde_json::to_value(&started.options).unwrap(),
        json!({"batch": true, "batchTimeout": "0", "readAhead": 10, "withData": false})
    );
    let id = DeliveryId::new(1, 1);
    let delivery = Delivery::new(connection, started.clone(), id, 1, event(1, 1));
    assert_eq!(world.transport.deliver(delivery), HandOver::Ok);
    let frame = client.event(1).await;
    assert_eq!(
        frame["subscription"],
        json!({"id": started.id, "namespace": "default", "name": started.id})
    );
    world.engine.acked(1).await;
}

#[tokio::test]
async fn the_query_starts_a_durable_subscription() {
    let world = World::new().await;
    let mut client = world.connect("/ws?namespace=default&name=app").await;
    let connection = world.registered("app").await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    client.ack(1).await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn a_start_that_fails_in_the_query_leaves_the_socket_open() {
    for (query, expected) in [
        (
            "namespace=nope&name=app",
            "FF10187: Namespace does not exist",
        ),
        ("name=app", "FF10178: "),
        ("namespace=default&name=", "FF10178: "),
        ("ephemeral", "FF10178: "),
    ] {
        let world = World::new().await;
        let path = format!("/ws?{query}");
        let mut client = fails(&world, &path, expected).await;
        assert!(world.engine.is_quiet());
        let starts = only_connection(&world)["subscriptions"].clone();
        assert_eq!(starts.as_array().unwrap().len(), 1, "it is listed");

        let connection = world.start(&mut client, "app").await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        client
            .ack_of(1, json!({"namespace": "default", "name": "app"}))
            .await;
        world.engine.acked(1).await;
        world.deliver(&connection, "app", 2, 2);
        client.event(2).await;
        // It counts, so without a subscription the answer is ambiguous.
        client.ack(2).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}

#[tokio::test]
async fn a_start_that_failed_in_the_query_binds_autoack() {
    for (query, autoack) in [
        ("", true),
        ("&autoack=false", true),
        ("&autoack", false),
        ("&autoack=FALSE", false),
    ] {
        let world = World::new().await;
        let path = format!("/ws?namespace=nope&name=app{query}");
        let mut client = fails(&world, &path, "FF10187: ").await;
        client
            .send(
                json!({"type": "start", "namespace": "default", "name": "app", "autoack": autoack}),
            )
            .await;
        client.refused("FF10176: Invalid data: FF10179: ").await;
    }
}

#[tokio::test]
async fn the_starts_of_a_connection_are_limited() {
    let world = World::with(json!({"starts_max": 2})).await;
    let (mut client, _) = world.started().await;
    world.start(&mut client, "two").await;
    client
        .send(json!({"type": "start", "namespace": "default", "name": "three"}))
        .await;
    client
        .refused("FF10176: Invalid data: PH00429: Too many starts: one connection may have 2")
        .await;
}

#[tokio::test]
async fn the_filters_of_a_connection_are_limited_together() {
    let world = World::new().await;
    let mut client = world.connect("/ws").await;
    let tag = "x".repeat(900_000);
    for n in 0..19 {
        let start = json!({"type": "start", "namespace": "default", "name": n.to_string(), "filter": {"tag": tag}});
        client.send(start).await;
    }
    client.refused("FF10176: Invalid data: PH00429: ").await;
}

#[tokio::test]
async fn the_status_lists_connections_and_starts_in_order() {
    let world = World::new().await;
    assert_eq!(
        world.transport.status().unwrap(),
        json!({"enabled": true, "connections": []})
    );
    let mut clients = Vec::new();
    let mut ids: Vec<ConnectionId> = Vec::new();
    for name in ["one", "two", "three"] {
        let mut client = world.connect("/ws").await;
        ids.push(world.start(&mut client, name).await);
        clients.push(client);
    }
    clients[0]
        .send(json!({"type": "start", "namespace": "default", "ephemeral": true, "filter": {"topic": "t"}}))
        .await;
    ephemeral(&world).await;
    let status = world.transport.status().unwrap();
    let connections = status["connections"].as_array().unwrap();
    let listed: Vec<_> = connections.iter().map(|c| c["id"].clone()).collect();
    assert_eq!(listed, ids.iter().map(|id| json!(id)).collect::<Vec<_>>());
    let first = &connections[0];
    assert_eq!(first["userAgent"], "");
    let address = clients[0].socket.get_ref().local_addr().unwrap();
    assert_eq!(first["remoteAddress"], address.to_string());
    let starts = &first["subscriptions"];
    let mut durable = starts[0].clone();
    let time = durable["startTime"].take();
    assert!(time.as_str().unwrap().ends_with('Z'));
    let filter = json!({"message": {}, "transaction": {}, "blockchainevent": {}});
    assert_eq!(
        durable,
        json!({"startTime": null, "ephemeral": false, "namespace": "default", "name": "one", "filter": filter})
    );
    let mut ephemeral = starts[1].clone();
    assert!(ephemeral["startTime"].take().is_string());
    let filter = json!({"message": {}, "transaction": {}, "blockchainevent": {}, "topic": "t"});
    assert_eq!(
        ephemeral,
        json!({"startTime": null, "ephemeral": true, "namespace": "default", "filter": filter})
    );
}

#[tokio::test]
async fn deliveries_carry_no_data() {
    let world = World::new().await;
    let validate = |json: Value| {
        let mut options: SubscriptionOptions = serde_json::from_value(json).unwrap();
        world.transport.validate(&mut options).map(|()| options)
    };
    for json in [
        json!({}),
        json!({"withData": false}),
        json!({"withData": null}),
    ] {
        assert_eq!(validate(json).unwrap().with_data, Some(false));
    }
    let error = validate(json!({"withData": true})).unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF10244", 400));
    assert_eq!(
        world.transport.options_schema(),
        json!({"type": "object", "properties": {}})
    );
    let capabilities = world.transport.capabilities();
    assert!(capabilities.batches && capabilities.ordering_keys);
    assert!(!capabilities.replies && capabilities.change_events);
}

#[test]
fn the_configuration_is_described_and_checked_before_a_start() {
    let schema = WebSockets.config_schema();
    assert_eq!(schema["additionalProperties"], false);
    let properties = schema["properties"].as_object().unwrap();
    for (key, default) in [
        ("frame_bytes_max", json!(1_048_576)),
        ("send_queue_bytes_max", json!(1_048_576)),
        ("late_answers_max", json!(65_536)),
        ("connections_max", json!(20_000)),
        ("starts_max", json!(10_000)),
        ("ping_interval", json!(null)),
    ] {
        let property = &properties[key];
        assert_eq!(property["default"], default, "{key}");
        assert!(!property["description"].as_str().unwrap().is_empty());
    }
    assert_eq!(WebSockets.check_config(&json!({})), Ok(()));
    let error = WebSockets
        .check_config(&json!({"starts_max": "x"}))
        .unwrap_err();
    assert!(error.starts_with("starts_max: "), "{error}");
    assert_eq!(WebSockets.name(), "websockets");
    assert_ne!(event_id(1), event_id(2));
}
