//! Where does the next head begin?
//!
//! The parser reads ahead of what it has understood, so two have to agree: the service, which knows whether a request
//! is over, and the reader, which knows how many bytes came behind its head. Where they cannot, as behind requests
//! that are sent before the last one is answered, nothing is said to be a head.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// The service was not asked since a head has begun.
const NOT_ASKED: u64 = u64::MAX;
/// The body is in chunks.
const UNKNOWN: u64 = u64::MAX - 1;
/// The end of a body in chunks, and of a head. A head that is not read whole cannot end with it.
pub(super) const EMPTY_LINE: [u8; 4] = *b"\r\n\r\n";

/// How far a connection is in its conversation.
#[derive(Clone, Debug)]
pub(crate) struct Conversation(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    /// The answers that are owed, and the bodies that were not read to their end. One that nobody reads stays.
    open: AtomicUsize,
    /// The length of the body of the request that was asked last.
    length: AtomicU64,
}

impl Default for Conversation {
    fn default() -> Self {
        Self(Arc::new(Progress {
            open: AtomicUsize::new(0),
            length: AtomicU64::new(NOT_ASKED),
        }))
    }
}

impl Conversation {
    /// The service was asked. Notes when the body of the request was read to its end.
    pub(crate) fn asked(&self, body: Incoming) -> Body {
        let length = body.size_hint().exact().unwrap_or(UNKNOWN);
        self.0.length.store(length, Ordering::Relaxed);
        let has_body = !body.is_end_stream();
        let open = 1 + usize::from(has_body);
        self.0.open.fetch_add(open, Ordering::Relaxed);
        match has_body {
            false => Body::new(body),
            true => Body::new(Noted {
                body,
                unread: Some(self.clone()),
            }),
        }
    }

    /// The service has answered. (It does not say so where the connection becomes one of another protocol.)
    pub(crate) fn answered(&self) {
        self.close_one();
    }

    /// A head begins.
    pub(super) fn begin(&self) {
        self.0.length.store(NOT_ASKED, Ordering::Relaxed);
    }

    /// Whether the service was not asked since then.
    pub(super) fn is_unasked(&self) -> bool {
        self.0.length.load(Ordering::Relaxed) == NOT_ASKED
    }

    /// Whether a head begins next, if so many bytes came behind the last one and these are the last four of all.
    pub(super) fn expects_head(&self, behind: u64, last: [u8; 4]) -> bool {
        let length = self.0.length.load(Ordering::Relaxed);
        self.0.open.load(Ordering::Acquire) == 0
            && length != NOT_ASKED
            && (behind == length || last == EMPTY_LINE)
    }

    fn close_one(&self) {
        self.0.open.fetch_sub(1, Ordering::Release);
    }
}

/// The body of a request.
struct Noted {
    body: Incoming,
    unread: Option<Conversation>,
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let is_end = match &frame {
            None => true,
            Some(Ok(_)) => self.body.is_end_stream(),
            Some(Err(_)) => {
                // It never ends.
                self.unread = None;
                false
            }
        };
        if let Some(conversation) = self.unread.take_if(|_| is_end) {
            conversation.close_one();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
