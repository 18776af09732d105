//! What does a transport do that cannot take more?

use std::time::Duration;

use photinus_contract::{HandOver, SubscriptionId};
use photinus_engine::lists::Query;
use serde_json::{Value, json};

use crate::transport::bench::{Bench, Sent, is_attempt};
use crate::transport::journal::Entry;
use crate::transport::verdict::{Fault, Kept, require};

/// Values of a message of the flood. Their references make its events about 60 KiB long.
pub(super) const VALUES: usize = 500;
/// Events of a message of the flood.
pub(super) const TOPICS: usize = 10;
/// Longest that a call into the transport may take. Generous: what blocks does so for as long as the
/// application does not read.
pub(super) const CALL_MAX: Duration = Duration::from_millis(500);
/// Half of the hand-overs are at least so fast.
const CALL_TYPICAL: Duration = Duration::from_millis(20);

pub(super) async fn busy(bench: &mut Bench) -> Kept {
    let options = json!({"readAhead": 1000});
    let subscription = bench.subscribe("busy", options).await?;
    let connection = bench.attach("busy").await?;
    let small = bench.publish(1).await?;
    let events = bench.expect(connection, &small).await?;
    bench.ack_all(connection, &events).await?;

    bench.far.stall(connection).await?;
    let sent = flood(bench).await?;
    let taken = taken_until_busy(bench, subscription.id, &sent).await?;
    let limit = bench.subject.full_after;
    require(taken <= limit, || {
        format!(
            "it took {taken} bytes of events that nobody reads, and may take {limit} before it says busy"
        )
    })?;
    bench.far.unstall(connection).await?;
    for due in &sent {
        let events = bench.expect(connection, &[*due]).await?;
        is_attempt(&events[0], 1)?;
        bench.ack_all(connection, &events).await?;
    }
    match sent.last() {
        Some(last) => bench.settled(subscription.id, *last).await,
        None => Ok(()),
    }
}

pub(super) async fn failed_hand_over(bench: &mut Bench) -> Kept {
    let subscription = bench.subscribe("failing", json!({})).await?;
    let connection = bench.attach("failing").await?;
    let first = bench.publish(1).await?;
    let events = bench.expect(connection, &first).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, first[0]).await?;

    // The suite fails the hand-over in the transport's place: the next one is the second attempt.
    bench.journal.fail_next();
    let sent = bench.publish(2).await?;
    for (due, attempt) in sent.iter().zip([2, 1]) {
        let events = bench.expect(connection, &[*due]).await?;
        is_attempt(&events[0], attempt)?;
        bench.ack_all(connection, &events).await?;
    }
    bench.settled(subscription.id, sent[1]).await
}

pub(super) async fn never_blocks(bench: &mut Bench) -> Kept {
    let options = json!({"readAhead": 1000});
    let subscription = bench.subscribe("stalled", options.clone()).await?;
    let connection = bench.attach("stalled").await?;
    let small = bench.publish(1).await?;
    let events = bench.expect(connection, &small).await?;
    bench.ack_all(connection, &events).await?;

    bench.far.stall(connection).await?;
    let sent = flood(bench).await?;
    let handed_over = taken_until_busy(bench, subscription.id, &sent).await;
    check_times(bench)?;
    handed_over?;
    // All that is in flight is voided, and handed over again.
    let mark = bench.journal.mark();
    let filter = json!({"topic": "."});
    bench.put("stalled", filter, options).await?;
    let again = bench.wait(mark, |entry| match entry {
        Entry::Delivered(_, hand_over) => hand_over.clone(),
        _ => None,
    });
    let again = again.await;
    check_times(bench)?;
    again
        .map(drop)
        .ok_or_else(|| Fault::new("nothing was handed over after a change of the subscription"))
}

fn check_times(bench: &Bench) -> Kept {
    let mut times = bench.journal.times(&["deliver", "deliver_batch", "voided"]);
    times.sort_by_key(|(_, took)| *took);
    let slowest = times.last().copied().unwrap_or_default();
    require(slowest.1 <= CALL_MAX, || {
        let (name, took) = slowest;
        format!(
            "{name} took {took:?} while the application did not read; it must not wait, and may take {CALL_MAX:?}"
        )
    })?;
    let typical = times.get(times.len() / 2).copied().unwrap_or_default();
    require(typical.1 <= CALL_TYPICAL, || {
        let (name, took) = typical;
        format!("half of the calls take longer than {took:?} ({name}); they must not wait")
    })
}

/// A message of the flood.
pub(super) fn flood_message() -> Value {
    let topics: Vec<String> = (0..TOPICS).map(|topic| format!("flood{topic}")).collect();
    let values: Vec<Value> = (0..VALUES).map(|value| json!({"value": value})).collect();
    json!({"header": {"topics": topics}, "data": values})
}

/// Publishes more than a transport may hold.
async fn flood(bench: &Bench) -> Result<Vec<Sent>, Fault> {
    let message = flood_message();
    let mut sent = bench.send(message.clone(), TOPICS).await?;
    let bytes = bench.handle.events("default", &Query::all(1)).await;
    let bytes: usize = bytes
        .ok()
        .and_then(|events| Some(events.items.first()?.open_json().len() * TOPICS))
        .unwrap_or(1);
    // Half as much again as it may hold.
    for _ in 0..(bench.subject.full_after * 3 / 2).div_ceil(bytes) {
        sent.extend(bench.send(message.clone(), TOPICS).await?);
    }
    Ok(sent)
}

/// Waits until the transport said busy, and says how many bytes it had taken; or all of them.
async fn taken_until_busy(
    bench: &Bench,
    subscription: SubscriptionId,
    sent: &[Sent],
) -> Result<usize, Fault> {
    let last = sent.last().map(|sent| sent.event);
    let taken = bench.journal.wait(bench.subject.patience, 0, |entries| {
        let mut taken = 0;
        for entry in entries {
            let Entry::Delivered(delivery, hand_over) = entry else {
                continue;
            };
            if delivery.subscription.id != subscription {
                continue;
            }
            match hand_over {
                Some(HandOver::Ok) => taken += delivery.event.open_json().len(),
                Some(HandOver::Busy(_)) => return Some(taken),
                _ => {}
            }
            if Some(delivery.event.id()) == last && hand_over.is_some() {
                return Some(taken);
            }
        }
        None
    });
    taken.await.ok_or_else(|| {
        Fault::new("the application does not read, and the transport neither takes nor says busy")
    })
}
