//! How do answers wait for a client that does not read yet?
//!
//! As the id and the sequence of each, 24 bytes, until the connection takes them as text. Errors are texts, and
//! bounded by their bytes.

use std::collections::VecDeque;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use photinus_contract::transport::Published;
use photinus_contract::{CodedError, MessageId, Sequence};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Most lines of one upload that are taken and not committed: some groups of the committer, so that it has the next
/// one while it commits one, and what others publish does not wait behind a long queue.
pub(crate) const LINES_IN_FLIGHT_MAX: usize = 4_000;
/// How much of the answer is given to the connection at once.
const PIECE_BYTES: usize = 64 << 10;
/// Most bytes of errors that wait. What is on its way then still finds a place.
const ERROR_BYTES_MAX: usize = 16 << 20;
/// No event has it: here stands an error.
const ERROR: Sequence = Sequence(-1);
/// Above this many places an empty queue is given back.
const KEPT_PLACES_MAX: usize = 10_000;

/// The answers to an upload.
pub(crate) struct Answers {
    pending_max: usize,
    state: Mutex<State>,
    /// Something was answered, or taken by the connection.
    changed: Notify,
    /// Nobody takes answers any more.
    gone: CancellationToken,
}

struct State {
    /// Lines that were taken and whose answer the connection has not taken.
    unanswered: usize,
    /// Lines among them whose answer is not there yet.
    in_flight: usize,
    ready: VecDeque<(MessageId, Sequence)>,
    errors: VecDeque<(u64, Box<str>)>,
    error_bytes: usize,
    /// The line after all others.
    end: Option<Vec<u8>>,
    closed: bool,
    waker: Option<Waker>,
    taken_at: Instant,
}

/// What keeps an upload from taking a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many lines can be taken.
    For(usize),
    /// Answers are on their way, and then there may be room.
    Later,
    /// The client has to take answers first.
    Full,
}

impl Answers {
    pub(crate) fn new(pending_max: usize) -> Self {
        Self {
            pending_max,
            state: Mutex::new(State {
                unanswered: 0,
                in_flight: 0,
                ready: VecDeque::new(),
                errors: VecDeque::new(),
                error_bytes: 0,
                end: None,
                closed: false,
                waker: None,
                taken_at: Instant::now(),
            }),
            changed: Notify::new(),
            gone: CancellationToken::new(),
        }
    }

    /// For how many of these lines there is room. Not for a few of them if there will be room for all.
    pub(crate) fn room(&self, wanted: usize) -> Room {
        let state = self.lock();
        let answers = match state.error_bytes < ERROR_BYTES_MAX {
            true => self.pending_max.saturating_sub(state.unanswered),
            false => 0,
        };
        let room = answers.min(LINES_IN_FLIGHT_MAX - state.in_flight);
        match (room, state.in_flight) {
            (room, _) if room >= wanted => Room::For(wanted),
            (_, 1..) => Room::Later,
            (0, 0) => Room::Full,
            (room, 0) => Room::For(room),
        }
    }

    /// So many lines were taken, and will be answered.
    pub(crate) fn expect(&self, lines: usize) {
        let mut state = self.lock();
        state.unanswered += lines;
        state.in_flight += lines;
    }

    /// The answers to the next lines, with their numbers.
    pub(crate) fn push(&self, answers: impl Iterator<Item = (u64, Result<Published, CodedError>)>) {
        let mut state = self.lock();
        for (line, answer) in answers {
            debug_assert!(state.in_flight > 0);
            state.in_flight -= 1;
            match answer {
                Ok(published) => state.ready.push_back((published.id, published.sequence)),
                Err(error) => {
                    let text: Box<str> = error.to_string().into();
                    state.error_bytes += text.len();
                    state.errors.push_back((line, text));
                    state.ready.push_back((MessageId(Uuid::nil()), ERROR));
                }
            }
        }
    }

    /// Tells the connection of what was pushed, and the upload of what has changed.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        self.changed.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// After all other answers comes this line, and nothing else.
    pub(crate) fn end(&self, line: Vec<u8>) {
        self.lock().end = Some(line);
        self.wake();
    }

    /// The answer is over when all of it is taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake();
    }

    /// Whether the connection has taken all there is.
    pub(crate) fn are_taken(&self) -> bool {
        let state = self.lock();
        state.ready.is_empty() && state.end.is_none()
    }

    /// Resolves when something was answered or taken since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the connection last took some.
    pub(crate) fn taken_at(&self) -> Instant {
        self.lock().taken_at
    }

    /// Cancelled when nobody takes answers any more.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes what fits into a piece.
    fn take(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < PIECE_BYTES
            && let Some((id, sequence)) = self.ready.pop_front()
        {
            self.unanswered -= 1;
            if sequence == ERROR {
                let (line, error) = self.errors.pop_front().unwrap_or_default();
                self.error_bytes -= error.len();
                write_error(&mut text, line, &error);
            } else {
                // Writing to a Vec does not fail.
                let _ = writeln!(text, r#"{{"id":"{id}","sequence":{sequence}}}"#);
            }
        }
        if self.ready.is_empty() {
            if self.ready.capacity() > KEPT_PLACES_MAX {
                self.ready = VecDeque::new();
            }
            if let Some(end) = self.end.take() {
                text.extend(end);
            }
        }
        text
    }
}

/// Writes the answer to a line that was refused.
fn write_error(text: &mut Vec<u8>, line: u64, error: &str) {
    let error = serde_json::Value::from(error);
    let _ = writeln!(text, r#"{{"line":{line},"error":{error}}}"#);
}

/// The body of the answer.
pub(crate) struct AnswerBody(pub(crate) Arc<Answers>);

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut state = self.0.lock();
        let text = state.take();
        if !text.is_empty() {
            state.taken_at = Instant::now();
            drop(state);
            self.0.changed.notify_one();
            return Poll::Ready(Some(Ok(Frame::data(text.into()))));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.0.gone.cancel();
    }
}
