//! What do the subscriptions of RabbitMQ say when it takes nothing for now?

use std::time::Duration;

use photinus_brokers::{Proxy, RabbitMq};
use photinus_e2e::{Rabbit, wait_until};
use serde_json::json;

use super::{Feed, publish, rabbit, start, target};

#[test]
fn a_blocked_broker_holds_up_its_own_target_only() {
    let blocked = RabbitMq::start();
    let mut app = Rabbit::at(&blocked.url());
    app.does("queue", json!({"name": "blocked"}));
    let mut other = Rabbit::at(&rabbit().url());
    other.does("queue", json!({"name": "not-blocked"}));
    let lines = format!(
        "{}confirm_timeout = \"2s\"\n[transports.amqp091.targets.other]\nurl = \"{}\"\n",
        target("amqp091", &blocked.url()),
        rabbit().url()
    );
    let server = start(&lines);
    let rest = server.rest();
    let held = Feed::new(
        &rest,
        "amqp091",
        "held",
        json!({"routingKey": "blocked", "content": "data"}),
    );
    publish(&rest, "t", json!(1));
    assert_eq!(app.next("blocked")["body"], "1");
    held.wait_for_offset(&rest, 1);

    blocked.ctl(&["set_vm_memory_high_watermark", "0.000001"]);
    // The broker says so to who publishes.
    publish(&rest, "t", json!(2));
    held.wait_for_reason(&rest, "takes nothing for now");
    let body = json!({"name": "free", "transport": "amqp091", "options": {"target": "other", "routingKey": "not-blocked", "content": "data", "firstEvent": "oldest"}});
    rest.post("/api/v1/subscriptions", &body).expect(201);
    assert_eq!(other.next("not-blocked")["body"], "1");
    assert_eq!(other.next("not-blocked")["body"], "2");
    // For longer than a confirm may take: nothing is given up for that.
    std::thread::sleep(Duration::from_secs(3));
    let shown = rest.get("/api/v1/amqp091").expect(200);
    assert_eq!(shown["targets"]["main"]["state"], "blocked");
    assert_eq!(shown["targets"]["main"]["connections"], 1);

    blocked.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    let message = app.next("blocked");
    assert_eq!(
        (&message["body"], &message["headers"]["photinus-attempt"]),
        (&json!("2"), &json!(1))
    );
    held.wait_for_offset(&rest, 2);
}

#[test]
fn a_broker_that_says_nothing_is_given_up_and_its_events_come_again() {
    let proxy = Proxy::to(rabbit().port());
    let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
    let lines = format!(
        "{}confirm_timeout = \"500ms\"\nconnection_timeout = \"500ms\"\n",
        target("amqp091", &url)
    );
    let server = start(&lines);
    let rest = server.rest();
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "silent"}));
    let feed = Feed::new(
        &rest,
        "amqp091",
        "silent",
        json!({"routingKey": "silent", "content": "data"}),
    );
    publish(&rest, "t", json!(1));
    feed.wait_for_offset(&rest, 1);
    proxy.freeze();
    publish(&rest, "t", json!(2));
    feed.wait_for_reason(&rest, "within 500ms");
    proxy.thaw();
    feed.wait_for_offset(&rest, 2);
    wait_until("it to be there", || {
        let message = app.does("get", json!({"queue": "silent"}));
        message["body"] == "2" && message["headers"]["photinus-attempt"] == 1
    });
}
