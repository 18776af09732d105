//! Is what a receiver answers published as a reply, and a request over HTTP answered by it?

use photinus_e2e::{Reaction, Receiver, Rest, wait_for};
use serde_json::{Value, json};

use super::{Hook, publish, start};

/// The one reply with this tag, with its data.
#[track_caller]
fn reply(rest: &Rest, tag: &str) -> Value {
    let path = format!("/api/v1/messages?tag={tag}&fetchdata");
    wait_for("the reply", || {
        let found = rest.get(&path).expect(200);
        let found = found.as_array().expect("a list");
        assert!(found.len() <= 1, "{found:?}");
        found.first().cloned()
    })
}

#[test]
fn an_answer_is_a_reply_with_its_status_headers_and_body() {
    let server = start();
    let rest = server.rest();
    let said = json!({"sum": 3});
    // What `printf hello | gzip` writes, without a name and a time.
    let packed: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0,
    ];
    let cases = [
        (
            "json",
            Reaction::json(201, &said).with("x-one", "1"),
            json!({"status": 201, "body": said, "headers": {"Content-Type": "application/json", "X-One": "1"}}),
        ),
        (
            "text",
            Reaction::status(200)
                .with("content-type", "text/plain")
                .body("hello"),
            json!({"status": 200, "body": "aGVsbG8=", "headers": {"Content-Type": "text/plain"}}),
        ),
        (
            "packed",
            Reaction::status(200)
                .with("content-type", "text/plain")
                .with("content-encoding", "gzip")
                .body(packed),
            json!({"status": 200, "body": "aGVsbG8=", "headers": {"Content-Type": "text/plain"}}),
        ),
        (
            "failure",
            Reaction::json(500, &said),
            json!({"status": 500, "body": said, "headers": {"Content-Type": "application/json"}}),
        ),
        (
            "gone",
            Reaction::json(410, &said),
            json!({"status": 410, "body": said, "headers": {"Content-Type": "application/json"}}),
        ),
    ];
    for (tag, reaction, expected) in cases {
        let mut receiver = Receiver::start();
        receiver.answers(move |_| reaction.clone());
        let options = json!({"reply": true, "replytag": tag, "firstEvent": "newest"});
        let hook = Hook::to(&rest, tag, &receiver, options);
        let asked = rest.broadcast("question", "ask");
        let reply = reply(&rest, tag);
        assert_eq!(receiver.receive().header("accept-encoding"), Some("gzip"));
        assert_eq!(reply["header"]["cid"], asked["header"]["id"]);
        assert_eq!(reply["header"]["topics"], json!(["question"]));
        let mut value = reply["data"][0]["value"].clone();
        let headers = value["headers"].as_object_mut().unwrap();
        headers.remove("Content-Length");
        assert_eq!(value, expected, "{tag}");
        // It is a message that comes by, too, and is not sent.
        hook.wait_for_state(&rest, "idle");
        assert_eq!(receiver.count(), 1);
        rest.delete(&hook.path);
    }
}

#[test]
fn where_nobody_answers_the_reply_says_so() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    receiver.stop();
    let options = json!({"reply": true, "replytag": "r", "replytx": "batch_pin"});
    let hook = Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &["t1"]);
    let reply = reply(&rest, "r");
    assert_eq!(reply["header"]["txtype"], "batch_pin");
    let value = &reply["data"][0]["value"];
    assert_eq!(value["status"], 502);
    let error = value["body"]["error"].as_str().unwrap();
    assert!(error.contains("no connection"), "{error}");
    hook.wait_for_state(&rest, "idle");
}

#[test]
fn the_last_of_several_answers_is_the_reply() {
    let server = start();
    let rest = server.rest();
    let receiver = Receiver::start();
    receiver.answers(|_| Reaction::status(500));
    let retry = json!({"enabled": true, "count": 2, "initialDelay": "1ms"});
    let options = json!({"reply": true, "replytag": "r", "retry": retry});
    let hook = Hook::to(&rest, "app", &receiver, options);
    publish(&rest, &["t1"]);
    assert_eq!(reply(&rest, "r")["data"][0]["value"]["status"], 500);
    hook.wait_for_state(&rest, "idle");
    assert_eq!(receiver.count(), 3);
}

#[test]
fn a_request_over_http_is_answered_by_a_webhook() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    receiver.answers(|request| {
        let value = request.json();
        Reaction::json(
            200,
            &json!({"doubled": value["number"].as_i64().unwrap() * 2}),
        )
    });
    let options = json!({"reply": true, "replytag": "answer", "firstEvent": "newest"});
    Hook::to(&rest, "app", &receiver, options);
    let question = json!({
        "header": {"tag": "ask", "topics": ["questions"]},
        "group": {"members": [{"identity": "did:firefly:org/org_1"}]},
        "data": [{"value": {"number": 21}}],
    });
    let answered = rest.post("/api/v1/messages/requestreply", &question);
    let answered = answered.expect(200);
    assert_eq!(answered["data"][0]["value"]["body"], json!({"doubled": 42}));
    assert_eq!(answered["header"]["tag"], "answer");
    assert!(answered["header"]["group"].is_string(), "{answered}");
    assert_eq!(receiver.receive().json(), json!({"number": 21}));
}
