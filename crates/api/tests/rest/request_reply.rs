//! Does a request get its reply, and nobody else's?

use std::time::Duration;

use axum::body::Body;
use http::Request;
use photinus_contract::scripted::Scripted;
use photinus_transport_system::{Heard, Listener};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::{Api, Reply};

const PATH: &str = "/api/v1/messages/requestreply";
const NAMED_PATH: &str = "/api/v1/namespaces/default/messages/requestreply";
const PRIVATE: &str = "/api/v1/messages/private";

fn group() -> Value {
    json!({"members": [{"identity": "org_1"}]})
}

/// A request with this value.
fn question(value: impl Into<Value>) -> Value {
    json!({"header": {"tag": "ask"}, "group": group(), "data": [{"value": value.into()}]})
}

/// A request with a time limit.
fn asked_for(limit: &str, path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("Request-Timeout", limit)
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// Whoever replies: hears the requests.
fn replier(api: &Api, namespace: &str) -> Listener {
    let filter = serde_json::from_value(json!({"message": {"tag": "^ask$"}})).unwrap();
    let options = serde_json::from_value(json!({"withData": true, "readAhead": 20})).unwrap();
    api.listeners.listen(namespace, filter, options).unwrap()
}

/// Answers with the value of the request.
fn answer(heard: Heard) {
    let value: Value = serde_json::from_str(heard.data().unwrap()[0].value.get()).unwrap();
    let reply = json!({"header": {"tag": "answer", "topics": ["a", "b"]},
        "data": [{"value": {"answer to": value}}]});
    heard.ack_with_reply(serde_json::from_value(reply).unwrap());
}

/// Asks, and answers the one question.
async fn asked_and_answered(api: &Api, path: &str, body: &Value) -> Reply {
    let mut replier = replier(api, "default");
    let ask = api.post(path, body.clone());
    let (reply, ()) = tokio::join!(ask, async { answer(replier.next().await.unwrap()) });
    reply
}

#[tokio::test]
async fn the_checks_of_a_request_come_first_and_in_their_order() {
    let api = Api::new().await;
    let hash = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";
    let cid = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
    for (body, status, error) in [
        (json!({}), 400, "FF10271"),
        (
            json!({"header": {"tag": "a b", "cid": cid}}),
            400,
            "FF10271",
        ),
        (json!({"group": {"members": []}}), 400, "FF10271"),
        (
            json!({"header": {"cid": cid}, "group": group()}),
            400,
            "FF10261",
        ),
        (json!({"header": {"group": hash}}), 400, "FF10261"),
        (
            json!({"header": {"tag": "a b", "cid": cid}, "group": group()}),
            400,
            "FF10262",
        ),
        (
            json!({"header": {"tag": "a b"}, "group": group()}),
            400,
            "FF00140",
        ),
        (
            json!({"header": {"tag": "t", "group": hash}}),
            404,
            "FF10226",
        ),
        (
            json!({"header": {"tag": "t"}, "group": group(), "data": [{}]}),
            400,
            "FF10205",
        ),
        (
            json!({"header": {"tag": "t", "type": "transfer"}, "group": group()}),
            400,
            "header.type",
        ),
    ] {
        for path in [PATH, NAMED_PATH] {
            api.post(path, body.clone()).await.is_error(status, error);
        }
    }
    let nowhere = "/api/v1/namespaces/nowhere/messages/requestreply";
    api.post(nowhere, question(1))
        .await
        .is_error(404, "FF10436");
    api.with_body("POST", PATH, "text/plain", "x")
        .await
        .is_error(400, "FF10271");
    api.with_body("POST", PATH, "application/json", "null")
        .await
        .is_error(400, "");
    assert_eq!(api.get("/api/v1/messages").await.json(200), json!([]));
}

#[tokio::test]
async fn a_request_is_answered_with_the_reply_and_its_values() {
    let api = Api::new().await;
    for path in [
        PATH,
        NAMED_PATH,
        "/api/v1/messages/requestreply?confirm=true",
    ] {
        let reply = asked_and_answered(&api, path, &question("six times nine")).await;
        let shown = reply.json(200);
        assert_eq!(shown["header"]["tag"], "answer");
        assert_eq!(shown["state"], "confirmed");
        assert_eq!(
            shown["data"][0]["value"],
            json!({"answer to": "six times nine"})
        );
        let request = shown["header"]["cid"].as_str().unwrap();
        let request = api
            .get(&format!("/api/v1/messages/{request}"))
            .await
            .json(200);
        assert_eq!(request["header"]["type"], "private");
        assert_eq!(request["header"]["tag"], "ask");
        assert_eq!(
            shown["header"]["group"], request["header"]["group"],
            "private as the request"
        );
        assert_eq!(shown["header"]["type"], "private");
        let id = shown["header"]["id"].as_str().unwrap();
        let stored = api.get(&format!("/api/v1/messages/{id}?fetchdata")).await;
        assert_eq!(stored.text, reply.text);
    }
}

#[tokio::test]
async fn a_type_that_is_given_is_kept_and_the_group_with_it() {
    let api = Api::new().await;
    for (given, kind) in [("broadcast", "broadcast"), ("PRIVATE", "private")] {
        let mut body = question(1);
        body["header"]["type"] = given.into();
        let reply = asked_and_answered(&api, PATH, &body).await.json(200);
        let request = reply["header"]["cid"].as_str().unwrap();
        let request = api
            .get(&format!("/api/v1/messages/{request}"))
            .await
            .json(200);
        assert_eq!(request["header"]["type"], kind);
        assert_eq!(request["header"]["group"].as_str().unwrap().len(), 64);
        assert_eq!(reply["header"]["group"], request["header"]["group"]);
    }
    // Elsewhere the route decides, whatever is said.
    let body = json!({"header": {"type": "private"}, "group": group()});
    let broadcast = api.post("/api/v1/messages/broadcast", body).await.json(202);
    assert_eq!(broadcast["header"]["type"], "broadcast");
    assert!(broadcast["header"]["group"].is_null());
}

#[tokio::test]
async fn a_message_with_the_cid_is_the_reply_however_it_was_published() {
    let api = Api::new().await;
    for path in [PRIVATE, "/api/v1/messages/broadcast"] {
        let mut replier = replier(&api, "default");
        let (reply, ()) = tokio::join!(api.post(PATH, question(1)), async {
            let request = replier.next().await.unwrap().event().reference();
            // To somebody else, to nobody, and then twice to the request.
            for cid in [json!("0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01"), Value::Null] {
                let other = json!({"header": {"cid": cid, "tag": "other"}, "group": group()});
                api.post(path, other).await.json(202);
            }
            for tag in ["first", "second"] {
                let body = json!({"header": {"cid": request, "tag": tag}, "group": group()});
                api.post(path, body).await.json(202);
            }
        });
        assert_eq!(reply.json(200)["header"]["tag"], "first");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_faster_than_the_answer_to_the_request_is_not_missed() {
    let api = Api::new().await;
    let mut replier = replier(&api, "default");
    let mut asking = Box::pin(api.post(PATH, question(1)));
    // So far that it is on its way to the store; then it is not looked at until the reply is in the log.
    tokio::select! {
        biased;
        _ = &mut asking => panic!("it was answered by nobody"),
        () = std::future::ready(()) => {}
    }
    answer(replier.next().await.unwrap());
    let is_replied = async || {
        let messages = api.get("/api/v1/messages").await.json(200);
        messages.as_array().unwrap().len() == 2
    };
    while !is_replied().await {
        tokio::task::yield_now().await;
    }
    assert_eq!(asking.await.json(200)["header"]["tag"], "answer");
}

#[tokio::test]
async fn a_thousand_requests_at_once_get_each_their_own_reply() {
    const REQUESTS: usize = 1_000;
    let api = Api::new().await;
    let mut replier = replier(&api, "default");
    let mut asking = JoinSet::new();
    let begun = Instant::now();
    for number in 0..REQUESTS {
        let api = api.clone();
        asking.spawn(async move {
            let reply = api.post(PATH, question(number)).await.json(200);
            assert_eq!(reply["data"][0]["value"], json!({"answer to": number}));
        });
    }
    for _ in 0..REQUESTS {
        answer(replier.next().await.unwrap());
    }
    asking.join_all().await;
    println!("{REQUESTS} requests and replies in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_reply_in_another_namespace_is_none() {
    let api = Api::new().await;
    let other = json!({"name": "other"});
    api.post("/api/v1/namespaces", other).await.json(201);
    let mut replier = replier(&api, "default");
    let (reply, ()) = tokio::join!(api.send(asked_for("300ms", PATH, &question(1))), async {
        let request = replier.next().await.unwrap().event().reference();
        let body = json!({"header": {"cid": request}});
        api.post("/api/v1/namespaces/other/messages/broadcast", body)
            .await
            .json(202);
    });
    reply.is_error(408, "FF10260");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_reply_ends_at_its_time_limit_and_stays_published() {
    let config = json!({"request_timeout": "2m", "replies_awaited_max": 1});
    let api = Api::with(config, Scripted::new()).await;
    let mut late = Vec::new();
    for (limit, shown) in [("1500ms", "1,5"), ("2", "2,0"), ("nonsense", "120,0")] {
        let begun = Instant::now();
        let reply = api.send(asked_for(limit, PATH, &question(1))).await;
        reply.is_error(408, "FF10260: The request with id '");
        let newest = api.get("/api/v1/messages?limit=1").await.json(200);
        let id = newest[0]["header"]["id"].as_str().unwrap().to_owned();
        let text = reply.json(408)["error"].as_str().unwrap().to_owned();
        let start = format!("FF10260: The request with id '{id}' timed out after {shown}");
        assert!(text.starts_with(&start) && text.ends_with("ms"), "{text}");
        let (_, hundredths) = text.trim_end_matches("ms").rsplit_once('.').unwrap();
        assert_eq!(hundredths.len(), 2, "{text}");
        assert!(begun.elapsed() < Duration::from_secs(121));
        late.push(id);
    }
    // A reply that comes too late is a message like any other; the next request is not disturbed.
    for id in late {
        let body = json!({"header": {"cid": id}, "group": group()});
        api.post(PRIVATE, body).await.json(202);
    }
    asked_and_answered(&api, PATH, &question(1)).await.json(200);
}

#[tokio::test]
async fn a_request_that_is_given_up_frees_its_place() {
    let api = Api::with(json!({"replies_awaited_max": 1}), Scripted::new()).await;
    for _ in 0..3 {
        let mut replier = replier(&api, "default");
        let body = question(1);
        let mut given_up = Box::pin(api.post(PATH, body.clone()));
        tokio::select! {
            biased;
            _ = &mut given_up => panic!("nobody answered"),
            heard = replier.next() => assert!(heard.is_some()),
        }
        let full = api.post(PATH, body).await;
        full.is_error(503, "PH00433");
        drop(given_up);
    }
    asked_and_answered(&api, PATH, &question(1)).await.json(200);
}

#[tokio::test]
async fn nobody_is_listened_to_where_nobody_waits() {
    let section = json!({"listeners_max": 2});
    let api = Api::with_system(json!({}), Scripted::new(), section).await;
    let other = json!({"name": "other"});
    api.post("/api/v1/namespaces", other).await.json(201);
    let elsewhere = "/api/v1/namespaces/other/messages/requestreply";
    // One listener is the replier's, one that of the namespace where somebody waits.
    let mut replier = replier(&api, "default");
    for _ in 0..2 {
        let waiting = api.post(PATH, question(1));
        let ((), reply) = tokio::join!(
            async {
                let heard = replier.next().await.unwrap();
                let refused = api.post(elsewhere, question(2)).await;
                refused.is_error(503, "PH00434");
                answer(heard);
            },
            waiting
        );
        reply.json(200);
        // The listener ends in a task of its own.
        let freed = async {
            let listen = || {
                let (filter, options) = Default::default();
                api.listeners.listen("default", filter, options)
            };
            while listen().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), freed)
            .await
            .expect("the listener stays");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_waits_for_nothing() {
    let api = Api::with(json!({"replies_awaited_max": 1}), Scripted::new()).await;
    let mut body = question(1);
    body["idempotencyKey"] = "k".into();
    asked_and_answered(&api, PATH, &body).await.json(200);
    for path in [PATH, PRIVATE] {
        let again = api.post(path, body.clone()).await;
        again.is_error(409, "FF10430");
    }
    asked_and_answered(&api, PATH, &question(1)).await.json(200);
}

#[tokio::test]
async fn requests_that_wait_are_told_when_the_server_stops() {
    let api = Api::new().await;
    let mut replier = replier(&api, "default");
    let (reply, request) = tokio::join!(api.post(PATH, question(1)), async {
        let heard = replier.next().await.unwrap();
        api.listeners.close();
        heard.event().reference()
    });
    reply.is_error(503, "PH00503: The server is stopping");
    assert!(reply.text.contains(&request.to_string()), "{}", reply.text);
    api.post(PATH, question(1)).await.is_error(503, "PH00503");
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_has_the_time_limit_and_the_words_of_a_reply() {
    let api = Api::new().await;
    for path in [
        "/api/v1/messages/broadcast?confirm=true",
        "/api/v1/messages/private?confirm",
        PATH,
    ] {
        // The group is there, so that nothing is written but the message.
        let known = json!({"group": group()});
        api.post(PRIVATE, known).await.json(202);
        api.store.hold_writes();
        let reply = api.send(asked_for("250ms", path, &question(1))).await;
        reply.is_error(408, "FF10260: The request with id '");
        let text = reply.json(408)["error"].as_str().unwrap().to_owned();
        let id = text.split('\'').nth(1).unwrap();
        api.store.release_all();
        // It stays sent.
        let sent = api.get(&format!("/api/v1/messages/{id}")).await;
        assert_eq!(sent.json(200)["state"], "confirmed", "{path}");
    }
    api.store.hold_writes();
    let body = json!({});
    let plain = api.send(asked_for("250ms", "/api/v1/messages/broadcast", &body));
    plain.await.is_error(408, "FF00166");
}
