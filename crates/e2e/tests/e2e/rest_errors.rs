//! Is every wrong request about subscriptions, and every wrong request as such, refused with its code?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use photinus_e2e::{PATIENCE, Reply, Rest, Server, Socket};
use serde_json::json;

/// How long nothing may come where nothing should.
const QUIET: Duration = Duration::from_millis(100);

const SUBSCRIPTIONS: &str = "/api/v1/namespaces/default/subscriptions";
/// FireFly answers some mistakes of clients with 500; here they may have the status that they deserve.
const CLIENT_MISTAKE: &[u16] = &[400, 500];

/// A healthy consumer next to all the errors: it must go on.
struct Bystander {
    socket: Socket,
    count: u32,
}

impl Bystander {
    fn new(server: &Server) -> Self {
        server
            .rest()
            .subscribe("bystander", json!({"topic": "^bystander-"}), json!({}));
        let mut socket = server.socket("/ws");
        socket.start("bystander");
        Self { socket, count: 0 }
    }

    #[track_caller]
    fn still_gets_events(&mut self, rest: &Rest) {
        self.count += 1;
        let topic = format!("bystander-{}", self.count);
        rest.broadcast(&topic, "t");
        self.socket.receive_and_ack([topic.as_str()]);
    }
}

#[track_caller]
fn assert_refused(what: &str, reply: &Reply, statuses: &[u16], begin: &str) {
    let error = reply.error();
    assert!(
        statuses.contains(&reply.status),
        "{what}: {} {error}",
        reply.status
    );
    assert!(error.starts_with(begin), "{what}: {error}");
}

#[test]
fn every_wrong_subscription_is_refused_with_its_code() {
    let mut server = Server::start();
    let rest = server.rest();
    let mut bystander = Bystander::new(&server);
    let long = "a".repeat(65);
    let cases: Vec<(String, &[u16], &str)> = vec![
        ("null".to_owned(), &[400], ""),
        (String::new(), &[400], ""),
        ("{".to_owned(), &[400], ""),
        ("[]".to_owned(), &[400], ""),
        ("\"app\"".to_owned(), &[400], ""),
        (r#"{"name":5}"#.to_owned(), &[400], ""),
        (r#"{"name":"app","id":"zz"}"#.to_owned(), &[400], ""),
        (r#"{"name":"app","created":5}"#.to_owned(), &[400], ""),
        (r#"{"name":"app","filter":[]}"#.to_owned(), &[400], ""),
        (
            r#"{"name":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}"#.to_owned(),
            &[400],
            "FF00141: ",
        ),
        (
            r#"{"name":"AAAAAAAABBBB4CCC8DDDEEEEEEEEEEEE"}"#.to_owned(),
            &[400],
            "FF00141: ",
        ),
        ("{}".to_owned(), &[400], "FF00140: "),
        (r#"{"name":""}"#.to_owned(), &[400], "FF00140: "),
        (r#"{"name":"-app"}"#.to_owned(), &[400], "FF00140: "),
        (r#"{"name":"app."}"#.to_owned(), &[400], "FF00140: "),
        (r#"{"name":"a b"}"#.to_owned(), &[400], "FF00140: "),
        (format!(r#"{{"name":"{long}"}}"#), &[400], "FF00140: "),
        (
            r#"{"name":"app","transport":"system"}"#.to_owned(),
            CLIENT_MISTAKE,
            "FF10266: ",
        ),
        (
            r#"{"name":"app","transport":"pigeon"}"#.to_owned(),
            CLIENT_MISTAKE,
            "FF10172: ",
        ),
        (
            r#"{"name":"app","transport":"WebSockets"}"#.to_owned(),
            CLIENT_MISTAKE,
            "FF10172: ",
        ),
        (options(r#"{"tlsConfigName":"none"}"#), &[400], "FF10455: "),
        (options(r#"{"batchTimeout":"soon"}"#), &[400], "FF00137: "),
        (
            options(r#"{"batch":true,"withData":true}"#),
            &[400],
            "FF10460: ",
        ),
        (options(r#"{"withData":true}"#), &[400], "FF10244: "),
        (options(r#"{"withData":"yes"}"#), &[400], ""),
        (options(r#"{"readAhead":-1}"#), &[400], ""),
        (options(r#"{"readAhead":1.5}"#), &[400], ""),
        (options(r#"{"readAhead":"5"}"#), &[400], ""),
        (options(r#"{"readAhead":100000}"#), &[400], ""),
        (options(r#"{"firstEvent":5}"#), &[400], ""),
        (options(r#"{"firstEvent":"Oldest"}"#), &[400], "FF10191: "),
        (options(r#"{"firstEvent":" 3"}"#), &[400], "FF10191: "),
        (options(r#"{"firstEvent":"1.5"}"#), &[400], "FF10191: "),
        (options(r#"{"firstEvent":"-2"}"#), &[400], "FF10192: "),
    ];
    for (body, statuses, begin) in &cases {
        for method in ["POST", "PUT"] {
            let json = Some("application/json");
            let reply = rest
                .send(method, SUBSCRIPTIONS, json, Some(body.as_bytes()))
                .unwrap();
            assert_refused(&format!("{method} {body}"), &reply, statuses, begin);
        }
    }
    bystander.still_gets_events(&rest);
    let list = rest.get(SUBSCRIPTIONS).expect(200);
    assert_eq!(
        list.as_array().unwrap().len(),
        1,
        "only the bystander's: {list}"
    );
    server.assert_running();
}

#[test]
fn every_pattern_of_a_filter_is_checked_and_named() {
    let mut server = Server::start();
    let rest = server.rest();
    let mut bystander = Bystander::new(&server);
    for (filter, path) in [
        (json!({"events": "("}), "filter.events"),
        (json!({"tag": "("}), "filter.tag"),
        (json!({"message": {"tag": "["}}), "filter.message.tag"),
        (json!({"group": "*"}), "filter.group"),
        (json!({"message": {"group": "+"}}), "filter.message.group"),
        (json!({"topics": "a{2,1}"}), "filter.topics"),
        (json!({"topic": "\\"}), "filter.topic"),
        (json!({"author": "(?<"}), "filter.author"),
        (
            json!({"message": {"author": "(?=a)"}}),
            "filter.message.author",
        ),
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
        // The first in FireFly's order is the one that is named.
        (
            json!({"transaction": {"type": "("}, "events": "("}),
            "filter.events",
        ),
        (
            json!({"author": "(", "message": {"tag": "("}}),
            "filter.message.tag",
        ),
        // Small texts whose automata are huge.
        (json!({"topic": "((a{1000}){1000}){1000}"}), "filter.topic"),
        (
            json!({"message": {"tag": "(\\pL{900}){900}"}}),
            "filter.message.tag",
        ),
    ] {
        let body = json!({"name": "app", "filter": filter});
        for method in ["POST", "PUT"] {
            let reply = rest.try_json(method, SUBSCRIPTIONS, &body).unwrap();
            assert_refused(
                &format!("{method} {filter}"),
                &reply,
                CLIENT_MISTAKE,
                "FF10171: ",
            );
            assert!(reply.error().contains(path), "{path}: {}", reply.error());
        }
    }
    let body = json!({"name": "-", "filter": {"events": "("}, "options": {"withData": true}});
    assert_refused(
        "the name comes first",
        &rest.post(SUBSCRIPTIONS, &body),
        &[400],
        "FF00140: ",
    );
    let body = json!({"name": "a", "filter": {"events": "("}, "options": {"withData": true}});
    assert_refused(
        "then the options",
        &rest.post(SUBSCRIPTIONS, &body),
        &[400],
        "FF10244: ",
    );

    // A long text is bounded somewhere: it is refused or works, but never harms.
    let words: Vec<String> = (0..20_000).map(|number| format!("word{number}")).collect();
    let body = json!({"name": "long", "filter": {"topic": words.join("|")}});
    let reply = rest.post(SUBSCRIPTIONS, &body);
    assert!(
        [201, 400, 413, 500].contains(&reply.status),
        "{}",
        reply.text()
    );
    bystander.still_gets_events(&rest);
    server.assert_running();
}

#[test]
fn a_name_is_taken_once() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let reply = rest.post(SUBSCRIPTIONS, &json!({"name": "app"}));
    assert_eq!(reply.status, 409);
    assert_eq!(
        reply.error(),
        "FF10193: A subscription with name 'default:app' already exists"
    );
}

#[test]
fn a_subscription_that_is_not_there_cannot_be_deleted() {
    let server = Server::start();
    let rest = server.rest();
    let absent = format!("{SUBSCRIPTIONS}/00000000-0000-4000-8000-000000000000");
    assert_refused("absent", &rest.delete(&absent), &[404], "FF10109");
    let no_id = format!("{SUBSCRIPTIONS}/app");
    assert_refused("no id", &rest.delete(&no_id), &[400], "FF00138");
    let created = rest.subscribe("app", json!({}), json!({}));
    let path = format!("{SUBSCRIPTIONS}/{}", created["id"].as_str().unwrap());
    let reply = rest.delete(&path);
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_refused("twice", &rest.delete(&path), &[404], "FF10109");
    assert_refused("gone", &rest.get(&path), &[404], "FF00164");
}

#[test]
fn wrong_paths_methods_and_content_types_are_refused() {
    let mut server = Server::start();
    let rest = server.rest();
    let mut bystander = Bystander::new(&server);
    for path in [
        "/api/v1/namespaces/nowhere",
        "/api/v1/namespaces/nowhere/status",
        "/api/v1/namespaces/nowhere/subscriptions",
        "/api/v1/namespaces/nowhere/events",
    ] {
        let reply = rest.get(path);
        assert_refused(path, &reply, &[404], "FF10436: Unknown namespace 'nowhere'");
    }
    let reply = rest.post("/api/v1/namespaces/nowhere/messages/broadcast", &json!({}));
    assert_refused(
        "POST",
        &reply,
        &[404],
        "FF10436: Unknown namespace 'nowhere'",
    );

    for path in [
        "/api/v1/nothing",
        "/api/v1/status/websockets",
        "/api/v1/event/1",
        "/api/v1/subscriptions/",
        "/api/v1/namespaces/default/nothing",
        "/api/v2/status",
    ] {
        assert_refused(path, &rest.get(path), &[404], "FF10109");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/subscriptions"),
        ("PATCH", "/api/v1/namespaces/default/subscriptions"),
        ("PUT", "/api/v1/messages/broadcast"),
        ("POST", "/api/v1/events"),
        ("POST", "/api/v1/websockets"),
    ] {
        let body = (method != "DELETE").then_some(&b"{}"[..]);
        let reply = rest
            .send(method, path, body.map(|_| "application/json"), body)
            .unwrap();
        assert_eq!(
            (reply.status, reply.text()),
            (405, String::new()),
            "{method} {path}"
        );
    }
    for content_type in [None, Some("text/csv"), Some("application/xml"), Some("")] {
        for (method, path) in [
            ("POST", SUBSCRIPTIONS),
            ("PUT", SUBSCRIPTIONS),
            ("POST", "/api/v1/messages/broadcast"),
        ] {
            let reply = rest.send(method, path, content_type, Some(b"{}")).unwrap();
            let what = format!("{method} {path} as {content_type:?}");
            assert_refused(&what, &reply, &[415], "FF00162");
        }
    }
    bystander.still_gets_events(&rest);
    server.assert_running();
}

#[test]
fn an_oversized_body_is_refused_and_harms_nobody() {
    let mut server = Server::start();
    let mut bystander = Bystander::new(&server);
    let mut body = br#"{"name":"app","description":""#.to_vec();
    body.resize(64 << 20, b'x');
    body.extend(br#""}"#);
    for path in [SUBSCRIPTIONS, "/api/v1/messages/broadcast"] {
        // The server may answer and hang up before it has read all of it, which the client sees as either.
        let json = Some("application/json");
        if let Ok(reply) = server.rest().send("POST", path, json, Some(&body)) {
            assert!([400, 413].contains(&reply.status), "{}", reply.status);
        }
    }
    // One that is not that large is read to its end for nothing, so that the client comes to read its answer.
    let body = vec![b' '; 8 << 20];
    for _ in 0..10 {
        let json = Some("application/json");
        let reply = server.rest().send("POST", SUBSCRIPTIONS, json, Some(&body));
        assert_refused("8 MiB", &reply.unwrap(), &[413], "PH00413");
    }
    bystander.still_gets_events(&server.rest());
    server.assert_running();
}

fn options(options: &str) -> String {
    format!(r#"{{"name":"app","options":{options}}}"#)
}

#[test]
fn a_connection_goes_on_after_a_refusal_that_did_not_wait_for_the_body() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = "POST /api/v1/messages/broadcast HTTP/1.1\r\nhost: localhost\r\n\
                content-type: text/csv\r\ncontent-length: 2\r\n\r\n";
    for _ in 0..3 {
        // In two segments, as many clients send them: the server knows its answer after the first, and waits.
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(QUIET)).unwrap();
        assert!(
            stream.peek(&mut [0]).is_err(),
            "answered before the body came"
        );
        stream.write_all(b"{}").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"));
    }
}
