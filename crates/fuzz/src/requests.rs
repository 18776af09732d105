//! What does the REST API make of a request?
//!
//! An input is one as it stands in HTTP, without the version: `POST /api/v1/messages/broadcast`, headers, an
//! empty line, the body. JSON is the content type unless a header says otherwise. `subscriptions/mine` is one that is
//! there. What is accepted has to be found again.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;

use crate::in_time;
use crate::rest::{Answer, Rest};

const REQUEST_TIMEOUT: &str = "request-timeout";

/// Any method, any path, any body.
pub fn requests(input: &[u8]) {
    in_time(input, || {
        let Some((request, sent)) = read(input) else {
            return;
        };
        Rest::with(|rest| {
            let request = rest.aimed(request);
            let uri = request.uri().clone();
            let answer = rest.send(request);
            let Some(body) = answer.json() else { return };
            match (answer.status, uri.path()) {
                (200, path) if path.ends_with("/seek") => is_there(rest, path, &body),
                (200, path) if path.ends_with("/pause") || path.ends_with("/resume") => {
                    assert!(body["state"].is_string(), "{body}");
                }
                (200, path) if path.ends_with("/secret/rotate") => {
                    is_replaced(rest, path, body["secret"].as_str().unwrap());
                }
                (200, path) if path.contains("/subscriptions/") && path.ends_with("/test") => {
                    assert!(
                        body["test"] == true && body["settled"].is_boolean(),
                        "{body}"
                    );
                }
                (200, path) if path.contains("/subscriptions/") && path.ends_with("/events") => {
                    let items = body["items"].as_array().unwrap();
                    assert_eq!(body["count"], items.len());
                }
                (200, path) if path.ends_with("/subscriptions/preview") => {
                    let events = body["events"].as_array().unwrap();
                    assert_eq!(body["matched"], events.len());
                    assert!(body["scanned"].as_u64().unwrap() >= events.len() as u64);
                }
                (200 | 202, path) if path.contains("/messages/") => {
                    is_published(rest, &body, &sent);
                }
                (202, path) if path.contains("/cloudevents") => {
                    is_taken_once(rest, &body, input);
                }
                (200 | 201, path) if path.ends_with("/subscriptions") => {
                    is_subscribed(rest, &body);
                }
                (201, path) if path.ends_with("/data") => is_stored(rest, &body),
                (200 | 202, path) if path.ends_with("/datatypes") && body.is_object() => {
                    is_defined(rest, &body, &sent);
                }
                (201, path) if path.contains("/namespaces") => {
                    let name = body["name"].as_str().unwrap();
                    let found = found(rest, &format!("/api/v1/namespaces/{name}"));
                    assert_eq!(found.json(), Some(body));
                }
                _ => {}
            }
        });
    });
}

/// The request that an input is, if it is one, and its body.
pub(crate) fn read(input: &[u8]) -> Option<(Request<Body>, Vec<u8>)> {
    let mut rest = input;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        line
    };
    let first = line();
    let space = first.iter().position(|byte| *byte == b' ')?;
    let uri = Uri::try_from(&first[space + 1..]).ok()?;
    let mut builder = Request::builder().method(Method::from_bytes(&first[..space]).ok()?);
    if uri.path().contains("requestreply") {
        // Nobody replies; it need not be waited for.
        builder = builder.header(REQUEST_TIMEOUT, "5ms");
    }
    builder = builder.uri(uri);
    let mut is_said = false;
    loop {
        let header = line();
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        is_said |= name == http::header::CONTENT_TYPE;
        // A deadline makes the answer depend on the machine.
        if name == REQUEST_TIMEOUT {
            continue;
        }
        let value = header[colon + 1..].trim_ascii();
        builder = builder.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    if !is_said {
        builder = builder.header("content-type", "application/json");
    }
    let body = rest.to_vec();
    let request = builder.body(Body::from(body.clone())).ok()?;
    Some((request, body))
}

/// A message that was answered is there, with its events and its values.
fn is_published(rest: &mut Rest, message: &Value, sent: &[u8]) {
    let (Some(id), Some(namespace)) = (
        message["header"]["id"].as_str(),
        message["localNamespace"].as_str(),
    ) else {
        return;
    };
    let path = format!("/api/v1/namespaces/{namespace}/messages/{id}");
    let stored = found(rest, &path).json().unwrap();
    assert_eq!(stored["header"], message["header"]);
    assert_eq!(stored["data"], message["data"]);
    found(rest, &format!("{path}?fetchdata"));

    let events = found(rest, &format!("{path}/events")).json().unwrap();
    let topics = message["header"]["topics"].as_array().unwrap();
    assert_eq!(events.as_array().unwrap().len(), topics.len());
    for event in events.as_array().unwrap() {
        assert!(topics.contains(&event["topic"]), "{event}");
        let event = event["id"].as_str().unwrap();
        found(
            rest,
            &format!("/api/v1/namespaces/{namespace}/events/{event}"),
        );
    }

    // Values may be nested deeper than this decoder goes, and their numbers be of any size.
    let Some(values) = found(rest, &format!("{path}/data")).json() else {
        return;
    };
    let values = values.as_array().unwrap();
    assert_eq!(values.len(), message["data"].as_array().unwrap().len());
    let sent = serde_json::Deserializer::from_slice(sent)
        .into_iter()
        .next();
    let Some(Ok::<Value, _>(sent)) = sent else {
        return;
    };
    for (sent, stored) in sent["data"].as_array().into_iter().flatten().zip(values) {
        // A reference counts before a value.
        if sent["id"].is_null() {
            assert_eq!(sent["value"], stored["value"]);
        }
    }
}

/// An event that was taken is there, and is taken again as the same. A batch tells ids only.
fn is_taken_once(rest: &mut Rest, taken: &Value, input: &[u8]) {
    is_published(rest, taken, &[]);
    let Some((again, _)) = read(input) else {
        return;
    };
    let again = rest.send(again);
    assert_eq!(again.status, 202);
    let id = |taken: &Value| match taken.as_array() {
        Some(batch) => batch.iter().map(|one| one["id"].clone()).collect(),
        None => vec![taken["header"]["id"].clone()],
    };
    assert_eq!(again.json().as_ref().map(id), Some(id(taken)));
}

/// Stored data is found again as it was answered, and can be deleted.
fn is_stored(rest: &mut Rest, data: &Value) {
    let namespace = data["namespace"].as_str().unwrap();
    let id = data["id"].as_str().unwrap();
    let path = format!("/api/v1/namespaces/{namespace}/data/{id}");
    assert_eq!(found(rest, &path).json().as_ref(), Some(data));
    assert_eq!(rest.delete(&path).status, 204);
    assert_eq!(rest.get(&path).status, 404);
}

/// A datatype is found again as it was answered, and is not defined a second time.
fn is_defined(rest: &mut Rest, datatype: &Value, sent: &[u8]) {
    let said = |key: &str| datatype[key].as_str().unwrap().to_owned();
    let path = format!("/api/v1/namespaces/{}/datatypes", said("namespace"));
    let one = format!("{path}/{}/{}", said("name"), said("version"));
    assert_eq!(found(rest, &one).json().as_ref(), Some(datatype));
    let again = Request::post(path).header("content-type", "application/json");
    let again = again.body(Body::from(sent.to_vec())).unwrap();
    assert_eq!(rest.send(again).status, 409);
}

/// A subscription that was answered is there, and can be deleted.
fn is_subscribed(rest: &mut Rest, subscription: &Value) {
    let (Some(id), Some(namespace)) = (
        subscription["id"].as_str(),
        subscription["namespace"].as_str(),
    ) else {
        return;
    };
    let path = format!("/api/v1/namespaces/{namespace}/subscriptions/{id}");
    assert_eq!(found(rest, &path).json().as_ref(), Some(subscription));
    assert_eq!(rest.delete(&path).status, 204);
    assert_eq!(rest.get(&path).status, 404);
}

/// A subscription is where a seek has said, unless that was only a trial.
fn is_there(rest: &mut Rest, path: &str, sought: &Value) {
    if sought["dryRun"] == true {
        assert!(sought["events"].as_u64() <= sought["scanned"].as_u64());
        return;
    }
    let one = path.trim_end_matches("/seek");
    let shown = found(rest, &format!("{one}?fetchstatus")).json().unwrap();
    let offset = shown["status"]["currentOffset"].as_i64();
    assert_eq!(sought["offset"], offset.unwrap_or(0), "{shown}");
}

/// A secret is in the answer to whoever replaced it, and nowhere else.
fn is_replaced(rest: &mut Rest, path: &str, secret: &str) {
    assert!(!secret.is_empty());
    let shown = found(rest, path.trim_end_matches("/secret/rotate"));
    assert_eq!(shown.json().unwrap()["options"]["secret"], "***");
}

fn found(rest: &mut Rest, path: &str) -> Answer {
    let answer = rest.get(path);
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{path}: {text}");
    answer
}
