//! Are events acknowledged by FireFly's rules?

use photinus_contract::HandOver;
use serde_json::{Value, json};

use crate::harness::{World, event_id, subscription};

#[tokio::test]
async fn an_event_is_written_with_its_delivery_and_acknowledged_by_its_id() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    let frame = client.event(1).await;
    let expected = json!({
        "id": event_id(1), "type": "message_confirmed", "topic": "tttttttttt", "sequence": 1,
        "subscription": {"id": subscription("app").id, "namespace": "default", "name": "app"},
        "delivery": "1-1", "attempt": 1,
    });
    assert_eq!(frame, expected);
    client.ack(1).await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn acks_may_come_in_any_order_and_in_binary_frames() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    for n in 1..=3 {
        world.deliver(&connection, "app", n, n);
        client.event(n).await;
    }
    let frame = json!({"type": "ack", "id": event_id(3)}).to_string();
    let binary = tokio_tungstenite::tungstenite::Message::binary(frame);
    futures_util::SinkExt::send(&mut client.socket, binary)
        .await
        .unwrap();
    world.engine.acked(3).await;
    client.ack(1).await;
    world.engine.acked(1).await;
    client.ack(2).await;
    world.engine.acked(2).await;
}

#[tokio::test]
async fn the_subscription_matches_by_id_or_by_namespace_and_name() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    let id = subscription("app").id;
    for (n, reference) in (1..).zip([
        json!({"id": id, "namespace": "", "name": ""}),
        json!({"id": id, "namespace": "wrong", "name": "wrong"}),
        json!({"namespace": "default", "name": "app"}),
        json!({"id": event_id(9), "namespace": "default", "name": "app"}),
        Value::Null,
    ]) {
        world.deliver(&connection, "app", n, n);
        client.event(n).await;
        client.ack_of(n, reference).await;
        world.engine.acked(n).await;
    }
}

#[tokio::test]
async fn an_ack_that_matches_nothing_ends_the_connection() {
    for reference in [
        json!({}),
        json!({"name": "app"}),
        json!({"namespace": "default"}),
        json!({"namespace": "other", "name": "app"}),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        client.ack_of(1, reference).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
        assert_eq!(world.engine.closed().await, connection);
        assert_eq!(world.hand_over(&connection, "app", 2, 2), HandOver::Closed);
    }
}

#[tokio::test]
async fn an_ack_on_the_namespaced_path_is_not_filled_in() {
    let world = World::new().await;
    let mut client = world.connect("/api/v1/namespaces/default/ws").await;
    client.send(json!({"type": "start", "name": "app"})).await;
    let connection = world.registered("app").await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    client.ack_of(1, json!({"name": "app"})).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn an_unknown_or_doubled_ack_is_an_error() {
    for id in [1, 5] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        client.ack(1).await;
        world.engine.acked(1).await;
        client.ack(id).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}

#[tokio::test]
async fn without_a_subscription_exactly_one_must_be_started() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    client
        .send(json!({"type": "start", "namespace": "default", "name": "app"}))
        .await;
    client.settled().await;
    assert!(world.engine.is_quiet(), "the second start is the same one");
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    client.ack(1).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn an_ack_without_id_takes_the_oldest_single_event_of_all_subscriptions() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.start(&mut client, "two").await;
    world.deliver_batch(&connection, "two", 10, &[8, 9]);
    client.receive().await;
    world.deliver(&connection, "two", 2, 2);
    client.event(2).await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    for _ in 0..2 {
        client.send(json!({"type": "ack"})).await;
    }
    let first = world.engine.answer().await;
    assert_eq!(first.subscription, subscription("two").id);
    let second = world.engine.answer().await;
    assert_eq!(second.subscription, subscription("app").id);
    client.send(json!({"type": "ack", "id": null})).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn one_event_of_two_subscriptions_is_acknowledged_apart() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.start(&mut client, "two").await;
    world.deliver(&connection, "app", 1, 1);
    world.deliver(&connection, "two", 2, 1);
    client.event(1).await;
    client.event(1).await;
    client
        .ack_of(1, json!({"id": subscription("two").id}))
        .await;
    world.engine.acked(2).await;
    client
        .ack_of(1, json!({"id": subscription("app").id}))
        .await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn a_batch_is_acknowledged_by_its_id_alone() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.deliver_batch(&connection, "app", 1, &[1, 2]);
    let batch = client.receive().await;
    assert_eq!(batch["type"], "event_batch");
    let name = json!({"id": subscription("app").id, "namespace": "default", "name": "app"});
    assert_eq!(batch["subscription"], name);
    let events = batch["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    for (n, event) in (1..).zip(events) {
        assert_eq!(event["id"], event_id(n));
        assert_eq!(event["subscription"], name);
        assert_eq!(event["delivery"], format!("1-{}", n + 1));
        assert_eq!(event["attempt"], 1);
    }
    let id = batch["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    client
        .send(json!({"type": "ack", "id": id, "subscription": {"name": "wrong"}, "delivery": "x"}))
        .await;
    world.engine.acked(1).await;
    client.send(json!({"type": "ack", "id": id})).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn an_event_of_a_batch_is_not_acknowledged_alone() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.deliver_batch(&connection, "app", 1, &[1, 2]);
    client.receive().await;
    client.ack(1).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn autoack_acknowledges_what_was_written_and_wants_no_answers() {
    let world = World::new().await;
    let mut client = world.connect("/ws").await;
    client
        .send(json!({"type": "start", "namespace": "default", "name": "app", "autoack": true}))
        .await;
    let connection = world.registered("app").await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    world.engine.acked(1).await;
    world.deliver_batch(&connection, "app", 2, &[2, 3]);
    let batch = client.receive().await;
    world.engine.acked(2).await;
    client.send(json!({"type": "ack", "id": batch["id"]})).await;
    client.refused("FF10176: Invalid data: FF10180: ").await;
}

#[tokio::test]
async fn autoack_refuses_every_form_of_answer() {
    for frame in [
        json!({"type": "ack"}),
        json!({"type": "ack", "id": event_id(1), "delivery": "nonsense"}),
        json!({"type": "nack", "id": event_id(1)}),
    ] {
        let world = World::new().await;
        let mut client = world
            .connect("/ws?name=app&namespace=default&autoack")
            .await;
        world.registered("app").await;
        client.send(frame).await;
        client.refused("FF10176: Invalid data: FF10180: ").await;
    }
}

#[tokio::test]
async fn an_answer_may_name_its_delivery() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    for n in 1..=3 {
        world.deliver(&connection, "app", n, 1);
        client.event(1).await;
    }
    client
        .send(json!({"type": "ack", "id": event_id(1), "delivery": "1-2"}))
        .await;
    world.engine.acked(2).await;
    client.send(json!({"type": "ack", "delivery": "1-3"})).await;
    world.engine.acked(3).await;
    client.ack(1).await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn a_delivery_that_nobody_made_is_an_error() {
    for delivery in ["1-9", "nonsense", "0-1"] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        client
            .send(json!({"type": "ack", "id": event_id(1), "delivery": delivery}))
            .await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}
