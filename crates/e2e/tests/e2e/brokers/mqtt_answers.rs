//! Does an application of an MQTT broker have the last word, if that is asked for?

use std::time::Duration;

use photinus_e2e::{MqttApp, wait_for};
use serde_json::{Value, json};

use super::{Feed, messages, mosquitto, publish, with_mosquitto};

fn nack(action: &str, reason: &str) -> Value {
    json!({"words": {"photinus-outcome": "nack", "photinus-action": action, "photinus-reason": reason, "photinus-delay": "20ms"}})
}

#[test]
fn it_can_acknowledge_ask_again_set_aside_and_do_without() {
    let server = with_mosquitto();
    let rest = server.rest();
    let plan = json!([nack("retry", "not yet"), {}, nack("park", "broken"), nack("skip", ""), {"words": {"photinus-outcome": "what"}}, {}]);
    let app = MqttApp::subscribed(mosquitto().port(), "asked/#", json!({"answers": plan}));
    let options = json!({"topic": "asked/{topic}", "ack": "application", "content": "data", "retryPolicy": {"delays": ["20ms"]}});
    let feed = Feed::new(&rest, "mqtt", "asked", options);
    assert_eq!(feed.created["options"]["ackTimeout"], "60s");
    for number in 1..=4 {
        publish(&rest, "t", json!(number));
    }
    let seen: Vec<_> = (0..6)
        .map(|_| {
            let message = app.next();
            let attempt = message["words"]["photinus-attempt"]
                .as_str()
                .unwrap()
                .to_owned();
            (message["body"].as_str().unwrap().to_owned(), attempt)
        })
        .collect();
    let due = [
        ("1", "1"),
        ("1", "2"),
        ("2", "1"),
        ("3", "1"),
        ("4", "1"),
        ("4", "2"),
    ];
    assert_eq!(
        seen,
        due.map(|(body, attempt)| (body.to_owned(), attempt.to_owned()))
    );
    feed.wait_for_offset(&rest, 4);
    let parked = feed.parked(&rest);
    assert_eq!((parked.len(), &parked[0]["reason"]), (1, &json!("broken")));
}

#[test]
fn who_does_not_answer_gets_it_again_and_nobody_there_is_no_answer() {
    let server = with_mosquitto();
    let rest = server.rest();
    let options = json!({"topic": "late/{topic}", "ack": "application", "ackTimeout": "300ms", "retryPolicy": {"delays": ["20ms"]}});
    let feed = Feed::new(&rest, "mqtt", "late", options);
    publish(&rest, "t", json!(1));
    feed.wait_for_reason(&rest, "nobody has subscribed");
    let app = MqttApp::subscribed(mosquitto().port(), "late/#", json!({"answers": [null, {}]}));
    let first = app.next();
    let second = app.next();
    let attempt = |message: &Value| {
        message["words"]["photinus-attempt"]
            .as_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
    };
    assert_eq!(attempt(&second), attempt(&first) + 1);
    feed.wait_for_offset(&rest, 1);
    assert!(app.next_within(Duration::from_millis(400)).is_none());
}

#[test]
fn the_body_of_an_answer_is_a_reply() {
    let server = with_mosquitto();
    let rest = server.rest();
    let plan = json!([{"words": {"photinus-topic": "sums", "photinus-tag": "done"}, "body": "{\"sum\":7}"}]);
    let app = MqttApp::subscribed(mosquitto().port(), "reply/#", json!({"answers": plan}));
    let options = json!({"topic": "reply/{topic}", "ack": "application"});
    let feed = Feed::new(&rest, "mqtt", "reply", options);
    let question = publish(&rest, "questions", json!(1));
    app.next();
    feed.wait_for_offset(&rest, 1);
    let replies = wait_for("the reply", || {
        let replies = messages(&rest, "sums");
        (!replies.is_empty()).then_some(replies)
    });
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["header"]["cid"], question["header"]["id"]);
    assert_eq!(replies[0]["data"][0]["value"], json!({"sum": 7}));
}
