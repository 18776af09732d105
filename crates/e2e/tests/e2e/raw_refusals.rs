//! Which frames are refused, and with which words?

use photinus_e2e::{FrameBytes, RawSocket, Server, opcode};
use serde_json::{Value, json};

const PINNED: &str = "/api/v1/namespaces/default/ws";

/// Sends these texts to a new connection; the last one must be answered with an error that begins so, and the
/// end. As text and as bytes.
#[track_caller]
fn refused(server: &Server, path: &str, texts: &[&str], expected: &str) {
    for code in [opcode::TEXT, opcode::BINARY] {
        let mut socket = RawSocket::open(server.address(), path);
        for text in texts {
            socket.write(&FrameBytes::new(code, text).bytes());
        }
        let error = socket.receive_error_and_end(1008);
        let expected = format!("FF10176: Invalid data: {expected}");
        assert!(
            error.starts_with(&expected),
            "{texts:?}: expected {expected}, not {error}"
        );
    }
}

#[test]
fn a_start_for_no_namespace_or_no_name_is_refused() {
    let server = Server::start();
    let app = r#""name":"app""#;
    let ephemeral = r#""ephemeral":true"#;
    for (text, expected) in [
        // The namespace is looked up first, also an empty one.
        (
            format!(r#"{{"type":"start","namespace":"nowhere",{app}}}"#),
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            format!(r#"{{"type":"start","namespace":"nowhere",{ephemeral}}}"#),
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            r#"{"type":"start","namespace":"nowhere"}"#.to_owned(),
            "FF10436: Unknown namespace 'nowhere'",
        ),
        (
            format!(
                r#"{{"type":"start","namespace":"nowhere",{ephemeral},"filter":{{"events":"("}}}}"#
            ),
            "FF10436: ",
        ),
        (
            format!(r#"{{"type":"start","namespace":"",{app}}}"#),
            "FF10436: Unknown namespace ''",
        ),
        (
            format!(r#"{{"type":"start","namespace":null,{app}}}"#),
            "FF10436: Unknown namespace ''",
        ),
        (
            format!(r#"{{"type":"start",{app}}}"#),
            "FF10436: Unknown namespace ''",
        ),
        (
            format!(r#"{{"type":"start",{ephemeral}}}"#),
            "FF10436: Unknown namespace ''",
        ),
        (
            r#"{"type":"start"}"#.to_owned(),
            "FF10436: Unknown namespace ''",
        ),
        (
            format!(r#"{{"type":"start","namespace":"Default",{app}}}"#),
            "FF10436: Unknown namespace 'Default'",
        ),
        (
            r#"{"type":"start","namespace":"default"}"#.to_owned(),
            "FF10178: ",
        ),
        (
            r#"{"type":"start","namespace":"default","name":""}"#.to_owned(),
            "FF10178: ",
        ),
        (
            r#"{"type":"start","namespace":"default","name":null}"#.to_owned(),
            "FF10178: ",
        ),
        (
            r#"{"type":"start","namespace":"default","ephemeral":false}"#.to_owned(),
            "FF10178: ",
        ),
        (
            r#"{"type":"start","namespace":"default","ephemeral":null}"#.to_owned(),
            "FF10178: ",
        ),
    ] {
        refused(&server, "/ws", &[&text], expected);
    }
    for (text, expected) in [
        (
            format!(r#"{{"type":"start","namespace":"other",{app}}}"#),
            "FF10462: ",
        ),
        (
            format!(r#"{{"type":"start","namespace":"other",{ephemeral}}}"#),
            "FF10462: ",
        ),
        // The namespace is filled in, the name is not.
        (r#"{"type":"start"}"#.to_owned(), "FF10178: "),
        (r#"{"type":"start","namespace":""}"#.to_owned(), "FF10178: "),
    ] {
        refused(&server, PINNED, &[&text], expected);
    }
    // A namespace that exists is still not that of the path.
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let text = format!(r#"{{"type":"start","namespace":"other",{app}}}"#);
    refused(&server, PINNED, &[&text], "FF10462: ");
}

#[test]
fn an_ephemeral_start_is_checked_and_a_durable_one_ignores_what_is_stored() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    for (filter, path) in [
        (json!({"events": "("}), "filter.events"),
        (json!({"tag": "("}), "filter.tag"),
        (json!({"message": {"tag": "("}}), "filter.message.tag"),
        (json!({"group": "["}), "filter.group"),
        (
            json!({"message": {"group": "a{2,1}"}}),
            "filter.message.group",
        ),
        (json!({"topics": "*"}), "filter.topics"),
        (json!({"topic": "(?<!a)b"}), "filter.topic"),
        (json!({"author": "\\"}), "filter.author"),
        (json!({"message": {"author": "("}}), "filter.message.author"),
        (
            json!({"blockchainevent": {"name": "("}}),
            "filter.blockchain.name",
        ),
        (
            json!({"blockchainevent": {"listener": "("}}),
            "filter.blockchain.listener",
        ),
        (
            json!({"transaction": {"type": "("}}),
            "filter.transaction.type",
        ),
        // Of several, the first.
        (json!({"topic": "(", "events": "("}), "filter.events"),
    ] {
        let start =
            json!({"type": "start", "namespace": "default", "ephemeral": true, "filter": filter});
        let text = start.to_string();
        refused(&server, "/ws", &[&text], "FF10171: ");
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.send_text(&text);
        let error = socket.receive_error_and_end(1008);
        assert!(
            error.contains(&format!("'{path}'"))
                || error.contains(&format!("{path}:"))
                || error.contains(&format!("{path} ")),
            "no {path} in {error}"
        );
    }
    for (options, expected) in [
        (json!({"withData": true}), "FF10244: "),
        (json!({"firstEvent": "first"}), "FF10191: "),
        (json!({"firstEvent": "Oldest"}), "FF10191: "),
        (json!({"firstEvent": "1.5"}), "FF10191: "),
        (json!({"firstEvent": "-2"}), "FF10192: "),
        (json!({"firstEvent": 1}), "invalid type: "),
        (json!({"readAhead": "1"}), "invalid type: "),
        (json!({"readAhead": -1}), "invalid value: "),
        (json!({"readAhead": 1.5}), "invalid type: "),
        (json!({"batch": "yes"}), "invalid type: "),
        (json!({"withData": 1}), "invalid type: "),
        (json!([]), "invalid type: "),
        (json!("x"), "invalid type: "),
    ] {
        let start =
            json!({"type": "start", "namespace": "default", "ephemeral": true, "options": options});
        refused(&server, "/ws", &[&start.to_string()], expected);
    }

    // A durable subscription has its own, so these mean nothing.
    rest.broadcast("t1", "t");
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.send(&json!({
        "type": "start", "namespace": "default", "name": "app",
        "filter": {"events": "(", "topic": "^never$"},
        "options": {"withData": true, "firstEvent": "never", "batch": true, "batchTimeout": "soon"},
    }));
    socket.receive_and_ack(["t1"]);
    // And neither does a duration of an ephemeral one.
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.send(&json!({
        "type": "start", "namespace": "default", "ephemeral": true,
        "options": {"firstEvent": "oldest", "batch": true, "batchTimeout": "soon"},
    }));
    assert_eq!(socket.receive()["type"], "event_batch");
}

#[test]
fn frames_that_are_no_request_are_refused() {
    let server = Server::start();
    for text in [
        "{}",
        "null",
        " null\n",
        r#"{"type":null}"#,
        r#"{"type":""}"#,
        r#"{"type":"stop"}"#,
        r#"{"type":" start"}"#,
        r#"{"type":"event_batch"}"#,
        r#"{"type":"protocol_error","error":"x"}"#,
        r#"{"type":"message_confirmed","id":"00000000-0000-4000-8000-000000000000"}"#,
        r#"{"namespace":"default","name":"app"}"#,
    ] {
        refused(&server, "/ws", &[text], "FF10177: ");
    }
    for (text, expected) in [
        ("", "EOF while parsing"),
        (" ", "EOF while parsing"),
        ("start", "expected value"),
        ("[]", "invalid type: "),
        ("5", "invalid type: "),
        ("true", "invalid type: "),
        ("\"start\"", "invalid type: "),
        ("{\"type\":\"start\"", "EOF while parsing"),
        (
            "{\"type\":\"ack\"}{\"type\":\"ack\"}",
            "trailing characters",
        ),
        ("{\"type\":\"ack\"} and more", "trailing characters"),
        (
            "{\"type\":\"start\",\"namespace\":\"default\",\"name\":\"app\"}\0",
            "trailing characters",
        ),
        ("{'type':'ack'}", "key must be a string"),
        ("{\"type\":5}", "invalid type: "),
        ("{\"type\":[\"ack\"]}", "invalid type: "),
        ("{\"type\":\"start\",\"namespace\":5}", "invalid type: "),
        ("{\"type\":\"start\",\"name\":{}}", "invalid type: "),
        (
            "{\"type\":\"start\",\"ephemeral\":\"true\"}",
            "invalid type: ",
        ),
        ("{\"type\":\"start\",\"autoack\":1}", "invalid type: "),
        ("{\"type\":\"start\",\"filter\":\"^t\"}", "invalid type: "),
        (
            "{\"type\":\"start\",\"filter\":{\"message\":\"^t\"}}",
            "invalid type: ",
        ),
        ("{\"type\":\"ack\",\"id\":\"12\"}", "UUID"),
        ("{\"type\":\"ack\",\"id\":\"\"}", "UUID"),
        ("{\"type\":\"ack\",\"id\":12}", "UUID"),
        (
            "{\"type\":\"ack\",\"subscription\":\"app\"}",
            "invalid type: ",
        ),
        (
            "{\"type\":\"ack\",\"subscription\":{\"id\":\"app\"}}",
            "UUID",
        ),
    ] {
        for code in [opcode::TEXT, opcode::BINARY] {
            let mut socket = RawSocket::open(server.address(), "/ws");
            socket.write(&FrameBytes::new(code, text).bytes());
            let error = socket.receive_error_and_end(1008);
            let words = error
                .strip_prefix("FF10176: Invalid data: ")
                .unwrap_or_default();
            // The words of the decoder, which have no code.
            assert!(
                words.contains(expected) && !words.starts_with("FF"),
                "{text:?}: {error}"
            );
        }
    }
}

#[test]
fn autoack_belongs_to_the_connection_and_the_first_start_sets_it() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    let absent = json!({});
    let given = |value: Value| json!({"autoack": value});
    let start = |name: &str, extra: &Value| {
        let mut start = json!({"type": "start", "namespace": "default", "name": name});
        if let Some(value) = extra.get("autoack") {
            start["autoack"] = value.clone();
        }
        start.to_string()
    };
    for (first, second, fits) in [
        (&absent, given(json!(true)), false),
        (&given(json!(null)), given(json!(true)), false),
        (&given(json!(false)), given(json!(true)), false),
        (&given(json!(true)), given(json!(false)), false),
        (&absent, given(json!(false)), true),
        (&given(json!(false)), absent.clone(), true),
        (&given(json!(true)), absent.clone(), true),
        (&given(json!(true)), given(json!(null)), true),
        (&given(json!(true)), given(json!(true)), true),
    ] {
        let [one, two] = [start("one", first), start("two", &second)];
        if !fits {
            refused(&server, "/ws", &[&one, &two], "FF10179: ");
            // Also for a subscription that was started before, and for an ephemeral one.
            refused(&server, "/ws", &[&one, &start("one", &second)], "FF10179: ");
            continue;
        }
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.send_text(&one);
        socket.send_text(&two);
        assert_eq!(socket.settle(), Vec::<Value>::new(), "{first} {second}");
        // What it is now is seen in the error of an ack.
        let expected = match first["autoack"] == true {
            true => "FF10180: ",
            false => "FF10175: ",
        };
        refused(&server, "/ws", &[&one, &two, r#"{"type":"ack"}"#], expected);
    }
    let ephemeral = r#"{"type":"start","namespace":"default","ephemeral":true,"autoack":true}"#;
    refused(
        &server,
        "/ws",
        &[&start("one", &absent), ephemeral],
        "FF10179: ",
    );
    // Null sets nothing, so a first start with it is as one without.
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.send_text(&start("app", &given(json!(null))));
    let event = socket.receive_topic("t1");
    socket.ack(&event);
    rest.broadcast("t2", "t");
    socket.receive_topic("t2");
}
