//! What holds for those that have read everything, while what they do not want passes?

use std::time::Duration;

use photinus_contract::Outcome;
use photinus_contract::store::Offsets;
use photinus_engine::EngineConfig;
use photinus_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::bench::{Bench, tag};

fn only(tag: &str) -> Value {
    json!({"message": {"tag": format!("^{tag}$")}})
}

async fn on(config: Value) -> Bench {
    let config: EngineConfig = serde_json::from_value(config).unwrap();
    Bench::on(MemoryStore::new(), config).await
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_touched_goes_on_where_the_log_was_when_the_server_stopped() {
    let bench = Bench::new().await;
    let app = bench.subscribe_filtered("app", only("wanted"), json!({}));
    let app = app.await.id;
    bench.connect("a", "app");
    settle().await;
    for _ in 0..20 {
        bench.publish(["other"]).await;
    }
    let bench = bench.restart().await;
    assert_eq!(bench.store.offset(app).await.unwrap().unwrap().offset.0, 20);
    bench.publish(["wanted", "other"]).await;
    bench.connect("b", "app");
    let wanted = bench.delivery().await;
    assert_eq!(
        (tag(&wanted).as_str(), wanted.event.sequence().0),
        ("wanted", 21)
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_touched_loses_nothing_in_a_crash() {
    let bench = Bench::new().await;
    let app = bench.subscribe_filtered("app", only("wanted"), json!({}));
    let app = app.await.id;
    bench.connect("a", "app");
    settle().await;
    bench.publish(["other", "other"]).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    let offset =
        |store: MemoryStore| async move { store.offset(app).await.unwrap().unwrap().offset.0 };
    assert_eq!(
        offset(bench.store.clone()).await,
        2,
        "written after a while"
    );
    bench.publish(["other", "wanted", "other"]).await;
    let wanted = bench.delivery().await;
    settle().await;
    let store = bench.store.crash();
    assert_eq!(offset(store.clone()).await, 2);
    let bench = Bench::on(store, EngineConfig::default()).await;
    bench.connect("b", "app");
    let again = bench.delivery().await;
    assert_eq!(again.event.sequence(), wanted.event.sequence());
    bench.answer(&again, Outcome::ack());
    settle().await;
    bench.assert_quiet().await;
    assert_eq!(bench.offset(app).await, 5);
}

#[tokio::test(start_paused = true)]
async fn positions_of_those_that_pass_are_written_after_so_many_events() {
    let bench = on(json!({"idle_offset_events_max": 10, "idle_offset_flush_ms": 3_600_000})).await;
    let mut apps = Vec::new();
    for name in ["a", "b", "c"] {
        let app = bench.subscribe_filtered(name, only(name), json!({}));
        apps.push(app.await.id);
        bench.connect(name, name);
    }
    settle().await;
    for _ in 0..25 {
        bench.publish(["other"]).await;
        settle().await;
    }
    for app in apps {
        let offset = bench.store.offset(app).await.unwrap().unwrap().offset.0;
        assert!((20..=25).contains(&offset), "{offset}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_looked_at_once_for_all_of_a_shard() {
    let bench = on(json!({"shards": 1})).await;
    for n in 0..100 {
        let name = format!("app-{n}");
        bench
            .subscribe_filtered(&name, only(&name), json!({}))
            .await;
        bench.connect(&name, &name);
    }
    settle().await;
    for n in [5, 17, 1_000] {
        bench.publish([format!("app-{n}").as_str()]).await;
    }
    assert_eq!(bench.drain(2).await, ["app-5", "app-17"]);
    settle().await;
    let [events, matches] = figures(
        &bench,
        ["matcher_events_total{}", "matcher_matches_total{}"],
    )
    .await;
    assert_eq!((events, matches), (3.0, 2.0));
}

#[tokio::test(start_paused = true)]
async fn one_that_fills_and_becomes_live_again_gets_everything_once_in_order() {
    for options in [
        json!({"readAhead": 0}),
        json!({"readAhead": 2}),
        json!({"readAhead": 3, "withData": true}),
    ] {
        let bench = on(json!({"shards": 1})).await;
        bench
            .subscribe_filtered("app", json!({"message": {"tag": "^w"}}), options)
            .await;
        bench.connect("a", "app");
        settle().await;
        let (mut published, mut got) = (Vec::new(), Vec::new());
        for n in 0..60 {
            let wanted = format!("w{n}");
            bench.publish(["other", &wanted]).await;
            published.push(wanted);
            // It is full, or live, or on its way, at the next event.
            if n % 7 == 6 {
                got.extend(bench.drain(5).await);
            }
            if n % 5 == 0 {
                settle().await;
            }
        }
        let rest = published.len() - got.len();
        got.extend(bench.drain(rest).await);
        assert_eq!(got, published);
        bench.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pass_reads_what_the_tail_has_lost() {
    let bench = on(json!({"shards": 1, "tail_bytes_max": 1, "page_records_max": 3})).await;
    let app = bench
        .subscribe_filtered("app", only("wanted"), json!({}))
        .await
        .id;
    let idle = bench
        .subscribe_filtered("idle", only("nothing"), json!({}))
        .await
        .id;
    bench.connect("a", "app");
    bench.connect("b", "idle");
    settle().await;
    for _ in 0..10 {
        // The shard does not run before all of them are there.
        let publish = (0..10).map(|n| match n {
            4 => "wanted",
            _ => "other",
        });
        let publish = publish.map(|tag| bench.send(json!({"header": {"tag": tag}})));
        futures_util::future::join_all(publish).await;
        assert_eq!(bench.drain(1).await, ["wanted"]);
    }
    assert_eq!(bench.offset(app).await, 100);
    assert_eq!(bench.offset(idle).await, 100);
    let [pages] = figures(&bench, ["feeds_total{pages}"]).await;
    assert!(pages > 0.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_begins_behind_the_head_does_not_keep_others_from_being_live() {
    let bench = on(json!({"shards": 1})).await;
    let ahead = json!({"firstEvent": "5"});
    let ahead = bench.subscribe("ahead", ahead).await.id;
    let app = bench.subscribe("app", json!({})).await.id;
    bench.connect("a", "ahead");
    settle().await;
    bench.connect("b", "app");
    settle().await;
    let names = ["pages_read_total{}", "shard_turns_total{}"];
    let before = figures(&bench, names).await;
    settle().await;
    let after = figures(&bench, names).await;
    assert_eq!(after, before, "both wait");
    bench.publish(["1", "2", "3", "4", "5", "6"]).await;
    let mut got = bench.drain(7).await;
    got.sort_unstable();
    assert_eq!(got, ["1", "2", "3", "4", "5", "6", "6"]);
    settle().await;
    assert_eq!((bench.offset(ahead).await, bench.offset(app).await), (6, 6));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_that_start_and_end_while_events_flow_miss_nothing() {
    let bench = on(json!({"shards": 2})).await;
    let mut sent = 0;
    for round in 0..30 {
        let name = format!("app-{round}");
        let filter = only(&name);
        let app = bench
            .subscribe_filtered(&name, filter, json!({"readAhead": 1}))
            .await
            .id;
        bench.publish([name.as_str()]).await;
        let connection = bench.connect(&name, &name);
        bench.publish(["other", &name]).await;
        sent += 3;
        assert_eq!(bench.drain(2).await, [name.clone(), name.clone()]);
        if round % 3 == 0 {
            bench.callbacks.connection_closed(&connection);
            bench.publish([name.as_str(), "other"]).await;
            sent += 2;
            bench.connect(&format!("again-{round}"), &name);
            assert_eq!(bench.drain(1).await, std::slice::from_ref(&name));
        }
        if round % 5 == 0 {
            settle().await;
            bench
                .handle
                .delete_subscription("default", app)
                .await
                .unwrap();
            bench.publish([name.as_str()]).await;
            sent += 1;
        }
    }
    bench.assert_quiet().await;
    for subscription in bench.handle.subscriptions("default") {
        assert_eq!(bench.offset(subscription.id).await, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_one_that_is_not_touched_is_known() {
    let bench = Bench::new().await;
    bench
        .subscribe_filtered("app", only("wanted"), json!({"readAhead": 5}))
        .await;
    bench.connect("a", "app");
    settle().await;
    let figures = || {
        figures(
            &bench,
            [
                "subscription_offset_sequence{default,app}",
                "subscription_lag_sequences{default,app}",
                "subscription_oldest_unsettled_seconds{default,app}",
            ],
        )
    };
    bench.publish(["other", "other", "other"]).await;
    settle().await;
    assert_eq!(figures().await, [3.0, 0.0, 0.0]);
    bench.publish(["other", "wanted", "other"]).await;
    let wanted = bench.delivery().await;
    bench.publish(["other"]).await;
    settle().await;
    let [offset, lag, age] = figures().await;
    assert_eq!((offset, lag), (4.0, 3.0), "what is unsettled holds it");
    assert!(age > 0.0, "{age}");
    bench.answer(&wanted, Outcome::ack());
    settle().await;
    bench.publish(["other"]).await;
    settle().await;
    assert_eq!(figures().await, [8.0, 0.0, 0.0]);
}

async fn figures<const N: usize>(bench: &Bench, names: [&str; N]) -> [f64; N] {
    let figures = crate::metrics::Figures::of(bench).await;
    names.map(|name| figures.get(&format!("photinus_{name}")))
}
