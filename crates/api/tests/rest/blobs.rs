//! Do files come in whole or not at all, and go out as they were?

use axum::body::{Body, to_bytes};
use futures_util::stream::{self, StreamExt};
use http::Request;
use photinus_contract::scripted::Scripted;
use photinus_contract::store::StoredData;
use photinus_contract::{DataId, Namespace};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::api::{Api, Reply};

const DATA: &str = "/api/v1/data";
const FORM: &str = "multipart/form-data; boundary=b";

/// A form with these fields and then a file.
fn form(fields: &[(&str, &str)], filename: &str, content: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\nContent-Type: text/plain\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n--b--\r\n");
    form
}

async fn upload(api: &Api, fields: &[(&str, &str)], filename: &str, content: &[u8]) -> Reply {
    let form = form(fields, filename, content);
    api.with_body("POST", DATA, FORM, form).await
}

async fn listed(api: &Api) -> Vec<Value> {
    let listed = api.get(DATA).await.json(200);
    listed.as_array().unwrap().clone()
}

fn blob_path(data: &Value) -> String {
    format!("{DATA}/{}/blob", data["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_file_is_stored_with_what_is_said_of_it() {
    let api = Api::new().await;
    // printf hello | sha256sum
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for (fields, filename, value, name, path) in [
        (vec![], "a.txt", Value::Null, "", None),
        (vec![("autometa", "false")], "a.txt", Value::Null, "", None),
        (
            vec![("autometa", "true")],
            "dir/a.txt",
            json!({"filename": "a.txt", "mimetype": "text/plain"}),
            "a.txt",
            Some("/"),
        ),
        (
            vec![
                ("metadata", r#"{"path":"x/y","k":1}"#),
                ("autometa", "True"),
            ],
            "a.txt",
            json!({"path": "x/y", "k": 1, "filename": "a.txt", "mimetype": "text/plain"}),
            "x/y/a.txt",
            Some("/x/y"),
        ),
        (
            vec![("metadata", "some text")],
            "a",
            json!("some text"),
            "",
            None,
        ),
        (
            vec![
                ("metadata", r#"{"name":"/n"}"#),
                ("validator", "none"),
                ("other", "x"),
            ],
            "a",
            json!({"name": "/n"}),
            "/n",
            Some("/"),
        ),
    ] {
        let reply = upload(&api, &fields, filename, b"hello").await;
        let data = reply.json(201);
        assert_eq!(data["value"], value, "{fields:?}");
        let mut blob = json!({"hash": hello, "size": 5, "name": name});
        if let Some(path) = path {
            blob["path"] = json!(path);
        }
        assert_eq!(data["blob"], blob, "{fields:?}");
        match value {
            Value::Null => assert_eq!(data["hash"], hello),
            _ => assert_ne!(data["hash"], hello),
        }
        let one = format!("{DATA}/{}", data["id"].as_str().unwrap());
        assert_eq!(api.get(&one).await.json(200), data);
        let file = api.get(&blob_path(&data)).await;
        assert_eq!((file.status, file.text.as_str()), (200, "hello"));
        assert_eq!(file.headers["content-type"], "application/octet-stream");
        assert_eq!(file.headers["content-length"], "5");
        assert_eq!(file.headers["x-ff-blob-hash-sha256"], hello);
        assert_eq!(file.headers["x-ff-blob-size"], "5");
    }
}

#[tokio::test]
async fn the_hash_of_value_and_blob_is_that_of_their_hashes_as_text() {
    let api = Api::new().await;
    let data = upload(&api, &[("metadata", "\"hello\"")], "a", b"hello")
        .await
        .json(201);
    // sha256 of the text of the hashes of "hello" with quotes, and of hello without, one after the other
    assert_eq!(
        data["hash"],
        "f29c5734913c57ae9c7d9c38a97c9d232179b6d3943271879e79b018ddb28390"
    );
    let body = json!({"data": [{"id": data["id"]}]});
    let message = api.post("/api/v1/messages/broadcast", body).await.json(202);
    assert_eq!(
        message["data"],
        json!([{"id": data["id"], "hash": data["hash"]}])
    );
    let message = message["header"]["id"].as_str().unwrap();
    let shown = api.get(&format!("/api/v1/messages/{message}/data")).await;
    assert_eq!(shown.json(200)[0], data);
}

#[tokio::test]
async fn a_large_file_comes_and_goes_in_pieces() {
    let api = Api::new().await;
    let content: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 251) as u8).collect();
    let form = form(&[], "large", &content);
    let pieces: Vec<_> = form
        .chunks(70_001)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let body = Body::from_stream(stream::iter(pieces));
    let data = api.with_body("POST", DATA, FORM, body).await.json(201);
    assert_eq!(data["blob"]["size"], 1_000_003);
    let request = Request::get(blob_path(&data)).body(Body::empty()).unwrap();
    let response = api.router().oneshot(request).await.unwrap();
    let read = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(read == content);
    let empty = upload(&api, &[], "empty", b"").await.json(201);
    assert_eq!(api.get(&blob_path(&empty)).await.text, "");
}

#[tokio::test]
async fn what_is_no_upload_leaves_nothing() {
    let config = json!({"blob_bytes_max": 10, "body_bytes_max": 500});
    let api = Api::with(config, Scripted::new()).await;
    let good = form(&[], "a", b"hello");
    let after = b"--b\r\nContent-Disposition: form-data; name=\"late\"\r\n\r\nx\r\n--b--";
    let late = [&good[..good.len() - 7], after].concat();
    let many: Vec<_> = (0..70).map(|_| ("n", "")).collect();
    for (what, form, status, start) in [
        ("no file", b"--b--".to_vec(), 400, "FF00161: "),
        (
            "only a field",
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b--".to_vec(),
            400,
            "FF00161: ",
        ),
        ("nothing", vec![], 400, "FF00161: "),
        (
            "half of it",
            good[..good.len() - 9].to_vec(),
            400,
            "FF00161: ",
        ),
        ("no form", b"hello".to_vec(), 400, "FF00161: "),
        ("a field after the file", late, 400, "FF00163: "),
        (
            "a large file",
            form(&[], "a", b"hello world"),
            413,
            "PH00413: ",
        ),
        (
            "large fields",
            form(&[("metadata", &"x".repeat(501))], "a", b""),
            413,
            "PH00413: ",
        ),
        (
            "large fields of no use",
            form(&[("x", &"x".repeat(501))], "a", b""),
            413,
            "PH00413: ",
        ),
        ("many fields", form(&many, "a", b""), 413, "PH00413: "),
        (
            "validator",
            form(&[("validator", "x")], "a", b""),
            400,
            "FF00108: ",
        ),
        (
            "datatype",
            form(&[("datatype.name", "x")], "a", b""),
            400,
            "FF10195: ",
        ),
    ] {
        let reply = api.with_body("POST", DATA, FORM, form).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
        reply.is_error(status, start);
    }
    let broken = [
        Ok(good[..good.len() - 9].to_vec()),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(stream::iter(broken));
    let reply = api.with_body("POST", DATA, FORM, body).await;
    reply.is_error(400, "");
    let bad = api
        .with_body("POST", DATA, "multipart/form-data", good.clone())
        .await;
    bad.is_error(400, "FF00161: ");
    let elsewhere = api
        .with_body("POST", "/api/v1/messages/broadcast", FORM, good)
        .await;
    elsewhere.is_error(415, "FF00162: ");
    assert_eq!(listed(&api).await, Vec::<Value>::new());
}

#[tokio::test]
async fn more_uploads_than_are_allowed_are_refused() {
    let config = json!({"blob_uploads_max": 1});
    let api = Api::with(config, Scripted::new()).await;
    let good = form(&[], "a", b"hello");
    let (begun, half) = (good[..good.len() - 9].to_vec(), good.clone());
    let (entered, enter) = tokio::sync::oneshot::channel();
    let body = stream::once(async move {
        let _ = entered.send(());
        Ok::<_, std::io::Error>(begun)
    });
    let body = Body::from_stream(body.chain(stream::pending()));
    let first = api.with_body("POST", DATA, FORM, body);
    let second = async {
        enter.await.unwrap();
        api.with_body("POST", DATA, FORM, half.clone()).await
    };
    tokio::select! {
        first = first => panic!("{first:?}"),
        second = second => second.is_error(503, "PH00450: "),
    }
    api.with_body("POST", DATA, FORM, half).await.json(201);
    assert_eq!(listed(&api).await.len(), 1);
}

#[tokio::test]
async fn a_stored_blob_can_be_named_by_its_hash() {
    let api = Api::new().await;
    let first = upload(&api, &[("autometa", "true")], "a", b"hello")
        .await
        .json(201);
    let body = json!({"blob": {"hash": first["blob"]["hash"]}, "value": {"name": "b/c"}});
    let second = api.post(DATA, body).await.json(201);
    assert_eq!(
        second["blob"],
        json!({"hash": first["blob"]["hash"], "size": 5, "name": "b/c", "path": "/b"})
    );
    let body = json!({"blob": {"hash": first["blob"]["hash"]}});
    let third = api.post(DATA, body).await.json(201);
    assert_eq!(
        (&third["value"], &third["hash"]),
        (&Value::Null, &first["blob"]["hash"])
    );
    let value = format!("{DATA}/{}/value", third["id"].as_str().unwrap());
    api.get(&value).await.is_error(404, "FF00164: ");

    let gone = format!("{DATA}/{}", first["id"].as_str().unwrap());
    assert_eq!(api.delete(&gone).await.status, 204);
    api.get(&blob_path(&first)).await.is_error(404, "FF00164: ");
    assert_eq!(api.get(&blob_path(&second)).await.text, "hello");
    for (body, status, start) in [
        (json!({"blob": {}}), 400, "FF00109: "),
        (json!({"blob": {"hash": "x"}}), 400, ""),
        (json!({"blob": []}), 400, ""),
    ] {
        api.post(DATA, body).await.is_error(status, start);
    }
}

#[tokio::test]
async fn what_has_no_blob_is_not_found() {
    let api = Api::new().await;
    let plain = api.post(DATA, json!({"value": 1})).await.json(201);
    for path in [
        blob_path(&plain),
        format!("{DATA}/11111111-2222-4333-8444-555555555555/blob"),
        format!("{DATA}/x/blob"),
    ] {
        api.get(&path).await.is_error(404, "FF00164: ");
    }
    // As one whose file is not where it was.
    let lost = upload(&api, &[], "a", b"hello").await.json(201);
    let id: DataId = lost["id"].as_str().unwrap().parse().unwrap();
    let ns = Namespace::new("default");
    assert_eq!(api.store.delete_data(&ns, id).await, Ok(true));
    api.get(&blob_path(&lost)).await.is_error(404, "FF00164: ");
}

#[tokio::test]
async fn folders_are_listed_below_their_parent() {
    let api = Api::new().await;
    for name in ["top", "a/1", "a/2", "a/b/1", "ab/1", "a/b/c d/1"] {
        let metadata = json!({"name": name}).to_string();
        upload(&api, &[("metadata", &metadata)], "x", b"")
            .await
            .json(201);
    }
    for (parent, expected) in [
        ("", json!(["/", "/a", "/a/b", "/a/b/c d", "/ab"])),
        ("a", json!(["/a/b", "/a/b/c d"])),
        ("a/b", json!(["/a/b/c d"])),
        ("%2Fa%2Fb", json!(["/a/b/c d"])),
        ("a/b/c+d", json!([])),
        ("x", json!([])),
    ] {
        let paths = api.get(&format!("/api/v1/datasubpaths/{parent}")).await;
        assert_eq!(paths.json(200), expected, "{parent}");
    }
    let other = api.get("/api/v1/namespaces/default/datasubpaths/a/b").await;
    assert_eq!(other.json(200), json!(["/a/b/c d"]));
}
