//! Does it stop in time, and leave nothing behind?

use std::time::Duration;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{HandOver, MessageKind, Outcome, Response, VoidReason};
use serde_json::json;

use crate::transport::bench::{Bench, SHUTDOWN_MAX, is_attempt, own};
use crate::transport::journal::Entry;
use crate::transport::verdict::{Fault, Kept, require};

pub(super) async fn shutdown(bench: &mut Bench) -> Kept {
    let width = bench.width();
    let options = json!({"readAhead": width - 1});
    let subscription = bench.subscribe("stopped", options).await?;
    let connection = bench.attach("stopped").await?;
    let mut sent = bench.publish(4).await?;
    let events = bench.expect(connection, &sent[..1]).await?;
    bench.ack_all(connection, &events).await?;
    bench.expect(connection, &sent[1..=width]).await?;

    let mark = bench.journal.mark();
    bench.restart().await?;
    let took = bench.journal.find(mark, |entries| {
        entries.iter().find_map(|entry| match entry {
            Entry::ShutDown(took) => Some(*took),
            _ => None,
        })
    });
    let took = took.unwrap_or(Duration::MAX);
    require(took < SHUTDOWN_MAX, || {
        format!(
            "shutdown does not end within {SHUTDOWN_MAX:?}, and the engine has gone on without it"
        )
    })?;

    sent.extend(bench.publish(1).await?);
    let connection = bench.attach("stopped").await?;
    for due in &sent[1..] {
        let events = bench.expect(connection, &[*due]).await?;
        is_attempt(&events[0], 1)?;
        bench.ack_all(connection, &events).await?;
    }
    bench.settled(subscription.id, sent[4]).await
}

pub(super) async fn after_shutdown(bench: &mut Bench) -> Kept {
    let subscription = bench.subscribe("over", json!({})).await?;
    let connection = bench.attach("over").await?;
    let sent = bench.publish(2).await?;
    bench.expect(connection, &sent[..1]).await?;
    let delivery = bench.newest(subscription.id, sent[0])?;
    bench.stop().await?;

    let late = delivery.clone();
    let what = "deliver after shutdown";
    let hand_over = bench
        .call(what, |transport| transport.deliver(late))
        .await?;
    require(hand_over != HandOver::Ok, || {
        format!("{what}: it takes an event that nobody will answer")
    })?;
    let (connection, id) = (delivery.connection.clone(), subscription.id);
    let voided = delivery.id;
    let call = bench.call("voided after shutdown", move |transport| {
        transport.voided(&connection, id, voided, VoidReason::Reset);
    });
    call.await?;
    bench
        .call("status after shutdown", |transport| transport.status())
        .await?;

    // A task that noticed too late calls the engine, which has stopped as well.
    let callbacks = bench.callbacks()?;
    let response = Response::new(subscription.id, delivery.id, Outcome::ack());
    callbacks.respond(&delivery.connection, response);
    callbacks.connection_state(&delivery.connection, Scope::All, ConnectionState::Ready);
    callbacks.connection_closed(&delivery.connection);
    let message = serde_json::from_value(json!({"data": [{"value": 1}]})).map_err(own)?;
    let published = callbacks.publish("default", MessageKind::Broadcast, message);
    require(published.await.is_err(), || {
        "the engine publishes after it has stopped".to_owned()
    })?;
    let offset = photinus_contract::store::Offsets::offset(&bench.store, subscription.id);
    let offset = offset.await.map_err(own)?;
    let offset = offset.ok_or_else(|| Fault::new("the subscription is not stored any more"))?;
    require(offset.offset.0 < sent[0].sequence, || {
        "an answer that came after the engine had stopped moved the offset".to_owned()
    })
}
