//! Do answers to earlier deliveries change nothing?
//!
//! An application answers an event that was repeated meanwhile. The answer is normal, belongs to the earlier
//! delivery, and must neither settle the new one nor take the place of its answer.

use serde_json::json;

use crate::transport::bench::{Bench, is_attempt};
use crate::transport::far_end::FarAnswer;
use crate::transport::verdict::Kept;

pub(super) async fn after_rewind(bench: &mut Bench) -> Kept {
    let options = json!({"readAhead": 2});
    let subscription = bench.subscribe("rewound", options).await?;
    let connection = bench.attach("rewound").await?;
    let mut sent = bench.publish(3).await?;
    let old = bench.expect(connection, &sent).await?;
    let earlier = [
        bench.newest(subscription.id, sent[1])?,
        bench.newest(subscription.id, sent[2])?,
    ];
    bench.answer(connection, &old[0], FarAnswer::Retry).await?;
    let new = bench.expect(connection, &sent).await?;
    let first = bench.newest(subscription.id, sent[0])?;
    let third = bench.newest(subscription.id, sent[2])?;

    let mark = bench.journal.mark();
    bench.ack_all(connection, &old[1..]).await?;
    bench.answer(connection, &new[0], FarAnswer::Ack).await?;
    bench.answered(mark, &first, "acknowledge").await?;
    bench.answered_only(mark, &[&earlier[0], &earlier[1], &first])?;

    // The third is answered, and the second is not.
    bench.answer(connection, &new[2], FarAnswer::Ack).await?;
    bench.answered(mark, &third, "acknowledge").await?;
    sent.extend(bench.publish(1).await?);
    let next = bench.expect(connection, &sent[3..]).await?;
    bench.answered_only(mark, &[&earlier[0], &earlier[1], &first, &third])?;
    bench.unsettled(subscription.id, sent[1]).await?;
    bench.answer(connection, &new[1], FarAnswer::Ack).await?;
    bench.ack_all(connection, &next).await?;
    bench.settled(subscription.id, sent[3]).await
}

pub(super) async fn after_ack_timeout(bench: &mut Bench) -> Kept {
    // Short, and longer than a busy machine stands still: what is answered has to be answered in time.
    let options = json!({"ackTimeout": "2s"});
    let subscription = bench.subscribe("slow", options).await?;
    let connection = bench.attach("slow").await?;
    let sent = bench.publish(2).await?;
    let too_late = bench.expect(connection, &sent[..1]).await?;
    let old = bench.newest(subscription.id, sent[0])?;
    let again = bench.expect(connection, &sent[..1]).await?;
    is_attempt(&again[0], 2)?;
    bench.ack_all(connection, &again).await?;
    let events = bench.expect(connection, &sent[1..]).await?;
    let current = bench.newest(subscription.id, sent[1])?;

    let mark = bench.journal.mark();
    bench.ack_all(connection, &too_late).await?;
    // Had the late answer been taken for this one, this would not be the first.
    bench
        .answer(connection, &events[0], FarAnswer::Retry)
        .await?;
    bench.answered(mark, &current, "retry").await?;
    bench.answered_only(mark, &[&old, &current])?;
    let last = bench.expect(connection, &sent[1..]).await?;
    bench.ack_all(connection, &last).await?;
    bench.settled(subscription.id, sent[1]).await
}

pub(super) async fn after_change(bench: &mut Bench) -> Kept {
    let width = bench.width();
    let options = json!({"readAhead": width - 1});
    let subscription = bench.subscribe("changed", options.clone()).await?;
    let connection = bench.attach("changed").await?;
    let sent = bench.publish(width).await?;
    let old = bench.expect(connection, &sent).await?;
    let mut named = Vec::new();
    for sent in &sent {
        named.push(bench.newest(subscription.id, *sent)?);
    }
    bench
        .put("changed", json!({"topic": "^default$"}), options)
        .await?;
    let new = bench.expect(connection, &sent).await?;
    is_attempt(&new[0], 1)?;
    let first = bench.newest(subscription.id, sent[0])?;

    let mark = bench.journal.mark();
    bench.ack_all(connection, &old).await?;
    bench.answer(connection, &new[0], FarAnswer::Retry).await?;
    bench.answered(mark, &first, "retry").await?;
    named.push(first);
    bench.answered_only(mark, &named.iter().collect::<Vec<_>>())?;
    let again = bench.expect(connection, &sent).await?;
    is_attempt(&again[0], 2)?;
    // The others were voided by the retry, and are answered as well, so that they wait for nothing.
    bench.ack_all(connection, &new[1..]).await?;
    bench.ack_all(connection, &again).await?;
    bench.settled(subscription.id, sent[width - 1]).await
}
