//! How does a WebSocket to the server come about?
//!
//! By a request like any other, which the server turns into a WebSocket: so TLS, proxies and the path before
//! `/api` are the client's business, and there is one way to the server and not two.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::client::{Client, reason};
use crate::failure::Failure;

/// Largest frame that is taken, in bytes: a batch of many large events.
const FRAME_BYTES_MAX: usize = 256 << 20;
/// How often it is tried whether the other end is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// So many bytes of frames may wait for whoever does something else meanwhile. The read-ahead bounds them, too.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How long the end of a connection may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// One connection.
pub(crate) struct Socket {
    stream: WebSocketStream<Upgraded>,
    ping: tokio::time::Interval,
    answered: bool,
    /// Frames that came meanwhile, and how many bytes they have.
    waiting: VecDeque<Utf8Bytes>,
    waiting_bytes: usize,
    /// How the connection ended meanwhile.
    lost: Option<String>,
}

/// Why there is no connection.
pub(crate) enum NoSocket {
    /// Nobody answered, or not in time: it may be different later.
    NotNow(Failure),
    /// The server answered, and what it said will not change.
    Refused(Failure),
}

impl NoSocket {
    pub(crate) fn failure(self) -> Failure {
        match self {
            NoSocket::NotNow(failure) | NoSocket::Refused(failure) => failure,
        }
    }
}

impl Socket {
    /// Connects to `/ws`.
    pub(crate) async fn open(client: &Client) -> Result<Self, NoSocket> {
        match tokio::time::timeout(client.timeout(), Self::upgraded(client)).await {
            Ok(opened) => opened,
            Err(_) => Err(NoSocket::NotNow(client.too_late())),
        }
    }

    async fn upgraded(client: &Client) -> Result<Self, NoSocket> {
        let key = generate_key();
        let request = client
            .request(Method::GET, client.at(&[], &["ws"]))
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = request
            .send()
            .await
            .map_err(|error| NoSocket::NotNow(client.failed(&error)))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let is_passing = response.status().is_server_error();
            let answer = client.read(response).await.map_err(NoSocket::NotNow)?;
            let failure = Failure::failed(answer.error());
            return Err(if is_passing {
                NoSocket::NotNow(failure)
            } else {
                NoSocket::Refused(failure)
            });
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accepted| accepted != derive_accept_key(key.as_bytes()).as_str()) {
            return Err(NoSocket::Refused(Failure::failed(format!(
                "what answers at {} is no WebSocket server; see --url and PHOTINUS_URL",
                client.server()
            ))));
        }
        let upgraded = response
            .upgrade()
            .await
            .map_err(|error| NoSocket::NotNow(client.failed(&error)))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let begin = tokio::time::Instant::now() + PING_EVERY;
        let mut ping = tokio::time::interval_at(begin, PING_EVERY);
        // Pings that were due while nobody read must not follow upon each other: nobody could answer in between.
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            stream,
            ping,
            answered: true,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            lost: None,
        })
    }

    /// Sends frames of JSON, in one piece.
    pub(crate) async fn send(&mut self, frames: &[Value]) -> Result<(), String> {
        for frame in frames {
            let frame = Message::text(frame.to_string());
            self.stream
                .feed(frame)
                .await
                .map_err(|error| reason(&error))?;
        }
        self.stream.flush().await.map_err(|error| reason(&error))
    }

    /// The next frame of text. The error says how the connection ended. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, String> {
        if let Some(text) = self.waiting.pop_front() {
            self.waiting_bytes -= text.len();
            return Ok(text);
        }
        match self.lost.take() {
            Some(reason) => Err(reason),
            None => self.receive().await,
        }
    }

    /// Does something else, which may take long, and keeps the connection alive: pings are sent and answered, and
    /// frames wait for [`Socket::next`].
    pub(crate) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let has_room = self.lost.is_none() && self.waiting_bytes < WAITING_BYTES_MAX;
            tokio::select! {
                biased;
                done = &mut work => return done,
                received = self.receive(), if has_room => match received {
                    Ok(text) => {
                        self.waiting_bytes += text.len();
                        self.waiting.push_back(text);
                    }
                    Err(reason) => self.lost = Some(reason),
                },
            }
        }
    }

    async fn receive(&mut self) -> Result<Utf8Bytes, String> {
        loop {
            tokio::select! {
                message = self.stream.next() => {
                    self.answered = true;
                    match message {
                        Some(Ok(Message::Text(text))) => return Ok(text),
                        Some(Ok(Message::Close(Some(frame)))) if !frame.reason.is_empty() => {
                            return Err(format!("the server closed it: {}", frame.reason));
                        }
                        Some(Ok(Message::Close(_))) | None => {
                            return Err("the server closed it".to_owned());
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(reason(&error)),
                    }
                }
                _ = self.ping.tick() => {
                    if !self.answered {
                        return Err(format!("nothing was heard for {PING_EVERY:?}"));
                    }
                    self.answered = false;
                    let ping = self.stream.send(Message::Ping(Vec::new().into())).await;
                    ping.map_err(|error| reason(&error))?;
                }
            }
        }
    }

    /// Ends the connection after all that was sent.
    pub(crate) async fn close(mut self) {
        let closing = async {
            let _ = self.stream.close(None).await;
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        let _ = tokio::time::timeout(CLOSE_WITHIN, closing).await;
    }
}
