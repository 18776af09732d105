//! Does each figure move exactly as it should?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::store::{StoreError, StoreErrorKind};
use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{HandOver, MessageKind, Outcome, Response, Wait};
use photinus_engine::metrics::{FAMILIES, Family, Sink, Value};
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::{Bench, input};

/// Everything that was collected: `name{a,b}` and its value, of histograms the count.
#[derive(Debug, Default, PartialEq)]
struct Figures(BTreeMap<String, f64>);

impl Sink for Figures {
    fn put(&mut self, family: &'static Family, labels: &[&str], value: Value<'_>) {
        assert!(
            FAMILIES.iter().any(|known| std::ptr::eq(*known, family)),
            "{} is not listed",
            family.name
        );
        assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let name = format!("{}{{{}}}", family.name, labels.join(","));
        let value = match value {
            Value::Number(value) => value,
            Value::Buckets { buckets, .. } => buckets.count as f64,
            _ => panic!("{name}: {value:?}"),
        };
        assert_eq!(self.0.insert(name.clone(), value), None, "{name} twice");
    }
}

impl Figures {
    async fn of(bench: &Bench) -> Self {
        Self::at_most(bench, 100).await
    }

    async fn at_most(bench: &Bench, subscriptions_max: usize) -> Self {
        let mut figures = Self::default();
        bench.handle.collect(subscriptions_max, &mut figures).await;
        figures
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        let name = match name.contains('{') {
            true => name.to_owned(),
            false => format!("{name}{{}}"),
        };
        *self
            .0
            .get(&name)
            .unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// What is not as it was before, by how much; without what only says how things stand.
    fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        let is_count = |name: &str| name.split('{').next().unwrap().ends_with("_total");
        let counts = self.0.iter().filter(|(name, _)| is_count(name));
        counts
            .map(|(name, value)| (name.clone(), value - before.0.get(name).unwrap_or(&0.0)))
            .filter(|(_, more)| *more != 0.0)
            .collect()
    }

    /// The lane of the bench's subscriptions.
    #[track_caller]
    fn lane(&self, name: &str) -> f64 {
        self.get(&format!("photinus_{name}{{default,scripted}}"))
    }

    #[track_caller]
    fn app(&self, name: &str) -> f64 {
        self.get(&format!("photinus_subscription_{name}{{default,app}}"))
    }
}

/// Lets everything that can happen happen.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn named(changes: &BTreeMap<String, f64>, start: &str) -> Vec<(String, f64)> {
    let found = changes.iter().filter(|(name, _)| name.contains(start));
    found.map(|(name, more)| (name.clone(), *more)).collect()
}

fn full() -> StoreError {
    StoreError::new(StoreErrorKind::Full, "a test\nsays so")
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_counted_once_by_kind_route_and_namespace() {
    let bench = Bench::new().await;
    let before = Figures::of(&bench).await;
    bench.publish(["1", "2", "3"]).await;
    let two_topics = json!({"header": {"topics": ["a", "b"]}});
    bench.send(two_topics).await;
    let to_group = json!({"group": {"members": [{"identity": "a"}]}});
    let to_group = || serde_json::from_value(to_group.clone()).unwrap();
    let by_transport = bench
        .callbacks
        .publish("default", MessageKind::Private, to_group());
    by_transport.await.unwrap();
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    assert_eq!(
        named(&changes, "messages_published"),
        [
            (
                "photinus_messages_published_total{default,broadcast,rest}".to_owned(),
                4.0
            ),
            (
                "photinus_messages_published_total{default,private,transport}".to_owned(),
                1.0
            ),
        ]
    );
    assert_eq!(
        named(&changes, "ff_"),
        [
            ("ff_broadcast_confirmed_total{default}".to_owned(), 4.0),
            ("ff_broadcast_submitted_total{default}".to_owned(), 4.0),
            ("ff_private_msg_confirmed_total{default}".to_owned(), 1.0),
            ("ff_private_msg_submitted_total{default}".to_owned(), 1.0),
        ]
    );
    assert_eq!(changes["photinus_events_published_total{default}"], 6.0);
    assert_eq!(after.get("photinus_publish_duration_seconds"), 5.0);
    assert_eq!(after.get("ff_broadcast_histogram{default}"), 4.0);
    assert_eq!(after.get("photinus_commit_group_records"), 5.0);
    assert_eq!(after.get("photinus_commit_duration_seconds"), 5.0);
    assert_eq!(after.get("photinus_head_sequence{default}"), 6.0);
    assert_eq!(after.get("photinus_tail_records{default}"), 5.0);
    assert!(changes["photinus_published_bytes_total{default}"] > 1_000.0);
    assert_eq!(after.get("photinus_commit_queue_records"), 0.0);
    assert_eq!(after.get("photinus_commit_queue_bytes"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_by_its_code() {
    let bench = Bench::new().await;
    bench.send(json!({"idempotencyKey": "k"})).await;
    let before = Figures::of(&bench).await;
    for (namespace, message) in [
        ("default", json!({"idempotencyKey": "k"})),
        ("default", json!({"header": {"tag": "no tag"}})),
        ("nowhere", json!({})),
    ] {
        let message = serde_json::from_value(message).unwrap();
        let refused = bench
            .handle
            .publish(namespace, MessageKind::Broadcast, message);
        refused.await.unwrap_err();
    }
    let changes = Figures::of(&bench).await.since(&before);
    assert_eq!(
        changes.into_iter().collect::<Vec<_>>(),
        [
            ("ff_broadcast_rejected_total{default}".to_owned(), 1.0),
            ("ff_broadcast_submitted_total{default}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF00140}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF10430}".to_owned(), 1.0),
            ("photinus_publish_refused_total{FF10436}".to_owned(), 1.0),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_overtake_a_message_that_was_not_stored_is_refused_and_counted() {
    let bench = Bench::new().await;
    let before = Figures::of(&bench).await;
    bench.store.hold_writes();
    let chain = photinus_engine::Chain::default();
    let mut pending = Vec::new();
    for chain in [Some(&chain), Some(&chain), None] {
        let kind = MessageKind::Broadcast;
        let prepared = bench
            .handle
            .prepare("default", kind, false, Default::default());
        let queued = bench.handle.enqueue(prepared.await.unwrap(), chain);
        pending.push(queued.await.unwrap());
        // Each in a group of its own.
        settle().await;
    }
    bench.store.fail_writes(Some(full()));
    bench.store.release(1);
    bench.store.fail_writes(None);
    bench.store.release_all();
    let mut committed = Vec::new();
    for pending in pending {
        committed.push(pending.await.is_ok());
    }
    // Who has no chain is not concerned.
    assert_eq!(committed, [false, false, true]);
    let changes = Figures::of(&bench).await.since(&before);
    let rejected = named(&changes, "rejected");
    let name = "ff_broadcast_rejected_total{default}";
    assert_eq!(rejected, [(name.to_owned(), 2.0)]);
    let refused = named(&changes, "publish_refused");
    let name = "photinus_publish_refused_total{PH00503}";
    assert_eq!(refused, [(name.to_owned(), 2.0)]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_commit_is_seen_while_it_waits() {
    let bench = Bench::new().await;
    bench.store.hold_writes();
    let publish = |count: usize| {
        let handle = bench.handle.clone();
        (0..count).map(move |_| {
            let handle = handle.clone();
            async move {
                let kind = MessageKind::Broadcast;
                handle.publish("default", kind, Default::default()).await
            }
        })
    };
    let mut waiting = tokio::task::JoinSet::new();
    publish(1).for_each(|one| drop(waiting.spawn(one)));
    settle().await;
    publish(5).for_each(|one| drop(waiting.spawn(one)));
    settle().await;
    let figures = Figures::of(&bench).await;
    // The first is with the store.
    assert_eq!(figures.get("photinus_commit_queue_records"), 5.0);
    assert!(figures.get("photinus_commit_queue_bytes") > 1_000.0);
    bench.store.release_all();
    while let Some(published) = waiting.join_next().await {
        published.unwrap().unwrap();
    }
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_commit_queue_records"), 0.0);
    assert_eq!(figures.get("photinus_commit_group_records"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted_with_its_name() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 1})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    let two = bench.delivery().await;
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("deliveries_total"), 2.0);
    assert_eq!(figures.lane("in_flight"), 2.0);
    assert_eq!(figures.app("in_flight"), 2.0);
    assert_eq!(figures.lane("subscriptions_active"), 1.0);
    assert_eq!(figures.app("active"), 1.0);

    let before = figures;
    bench.answer(&one, Outcome::retry("no"));
    let _ = bench.voided().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let delayed = Figures::of(&bench).await;
    assert_eq!(delayed.lane("subscriptions_delayed"), 1.0);
    assert_eq!(delayed.app("failed_attempts"), 1.0);
    // Late: it was voided.
    bench.answer(&two, Outcome::ack());
    let (one, two) = (bench.delivery().await, bench.delivery().await);
    let reason = String::new;
    bench.answer(&one, Outcome::Park { reason: reason() });
    bench.answer(&two, Outcome::Skip { reason: reason() });
    settle().await;
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    let lane = |name: &str, more: f64| (format!("photinus_{name}"), more);
    assert_eq!(
        named(&changes, "default,scripted"),
        [
            lane("deliveries_total{default,scripted}", 2.0),
            lane("deliveries_voided_total{default,scripted}", 1.0),
            lane("late_answers_total{default,scripted}", 1.0),
            lane("outcomes_total{default,scripted,park}", 1.0),
            lane("outcomes_total{default,scripted,retry}", 1.0),
            lane("outcomes_total{default,scripted,skip}", 1.0),
        ]
    );
    assert_eq!(
        named(&changes, "photinus_subscription_"),
        [
            lane("subscription_answers_total{default,app}", 2.0),
            lane("subscription_deliveries_total{default,app}", 2.0),
            lane("subscription_failures_total{default,app}", 1.0),
            lane("subscription_voided_total{default,app}", 1.0),
        ]
    );
    assert_eq!((after.lane("parked"), after.app("parked")), (1.0, 1.0));
    assert_eq!(after.lane("in_flight"), 0.0);
    assert_eq!(after.lane("subscriptions_delayed"), 0.0);
    assert_eq!(after.app("failed_attempts"), 0.0);
    assert_eq!(after.app("lag_sequences"), 0.0);
    assert_eq!(after.get("photinus_ack_latency_seconds{scripted}"), 3.0);

    // An ack, an ack with an answer, and a pause.
    let before = after;
    bench.publish(["3", "4"]).await;
    let (three, four) = (bench.delivery().await, bench.delivery().await);
    bench.answer(&three, Outcome::ack());
    let reply = Some(Box::default());
    bench.answer(&four, Outcome::Acknowledge { reply });
    let answer = bench.delivery().await;
    let pause = Outcome::Pause {
        until: None,
        reason: reason(),
    };
    bench.answer(&answer, pause);
    settle().await;
    let after = Figures::of(&bench).await;
    let changes = after.since(&before);
    for (name, more) in [
        ("photinus_outcomes_total{default,scripted,ack}", 1.0),
        ("photinus_outcomes_total{default,scripted,reply}", 1.0),
        ("photinus_outcomes_total{default,scripted,pause}", 1.0),
        (
            "photinus_messages_published_total{default,broadcast,reply}",
            1.0,
        ),
    ] {
        assert_eq!(changes.get(name), Some(&more), "{name} in {changes:#?}");
    }
    assert_eq!(after.lane("subscriptions_paused"), 1.0);
    assert_eq!(after.app("paused"), 1.0);
    assert_eq!(after.app("lag_sequences"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_does_not_take_is_counted_by_reason_and_is_no_delivery() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    let connection = bench.connect("a", "app");
    bench
        .transport
        .answer_hand_overs([HandOver::Busy(Wait::Connection)]);
    bench.publish(["1"]).await;
    let _ = bench.delivery().await;
    bench
        .transport
        .answer_hand_overs([HandOver::Failed("no".to_owned())]);
    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Ready);
    let _ = bench.delivery().await;
    bench.transport.answer_hand_overs([HandOver::Closed]);
    let _ = bench.delivery().await;
    bench.connect("b", "app");
    let taken = bench.delivery().await;
    bench.answer(&taken, Outcome::ack());
    settle().await;
    let figures = Figures::of(&bench).await;
    for reason in ["busy", "failed", "closed"] {
        let name = format!("photinus_hand_overs_refused_total{{default,scripted,{reason}}}");
        assert_eq!(figures.get(&name), 1.0, "{reason}");
    }
    assert_eq!(figures.lane("deliveries_total"), 1.0);
    assert_eq!(figures.app("failures_total"), 1.0);
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_batch_are_counted_one_by_one() {
    let bench = Bench::new().await;
    let options = json!({"batch": true, "readAhead": 3, "batchTimeout": "1s"});
    bench.subscribe("app", options).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    let batch = bench.batch().await;
    settle().await;
    assert_eq!(Figures::of(&bench).await.lane("in_flight"), 3.0);
    let park = Outcome::Park {
        reason: String::new(),
    };
    let response = Response::new(batch.subscription.id, batch.id, Outcome::ack());
    let response = response.with_items(vec![(batch.items[1].id, park)]);
    bench.callbacks.respond(&batch.connection, response);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("deliveries_total"), 3.0);
    assert_eq!(figures.lane("delivery_batches_total"), 1.0);
    for (outcome, count) in [("ack", 2.0), ("park", 1.0), ("retry", 0.0)] {
        let name = format!("photinus_outcomes_total{{default,scripted,{outcome}}}");
        assert_eq!(figures.get(&name), count, "{outcome}");
    }
    assert_eq!(figures.lane("in_flight"), 0.0);
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_leaves_nothing_in_flight_and_the_lag_stays_known() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({"readAhead": 4})).await;
    let connection = bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    let first = bench.delivery().await;
    bench.answer(&first, Outcome::ack());
    let _ = bench.tags(2).await;
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_connections{scripted}"), 1.0);
    assert_eq!(figures.app("in_flight"), 2.0);
    bench.callbacks.connection_closed(&connection);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_connections{scripted}"), 0.0);
    assert_eq!(figures.get("photinus_connections_opened_total"), 1.0);
    assert_eq!(figures.lane("in_flight"), 0.0);
    assert_eq!(
        (figures.app("in_flight"), figures.app("active")),
        (0.0, 0.0)
    );
    assert_eq!(figures.lane("subscriptions_active"), 0.0);
    assert_eq!(figures.app("lag_sequences"), 2.0);
    assert_eq!(figures.lane("lag_sequences_max"), 2.0);
    assert_eq!(figures.lane("subscriptions_behind"), 1.0);
    let connection = bench.connect("b", "app");
    assert_eq!(bench.drain(2).await, ["2", "3"]);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("subscriptions_behind"), 0.0);
    assert_eq!(figures.lane("deliveries_total"), 5.0);
    // Three outcomes, and what the closed connection had is forgotten.
    assert_eq!(figures.get("photinus_ack_latency_seconds{scripted}"), 3.0);
    bench.callbacks.connection_closed(&connection);
}

#[tokio::test(start_paused = true)]
async fn how_far_behind_a_subscription_is_is_known_after_a_restart_though_nobody_serves_it() {
    let bench = Bench::new().await;
    let created = bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1", "2", "3"]).await;
    let park = Outcome::Park {
        reason: String::new(),
    };
    let one = bench.delivery().await;
    bench.answer(&one, park);
    let _ = bench.delivery().await;
    assert_eq!(bench.offset(created.id).await, 1);
    let bench = bench.restart().await;
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.app("offset_sequence"), 1.0);
    assert_eq!(figures.app("lag_sequences"), 2.0);
    assert_eq!(figures.app("parked"), 1.0);
    // Read from the log, because the tail begins behind it.
    assert!(figures.app("oldest_unsettled_seconds") >= 0.0);
    // Nothing happens, and it is not settled any the less: a change keeps what is known.
    let changed = input("app", json!({"topic": "x"}), json!({}));
    bench
        .handle
        .put_subscription("default", changed)
        .await
        .unwrap();
    assert_eq!(Figures::of(&bench).await.app("lag_sequences"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn the_figures_of_few_subscriptions_are_shown_and_all_are_in_the_sums() {
    let bench = Bench::new().await;
    bench.publish(["1", "2", "3", "4"]).await;
    for (name, start) in [
        ("a", "2"),
        ("b", "0"),
        ("c", "newest"),
        ("d", "2"),
        ("e", "3"),
    ] {
        bench.subscribe(name, json!({"firstEvent": start})).await;
    }
    let shown = |figures: &Figures| -> Vec<String> {
        let names = figures.0.keys().filter_map(|name| {
            let name = name.strip_prefix("photinus_subscription_lag_sequences{default,")?;
            Some(name.trim_end_matches('}').to_owned())
        });
        names.collect()
    };
    for (max, names) in [
        (0, &[][..]),
        (1, &["b"]),
        (2, &["a", "b"]),
        (3, &["a", "b", "d"]),
        (4, &["a", "b", "d", "e"]),
        (5, &["a", "b", "c", "d", "e"]),
        (9, &["a", "b", "c", "d", "e"]),
    ] {
        let figures = Figures::at_most(&bench, max).await;
        assert_eq!(shown(&figures), names, "at most {max}");
        let left_out = 5_usize.saturating_sub(max) as f64;
        assert_eq!(figures.get("photinus_subscriptions_left_out"), left_out);
        assert_eq!(figures.lane("subscriptions"), 5.0);
        assert_eq!(figures.lane("subscriptions_behind"), 4.0);
        assert_eq!(figures.lane("lag_sequences"), 9.0);
        assert_eq!(figures.lane("lag_sequences_max"), 4.0);
    }
}

#[tokio::test(start_paused = true)]
async fn ephemeral_subscriptions_are_counted_and_never_shown() {
    let bench = Bench::new().await;
    let connection = photinus_contract::ConnectionId::new("a");
    let started = bench.callbacks.ephemeral_subscription(
        &connection,
        "default",
        Default::default(),
        Default::default(),
    );
    started.unwrap();
    bench.publish(["1"]).await;
    assert_eq!(bench.drain(1).await, ["1"]);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("ephemeral_subscriptions"), 1.0);
    assert_eq!(figures.lane("subscriptions"), 0.0);
    assert_eq!(figures.lane("subscriptions_active"), 0.0);
    assert_eq!(figures.lane("deliveries_total"), 1.0);
    assert!(
        figures
            .0
            .keys()
            .all(|name| !name.contains("photinus_subscription_"))
    );
    bench.callbacks.connection_closed(&connection);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.lane("ephemeral_subscriptions"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn who_catches_up_is_fed_by_pages_and_who_keeps_up_by_the_tail() {
    let store = MemoryStore::new();
    let bench = Bench::on(store, EngineConfig::default()).await;
    bench.publish(["1", "2", "3"]).await;
    let bench = bench.restart().await;
    bench
        .subscribe_filtered(
            "app",
            json!({"message": {"tag": "^[23]$"}}),
            json!({"readAhead": 9}),
        )
        .await;
    bench.connect("a", "app");
    assert_eq!(bench.drain(2).await, ["2", "3"]);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_feeds_total{pages}"), 1.0);
    assert_eq!(figures.get("photinus_feeds_total{tail}"), 0.0);
    assert_eq!(figures.get("photinus_pages_read_total"), 1.0);
    assert_eq!(figures.get("photinus_matcher_events_total"), 3.0);
    assert_eq!(figures.get("photinus_matcher_matches_total"), 2.0);
    assert!(figures.get("photinus_pages_bytes") > 1_000.0);
    bench.publish(["2"]).await;
    assert_eq!(bench.drain(1).await, ["2"]);
    settle().await;
    let figures = Figures::of(&bench).await;
    assert_eq!(figures.get("photinus_feeds_total{pages}"), 1.0);
    assert_eq!(figures.get("photinus_feeds_total{tail}"), 1.0);
    assert!(figures.get("photinus_offset_writes_total{written}") >= 1.0);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_refuses_writes_nobody_is_told_to_come() {
    let bench = Bench::new().await;
    assert_eq!(bench.handle.readiness(), Ok(()));
    bench.store.fail_writes(Some(full()));
    let refused = bench
        .handle
        .publish("default", MessageKind::Broadcast, Default::default());
    assert_eq!(refused.await.unwrap_err().code(), "PH00503");
    let why = "the store refuses writes: no space left: a test says so";
    assert_eq!(bench.handle.readiness(), Err(why.to_owned()));
    assert_eq!(Figures::of(&bench).await.get("photinus_store_failing"), 1.0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.handle.readiness(), Err(why.to_owned()));
    // Nobody publishes, and nothing is left behind.
    bench.store.fail_writes(None);
    settle().await;
    assert_eq!(bench.handle.readiness(), Ok(()));
    assert_eq!(Figures::of(&bench).await.get("photinus_store_failing"), 0.0);
    assert!(
        bench
            .handle
            .messages("default", 0, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_position_that_cannot_be_written_tells_as_much_as_a_message() {
    let bench = Bench::new().await;
    bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    bench.publish(["1"]).await;
    let delivery = bench.delivery().await;
    bench.store.fail_writes(Some(full()));
    bench.answer(&delivery, Outcome::ack());
    settle().await;
    assert!(bench.handle.readiness().is_err());
    assert!(
        Figures::of(&bench)
            .await
            .get("photinus_offset_writes_total{failed}")
            >= 1.0
    );
    bench.store.fail_writes(None);
    settle().await;
    assert_eq!(bench.handle.readiness(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_says_so() {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::start(Parts::new(store, EngineConfig::default())).await;
    let engine = engine.unwrap();
    let handle = engine.handle();
    engine.shutdown().await.unwrap();
    assert_eq!(handle.readiness(), Err("stopping".to_owned()));
}
