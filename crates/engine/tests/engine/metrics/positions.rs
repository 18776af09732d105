//! Is it told where subscriptions are, what feeds them, and whether the server is well?

use super::*;

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
    assert!(bench.messages().await.is_empty());
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
