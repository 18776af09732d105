//! Do events arrive in order, and does an answer settle what it names?

use serde_json::json;

use crate::transport::bench::{Bench, is_attempt};
use crate::transport::far_end::{FarAnswer, Skill};
use crate::transport::verdict::{Kept, require};

pub(super) async fn order(bench: &mut Bench) -> Kept {
    let read_ahead = if bench.can(Skill::AnyOrder) { 4 } else { 0 };
    let options = json!({"readAhead": read_ahead});
    let subscription = bench.subscribe("order", options).await?;
    let connection = bench.attach("order").await?;
    let mut sent = bench.publish(10).await?;
    let two = json!({"header": {"topics": ["a", "b"]}, "data": [{"value": "ä\n\"\u{0}"}]});
    sent.extend(bench.send(two, 2).await?);
    sent.extend(bench.publish(10).await?);
    for due in &sent {
        let events = bench.expect(connection, &[*due]).await?;
        for event in &events {
            is_attempt(event, 1)?;
            let shown = event.subscription.as_deref();
            require(shown.is_none_or(|name| name == "order"), || {
                format!("an event of 'order' says that it is of {shown:?}")
            })?;
        }
        bench.ack_all(connection, &events).await?;
    }
    match sent.last() {
        Some(last) => bench.settled(subscription.id, *last).await,
        None => Ok(()),
    }
}

pub(super) async fn gaps(bench: &mut Bench) -> Kept {
    let options = json!({"readAhead": 3});
    let subscription = bench.subscribe("gaps", options).await?;
    let connection = bench.attach("gaps").await?;
    let mut sent = bench.publish(3).await?;
    let events = bench.expect(connection, &sent).await?;
    let [first, second, third] = [0, 1, 2].map(|n| bench.newest(subscription.id, sent[n]));
    let (first, second, third) = (first?, second?, third?);
    let mark = bench.journal.mark();
    for (event, delivery) in [(&events[2], &third), (&events[1], &second)] {
        bench.answer(connection, event, FarAnswer::Ack).await?;
        bench.answered(mark, delivery, "acknowledge").await?;
    }
    bench.answered_only(mark, &[&second, &third])?;

    // What is acknowledged above the gap moves nothing.
    sent.extend(bench.publish(1).await?);
    bench.expect(connection, &sent[3..]).await?;
    bench.answered_only(mark, &[&second, &third])?;
    bench.unsettled(subscription.id, sent[0]).await?;

    bench.leave().await?;
    bench.restart().await?;
    let connection = bench.attach("gaps").await?;
    let again = bench.expect(connection, &sent).await?;
    let mark = bench.journal.mark();
    bench.answer(connection, &again[0], FarAnswer::Ack).await?;
    let delivery = bench.newest(subscription.id, sent[0])?;
    require(delivery.id != first.id, || {
        "a delivery id came again after the restart".to_owned()
    })?;
    bench.answered(mark, &delivery, "acknowledge").await?;
    bench.ack_all(connection, &again[1..]).await?;
    bench.settled(subscription.id, sent[3]).await
}
