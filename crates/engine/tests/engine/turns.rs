//! Does an event wait for nothing, and does nobody wake up for nothing?

use std::time::Duration;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{HandOver, Outcome, Response, Wait};
use photinus_engine::EngineConfig;
use photinus_engine::metrics::{Family, Sink, Value};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::{Bench, tag};

/// How often the one shard has looked for something to do.
async fn turns(bench: &Bench) -> f64 {
    #[derive(Default)]
    struct Turns(f64);
    impl Sink for Turns {
        fn put(&mut self, family: &'static Family, _: &[&str], value: Value<'_>) {
            if let ("photinus_shard_turns_total", Value::Number(value)) = (family.name, value) {
                self.0 = value;
            }
        }
    }
    let mut turns = Turns::default();
    bench.handle.collect(0, &mut turns).await;
    turns.0
}

/// Lets everything happen that needs no time to pass.
async fn let_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn bench_of_one_shard() -> Bench {
    let mut config = EngineConfig::default();
    config.shards = 1;
    Bench::on(MemoryStore::new(), config).await
}

#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_settled_and_written_in_a_few_turns_and_waits_for_no_timer() {
    let bench = bench_of_one_shard().await;
    let created = bench.subscribe("app", json!({})).await;
    bench.connect("a", "app");
    for n in 1..=5 {
        // Everything of before is written, and nobody waits for anything.
        tokio::time::sleep(Duration::from_secs(100)).await;
        let (before, since) = (turns(&bench).await, tokio::time::Instant::now());
        bench.publish(["x"]).await;
        let delivery = bench.delivery().await;
        assert_eq!(since.elapsed(), Duration::ZERO, "it waited for a timer");
        let_run().await;
        let delivered = turns(&bench).await;
        assert!(delivered - before <= 2.0, "{}", delivered - before);

        bench.answer(&delivery, Outcome::ack());
        let_run().await;
        let settled = turns(&bench).await;
        assert!(settled - delivered <= 1.0, "{}", settled - delivered);
        assert_eq!(since.elapsed(), Duration::ZERO, "it waited for a timer");

        // The position is written soon after: when it is time, and when it was.
        assert_eq!(bench.offset(created.id).await, n);
        let written = turns(&bench).await;
        assert!(written - settled <= 3.0, "{}", written - settled);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_engine_does_not_turn() {
    let bench = bench_of_one_shard().await;
    for n in 0..20 {
        let name = format!("app{n}");
        bench.subscribe(&name, json!({"readAhead": n})).await;
        bench.connect(&name, &name);
    }
    bench.publish(["x"]).await;
    bench.drain(20).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let before = turns(&bench).await;
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(turns(&bench).await - before, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_events_is_handed_over_and_settled_in_as_few_turns_as_one() {
    let bench = bench_of_one_shard().await;
    let created = bench.subscribe("app", json!({"readAhead": 499})).await;
    for _ in 0..500 {
        bench.publish(["x"]).await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    let before = turns(&bench).await;
    let connection = bench.connect("a", "app");
    let mut responses = Vec::new();
    for _ in 0..500 {
        let id = bench.delivery().await.id;
        responses.push(Response::new(created.id, id, Outcome::ack()));
    }
    let delivered = turns(&bench).await;
    assert!(delivered - before <= 5.0, "{}", delivered - before);
    bench.callbacks.respond_all(&connection, responses);
    let_run().await;
    let settled = turns(&bench).await;
    assert!(settled - delivered <= 1.0, "{}", settled - delivered);
    assert_eq!(bench.offset(created.id).await, 500);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_in_the_middle_of_a_run_the_rest_comes_in_order_and_once() {
    let (ok, failed) = (HandOver::Ok, HandOver::Failed(String::new()));
    let busy = HandOver::Busy(Wait::Connection);
    for refused in [busy, failed] {
        let bench = Bench::new().await;
        bench.subscribe("app", json!({"readAhead": 9})).await;
        let tags = ["1", "2", "3", "4", "5", "6"];
        bench.publish(tags).await;
        let answers = [ok.clone(), ok.clone(), refused.clone(), ok.clone()];
        bench.transport.answer_hand_overs(answers);
        let connection = bench.connect("a", "app");
        assert_eq!(bench.tags(3).await, ["1", "2", "3"]);
        if let HandOver::Busy(_) = refused {
            // What it has taken stays with it, and the rest comes when it is ready.
            bench.assert_quiet().await;
            let ready = ConnectionState::Ready;
            let all = Scope::All;
            bench.callbacks.connection_state(&connection, all, ready);
            let rest = bench.deliveries(4).await;
            let attempts: Vec<_> = rest.iter().map(|delivery| delivery.attempt).collect();
            assert_eq!(rest.iter().map(tag).collect::<Vec<_>>(), tags[2..]);
            assert_eq!(attempts, [1; 4]);
        } else {
            // A failure goes back to the offset, and counts for that event alone.
            for _ in 0..2 {
                bench.voided().await;
            }
            let again = bench.deliveries(6).await;
            let attempts: Vec<_> = again.iter().map(|delivery| delivery.attempt).collect();
            assert_eq!(again.iter().map(tag).collect::<Vec<_>>(), tags);
            assert_eq!(attempts, [1, 1, 2, 1, 1, 1]);
        }
        bench.assert_quiet().await;
    }
}
