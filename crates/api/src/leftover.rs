//! What becomes of a body that nobody has read?
//!
//! A request can be answered before its body was read: it is refused by its path, its type, its host. The client
//! goes on sending, and then asks the next thing on the same connection. So a little that is left is read and
//! thrown away before the answer goes out; with more than that, the answer says that the connection ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;

/// Most bytes that are read for nothing.
const LEFTOVER_BYTES_MAX: usize = 64 << 10;
/// How long they may take.
const LEFTOVER_WAIT: Duration = Duration::from_secs(1);

/// An extension of answers: the body is read on while the answer is on its way, by whoever gives the answer.
#[derive(Clone, Copy)]
pub(crate) struct ReadOn;

/// The body of a request, wherever its reader has got to. `None`: there is none, or nobody may read it for
/// nothing.
pub(crate) struct Leftover {
    body: Option<Arc<Mutex<Reading>>>,
    /// The client sends the body only when it is asked to.
    on_demand: bool,
}

impl Leftover {
    /// Keeps a hold on the body of a request.
    pub(crate) fn of(request: Request) -> (Request, Self) {
        let on_demand = request.headers().contains_key(EXPECT);
        if request.body().is_end_stream() {
            return (
                request,
                Self {
                    body: None,
                    on_demand,
                },
            );
        }
        let (head, body) = request.into_parts();
        let body = Arc::new(Mutex::new(Reading { body, ended: false }));
        let read = Body::new(Shared(body.clone()));
        let leftover = Self {
            body: Some(body),
            on_demand,
        };
        (Request::from_parts(head, read), leftover)
    }

    /// Reads what is left, or says in the answer that the connection ends.
    pub(crate) async fn settle(self, response: &mut Response) {
        let Some(body) = self.body else { return };
        // Here the connection goes on as another protocol.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        if response.extensions().get::<ReadOn>().is_some() {
            return;
        }
        let left = size_left(&body);
        if left == Some(0) {
            return;
        }
        let is_little = left.is_none_or(|left| left <= LEFTOVER_BYTES_MAX as u64);
        // What was waited for in vain, or was too much, is not read on.
        let is_given_up = [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE];
        if is_little && !self.on_demand && !is_given_up.contains(&response.status()) {
            let drained = tokio::time::timeout(LEFTOVER_WAIT, drain(Shared(body))).await;
            if drained == Ok(true) {
                return;
            }
        }
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// How many bytes are to come, if that is known.
fn size_left(body: &Mutex<Reading>) -> Option<u64> {
    let body = lock(body);
    match body.ended || body.body.is_end_stream() {
        true => Some(0),
        false => body.body.size_hint().exact(),
    }
}

/// Whether the body ended before it was too much.
async fn drain(mut body: Shared) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > LEFTOVER_BYTES_MAX {
            return false;
        }
    }
    true
}

/// A body, and whether somebody has read to its end: one in chunks does not tell.
struct Reading {
    body: Body,
    ended: bool,
}

/// A body that two can read from, one after the other.
struct Shared(Arc<Mutex<Reading>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let mut reading = lock(&self.0);
        let frame = std::task::ready!(Pin::new(&mut reading.body).poll_frame(context));
        reading.ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        lock(&self.0).body.size_hint()
    }
}

fn lock(body: &Mutex<Reading>) -> MutexGuard<'_, Reading> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// Whether the answer to a request whose body nobody has read ends the connection.
    async fn ends(request: Request) -> bool {
        let (request, leftover) = Leftover::of(request);
        drop(request);
        let mut response = Response::default();
        leftover.settle(&mut response).await;
        response.headers().contains_key(CONNECTION)
    }

    fn post(body: Body) -> Request {
        Request::post("/").body(body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_little_is_read_and_more_ends_the_connection() {
        let chunks = |count: usize| {
            let chunks = (0..count).map(|_| Ok::<_, std::io::Error>(vec![0; 1 << 10]));
            Body::from_stream(stream::iter(chunks))
        };
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        for (what, body, expected) in [
            ("nothing", Body::empty(), false),
            ("a little", Body::from("{}"), false),
            ("in pieces", chunks(60), false),
            (
                "too much, and it says so",
                Body::from(vec![0; 100_000]),
                true,
            ),
            ("too much", chunks(70), true),
            ("what does not come", never, true),
        ] {
            assert_eq!(ends(post(body)).await, expected, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_to_be_asked_is_not_asked() {
        let mut request = post(Body::from("{}"));
        let value = HeaderValue::from_static("100-continue");
        request.headers_mut().insert(EXPECT, value);
        assert!(ends(request).await);
    }

    #[tokio::test]
    async fn what_was_read_is_not_left() {
        let chunks = (0..10).map(|_| Ok::<_, std::io::Error>(vec![7; 10_000]));
        let chunked = Body::from_stream(stream::iter(chunks));
        for body in [Body::from(vec![7; 100_000]), chunked] {
            let mut request = post(body);
            let value = HeaderValue::from_static("100-continue");
            request.headers_mut().insert(EXPECT, value);
            let (request, leftover) = Leftover::of(request);
            let read = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(read.len(), 100_000);
            let mut response = Response::default();
            leftover.settle(&mut response).await;
            assert!(response.headers().is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_read_on_is_left_to_its_reader() {
        let (request, leftover) = Leftover::of(post(Body::from(vec![7; 100_000])));
        let mut response = Response::default();
        response.extensions_mut().insert(ReadOn);
        leftover.settle(&mut response).await;
        assert!(response.headers().is_empty());
        let read = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), 100_000);
    }

    #[tokio::test]
    async fn another_protocol_keeps_its_connection() {
        let (_, leftover) = Leftover::of(post(Body::from(vec![7; 100_000])));
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        leftover.settle(&mut response).await;
        assert!(response.headers().is_empty());
    }
}
