//! What happens on the WebSockets of a bare server?

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::StatusCode;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::relay::QUEUE_MAX;
use super::{
    INSERT_SOCKET_PATH, Message, PONG_SOCKET_PATH, PUSH_SOCKET_PATH, RELAY_SOCKET_PATH,
    SYNCED_PONG_SOCKET_PATH, Shared, push,
};

/// Most messages of a publishing socket that are read and not answered, as in the product.
const UNANSWERED_MAX: usize = 1_000;
/// How long to wait after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// What a relayed socket keeps for reading and writing: most of them are idle.
const IDLE_BYTES: usize = 4096;

type Socket = WebSocketStream<TcpStream>;

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            if let Err(error) = run(&shared, stream).await
                && !is_goodbye(&error)
            {
                eprintln!("a socket: {error:#}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Whether the client has simply left.
fn is_goodbye(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) | Error::Io(_))
    )
}

#[expect(
    clippy::result_large_err,
    reason = "the form of the library's callback"
)]
async fn run(shared: &Shared, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let is_idle = is_relay(&stream).await?;
    let config = match is_idle {
        true => WebSocketConfig::default()
            .read_buffer_size(IDLE_BYTES)
            .write_buffer_size(IDLE_BYTES),
        false => WebSocketConfig::default(),
    };
    let mut path = String::new();
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let mut socket = accept_hdr_async_with_config(stream, look, Some(config)).await?;
    match path.as_str() {
        PUSH_SOCKET_PATH => push::push(shared, &mut socket).await?,
        PONG_SOCKET_PATH => pong(shared, &mut socket, false).await?,
        SYNCED_PONG_SOCKET_PATH => pong(shared, &mut socket, true).await?,
        INSERT_SOCKET_PATH => insert(shared, socket).await?,
        RELAY_SOCKET_PATH => relay(shared, &mut socket).await?,
        other => anyhow::bail!("{}: {other}", StatusCode::NOT_FOUND),
    }
    Ok(())
}

/// Whether the request that has come is for a socket that will be idle: its buffers are made with it.
async fn is_relay(stream: &TcpStream) -> Result<bool> {
    let expected = format!("GET {RELAY_SOCKET_PATH} ");
    let mut start = vec![0; expected.len()];
    let length = stream.peek(&mut start).await?;
    Ok(start[..length] == *expected.as_bytes())
}

/// Answers each message with its frame. What has come together is synced together.
async fn pong(shared: &Shared, socket: &mut Socket, is_synced: bool) -> Result<()> {
    let mut sequence = 0;
    let mut asked = Vec::new();
    let mut next = socket.next().await;
    while let Some(Frame::Text(text)) = next.transpose()? {
        let tag = Message::parse(text.as_bytes())?.tag()?;
        let committed = match is_synced {
            true => Some(shared.written.queue(tag).await?),
            false => None,
        };
        asked.push((tag, committed));
        if let Some(more) = socket.next().now_or_never() {
            next = more;
            continue;
        }
        for (tag, committed) in asked.drain(..) {
            sequence = match committed {
                Some(committed) => committed.await?,
                None => sequence + 1,
            };
            let mut frame = String::with_capacity(shared.template.capacity());
            shared.template.write(sequence, tag, &mut frame);
            socket.feed(Frame::text(frame)).await?;
        }
        socket.flush().await?;
        next = socket.next().await;
    }
    Ok(())
}

/// Inserts each message, and says so, in order.
async fn insert(shared: &Shared, socket: Socket) -> Result<()> {
    let (mut sink, mut stream) = socket.split();
    let (sender, mut pending) = mpsc::channel::<(String, oneshot::Receiver<u64>)>(UNANSWERED_MAX);
    let read = async move {
        while let Some(Frame::Text(text)) = stream.next().await.transpose()? {
            let message = Message::parse(text.as_bytes())?;
            let committed = shared.rows.queue(message.tag()?).await?;
            sender
                .send((message.reference.to_owned(), committed))
                .await?;
        }
        Ok(())
    };
    let write = async move {
        while let Some((reference, mut committed)) = pending.recv().await {
            let sequence = match (&mut committed).now_or_never() {
                Some(sequence) => sequence?,
                None => {
                    // Nothing that could be sent waits for what is not there yet.
                    sink.flush().await?;
                    committed.await?
                }
            };
            sink.feed(Frame::text(format!(
                r#"{{"type":"published","ref":"{reference}","id":"00000000-0000-7000-8000-{sequence:012x}","sequence":{sequence}}}"#
            )))
            .await?;
            if pending.is_empty() {
                sink.flush().await?;
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::try_join!(read, write)?;
    Ok(())
}

/// A frame of a client that gets what is relayed.
#[derive(Debug, Deserialize)]
struct FromClient {
    #[serde(rename = "type")]
    kind: String,
    tag: Option<usize>,
}

/// Pushes what is relayed, and reads the acknowledgements.
async fn relay(shared: &Shared, socket: &mut Socket) -> Result<()> {
    let (sender, mut frames) = mpsc::channel(QUEUE_MAX);
    loop {
        tokio::select! {
            next = socket.next() => match next.transpose()? {
                Some(Frame::Text(text)) => {
                    let frame: FromClient = serde_json::from_str(&text)?;
                    if frame.kind == "start" {
                        shared.relay.start(frame.tag, sender.clone());
                    }
                }
                Some(Frame::Ping(_)) => socket.flush().await?,
                _ => return Ok(()),
            },
            Some(frame) = frames.recv() => {
                socket.feed(Frame::text(frame)).await?;
                while let Ok(frame) = frames.try_recv() {
                    socket.feed(Frame::text(frame)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}
