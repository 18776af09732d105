//! Does a listener hear what the engine delivers, as any application would?

use std::num::NonZeroUsize;
use std::time::Duration;

use photinus_contract::scripted::Scripted;
use photinus_contract::{CodedError, Event};
use photinus_transport_system::Listener;
use serde_json::{Value, json};

use crate::api::Api;

const BROADCAST: &str = "/api/v1/messages/broadcast";

impl Api {
    fn try_listen(&self, ns: &str, filter: Value, options: Value) -> Result<Listener, CodedError> {
        let filter = serde_json::from_value(filter).unwrap();
        let options = serde_json::from_value(options).unwrap();
        self.listeners.listen(ns, filter, options)
    }

    fn listen(&self, filter: Value, options: Value) -> Listener {
        self.try_listen("default", filter, options).unwrap()
    }

    async fn publish(&self, topics: impl IntoIterator<Item = String>) {
        for topic in topics {
            let body = json!({"header": {"topics": [topic]}, "data": [{"value": topic}]});
            self.post(BROADCAST, body).await.json(202);
        }
    }
}

async fn topics(listener: &mut Listener, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    let many = NonZeroUsize::new(7).unwrap();
    while heard.len() < count {
        let events = tokio::time::timeout(Duration::from_secs(60), listener.next_batch(many));
        let events = events.await.expect("nothing is heard");
        heard.extend(events.iter().map(|heard| heard.event().topic().to_owned()));
    }
    heard
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("t{number}")).collect()
}

#[tokio::test]
async fn a_slow_listener_holds_up_nobody_else_and_misses_nothing() {
    let section = json!({"queue_events_max": 2});
    let api = Api::with_system(json!({}), Scripted::new(), section).await;
    let mut slow = api.listen(json!({}), json!({"readAhead": 9}));
    let mut fast = api.listen(json!({}), json!({"readAhead": 9}));
    api.publish(names(0..50)).await;
    assert_eq!(topics(&mut fast, 50).await, names(0..50));
    assert_eq!(topics(&mut slow, 50).await, names(0..50));
}

#[tokio::test(start_paused = true)]
async fn what_is_to_come_again_comes_again_with_all_that_follows() {
    let api = Api::new().await;
    let options = json!({"readAhead": 4, "withData": true});
    let mut listener = api.listen(json!({"topic": "^t"}), options);
    api.publish(names(0..3)).await;
    let first = listener.next().await.unwrap();
    assert_eq!(first.data().unwrap()[0].value.get(), r#""t0""#);
    first.retry(Some(Duration::from_secs(1)), "not now");
    // What was on its way before the answer is heard as well.
    let again = loop {
        let heard = listener.next().await.unwrap();
        if heard.event().topic() == "t0" {
            break heard;
        }
        assert_eq!(heard.attempt(), 1);
    };
    assert_eq!(again.attempt(), 2);
    assert_eq!(topics(&mut listener, 2).await, names(1..3));
}

#[tokio::test]
async fn a_listener_hears_from_its_start_on_or_from_where_it_asked() {
    let api = Api::new().await;
    api.publish(names(0..2)).await;
    let mut newest = api.listen(json!({}), json!({}));
    let mut oldest = api.listen(json!({}), json!({"firstEvent": "oldest"}));
    api.publish(names(2..3)).await;
    assert_eq!(topics(&mut newest, 1).await, names(2..3));
    assert_eq!(topics(&mut oldest, 3).await, names(0..3));
    let event: Event = {
        api.publish(names(3..4)).await;
        newest.next().await.unwrap().event().clone()
    };
    assert_eq!(event.topic(), "t3");
}

#[tokio::test]
async fn a_listener_is_refused_as_an_ephemeral_subscription_is() {
    let api = Api::new().await;
    for (namespace, filter, options, code) in [
        ("nowhere", json!({}), json!({}), "FF10436"),
        ("default", json!({"topic": "("}), json!({}), "FF10171"),
        ("default", json!({}), json!({"batch": true}), "FF10461"),
        ("default", json!({}), json!({"firstEvent": "x"}), "FF10191"),
    ] {
        let refused = api.try_listen(namespace, filter, options).err().unwrap();
        assert_eq!(refused.code(), code);
    }
    let durable = json!({"name": "app", "transport": "system"});
    api.post("/api/v1/subscriptions", durable)
        .await
        .is_error(400, "FF10266");
}
