//! Is it unmoved by what it does not know, and by a neighbour in trouble?

use photinus_contract::change::{ChangeEvent, ChangeKind};
use photinus_contract::{
    ConnectionId, DeliveryId, HandOver, Namespace, SubscriptionId, VoidReason,
};
use photinus_engine::SubscriptionInput;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::transport::bench::{Bench, own};
use crate::transport::neighbour::{self, Neighbour};
use crate::transport::verdict::{Fault, Kept, require};

pub(super) async fn panics(bench: &mut Bench) -> Kept {
    let engine = bench
        .engine
        .as_ref()
        .ok_or_else(|| Fault::new("the engine does not run"))?;
    engine
        .start_transport(&Neighbour, json!({}))
        .await
        .map_err(own)?;
    let input: SubscriptionInput = serde_json::from_value(json!({
        "name": "neighbour", "transport": neighbour::NAME, "options": {"firstEvent": "oldest"},
    }))
    .map_err(own)?;
    let created = bench.handle.create_subscription("default", input);
    created.await.map_err(own)?;

    let subscription = bench.subscribe("unmoved", json!({})).await?;
    let connection = bench.attach("unmoved").await?;
    let sent = bench.publish(2).await?;
    let events = bench.expect(connection, &sent[..1]).await?;
    let delivery = bench.newest(subscription.id, sent[0])?;

    // What it never heard of.
    let known = (delivery.connection.clone(), subscription.id, delivery.id);
    let unknown = (
        ConnectionId::new("never-there"),
        SubscriptionId(Uuid::from_u128(7)),
        DeliveryId::new(u64::MAX, u64::MAX),
    );
    for reason in [
        VoidReason::AckTimeout,
        VoidReason::Rewound,
        VoidReason::Reset,
    ] {
        for (connection, subscription, delivery) in [
            (unknown.0.clone(), unknown.1, unknown.2),
            (known.0.clone(), unknown.1, unknown.2),
            (known.0.clone(), known.1, unknown.2),
            (unknown.0.clone(), known.1, known.2),
        ] {
            let call = bench.call("voided, for what it does not know", move |transport| {
                transport.voided(&connection, subscription, delivery, reason);
            });
            call.await?;
        }
    }
    let mut stray = delivery.clone();
    stray.connection = unknown.0.clone();
    stray.id = unknown.2;
    let what = "deliver to a connection that it does not know";
    let hand_over = bench
        .call(what, |transport| transport.deliver(stray))
        .await?;
    require(hand_over != HandOver::Ok, || format!("{what}: Ok"))?;
    if bench.capabilities().change_events {
        let change = ChangeEvent::new("events", ChangeKind::Created, Namespace::new("default"));
        let what = "change_event to a connection that it does not know";
        let told = bench.call(what, move |transport| {
            transport.change_event(&unknown.0, &change)
        });
        let told = told.await?;
        require(told != HandOver::Ok, || format!("{what}: Ok"))?;
    }
    bench.call("status", |transport| transport.status()).await?;
    bench
        .call("http_mounts", |transport| transport.http_mounts().len())
        .await?;
    let (tried, event) = (subscription.clone(), delivery.event.clone());
    let data = delivery.data.clone();
    let trial = bench
        .call("test_delivery", move |transport| {
            transport.test_delivery(tried, event, data)
        })
        .await?;
    if let Some(trial) = trial {
        // What the application says to it does not matter here.
        let _ = timeout(bench.subject.patience, trial).await;
    }

    // And it goes on as if nothing had been.
    bench.ack_all(connection, &events).await?;
    let events = bench.expect(connection, &sent[1..]).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, sent[1]).await?;
    bench.leave().await?;
    bench.stop().await
}
