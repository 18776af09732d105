//! Does a wrong frame get FireFly's error, and cost nobody else anything?

use photinus_e2e::{Frame, Refused, Server, Socket};
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Sends the frames to a new connection; the last one must be answered with this error and the end.
#[track_caller]
fn refused(server: &Server, path: &str, frames: &[Value], expected: &str) {
    let mut socket = server.socket(path);
    for frame in frames {
        socket.send(frame.clone());
    }
    assert_wrapped(&socket.receive_error_and_end(), expected);
}

#[track_caller]
fn assert_wrapped(error: &str, expected: &str) {
    assert!(
        error.starts_with("FF10176: ") && error.contains(expected),
        "expected FF10176 with {expected}, not {error}"
    );
}

fn durable(name: &str) -> Value {
    json!({"type": "start", "namespace": "default", "name": name})
}

fn ephemeral(options: Value, filter: Value) -> Value {
    json!({"type": "start", "namespace": "default", "ephemeral": true, "options": options, "filter": filter})
}

#[test]
fn wrong_starts_are_refused() {
    let server = Server::start();
    for (frames, expected) in [
        (
            vec![json!({"type": "start", "namespace": "nowhere", "name": "app"})],
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            vec![json!({"type": "start", "namespace": "", "name": "app"})],
            "FF10436: Unknown namespace ''",
        ),
        (
            vec![json!({"type": "start"})],
            "FF10436: Unknown namespace ''",
        ),
        (
            vec![json!({"type": "start", "namespace": "default"})],
            "FF10178",
        ),
        (vec![durable("")], "FF10178"),
        (
            vec![ephemeral(json!({}), json!({"events": "("}))],
            "FF10171",
        ),
        (
            vec![ephemeral(json!({}), json!({"message": {"tag": "["}}))],
            "FF10171",
        ),
        (
            vec![ephemeral(json!({"withData": true}), json!({}))],
            "FF10244",
        ),
        (
            vec![ephemeral(json!({"firstEvent": "first"}), json!({}))],
            "FF10191",
        ),
        (
            vec![ephemeral(json!({"firstEvent": "-2"}), json!({}))],
            "FF10192",
        ),
        (
            vec![ephemeral(json!({"readAhead": "many"}), json!({}))],
            "FF10176",
        ),
        (
            vec![
                json!({"type": "start", "namespace": "default", "name": "a", "autoack": false}),
                json!({"type": "start", "namespace": "default", "name": "b", "autoack": true}),
            ],
            "FF10179",
        ),
        (
            vec![
                durable("a"),
                json!({"type": "start", "namespace": "default", "name": "b", "autoack": true}),
            ],
            "FF10179",
        ),
    ] {
        refused(&server, "/ws", &frames, expected);
    }
    let other = json!({"type": "start", "namespace": "other", "name": "app"});
    refused(
        &server,
        "/api/v1/namespaces/default/ws",
        &[other],
        "FF10462",
    );
}

#[test]
fn wrong_acknowledgements_are_refused() {
    let server = Server::start();
    let autoack = json!({"type": "start", "namespace": "default", "name": "a", "autoack": true});
    for (frames, expected) in [
        (vec![json!({"type": "ack"})], "FF10175"),
        (vec![durable("a"), json!({"type": "ack"})], "FF10175"),
        (
            vec![durable("a"), json!({"type": "ack", "id": UNKNOWN})],
            "FF10175",
        ),
        (
            vec![
                durable("a"),
                durable("a"),
                json!({"type": "ack", "id": UNKNOWN}),
            ],
            "FF10175",
        ),
        (
            vec![autoack.clone(), json!({"type": "ack", "id": UNKNOWN})],
            "FF10180",
        ),
        (vec![autoack, json!({"type": "ack"})], "FF10180"),
        (
            vec![durable("a"), json!({"type": "ack", "id": "12"})],
            "FF10176",
        ),
    ] {
        refused(&server, "/ws", &frames, expected);
    }
}

#[test]
fn frames_that_are_no_request_are_refused() {
    let server = Server::start();
    for text in [
        "{}",
        "null",
        r#"{"type":"stop"}"#,
        r#"{"type":"event_batch"}"#,
        r#"{"type":"protocol_error"}"#,
    ] {
        let mut socket = server.socket("/ws");
        socket.send_text(text);
        assert_wrapped(&socket.receive_error_and_end(), "FF10177");
    }
    for text in [
        "",
        "no json",
        "[]",
        "\"start\"",
        "{\"type\":\"start\"",
        "{\"type\":\"ack\"} and more",
        "{\"type\":5}",
    ] {
        let mut socket = server.socket("/ws");
        socket.send_text(text);
        let error = socket.receive_error_and_end();
        assert!(error.starts_with("FF10176: "), "{text:?}: {error}");
    }
}

#[test]
fn an_acknowledgement_must_name_what_is_in_flight() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    let in_flight = |name: &str| -> (Socket, Value) {
        let mut socket = server.socket("/ws");
        socket.start(name);
        let event = socket.receive_topic("t1");
        (socket, event)
    };

    for subscription in [
        json!({}),
        json!({"id": UNKNOWN, "namespace": "", "name": ""}),
        json!({"namespace": "default", "name": "other"}),
        json!({"name": "app"}),
    ] {
        let (mut socket, event) = in_flight("app");
        socket.send(json!({"type": "ack", "id": event["id"], "subscription": subscription}));
        assert_wrapped(&socket.receive_error_and_end(), "FF10175");
    }
    // With two starts, the id alone says too little.
    let (mut socket, event) = in_flight("app");
    socket.start("app");
    socket.send(json!({"type": "ack", "id": event["id"]}));
    assert_wrapped(&socket.receive_error_and_end(), "FF10175");
    // None of that settled it.
    in_flight("app");
}

#[test]
fn each_way_to_name_what_is_in_flight_settles_it() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest.subscribe("app", json!({}), json!({}));
    let id = &created["id"];
    let mut socket = server.socket("/ws");
    socket.start("app");
    for (number, subscription) in [
        Some(json!({"id": id, "namespace": "", "name": ""})),
        Some(json!({"id": id})),
        Some(json!({"namespace": "default", "name": "app"})),
        Some(json!({"id": UNKNOWN, "namespace": "default", "name": "app"})),
        None,
    ]
    .into_iter()
    .enumerate()
    {
        let topic = format!("t{number}");
        rest.broadcast(&topic, "t");
        let event = socket.receive_topic(&topic);
        let mut ack = json!({"type": "ack", "id": event["id"]});
        if let Some(subscription) = subscription {
            ack["subscription"] = subscription;
        }
        socket.send(ack);
    }
    rest.broadcast("oldest", "t");
    socket.receive_topic("oldest");
    socket.send(json!({"type": "ACK"}));
    rest.broadcast("last", "t");
    socket.receive_topic("last");
}

#[test]
fn a_failed_query_start_keeps_the_socket_usable() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    for (path, expected) in [
        (
            "/ws?ephemeral&namespace=nowhere",
            "FF10187: Namespace does not exist",
        ),
        (
            "/ws?name=app&namespace=nowhere",
            "FF10187: Namespace does not exist",
        ),
        ("/ws?namespace=default&name=", "FF10178: "),
        (
            "/ws?ephemeral&namespace=default&filter.events=(",
            "FF10171: ",
        ),
        (
            "/api/v1/namespaces/default/ws?ephemeral&namespace=other",
            "FF10462: ",
        ),
    ] {
        let mut socket = server.socket(path);
        let error = socket.receive_error();
        assert!(error.starts_with(expected), "{path}: {error}");
        socket.ping(b"still here");
        assert_eq!(
            socket.next_frame(),
            Frame::Pong(b"still here".to_vec()),
            "{path}"
        );
        socket.start("app");
        socket.receive_topic("t1");
    }
    // The failed start has bound the connection to acknowledgements all the same.
    let mut socket = server.socket("/ws?ephemeral&namespace=nowhere");
    socket.receive_error();
    socket.send(json!({"type": "start", "namespace": "default", "name": "app", "autoack": true}));
    assert_wrapped(&socket.receive_error_and_end(), "FF10179");
}

#[test]
fn an_upgrade_where_there_is_no_socket_is_refused() {
    let server = Server::start();
    for path in ["/api/v1/namespaces/nowhere/ws", "/api/v1/ws", "/wss"] {
        match Socket::open(server.address(), path).err() {
            Some(Refused::Status(404)) => {}
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn an_oversized_frame_ends_its_connection_and_no_other() {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut healthy = server.socket("/ws");
    healthy.start("app");

    let mut socket = server.socket("/ws");
    // The header of a masked text frame of 1 GiB, and its beginning.
    let mut bytes = vec![0x81, 0xff];
    bytes.extend((1_u64 << 30).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([b' '; 1024]);
    socket.write_raw(&bytes);
    if let Frame::Json(frame) = socket.next_frame() {
        assert_eq!(frame["type"], "protocol_error");
        socket.expect_end();
    }
    // Bytes that are no frame at all: reserved bits, unmasked.
    let mut socket = server.socket("/ws");
    socket.write_raw(&[0xff, 0x00, 0x12, 0x34]);
    if let Frame::Json(frame) = socket.next_frame() {
        assert_eq!(frame["type"], "protocol_error");
        socket.expect_end();
    }

    rest.broadcast("t1", "t");
    healthy.receive_and_ack(["t1"]);
    server.assert_running();
}

#[test]
fn a_start_frame_of_the_performance_client_is_understood() {
    let server = Server::start();
    let rest = server.rest();
    let created = rest
        .post(
            "/api/v1/subscriptions",
            &json!({
                "namespace": "default", "name": "perf_1", "transport": "websockets",
                "filter": {"events": "message_confirmed", "message": {"tag": "^perf_1_"}},
                "options": {"firstEvent": "newest", "readAhead": 10},
                "created": null, "updated": null,
            }),
        )
        .expect(201);
    let mut socket = server.socket("/ws");
    socket.send(json!({
        "type": "start", "autoack": null, "namespace": "default", "name": "perf_1", "ephemeral": false,
        "filter": {"message": {}, "transaction": {}, "blockchainevent": {}}, "options": {},
    }));
    for number in 0..20 {
        rest.broadcast("unrelated", "other");
        rest.broadcast(&format!("t{number}"), &format!("perf_1_{number}"));
        let event = socket.receive_topic(&format!("t{number}"));
        assert_eq!(event["subscription"]["id"], created["id"]);
        socket.send(json!({
            "type": "ack", "id": event["id"],
            "subscription": {"id": created["id"], "namespace": "", "name": ""},
        }));
    }
    let path = format!("/api/v1/subscriptions/{}", created["id"].as_str().unwrap());
    assert_eq!(rest.delete(&path).status, 204);
}
