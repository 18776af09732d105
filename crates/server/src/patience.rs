//! How long may a client not take what it asked for?
//!
//! An answer that is not fetched stays in memory. A connection on which nothing could be written for
//! [`STALL_MAX`] is ended. It ends with the upgrade to another protocol, whose transport has a rule of its own.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may take nothing of an answer.
const STALL_MAX: Duration = Duration::from_secs(10);

/// Says that a connection has become one of another protocol, or that for the time being its client may take nothing
/// for as long as it likes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exemption {
    upgraded: Arc<AtomicBool>,
    patient: Arc<AtomicBool>,
}

impl Exemption {
    /// It is one of another protocol from now on.
    pub(crate) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// Set while whoever answers has a rule of its own.
    pub(crate) fn patient(&self) -> Arc<AtomicBool> {
        self.patient.clone()
    }

    fn is_patient(&self) -> bool {
        self.patient.load(Ordering::Relaxed)
    }
}

/// A connection that is not patient for ever. Others may look whether its client is still there.
pub(crate) struct PatientStream {
    stream: Arc<TcpStream>,
    exemption: Exemption,
    stalled: Option<Stall>,
}

/// Nothing is taken since then.
struct Stall {
    over: Pin<Box<Sleep>>,
    /// Another rule held as it began.
    patient: bool,
}

impl PatientStream {
    pub(crate) fn new(stream: Arc<TcpStream>, exemption: Exemption) -> Self {
        Self {
            stream,
            exemption,
            stalled: None,
        }
    }

    /// What becomes of a write: one that makes no progress for too long fails.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() || self.exemption.is_upgraded() {
            self.stalled = None;
            return write;
        }
        // Nobody wakes us when the patience ends, so the time is watched meanwhile, too.
        loop {
            let patient = self.exemption.is_patient();
            let stall = self.stalled.get_or_insert_with(|| Stall {
                over: Box::pin(tokio::time::sleep(STALL_MAX)),
                patient,
            });
            ready!(stall.over.as_mut().poll(context));
            if !stall.patient && !patient {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.stalled = None;
        }
    }
}

/// Resolves when the client has closed its side. Never, if it has sent more that is not read yet.
pub(crate) async fn gone(stream: Option<Arc<TcpStream>>) {
    let Some(stream) = stream else { return };
    if let Ok(1..) = stream.peek(&mut [0]).await {
        std::future::pending::<()>().await;
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            if let Some(read) = read_ready(&self.stream, buffer.initialize_unfilled()) {
                return Poll::Ready(read.map(|length| buffer.advance(length)));
            }
        }
    }
}

/// Reads what is there; `None` if nothing is. What does not fill the buffer was all: the stream is then known not to be
/// ready, and the next read waits without asking the kernel first.
fn read_ready(stream: &TcpStream, buffer: &mut [u8]) -> Option<io::Result<usize>> {
    let mut read = None;
    let tried = stream.try_io(Interest::READABLE, || {
        let length = recv(stream, &mut *buffer, RecvFlags::empty())?.0;
        read = Some(length);
        match length {
            1.. if length < buffer.len() => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    match (read, tried) {
        (Some(length), _) => Some(Ok(length)),
        (None, Err(error)) if error.kind() == ErrorKind::WouldBlock => None,
        (None, tried) => Some(tried.map(|()| 0)),
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = poll_write_with(&self.stream, context, |stream| stream.try_write(bytes));
        self.watch(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = poll_write_with(&self.stream, context, |stream| {
            stream.try_write_vectored(bytes)
        });
        self.watch(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match shutdown(&*self.stream, Shutdown::Write) {
            // The client was faster.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

fn poll_write_with(
    stream: &TcpStream,
    context: &mut Context<'_>,
    write: impl Fn(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match write(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, server) = pair().await;
        let mut server = PatientStream::new(Arc::new(server), Exemption::default());
        let piece = vec![0; 1 << 20];
        tokio::time::pause();
        let error = loop {
            if let Err(error) = server.write_all(&piece).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_is_given_up_only_when_no_other_rule_holds() {
        let (_client, server) = pair().await;
        let exemption = Exemption::default();
        let patient = exemption.patient();
        patient.store(true, Ordering::Relaxed);
        let mut server = PatientStream::new(Arc::new(server), exemption);
        let piece = vec![0; 64 << 20];
        // In a task of its own, which nobody polls when the patience ends.
        let mut writing =
            tokio::task::JoinSet::from_iter([async move { server.write_all(&piece).await }]);
        tokio::time::pause();
        tokio::time::sleep(STALL_MAX * 10).await;
        assert!(writing.try_join_next().is_none());
        patient.store(false, Ordering::Relaxed);
        let written = tokio::time::timeout(STALL_MAX * 3, writing.join_next()).await;
        let error = written
            .expect("it is given up")
            .unwrap()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_takes_a_little_now_and_then_is_served() {
        let (mut client, server) = pair().await;
        let mut server = PatientStream::new(Arc::new(server), Exemption::default());
        let piece = vec![0; 8 << 20];
        let mut buffer = vec![0; 64 << 10];
        let reader = async {
            let mut left = piece.len();
            while left > 0 {
                left -= client.read(&mut buffer).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(server.write_all(&piece), reader);
        assert!(written.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_closes_is_gone_and_one_that_sends_more_is_not() {
        for sends_more in [false, true] {
            let (mut client, server) = pair().await;
            let server = Arc::new(server);
            let mut reads = PatientStream::new(server.clone(), Exemption::default());
            client.write_all(b"request").await.unwrap();
            reads.read_exact(&mut [0; 7]).await.unwrap();
            let mut gone = Box::pin(gone(Some(server)));
            assert!(futures_are_pending(&mut gone).await);
            if sends_more {
                client.write_all(b"x").await.unwrap();
                reads.stream.readable().await.unwrap();
                assert!(futures_are_pending(&mut gone).await);
            } else {
                drop(client);
                gone.await;
            }
        }
    }

    #[tokio::test]
    async fn a_read_that_took_all_is_not_followed_by_one_in_vain() {
        let (mut client, server) = pair().await;
        let mut server = PatientStream::new(Arc::new(server), Exemption::default());
        for text in [b"abc", b"def"] {
            client.write_all(text).await.unwrap();
            let mut read = [0; 8];
            assert_eq!(server.read(&mut read).await.unwrap(), 3);
            assert_eq!(&read[..3], text);
            let mut ready = Box::pin(std::future::poll_fn(|context| {
                server.stream.poll_read_ready(context).map(drop)
            }));
            assert!(
                futures_are_pending(&mut ready).await,
                "it asks the kernel again"
            );
        }
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    }

    async fn futures_are_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = tokio::task::yield_now() => true,
        }
    }
}
