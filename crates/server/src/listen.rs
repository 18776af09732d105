//! How do connections come in, and how are they ended?

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::StatusCode;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use photinus_api::{Departure, Lasting};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::heads::{Conversation, Heads};
use crate::patience::{Exemption, PatientStream, gone};

const SWITCHING_PROTOCOLS: StatusCode = StatusCode::SWITCHING_PROTOCOLS;

/// How long the head of a request may take, and for how long a connection may be idle between two.
const HEAD_READ_MAX: Duration = Duration::from_secs(10);
/// How long what a client goes on sending after its last answer is read for nothing.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How long running requests may go on when the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a connection is silent before its peer is asked whether it is there, how often, and how many times.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// See [`KEEPALIVE_AFTER`].
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// See [`KEEPALIVE_AFTER`].
const KEEPALIVE_COUNT: u32 = 5;
/// Most connections that the system keeps for us until they are accepted.
const BACKLOG_MAX: u32 = 1024;
/// How long to wait after an accept that failed for want of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is ours, and where nobody is listening yet: clients are refused instead of kept waiting.
pub(crate) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    /// Takes the port.
    pub(crate) fn take(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A server that was just stopped leaves connections behind that must not keep the next one out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address, with the port that was found if any would do.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` to at most that many connections at once, until it is stopped.
    pub(crate) fn serve(self, router: Router, connections_max: usize) -> io::Result<Serving> {
        let listener = self.socket.listen(BACKLOG_MAX)?;
        let serving = Serving {
            connections: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let permits = connections_max.min(Semaphore::MAX_PERMITS);
        let accepting = Accepting {
            listener,
            router,
            permits: Arc::new(Semaphore::new(permits)),
            serving: serving.clone(),
        };
        serving.connections.spawn(accepting.run());
        Ok(serving)
    }
}

/// A port that is served.
#[derive(Clone)]
pub(crate) struct Serving {
    connections: TaskTracker,
    /// No more connections, and no more requests on those that are there.
    stop: CancellationToken,
    /// No more of anything.
    cut: CancellationToken,
}

impl Serving {
    /// Lets running requests end, within bounds.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        if tokio::time::timeout(DRAIN_MAX, self.connections.wait())
            .await
            .is_err()
        {
            let left = self.connections.len();
            tracing::warn!(
                left,
                "cut connections whose requests took longer than {DRAIN_MAX:?}"
            );
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

struct Accepting {
    listener: TcpListener,
    router: Router,
    permits: Arc<Semaphore>,
    serving: Serving,
}

impl Accepting {
    async fn run(self) {
        let stop = self.serving.stop.clone();
        // Dropping an accept loses no connection: it stays with the system.
        let _ = stop.run_until_cancelled(self.accept_all()).await;
    }

    async fn accept_all(&self) {
        loop {
            let Ok(permit) = self.permits.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        router: self.router.clone(),
                        peer,
                        serving: self.serving.clone(),
                        _permit: permit,
                    };
                    self.serving.connections.spawn(connection.run(stream));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether the connection was gone before it was accepted, so that the next one may well be there.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    serving: Serving,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // An answer that waits for more to come is late for nothing.
        if let Err(error) = prepare(&stream) {
            tracing::debug!(peer = %self.peer, %error, "a connection ended as it began");
            return;
        }
        let (router, peer) = (self.router, self.peer);
        let exemption = Exemption::default();
        let noted = exemption.clone();
        let stream = Arc::new(stream);
        // Whoever keeps a request does not keep its connection open.
        let watched = Arc::downgrade(&stream);
        let (left, exempt) = (stream.clone(), exemption.clone());
        let departure = Departure::new(move || Box::pin(gone(watched.upgrade())));
        let serving = &self.serving;
        let (stop, tasks) = (serving.stop.clone(), serving.connections.clone());
        let lasting = Lasting::new(stop, tasks, exemption.patient());
        let conversation = Conversation::default();
        let heard = conversation.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| heard.asked(body));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(departure.clone());
            request.extensions_mut().insert(lasting.clone());
            let answer = router.clone().oneshot(request);
            let (exemption, conversation) = (noted.clone(), heard.clone());
            async move {
                let answer = answer.await;
                match &answer {
                    Ok(answer) if answer.status() == SWITCHING_PROTOCOLS => exemption.upgrade(),
                    _ => conversation.answered(),
                }
                answer
            }
        });
        let stream = Heads::new(PatientStream::new(stream, exemption), conversation);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_READ_MAX)
            // A client that has said all it wants to say still waits for its answer. (A request that waits for
            // others may take it for a departure.)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.serving.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.serving.cut.cancelled() => Ok(()),
                }
            }
        };
        match ended {
            Ok(()) if !exempt.is_upgraded() => {
                let _ = self.serving.stop.run_until_cancelled(linger(&left)).await;
            }
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%peer, %error, "a connection ended early");
                // What is no request was told so.
                if error.is_parse() {
                    let _ = self.serving.stop.run_until_cancelled(linger(&left)).await;
                }
            }
        }
    }
}

/// Reads for a moment what a client still sends after its last answer. To close a connection with something unread
/// resets it, and then the client loses that answer, or fails in the middle of its request without a look at it.
async fn linger(stream: &TcpStream) {
    let reading = async {
        let mut buffer = vec![0; 64 << 10];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_MAX, reading).await;
}

/// An answer that waits for more to come is late for nothing; and a peer that vanished without a word is noticed
/// within some two minutes.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const ANY: &str = "127.0.0.1:0";

    async fn serve(router: Router, connections_max: usize) -> (SocketAddr, Serving) {
        let port = Port::take(ANY.parse().unwrap()).unwrap();
        let address = port.address();
        (address, port.serve(router, connections_max).unwrap())
    }

    async fn ask(stream: &mut TcpStream, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
    }

    async fn read_until(stream: &mut TcpStream, end: &str) -> String {
        let mut text = String::new();
        let mut buffer = [0; 1024];
        while !text.ends_with(end) {
            match stream.read(&mut buffer).await.unwrap() {
                0 => break,
                length => text.push_str(std::str::from_utf8(&buffer[..length]).unwrap()),
            }
        }
        text
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_and_not_served_before_its_time() {
        let port = Port::take(ANY.parse().unwrap()).unwrap();
        let address = port.address();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let serving = port.serve(Router::new(), 1).unwrap();
        assert!(TcpStream::connect(address).await.is_ok());
        let taken = Port::take(address).map(|_| ()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        serving.stop().await;
    }

    #[tokio::test]
    async fn a_stop_waits_for_requests_and_not_for_idle_connections() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let slow = Arc::new(std::sync::Mutex::new(Some((begun, finished))));
        let router = Router::new().route(
            "/slow",
            get(move || async move {
                let (begun, finished) = slow.lock().unwrap().take().unwrap();
                begun.send(()).unwrap();
                finished.await.unwrap();
                "done"
            }),
        );
        let (address, serving) = serve(router, 10).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        ask(&mut idle, "/nothing").await;
        assert!(
            read_until(&mut idle, "\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 404")
        );
        let mut busy = TcpStream::connect(address).await.unwrap();
        ask(&mut busy, "/slow").await;
        has_begun.await.unwrap();

        let stopping = tokio::task::JoinSet::from_iter([serving.stop()]);
        assert_eq!(read_until(&mut idle, "never").await, "");
        assert_eq!(read_until(&mut silent, "never").await, "");
        finish.send(()).unwrap();
        assert!(
            read_until(&mut busy, "done")
                .await
                .starts_with("HTTP/1.1 200")
        );
        stopping.join_all().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn more_connections_than_allowed_have_to_wait() {
        let (address, serving) = serve(Router::new().route("/", get(|| async { "here" })), 1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        ask(&mut first, "/").await;
        assert!(read_until(&mut first, "here").await.ends_with("here"));
        let mut second = TcpStream::connect(address).await.unwrap();
        ask(&mut second, "/").await;
        let mut byte = [0];
        assert_eq!(
            second.try_read(&mut byte).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(first);
        assert!(read_until(&mut second, "here").await.ends_with("here"));
        serving.stop().await;
    }
}
