//! What runs a socket?
//!
//! One task, which reads and writes as either becomes possible. Reading never waits for writing.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::poll_fn;
use photinus_contract::{CodedError, DeliveryId, Outcome, Response, SubscriptionId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::config::Config;
use crate::frames::Start;
use crate::mapping::{write_payload, write_protocol_error};
use crate::outbound::{Outgoing, Payload};
use crate::session::{Session, invalid_data};
use crate::wire::{CONTROL_BYTES_MAX, Out, Wire};

/// About how many bytes are written with one flush.
const WRITE_BYTES: usize = 64 * 1024;
/// How many client frames are read before writing has its turn.
const READ_FRAMES: usize = 64;
/// How many turns the task takes before others on its thread have theirs.
const TURNS: usize = 16;
/// The codec's buffer for what it reads. Acknowledgements are small, and idle connections many.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// The codec's buffer for pongs that cannot be written.
const CONTROL_BUFFER_BYTES: usize = 4 * 1024;
/// How long a client has to take the last frames and to close its side.
const FAREWELL: Duration = Duration::from_secs(2);

/// A socket and its session.
pub(crate) struct Socket<S> {
    io: S,
    codec: WebSocketContext,
    out: Out,
    session: Session,
    ping: Option<Interval>,
    pong_awaited: bool,
    /// Bytes were written since the last flush.
    unflushed: bool,
    /// What is acknowledged by the next flush.
    acknowledged: Vec<(SubscriptionId, DeliveryId)>,
    taken: Vec<Outgoing>,
}

/// How a connection ends.
enum Ending {
    /// The client is gone; nothing can be said to it.
    Gone,
    /// The client said so and was answered.
    Closed,
    /// We say so.
    Close(CloseCode, &'static str),
    /// We say so, and why.
    Refused(CloseCode, CodedError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(io: S, session: Session, config: &Config) -> Self {
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(CONTROL_BUFFER_BYTES)
            .max_message_size(Some(config.frame_bytes_max))
            .max_frame_size(Some(config.frame_bytes_max));
        let ping = config.ping_interval().map(|every| {
            let mut ping = interval_at(Instant::now() + every, every);
            ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ping
        });
        Self {
            io,
            codec: WebSocketContext::new(Role::Server, Some(limits)),
            out: Out::default(),
            session,
            ping,
            pong_awaited: false,
            unflushed: false,
            acknowledged: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Runs the connection to its end.
    pub(crate) async fn run(mut self, auto_start: Option<Start>, stop: CancellationToken) {
        if let Some(start) = auto_start
            && let Err(error) = self.session.auto_start(start)
        {
            write_protocol_error(&error, &mut self.out.bytes);
        }
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => Ending::Close(CloseCode::Away, "the server stops"),
            ending = poll_fn(|cx| self.poll(cx)) => ending,
        };
        // First, so that what was not answered goes to the next connection without waiting for this client.
        self.session.end();
        match ending {
            Ending::Gone => return,
            Ending::Closed => {}
            Ending::Close(code, reason) => self.say_goodbye(code, reason),
            Ending::Refused(code, error) => {
                tracing::debug!(connection = %self.session.connection.id, %error, "refused a frame");
                write_protocol_error(&error, &mut self.out.bytes);
                self.say_goodbye(code, "");
            }
        }
        let mut shut = false;
        let farewell = poll_fn(|cx| self.poll_farewell(&mut shut, cx));
        // A client that does not take its last frames in time goes without them.
        let _ = timeout(FAREWELL, farewell).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.session.connection.waker.register(cx.waker());
        if let Some(ending) = self.poll_ping(cx) {
            return Poll::Ready(ending);
        }
        for _ in 0..TURNS {
            let read = self.poll_read(cx);
            self.session.tell_answers();
            let read = match read {
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                other => other.is_ready(),
            };
            let wrote = match self.poll_write(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(Ending::Gone),
                other => other.is_ready(),
            };
            if !read && !wrote {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads what is there, up to [`READ_FRAMES`]. Ready if there may be more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        for _ in 0..READ_FRAMES {
            let mut wire = Wire {
                io: &mut self.io,
                cx,
                out: &mut self.out,
                unwritten_max: CONTROL_BYTES_MAX,
            };
            let handled = match self.codec.read(&mut wire) {
                Ok(Message::Text(text)) => self.session.frame(text.as_bytes()),
                Ok(Message::Binary(bytes)) => self.session.frame(&bytes),
                Ok(Message::Pong(_)) => {
                    self.pong_awaited = false;
                    Ok(())
                }
                Ok(Message::Close(_)) => {
                    wire.unwritten_max = usize::MAX;
                    // The codec has the answer ready, and reports that all is said as an error.
                    let _ = self.codec.flush(&mut wire);
                    return Poll::Ready(Err(Ending::Closed));
                }
                // The codec answers a ping with the next read.
                Ok(Message::Ping(_) | Message::Frame(_)) => Ok(()),
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(ending_of(error))),
            };
            if let Err(error) = handled {
                return Poll::Ready(Err(Ending::Refused(CloseCode::Policy, error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes and flushes what is there, about [`WRITE_BYTES`]. Ready if there may be more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.out.is_empty() && !self.unflushed {
            self.fill(cx);
            if self.out.is_empty() {
                self.session.hub.buffers.give(&mut self.out.bytes);
                return Poll::Pending;
            }
        }
        if !self.out.is_empty() {
            std::task::ready!(self.out.poll_write(&mut self.io, cx))?;
            self.unflushed = true;
        }
        std::task::ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.unflushed = false;
        for (subscription, delivery) in self.acknowledged.drain(..) {
            self.session
                .respond(Response::new(subscription, delivery, Outcome::ack()));
        }
        self.session.tell_answers();
        Poll::Ready(Ok(()))
    }

    fn fill(&mut self, cx: &mut Context<'_>) {
        let mut wire = Wire {
            io: &mut self.io,
            cx,
            out: &mut self.out,
            unwritten_max: CONTROL_BYTES_MAX,
        };
        // Pongs that found no room before. An error that matters comes again with the next read.
        let _ = self.codec.flush(&mut wire);
        self.session.take_outgoing(WRITE_BYTES, &mut self.taken);
        if self.taken.is_empty() {
            return;
        }
        self.session.hub.buffers.take(&mut self.out.bytes);
        let bytes = self.taken.iter().map(|outgoing| outgoing.size).sum();
        self.out.bytes.reserve(bytes);
        for outgoing in self.taken.drain(..) {
            write_payload(&outgoing.payload, outgoing.size, &mut self.out.bytes);
            if outgoing.place.is_none() {
                self.acknowledged.extend(match &outgoing.payload {
                    Payload::Event(subscription, item) => Some((subscription.id, item.id)),
                    Payload::Batch(_, batch) => Some((batch.subscription.id, batch.id)),
                    Payload::Change(_) => None,
                });
            }
        }
    }

    fn poll_ping(&mut self, cx: &mut Context<'_>) -> Option<Ending> {
        while self.ping.as_mut()?.poll_tick(cx).is_ready() {
            if std::mem::replace(&mut self.pong_awaited, true) {
                return Some(Ending::Close(CloseCode::Policy, "a ping was not answered"));
            }
            let mut wire = Wire {
                io: &mut self.io,
                cx,
                out: &mut self.out,
                unwritten_max: CONTROL_BYTES_MAX,
            };
            // If it cannot be written now, the client does not read and cannot answer.
            let _ = self
                .codec
                .write(&mut wire, Message::Ping(Default::default()));
        }
        None
    }

    fn say_goodbye(&mut self, code: CloseCode, reason: &'static str) {
        let close = Frame::close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }));
        // Writing to a Vec does not fail.
        let _ = close.format(&mut self.out.bytes);
    }

    /// Writes what is left, then closes our side, and reads away what the client still sends: closing with
    /// unread bytes would make the kernel drop our last frames.
    fn poll_farewell(&mut self, shut: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        if !*shut {
            match self.out.poll_write(&mut self.io, cx) {
                Poll::Ready(Ok(())) => match Pin::new(&mut self.io).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => *shut = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                },
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        loop {
            let mut space = [0u8; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                // The client closed its side; ours may still have to be written.
                Poll::Ready(Ok(())) if !*shut => return Poll::Pending,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What an error of the codec means for the connection.
fn ending_of(error: Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            let error = CodedError::new(
                "PH00413",
                413,
                format!("Frame too large: at most {max_size} bytes (frame_bytes_max)"),
            );
            Ending::Refused(CloseCode::Size, invalid_data(&error))
        }
        Error::Utf8(text) => Ending::Refused(
            CloseCode::Invalid,
            invalid_data(&CodedError::undecodable(format!("not UTF-8: {text}"))),
        ),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Gone,
        Error::Protocol(_) => Ending::Close(CloseCode::Protocol, ""),
        _ => Ending::Gone,
    }
}
