//! How does a client speak over a WebSocket?

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long nothing may come before that is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What an idle socket keeps for reading.
const IDLE_BYTES: usize = 4096;

/// One WebSocket connection.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to this path, ready for many frames.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self> {
        Self::open_with(address, path, WebSocketConfig::default()).await
    }

    /// Connects to this path with small buffers: most of the time nothing comes.
    pub async fn open_idle(address: SocketAddr, path: &str) -> Result<Self> {
        let config = WebSocketConfig::default()
            .read_buffer_size(IDLE_BYTES)
            .write_buffer_size(0);
        Self::open_with(address, path, config).await
    }

    async fn open_with(address: SocketAddr, path: &str, config: WebSocketConfig) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}{path}");
        let (socket, _) = client_async_with_config(url, stream, Some(config))
            .await
            .with_context(|| format!("the upgrade at {path}"))?;
        Ok(Self(socket))
    }

    /// Puts a frame where the next flush takes it.
    pub async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<()> {
        Ok(self.0.feed(Message::Text(text.into())).await?)
    }

    /// Sends what was put there.
    pub async fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush().await?)
    }

    /// Sends a frame.
    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<()> {
        self.feed(text).await?;
        self.flush().await
    }

    /// The next text frame. An error frame, the end, and silence for too long are errors.
    pub async fn next(&mut self) -> Result<Utf8Bytes> {
        tokio::time::timeout(PATIENCE, self.wait())
            .await
            .with_context(|| format!("nothing came for {PATIENCE:?}"))?
    }

    /// The next text frame, however long it takes.
    pub async fn wait(&mut self) -> Result<Utf8Bytes> {
        loop {
            if let Some(text) = text_of(self.0.next().await)? {
                return Ok(text);
            }
        }
    }

    /// A frame that has come already.
    pub fn ready(&mut self) -> Result<Option<Utf8Bytes>> {
        while let Some(next) = self.0.next().now_or_never() {
            if let Some(text) = text_of(next)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Waits until all frames that were sent are read by the other side.
    pub async fn ping(&mut self) -> Result<()> {
        self.0.send(Message::Ping("bench".into())).await?;
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await? {
                Some(Ok(Message::Pong(_))) => return Ok(()),
                other => drop(text_of(other)?),
            }
        }
    }

    /// Says goodbye, and waits for the other side's.
    pub async fn close(mut self) -> Result<()> {
        self.0.close(None).await?;
        while let Ok(Some(Ok(_))) = tokio::time::timeout(PATIENCE, self.0.next()).await {}
        Ok(())
    }
}

type Next = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

fn text_of(next: Next) -> Result<Option<Utf8Bytes>> {
    match next.context("the server closed the connection")?? {
        Message::Text(text) if text.starts_with(r#"{"type":"protocol_error""#) => {
            bail!("{}", text.as_str())
        }
        Message::Text(text) => Ok(Some(text)),
        Message::Close(frame) => bail!("the server closed the connection: {frame:?}"),
        _ => Ok(None),
    }
}
