//! Does a list read what it needs of the log, and no more than it may hold?

use futures_util::FutureExt;
use photinus_contract::{Event, EventType};
use photinus_engine::lists::{EVENTS, ListedMessage, MESSAGES, Query};
use photinus_engine::{EngineConfig, Handle};
use photinus_store_memory::MemoryStore;
use serde_json::json;

use crate::bench::Bench;

fn events(text: &str) -> Query<Event> {
    Query::new(&EVENTS, pairs(text).into_iter()).unwrap()
}

fn messages(text: &str) -> Query<ListedMessage> {
    Query::new(&MESSAGES, pairs(text).into_iter()).unwrap()
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.filter_map(|pair| pair.split_once('=')).collect()
}

async fn sequences(handle: &Handle, text: &str) -> Vec<i64> {
    let listed = handle.events("default", &events(text)).await.unwrap();
    let sequences = listed.items.iter().map(|event| event.sequence().0);
    sequences.collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_over_many_pages_of_the_log() {
    let mut config = EngineConfig::default();
    // Some three messages.
    config.page_bytes_max = 4_000;
    let bench = Bench::on(MemoryStore::default(), config).await;
    for number in 0..600 {
        let topics = if number % 2 == 0 {
            json!(["a"])
        } else {
            json!(["b", "c"])
        };
        bench.send(json!({"header": {"topics": topics}})).await;
    }
    let all: Vec<i64> = (1..=900).rev().collect();
    assert_eq!(sequences(&bench.handle, "limit=1000").await, all);
    assert_eq!(
        sequences(&bench.handle, "limit=3&skip=500").await,
        [400, 399, 398]
    );
    assert_eq!(sequences(&bench.handle, "limit=3&skip=999").await, [0; 0]);
    let (a, b): (Vec<i64>, Vec<i64>) = all.iter().partition(|sequence| *sequence % 3 == 1);
    assert_eq!(sequences(&bench.handle, "limit=1000&topic=a").await, a);
    let found = sequences(&bench.handle, "limit=1000&topic=b&topic=c&sort=sequence").await;
    assert_eq!(found, b.into_iter().rev().collect::<Vec<_>>());
    for (query, expected) in [
        ("sequence=>=899", vec![900, 899]),
        ("sequence=[>=449&sequence=[<=451", vec![451, 450, 449]),
        // In the middle of a message.
        ("sequence=[>=449&sequence=[<450", vec![449]),
        ("sequence=2&sequence=800", vec![800, 2]),
        ("sequence=<3", vec![2, 1]),
        ("sequence=<-9223372036854775807", vec![]),
        ("sequence=>9223372036854775806", vec![]),
    ] {
        assert_eq!(sequences(&bench.handle, query).await, expected, "{query}");
    }
    let query = events("limit=1&count=true&topic=b");
    let counted = bench.handle.events("default", &query).await.unwrap();
    assert_eq!((counted.items.len(), counted.total), (1, Some(300)));
}

#[tokio::test(start_paused = true)]
async fn a_list_can_be_stopped_between_any_two_pages() {
    let bench = Bench::new().await;
    bench.publish(["1", "2", "3"]).await;
    for text in ["", "topic=x&count=true", "sort=topic", "sequence=>1"] {
        let query = events(text);
        let list = bench.handle.events("default", &query);
        assert!(list.now_or_never().is_none(), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_holds_no_more_bytes_than_it_may() {
    let mut config = EngineConfig::default();
    config.message_bytes_max = 100_000;
    config.list_bytes_max = 150_000;
    let bench = Bench::on(MemoryStore::default(), config).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        let value = "x".repeat(10_000);
        let header = json!({"tag": format!("t{number}"), "topics": ["a", "b"]});
        let sent = bench.send(json!({"header": header, "data": [{"value": value}]}));
        ids.push(sent.await.id.to_string());
    }
    for (text, fits) in [
        ("limit=9", true),
        ("limit=15", false),
        ("limit=1&skip=15", true),
        ("limit=1&count=true", true),
        ("limit=1&tag=t0", true),
        ("limit=5&sort=tag", true),
        ("limit=15&sort=tag", false),
        ("tag=none", true),
    ] {
        let listed = bench.handle.messages("default", &messages(text)).await;
        let refused = listed.err().map(|error| error.code().to_owned());
        assert_eq!(refused, (!fits).then(|| "PH00414".to_owned()), "{text}");
    }
    // The events of a message share it.
    for (text, fits) in [
        ("limit=18", true),
        ("limit=30", false),
        ("limit=9&topic=a", true),
    ] {
        let listed = bench.handle.events("default", &events(text)).await;
        assert_eq!(listed.is_ok(), fits, "{text}");
    }
    let by_ids = |count: usize| {
        let ids: Vec<_> = ids[..count].iter().map(|id| format!("id={id}")).collect();
        messages(&ids.join("&"))
    };
    let some = bench.handle.messages("default", &by_ids(9)).await.unwrap();
    assert_eq!(some.items.len(), 9);
    let many = bench.handle.messages("default", &by_ids(20)).await;
    assert_eq!(many.unwrap_err().code(), "PH00414");
}

#[tokio::test(start_paused = true)]
async fn ids_are_looked_up() {
    let bench = Bench::new().await;
    let published = bench.publish(["1", "2", "3"]).await;
    let id = |index: usize| published[index].id;
    let found = format!("id={}&id={}&id=none", id(2).event(0), id(0).event(0));
    assert_eq!(sequences(&bench.handle, &found).await, [3, 1]);
    let found = format!("reference={0}&reference={1}&reference={0}", id(0), id(1));
    assert_eq!(sequences(&bench.handle, &found).await, [2, 1]);
    // A part of the record is not what was asked for.
    for text in [
        format!("id={}", id(0)),
        format!("id={}", id(0).event(1)),
        format!("reference={}", id(0).event(0)),
        format!("id={}", id(0).event(0))
            .to_uppercase()
            .replace("ID=", "id="),
        format!("id={}&sequence=2", id(0).event(0)),
    ] {
        assert_eq!(sequences(&bench.handle, &text).await, [0; 0], "{text}");
    }
    let query = messages(&format!("id={}", id(1)));
    let listed = bench.handle.messages("default", &query).await.unwrap();
    let record = listed.items[0].record();
    assert_eq!(record.content.tag(), "2");
    assert_eq!(record.content.kind, EventType::MessageConfirmed);
}
