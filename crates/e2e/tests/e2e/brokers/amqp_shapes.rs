//! What does an application of RabbitMQ see of an event?

use photinus_e2e::Rabbit;
use serde_json::{Value, json};

use super::{Feed, publish, rabbit, with_rabbit};

fn body(message: &Value) -> Value {
    serde_json::from_str(message["body"].as_str().unwrap()).unwrap()
}

#[test]
fn a_message_is_the_delivered_event_with_its_metadata() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.bound("shapes", "shapes");
    let feed = Feed::new(
        &rest,
        "amqp091",
        "plain",
        json!({"exchange": "shapes", "routingKey": "{type}.{topic}.{data.colour}", "priority": 5, "expiration": "1h", "headers": {"team": "a"}}),
    );
    let sent = publish(&rest, "orders", json!({"colour": "red*", "n": 1.50}));
    let message = app.next("shapes");

    let (event, properties) = (body(&message), &message["properties"]);
    assert_eq!(event["message"]["header"]["id"], sent["header"]["id"]);
    assert_eq!(event["subscription"]["name"], "plain");
    assert_eq!(
        event["data"][0]["value"],
        json!({"colour": "red*", "n": 1.50})
    );
    assert_eq!(message["exchange"], "shapes");
    assert_eq!(message["key"], "message_confirmed.orders.red%2A");
    assert_eq!(properties["content_type"], "application/json");
    assert_eq!(properties["delivery_mode"], 2, "it outlives a restart");
    assert_eq!(properties["message_id"], event["id"]);
    assert_eq!(properties["type"], "message_confirmed");
    assert_eq!(
        (&properties["priority"], &properties["expiration"]),
        (&json!(5), &json!("3600000"))
    );
    assert!(properties["timestamp"].as_i64() > Some(1_700_000_000));
    let headers = &message["headers"];
    for (name, expected) in [
        ("photinus-namespace", json!("default")),
        ("photinus-type", json!("message_confirmed")),
        ("photinus-topic", json!("orders")),
        ("photinus-tag", json!("t")),
        ("photinus-sequence", event["sequence"].clone()),
        ("photinus-event", event["id"].clone()),
        ("photinus-subscription", json!("plain")),
        ("photinus-attempt", json!(1)),
        ("team", json!("a")),
    ] {
        assert_eq!(headers[name], expected, "{name}");
    }
    let trace = headers["traceparent"].as_str().unwrap();
    assert!(trace.starts_with("00-") && trace.len() == 55, "{trace}");
    feed.wait_for_offset(&rest, 1);
}

#[test]
fn the_content_is_what_the_subscription_says() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    for content in [
        "firefly",
        "data",
        "cloudevents-structured",
        "cloudevents-binary",
    ] {
        let queue = format!("content-{content}");
        app.does("queue", json!({"name": queue}));
        let options =
            json!({"routingKey": queue, "content": content, "withData": content != "firefly"});
        Feed::new(&rest, "amqp091", content, options);
    }
    publish(&rest, "orders", json!({"a": [1, 2]}));
    let kind = |message: &Value| {
        message["properties"]["content_type"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let plain = app.next("content-firefly");
    assert!(body(&plain)["data"].is_null(), "it did not ask for it");
    let data = app.next("content-data");
    assert_eq!(
        (body(&data), kind(&data)),
        (json!({"a": [1, 2]}), "application/json".into())
    );
    let structured = app.next("content-cloudevents-structured");
    assert_eq!(kind(&structured), "application/cloudevents+json");
    let event = body(&structured);
    assert_eq!(
        (&event["specversion"], &event["subject"]),
        (&json!("1.0"), &json!("orders"))
    );
    assert_eq!(event["data"], json!({"a": [1, 2]}));
    let binary = app.next("content-cloudevents-binary");
    assert_eq!(
        (body(&binary), kind(&binary)),
        (json!({"a": [1, 2]}), "application/json".into())
    );
    assert_eq!(binary["headers"]["cloudEvents_type"], "t");
    assert_eq!(binary["headers"]["cloudEvents_id"], event["id"]);
}

#[test]
fn a_place_in_the_data_is_found_also_where_the_data_is_not_delivered() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "place-7"}));
    let options = json!({"routingKey": "place-{data.n}", "withData": false});
    Feed::new(&rest, "amqp091", "place", options);
    publish(&rest, "orders", json!({"n": 7}));
    assert!(body(&app.next("place-7"))["data"].is_null());
}

#[test]
fn a_subscription_can_be_tried() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "tried"}));
    let good = Feed::new(&rest, "amqp091", "good", json!({"routingKey": "tried"}));
    let said = rest
        .post(&format!("{}/test", good.path), &json!({}))
        .expect(200);
    assert_eq!(
        (&said["settled"], &said["response"]["line"]),
        (&json!(true), &json!("basic.ack"))
    );
    assert_eq!(app.next("tried")["headers"]["photinus-test"], "true");

    let bad = Feed::new(
        &rest,
        "amqp091",
        "bad",
        json!({"routingKey": "nowhere-at-all"}),
    );
    let said = rest
        .post(&format!("{}/test", bad.path), &json!({}))
        .expect(200);
    assert_eq!(said["settled"], false);
    assert!(
        said["outcome"].as_str().unwrap().contains("312 NO_ROUTE"),
        "{said}"
    );
}
