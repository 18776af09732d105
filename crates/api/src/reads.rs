//! How much memory do answers take that nobody fetches?
//!
//! What a read found is in memory until the client has taken it. So only so many reads of the log go on at once,
//! from the question to the last byte of the answer; more wait their turn, as long as their time limit lasts. (A
//! client that takes nothing at all is cut off by the server after a while.)
//!
//! A list may have to go through all of the log. Lists have only half of the turns, so that what is asked for by its id
//! never waits for them.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use photinus_contract::CodedError;
use tokio::sync::OwnedSemaphorePermit;

use crate::App;
use crate::errors::ApiError;

/// How much of an answer is given to the connection at once. It asks for more when that is on its way.
const PIECE_BYTES: usize = 64 << 10;

/// Waits for its turn, and keeps it until the answer is fetched.
pub(crate) async fn in_turn(State(app): State<App>, request: Request, next: Next) -> Response {
    answered_in_turn(&app, next.run(request)).await
}

/// The same for a list.
pub(crate) async fn list_in_turn(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.lists.clone().acquire_owned().await {
        Ok(turn) => answered(&app, Some(turn), next.run(request)).await,
        Err(_) => over(),
    }
}

/// The same for a read that comes at the end of something longer, which needs no turn.
pub(crate) async fn answered_in_turn(app: &App, read: impl Future<Output = Response>) -> Response {
    answered(app, None, read).await
}

fn over() -> Response {
    ApiError::from(CodedError::internal("reads have ended")).into_response()
}

async fn answered(
    app: &App,
    list_turn: Option<OwnedSemaphorePermit>,
    read: impl Future<Output = Response>,
) -> Response {
    let Ok(turn) = app.reads.clone().acquire_owned().await else {
        return over();
    };
    let (parts, body) = read.await.into_parts();
    match body.collect().await {
        Ok(answer) => {
            let answer = Answer {
                rest: answer.to_bytes(),
                _turn: turn,
                _list_turn: list_turn,
            };
            Response::from_parts(parts, Body::new(answer))
        }
        Err(error) => ApiError::from(CodedError::internal(error.to_string())).into_response(),
    }
}

/// An answer and its turn.
struct Answer {
    rest: Bytes,
    _turn: OwnedSemaphorePermit,
    _list_turn: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
