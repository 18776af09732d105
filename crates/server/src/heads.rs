//! How are requests understood that are almost HTTP?
//!
//! Some clients write `<`, `>` and other signs into a URL as they are: `?created=>=0`. The parser below us would end the
//! connection with an answer that says nothing. So they are escaped in the first line of a head, before it is parsed;
//! and where the parser answers by itself, its answer is given words.
//!
//! Only the URL in the first line of a head is touched, where a head is known to begin: nothing in a header, in a body,
//! in another protocol, or behind a body that nobody has read to its end, is ever changed.

mod conversation;
mod first_line;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use self::conversation::Conversation;
use self::first_line::FirstLine;

/// A connection whose heads are made readable.
pub(crate) struct Heads<S> {
    stream: S,
    conversation: Conversation,
    first_line: FirstLine,
    /// Everything that was written is sent.
    is_flushed: bool,
    /// It was so when the head began: until the service is asked, what is written is the parser's own.
    is_alone: bool,
    /// What was read, and did not fit when it was escaped: at most twice the bytes that are.
    rest: Bytes,
    /// An answer that is written in place of the parser's.
    answer: Bytes,
}

impl<S> Heads<S> {
    pub(crate) fn new(stream: S, conversation: Conversation) -> Self {
        Self {
            stream,
            conversation,
            first_line: FirstLine::new(),
            is_flushed: true,
            is_alone: true,
            rest: Bytes::new(),
            answer: Bytes::new(),
        }
    }

    /// What is to be written instead, if the parser answers by itself.
    fn instead(&self, bytes: &[u8]) -> Option<Bytes> {
        let is_bare = self.is_alone
            && self.conversation.is_unasked()
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
            if this.first_line.begins(&this.conversation) {
                this.is_alone = this.is_flushed;
            }
            let Some(changed) = this.first_line.pass(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            let (now, later) = changed.split_at(changed.len().min(buffer.remaining()));
            buffer.put_slice(now);
            this.rest = Bytes::copy_from_slice(later);
            return Poll::Ready(Ok(()));
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
        self.is_flushed = false;
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
                self.is_flushed = false;
                Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
