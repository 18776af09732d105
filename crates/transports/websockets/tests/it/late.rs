//! Are late answers taken for what they are?

use photinus_contract::{DeliveryId, VoidReason};
use serde_json::json;

use crate::harness::{World, event_id, subscription};

#[tokio::test]
async fn the_answer_to_a_rewound_delivery_does_not_settle_the_next_one() {
    for reason in [VoidReason::Rewound, VoidReason::Reset] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        world.void(&connection, "app", 1, reason);
        world.deliver(&connection, "app", 2, 1);
        client.event(1).await;
        client.ack(1).await;
        world.engine.acked(1).await;
        client.ack(1).await;
        world.engine.acked(2).await;
        client.ack(1).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}

#[tokio::test]
async fn an_ack_without_id_takes_a_voided_delivery_in_its_turn() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    for n in 1..=2 {
        world.deliver(&connection, "app", n, n);
        client.event(n).await;
    }
    world.void(&connection, "app", 1, VoidReason::Rewound);
    for number in 1..=2 {
        client.send(json!({"type": "ack"})).await;
        world.engine.acked(number).await;
    }
}

#[tokio::test]
async fn what_ran_out_of_its_ack_timeout_does_not_shift_the_next_answer() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    world.void(&connection, "app", 1, VoidReason::AckTimeout);
    world.deliver(&connection, "app", 2, 1);
    client.event(1).await;
    client.ack(1).await;
    world.engine.acked(2).await;
    // The application wakes up and answers the first receipt as well.
    client.ack(1).await;
    world.engine.acked(1).await;
    client.ack(1).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn what_ran_out_absorbs_also_an_ack_without_id_or_with_its_delivery() {
    for frame in [
        json!({"type": "ack"}),
        json!({"type": "ack", "delivery": "1-1"}),
        json!({"type": "ack", "id": event_id(1), "delivery": "1-1"}),
        json!({"type": "nack", "id": event_id(1), "action": "park"}),
    ] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", 1, 1);
        client.event(1).await;
        world.void(&connection, "app", 1, VoidReason::AckTimeout);
        client.send(frame.clone()).await;
        let answer = world.engine.answer().await;
        assert_eq!(answer.delivery, DeliveryId::new(1, 1), "{frame}");
        client.send(frame).await;
        client.refused("FF10176: Invalid data: FF10175: ").await;
    }
}

#[tokio::test]
async fn a_client_may_answer_on_its_new_socket_what_it_received_on_the_old_one() {
    let world = World::new().await;
    let (mut old, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    world.deliver_batch(&connection, "app", 2, &[2]);
    old.event(1).await;
    let batch = old.receive().await;
    drop(old);
    assert_eq!(world.engine.closed().await, connection);

    let (mut new, connection) = world.started().await;
    world.deliver(&connection, "app", 4, 1);
    new.event(1).await;
    new.ack(1).await;
    world.engine.acked(4).await;
    new.ack(1).await;
    let (from, late) = world.engine.answer_from().await;
    assert_eq!((from, late.delivery), (connection, DeliveryId::new(1, 1)));
    new.send(json!({"type": "ack", "id": batch["id"]})).await;
    world.engine.acked(2).await;
    new.ack(1).await;
    new.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn what_a_connection_left_unanswered_is_of_no_use_to_those_that_did_not_start_it() {
    let world = World::new().await;
    let (mut old, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    old.event(1).await;
    drop(old);
    world.engine.closed().await;
    let mut stranger = world.connect("/ws").await;
    world.start(&mut stranger, "two").await;
    stranger
        .ack_of(1, json!({"id": subscription("app").id}))
        .await;
    stranger.refused("FF10176: Invalid data: FF10175: ").await;
    world.engine.closed().await;
    let (mut new, _) = world.started().await;
    new.ack(1).await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn an_ephemeral_subscription_is_answered_late_by_its_id() {
    use crate::harness::Call;
    use photinus_contract::Delivery;

    let world = World::new().await;
    let open = || async {
        let client = world.connect("/ws?ephemeral&namespace=default").await;
        let Call::Register(connection, _) = world.engine.next().await else {
            panic!("expected a registration");
        };
        let Call::Ephemeral(subscription) = world.engine.next().await else {
            panic!("expected an ephemeral subscription");
        };
        (client, connection, subscription)
    };
    let (mut old, connection, ephemeral) = open().await;
    let id = DeliveryId::new(1, 1);
    let event = crate::harness::event(1, 1);
    let delivery = Delivery::new(connection, ephemeral.clone(), id, 1, event);
    assert_eq!(
        world.transport.deliver(delivery),
        photinus_contract::HandOver::Ok
    );
    old.event(1).await;
    drop(old);
    world.engine.closed().await;
    let (mut new, _, _) = open().await;
    new.ack_of(1, json!({"id": ephemeral.id, "name": ephemeral.name}))
        .await;
    world.engine.acked(1).await;
}

#[tokio::test]
async fn the_id_of_a_subscription_goes_before_the_name_that_it_has_from_a_deleted_one() {
    use photinus_contract::{Delivery, HandOver, SubscriptionId};
    use std::sync::Arc;

    for reason in [VoidReason::Reset, VoidReason::AckTimeout] {
        for new_first in [true, false] {
            let world = World::new().await;
            let (mut client, connection) = world.started().await;
            let old = subscription("app");
            world.deliver(&connection, "app", 1, 1);
            client.event(1).await;
            world.void(&connection, "app", 1, reason);
            // Its deliveries are counted from the beginning again.
            let mut new = (*old).clone();
            new.id = SubscriptionId(uuid::Uuid::from_u128(77));
            let new = Arc::new(new);
            let id = DeliveryId::new(1, 1);
            let event = crate::harness::event(1, 1);
            let delivery = Delivery::new(connection, new.clone(), id, 1, event);
            assert_eq!(world.transport.deliver(delivery), HandOver::Ok);
            client.event(1).await;
            let order = match new_first {
                true => [new, old],
                false => [old, new],
            };
            for subscription in order {
                let reference =
                    json!({"id": subscription.id, "namespace": "default", "name": "app"});
                client
                    .send(json!({"type": "ack", "id": event_id(1), "subscription": reference}))
                    .await;
                let answer = world.engine.answer().await;
                assert_eq!(
                    answer.subscription, subscription.id,
                    "{reason:?} {new_first}"
                );
            }
            client.ack(1).await;
            client.refused("FF10176: Invalid data: FF10175: ").await;
        }
    }
}

#[tokio::test]
async fn a_batch_that_was_voided_is_still_answered() {
    for reason in [VoidReason::Rewound, VoidReason::AckTimeout] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        world.deliver_batch(&connection, "app", 1, &[1]);
        let first = client.receive().await;
        world.void(&connection, "app", 1, reason);
        world.deliver_batch(&connection, "app", 3, &[1]);
        let second = client.receive().await;
        assert_ne!(first["id"], second["id"]);
        client
            .send(json!({"type": "ack", "id": second["id"]}))
            .await;
        world.engine.acked(3).await;
        client.send(json!({"type": "ack", "id": first["id"]})).await;
        world.engine.acked(1).await;
    }
}

#[tokio::test]
async fn the_oldest_voided_deliveries_are_forgotten_first() {
    let world = World::with(json!({"late_answers_max": 2})).await;
    let (mut client, connection) = world.started().await;
    for n in 1..=4 {
        world.deliver(&connection, "app", n, n);
        client.event(n).await;
    }
    for n in 1..=3 {
        world.void(&connection, "app", n, VoidReason::Rewound);
    }
    for n in 2..=4 {
        client.ack(n).await;
        world.engine.acked(n).await;
    }
    client.ack(1).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn late_answers_are_bounded_over_many_connections_too() {
    let world = World::with(json!({"late_answers_max": 2})).await;
    for n in 1..=3 {
        let (mut client, connection) = world.started().await;
        world.deliver(&connection, "app", n, n);
        client.event(n).await;
        drop(client);
        world.engine.closed().await;
    }
    let (mut client, _) = world.started().await;
    for n in 2..=3 {
        client.ack(n).await;
        world.engine.acked(n).await;
    }
    client.ack(1).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}
