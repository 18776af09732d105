//! Do the messages of a queue get into the log, each once?

use photinus_e2e::{DataDirectory, Launch, Rabbit, Server, wait_for, wait_until};
use serde_json::{Value, json};

use super::{messages, rabbit, start, target};

fn source(queue: &str, more: &str) -> String {
    let target = target("amqp091", &rabbit().url());
    format!(
        "{target}\n[transports.amqp091.sources.orders]\ntarget = \"main\"\nqueue = \"{queue}\"\n{more}\n"
    )
}

#[track_caller]
fn wait_for_messages(server: &Server, topic: &str, count: usize) -> Vec<Value> {
    let rest = server.rest();
    wait_for(&format!("{count} messages of '{topic}'"), || {
        let all = messages(&rest, topic);
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn what_a_queue_has_is_published_as_it_is() {
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "in-shapes"}));
    let server = start(&source(
        "in-shapes",
        "topic = \"in.{routing_key}\"\ntag = \"from-rabbit\"",
    ));
    let answered = "0190f000-0000-7000-8000-000000000001";
    for publish in [
        json!({"body": "{\"n\":1.50}", "properties": {"message_id": "m1", "content_type": "application/json"}}),
        json!({"body": "hello", "properties": {"message_id": "m2"}}),
        json!({"body": "7", "properties": {"message_id": "m3", "content_type": "text/plain"}}),
        json!({"b64": "/wA=", "properties": {"message_id": "m4", "content_type": "image/png"}}),
        // The same again is taken, and not published.
        json!({"body": "{\"n\":1.50}", "properties": {"message_id": "m1"}}),
        json!({"body": "null-ish", "properties": {"correlation_id": answered}}),
    ] {
        let mut publish = publish;
        publish["exchange"] = "".into();
        publish["key"] = "in-shapes".into();
        app.does("publish", publish);
    }
    let all = wait_for_messages(&server, "in.in-shapes", 5);
    let values: Vec<_> = all
        .iter()
        .map(|message| message["data"][0]["value"].clone())
        .collect();
    assert_eq!(
        values,
        [
            json!({"n": 1.50}),
            json!("hello"),
            json!("7"),
            json!({"contentType": "image/png", "base64": "/wA="}),
            json!("null-ish"),
        ]
    );
    assert_eq!(all[0]["idempotencyKey"], "orders:m1");
    assert_eq!(all[0]["header"]["tag"], "from-rabbit");
    assert_eq!(all[4]["header"]["cid"], answered);
    wait_until("the queue to be empty", || {
        app.does("count", json!({"name": "in-shapes"})) == 0
    });
    let shown = server.rest().get("/api/v1/amqp091").expect(200);
    assert_eq!(shown["sources"]["orders"]["taken"], 6);
}

#[test]
fn what_cannot_be_taken_goes_to_the_dead_letters_with_the_reason() {
    let mut app = Rabbit::at(&rabbit().url());
    app.bound("in-dead", "in-dead-letters");
    let arguments = json!({"x-dead-letter-exchange": "in-dead"});
    // To the namespace that there is not: it can never be taken.
    for (queue, more, has_reason) in [
        (
            "in-own",
            "dead_letter_exchange = \"in-dead\"\nnamespace = \"nowhere\"",
            true,
        ),
        ("in-theirs", "namespace = \"nowhere\"", false),
    ] {
        app.does("queue", json!({"name": queue, "arguments": arguments}));
        let server = start(&source(queue, more));
        app.does("publish", json!({"exchange": "", "key": queue, "body": "lost", "properties": {"message_id": "m"}}));
        let dead = app.next("in-dead-letters");
        assert_eq!(
            (&dead["body"], &dead["properties"]["message_id"]),
            (&json!("lost"), &json!("m"))
        );
        let reason = dead["headers"]["photinus-reason"].as_str();
        assert_eq!(
            reason.is_some_and(|reason| reason.contains("nowhere")),
            has_reason,
            "{dead}"
        );
        let shown = server.rest().get("/api/v1/amqp091").expect(200);
        let said = shown["sources"]["orders"]["lastRefusal"]
            .as_str()
            .unwrap_or_default();
        assert!(said.contains("nowhere"), "{shown}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    const COUNT: usize = 900;
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "in-killed"}));
    for number in 0..COUNT {
        let properties = json!({"message_id": number.to_string(), "delivery_mode": 2});
        app.does("publish", json!({"exchange": "", "key": "in-killed", "body": number.to_string(), "properties": properties}));
    }
    let launch = Launch::default().configuration(&source("in-killed", "prefetch = 50"));
    let mut server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    for part in 1..4 {
        let rest = server.rest();
        wait_until("some of them", || {
            messages(&rest, "orders").len() >= COUNT * part / 5
        });
        server.kill();
        server.start_again();
    }
    let all = wait_for_messages(&server, "orders", COUNT);
    let values: Vec<_> = all
        .iter()
        .map(|message| message["data"][0]["value"].as_u64().unwrap())
        .collect();
    let mut sorted = values.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..COUNT as u64).collect::<Vec<_>>(), "each once");
    wait_until("the queue to be empty", || {
        app.does("count", json!({"name": "in-killed"})) == 0
    });
}

#[test]
fn messages_are_published_in_the_order_of_the_queue() {
    const COUNT: usize = 500;
    let mut app = Rabbit::at(&rabbit().url());
    app.does("queue", json!({"name": "in-order"}));
    for number in 0..COUNT {
        app.does(
            "publish",
            json!({"exchange": "", "key": "in-order", "body": number.to_string()}),
        );
    }
    let server = start(&source("in-order", ""));
    let all = wait_for_messages(&server, "orders", COUNT);
    let values: Vec<_> = all
        .iter()
        .map(|message| message["data"][0]["value"].as_u64().unwrap())
        .collect();
    assert_eq!(values, (0..COUNT as u64).collect::<Vec<_>>());
}
