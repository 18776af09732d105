//! Is a WebSocket told what changed in its namespace?

use photinus_e2e::{DataDirectory, Launch, RawSocket, Rest, Server, StopSignal};
use serde_json::{Value, json};

/// Changes of one message of the flood: its values, itself, its event.
pub(crate) const FLOOD_CHANGES: u64 = 1_002;

#[test]
fn a_socket_is_told_of_its_namespace_what_it_asked_for() {
    let server = Server::start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let mut all = listen(&server, json!({"namespace": "default", "changeEvents": {}}));
    let mut some = listen(
        &server,
        json!({"namespace": "default", "changeEvents":
            {"collections": ["subscriptions", "messages"], "types": ["deleted", "created"]}}),
    );
    let mut other = listen(
        &server,
        json!({"namespace": "other", "changeEvents": {"collections": null, "types": []}}),
    );

    let subscription = rest.subscribe("app", json!({}), json!({}));
    let changed = json!({"name": "app", "filter": {"topic": "^a"}});
    rest.put("/api/v1/subscriptions", &changed).expect(200);
    let id = &subscription["id"];
    let deleted = rest.delete(&format!("/api/v1/subscriptions/{}", id.as_str().unwrap()));
    assert_eq!(deleted.status, 204);
    let change = |collection: &str, kind: &str, id: &Value| json!({"collection": collection, "type": kind, "namespace": "default", "id": id});
    for kind in ["created", "updated", "deleted"] {
        assert_eq!(told(&mut all), change("subscriptions", kind, id));
    }
    for kind in ["created", "deleted"] {
        assert_eq!(told(&mut some), change("subscriptions", kind, id));
    }

    let message = rest.broadcast("t", "tag");
    let id = message["header"]["id"].as_str().unwrap();
    let events = rest
        .get(&format!("/api/v1/messages/{id}/events"))
        .expect(200);
    let event = &events[0];
    assert_eq!(
        told(&mut all),
        change("data", "created", &message["data"][0]["id"])
    );
    let mut expected = change("messages", "created", &message["header"]["id"]);
    expected["sequence"] = event["sequence"].clone();
    assert_eq!(told(&mut all), expected);
    assert_eq!(told(&mut some), expected);
    let mut expected = change("events", "created", &event["id"]);
    expected["sequence"] = event["sequence"].clone();
    assert_eq!(told(&mut all), expected);

    let private = json!({"header": {"topics": ["t"]}, "data": [{"value": 1}],
        "group": {"members": [{"identity": "did:firefly:org/a"}]}});
    let path = "/api/v1/namespaces/other/messages/private?confirm";
    let message = rest.post(path, &private).expect(200);
    let group = told(&mut other);
    assert_eq!(
        group,
        json!({"collection": "groups", "type": "created", "namespace": "other",
            "hash": message["header"]["group"]})
    );
    for collection in ["data", "messages", "events"] {
        assert_eq!(told(&mut other)["collection"], collection);
    }
    for mut socket in [all, some, other] {
        assert_eq!(socket.settle(), Vec::<Value>::new(), "nothing more");
    }
}

#[test]
fn changes_are_shown_are_never_acknowledged_and_end_with_the_socket() {
    let mut server = Server::start();
    let rest = server.rest();
    let path = "/ws?namespace=default&ephemeral&changeevents.collections=messages,events&changeevents.types=created";
    let mut by_query = RawSocket::open(server.address(), path);
    by_query.settle();
    let status = rest.get("/api/v1/websockets").expect(200);
    let start = &status["connections"][0]["subscriptions"][0];
    assert_eq!(
        start["changeEvents"],
        json!({"collections": ["messages", "events"], "types": ["created"]})
    );
    assert_eq!(start["filter"], Value::Null, "it wants no events");
    rest.broadcast("t", "t");
    assert_eq!(told(&mut by_query)["collection"], "messages");
    let change = told(&mut by_query);
    // Nothing is in flight that this could mean.
    by_query.send(&json!({"type": "ack", "id": change["id"]}));
    let error = by_query.receive_error_and_end(1008);
    assert!(error.contains("FF10175: "), "{error}");

    let mut socket = listen(&server, json!({"namespace": "default", "changeEvents": {}}));
    socket.send(&json!({"type": "ack"}));
    let error = socket.receive_error_and_end(1008);
    assert!(error.contains("FF10175: "), "{error}");

    server.kill();
    server.start_again();
    let rest = server.rest();
    rest.broadcast("before", "t");
    let mut socket = listen(&server, json!({"namespace": "default", "changeEvents": {}}));
    let message = rest.broadcast("after", "t");
    assert_eq!(told(&mut socket)["id"], message["data"][0]["id"]);
    assert_eq!(told(&mut socket)["id"], message["header"]["id"]);
}

#[test]
fn with_a_filter_it_gets_events_too_and_acknowledges_them_as_ever() {
    let server = Server::start();
    let rest = server.rest();
    let mut socket = listen(
        &server,
        json!({"namespace": "default", "changeEvents": {"collections": ["messages"]},
            "filter": {"topic": "^wanted$"}, "options": {"readAhead": 0}}),
    );
    // Asks for changes alone, and so for nothing that an answer could mean.
    start(
        &mut socket,
        json!({"namespace": "default", "changeEvents": {"collections": ["messages"]}}),
    );
    for topic in ["wanted", "unwanted", "wanted"] {
        rest.broadcast(topic, "t");
    }
    let (mut changes, mut events) = (0, 0);
    while (changes, events) != (3, 2) {
        let frame = socket.receive();
        if frame["type"] == "change_notification" {
            changes += 1;
        } else {
            assert_eq!(frame["topic"], "wanted");
            // One event at a time: the next comes because this one was acknowledged.
            assert!(socket.send(&json!({"type": "ack", "id": frame["id"]})));
            events += 1;
        }
    }
    assert_eq!(socket.settle(), Vec::<Value>::new(), "each is told once");

    // A durable start ignores the field, as FireFly ignores what it does not know.
    rest.subscribe("app", json!({}), json!({"firstEvent": "oldest"}));
    let mut durable = RawSocket::open(server.address(), "/ws");
    durable.send(
        &json!({"type": "start", "namespace": "default", "name": "app",
        "changeEvents": {"collections": ["messages"]}}),
    );
    durable.receive_and_ack(["wanted", "unwanted", "wanted"]);
    rest.broadcast("more", "t");
    durable.receive_and_ack(["more"]);
    assert_eq!(durable.settle(), Vec::<Value>::new());
}

#[test]
fn changes_that_cannot_be_told_are_refused() {
    let server = Server::start();
    for (start, code) in [
        (
            json!({"namespace": "nowhere", "changeEvents": {}}),
            "FF10436",
        ),
        (
            json!({"namespace": "default", "changeEvents": {"collections": ["event"]}}),
            "PH00461",
        ),
        (
            json!({"namespace": "default", "changeEvents": {"types": ["Created"]}}),
            "PH00461",
        ),
        (json!({"namespace": "default", "changeEvents": []}), ""),
    ] {
        let mut socket = RawSocket::open(server.address(), "/ws");
        let mut frame = start.clone();
        frame["type"] = json!("start");
        frame["ephemeral"] = json!(true);
        socket.send(&frame);
        let error = socket.receive_error_and_end(1008);
        assert!(error.starts_with("FF10176: "), "{start}: {error}");
        assert!(error.contains(code), "{start}: {error}");
    }
    // A query that fails leaves the connection open.
    let path = "/ws?namespace=default&ephemeral&changeevents.types=made";
    let mut socket = RawSocket::open(server.address(), path);
    let error = socket.receive_error();
    assert!(error.starts_with("PH00461: "), "{error}");
    socket.settle();
}

#[test]
fn a_socket_that_does_not_read_holds_up_nobody_and_learns_how_much_it_missed() {
    let mut server = limited("");
    let rest = server.rest();
    let mut slow = listen(&server, json!({"namespace": "default", "changeEvents": {}}));
    slow.narrow();
    let never = listen(&server, json!({"namespace": "default", "changeEvents": {}}));
    let mut quick = listen(
        &server,
        json!({"namespace": "default", "changeEvents": {"collections": ["messages"]}}),
    );
    rest.subscribe("app", json!({}), json!({}));
    let mut neighbour = RawSocket::open(server.address(), "/ws");
    neighbour.start("app");
    neighbour.settle();

    let mut committed = 1;
    let mut heard = Sum::default();
    for _ in 0..80 {
        flood(&rest);
        committed += FLOOD_CHANGES;
        neighbour.receive_and_ack(["flood"]);
        heard.take(&mut quick);
    }
    let missed = Sum::up_to(&mut slow, committed);
    assert!(missed.dropped > 0, "{missed:?}");
    assert_eq!(missed.told + missed.dropped, committed);
    // What it is told now is in order again.
    let message = rest.broadcast("after", "t");
    assert_eq!(told(&mut slow)["id"], message["data"][0]["id"]);
    assert_eq!((heard.told, heard.dropped), (80, 0), "whoever reads");
    server.stop(StopSignal::Term);
    drop(never);
}

/// A server whose queues for changes are short.
pub(crate) fn limited(more: &str) -> Server {
    let toml = format!(
        "[engine]\nchange_queue_max = 2000\n[transports.websockets]\nsend_queue_bytes_max = 65536\n{more}"
    );
    let launch = Launch::default().configuration(&toml);
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

/// Publishes a message of many changes.
pub(crate) fn flood(rest: &Rest) {
    let values: Vec<_> = (0..1_000).map(|value| json!({"value": value})).collect();
    let message = json!({"header": {"topics": ["flood"]}, "data": values});
    rest.post("/api/v1/messages/broadcast?confirm", &message)
        .expect(200);
}

/// What a listener was told.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) told: u64,
    pub(crate) dropped: u64,
}

impl Sum {
    /// Reads until this many changes were told or said to be dropped.
    #[track_caller]
    pub(crate) fn up_to(socket: &mut RawSocket, committed: u64) -> Self {
        let mut sum = Self::default();
        while sum.told + sum.dropped < committed {
            let frame = socket.receive();
            sum.add(frame.get("changeEvent").unwrap_or(&frame));
        }
        sum
    }

    /// Reads one.
    #[track_caller]
    fn take(&mut self, socket: &mut RawSocket) {
        self.add(&told(socket));
    }

    fn add(&mut self, change: &Value) {
        match change["droppedCount"].as_u64() {
            Some(count) => {
                assert_eq!(change["type"], "dropped");
                assert_eq!(change["collection"], "");
                assert!(change["droppedSince"].is_string());
                self.dropped += count;
            }
            None => self.told += 1,
        }
    }
}

/// The next frame, which must tell of a change.
#[track_caller]
fn told(socket: &mut RawSocket) -> Value {
    let mut frame = socket.receive();
    assert_eq!(frame["type"], "change_notification", "{frame}");
    assert_eq!(frame.as_object().unwrap().len(), 2, "{frame}");
    frame["changeEvent"].take()
}

/// A socket with an ephemeral start, once it counts.
#[track_caller]
fn listen(server: &Server, fields: Value) -> RawSocket {
    let mut socket = RawSocket::open(server.address(), "/ws");
    start(&mut socket, fields);
    socket
}

#[track_caller]
fn start(socket: &mut RawSocket, mut fields: Value) {
    fields["type"] = json!("start");
    fields["ephemeral"] = json!(true);
    assert!(socket.send(&fields));
    assert_eq!(socket.settle(), Vec::<Value>::new());
}
