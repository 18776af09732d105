//! How are many messages published in one request?
//!
//! One a line, answered by one line each, while both go on:
//!
//! ```text
//!   request body ─▶ Upload ─▶ engine          lines: where lines begin and end
//!                     │                       upload: in order, many at once
//!   answer body ◀─ Answers                    answers: what waits for a client that does not read
//! ```

mod answers;
mod ending;
mod in_order;
mod lines;
mod upload;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use photinus_contract::CodedError;

use self::answers::{AnswerBody, Answers};
use self::upload::Upload;
use crate::App;
use crate::errors::ApiError;
use crate::lasting::Lasting;
use crate::leftover::ReadOn;
use crate::params::InNamespace;

const NDJSON: &str = "application/x-ndjson";

/// Publishes many messages in one request, one a line.
///
/// Each is answered with a line, in order, when it is on the disk: its id and the sequence of its last event, or its error.
#[utoipa::path(
    post,
    path = "/messages/bulk",
    tag = "messages",
    request_body(content = ref("#/components/schemas/BulkLine"), content_type = "application/x-ndjson"),
    responses((status = 200, body = ref("#/components/schemas/BulkAnswer"), content_type = "application/x-ndjson")),
)]
pub(crate) async fn publish(
    State(app): State<App>,
    ns: InNamespace,
    lasting: Lasting,
    request: Request,
) -> Result<Response, ApiError> {
    check_type(request.headers())?;
    let room = app.uploads.clone().try_acquire_owned().map_err(|_| {
        let text = format!(
            "As many uploads are under way as are allowed ([api] bulk_uploads_max: {})",
            app.config.bulk_uploads_max
        );
        CodedError::new("PH00450", 503, text)
    })?;
    let is_asked_for = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    // A client that waits to be asked for the body has to be asked before the answer begins.
    let begun = match is_asked_for {
        true => body.frame().await,
        false => None,
    };
    let begun = begun.transpose().map_err(CodedError::undecodable)?;
    let begun = begun.and_then(|frame| frame.into_data().ok());
    let answers = Arc::new(Answers::new(app.config.bulk_pending_max));
    let upload = Upload {
        handle: app.handle.clone(),
        config: app.config.clone(),
        namespace: ns.0.name,
        lasting: lasting.clone(),
        answers: answers.clone(),
    };
    lasting.spawn(async move {
        upload.run(begun, body).await;
        drop(room);
    });
    let mut response = Response::new(Body::new(AnswerBody(answers)));
    let ndjson = HeaderValue::from_static(NDJSON);
    response.headers_mut().insert(CONTENT_TYPE, ndjson);
    response.extensions_mut().insert(ReadOn);
    Ok(response)
}

fn check_type(headers: &HeaderMap) -> Result<(), CodedError> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(NDJSON) {
        return check_encoding(headers);
    }
    Err(CodedError::new(
        "FF00162",
        415,
        format!("Content type '{given}' is not accepted here: expected '{NDJSON}'"),
    ))
}

/// What is compressed would be a million lines of nonsense.
fn check_encoding(headers: &HeaderMap) -> Result<(), CodedError> {
    let mut given = headers.get_all(CONTENT_ENCODING).iter();
    let other = given.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let Some(other) = other else { return Ok(()) };
    let other = String::from_utf8_lossy(other.as_bytes());
    let text =
        format!("Content encoding '{other}' is not accepted here: send the lines as they are");
    Err(CodedError::new("FF00162", 415, text))
}
