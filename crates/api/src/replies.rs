//! How is an answer written?

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use photinus_contract::CodedError;
use serde::Serialize;

use crate::paging::Page;

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

/// A list whose items write themselves.
pub(crate) fn list<T>(
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) -> Response {
    let mut text = vec![b'['];
    for item in items {
        if text.len() > 1 {
            text.push(b',');
        }
        write(item, &mut text);
    }
    text.push(b']');
    json_text(StatusCode::OK, text)
}

/// One page of a list that is all in memory, with its counts where they were asked for.
pub(crate) fn counted_list<T: Serialize>(all: &[T], page: &Page) -> Response {
    #[derive(Serialize)]
    struct Counted<'a, T> {
        count: usize,
        total: usize,
        items: &'a [T],
    }
    let from = page.skip.min(all.len());
    let items = &all[from..all.len().min(from + page.limit)];
    if page.count {
        let counted = Counted {
            count: items.len(),
            total: all.len(),
            items,
        };
        json(StatusCode::OK, &counted)
    } else {
        json(StatusCode::OK, &items)
    }
}
