//! Does each answer do what it says?

use photinus_contract::Sequence;
use photinus_contract::store::Parked;
use photinus_engine::lists::Query;
use serde_json::json;

use crate::transport::bench::{Bench, is_attempt, own};
use crate::transport::far_end::{FarAnswer, Skill};
use crate::transport::verdict::{Kept, require};

pub(super) async fn retry(bench: &mut Bench) -> Kept {
    let width = bench.width();
    let options = json!({"readAhead": width - 1});
    let subscription = bench.subscribe("retry", options).await?;
    let connection = bench.attach("retry").await?;
    let sent = bench.publish(4).await?;
    let events = bench.expect(connection, &sent[..width]).await?;
    let first = bench.newest(subscription.id, sent[0])?;
    let mark = bench.journal.mark();
    bench
        .answer(connection, &events[0], FarAnswer::Retry)
        .await?;
    bench.answered(mark, &first, "retry").await?;
    bench.answered_only(mark, &[&first])?;
    let again = bench.expect(connection, &sent[..width]).await?;
    for (event, attempt) in again.iter().zip([2, 1, 1]) {
        is_attempt(event, attempt)?;
    }
    // An application answers all that it receives, also what was repeated meanwhile.
    if bench.can(Skill::LateAnswer) {
        bench.ack_all(connection, &events[1..]).await?;
    }
    bench.ack_all(connection, &again).await?;
    for due in &sent[width..] {
        let events = bench.expect(connection, &[*due]).await?;
        is_attempt(&events[0], 1)?;
        bench.ack_all(connection, &events).await?;
    }
    bench.settled(subscription.id, sent[3]).await
}

pub(super) async fn park(bench: &mut Bench) -> Kept {
    let reason = "the suite sets it aside";
    set_aside(
        bench,
        FarAnswer::Park(reason.to_owned()),
        "park",
        Some(reason),
    )
    .await
}

pub(super) async fn skip(bench: &mut Bench) -> Kept {
    set_aside(bench, FarAnswer::Skip, "skip", None).await
}

/// The second of three events is answered so; the others are acknowledged.
async fn set_aside(
    bench: &mut Bench,
    answer: FarAnswer,
    expected: &str,
    parked: Option<&str>,
) -> Kept {
    let name = "aside";
    let several = bench.can(Skill::AnyOrder);
    let options = json!({"readAhead": if several { 2 } else { 0 }});
    let subscription = bench.subscribe(name, options).await?;
    let connection = bench.attach(name).await?;
    let mut sent = bench.publish(3).await?;
    let mut events = Vec::new();
    // Where several are in flight, out of order.
    for place in if several { [1, 0, 2] } else { [0, 1, 2] } {
        while events.len() <= place {
            let due = sent[events.len()];
            events.extend(bench.expect(connection, &[due]).await?);
        }
        let mark = bench.journal.mark();
        let delivery = bench.newest(subscription.id, sent[place])?;
        let (answer, expected) = match place {
            1 => (answer.clone(), expected),
            _ => (FarAnswer::Ack, "acknowledge"),
        };
        bench.answer(connection, &events[place], answer).await?;
        bench.answered(mark, &delivery, expected).await?;
        bench.answered_only(mark, &[&delivery])?;
    }
    bench.settled(subscription.id, sent[2]).await?;

    let entries = bench.store.parked(subscription.id, Sequence::OLDEST, 10);
    let entries = entries.await.map_err(own)?;
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.event, entry.reason.as_str()))
        .collect();
    let due: Vec<_> = parked
        .map(|reason| (sent[1].event, reason))
        .into_iter()
        .collect();
    require(found == due, || {
        format!("parked with their reasons should be {due:?}, and are {found:?}")
    })?;

    // Nothing is repeated: what is published now comes next, here and after a restart.
    sent.extend(bench.publish(1).await?);
    let next = bench.expect(connection, &sent[3..]).await?;
    bench.ack_all(connection, &next).await?;
    bench.settled(subscription.id, sent[3]).await?;
    bench.leave().await?;
    bench.restart().await?;
    let connection = bench.attach(name).await?;
    let newest = bench.publish(1).await?;
    let events = bench.expect(connection, &newest).await?;
    bench.ack_all(connection, &events).await
}

pub(super) async fn reply(bench: &mut Bench) -> Kept {
    require(bench.capabilities().replies, || {
        "the far end can reply, and capabilities() says that applications cannot".to_owned()
    })?;
    // The answers are events as well, of another topic.
    let filter = json!({"topic": "^question$"});
    let subscription = bench.put("reply", filter, json!({})).await?;
    let connection = bench.attach("reply").await?;
    let question = bench.publish_on("question").await?;
    let events = bench.expect(connection, &[question]).await?;
    let delivery = bench.newest(subscription.id, question)?;
    let mark = bench.journal.mark();
    let answer = json!({"header": {"tag": "answer"}, "data": [{"value": "yes"}]});
    let answer = FarAnswer::Reply(answer);
    bench.answer(connection, &events[0], answer.clone()).await?;
    bench
        .answered(mark, &delivery, "acknowledge with a reply")
        .await?;
    bench.settled(subscription.id, question).await?;
    if bench.can(Skill::AnswerTwice) {
        bench.answer(connection, &events[0], answer).await?;
    }
    let next = bench.publish_on("question").await?;
    let events = bench.expect(connection, &[next]).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, next).await?;

    let messages = bench
        .handle
        .messages("default", &Query::all(100))
        .await
        .map_err(own)?;
    let answers: Vec<_> = messages
        .items
        .iter()
        .map(|message| message.record())
        .filter(|record| {
            [question.message, next.message]
                .iter()
                .all(|id| *id != record.content.id)
        })
        .map(|record| (record.content.correlator, record.content.tag()))
        .collect();
    let due = [(Some(question.message.0), "answer")];
    require(answers == due, || {
        format!("published as answers (cid, tag) should be {due:?}, and are {answers:?}")
    })
}
