//! How does a publishing socket go on, and how does it end?
//!
//! A reader and a writer in one task. The reader stops while too much is unanswered; what is unanswered counts until
//! its answer has left. The writer flushes when nothing more is ready.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::SplitStream;
use futures_util::{SinkExt, StreamExt};
use photinus_contract::{CodedError, Namespace};
use photinus_engine::Handle;
use photinus_engine::metrics::Source;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::ending::{Ending, text_of};
use super::frames::{Ref, answer};
use super::writing::{Waiting, write};
use crate::App;
use crate::config::ApiConfig;
use crate::one_of_many;
use crate::together::Together;

/// About how many bytes of answers are written with one flush.
pub(crate) const FLUSH_BYTES: usize = 64 << 10;
/// Most frames that are published together, and about how many bytes of them.
const FRAMES_MAX: usize = 128;
const FRAMES_BYTES: usize = 128 << 10;
/// How long a client has to take the last frames and to close its side.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a client has to take its answers when the server stops.
const STOPPING_MAX: Duration = Duration::from_secs(5);

/// What goes on over one socket.
pub(crate) struct Conversation {
    handle: Handle,
    config: Arc<ApiConfig>,
    namespace: Namespace,
    stop: CancellationToken,
}

/// Frames that were read and are not published yet.
#[derive(Default)]
struct Frames {
    texts: Vec<Utf8Bytes>,
    bytes: usize,
    /// As many as there are frames.
    places: Option<OwnedSemaphorePermit>,
}

impl Frames {
    fn add(&mut self, text: Utf8Bytes, place: OwnedSemaphorePermit) {
        self.bytes += text.len();
        self.texts.push(text);
        match &mut self.places {
            Some(places) => places.merge(place),
            None => self.places = Some(place),
        }
    }
}

impl Conversation {
    pub(crate) fn new(app: &App, namespace: Namespace, stop: CancellationToken) -> Self {
        Self {
            handle: app.handle.clone(),
            config: app.config.clone(),
            namespace,
            stop,
        }
    }

    /// Runs it to its end.
    pub(crate) async fn run<S>(self, socket: WebSocketStream<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sink, mut stream) = socket.split();
        let places = self.config.publish_unanswered_max;
        let (waiting, answers) = mpsc::channel(places.min(Semaphore::MAX_PERMITS));
        let stall_max = self.config.publish_stall_max.value();
        let mut writer = Box::pin(write(&mut sink, answers, stall_max));
        let ending = tokio::select! {
            ending = self.read(&mut stream, waiting) => {
                match ending {
                    // After a client's last word there is nothing to be said to it.
                    Ending::Gone(_) | Ending::Closed => ending,
                    // What was taken is answered before anything is said about the end.
                    _ => tokio::select! {
                        written = writer.as_mut() => match written {
                            Ok(()) => ending,
                            Err(gone) => gone,
                        },
                        () = self.stopped_for(STOPPING_MAX) => {
                            Ending::Gone("its client took nothing while the server stopped")
                        }
                    },
                }
            }
            Err(gone) = writer.as_mut() => gone,
        };
        drop(writer);
        let last = match ending {
            Ending::Gone(why) => {
                tracing::debug!(namespace = %self.namespace, why, "a publishing socket was given up");
                return;
            }
            Ending::Closed => None,
            Ending::Close(code, reason) => Some((code, reason)),
            Ending::Refused(code, error) => {
                tracing::debug!(namespace = %self.namespace, %error, "refused a frame");
                let text = answer(&Ref::default(), &Err(error));
                // If it cannot be said, the close cannot either.
                let _ = sink.feed(Message::text(text)).await;
                Some((code, ""))
            }
        };
        let farewell = async {
            if let Some((code, reason)) = last {
                let close = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                sink.feed(Message::Close(Some(close))).await?;
            }
            sink.flush().await?;
            let Ok(mut socket) = sink.reunite(stream) else {
                return Ok(());
            };
            let io = socket.get_mut();
            io.shutdown().await?;
            // Closing with unread bytes would make the kernel drop our last frames. The codec reads nothing after an
            // error, so it is not asked.
            let mut unread = vec![0; FLUSH_BYTES];
            while io.read(&mut unread).await? > 0 {}
            Ok::<_, Error>(())
        };
        // A client that does not take its last frames in time goes without them.
        let _ = timeout(FAREWELL, farewell).await;
    }

    /// Resolves when the server has been stopping for so long.
    async fn stopped_for(&self, time: Duration) {
        self.stop.cancelled().await;
        sleep(time).await;
    }

    /// Takes messages until there are no more.
    async fn read<S>(
        &self,
        stream: &mut SplitStream<WebSocketStream<S>>,
        waiting: mpsc::Sender<Waiting>,
    ) -> Ending
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let places = self.config.publish_unanswered_max;
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let frames_max = self.handle.lot_max().min(FRAMES_MAX);
        let mut place = None;
        loop {
            let next = async {
                if place.is_none() {
                    place = places.clone().acquire_owned().await.ok();
                }
                stream.next().await
            };
            let mut message = tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    return Ending::Close(CloseCode::Away, "the server stops");
                }
                message = next => message,
            };
            let mut frames = Frames::default();
            let ending = loop {
                match text_of(message) {
                    Ok(Some(text)) => match place.take() {
                        Some(place) => frames.add(text, place),
                        None => break None,
                    },
                    Ok(None) => {}
                    Err(ending) => break Some(ending),
                }
                let is_full = frames.texts.len() >= frames_max || frames.bytes >= FRAMES_BYTES;
                if place.is_none() && !is_full {
                    place = places.clone().try_acquire_owned().ok();
                }
                if place.is_none() || is_full {
                    break None;
                }
                // What is there already is published together with it.
                let ready = poll_fn(|context| Poll::Ready(stream.poll_next_unpin(context)));
                match ready.await {
                    Poll::Ready(next) => message = next,
                    Poll::Pending => break None,
                }
            };
            if let Some(taken) = self.publish(frames).await
                && waiting.send(taken).await.is_err()
            {
                return Ending::Gone("the writer has ended");
            }
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Queues what was read for its commit.
    async fn publish(&self, Frames { texts, places, .. }: Frames) -> Option<Waiting> {
        let places = places?;
        let lot = self
            .handle
            .lot(self.namespace.as_str(), Source::Socket, texts.len());
        let (references, mut read): (Vec<_>, Vec<_>) =
            texts.iter().map(|text| name_of(text)).unzip();
        let queued = match lot {
            Err(error) => {
                read.fill_with(|| Ok(()));
                Err(error)
            }
            Ok(mut lot) => {
                for (text, read) in texts.iter().zip(&mut read) {
                    if read.is_ok() {
                        *read = one_of_many::prepare(&self.handle, &mut lot, text.as_bytes()).await;
                    }
                }
                match lot.is_empty() {
                    true => Ok(None),
                    false => self.handle.enqueue(lot, None).await.map(Some),
                }
            }
        };
        Some(Waiting {
            references,
            messages: Together::new(read, queued),
            places,
        })
    }
}

/// A client's name for a message, and what is wrong with that.
fn name_of(frame: &str) -> (Ref, Result<(), CodedError>) {
    match Ref::of(frame) {
        Ok(reference) => (reference, Ok(())),
        Err(error) => (Ref::default(), Err(error)),
    }
}
