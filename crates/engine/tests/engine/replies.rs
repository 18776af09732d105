//! Is a reply published exactly once, whatever happens around it?
//!
//! Its steps are: the answer · the reply is appended · the append is answered · the position is written · the
//! write is answered. A crash, a rewind, a takeover or a change comes between any two of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{AppendError, Log, Offsets, Start, StoreError, StoreErrorKind};
use photinus_contract::{
    ConnectionId, Delivery, EventId, MessageId, MessageKind, Outcome, Record, Response, Sequence,
    Subscription, VoidReason,
};
use photinus_engine::EngineConfig;
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::bench::{Bench, input, tag};

fn requests() -> Value {
    json!({"message": {"tag": "^request"}})
}

fn reply(tag: &str) -> Outcome {
    let reply = json!({"header": {"tag": tag}, "data": [{"value": tag}]});
    Outcome::Acknowledge {
        reply: Some(Box::new(serde_json::from_value(reply).unwrap())),
    }
}

/// A subscription to requests, served by the connection `a`.
async fn subscribed(bench: &Bench, options: Value) -> Arc<Subscription> {
    let subscription = bench.subscribe_filtered("app", requests(), options).await;
    bench.connect("a", "app");
    subscription
}

/// Publishes a request to everybody, or to a group.
async fn request(bench: &Bench, kind: MessageKind, tag: &str) {
    let message = json!({"header": {"tag": tag}, "group": {"members": [{"identity": "org_1"}]}});
    let message = serde_json::from_value(message).unwrap();
    let sent = bench.handle.publish("default", kind, message).await;
    sent.unwrap();
}

/// A subscription with one request in flight, whose reply waits in the store.
async fn replying(kind: MessageKind) -> (Bench, Arc<Subscription>, Delivery) {
    let bench = Bench::new().await;
    let subscription = subscribed(&bench, json!({})).await;
    request(&bench, kind, "request").await;
    let delivery = bench.delivery().await;
    bench.store.hold_writes();
    bench.answer(&delivery, reply("first"));
    held(&bench.store, 1).await;
    (bench, subscription, delivery)
}

/// Waits until so many writes wait in the store, and nothing more comes.
async fn held(store: &MemoryStore, count: usize) {
    for _ in 0..1_000 {
        if store.held_writes() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.held_writes(), count);
}

/// The process dies, after so many of the writes that wait became durable, and comes back.
async fn crashed(bench: Bench, after: usize) -> Bench {
    let store = bench.store.crash_after(after);
    drop(bench);
    let bench = Bench::on(store, EngineConfig::default()).await;
    bench.connect("b", "app");
    bench
}

/// All replies in the log, the oldest first.
async fn replies(bench: &Bench) -> Vec<Arc<Record>> {
    let mut messages = bench.messages().await;
    messages.retain(|message| message.content.correlator.is_some());
    messages.reverse();
    messages
}

/// What has to be so after everything: one reply, this one, to the request, for those who had the request; and
/// the request is settled.
async fn assert_one_reply(bench: &Bench, request: &Delivery, tag: &str) {
    bench.assert_quiet().await;
    let offset = bench.offset(request.subscription.id).await;
    assert!(offset >= request.event.sequence().0, "it is not settled");
    let replies = replies(bench).await;
    let tags: Vec<_> = replies.iter().map(|reply| reply.content.tag()).collect();
    assert_eq!(tags, [tag]);
    assert_is_reply(&replies[0], request);
}

fn assert_is_reply(reply: &Record, request: &Delivery) {
    let request = &request.event;
    let shown: Value = serde_json::from_slice(reply.content.message_json()).unwrap();
    assert_eq!(shown["header"]["cid"], request.reference().to_string());
    assert_eq!(reply.content.correlator, Some(request.reference()));
    let event = [reply.content.event_json(0), b"}"].concat();
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["correlator"], request.reference().to_string());
    let group = request.record().content.group();
    assert_eq!(reply.content.group(), group);
    let kind = match group.is_empty() {
        true => "broadcast",
        false => "private",
    };
    assert_eq!(shown["header"]["type"], kind);
}

const KINDS: [MessageKind; 2] = [MessageKind::Broadcast, MessageKind::Private];

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_reply_is_appended_lets_the_next_answer_reply() {
    for kind in KINDS {
        let (bench, _, _) = replying(kind).await;
        let bench = crashed(bench, 0).await;
        let again = bench.delivery().await;
        assert!(replies(&bench).await.is_empty());
        bench.answer(&again, reply("second"));
        assert_one_reply(&bench, &again, "second").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_reply_is_durable_and_before_its_answer_keeps_it_the_only_one() {
    for kind in KINDS {
        let (bench, _, _) = replying(kind).await;
        let bench = crashed(bench, 1).await;
        let again = bench.delivery().await;
        bench.answer(&again, reply("second"));
        assert_one_reply(&bench, &again, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_position_is_written_keeps_the_reply_the_only_one() {
    for kind in KINDS {
        let (bench, _, _) = replying(kind).await;
        assert_eq!(bench.store.release(1), 1);
        // The position.
        held(&bench.store, 1).await;
        let bench = crashed(bench, 0).await;
        let again = bench.delivery().await;
        bench.answer(&again, reply("second"));
        assert_one_reply(&bench, &again, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_position_is_written_the_request_does_not_come_again() {
    for (kind, answered) in KINDS.into_iter().zip([false, true]) {
        let (bench, _, delivery) = replying(kind).await;
        bench.store.release(1);
        held(&bench.store, 1).await;
        if answered {
            bench.store.release_all();
        }
        let bench = crashed(bench, 1).await;
        assert_one_reply(&bench, &delivery, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rewind_by_a_lower_event_does_not_reply_again() {
    // Before the reply is appended, and after it was answered.
    for written in [false, true] {
        let bench = Bench::new().await;
        let subscription = subscribed(&bench, json!({"readAhead": 1})).await;
        bench.publish(["request-1", "request-2"]).await;
        let (one, two) = (bench.delivery().await, bench.delivery().await);
        bench.store.hold_writes();
        bench.answer(&two, reply("first"));
        held(&bench.store, 1).await;
        if written {
            bench.store.release_all();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.answer(&one, Outcome::retry("not now"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.store.release_all();
        assert_eq!(bench.drain(1).await, ["request-1"]);
        let again = bench.delivery().await;
        assert_eq!(tag(&again), "request-2");
        bench.answer(&again, reply("second"));
        assert_one_reply(&bench, &again, "first").await;
        assert!(bench.offset(subscription.id).await >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_by_another_connection_does_not_reply_again() {
    for kind in KINDS {
        let (bench, _, delivery) = replying(kind).await;
        bench.connect("b", "app");
        bench.callbacks.connection_closed(&delivery.connection);
        let again = bench.delivery().await;
        assert_eq!(again.connection.as_str(), "b");
        bench.answer(&again, reply("second"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        bench.store.release_all();
        assert_one_reply(&bench, &again, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_superseded_engine_does_not_reply_and_stops() {
    for kind in KINDS {
        let old = Bench::new().await;
        subscribed(&old, json!({})).await;
        request(&old, kind, "request").await;
        let stalled = old.delivery().await;
        let new = Bench::on(old.store.clone(), EngineConfig::default()).await;
        new.connect("b", "app");
        let delivery = new.delivery().await;
        assert_eq!(delivery.event.id(), stalled.event.id());
        old.answer(&stalled, reply("old"));
        old.assert_quiet().await;
        assert!(replies(&new).await.is_empty(), "the old owner is fenced");
        new.answer(&delivery, reply("new"));
        assert_one_reply(&new, &delivery, "new").await;
        old.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_superseded_engine_does_not_park_and_stops() {
    let old = Bench::new().await;
    let subscription = subscribed(&old, json!({})).await;
    old.publish(["request"]).await;
    let stalled = old.delivery().await;
    let new = Bench::on(old.store.clone(), EngineConfig::default()).await;
    new.connect("b", "app");
    let delivery = new.delivery().await;
    let reason = String::new();
    old.answer(&stalled, Outcome::Park { reason });
    old.assert_quiet().await;
    assert!(new.offset(subscription.id).await < 1, "it is not settled");
    new.answer(&delivery, reply("new"));
    assert_one_reply(&new, &delivery, "new").await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_came_before_the_takeover_by_another_engine_is_the_one() {
    let (old, _, _) = replying(MessageKind::Private).await;
    let new = Bench::on(old.store.clone(), EngineConfig::default()).await;
    new.connect("b", "app");
    // The reply of the old owner, and the claim of the new one behind it.
    held(&old.store, 2).await;
    old.store.release_all();
    let again = new.delivery().await;
    new.answer(&again, reply("second"));
    assert_one_reply(&new, &again, "first").await;
    old.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_subscription_does_not_reply_again() {
    for kind in KINDS {
        let (bench, _, delivery) = replying(kind).await;
        let changed = input("app", requests(), json!({"readAhead": 3}));
        let put = bench.handle.put_subscription("default", changed);
        let (put, ()) = tokio::join!(put, async {
            // The reply, the last position of the former dispatcher, and the change.
            held(&bench.store, 3).await;
            bench.store.release_all();
        });
        put.unwrap();
        let again = bench.delivery_after_voids().await;
        // The one that was given before the change is late.
        bench.answer(&delivery, reply("late"));
        bench.answer(&again, reply("second"));
        assert_one_reply(&bench, &again, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_answers_to_one_delivery_the_first_replies() {
    let bench = Bench::new().await;
    subscribed(&bench, json!({})).await;
    for (first, second) in [("same", "same"), ("one", "other")] {
        bench.publish(["request"]).await;
        let delivery = bench.delivery().await;
        bench.answer(&delivery, reply(first));
        bench.answer(&delivery, reply(second));
        bench.assert_quiet().await;
        let replies = replies(&bench).await;
        let last = replies.last().unwrap();
        assert_eq!(last.content.tag(), first);
        assert_is_reply(last, &delivery);
    }
    assert_eq!(replies(&bench).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_event_of_a_batch_has_its_own_reply_over_a_crash() {
    let mut bench = Bench::new().await;
    let options = json!({"batch": true, "readAhead": 2, "batchTimeout": "1ms"});
    let subscription = subscribed(&bench, options).await;
    bench.publish(["request-1", "request-2"]).await;
    for attempt in ["first", "second"] {
        let batch = bench.batch().await;
        let items = batch.items.iter().map(|item| (item.id, reply(attempt)));
        let response = Response::new(batch.subscription.id, batch.id, Outcome::ack());
        let response = response.with_items(items.collect());
        bench.store.hold_writes();
        bench.callbacks.respond(&batch.connection, response);
        held(&bench.store, 2).await;
        if attempt == "first" {
            bench = crashed(bench, 2).await;
        }
    }
    bench.store.release_all();
    bench.assert_quiet().await;
    let replies = replies(&bench).await;
    assert_eq!(replies.len(), 2);
    assert_ne!(replies[0].content.correlator, replies[1].content.correlator);
    assert!(replies.iter().all(|reply| reply.content.tag() == "first"));
    assert!(bench.offset(subscription.id).await >= 2);
}

/// An ephemeral subscription that has two requests in flight at once.
fn listen_to_two_requests(bench: &Bench) -> ConnectionId {
    let connection = bench.connect("a", "nothing");
    let filter = serde_json::from_value(requests()).unwrap();
    let options = serde_json::from_value(json!({"readAhead": 1})).unwrap();
    let subscribe = bench
        .callbacks
        .ephemeral_subscription(&connection, "default", filter, options);
    subscribe.unwrap();
    connection
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_an_event_of_an_ephemeral_subscription_is_once_over_a_rewind() {
    let bench = Bench::new().await;
    listen_to_two_requests(&bench);
    for kind in KINDS {
        let before = replies(&bench).await.len();
        request(&bench, MessageKind::Broadcast, "request-1").await;
        request(&bench, kind, "request-2").await;
        let (one, two) = (bench.delivery().await, bench.delivery().await);
        bench.answer(&two, reply("first"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.answer(&one, Outcome::retry("not now"));
        assert_eq!(bench.drain(1).await, ["request-1"]);
        let again = bench.delivery().await;
        bench.answer(&again, reply("second"));
        bench.assert_quiet().await;
        let replies = replies(&bench).await;
        assert_eq!(replies.len(), before + 1);
        assert_eq!(replies[before].content.tag(), "first");
        assert_is_reply(&replies[before], &two);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_subscription_that_ends_keeps_its_keys_until_its_last_reply_is_appended() {
    let bench = Bench::new().await;
    let a = listen_to_two_requests(&bench);
    bench.publish(["request-1", "request-2"]).await;
    let (one, two) = (bench.delivery().await, bench.delivery().await);
    bench.answer(&two, reply("first"));
    bench.assert_quiet().await;
    bench.answer(&one, Outcome::retry("not now"));
    assert_eq!(bench.drain(1).await, ["request-1"]);
    let again = bench.delivery().await;
    bench.store.hold_writes();
    // The second reply has to wait for the commit of another message; meanwhile the subscription ends.
    let other = bench.publish(["other"]);
    tokio::join!(other, async {
        held(&bench.store, 1).await;
        // Virtual time: it goes on when nothing else can happen.
        bench.answer(&again, reply("second"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        bench.callbacks.connection_closed(&a);
        tokio::time::sleep(Duration::from_millis(1)).await;
        for step in [
            "the other message",
            "the second reply",
            "the end of the keys",
        ] {
            held(&bench.store, 1).await;
            assert_eq!(bench.store.release(1), 1, "{step}");
        }
    });
    bench.store.release_all();
    bench.assert_quiet().await;
    let replies = replies(&bench).await;
    let tags: Vec<_> = replies.iter().map(|reply| reply.content.tag()).collect();
    assert_eq!(tags, ["first"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_no_message_is_reported_and_acknowledges_all_the_same() {
    let warnings = Warnings::default();
    let _recording = tracing::subscriber::set_default(warnings.clone());
    let bench = Bench::new().await;
    let subscription = subscribed(&bench, json!({})).await;
    bench.publish(["request"]).await;
    let delivery = bench.delivery().await;
    bench.answer(&delivery, reply("no tag"));
    bench.assert_quiet().await;
    assert!(replies(&bench).await.is_empty());
    assert_eq!(bench.offset(subscription.id).await, 1);
    let warnings = warnings.0.lock().unwrap();
    let event = delivery.event.id().to_string();
    let said = |text: &String| text.contains(&event) && text.contains("FF00140");
    assert!(warnings.iter().any(said), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_gets_the_reply_once_when_it_is_back() {
    for kind in KINDS {
        let bench = Bench::new().await;
        subscribed(&bench, json!({})).await;
        request(&bench, kind, "request").await;
        let failure = StoreError::new(StoreErrorKind::Unavailable, "a test says so");
        let mut delivery = bench.delivery().await;
        bench.store.fail_writes(Some(failure));
        for _ in 0..3 {
            bench.answer(&delivery, reply("in-vain"));
            delivery = bench.delivery().await;
            assert_eq!(delivery.attempt, 1, "no failure of the application");
        }
        bench.store.fail_writes(None);
        bench.answer(&delivery, reply("first"));
        assert_one_reply(&bench, &delivery, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_reply_outlives_the_offset_while_its_event_is_parked() {
    for parked in [true, false] {
        let (bench, subscription, _) = replying(MessageKind::Private).await;
        let bench = crashed(bench, 1).await;
        let again = bench.delivery().await;
        assert!(is_refused(&bench, &subscription, &again).await);
        let reason = String::new();
        let outcome = match parked {
            true => Outcome::Park { reason },
            false => Outcome::Skip { reason },
        };
        bench.answer(&again, outcome);
        assert_one_reply(&bench, &again, "first").await;
        // What was skipped cannot be answered again; what is parked can, by its replay.
        let refused = is_refused(&bench, &subscription, &again).await;
        assert_eq!(refused, parked, "parked: {parked}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_reply_lives_while_its_event_is_settled_above_a_gap() {
    for park in [true, false] {
        let bench = Bench::new().await;
        let subscription = subscribed(&bench, json!({"readAhead": 1})).await;
        bench.publish(["request-1", "request-2"]).await;
        let (_, two) = (bench.delivery().await, bench.delivery().await);
        bench.store.hold_writes();
        bench.answer(&two, reply("first"));
        held(&bench.store, 1).await;
        let bench = crashed(bench, 1).await;
        let (one, two) = (bench.delivery().await, bench.delivery().await);
        let reason = String::new();
        let outcome = match park {
            true => Outcome::Park { reason },
            false => Outcome::Skip { reason },
        };
        bench.answer(&two, outcome);
        bench.assert_quiet().await;
        assert!(is_refused(&bench, &subscription, &two).await);
        let bench = crashed(bench, 0).await;
        let one_again = bench.delivery().await;
        assert_eq!(one_again.event.id(), one.event.id());
        assert!(is_refused(&bench, &subscription, &two).await);
        bench.answer(&one_again, Outcome::ack());
        assert_one_reply(&bench, &two, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_seek_may_reply_again() {
    let bench = Bench::new().await;
    let subscription = subscribed(&bench, json!({})).await;
    bench.publish(["request"]).await;
    let delivery = bench.delivery().await;
    bench.answer(&delivery, reply("first"));
    assert_one_reply(&bench, &delivery, "first").await;
    bench.callbacks.connection_closed(&delivery.connection);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sought = bench.store.seek(subscription.id, Start::Oldest).await;
    assert_eq!(sought.unwrap().unwrap().generation, 1);
    bench.connect("b", "app");
    let again = bench.delivery().await;
    bench.answer(&again, reply("second"));
    bench.assert_quiet().await;
    let replies = replies(&bench).await;
    let tags: Vec<_> = replies.iter().map(|reply| reply.content.tag()).collect();
    assert_eq!(tags, ["first", "second"]);
    assert_is_reply(&replies[1], &again);
}

/// Whether another reply to this event would be refused, because its key is taken.
async fn is_refused(bench: &Bench, subscription: &Subscription, delivery: &Delivery) -> bool {
    let position = bench.store.offset(subscription.id).await.unwrap().unwrap();
    let mut content = delivery.event.record().content.clone();
    let EventId(unused) = MessageId::from_v7(uuid::Uuid::from_u128(u128::MAX >> 1)).event(0);
    content.id = MessageId::containing(unused);
    content.correlator = None;
    let mut record = NewRecord::new(content);
    record.reply = Some(ReplyKey {
        subscription: subscription.id,
        generation: position.generation,
        event: delivery.event.sequence(),
        epoch: Some(position.epoch),
    });
    match bench.store.append(vec![record]).await.remove(0) {
        Ok(appended) => {
            assert!(appended.last > Sequence(0));
            false
        }
        Err(AppendError::DuplicateReply { .. }) => true,
        // The key is gone, and the event with it.
        Err(AppendError::Passed) => false,
        Err(other) => panic!("{other}"),
    }
}

impl Bench {
    /// The next delivery, after what was voided for a change.
    async fn delivery_after_voids(&self) -> Delivery {
        loop {
            match self.next().await {
                photinus_contract::scripted::Seen::Delivery(delivery) => return delivery,
                photinus_contract::scripted::Seen::Voided(.., reason) => {
                    assert_eq!(reason, VoidReason::Reset);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

/// What was logged as a warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
