//! How does a client ask over HTTP?

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The content type of a message.
pub const JSON: &str = "application/json";
/// The content type of many, a line each.
pub const NDJSON: &str = "application/x-ndjson";

/// What a body is made of.
type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// One connection, kept alive; one request at a time.
pub struct Http {
    sender: SendRequest<Body>,
    address: SocketAddr,
    // Ends with it.
    _driver: JoinSet<()>,
}

impl Http {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What fails fails the request, too.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            address,
            _driver: driver,
        })
    }

    /// Asks, and reads the whole answer.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let body = Full::new(body).boxed_unsync();
        let (status, mut answer) = self.send(method, path, JSON, body).await?;
        // Nearly all answers come in one piece.
        let Some(first) = next_piece(&mut answer).await? else {
            return Ok((status, Bytes::new()));
        };
        let Some(second) = next_piece(&mut answer).await? else {
            return Ok((status, first));
        };
        let mut all = [first, second].concat();
        while let Some(piece) = next_piece(&mut answer).await? {
            all.extend_from_slice(&piece);
        }
        Ok((status, all.into()))
    }

    /// Posts JSON; anything but this status is an error.
    pub async fn post(&mut self, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        self.expect(Method::POST, path, body, expected).await
    }

    /// Gets JSON.
    pub async fn get(&mut self, path: &str) -> Result<serde_json::Value> {
        let answer = self
            .expect(Method::GET, path, Bytes::new(), StatusCode::OK)
            .await?;
        serde_json::from_slice(&answer).with_context(|| format!("GET {path}"))
    }

    /// Deletes something.
    pub async fn delete(&mut self, path: &str) -> Result<()> {
        self.expect(Method::DELETE, path, Bytes::new(), StatusCode::NO_CONTENT)
            .await
            .map(drop)
    }

    async fn expect(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        expected: StatusCode,
    ) -> Result<Bytes> {
        let (status, answer) = self
            .ask(method.clone(), path, body)
            .await
            .with_context(|| format!("{method} {path}"))?;
        if status != expected {
            bail!(
                "{method} {path}: {status}, not {expected}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        Ok(answer)
    }

    /// Posts a body that is made while it is sent, and returns the answer as it comes. The connection is used up.
    pub async fn stream(
        mut self,
        path: &str,
        pieces: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<(StatusCode, Answer)> {
        use futures_util::StreamExt;
        let body = StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync();
        let (status, body) = self.send(Method::POST, path, NDJSON, body).await?;
        Ok((
            status,
            Answer {
                body,
                _connection: self,
            },
        ))
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Body,
    ) -> Result<(StatusCode, Incoming)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, content_type)
            .body(body)?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        Ok((answer.status(), answer.into_body()))
    }
}

/// An answer that is read piece by piece.
pub struct Answer {
    body: Incoming,
    _connection: Http,
}

impl Answer {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        next_piece(&mut self.body).await
    }
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}
