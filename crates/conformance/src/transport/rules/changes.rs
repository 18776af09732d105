//! Is a connection told of changes that asked for them, and how many it was not told?

use std::time::Duration;

use photinus_contract::{ChangeFilter, HandOver};
use serde_json::{Value, json};

use super::connections::closed;
use super::full::{CALL_MAX, TOPICS, VALUES, flood_message};
use crate::transport::bench::{Bench, Sent, own};
use crate::transport::far_end::{Arrival, Attach, FarConnection, FarError};
use crate::transport::journal::Entry;
use crate::transport::verdict::{Fault, Kept, require};

/// Changes of one message of the flood.
const CHANGES: usize = VALUES + 1 + TOPICS;
/// About how many bytes a change takes.
const CHANGE_BYTES: usize = 150;
/// Longest that the transport is given to take what it takes of one message, or to say that it is busy.
const TURN_MAX: Duration = Duration::from_secs(5);

pub(super) async fn told(bench: &mut Bench) -> Kept {
    bench
        .handle
        .create_namespace("elsewhere", "")
        .await
        .map_err(own)?;
    let mark = bench.journal.mark();
    let all = attach(bench, json!({})).await?;
    let some = attach(bench, json!({"collections": ["messages"]})).await?;
    let elsewhere = serde_json::from_value(json!({"data": [{"value": 1}]})).map_err(own)?;
    let kind = photinus_contract::MessageKind::Broadcast;
    let published = bench.handle.publish("elsewhere", kind, elsewhere).await;
    published.map_err(own)?;
    for _ in 0..2 {
        let sent = bench.publish(1).await?[0];
        for (collection, id, sequence) in parts(&sent) {
            expect(bench, all, collection, &id, sequence).await?;
        }
        let message = sent.message.to_string();
        expect(bench, some, "messages", &message, Some(sent.sequence)).await?;
    }

    let closing = bench.journal.mark();
    bench.far.cut(all).await?;
    closed(bench, closing).await?;
    let sent = bench.publish(1).await?[0];
    let message = sent.message.to_string();
    expect(bench, some, "messages", &message, Some(sent.sequence)).await?;
    let answered = bench.journal.find(mark, |entries| {
        entries
            .iter()
            .any(|entry| matches!(entry, Entry::Responded(..)))
    });
    require(!answered, || {
        "it answered, and there was nothing to answer but changes".to_owned()
    })
}

pub(super) async fn refused(bench: &mut Bench) -> Kept {
    for (namespace, filter, code) in [
        ("nowhere", json!({}), "FF10436"),
        ("default", json!({"collections": ["event"]}), "PH00461"),
        ("default", json!({"types": ["made"]}), "PH00461"),
    ] {
        let what =
            format!("changes that are refused with {code}, which the application has to be told");
        let text = match bench.far.attach(changes_of(namespace, filter)?).await {
            Err(FarError::Refused(text)) => text,
            Err(error) => return Err(error.into()),
            Ok(connection) => match bench.receive(connection).await {
                Ok(Arrival::Refused(text)) => text,
                Ok(other) => return Err(Fault(format!("{what}: it saw {other:?}"))),
                Err(Fault(text)) => return Err(Fault(format!("{what}: {text}"))),
            },
        };
        require(text.contains(code), || format!("{what}: it saw '{text}'"))?;
    }
    Ok(())
}

pub(super) async fn dropped(bench: &mut Bench) -> Kept {
    let connection = attach(bench, json!({})).await?;
    let sent = bench.publish(1).await?[0];
    for (collection, id, sequence) in parts(&sent) {
        expect(bench, connection, collection, &id, sequence).await?;
    }
    bench.far.stall(connection).await?;
    let mut committed = flood_until_busy(bench).await?;
    let times = bench.journal.times(&["change_event"]);
    let slowest = times.into_iter().map(|(_, took)| took).max();
    let slowest = slowest.unwrap_or_default();
    require(slowest <= CALL_MAX, || {
        format!(
            "change_event took {slowest:?} while the application did not read; it must not wait, and may take {CALL_MAX:?}"
        )
    })?;
    // And more than can wait in the engine.
    let more = bench.changes_wait_max() / CHANGES + 1;
    for _ in 0..more {
        bench.send(flood_message(), TOPICS).await?;
        committed += CHANGES as u64;
    }

    bench.far.unstall(connection).await?;
    let (mut told, mut dropped) = (0, 0);
    while told + dropped < committed {
        let change = match bench.receive(connection).await {
            Ok(Arrival::Change(change)) => change,
            Ok(other) => return Err(Fault(format!("a change was due, and this came: {other:?}"))),
            Err(Fault(text)) => {
                return Err(Fault(format!(
                    "of {committed} changes {told} were told and {dropped} said to be dropped, and then: {text}"
                )));
            }
        };
        match change["droppedCount"].as_u64() {
            Some(count) => dropped += count,
            None => told += 1,
        }
    }
    require(told + dropped == committed && dropped > 0, || {
        format!("of {committed} changes {told} were told and {dropped} said to be dropped")
    })?;
    let sent = bench.publish(1).await?[0];
    for (collection, id, sequence) in parts(&sent) {
        expect(bench, connection, collection, &id, sequence).await?;
    }
    Ok(())
}

/// Publishes until the transport says that it is busy; how many changes that were.
async fn flood_until_busy(bench: &Bench) -> Result<u64, Fault> {
    let limit = bench.subject.full_after;
    let mut committed = 0;
    let mut taken = 0;
    let mut read = bench.journal.mark();
    while taken * CHANGE_BYTES <= limit {
        bench.send(flood_message(), TOPICS).await?;
        committed += CHANGES as u64;
        let mut all = 0;
        let turn = bench.journal.wait(TURN_MAX, read, |entries| {
            let told = entries.iter().filter_map(|entry| match entry {
                Entry::Change(_, _, told) => Some(told),
                _ => None,
            });
            all = told.clone().count();
            let busy = told.clone().any(|told| matches!(told, HandOver::Busy(_)));
            (busy || all >= CHANGES).then_some(busy)
        });
        match turn.await {
            Some(true) => return Ok(committed),
            Some(false) => {}
            None => {
                return Err(Fault(format!(
                    "of {CHANGES} changes it took {all}, without saying that it is busy"
                )));
            }
        }
        taken += all;
        read = bench.journal.mark();
    }
    Err(Fault(format!(
        "it took {taken} changes that nobody reads, about {limit} bytes, and has not said that it is busy"
    )))
}

/// Attaches a new connection that wants changes, and waits until it has asked for them.
async fn attach(bench: &mut Bench, filter: Value) -> Result<FarConnection, Fault> {
    let mark = bench.journal.mark();
    let connection = bench.far.attach(changes_of("default", filter)?).await?;
    let begun = bench.wait(mark, |entry| match entry {
        Entry::Listening(_, result) => Some(result.clone()),
        _ => None,
    });
    match begun.await {
        Some(Ok(())) => Ok(connection),
        Some(Err(error)) => Err(Fault(format!("the engine refused it: {error}"))),
        None => Err(Fault::new(
            "the far end asked for changes, and change_events was not called",
        )),
    }
}

fn changes_of(namespace: &str, filter: Value) -> Result<Attach, Fault> {
    let filter: ChangeFilter = serde_json::from_value(filter).map_err(own)?;
    Ok(Attach::Changes {
        namespace: namespace.to_owned(),
        filter,
    })
}

/// What is told of a message with one value and one event.
fn parts(sent: &Sent) -> [(&'static str, String, Option<i64>); 3] {
    let sequence = Some(sent.sequence);
    [
        ("data", sent.message.value(0).to_string(), None),
        ("messages", sent.message.to_string(), sequence),
        ("events", sent.event.to_string(), sequence),
    ]
}

/// Exactly this change comes next.
async fn expect(
    bench: &mut Bench,
    connection: FarConnection,
    collection: &str,
    id: &str,
    sequence: Option<i64>,
) -> Kept {
    let mut due = json!({"collection": collection, "type": "created", "namespace": "default",
        "id": id});
    if let Some(sequence) = sequence {
        due["sequence"] = json!(sequence);
    }
    match bench.receive(connection).await {
        Ok(Arrival::Change(change)) => require(change == due, || {
            format!("the change {due} was due, and {change} came")
        }),
        Ok(other) => Err(Fault(format!(
            "the change {due} was due, and this came: {other:?}"
        ))),
        Err(Fault(text)) => Err(Fault(format!("the change {due} was due: {text}"))),
    }
}
