//! When has the kernel taken all bytes of a request?
//!
//! The HTTP client does not say. But over HTTP/1.1 a connection carries one request at a time, and is flushed when
//! nothing of it is left to be written: so a request was sent when its body had been read to its end *and then* its
//! connection was flushed. Both are told by one clock that counts.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::connect::CaptureConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Ticks whenever something happens that has to be told apart from what was before.
static CLOCK: AtomicU64 = AtomicU64::new(1);

fn tick() -> u64 {
    CLOCK.fetch_add(1, Ordering::SeqCst)
}

/// A body in one piece that notes when it was read to its end.
pub(super) struct SentBody {
    bytes: Bytes,
    /// It was not read to its end yet.
    is_unread: bool,
    read_at: Arc<AtomicU64>,
}

/// A request that is being sent.
pub(super) struct Sending {
    /// 0 until the body was read to its end.
    read_at: Arc<AtomicU64>,
}

/// A request that tells how far it is.
pub(super) fn watched(request: Request<Bytes>) -> (Request<SentBody>, Sending) {
    let read_at = Arc::new(AtomicU64::new(0));
    let sending = Sending {
        read_at: read_at.clone(),
    };
    let body = |bytes| SentBody {
        bytes,
        is_unread: true,
        read_at,
    };
    (request.map(body), sending)
}

impl Sending {
    /// Resolves when all of the request is with the kernel; never, if that cannot be told.
    pub(super) async fn taken(self, mut connection: CaptureConnection) {
        let mut extras = http::Extensions::new();
        if let Some(connected) = &*connection.wait_for_connection_metadata().await {
            connected.get_extras(&mut extras);
        }
        let Some(flushes) = extras.get::<Arc<Flushes>>() else {
            return std::future::pending().await;
        };
        loop {
            let flushed = flushes.flushed.notified();
            let read_at = self.read_at.load(Ordering::SeqCst);
            if read_at != 0 && flushes.last.load(Ordering::SeqCst) > read_at {
                return;
            }
            flushed.await;
        }
    }
}

impl SentBody {
    fn note_end(&mut self) {
        if std::mem::take(&mut self.is_unread) {
            self.read_at.store(tick(), Ordering::SeqCst);
        }
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            self.note_end();
        }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.note_end();
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    /// Also one that is empty is taken for one that is still to be read: it is let go when the head was written.
    fn is_end_stream(&self) -> bool {
        !self.is_unread
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// When a connection was flushed.
#[derive(Default)]
pub(super) struct Flushes {
    last: AtomicU64,
    flushed: Notify,
}

/// A connection that notes when it is flushed.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) flushes: Arc<Flushes>,
    /// It leads to a proxy that reads the requests.
    pub(super) is_proxied: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, is_proxied: bool) -> Self {
        Self {
            stream,
            is_proxied,
            flushes: Arc::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.flushes.last.store(tick(), Ordering::SeqCst);
        self.flushes.flushed.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
