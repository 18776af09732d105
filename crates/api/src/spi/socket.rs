//! What runs a socket of the change feed?
//!
//! One task. Nothing is sent before the client's first start, and each start replaces the one before. While a
//! client does not read, its changes wait in the engine, a bounded number of them; the rest is dropped and counted
//! there.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use photinus_contract::ChangeEvent;
use photinus_engine::{Changes, Handle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::frames::{Wanted, read};

/// Largest frame that a client may send, in bytes.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// What the codec reads at once. Idle sockets keep so much.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What is written at once, and most that waits to be written.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// How many changes are looked at before the client is heard again.
const TURN: usize = 256;
/// How long a client has to take the last frame and to close its side.
const FAREWELL: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why a socket ends.
enum Ending {
    /// The client is gone.
    Gone,
    /// We say so.
    Close(CloseCode, &'static str),
}

/// Runs a connection to its end.
pub(super) async fn run(io: Upgraded, handle: &Handle, stop: &CancellationToken) {
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(2 * WRITE_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let io = TokioIo::new(io);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
    let ending = stop
        .run_until_cancelled(converse(&mut socket, handle))
        .await;
    match ending.unwrap_or(Ending::Close(CloseCode::Away, "the server stops")) {
        Ending::Gone => {}
        Ending::Close(code, reason) => {
            let reason = reason.into();
            let farewell = async {
                socket.close(Some(CloseFrame { code, reason })).await?;
                socket.get_mut().shutdown().await?;
                // What is unread when we close would make the kernel drop our last frame. The codec reads nothing
                // after an error, so it is not asked.
                let mut unread = vec![0; READ_BUFFER_BYTES];
                while socket.get_mut().read(&mut unread).await? > 0 {}
                Ok::<_, Error>(())
            };
            // A client that does not take it in time goes without.
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }
}

/// Hears the client and tells it of changes, until one of both ends.
async fn converse(socket: &mut Socket, handle: &Handle) -> Ending {
    let mut telling: Option<(Changes, Wanted)> = None;
    loop {
        tokio::select! {
            said = socket.next() => match said {
                Some(Ok(message)) => {
                    let frame = match &message {
                        Message::Text(text) => text.as_bytes(),
                        Message::Binary(bytes) => bytes,
                        // The codec answers pings and closes.
                        _ => continue,
                    };
                    let Ok(said) = read(frame) else {
                        return Ending::Close(CloseCode::Policy, "a frame was not understood");
                    };
                    let Some(wanted) = said else { continue };
                    telling = Some(match telling {
                        Some((changes, _)) => (changes, wanted),
                        None => (handle.changes(), wanted),
                    });
                }
                Some(Err(Error::Capacity(_))) => {
                    return Ending::Close(CloseCode::Size, "a frame was too large");
                }
                Some(Err(_)) | None => return Ending::Gone,
            },
            change = next(&mut telling) => {
                let Some(change) = change else {
                    return Ending::Close(CloseCode::Away, "the server stops");
                };
                if tell(socket, &mut telling, change).await.is_err() {
                    return Ending::Gone;
                }
            }
        }
    }
}

/// The next change; never one before the first start.
async fn next(telling: &mut Option<(Changes, Wanted)>) -> Option<ChangeEvent> {
    match telling {
        Some((changes, _)) => changes.next().await,
        None => std::future::pending().await,
    }
}

/// Sends a change, and what else there is, with one flush.
async fn tell(
    socket: &mut Socket,
    telling: &mut Option<(Changes, Wanted)>,
    first: ChangeEvent,
) -> Result<(), Error> {
    let Some((changes, wanted)) = telling else {
        return Ok(());
    };
    let mut next = Some(first);
    let mut left = TURN;
    let mut sent = false;
    while let Some(change) = next {
        if wanted.matches(&change) {
            // Writing what we made up does not fail.
            let mut text = serde_json::to_string(&change).unwrap_or_default();
            text.push('\n');
            socket.feed(Message::text(text)).await?;
            sent = true;
        }
        left -= 1;
        next = match left {
            0 => None,
            _ => changes.try_next(),
        };
    }
    if sent {
        socket.flush().await?;
    }
    if left == 0 {
        // There is more, and others on this thread want to have their turn.
        tokio::task::yield_now().await;
    }
    Ok(())
}
