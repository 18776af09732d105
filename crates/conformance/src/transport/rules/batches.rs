//! Are batches answered as one, and their events apart?

use std::collections::BTreeMap;

use photinus_contract::{DeliveryId, SubscriptionId};
use serde_json::{Value, json};

use crate::transport::bench::{Bench, Sent, is_attempt};
use crate::transport::far_end::{FarAnswer, Skill};
use crate::transport::journal::{Entry, outcome};
use crate::transport::verdict::{Fault, Kept, require};

fn options() -> Value {
    json!({"batch": true, "readAhead": 3, "batchTimeout": "100ms"})
}

pub(super) async fn whole(bench: &mut Bench) -> Kept {
    let sent = bench.publish(6).await?;
    let subscription = bench.subscribe("batch", options()).await?;
    let connection = bench.attach("batch").await?;
    let first = bench.expect_batch(connection, &sent[..3]).await?;
    let mark = bench.journal.mark();
    let (id, _) = newest(bench, subscription.id)?;
    let acked = FarAnswer::Ack;
    let answering = bench
        .far
        .answer(connection, first.token.clone(), acked.clone());
    answering.await?;
    answered(bench, mark, id, "acknowledge", 0).await?;
    bench.settled(subscription.id, sent[2]).await?;

    let second = bench.expect_batch(connection, &sent[3..]).await?;
    let (id, _) = newest(bench, subscription.id)?;
    let mark = bench.journal.mark();
    if bench.can(Skill::AnswerTwice) {
        let again = bench.far.answer(connection, first.token, acked.clone());
        again.await?;
    }
    if bench.can(Skill::Retry) {
        let retrying = bench.far.answer(connection, second.token, FarAnswer::Retry);
        retrying.await?;
        // Had the second answer to the first been taken for this one, this would not be the first.
        answered(bench, mark, id, "retry", 0).await?;
        let third = bench.expect_batch(connection, &sent[3..]).await?;
        is_attempt(&third.events[0], 2)?;
        bench.far.answer(connection, third.token, acked).await?;
    } else {
        bench.far.answer(connection, second.token, acked).await?;
        answered(bench, mark, id, "acknowledge", 0).await?;
    }
    bench.settled(subscription.id, sent[5]).await
}

pub(super) async fn items(bench: &mut Bench) -> Kept {
    let sent = bench.publish(3).await?;
    let subscription = bench.subscribe("items", options()).await?;
    let connection = bench.attach("items").await?;
    let batch = bench.expect_batch(connection, &sent).await?;
    let (id, _) = newest(bench, subscription.id)?;
    let mark = bench.journal.mark();
    let retry = BTreeMap::from([(1, FarAnswer::Retry)]);
    bench.far.answer_items(connection, batch, retry).await?;
    answered(bench, mark, id, "acknowledge", 1).await?;
    bench.settled(subscription.id, sent[0]).await?;
    bench.unsettled(subscription.id, sent[1]).await?;

    let rest: &[Sent] = &sent[1..];
    let batch = bench.expect_batch(connection, rest).await?;
    for (event, attempt) in batch.events.iter().zip([2, 1]) {
        is_attempt(event, attempt)?;
    }
    let acked = bench.far.answer(connection, batch.token, FarAnswer::Ack);
    acked.await?;
    bench.settled(subscription.id, sent[2]).await
}

fn newest(bench: &Bench, id: SubscriptionId) -> Result<(DeliveryId, usize), Fault> {
    let found = bench.journal.find(0, |entries| {
        entries.iter().rev().find_map(|entry| match entry {
            Entry::Batch(batch, _) if batch.subscription.id == id => {
                Some((batch.id, batch.items.len()))
            }
            _ => None,
        })
    });
    found.ok_or_else(|| Fault::new("no batch was handed over"))
}

/// The transport answers this batch so, with outcomes for so many of its events.
async fn answered(
    bench: &Bench,
    since: usize,
    id: DeliveryId,
    expected: &str,
    items: usize,
) -> Kept {
    let found = bench.wait(since, |entry| match entry {
        Entry::Responded(_, response) if response.delivery == id => {
            Some((outcome(&response.outcome), response.items.len()))
        }
        _ => None,
    });
    let found = found.await.ok_or_else(|| {
        Fault(format!(
            "the application answered batch {id}, and respond was not called for it"
        ))
    })?;
    require(found == (expected, items), || {
        let (outcome, apart) = found;
        format!(
            "the application's answer to batch {id} is {expected} with {items} events apart, and the transport says {outcome} with {apart}"
        )
    })
}
