//! What does an application of an MQTT broker see of an event?

use std::time::Duration;

use photinus_brokers::MosquittoOptions;
use photinus_e2e::MqttApp;
use serde_json::{Value, json};

use super::{Feed, mosquitto, publish, start, target, with_mosquitto};

fn body(message: &Value) -> Value {
    serde_json::from_str(message["body"].as_str().unwrap()).unwrap()
}

#[test]
fn a_message_is_the_delivered_event_with_its_metadata() {
    let server = with_mosquitto();
    let rest = server.rest();
    let app = MqttApp::subscribed(mosquitto().port(), "shapes/#", json!({}));
    let options = json!({"topic": "shapes/{namespace}/{type}/{data.place}", "qos": 2, "messageExpiry": "90s",
        "userProperties": {"team": "a"}});
    let feed = Feed::new(&rest, "mqtt", "plain", options);
    let sent = publish(&rest, "orders", json!({"place": "a/b+c#"}));
    let message = app.next();
    let event = body(&message);
    assert_eq!(
        message["topic"],
        "shapes/default/message_confirmed/a%2Fb%2Bc%23"
    );
    assert_eq!(
        (&message["qos"], &message["retain"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(message["content_type"], "application/json");
    assert!(
        message["expiry"]
            .as_i64()
            .is_some_and(|left| (80..=90).contains(&left)),
        "{message}"
    );
    assert_eq!(event["message"]["header"]["id"], sent["header"]["id"]);
    assert_eq!(event["data"][0]["value"], json!({"place": "a/b+c#"}));
    let words = &message["words"];
    for (name, expected) in [
        ("photinus-namespace", "default"),
        ("photinus-type", "message_confirmed"),
        ("photinus-topic", "orders"),
        ("photinus-tag", "t"),
        ("photinus-sequence", "1"),
        ("photinus-subscription", "plain"),
        ("photinus-attempt", "1"),
        ("team", "a"),
    ] {
        assert_eq!(words[name], expected, "{name}");
    }
    assert_eq!(words["photinus-event"], event["id"]);
    assert!(words["traceparent"].as_str().unwrap().starts_with("00-"));
    feed.wait_for_offset(&rest, 1);
}

#[test]
fn the_content_is_what_the_subscription_says() {
    let server = with_mosquitto();
    let rest = server.rest();
    let app = MqttApp::subscribed(mosquitto().port(), "content/#", json!({}));
    for content in [
        "firefly",
        "data",
        "cloudevents-structured",
        "cloudevents-binary",
    ] {
        let options = json!({"topic": format!("content/{content}"), "content": content});
        Feed::new(&rest, "mqtt", content, options);
    }
    publish(&rest, "orders", json!({"a": [1, 2]}));
    for _ in 0..4 {
        let message = app.next();
        match message["topic"].as_str().unwrap() {
            "content/firefly" => {
                assert_eq!(body(&message)["data"][0]["value"], json!({"a": [1, 2]}))
            }
            "content/data" => assert_eq!(body(&message), json!({"a": [1, 2]})),
            "content/cloudevents-structured" => {
                assert_eq!(message["content_type"], "application/cloudevents+json");
                assert_eq!(body(&message)["subject"], "orders");
            }
            _ => {
                assert_eq!(body(&message), json!({"a": [1, 2]}));
                assert_eq!(message["words"]["specversion"], "1.0");
                assert_eq!(message["words"]["subject"], "orders");
            }
        }
    }
}

#[test]
fn the_last_message_of_a_topic_is_retained_where_that_is_asked_for() {
    let server = with_mosquitto();
    let rest = server.rest();
    let options = json!({"topic": "retained/{topic}", "retain": true, "content": "data", "qos": 0});
    let feed = Feed::new(&rest, "mqtt", "retained", options);
    publish(&rest, "t", json!(1));
    publish(&rest, "t", json!(2));
    feed.wait_for_offset(&rest, 2);
    let app = MqttApp::subscribed(mosquitto().port(), "retained/#", json!({}));
    let message = app.next();
    assert_eq!(
        (&message["body"], &message["retain"]),
        (&json!("2"), &json!(true))
    );
}

#[test]
fn nobody_there_is_a_delivery_or_not_as_the_subscription_says() {
    let server = with_mosquitto();
    let rest = server.rest();
    let delivers = Feed::new(&rest, "mqtt", "delivers", json!({"topic": "nobody/1"}));
    let options = json!({"topic": "nobody/2", "noSubscribers": "retry", "content": "data", "retryPolicy": {"delays": ["50ms"]}});
    let waits = Feed::new(&rest, "mqtt", "waits", options);
    publish(&rest, "t", json!(1));
    delivers.wait_for_offset(&rest, 1);
    waits.wait_for_reason(&rest, "nobody has subscribed");
    let app = MqttApp::subscribed(mosquitto().port(), "nobody/2", json!({}));
    assert_eq!(app.next()["body"], "1");
    waits.wait_for_offset(&rest, 1);
}

#[test]
fn a_broker_that_wants_little_at_once_gets_little_and_too_much_is_set_aside() {
    let small = MosquittoOptions::default()
        .line("max_inflight_messages 3")
        .line("max_packet_size 2000")
        .start();
    let server = start(&target("mqtt", &small.url()));
    let rest = server.rest();
    let app = MqttApp::subscribed(small.port(), "small/#", json!({}));
    let options = json!({"topic": "small/{topic}", "content": "data", "readAhead": 100});
    let feed = Feed::new(&rest, "mqtt", "small", options);
    for number in 0..50 {
        publish(&rest, "t", json!(number));
    }
    publish(&rest, "t", json!("x".repeat(3_000)));
    publish(&rest, "t", json!("end"));
    for number in 0..50 {
        assert_eq!(app.next()["body"], number.to_string());
    }
    assert_eq!(app.next()["body"], "\"end\"");
    feed.wait_for_offset(&rest, 52);
    let parked = feed.parked(&rest);
    assert_eq!(parked.len(), 1);
    assert!(
        parked[0]["reason"].as_str().unwrap().contains("2000 bytes"),
        "{parked:?}"
    );
    assert!(app.next_within(Duration::from_millis(200)).is_none());
}

#[test]
fn what_an_access_list_refuses_is_tried_again() {
    let narrow = MosquittoOptions::default()
        .user("app", "secret")
        .acl("user app\ntopic readwrite open/#\n")
        .start();
    let url = format!("mqtt://app:secret@127.0.0.1:{}", narrow.port());
    let server = start(&target("mqtt", &url));
    let rest = server.rest();
    let open = Feed::new(&rest, "mqtt", "open", json!({"topic": "open/{topic}"}));
    let closed = Feed::new(&rest, "mqtt", "closed", json!({"topic": "closed/{topic}"}));
    publish(&rest, "t", json!(1));
    open.wait_for_offset(&rest, 1);
    closed.wait_for_reason(&rest, "NotAuthorized");
    closed.assert_unsettled(&rest);
}
