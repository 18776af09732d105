//! Do many requests share a connection where a receiver offers HTTP/2?

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use photinus_e2e::{PATIENCE, wait_until};
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Hook, start_with};
use crate::authority::{Authority, with_ca};

/// How many requests wait for one another, once the first was answered.
const TOGETHER: usize = 8;

/// A request.
#[derive(Clone, Debug)]
struct Seen {
    connection: usize,
    version: Version,
    topic: String,
}

/// A receiver that speaks HTTP/2 and HTTP/1.1, whichever is agreed upon.
struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// It ends with this.
    _end: oneshot::Sender<()>,
}

impl Receiver {
    fn start(mut config: ServerConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = oneshot::channel();
        let all = seen.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let serving = serve(listener, Arc::new(config).into(), all);
            runtime.unwrap().block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = serving => {}
                }
            });
        });
        Self {
            address,
            seen,
            _end: end,
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: std::net::TcpListener, tls: TlsAcceptor, seen: Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let together = Arc::new(Barrier::new(TOGETHER));
    let mut connections = JoinSet::new();
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, seen, together) = (tls.clone(), seen.clone(), together.clone());
        connections.spawn(async move {
            let stream = tls.accept(stream).await.unwrap();
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request| {
                answer(request, connection, seen.clone(), together.clone())
            });
            let stream = TokioIo::new(stream);
            // It ends as the other end likes.
            let _ = match is_h2 {
                true => {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    server.serve_connection(stream, service).await
                }
                false => {
                    let server = hyper::server::conn::http1::Builder::new();
                    server.serve_connection(stream, service).await
                }
            };
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
    together: Arc<Barrier>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = request.version();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let topic = body["topic"].as_str().unwrap().to_owned();
    let is_alone = topic.starts_with("alone");
    seen.lock().unwrap().push(Seen {
        connection,
        version,
        topic,
    });
    if !is_alone {
        let _ = tokio::time::timeout(PATIENCE, together.wait()).await;
    }
    Ok(Response::new(Full::from("well")))
}

#[test]
fn one_connection_carries_requests_side_by_side() {
    let authority = Authority::new("own");
    let server = start_with(&format!(
        "idle_timeout = \"5m\"\n{}",
        with_ca("own", &authority.file())
    ));
    let rest = server.rest();
    let receiver = Receiver::start(authority.issue(&["127.0.0.1"]).server());
    let url = format!("https://{}/", receiver.address);
    let options = json!({"tlsConfigName": "own", "orderingKey": "topic", "readAhead": TOGETHER});
    let hook = Hook::at(&rest, "app", &url, options);
    rest.broadcast("alone", "t");
    // From here on it is known what the receiver speaks.
    wait_until("the first to be received", || !receiver.seen().is_empty());
    hook.wait_for_state(&rest, "idle");
    for number in 0..TOGETHER {
        rest.broadcast(&format!("t{number}"), "t");
    }
    wait_until("all to be received", || {
        receiver.seen().len() == TOGETHER + 1
    });
    hook.wait_for_state(&rest, "idle");
    let seen = receiver.seen();
    assert!(
        seen.iter()
            .all(|seen| (seen.connection, seen.version) == (0, Version::HTTP_2)),
        "{seen:?}"
    );

    // Only of HTTP/1.1 it is known when a request was sent.
    let options = json!({"tlsConfigName": "own", "fastack": true, "firstEvent": "newest"});
    let fast = Hook::at(&rest, "fast", &url, options);
    rest.delete(&hook.path);
    rest.broadcast("alone-2", "t");
    fast.wait_for_state(&rest, "idle");
    wait_until("it to be received", || {
        let last = receiver.seen().last().cloned().unwrap();
        last.topic == "alone-2" && last.version == Version::HTTP_11
    });
}
