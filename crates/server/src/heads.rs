//! How are requests understood that are almost HTTP?
//!
//! Some clients write `<`, `>` and other signs into a URL as they are: `?created=>=0`. The parser below us would end the
//! connection with an answer that says nothing. So they are escaped in the first line of a head, before it is parsed;
//! and where the parser answers by itself, its answer is given words.
//!
//! ```text
//!           first byte              the service is asked        answered, and the body read
//!  Expected ──────────▶ Head ─────────────────────────▶ Asked ─────────────────────────────▶ Expected
//! ```
//!
//! Only what comes where a head is expected is looked at, and only up to its first line's end: nothing in a body, in
//! another protocol, or behind a body that nobody has read to its end, is ever changed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both are true before a head is expected.
const ANSWERED: u8 = 1;
const BODY_READ: u8 = 2;
const EXPECTED: u8 = ANSWERED | BODY_READ;
/// A head has begun.
const HEAD: u8 = 4;

/// How far a connection is in its conversation.
#[derive(Clone, Debug)]
pub(crate) struct Conversation(Arc<AtomicU8>);

impl Default for Conversation {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(EXPECTED)))
    }
}

impl Conversation {
    /// The service was asked. Notes when the body of the request was read to its end.
    pub(crate) fn asked(&self, body: Incoming) -> Body {
        let read = if body.is_end_stream() { BODY_READ } else { 0 };
        self.0.store(read, Ordering::Relaxed);
        let conversation = self.clone();
        Body::new(Noted { body, conversation })
    }

    /// The service has answered.
    pub(crate) fn answered(&self) {
        self.0.fetch_or(ANSWERED, Ordering::Relaxed);
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Relaxed) == state
    }
}

/// The body of a request.
struct Noted {
    body: Incoming,
    conversation: Conversation,
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.conversation.0.fetch_or(BODY_READ, Ordering::Relaxed);
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

/// A connection whose heads are made readable.
pub(crate) struct Heads<S> {
    stream: S,
    conversation: Conversation,
    /// The first line has begun, and has not ended.
    in_line: bool,
    /// What was read, and did not fit when it was escaped.
    rest: Bytes,
    /// An answer that is written in place of the parser's.
    answer: Bytes,
}

impl<S> Heads<S> {
    pub(crate) fn new(stream: S, conversation: Conversation) -> Self {
        Self {
            stream,
            conversation,
            in_line: false,
            rest: Bytes::new(),
            answer: Bytes::new(),
        }
    }

    /// The length of what belongs to the first line of a head, at the beginning of what was read.
    fn line(&mut self, read: &[u8]) -> usize {
        let mut begin = 0;
        if !self.in_line && self.conversation.is(EXPECTED) {
            // Empty lines may stand before it.
            let is_empty = |byte: &u8| matches!(byte, b'\r' | b'\n');
            begin = read.iter().take_while(|byte| is_empty(byte)).count();
            self.in_line = begin < read.len();
            if self.in_line {
                self.conversation.0.store(HEAD, Ordering::Relaxed);
            }
        }
        if !self.in_line {
            return 0;
        }
        let end = read[begin..].iter().position(|byte| *byte == b'\n');
        self.in_line = end.is_none();
        end.map_or(read.len(), |end| begin + end)
    }

    /// What is to be written instead, if the parser answers by itself.
    fn instead(&self, bytes: &[u8]) -> Option<Bytes> {
        let is_bare = self.conversation.is(HEAD)
            && bytes.starts_with(b"HTTP/1.1 4")
            && bytes.ends_with(b"\r\n\r\n");
        let head = std::str::from_utf8(bytes).ok().filter(|_| is_bare)?;
        let (head, more) = head
            .split_once("content-length: 0\r\n")
            .filter(|(head, _)| head.contains("connection: close\r\n"))?;
        let text = match head.get(9..12)? {
            "414" => "The URL is too long",
            "431" => "The head of the request is too large, or has too many headers",
            _ => "This is no request of HTTP/1.1: its first line or a header is malformed",
        };
        let body = format!("{{\"error\":\"PH00400: {text}\"}}\n");
        let length = body.len();
        let kind = "content-type: application/json\r\ncontent-length: ";
        Some(format!("{head}{kind}{length}\r\n{more}{body}").into())
    }
}

/// Whether a byte has to be escaped in a URL, and often is not.
fn is_raw(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b'`' | 0x80..)
}

fn escaped(line: &[u8], behind: &[u8]) -> Bytes {
    let mut escaped = Vec::with_capacity(line.len() * 2 + behind.len());
    for &byte in line {
        match is_raw(byte) {
            true => escaped.extend(format!("%{byte:02X}").into_bytes()),
            false => escaped.push(byte),
        }
    }
    escaped.extend_from_slice(behind);
    escaped.into()
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            let line = this.line(read);
            if !read[..line].iter().any(|byte| is_raw(*byte)) {
                return Poll::Ready(Ok(()));
            }
            this.rest = escaped(&read[..line], &read[line..]);
            buffer.set_filled(before);
        }
        let piece = this.rest.split_to(this.rest.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Heads<S> {
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.answer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.answer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let _ = self.answer.split_to(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(context))?;
        if let Some(instead) = self.instead(bytes) {
            self.answer = instead;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bytes {
            [only] => self.poll_write(context, only),
            _ => {
                ready!(self.poll_answer(context))?;
                Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
