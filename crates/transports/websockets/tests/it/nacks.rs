//! Does a nack say what becomes of an event?

use std::time::Duration;

use photinus_contract::{DeliveryId, Outcome};
use serde_json::{Value, json};

use crate::harness::{World, event_id};

/// An outcome as a text that a table can hold.
fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Acknowledge { reply: None } => "ack".into(),
        Outcome::Retry {
            delay,
            counted: true,
            reason,
        } => format!("retry {delay:?} {reason}"),
        Outcome::Park { reason } => format!("park {reason}"),
        Outcome::Skip { reason } => format!("skip {reason}"),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_nack_has_an_action_a_delay_and_a_reason() {
    let delay = Some(Duration::from_millis(1500));
    for (fields, expected) in [
        (
            json!({}),
            "retry None rejected by the application".to_owned(),
        ),
        (
            json!({"action": "retry", "delay": "1.5s", "reason": "later"}),
            format!("retry {delay:?} later"),
        ),
        (
            json!({"delay": "1500"}),
            format!("retry {delay:?} rejected by the application"),
        ),
        (
            json!({"action": "PARK", "reason": "bad"}),
            "park bad".to_owned(),
        ),
        (
            json!({"action": "skip", "reason": null}),
            "skip rejected by the application".to_owned(),
        ),
        (
            json!({"delivery": "1-1", "subscription": {"namespace": "default", "name": "app"}, "action": "park", "reason": "r"}),
            "park r".to_owned(),
        ),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        let mut frame = fields;
        frame["type"] = "nack".into();
        frame["id"] = event_id(1).into();
        client.send(frame.clone()).await;
        let answer = world.engine.answer().await;
        assert_eq!(answer.delivery, DeliveryId::new(1, 1));
        assert_eq!(shown(&answer.outcome), expected, "{frame}");
        // It is answered now.
        client.send(frame).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}

#[tokio::test]
async fn a_nack_that_cannot_be_understood_ends_the_connection() {
    for (fields, expected) in [
        (json!({"action": "explode"}), "PH00422: "),
        (json!({"action": "ack"}), "PH00422: "),
        (json!({"delay": "soon"}), "FF00137: "),
        (json!({"id": event_id(9)}), "FF10175: "),
        (json!({"subscription": {}}), "FF10175: "),
        (json!({"events": [{"id": event_id(1)}]}), "PH00422: "),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        let mut frame = json!({"type": "nack", "id": event_id(1)});
        for (key, value) in fields.as_object().unwrap() {
            frame[key] = value.clone();
        }
        client.send(frame).await;
        client
            .refused(&format!("FF10176: Invalid data: {expected}"))
            .await;
        assert_eq!(world.engine.closed().await, connection);
    }
}

#[tokio::test]
async fn a_nack_of_a_batch_names_the_events_it_is_about() {
    let one = |action: &str| json!({"id": event_id(2), "action": action, "reason": "r"});
    for (fields, outcome, items) in [
        (json!({}), "retry None rejected by the application", vec![]),
        (
            json!({"events": []}),
            "retry None rejected by the application",
            vec![],
        ),
        (
            json!({"action": "park", "reason": "all"}),
            "park all",
            vec![],
        ),
        (
            json!({"events": [one("retry")]}),
            "ack",
            vec![(3, "retry None r")],
        ),
        (
            json!({"events": [one("ack")], "action": "retry"}),
            "retry None rejected by the application",
            vec![(3, "ack")],
        ),
        (
            json!({"events": [one("park"), {"id": event_id(1), "action": "skip"}], "action": "park", "reason": "all"}),
            "park all",
            vec![(3, "park r"), (2, "skip all")],
        ),
        (
            json!({"events": [{"id": event_id(3)}]}),
            "ack",
            vec![(4, "retry None rejected by the application")],
        ),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver_batch(&connection, "app", 1, &[1, 2, 3]);
        let mut frame = fields;
        frame["type"] = "nack".into();
        frame["id"] = client.receive().await["id"].clone();
        client.send(frame.clone()).await;
        let answer = world.engine.answer().await;
        assert_eq!(answer.delivery, DeliveryId::new(1, 1));
        assert_eq!(shown(&answer.outcome), outcome, "{frame}");
        let found: Vec<_> = answer
            .items
            .iter()
            .map(|(delivery, outcome)| (delivery.number(), shown(outcome)))
            .collect();
        let items: Vec<_> = items
            .iter()
            .map(|(n, text)| (*n, (*text).to_owned()))
            .collect();
        assert_eq!(found, items, "{frame}");
    }
}

#[tokio::test]
async fn a_nack_of_a_batch_names_only_its_events_and_each_once() {
    let named = |n: u64| json!({"id": event_id(n), "action": "skip"});
    let unknown: Value = json!({"id": event_id(2), "action": "explode"});
    for (events, expected) in [
        (json!([named(9)]), "FF10175: "),
        (json!([named(1), named(1)]), "FF10175: "),
        (json!([unknown]), "PH00422: "),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver_batch(&connection, "app", 1, &[1, 2]);
        let id = client.receive().await["id"].clone();
        client
            .send(json!({"type": "nack", "id": id, "events": events}))
            .await;
        client
            .refused(&format!("FF10176: Invalid data: {expected}"))
            .await;
        assert_eq!(world.engine.closed().await, connection);
    }
}
