//! What becomes of events that RabbitMQ does not take?

use photinus_brokers::RabbitMq;
use photinus_e2e::Rabbit;
use serde_json::{Value, json};

use super::{Feed, publish, rabbit, start, target, with_rabbit};

/// Tried again soon, for as long as it takes.
fn impatient(mut options: Value) -> Value {
    options["retryPolicy"] = json!({"delays": ["20ms"]});
    options
}

/// The values of the next messages of a queue.
#[track_caller]
fn values(app: &mut Rabbit, queue: &str, count: usize) -> Vec<Value> {
    let value = |message: Value| serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    (0..count).map(|_| value(app.next(queue))).collect()
}

#[test]
fn what_no_queue_gets_waits_until_one_does() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    let options = impatient(json!({"routingKey": "late-queue", "content": "data"}));
    let feed = Feed::new(&rest, "amqp091", "late", options);
    for number in 1..=3 {
        publish(&rest, "t", json!(number));
    }
    feed.wait_for_reason(&rest, "312 NO_ROUTE");
    app.does("queue", json!({"name": "late-queue"}));
    assert_eq!(values(&mut app, "late-queue", 3), [1, 2, 3]);
    feed.wait_for_offset(&rest, 3);

    // A queue that is deleted is the same; who asks for no more than that the broker has it gets that.
    app.does("delete_queue", json!({"name": "late-queue"}));
    publish(&rest, "t", json!(4));
    feed.wait_for_reason(&rest, "312 NO_ROUTE");
    app.does("queue", json!({"name": "late-queue"}));
    assert_eq!(values(&mut app, "late-queue", 1), [4]);
    let careless = Feed::new(
        &rest,
        "amqp091",
        "careless",
        json!({"routingKey": "never-there", "mandatory": false}),
    );
    careless.wait_for_offset(&rest, 4);
}

#[test]
fn what_a_full_queue_refuses_waits_in_order() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    let arguments = json!({"x-max-length": 2, "x-overflow": "reject-publish"});
    app.does("queue", json!({"name": "full", "arguments": arguments}));
    let options = impatient(json!({"routingKey": "full", "content": "data"}));
    let feed = Feed::new(&rest, "amqp091", "full", options);
    for number in 1..=6 {
        publish(&rest, "t", json!(number));
    }
    feed.wait_for_reason(&rest, "basic.nack");
    assert_eq!(values(&mut app, "full", 6), [1, 2, 3, 4, 5, 6]);
    feed.wait_for_offset(&rest, 6);
}

#[test]
fn a_policy_says_what_becomes_of_it() {
    let server = with_rabbit();
    let rest = server.rest();
    let policy = json!({"maxAttempts": 2, "delays": ["10ms"], "then": "park"});
    let options = json!({"routingKey": "nobody-home", "retryPolicy": policy});
    let feed = Feed::new(&rest, "amqp091", "parks", options);
    publish(&rest, "t", json!(1));
    feed.wait_for_offset(&rest, 1);
    let parked = feed.parked(&rest);
    assert_eq!(parked.len(), 1);
    assert!(
        parked[0]["error"].as_str().unwrap().contains("NO_ROUTE"),
        "{parked:?}"
    );

    // What has no address at all, and never will, is set aside at once.
    let options = json!({"exchange": "x{data.x}", "routingKey": "{data.x}"});
    let feed = Feed::new(&rest, "amqp091", "long", options);
    publish(&rest, "t", json!({"x": "y".repeat(300)}));
    feed.wait_for_reason(&rest, "404");
    let options = json!({"routingKey": "{data.x}", "firstEvent": "1"});
    let feed = Feed::new(&rest, "amqp091", "longer", options);
    feed.wait_for_offset(&rest, 2);
    assert!(
        feed.parked(&rest)[0]["reason"]
            .as_str()
            .unwrap()
            .contains("255 bytes")
    );
}

#[test]
fn a_missing_exchange_holds_up_its_own_subscription_only() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.bound("there", "there");
    let lost = Feed::new(
        &rest,
        "amqp091",
        "lost",
        json!({"exchange": "not-there-yet", "content": "data", "readAhead": 10}),
    );
    let checked = Feed::new(
        &rest,
        "amqp091",
        "checked",
        json!({"exchange": "not-there-yet", "content": "data", "checkExchange": true}),
    );
    let well = Feed::new(
        &rest,
        "amqp091",
        "well",
        json!({"exchange": "there", "content": "data"}),
    );
    for number in 1..=5 {
        publish(&rest, "t", json!(number));
    }
    assert_eq!(values(&mut app, "there", 5), [1, 2, 3, 4, 5]);
    well.wait_for_offset(&rest, 5);
    for feed in [&lost, &checked] {
        let reason = feed.wait_for_reason(&rest, "no exchange 'not-there-yet'");
        assert!(reason.contains("404"), "{reason}");
        feed.assert_unsettled(&rest);
    }
    // It uses up no attempt: the first that arrives is the first attempt.
    app.bound("not-there-yet", "was-not-there");
    let first = app.next("was-not-there");
    assert_eq!(first["headers"]["photinus-attempt"], 1);
    lost.wait_for_offset(&rest, 5);
    checked.wait_for_offset(&rest, 5);
    assert_eq!(app.does("count", json!({"name": "was-not-there"})), 9);
}

#[test]
fn a_refused_permission_says_so_and_ends_when_it_is_given() {
    let rabbit = RabbitMq::start();
    rabbit.ctl(&["add_user", "narrow", "secret"]);
    rabbit.ctl(&["set_permissions", "narrow", "^$", "^open$", "^$"]);
    let url = rabbit.url().replace("guest:guest", "narrow:secret");
    let server = start(&target("amqp091", &url));
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit.url());
    app.bound("open", "open");
    app.bound("closed", "closed");
    let open = Feed::new(&rest, "amqp091", "open", json!({"exchange": "open"}));
    let closed = Feed::new(
        &rest,
        "amqp091",
        "closed",
        json!({"exchange": "closed", "content": "data"}),
    );
    publish(&rest, "t", json!(1));
    open.wait_for_offset(&rest, 1);
    let reason = closed.wait_for_reason(&rest, "access to exchange 'closed'");
    assert!(reason.contains("403"), "{reason}");
    rabbit.ctl(&["set_permissions", "narrow", "^$", ".*", "^$"]);
    assert_eq!(values(&mut app, "closed", 1), [1]);
    closed.wait_for_offset(&rest, 1);
}

#[test]
fn an_event_with_more_headers_than_a_frame_holds_is_set_aside() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "large-headers"}));
    let options =
        json!({"routingKey": "large-headers", "content": "cloudevents-binary", "readAhead": 5});
    let feed = Feed::new(&rest, "amqp091", "large-headers", options);
    for extension in ["x".repeat(200_000), "small".to_owned()] {
        let event = json!({"specversion": "1.0", "id": extension.len().to_string(), "source": "/s", "type": "t", "big": extension});
        let kind = Some("application/cloudevents+json");
        let body = event.to_string().into_bytes();
        let taken = rest.send("POST", "/api/v1/cloudevents", kind, Some(&body));
        assert_eq!(taken.unwrap().status, 202);
    }
    feed.wait_for_offset(&rest, 2);
    let parked = feed.parked(&rest);
    assert_eq!(parked.len(), 1);
    assert!(parked[0].to_string().contains("of a frame"), "{parked:?}");
    assert_eq!(
        app.next("large-headers")["headers"]["cloudEvents_big"],
        "small"
    );
}
