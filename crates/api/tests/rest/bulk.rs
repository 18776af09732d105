//! Are many messages published in one request, in order, each answered?

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use photinus_contract::scripted::Scripted;
use photinus_contract::store::{StoreError, StoreErrorKind};
use serde_json::{Value, json};

use crate::api::{Api, Reply};

const PATH: &str = "/api/v1/namespaces/default/messages/bulk";
const NDJSON: &str = "application/x-ndjson";

async fn upload(api: &Api, body: impl Into<Body>) -> Vec<Value> {
    lines(&api.with_body("POST", PATH, NDJSON, body).await)
}

#[track_caller]
fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], NDJSON);
    assert!(reply.text.is_empty() || reply.text.ends_with('\n'));
    let lines = reply.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[track_caller]
fn is_error(answer: &Value, line: u64, start: &str) {
    assert_eq!(answer["line"], line, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with(start), "{answer}, expected {start}");
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
}

#[tokio::test]
async fn each_line_is_answered_in_order_and_a_bad_one_harms_no_other() {
    let api = Api::with(json!({"body_bytes_max": 300}), Scripted::new()).await;
    let group = r#"{"group":{"members":[{"identity":"a"}]},"header":{"tag":"p"}}"#;
    let body = [
        r#"{"header":{"topics":["a","b"]}}"#,
        "\r",
        "nonsense",
        r#"{"header":{"topics":["!"]}}"#,
        r#"{"idempotencyKey":"k"}"#,
        r#"{"idempotencyKey":"k"}"#,
        &format!(r#"{{"data":[{{"value":"{}"}}]}}"#, "x".repeat(300)),
        group,
        r#"{}{}"#,
        "[]",
        r#"{"data":[{"id":"01900000-0000-7000-8000-000000000001"}]}"#,
        r#"{"header":{"tag":"last"}}"#,
    ];
    let answers = upload(&api, body.join("\n")).await;
    assert_eq!(answers.len(), 11);
    assert_eq!(answers[0]["sequence"], 2);
    is_error(&answers[1], 3, "PH00453: ");
    is_error(&answers[2], 4, "FF00140: ");
    assert_eq!(answers[3]["sequence"], 3);
    let holder = answers[3]["id"].as_str().unwrap();
    let used = format!("FF10430: Idempotency key 'k' already used for message '{holder}'");
    is_error(&answers[4], 6, &used);
    is_error(&answers[5], 7, "PH00413: ");
    assert_eq!(answers[6]["sequence"], 4);
    is_error(&answers[7], 9, "PH00453: ");
    is_error(&answers[8], 10, "PH00453: ");
    is_error(&answers[9], 11, "FF10204: ");
    assert_eq!(answers[10]["sequence"], 5);

    let messages = api.get("/api/v1/messages").await.json(200);
    let shown = |index: usize| &messages[index]["header"];
    assert_eq!(messages.as_array().unwrap().len(), 4);
    assert_eq!(shown(0)["id"], answers[10]["id"]);
    assert_eq!(
        (&shown(0)["tag"], &shown(0)["type"]),
        (&json!("last"), &json!("broadcast"))
    );
    assert_eq!(
        (&shown(1)["tag"], &shown(1)["type"]),
        (&json!("p"), &json!("private"))
    );
}

#[tokio::test]
async fn many_lines_in_any_pieces_have_rising_sequences() {
    let api = Api::new().await;
    let mut text = String::new();
    for number in 0..5_000 {
        text.push_str(&json!({"header": {"tag": format!("t{number}")}}).to_string());
        text.push('\n');
    }
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(777)
        .map(Bytes::copy_from_slice)
        .collect();
    let pieces = stream::iter(pieces).map(Ok::<_, std::io::Error>);
    let answers = upload(&api, Body::from_stream(pieces)).await;
    let sequences: Vec<_> = answers
        .iter()
        .map(|a| a["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=5_000).collect::<Vec<_>>());
    let events = api.get("/api/v1/events?limit=2").await.json(200);
    assert_eq!(events[1]["sequence"], 4_999);
    assert_eq!(upload(&api, "").await.len(), 0);
    assert_eq!(upload(&api, "\n \r\n").await.len(), 0);
}

#[tokio::test]
async fn what_is_no_upload_is_refused() {
    let api = Api::new().await;
    for kind in [
        "application/json",
        "text/plain",
        "application/x-ndjsonx",
        "",
    ] {
        let reply = api.with_body("POST", PATH, kind, "{}").await;
        reply.is_error(415, "FF00162: ");
    }
    let path = "/api/v1/namespaces/nowhere/messages/bulk";
    let reply = api.with_body("POST", path, NDJSON, "{}").await;
    reply.is_error(404, "FF10436: ");
    let kind = "Application/X-NDJSON; charset=utf-8";
    let reply = api
        .with_body("POST", "/api/v1/messages/bulk", kind, "{}")
        .await;
    assert_eq!(lines(&reply).len(), 1);
}

#[tokio::test]
async fn uploads_are_bounded_in_number() {
    let api = Api::with(json!({"bulk_uploads_max": 1}), Scripted::new()).await;
    let (piece, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = stream::unfold(pieces, |mut pieces| async {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let first = {
        let api = api.clone();
        async move { upload(&api, Body::from_stream(pieces)).await }
    };
    let second = async {
        // Its place is taken when its first line was read.
        piece.send(Ok("{}\n".into())).await.unwrap();
        piece.send(Ok("{}\n".into())).await.unwrap();
        piece.send(Ok("{}\n".into())).await.unwrap();
        let reply = api.with_body("POST", PATH, NDJSON, "{}").await;
        reply.is_error(503, "PH00450: ");
        drop(piece);
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_and_reads_nothing_is_told_where_to_resume() {
    let api = Api::new().await;
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from("{}\n\n{}\n{"))]);
    let answers = upload(&api, Body::from_stream(begun.chain(stream::pending()))).await;
    assert_eq!(answers.len(), 3);
    let end = &answers[2];
    assert_eq!((&end["line"], &end["resumeFrom"]), (&json!(4), &json!(4)));
    let error = end["error"].as_str().unwrap();
    assert!(
        error.starts_with("PH00451: ") && error.contains("bulk_idle_max"),
        "{error}"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_what_was_whole() {
    let api = Api::new().await;
    let broken = stream::iter([
        Ok(Bytes::from("{}\n{\"header\"")),
        Err(std::io::Error::other("gone")),
    ]);
    let answers = upload(&api, Body::from_stream(broken)).await;
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1]["resumeFrom"], 2);
    assert_eq!(
        api.get("/api/v1/messages")
            .await
            .json(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn no_line_overtakes_one_that_the_store_could_not_take() {
    const LINES: usize = 3_000;
    let api = Api::new().await;
    api.store.hold_writes();
    let uploading = upload(&api, "{}\n".repeat(LINES));
    let failing = async {
        while api.store.held_writes() == 0 {
            tokio::task::yield_now().await;
        }
        let kind = StoreErrorKind::Unavailable;
        api.store.fail_writes(Some(StoreError::new(kind, "full")));
        // One group of the committer.
        let group = api.store.held_writes();
        assert!((1..LINES).contains(&api.store.release(group)));
        // It is well again at once, and more is on its way.
        api.store.fail_writes(None);
        api.store.release_all();
    };
    let (answers, ()) = tokio::join!(uploading, failing);
    let messages = api.get("/api/v1/messages").await.json(200);
    assert_eq!(messages, json!([]));
    let (end, lines) = answers.split_last().unwrap();
    assert_eq!((&end["line"], &end["resumeFrom"]), (&json!(1), &json!(1)));
    let error = end["error"].as_str().unwrap();
    assert!(error.contains("line 1 could not be committed"), "{error}");
    for (number, answer) in (1..).zip(lines) {
        is_error(answer, number, "PH00503: ");
    }
}
