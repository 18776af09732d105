//! Do connections come and go as they should?

use photinus_contract::{Batch, BatchItem, ConnectionId, DeliveryId, HandOver, VoidReason};
use serde_json::json;

use crate::transport::bench::{Bench, is_attempt, own};
use crate::transport::far_end::FarAnswer;
use crate::transport::journal::Entry;
use crate::transport::verdict::{Fault, Kept, require};

pub(super) async fn takeover(bench: &mut Bench) -> Kept {
    let width = bench.width();
    let options = json!({"readAhead": width - 1});
    let subscription = bench.subscribe("takeover", options).await?;
    let first = bench.attach("takeover").await?;
    let sent = bench.publish(4).await?;
    let events = bench.expect(first, &sent[..width]).await?;
    bench.answer(first, &events[0], FarAnswer::Ack).await?;
    bench.expect(first, &sent[width..=width]).await?;
    bench.settled(subscription.id, sent[0]).await?;

    let second = bench.attach("takeover").await?;
    let mark = bench.journal.mark();
    bench.far.cut(first).await?;
    closed(bench, mark).await?;
    for due in &sent[1..] {
        let events = bench.expect(second, &[*due]).await?;
        is_attempt(&events[0], 1)?;
        bench.ack_all(second, &events).await?;
    }
    bench.settled(subscription.id, sent[3]).await
}

pub(super) async fn after_closed(bench: &mut Bench) -> Kept {
    let subscription = bench.subscribe("closed", json!({})).await?;
    let connection = bench.attach("closed").await?;
    let sent = bench.publish(1).await?;
    bench.expect(connection, &sent).await?;
    let delivery = bench.newest(subscription.id, sent[0])?;
    let mark = bench.journal.mark();
    bench.far.cut(connection).await?;
    closed(bench, mark).await?;

    let gone = delivery.connection.clone();
    for connection in [gone, ConnectionId::new("never-there")] {
        let mut late = delivery.clone();
        late.connection = connection.clone();
        late.id = DeliveryId::new(late.id.epoch(), u64::MAX - 1);
        let (id, batch) = (late.id, batch_of(&late));
        let what = format!("deliver to {connection}, which is closed");
        let hand_over = bench
            .call(&what, |transport| transport.deliver(late))
            .await?;
        is_closed(&what, &hand_over)?;
        if bench.capabilities().batches {
            let what = format!("deliver_batch to {connection}, which is closed");
            let call = bench.call(&what, |transport| transport.deliver_batch(batch));
            is_closed(&what, &call.await?)?;
        }
        let what = format!("voided at {connection}, which is closed");
        let subscription = subscription.id;
        let call = bench.call(&what, move |transport| {
            transport.voided(&connection, subscription, id, VoidReason::Rewound);
        });
        call.await?;
    }

    let connection = bench.attach("closed").await?;
    let events = bench.expect(connection, &sent).await?;
    is_attempt(&events[0], 1)?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, sent[0]).await
}

pub(super) async fn matcher(bench: &mut Bench) -> Kept {
    let connection = bench.attach("early").await?;
    let registered = bench.wait(0, |entry| {
        matches!(entry, Entry::Registered(..)).then_some(())
    });
    registered.await.ok_or_else(|| {
        Fault::new("the far end attached, and register_connection was not called")
    })?;

    let subscription = bench.subscribe("early", json!({})).await?;
    let sent = bench.publish(1).await?;
    let events = bench.expect(connection, &sent).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, sent[0]).await?;

    bench
        .put("early", json!({"topic": "^b$"}), json!({}))
        .await?;
    bench.publish_on("a").await?;
    let b = bench.publish_on("b").await?;
    let events = bench.expect(connection, &[b]).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, b).await?;

    let deleted = bench.handle.delete_subscription("default", subscription.id);
    deleted.await.map_err(own)?;
    bench.publish_on("b").await?;
    let newest = json!({"firstEvent": "newest"});
    let anew = bench.put("early", json!({}), newest).await?;
    let last = bench.publish(1).await?;
    let events = bench.expect(connection, &last).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(anew.id, last[0]).await
}

pub(super) async fn replaced_list(bench: &mut Bench) -> Kept {
    let options = json!({"readAhead": 2});
    let one = bench.subscribe("one", options.clone()).await?;
    let two = bench.subscribe("two", options).await?;
    let connection = bench.attach("one").await?;
    let sent = bench.publish(3).await?;
    let in_flight = bench.expect(connection, &sent).await?;

    let mark = bench.journal.mark();
    let to = bench.durable("two");
    bench.far.attach_also(connection, to).await?;
    let others = bench.expect(connection, &sent).await?;
    let disturbed = bench.journal.find(mark, |entries| {
        entries.iter().find_map(|entry| match entry {
            Entry::Voided(_, subscription, ..) if *subscription == one.id => Some("voided"),
            Entry::Delivered(delivery, _) if delivery.subscription.id == one.id => {
                Some("delivered again")
            }
            Entry::Responded(_, response) if response.subscription == one.id => Some("answered"),
            _ => None,
        })
    });
    require(disturbed.is_none(), || {
        let how = disturbed.unwrap_or_default();
        format!("a second attach of the connection had what was in flight for the first {how}")
    })?;
    bench.ack_all(connection, &in_flight).await?;
    bench.settled(one.id, sent[2]).await?;
    bench.ack_all(connection, &others).await?;
    bench.settled(two.id, sent[2]).await
}

/// The transport notices that a connection is gone, and says so.
pub(super) async fn closed(bench: &Bench, since: usize) -> Kept {
    let closed = bench.wait(since, |entry| {
        matches!(entry, Entry::Closed(_)).then_some(())
    });
    closed
        .await
        .ok_or_else(|| Fault::new("the application is gone, and connection_closed was not called"))
}

fn is_closed(what: &str, hand_over: &HandOver) -> Kept {
    require(*hand_over == HandOver::Closed, || {
        format!("{what}: {hand_over:?} instead of Closed")
    })
}

fn batch_of(delivery: &photinus_contract::Delivery) -> Batch {
    let item = BatchItem::new(delivery.id, 1, delivery.event.clone());
    Batch::new(
        delivery.connection.clone(),
        delivery.subscription.clone(),
        delivery.id,
        vec![item],
    )
}
