//! How is an answer written?

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use photinus_contract::CodedError;
use photinus_engine::lists::Listed;
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => json_text(status, text),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            let text = CodedError::internal("the answer cannot be written as JSON").to_string();
            let text = serde_json::json!({ "error": text }).to_string();
            json_text(StatusCode::INTERNAL_SERVER_ERROR, text.into_bytes())
        }
    }
}

/// A text that is JSON.
pub(crate) fn json_text(status: StatusCode, mut text: Vec<u8>) -> Response {
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Success, and nothing to say.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A list whose items write themselves, with the numbers of items where they were asked for.
pub(crate) fn list<T>(listed: Listed<T>, mut write: impl FnMut(T, &mut Vec<u8>)) -> Response {
    let mut text = Vec::new();
    if let Some(total) = listed.total {
        let count = listed.items.len();
        text.extend_from_slice(format!(r#"{{"count":{count},"total":{total},"items":"#).as_bytes());
    }
    text.push(b'[');
    for (index, item) in listed.items.into_iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write(item, &mut text);
    }
    text.push(b']');
    if listed.total.is_some() {
        text.push(b'}');
    }
    json_text(StatusCode::OK, text)
}

/// As [`list`], of what serialises.
pub(crate) fn json_list<T: Serialize>(listed: Listed<T>) -> Response {
    list(listed, |item, out| {
        // Neither such an object nor a Vec refuses to be written.
        let _ = serde_json::to_writer(out, &item);
    })
}
