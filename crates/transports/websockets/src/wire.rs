//! How do the frame codec and the socket meet?
//!
//! The codec reads from the socket and writes to a buffer that always takes whole frames, so that it never
//! blocks and the socket's task alone decides when bytes leave.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Above this many unwritten bytes the codec keeps its pongs to itself. It holds the newest of them.
pub(crate) const CONTROL_BYTES_MAX: usize = 256 * 1024;
/// Bytes on their way to a socket. They are always whole frames, of which the first may be partly written.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
    written: usize,
}

impl Out {
    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// Writes all of it.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..)
            && !rest.is_empty()
        {
            match Pin::new(&mut *io).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.bytes.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

/// What the codec is given as its stream.
pub(crate) struct Wire<'a, 'b, S> {
    pub(crate) io: &'a mut S,
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) out: &'a mut Out,
    pub(crate) unwritten_max: usize,
}

impl<S: AsyncRead + Unpin> Read for Wire<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Ready(done) => done.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S> Write for Wire<'_, '_, S> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        if self.out.bytes.len() - self.out.written > self.unwritten_max {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.out.bytes.extend_from_slice(frames);
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
