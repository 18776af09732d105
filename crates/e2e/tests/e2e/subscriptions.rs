//! Do subscriptions keep what they were given, and start where they should?

use photinus_e2e::{Server, wait_until};
use serde_json::{Value, json};

#[test]
fn a_new_subscription_shows_its_defaults() {
    let server = Server::start();
    let rest = server.rest();
    let body = json!({
        "name": "app", "id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "namespace": "ignored",
        "created": null, "updated": null, "unknown": {},
    });
    let created = rest.post("/api/v1/subscriptions", &body).expect(201);
    assert_ne!(created["id"], body["id"]);
    assert_eq!(created["namespace"], "default");
    assert_eq!(created["transport"], "websockets");
    assert_eq!(
        created["filter"],
        json!({"message": {}, "transaction": {}, "blockchainevent": {}})
    );
    assert_eq!(
        created["options"],
        json!({"firstEvent": "-1", "withData": false})
    );
    assert_eq!(created["updated"], Value::Null);
    assert!(created.get("updated").is_some() && created.get("ephemeral").is_none());

    let batch = json!({"name": "batch", "options": {"batch": true, "custom": {"kept": [1, null]}}});
    let batch = rest.put("/api/v1/subscriptions", &batch).expect(200);
    assert_eq!(batch["options"]["readAhead"], 50);
    assert_eq!(batch["options"]["batchTimeout"], "50ms");
    assert_eq!(batch["options"]["custom"], json!({"kept": [1, null]}));

    let path = format!(
        "/api/v1/namespaces/default/subscriptions/{}",
        created["id"].as_str().unwrap()
    );
    assert_eq!(rest.get(&path).expect(200), created);
    let list = rest.get("/api/v1/subscriptions").expect(200);
    let names: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["batch", "app"], "newest first");
}

#[test]
fn first_event_says_where_a_subscription_starts() {
    let server = Server::start();
    let rest = server.rest();
    for number in 1..=4 {
        rest.broadcast(&format!("t{number}"), "t");
    }
    let events = rest.get("/api/v1/events").expect(200);
    let sequence = |newest: usize| events[newest]["sequence"].as_i64().unwrap();
    for (name, first_event, stored, first) in [
        ("oldest", json!("oldest"), -1, "t1"),
        ("second", json!(sequence(2).to_string()), sequence(2), "t3"),
        (
            "plus",
            json!(format!("+{}", sequence(3))),
            sequence(3),
            "t2",
        ),
        ("newest", json!("newest"), sequence(0), "t5"),
        ("default", Value::Null, sequence(0), "t5"),
        ("empty", json!(""), sequence(0), "t5"),
    ] {
        let body = json!({"name": name, "options": {"firstEvent": first_event}});
        let created = rest.post("/api/v1/subscriptions", &body).expect(201);
        assert_eq!(
            created["options"]["firstEvent"],
            stored.to_string(),
            "{name}"
        );
        let mut socket = server.socket("/ws");
        socket.start(name);
        if first == "t5" {
            continue;
        }
        socket.receive_topic(first);
    }
    // The position is that of the creation, not of the first start.
    rest.broadcast("t5", "t");
    for name in ["newest", "default", "empty"] {
        let mut socket = server.socket("/ws");
        socket.start(name);
        socket.receive_topic("t5");
    }
}

#[test]
fn an_update_changes_all_but_identity_and_position() {
    let server = Server::start();
    let rest = server.rest();
    rest.broadcast("t1", "t");
    let body =
        json!({"name": "app", "options": {"firstEvent": "oldest", "readAhead": 3, "mine": 1}});
    let created = rest.post("/api/v1/subscriptions", &body).expect(201);
    let body = json!({
        "name": "app", "filter": {"topic": "^t"},
        "options": {"firstEvent": "not even a number", "readAhead": 7},
    });
    let updated = rest.put("/api/v1/subscriptions", &body).expect(200);
    for kept in ["id", "created", "namespace", "name", "transport"] {
        assert_eq!(updated[kept], created[kept]);
    }
    assert_eq!(
        updated["options"],
        json!({"firstEvent": "-1", "readAhead": 7, "withData": false})
    );
    assert_eq!(updated["filter"]["topic"], "^t");
    assert!(updated["updated"].is_string(), "{updated}");
    let path = format!("/api/v1/subscriptions/{}", created["id"].as_str().unwrap());
    assert_eq!(rest.get(&path).expect(200)["options"], updated["options"]);
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(["t1"]);
}

#[test]
fn the_offset_of_a_subscription_is_shown_and_moves_with_what_is_settled() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest.subscribe("app", json!({"topic": "^mine$"}), json!({"readAhead": 9}));
    let id = created["id"].as_str().unwrap();
    let path = format!("/api/v1/subscriptions/{id}?fetchstatus");
    let status = rest.get(&path).expect(200)["status"].clone();
    assert!(status.is_object(), "{status}");
    for topic in ["mine", "other", "mine", "other"] {
        rest.broadcast(topic, "t");
    }
    let last = rest.get("/api/v1/events?limit=1").expect(200)[0]["sequence"].clone();
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(["mine", "mine"]);
    // What does not match moves it too.
    wait_until("the offset to reach the newest event", || {
        rest.get(&path).expect(200)["status"]["currentOffset"] == last
    });
    assert!(
        rest.get(&format!("/api/v1/subscriptions/{id}"))
            .json()
            .get("status")
            .is_none()
    );
}

#[test]
fn each_field_of_a_filter_selects() {
    let server = Server::start();
    let rest = server.rest();
    let group = {
        let body = json!({
            "header": {"topics": ["blue.sky"], "tag": "tag1", "author": "did:firefly:org/a"},
            "group": {"members": [{"identity": "org_0"}]},
        });
        let message = rest.post("/api/v1/messages/private", &body).expect(202);
        message["header"]["group"].as_str().unwrap().to_owned()
    };
    let body = json!({"header": {"topics": ["red"], "tag": "tag2", "author": "did:firefly:org/b"}});
    rest.post("/api/v1/messages/broadcast", &body).expect(202);
    rest.broadcast("end", "end");

    let end = |pattern: &str| format!("{pattern}|^end$");
    for (what, filter, expected) in [
        ("topic", json!({"topic": end("SKY")}), vec![]),
        (
            "topic, no case",
            json!({"topic": end("(?i)SKY")}),
            vec!["blue.sky"],
        ),
        ("old topics", json!({"topics": end("^r")}), vec!["red"]),
        (
            "new before old",
            json!({"topics": "^r", "topic": end("^b")}),
            vec!["blue.sky"],
        ),
        (
            "tag",
            json!({"message": {"tag": end("^tag[12]$")}}),
            vec!["blue.sky", "red"],
        ),
        ("old tag", json!({"tag": end("1")}), vec!["blue.sky"]),
        (
            "author",
            json!({"message": {"author": "org/b$"}, "tag": end("tag")}),
            vec!["red"],
        ),
        (
            "group",
            json!({"message": {"group": format!("^{group}$")}}),
            vec!["blue.sky"],
        ),
        ("events", json!({"events": "^message_rejected$"}), vec![]),
        (
            "all at once",
            json!({"events": "confirmed", "topic": end("red"), "tag": end("2")}),
            vec!["red"],
        ),
    ] {
        let mut socket = server.socket("/ws");
        socket.send(json!({
            "type": "start", "namespace": "default", "ephemeral": true, "autoack": true,
            "filter": filter, "options": {"firstEvent": "oldest"},
        }));
        // A start of everything marks the end, where the filter itself does not let the end through.
        for topic in expected {
            let event = socket.receive();
            assert_eq!(event["topic"], topic, "{what}: {event}");
        }
        socket.send(json!({
            "type": "start", "namespace": "default", "ephemeral": true, "autoack": true,
            "filter": {"topic": "^end$"}, "options": {"firstEvent": "oldest"},
        }));
        let event = socket.receive();
        assert_eq!(event["topic"], "end", "{what}: {event}");
    }
}
